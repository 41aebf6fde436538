//! The largest state.

use resident_kernels::prelude::*;

/// Words of a [`Big`].
pub const BIG_WORDS: usize = 64 * 1024 / 8;

/// A state of 64 KiB.
#[derive(State, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Big {
    /// Its words.
    pub words: [u64; BIG_WORDS],
}

/// Writes a word.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Put {
    /// Which; panics outside of the state.
    pub at: u64,
    /// What.
    pub word: u64,
}

/// Reads a word.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct Peek {
    /// Which; panics outside of the state.
    pub at: u64,
}

/// Mixes all words together.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
pub struct Digest;

impl Big {
    /// The words that belong to `seed`.
    pub fn new(seed: u64) -> Self {
        Big { words: crate::words(seed) }
    }

    /// All words mixed together.
    pub fn digest(&self) -> u64 {
        self.words.iter().fold(0, |m, w| crate::mix(m, *w))
    }
}

#[actor]
impl Big {
    fn put(&mut self, msg: &Put, _ctx: &mut Ctx) {
        self.words[msg.at as usize] = msg.word;
    }

    fn peek(&mut self, msg: &Peek, _ctx: &mut Ctx) -> u64 {
        self.words[msg.at as usize]
    }

    fn digest_all(&mut self, _: &Digest, _ctx: &mut Ctx) -> u64 {
        self.digest()
    }
}
