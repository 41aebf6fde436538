//! From bytes to values.

use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::error::FileError;
use super::header::{HEADER_BYTES, Header, Section, What};
use super::{Compression, Contents, blocks, metadata};
use crate::delta::{ChangedPage, Changes, Delta, DeltaParts, Side};
use crate::pages::{page_len, pages_of};
use crate::parts::{Head, Parts};
use crate::{Actor, Checkpoint, Invalid, digest};

pub(crate) fn contents(file: &Bytes) -> Result<Contents, FileError> {
    let header = Header::decode(file)?;
    frame(file, &header)?;
    let read = metadata::decode(bytes(file, header.metadata), header.metadata.offset)?;
    let digests = bytes(file, header.pages).chunks_exact(16).map(digest_of).collect::<Vec<_>>();
    match header.what {
        What::Full => full(file, &header, read, digests).map(Contents::Full),
        What::Delta { base } => {
            let changes = changes(file, &header, read, digests)?;
            Ok(Contents::Delta(Delta { base: Side::Known(base), result: Side::Known(header.digest), changes: Arc::new(changes) }))
        }
    }
}

/// The file is as long as its header says, metadata and tables fit their digests, and between the sections there is nothing.
fn frame(file: &Bytes, header: &Header) -> Result<(), FileError> {
    let (there, wanted) = (file.len() as u64, header.file_bytes);
    if there < wanted {
        return Err(FileError::corrupt(there, format!("the file ends here, and {} bytes are missing", wanted - there)));
    }
    if there > wanted {
        return Err(FileError::corrupt(wanted, format!("{} bytes behind the end", there - wanted)));
    }
    let mut end = HEADER_BYTES as u64;
    let sections = [(header.metadata, "metadata"), (header.pages, "page digests"), (header.blocks, "blocks"), (header.states, "states")];
    for (section, name) in sections {
        let gap = &file[end as usize..section.offset as usize];
        if let Some(at) = gap.iter().position(|byte| *byte != 0) {
            return Err(FileError::corrupt(end + at as u64, format!("a byte that is not zero in front of the {name}")));
        }
        if name != "states" && xxh3_128(bytes(file, section)) != section.digest {
            return Err(FileError::corrupt(section.offset, format!("the {name} do not fit their digest")));
        }
        end = section.end();
    }
    Ok(())
}

fn full(file: &Bytes, header: &Header, mut read: metadata::Read, digests: Vec<u128>) -> Result<Checkpoint, FileError> {
    let refuse = |what: String| FileError::corrupt(header.metadata.offset, what);
    if !read.removed.is_empty() || !read.pages.is_empty() {
        return Err(refuse("a whole checkpoint with what only a delta has".into()));
    }
    if !read.actors.is_sorted_by_key(|actor| actor.key) {
        return Err(refuse("actors out of order".into()));
    }
    let mut at = 0u64;
    for actor in &mut read.actors {
        actor.offset = at;
        // A sum of 32-bit numbers, fewer than a file has bytes.
        at += u64::from(actor.bytes);
    }
    if at != header.raw_bytes {
        return Err(refuse(format!("states of {at} bytes, and {} are there", header.raw_bytes)));
    }
    let pages: u64 = read.actors.iter().map(|actor| u64::from(pages_of(actor.bytes))).sum();
    counted(header, pages, digests.len())?;
    let states = states(file, header)?;
    let mut verify = Verify { header, states: &states, at: 0, digests: digests.iter() };
    for actor in &read.actors {
        (0..pages_of(actor.bytes)).try_for_each(|page| verify.next(actor, page))?;
    }
    let Head { taken, kinds, shards, pending, emitted, notes } = read.head;
    let parts = Parts { taken, kinds, actors: read.actors, shards, pending, emitted, notes, states };
    let checkpoint = Checkpoint::new(parts).map_err(|invalid| refuse(invalid.to_string()))?;
    // Nobody else has seen it yet, so this sets it.
    let _ = checkpoint.inner.page_digests.set(digests);
    match checkpoint.digest() == header.digest {
        true => Ok(checkpoint),
        false => Err(FileError::corrupt(32, format!("the file should hold {} and holds {}", header.digest, checkpoint.digest()))),
    }
}

fn changes(file: &Bytes, header: &Header, read: metadata::Read, digests: Vec<u128>) -> Result<Changes, FileError> {
    let refuse = |what: String| FileError::corrupt(header.metadata.offset, what);
    if !read.actors.is_sorted_by_key(|actor| actor.key) || !read.removed.is_sorted() || !read.pages.is_sorted() {
        return Err(refuse("actors or pages out of order".into()));
    }
    counted(header, read.pages.len() as u64, digests.len())?;
    let mut at = 0u64;
    let mut pages = Vec::with_capacity(read.pages.len());
    for (changed, page) in read.pages {
        let whose = read.actors.get(changed as usize).filter(|actor| page < pages_of(actor.bytes));
        let whose = whose.ok_or_else(|| refuse(format!("page {page} of changed actor {changed}, which has no such page")))?;
        pages.push(ChangedPage { changed, page, offset: at });
        at += page_len(whose.bytes, page) as u64;
    }
    if at != header.raw_bytes {
        return Err(refuse(format!("pages of {at} bytes, and {} are there", header.raw_bytes)));
    }
    let bytes = states(file, header)?;
    let mut verify = Verify { header, states: &bytes, at: 0, digests: digests.iter() };
    pages.iter().try_for_each(|page| verify.next(&read.actors[page.changed as usize], page.page))?;
    let Head { taken, kinds, shards, pending, emitted, notes } = read.head;
    let parts = DeltaParts { taken, kinds, shards, pending, emitted, notes, removed: read.removed, changed: read.actors, pages, bytes };
    let changes = Changes::undigested(parts).map_err(|invalid: Invalid| refuse(invalid.to_string()))?;
    Ok(Changes { page_digests: digests, ..changes })
}

/// Each page has a digest, and each digest a page.
fn counted(header: &Header, pages: u64, digests: usize) -> Result<(), FileError> {
    match pages == digests as u64 {
        true => Ok(()),
        false => Err(FileError::corrupt(header.pages.offset, format!("digests of {digests} pages, and there are {pages}"))),
    }
}

/// The states as they were before compression.
fn states(file: &Bytes, header: &Header) -> Result<Bytes, FileError> {
    match header.compression {
        Compression::None => Ok(file.slice(header.states.offset as usize..)),
        Compression::Lz4 => blocks::decompress(file, header.blocks, header.states, header.raw_bytes).map(Bytes::from),
    }
}

/// Compares pages with their digests, one after another. Lengths have been compared before.
struct Verify<'a> {
    header: &'a Header,
    states: &'a [u8],
    at: usize,
    digests: std::slice::Iter<'a, u128>,
}

impl Verify<'_> {
    fn next(&mut self, actor: &Actor, page: u32) -> Result<(), FileError> {
        let len = page_len(actor.bytes, page);
        let found = digest::of_page(&self.states[self.at..][..len]);
        if self.digests.next() != Some(&found) {
            // Of compressed states the place is known in the raw bytes only; what is damaged is then the table or the header.
            let offset = match self.header.compression {
                Compression::None => self.header.states.offset + self.at as u64,
                Compression::Lz4 => self.header.pages.offset,
            };
            let name = actor.name.as_ref().map(|name| format!(" (`{name}`)")).unwrap_or_default();
            return Err(FileError::corrupt(offset, format!("page {page} of actor {}{name} does not fit its digest", actor.key)));
        }
        self.at += len;
        Ok(())
    }
}

fn bytes(file: &Bytes, section: Section) -> &[u8] {
    &file[section.offset as usize..section.end() as usize]
}

fn digest_of(row: &[u8]) -> u128 {
    row.iter().rev().fold(0, |digest, byte| digest << 8 | u128::from(*byte))
}
