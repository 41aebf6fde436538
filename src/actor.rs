//! A resident actor over its restarts: where it lives, how it ends, what it goes back to, and its handles.

mod adopt;
pub(crate) mod ask;
pub(crate) mod cell;
pub(crate) mod ends;
pub(crate) mod handle;
pub(crate) mod home;
pub(crate) mod incarnation;
mod journal;
pub(crate) mod pipeline;
pub(crate) mod proxy;
pub(crate) mod recovery;
pub(crate) mod shell;
