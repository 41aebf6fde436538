//! Which series belong to which device of which system. Two systems of one process never share any; one that comes after another goes on with its series,
//! so a device that is restarted a thousand times has as many series as one that is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use metrics::Label;

use super::table::Board;

/// What a system without a name is called.
const NAME: &str = "resident";

/// All that there have ever been; no lock, since a child that was forked may start a system.
static PLACES: ArcSwapOption<Vec<Arc<Place>>> = ArcSwapOption::const_empty();

/// Series that one device of one system at a time has.
struct Place {
    /// The labels `system` and `device`.
    labels: (Arc<str>, Arc<str>),
    board: Board,
    taken: AtomicBool,
}

/// A device's series, which it has until it gives them back.
pub(crate) struct Lease {
    place: Arc<Place>,
    given_back: AtomicBool,
}

impl Lease {
    /// Series for a system of this name, on each of its devices. Where another system has one of those of that name, its name is continued
    /// on all of them: `name-2`.
    pub(crate) fn take(name: Option<&str>, devices: &[impl AsRef<str>]) -> Vec<Lease> {
        let name = name.unwrap_or(NAME);
        let mut labels = (1u64..).map(|n| if n == 1 { name.to_owned() } else { format!("{name}-{n}") });
        // Where one of them is not to be had, the others are given back.
        let all = |system: String| devices.iter().map(|device| claim(system.as_str().into(), device.as_ref()).map(Lease::of)).collect();
        labels.find_map(all).expect("there are more numbers than systems")
    }

    fn of(place: Arc<Place>) -> Lease {
        Lease { place, given_back: AtomicBool::new(false) }
    }

    /// The label `system`.
    pub(crate) fn label(&self) -> &str {
        &self.place.labels.0
    }

    pub(crate) fn board(&self) -> &Board {
        &self.place.board
    }

    /// Another system may have them.
    pub(crate) fn give_back(&self) {
        if !self.given_back.swap(true, Ordering::Relaxed) {
            // What this system has said is seen by the next one that says something.
            self.place.taken.store(false, Ordering::Release);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The series with these labels, unless a system has them.
fn claim(system: Arc<str>, device: &str) -> Option<Arc<Place>> {
    loop {
        let before = PLACES.load();
        let all = before.as_deref().map_or(&[][..], |all| all);
        if let Some(place) = all.iter().find(|place| *place.labels.0 == *system && *place.labels.1 == *device) {
            return (!place.taken.swap(true, Ordering::Acquire)).then(|| place.clone());
        }
        let own = [Label::new("system", system.to_string()), Label::new("device", device.to_owned())];
        let labels = (system.clone(), device.into());
        let place = Arc::new(Place { labels, board: Board::new(&own), taken: AtomicBool::new(true) });
        let with: Vec<_> = all.iter().cloned().chain([place.clone()]).collect();
        let found = PLACES.compare_and_swap(&*before, Some(Arc::new(with)));
        if found.as_ref().map(Arc::as_ptr) == before.as_ref().map(Arc::as_ptr) {
            return Some(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_series_of_its_own_and_the_next_goes_on_with_them() {
        let take = |device: &str| Lease::take(Some("boards"), &[device]).remove(0);
        let (first, second, elsewhere) = (take("cpu:0"), take("cpu:0"), take("cuda:0"));
        assert_eq!([first.label(), second.label(), elsewhere.label()], ["boards", "boards-2", "boards"]);
        assert!(!std::ptr::eq(first.board(), elsewhere.board()));
        let board: *const Board = first.board();
        first.give_back();
        let third = take("cpu:0");
        assert!(std::ptr::eq(board, third.board()));
        // It was given back already.
        drop(first);
        assert_eq!(take("cpu:0").label(), "boards-3");
    }

    /// SD-5
    #[test]
    fn a_system_has_one_label_on_all_of_its_devices() {
        let take = |devices: &[&str]| Lease::take(Some("wide"), devices);
        let second = take(&["cpu:1"]);
        let both = take(&["cpu:0", "cpu:1"]);
        assert_eq!([second[0].label(), both[0].label(), both[1].label()], ["wide", "wide-2", "wide-2"]);
        assert_eq!(take(&["cpu:0"])[0].label(), "wide", "what was in the way of nobody is free");
    }

    #[test]
    fn nobody_gets_what_somebody_has() {
        let labels: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..8).map(|_| Lease::take(Some("race"), &["cpu:0"]).remove(0)).collect::<Vec<_>>()))
                .collect();
            let all: Vec<_> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
            all.iter().map(|lease| lease.label().to_owned()).collect()
        });
        assert_eq!(labels.len(), 64);
    }
}
