//! What `resident` costs, beside what the same work costs with nothing around it.
//!
//! Seven benches: `round_trip`, `throughput`, `takeover`, `checkpoint`, `device_to_device`, `actix` and `flights`. Each runs its contenders in turn,
//! there and back again in the next round ([`rounds`]), so that a slow minute of the machine slows all of them; only one of them is
//! resident on the GPU at a time. Every contender does the same work on a message, [`line::Line::answer`] or that of a handler, and every
//! answer is checked.
//!
//! [`ours`] is `resident`. The peers ([`peers`]) are the floor: bare kernels and bare rings, a launch for each message, a CPU actor.

pub mod args;
pub mod date;
pub mod line;
pub mod machine;
pub mod origin;
pub mod ours;
pub mod peers;
pub mod report;
pub mod rounds;
pub mod samples;
pub mod wave;
