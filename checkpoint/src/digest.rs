//! What two checkpoints of equal contents have in common: a digest of the contents, not of how they came about.
//!
//! Each page of a state has a digest of its own (xxh3, 128 bits); the whole is BLAKE3 over a canonical encoding of all but the
//! states, and over the pages' digests in the order of the actors. A change of some pages costs the hash of those pages and of the
//! table.
//!
//! Digests find damage and mix-ups. They are no signature: who can write the files can write digests that fit.

use std::fmt::{self, Debug, Display, Formatter};

use xxhash_rust::xxh3::xxh3_128;

use crate::parts::{Actor, Head, Key, Status};

/// Says which contents a checkpoint has: equal for equal contents, whatever their history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The first 8 digits, as in the names of files.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl Display for Digest {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Debug for Digest {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// The digest of one page of a state.
pub(crate) fn of_page(page: &[u8]) -> u128 {
    xxh3_128(page)
}

/// The digest of a checkpoint; `pages` are those of all its states, in the order of `actors`.
pub(crate) fn of_contents(head: &Head, actors: &[Actor], pages: &[u128]) -> Digest {
    let mut canon = Canon::new();
    canon.bytes(b"resident checkpoint 1");
    canon.head(head);
    canon.count(actors.len());
    actors.iter().for_each(|actor| canon.actor(actor));
    canon.count(pages.len());
    pages.iter().for_each(|page| canon.put(&page.to_le_bytes()));
    canon.finish()
}

/// The canonical encoding: little-endian, each list behind its length in 64 bits.
struct Canon {
    hasher: blake3::Hasher,
    /// The hasher is fast for long inputs only.
    buffer: Vec<u8>,
}

impl Canon {
    const BUFFER: usize = 64 << 10;

    fn new() -> Canon {
        Canon { hasher: blake3::Hasher::new(), buffer: Vec::with_capacity(Self::BUFFER) }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > Self::BUFFER {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
        if bytes.len() > Self::BUFFER {
            self.hasher.update(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.u64(count as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.put(bytes);
    }

    fn key(&mut self, key: Key) {
        self.u32(key.shard);
        self.u32(key.row);
        self.u32(key.generation);
    }

    fn head(&mut self, head: &Head) {
        self.u64(head.taken.wall_micros);
        self.u64(head.taken.hlc);
        self.bytes(head.taken.device.as_bytes());
        self.count(head.kinds.len());
        for kind in &head.kinds {
            self.bytes(kind.name.as_bytes());
            self.u64(kind.layout);
            self.u32(kind.state_bytes);
        }
        self.count(head.shards.len());
        for shard in &head.shards {
            [shard.consumed, shard.produced, shard.handled, shard.hlc].into_iter().for_each(|word| self.u64(word));
        }
        self.count(head.pending.len());
        for pending in &head.pending {
            self.key(pending.key);
            self.u32(pending.message.into());
            self.u64(pending.hlc);
            self.bytes(&pending.payload);
        }
        self.count(head.emitted.len());
        for emitted in &head.emitted {
            self.key(emitted.key);
            self.u32(emitted.ty);
            self.u64(emitted.hlc);
            self.bytes(&emitted.payload);
        }
        self.count(head.notes.len());
        for (name, value) in &head.notes {
            self.bytes(name.as_bytes());
            self.bytes(value);
        }
    }

    fn actor(&mut self, actor: &Actor) {
        self.key(actor.key);
        self.u32(actor.kind);
        self.u8(match actor.status {
            Status::Live => 0,
            Status::Failed => 1,
        });
        self.u64(actor.handled);
        self.u32(actor.bytes);
        match &actor.name {
            None => self.u8(0),
            Some(name) => {
                self.u8(1);
                self.bytes(name.as_bytes());
            }
        }
    }

    fn finish(mut self) -> Digest {
        self.hasher.update(&self.buffer);
        Digest(*self.hasher.finalize().as_bytes())
    }
}
