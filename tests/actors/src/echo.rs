//! Answers what only this state and this request give, so that a torn, lost or doubled message shows.

use resident_kernels::prelude::*;

/// Words of an [`Ask`] behind its nonce: with it, 56 bytes.
pub const ASK_WORDS: usize = 6;
/// Words of an [`AskLarge`] behind its nonce: with it, 960 bytes, the most that a frame carries.
pub const LARGE_WORDS: usize = 119;

/// What an echo mixes into its answers.
#[derive(State, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Echo {
    /// Set at spawn, the actor's own.
    pub secret: u64,
    /// Requests answered.
    pub answered: u64,
    /// All nonces folded together, in the order they came.
    pub history: u64,
}

/// A request of a few words.
#[derive(Message, Debug, Clone, PartialEq)]
#[reply(Answer)]
#[repr(C)]
pub struct Ask {
    /// Told apart by the caller.
    pub nonce: u64,
    /// Made from the nonce, see [`words`].
    pub words: [u64; ASK_WORDS],
}

/// The answer to an [`Ask`].
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Answer {
    /// The request's.
    pub nonce: u64,
    /// How many came before.
    pub answered: u64,
    /// [`mix`] of the state's secret and all of the request's words.
    pub mixed: u64,
    /// The request's first words.
    pub words: [u64; 4],
}

/// The largest request.
#[derive(Message, Debug, Clone, PartialEq)]
#[reply(AnswerLarge)]
#[repr(C)]
pub struct AskLarge {
    /// Told apart by the caller.
    pub nonce: u64,
    /// Made from the nonce, see [`words`].
    pub words: [u64; LARGE_WORDS],
}

/// The answer to an [`AskLarge`].
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct AnswerLarge {
    /// The request's.
    pub nonce: u64,
    /// Every word of the request, mixed with the state's secret.
    pub words: [u64; LARGE_WORDS],
}

/// A request that nobody waits for.
#[derive(Message, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Note {
    /// Told apart by the caller.
    pub nonce: u64,
    /// Made from the nonce, see [`words`].
    pub words: [u64; ASK_WORDS],
}

/// Asks what the echo remembers.
#[derive(Message, Debug, Clone)]
#[reply(History)]
pub struct Recall;

/// What an echo remembers.
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct History {
    /// Requests and notes.
    pub answered: u64,
    /// Their nonces folded together, in the order they came: [`fold_nonce`] from 0.
    pub history: u64,
}

/// The words that belong to `nonce`.
pub fn words<const N: usize>(nonce: u64) -> [u64; N] {
    core::array::from_fn(|i| mix(nonce, i as u64))
}

/// Mixes two words; any bit of either changes about half of the result's.
#[inline]
pub fn mix(a: u64, b: u64) -> u64 {
    let mut x = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
}

/// The history after `nonce`.
#[inline]
pub fn fold_nonce(history: u64, nonce: u64) -> u64 {
    mix(history, nonce)
}

impl Echo {
    /// An echo that has answered nothing.
    pub fn new(secret: u64) -> Self {
        Echo { secret, answered: 0, history: 0 }
    }

    /// What this echo answers to `ask`, by the caller's own reckoning.
    pub fn answer(&self, ask: &Ask) -> Answer {
        let mixed = ask.words.iter().fold(mix(self.secret, ask.nonce), |m, w| mix(m, *w));
        Answer { nonce: ask.nonce, answered: self.answered, mixed, words: [ask.words[0], ask.words[1], ask.words[2], ask.words[3]] }
    }

    /// What this echo answers to `ask`, by the caller's own reckoning.
    pub fn answer_large(&self, ask: &AskLarge) -> AnswerLarge {
        AnswerLarge { nonce: ask.nonce, words: core::array::from_fn(|i| mix(self.secret, ask.words[i])) }
    }

    /// Counts a nonce.
    pub fn remember(&mut self, nonce: u64) {
        self.answered += 1;
        self.history = fold_nonce(self.history, nonce);
    }
}

#[actor]
impl Echo {
    fn ask(&mut self, msg: &Ask, _ctx: &mut Ctx) -> Answer {
        let answer = self.answer(msg);
        self.remember(msg.nonce);
        answer
    }

    fn ask_large(&mut self, msg: &AskLarge, _ctx: &mut Ctx) -> AnswerLarge {
        let answer = self.answer_large(msg);
        self.remember(msg.nonce);
        answer
    }

    fn note(&mut self, msg: &Note, ctx: &mut Ctx) {
        if msg.words != words(msg.nonce) {
            ctx.fail(format_args!("the words of note {} are not its own", msg.nonce));
        }
        self.remember(msg.nonce);
    }

    fn recall(&mut self, _: &Recall, _ctx: &mut Ctx) -> History {
        History { answered: self.answered, history: self.history }
    }
}
