//! The floor: the same work with nothing around it.
//!
//! - [`echo`]: resident blocks, each polling a line in host memory
//! - [`mailboxes`]: blocks that send to each other in device memory
//! - [`launches`]: a launch for each message, a graph launch, a launch between two copies
//! - [`rings`]: streams of requests and answers, and of requests alone
//! - [`stencil`]: a wave in one kernel that stays
//! - [`copies`]: a gigabyte copied and digested
//! - [`actor`]: a ractor actor on the CPU
//! - [`addresses`]: actix actors on the CPU
//!
//! The kernels are in peers/peers.cu. [`gpu`] loads them before anything is resident, and everything they need is
//! allocated then: while a kernel stays on the device, loading and freeing may wait for its end.

pub mod actor;
pub mod addresses;
pub mod copies;
pub mod echo;
pub mod gpu;
pub mod launches;
pub mod mailboxes;
pub mod rings;
pub mod stencil;
