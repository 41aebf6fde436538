//! What a program holds of a supervisor.

use std::fmt;
use std::sync::{Arc, OnceLock};

use resident_gpu::region::Owner;
use resident_kernels::actor::Actor;
use resident_supervisor::{Child, ChildInfo, Counts, Flags, Reply, Request, Target};
use tokio::sync::{mpsc, oneshot};

use super::error::{AdminError, SupervisorError};
use super::event::{Asked, Event, Found};
use super::front::SHUTDOWN;
use super::spec::ChildSpec;
use crate::actor::handle::Handle;
use crate::actor::shell::Shell;
use crate::system::System;

/// A supervisor that runs. Clones are the same one; it ends when it is stopped, or by itself.
///
/// It answers at once, also while children start, stop, or hang. In a child that was forked it is nobody's: what can fail is an error
/// there (`Forked`), and it seems to have no children.
#[derive(Clone)]
pub struct SupervisorRef {
    pub(crate) name: Arc<str>,
    pub(crate) shell: Arc<dyn Shell>,
    pub(crate) engine: mpsc::UnboundedSender<Event>,
    pub(crate) end: Arc<OnceLock<Option<SupervisorError>>>,
    /// Where its engine runs.
    pub(crate) owner: Owner,
}

impl SupervisorRef {
    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Adds a child behind the others and starts it; answers when it runs, `None` if it chose not to.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<Option<Child>, AdminError> {
        Ok(started(self.ask(|reply| Event::StartChild { spec, reply }).await?))
    }

    /// Stops a child; answers when it is gone. Its specification is kept unless it is temporary or dynamic.
    pub async fn terminate_child(&self, child: impl Into<Target>) -> Result<(), AdminError> {
        self.request(Request::TerminateChild(child.into())).await.map(drop)
    }

    /// Starts a child that was stopped; answers when it runs, `None` if it chose not to.
    pub async fn restart_child(&self, child: impl Into<Target>) -> Result<Option<Child>, AdminError> {
        self.request(Request::RestartChild(child.into())).await.map(started)
    }

    /// Forgets a child that was stopped.
    pub async fn delete_child(&self, child: impl Into<Target>) -> Result<(), AdminError> {
        self.request(Request::DeleteChild(child.into())).await.map(drop)
    }

    /// Goes on with other settings.
    pub async fn reconfigure(&self, flags: Flags) -> Result<(), AdminError> {
        self.request(Request::Reconfigure(flags)).await.map(drop)
    }

    /// The children, in the order of their start; none once it has ended.
    pub async fn which_children(&self) -> Vec<ChildInfo> {
        self.look(Event::WhichChildren).await.unwrap_or_default()
    }

    /// How many children there are; none once it has ended.
    pub async fn count_children(&self) -> Counts {
        self.look(Event::CountChildren).await.unwrap_or_default()
    }

    /// The handle of a resident actor, if the child is an `A` and was started, whichever framework it is started in. It stays good over the
    /// child's restarts.
    pub async fn handle<A: Actor>(&self, child: impl Into<Target>) -> Option<Handle<A>> {
        let home = self.find(child.into()).await?.gpu?;
        (home.life().kind.fingerprint == A::KIND.fingerprint).then(|| Handle::at(home))
    }

    /// A child that is a supervisor, if it runs.
    pub async fn supervisor(&self, child: impl Into<Target>) -> Option<SupervisorRef> {
        self.find(child.into()).await?.supervisor
    }

    /// A child that is a device, if it runs.
    pub async fn device(&self, child: impl Into<Target>) -> Option<System> {
        self.find(child.into()).await?.device
    }

    /// Stops the children, the last one started first, each as its specification says, then the supervisor; waits for it.
    pub async fn stop(&self) -> Result<(), SupervisorError> {
        if self.owner.is_me() {
            self.shell.stop(Some(SHUTDOWN.into()));
        }
        self.ended().await
    }

    /// Waits until it has ended; an error says why it ended by itself.
    pub async fn ended(&self) -> Result<(), SupervisorError> {
        if !self.owner.is_me() {
            return Err(SupervisorError::Forked(self.name.clone()));
        }
        self.shell.ended().await;
        // After a kill the engine has the last word some time later.
        self.engine.closed().await;
        self.end.get().cloned().flatten().map_or(Ok(()), Err)
    }

    pub(crate) async fn find(&self, target: Target) -> Option<Found> {
        self.look(|reply| Event::Find { target, reply }).await?
    }

    async fn request(&self, request: Request) -> Asked {
        self.ask(|reply| Event::Request { request, reply }).await
    }

    async fn ask(&self, event: impl FnOnce(oneshot::Sender<Asked>) -> Event) -> Asked {
        let gone = if self.owner.is_me() { AdminError::ShuttingDown } else { AdminError::Forked };
        self.look(event).await.unwrap_or(Err(gone))
    }

    /// What the engine answers, if it still runs, and in this process.
    async fn look<T>(&self, event: impl FnOnce(oneshot::Sender<T>) -> Event) -> Option<T> {
        if !self.owner.is_me() {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        self.engine.send(event(reply)).ok()?;
        answer.await.ok()
    }
}

fn started(reply: Reply) -> Option<Child> {
    match reply {
        Reply::Started(child) => Some(child),
        Reply::Ignored | Reply::Done => None,
    }
}

impl fmt::Debug for SupervisorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorRef").field("name", &self.name).field("actor", &self.shell.who().key).finish()
    }
}
