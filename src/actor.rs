//! A resident actor over its restarts: where it lives, how it ends, what it goes back to, and its handles.

pub(crate) mod adopt;
pub(crate) mod ask;
pub(crate) mod destination;
pub(crate) mod ends;
pub(crate) mod handle;
pub(crate) mod home;
pub(crate) mod incarnation;
pub(crate) mod info;
mod journal;
pub(crate) mod letter;
pub(crate) mod life;
pub(crate) mod own;
pub(crate) mod pipeline;
pub(crate) mod recovery;
pub(crate) mod shell;
