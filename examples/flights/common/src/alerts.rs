//! What the actor that hears of late flights has heard.

use flights_actors::Late;
use indicatif::{HumanCount, ProgressBar};

use crate::rows::Tail;

/// What the alert actor has heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Late flights.
    pub alerts: u64,
    /// The latest of them, and its delay in minutes.
    pub latest: Option<(Tail, i32)>,
}

impl Heard {
    /// An aircraft has landed late, which the bar says, too.
    pub fn hear(&mut self, Late { tail, minutes }: Late, bar: &ProgressBar) {
        self.alerts += 1;
        if self.latest.is_none_or(|(_, most)| minutes > most) {
            self.latest = Some((Tail(tail), minutes));
        }
        if !bar.is_hidden() {
            bar.set_message(format!("alerts: {} (now {}, {minutes} min)", HumanCount(self.alerts), Tail(tail)));
        }
    }
}
