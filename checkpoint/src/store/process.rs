//! The process that has opened something. A child that was forked has a copy: what both wrote would be mixed up, and the threads that
//! do the work are the parent's.

use super::error::StoreError;

/// The process that something was opened in.
#[derive(Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    /// This one.
    pub(crate) fn this() -> Process {
        Process(std::process::id())
    }

    pub(crate) fn is_this(self) -> bool {
        self.0 == std::process::id()
    }

    /// An error in another process than the one that it is.
    pub(crate) fn check(self) -> Result<(), StoreError> {
        if self.is_this() { Ok(()) } else { Err(StoreError::Forked) }
    }
}
