//! What the examples share: the choice of a device on the command line, how a program ends, groups whose members are numbered.

mod device;
mod end;
#[cfg(feature = "members")]
mod members;

pub use device::Device;
pub use end::exit_code;
#[cfg(feature = "members")]
pub use members::{by_key, check};
