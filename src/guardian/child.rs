//! What the engine knows of one child beyond what the policy knows.

use std::sync::Arc;

use resident_supervisor::{Child, Directive, Event as Told, Exit, Outcome};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::error::{Cause, Ended};
use super::event::Heard;
use super::spec::ChildSpec;
use super::start::{Urgency, What};
use crate::actor::shell::Shell;
use crate::fault::{FaultClass, GpuFault};
use crate::metrics::Reason;

/// A child.
pub(crate) struct Entry {
    pub spec: ChildSpec,
    /// Its present or last incarnation, once there was one.
    pub child: Option<Child>,
    /// Gives up its start, while that is under way.
    pub starting: Option<watch::Sender<Urgency>>,
    /// What its present incarnation was told to do.
    pub order: Option<Order>,
    /// Its actor; a resident one's also between two incarnations.
    pub here: Option<Here>,
    /// A resident actor's incarnation ends or has ended, and its proxy stays.
    pub resting: bool,
    /// It failed while its start was not reported yet.
    pub faulted: bool,
    /// The state that a failed incarnation left.
    pub left: Option<Arc<[u8]>>,
    /// The proxy that was retired.
    pub leaving: Option<Gone>,
    /// Why its last incarnation is no more.
    pub reason: Reason,
}

/// An actor of a child.
pub(crate) struct Here {
    pub shell: Arc<dyn Shell>,
    pub what: What,
    pub gone: Gone,
    pub is_gone: bool,
    /// How it ended, as its framework told it.
    pub heard: Option<Heard>,
    /// Its state, which goes elsewhere: to drop it may take long, or panic.
    pub dropping: Option<JoinHandle<()>>,
}

/// What a child is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Stop { drain: bool },
    Kill,
}

impl Order {
    pub(crate) fn urgency(self) -> Urgency {
        match self {
            Order::Stop { .. } => Urgency::Stop,
            Order::Kill => Urgency::Kill,
        }
    }
}

/// Closed when an actor has ended and everything it held is released.
#[derive(Clone)]
pub(crate) struct Gone(pub watch::Receiver<()>);

impl Gone {
    pub(crate) fn is_gone(&self) -> bool {
        self.0.has_changed().is_err()
    }

    pub(crate) async fn wait(mut self) {
        // Closed, never changed.
        let _ = self.0.changed().await;
    }
}

impl Entry {
    pub(crate) fn new(spec: ChildSpec) -> Entry {
        Entry {
            spec,
            child: None,
            starting: None,
            order: None,
            here: None,
            resting: false,
            faulted: false,
            left: None,
            leaving: None,
            reason: Reason::Finished,
        }
    }

    /// Keeps why there may be another start.
    pub(crate) fn note(&mut self, event: &Told<Cause>) {
        self.reason = match event {
            Told::Exited { .. } if self.order.is_some() => Reason::Stopped,
            Told::Exited { exit: Exit::Failed(_), .. } => Reason::Failed,
            Told::Exited { exit: Exit::Killed, .. } => Reason::Killed,
            Told::Exited { exit: Exit::Normal | Exit::Shutdown, .. } => Reason::Finished,
            Told::Exited { exit: Exit::Lost, .. } | Told::Started { outcome: Outcome::Lost(_), .. } => Reason::Lost,
            Told::Started { outcome: Outcome::Failed(_), .. } => Reason::Start,
            _ => self.reason,
        };
    }

    /// How an actor's end is to be taken; `moves` says that its device is lost, and its system has another for it.
    pub(crate) fn exit(&mut self, heard: Option<Heard>, moves: bool) -> (Exit, Cause) {
        match heard {
            // It is not known how: it does not want to be looked after.
            None => (Exit::Normal, Cause::new(Ended::Unseen)),
            Some(Heard::Ended { exit, cause, .. }) => (exit, cause),
            Some(Heard::Failed(error)) => {
                let fault = error.downcast_ref::<GpuFault>();
                self.left = fault.and_then(|fault| fault.state.clone());
                let lost = !moves && fault.is_some_and(|fault| fault.class == FaultClass::DeviceLost);
                let exit = match self.spec.directive(&*error) {
                    Directive::Restart | Directive::Resume if lost => Exit::Lost,
                    Directive::Resume if self.left.is_none() => Exit::Failed(Directive::Restart),
                    directive => Exit::Failed(directive),
                };
                (exit, Cause::new(error))
            }
        }
    }
}
