//! Why parts are no checkpoint, and why a delta does not fit.

use thiserror::Error;

use crate::{Digest, Key};

/// What is wrong with [`Parts`](crate::Parts) or [`DeltaParts`](crate::DeltaParts).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A state is not within the bytes given.
    #[error("actor {key}: its state of {bytes} bytes at {offset} is not within the {states} bytes of states")]
    Range {
        /// Whose.
        key: Key,
        /// Where it should begin.
        offset: u64,
        /// Its length.
        bytes: u32,
        /// Bytes there are.
        states: u64,
    },
    /// There is no such kind.
    #[error("actor {key}: it is of kind {kind}, and there are {kinds}")]
    Kind {
        /// Whose.
        key: Key,
        /// The kind it names.
        kind: u32,
        /// Kinds there are.
        kinds: usize,
    },
    /// A state is not as long as its kind says.
    #[error("actor {key}: its state has {bytes} bytes, and those of its kind `{kind}` have {state_bytes}")]
    Bytes {
        /// Whose.
        key: Key,
        /// Its length.
        bytes: u32,
        /// Its kind's name.
        kind: String,
        /// The length of that kind's states.
        state_bytes: u32,
    },
    /// Two actors of one key, or one that is removed and changed at once.
    #[error("actor {0} is there twice")]
    Twice(Key),
    /// Two actors of one name.
    #[error("two actors have the name `{0}`")]
    Name(String),
    /// An actor that the base does not have is removed.
    #[error("actor {0} is to be removed, and the base does not have it")]
    Unknown(Key),
    /// A page of an actor that is not among the changed.
    #[error("page {page} is of changed actor {changed}, and there are {actors}")]
    PageOfNobody {
        /// Which of the changed actors.
        changed: u32,
        /// The page.
        page: u32,
        /// Changed actors there are.
        actors: usize,
    },
    /// A page that its state does not have, or that is given twice.
    #[error("actor {key}: page {page} is given, and its state has {pages} pages, each to be given once")]
    Page {
        /// Whose.
        key: Key,
        /// The page.
        page: u32,
        /// Pages of its state.
        pages: u32,
    },
    /// A page's bytes are not within the bytes given.
    #[error("actor {key}: page {page} at {offset} is not within the {bytes} bytes of pages")]
    PageRange {
        /// Whose.
        key: Key,
        /// The page.
        page: u32,
        /// Where it should begin.
        offset: u64,
        /// Bytes there are.
        bytes: u64,
    },
    /// Neither the base nor the delta has a page.
    #[error("actor {key}: page {page} is not given, and the base has no state of this length for this actor")]
    NoPage {
        /// Whose.
        key: Key,
        /// The page.
        page: u32,
    },
}

/// Why a delta was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// It was made for another checkpoint.
    #[error("the delta is for the checkpoint {wanted}, not for {base}: apply what lies between first")]
    Base {
        /// What it was tried on.
        base: Digest,
        /// What it is for.
        wanted: Digest,
    },
    /// It does not make what it says.
    #[error("the delta should make the checkpoint {wanted} and makes {made}: it is damaged or forged; restore an older checkpoint")]
    Result {
        /// What came of it.
        made: Digest,
        /// What it says should have.
        wanted: Digest,
    },
    /// It is no delta of its base.
    #[error("the delta does not fit its base: {0}")]
    Invalid(#[from] Invalid),
}
