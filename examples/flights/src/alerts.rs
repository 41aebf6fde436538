//! The CPU actor that hears of late flights. The aircraft emit to it; the system finds it by its name.

use flights_actors::Late;
use flights_common::Heard;
use indicatif::ProgressBar;
use ractor::{ActorProcessingErr, ActorRef, RpcReplyPort};

/// The actor's name, which is no tail number.
pub const NAME: &str = "flights/alerts";

/// The alert actor; it begins with what it had heard before.
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
            AlertMsg::Late(late) => heard.hear(late, &self.bar),
            // Who asked may have gone.
            AlertMsg::Heard(reply) => drop(reply.send(*heard)),
        }
        Ok(())
    }
}
