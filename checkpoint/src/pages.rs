//! Where the states of a checkpoint lie: a table with a place for each page, in spans of bytes that checkpoints share.
//!
//! A delta adds one span and points the changed pages into it; the others stay where they are. So that what nobody points at any more
//! does not pile up, each delta also moves a little, about as much as it brought: out of the emptiest span while more than half of
//! what is held is garbage, and out of the smallest spans while there are many. No delta pays much more than its own
//! length, and a checkpoint holds about twice its states, for a while up to three times.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::parts::PAGE_BYTES;

/// While there are more spans than this, small ones are merged.
const MANY: usize = 256;
/// So much is moved at once however small a delta is.
const LEAST: u64 = 1 << 20;

/// Pages of a state of `bytes` bytes.
pub(crate) fn pages_of(bytes: u32) -> u32 {
    bytes.div_ceil(PAGE_BYTES as u32)
}

/// Length of page `page` of a state of `bytes` bytes, which has it.
pub(crate) fn page_len(bytes: u32, page: u32) -> usize {
    (bytes as usize - page as usize * PAGE_BYTES).min(PAGE_BYTES)
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    span: u32,
    offset: u64,
}

/// The pages of some states, one after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    spans: Vec<Bytes>,
    places: Vec<Place>,
}

impl Pages {
    /// No pages yet; there will be `pages`, in the spans of `base` and in `bytes`.
    pub(crate) fn beside(base: &Pages, bytes: Bytes, pages: usize) -> Pages {
        let mut spans = Vec::with_capacity(base.spans.len() + 1);
        spans.extend_from_slice(&base.spans);
        spans.push(bytes);
        Pages { spans, places: Vec::with_capacity(pages) }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Appends a page that begins at `offset` in the newest span.
    pub(crate) fn push(&mut self, offset: u64) {
        self.places.push(Place { span: self.spans.len() as u32 - 1, offset });
    }

    /// Appends pages of the base that this was made beside.
    pub(crate) fn extend(&mut self, base: &Pages, pages: Range<usize>) {
        self.places.extend_from_slice(&base.places[pages]);
    }

    /// Page `page`, which has `len` bytes.
    pub(crate) fn page(&self, page: usize, len: usize) -> &[u8] {
        let place = self.places[page];
        &self.spans[place.span as usize][place.offset as usize..][..len]
    }

    /// The stretches of bytes, each as long as possible, that the state of `bytes` bytes at page `first` consists of.
    pub(crate) fn runs(&self, first: usize, bytes: u32) -> Runs<'_> {
        Runs { pages: self, next: first, left: bytes as usize }
    }

    /// The bytes of a run of this table, shared.
    pub(crate) fn share(&self, run: Run) -> Bytes {
        self.spans[run.span as usize].slice(run.offset..run.offset + run.len)
    }

    /// Lets go of spans that nobody points at, and moves pages out of others, about as many bytes as `brought` were. `lens` gives each
    /// page's length.
    pub(crate) fn settle(&mut self, lens: impl Iterator<Item = usize> + Clone, brought: u64) {
        let mut live = vec![0u64; self.spans.len()];
        for (place, len) in self.places.iter().zip(lens.clone()) {
            live[place.span as usize] += len as u64;
        }
        let held: Vec<u64> = self.spans.iter().map(|span| span.len() as u64).collect();
        let mut moving = moving(&held, &live, brought + LEAST);
        let moved = moving.iter().zip(&live).map(|(moving, live)| moving.min(live)).sum::<u64>();
        if moved == 0 && !live.contains(&0) {
            return;
        }
        // The spans that stay keep their order, and the one with what was moved comes last.
        let mut renamed = vec![0u32; self.spans.len()];
        let mut kept = Vec::with_capacity(self.spans.len() + 1);
        for (span, bytes) in self.spans.iter().enumerate().filter(|(span, _)| live[*span] > moving[*span]) {
            renamed[span] = kept.len() as u32;
            kept.push(bytes.clone());
        }
        let mut gathered = BytesMut::with_capacity(moved as usize);
        for (place, len) in self.places.iter_mut().zip(lens) {
            let span = place.span as usize;
            if moving[span] >= len as u64 {
                moving[span] -= len as u64;
                let at = gathered.len() as u64;
                gathered.extend_from_slice(&self.spans[span][place.offset as usize..][..len]);
                *place = Place { span: kept.len() as u32, offset: at };
            } else {
                place.span = renamed[span];
            }
        }
        if !gathered.is_empty() {
            kept.push(gathered.freeze());
        }
        self.spans = kept;
    }
}

/// How many bytes may be moved out of each span, given how long each is and how much of it is still pointed at. A span of which all
/// that is pointed at may be moved goes.
fn moving(held: &[u64], live: &[u64], budget: u64) -> Vec<u64> {
    let mut moving = vec![0; held.len()];
    let mut order: Vec<usize> = (0..live.len()).filter(|span| live[*span] > 0).collect();
    if order.len() > MANY {
        order.sort_unstable_by_key(|span| live[*span]);
        let mut left = 2 * budget;
        for &span in &order {
            let Some(rest) = left.checked_sub(live[span]) else { break };
            (moving[span], left) = (live[span], rest);
        }
    }
    if held.iter().sum::<u64>() > 2 * live.iter().sum::<u64>() {
        // It stays the emptiest until it is empty, as more and more has been moved out of it.
        let fill = |span: usize| u128::from(live[span]) * u128::from(u64::MAX) / u128::from(held[span]);
        let emptiest = order.iter().min_by_key(|span| fill(**span));
        if let Some(&span) = emptiest {
            moving[span] = moving[span].max(budget);
        }
    }
    moving
}

/// A stretch of a state that lies in one piece.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    span: u32,
    offset: usize,
    pub(crate) len: usize,
}

impl Run {
    /// Whether `next` begins where this ends.
    pub(crate) fn joins(&self, next: &Run) -> bool {
        (self.span, self.offset + self.len) == (next.span, next.offset)
    }
}

/// See [`Pages::runs`].
pub(crate) struct Runs<'a> {
    pages: &'a Pages,
    next: usize,
    left: usize,
}

impl Runs<'_> {
    /// The next stretch by its place.
    pub(crate) fn next_run(&mut self) -> Option<Run> {
        if self.left == 0 {
            return None;
        }
        let Place { span, offset } = self.pages.places[self.next];
        let mut len = 0;
        while self.left > 0 {
            let place = self.pages.places[self.next];
            if place.span != span || place.offset != offset + len as u64 {
                break;
            }
            let page = self.left.min(PAGE_BYTES);
            (self.next, self.left, len) = (self.next + 1, self.left - page, len + page);
        }
        Some(Run { span, offset: offset as usize, len })
    }
}

impl<'a> Iterator for Runs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let run = self.next_run()?;
        Some(&self.pages.spans[run.span as usize][run.offset..][..run.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_their_lengths() {
        assert_eq!([0, 1, 4096, 4097, 65536].map(pages_of), [0, 1, 1, 2, 16]);
        assert_eq!((page_len(1, 0), page_len(4096, 0), page_len(4097, 1), page_len(65536, 15)), (1, 4096, 1, 4096));
    }

    #[test]
    fn what_moves() {
        let few = |held: &[u64], live: &[u64]| moving(held, live, 10);
        assert_eq!(few(&[100, 10], &[100, 10]), [0, 0], "nothing is garbage");
        assert_eq!(few(&[100, 10], &[45, 10]), [0, 0], "half is");
        assert_eq!(few(&[100, 10], &[44, 10]), [10, 0], "more than half is: out of the emptier one");
        assert_eq!(few(&[100, 90], &[30, 10]), [0, 10]);
        assert_eq!(few(&[100, 90], &[0, 10]), [0, 10], "one that nobody points at needs no moving");
        let mut many = vec![1000; MANY + 1];
        (many[3], many[7], many[9]) = (5, 9, 7);
        let moved: Vec<_> = moving(&many, &many, 10).into_iter().enumerate().filter(|(_, bytes)| *bytes > 0).collect();
        assert_eq!(moved, [(3, 5), (9, 7)], "the smallest, as far as twice the budget goes");
    }

    /// Deltas that each change some pages: how many spans and bytes are held at most, and that nothing is lost.
    fn history(deltas: usize, changed: usize) -> (usize, usize) {
        const PAGES: usize = 1000;
        let first = Bytes::from(vec![0u8; PAGES * PAGE_BYTES]);
        let mut pages = Pages::beside(&Pages::default(), first, PAGES);
        (0..PAGES).for_each(|page| pages.push((page * PAGE_BYTES) as u64));
        let mut wanted = vec![0u8; PAGES];
        let mut most = (0, 0);
        for delta in 1..=deltas {
            let fill = delta as u8;
            let bytes = Bytes::from(vec![fill; changed * PAGE_BYTES]);
            let brought = bytes.len() as u64;
            let mut next = Pages::beside(&pages, bytes, PAGES);
            for page in 0..PAGES {
                // Scattered pages that are others each time.
                let turn = (page * 389 + delta * 7919) % PAGES;
                if turn < changed {
                    next.push((turn * PAGE_BYTES) as u64);
                    wanted[page] = fill;
                } else {
                    next.extend(&pages, page..page + 1);
                }
            }
            next.settle(std::iter::repeat_n(PAGE_BYTES, PAGES), brought);
            let held = next.spans.iter().map(Bytes::len).sum::<usize>() / PAGE_BYTES;
            most = (most.0.max(next.spans.len()), most.1.max(held));
            pages = next;
        }
        for (page, wanted) in wanted.iter().enumerate() {
            assert!(pages.page(page, PAGE_BYTES).iter().all(|byte| byte == wanted), "page {page}");
        }
        most
    }

    /// C-11
    #[test]
    fn many_deltas_hold_little_more_than_the_states() {
        for (deltas, changed) in [(1000, 1), (1000, 10), (200, 500), (50, 1000)] {
            let (spans, held) = history(deltas, changed);
            assert!(spans <= MANY + 2, "{changed} pages at a time: {spans} spans");
            assert!(held <= 3000, "{changed} pages at a time: {held} pages are held of 1000");
        }
    }
}
