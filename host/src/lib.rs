//! What resident asks of its host, and what it says when the host refuses.

mod apart;
mod refusal;
mod size;

pub use apart::apart;
pub use refusal::explain;
pub use size::check_size;
