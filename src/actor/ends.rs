//! Who hears of the ends of an actor's incarnations.
//!
//! - **EN-1 (each once)** A listener hears of each incarnation's end once, in their order, from that of the incarnation that was there as it
//!   began to listen.
//! - **EN-2 (ahead)** An end is told when row and state of the incarnation are given back, so before the next one begins.

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::fault::GpuFault;

/// The end of one of an actor's incarnations.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IncarnationEnd {
    /// Which it was, as in [`ActorInfo::incarnation`](crate::ActorInfo::incarnation).
    pub incarnation: u64,
    /// Why it failed; `None` if it was stopped or killed.
    pub fault: Option<GpuFault>,
}

/// The ends of an actor's incarnations, one after another; [`GpuRef::ends`](crate::GpuRef::ends) says from when on. What is not taken is
/// kept until this is dropped.
#[derive(Debug)]
pub struct IncarnationEnds(UnboundedReceiver<IncarnationEnd>);

impl IncarnationEnds {
    /// Waits for the next end; `None` once the actor has ended for good and every end was taken.
    pub async fn next(&mut self) -> Option<IncarnationEnd> {
        self.0.recv().await
    }
}

/// What has been told, and to whom the rest is to be told.
#[derive(Default)]
pub(crate) struct Ends(Mutex<Told>);

#[derive(Default)]
struct Told {
    last: Option<IncarnationEnd>,
    listeners: Vec<UnboundedSender<IncarnationEnd>>,
    /// There are no more.
    over: bool,
}

impl Ends {
    /// Listens, while `present` says which incarnation is the last that was started.
    pub(crate) fn listen(&self, present: impl FnOnce() -> u64) -> IncarnationEnds {
        let (tell, hear) = unbounded_channel();
        let mut told = self.0.lock();
        let present = present();
        if let Some(last) = told.last.as_ref().filter(|last| last.incarnation >= present) {
            let _ = tell.send(last.clone());
        }
        if !told.over {
            told.listeners.push(tell);
        }
        IncarnationEnds(hear)
    }

    /// An incarnation has ended. Said again, or of one before the last, it is no news.
    pub(crate) fn tell(&self, incarnation: u64, fault: Option<&GpuFault>) {
        let mut told = self.0.lock();
        if told.last.as_ref().is_some_and(|last| last.incarnation >= incarnation) {
            return;
        }
        let end = IncarnationEnd { incarnation, fault: fault.cloned() };
        told.listeners.retain(|listener| listener.send(end.clone()).is_ok());
        told.last = Some(end);
    }

    /// What was told last.
    pub(crate) fn last(&self) -> Option<IncarnationEnd> {
        self.0.lock().last.clone()
    }

    /// The actor has ended for good.
    pub(crate) fn close(&self) {
        let mut told = self.0.lock();
        told.over = true;
        told.listeners.clear();
    }
}
