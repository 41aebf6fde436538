//! The CPU actor that hears of late flights. The aircraft emit to it; the system finds it by its name.

use flights_actors::Late;
use indicatif::{HumanCount, ProgressBar};
use ractor::{ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::rows::Tail;

/// The actor's name, which is no tail number.
pub const NAME: &str = "flights/alerts";

/// The alert actor.
pub struct Alerts {
    pub bar: ProgressBar,
}

/// What it takes.
pub enum AlertMsg {
    /// An aircraft has landed late.
    Late(Late),
    /// Asks what there was.
    Heard(RpcReplyPort<Heard>),
}

/// What the alert actor has heard; it begins with what it had heard before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Late flights.
    pub alerts: u64,
    /// The latest of them, and its delay in minutes.
    pub latest: Option<(Tail, i32)>,
}

impl From<Late> for AlertMsg {
    fn from(late: Late) -> AlertMsg {
        AlertMsg::Late(late)
    }
}

#[ractor::actor(message = AlertMsg, state = Heard, arguments = Heard)]
impl Alerts {
    async fn pre_start(&self, _: ActorRef<AlertMsg>, before: Heard) -> Result<Heard, ActorProcessingErr> {
        Ok(before)
    }

    async fn handle(&self, _: ActorRef<AlertMsg>, msg: AlertMsg, heard: &mut Heard) -> Result<(), ActorProcessingErr> {
        match msg {
            AlertMsg::Late(Late { tail, minutes }) => {
                heard.alerts += 1;
                if heard.latest.is_none_or(|(_, most)| minutes > most) {
                    heard.latest = Some((Tail(tail), minutes));
                }
                if !self.bar.is_hidden() {
                    self.bar.set_message(format!("alerts: {} (now {}, {minutes} min)", HumanCount(heard.alerts), Tail(tail)));
                }
            }
            // Who asked may have gone.
            AlertMsg::Heard(reply) => drop(reply.send(*heard)),
        }
        Ok(())
    }
}
