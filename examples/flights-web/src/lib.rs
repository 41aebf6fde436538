//! An HTTP service in front of resident aircraft: a request is a message to an actor on the device, and its response is the reply.
//!
//! ```text
//!   POST /aircraft/N14228/flights   {"arr_delay": 11, "air_time": 227, "distance": 1400}   ->  204
//!   GET  /aircraft/N14228                                                                  ->  200, its totals as JSON
//! ```
//!
//! The first flight of a tail number starts its aircraft, under actix's supervisor. A fault is a 500 with the fault's text to its caller.
//! The aircraft is restarted, without the flights that it had counted, and its address stays.

mod fleet;
mod refused;
mod service;

pub use fleet::Fleet;
pub use refused::Refused;
pub use service::serve;
