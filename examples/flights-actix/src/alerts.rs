//! The CPU actor that hears of late flights. The aircraft emit to it; the system has its recipient.

use actix::{Actor, Addr, Context, Handler, Message, MessageResult};
use flights_actors::Late;
use flights_common::Heard;
use indicatif::ProgressBar;

/// The alert actor.
pub struct Alerts {
    heard: Heard,
    bar: ProgressBar,
}

/// An aircraft has landed late.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Alert(Late);

/// Asks what there was.
#[derive(Message)]
#[rtype(result = "Heard")]
pub struct Sum;

impl From<Late> for Alert {
    fn from(late: Late) -> Alert {
        Alert(late)
    }
}

impl Alerts {
    /// Starts it on the current arbiter. Its mailbox has no bound, so no alert waits outside it and a question comes behind all of them.
    pub fn begin(bar: ProgressBar) -> Addr<Alerts> {
        Alerts::create(|ctx| {
            ctx.set_mailbox_capacity(0);
            Alerts { heard: Heard::default(), bar }
        })
    }
}

impl Actor for Alerts {
    type Context = Context<Self>;
}

impl Handler<Alert> for Alerts {
    type Result = ();

    fn handle(&mut self, Alert(late): Alert, _: &mut Context<Self>) {
        self.heard.hear(late, &self.bar);
    }
}

impl Handler<Sum> for Alerts {
    type Result = MessageResult<Sum>;

    fn handle(&mut self, _: Sum, _: &mut Context<Self>) -> MessageResult<Sum> {
        MessageResult(self.heard)
    }
}
