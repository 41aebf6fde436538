//! What ractor lends: the cell of the proxy.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ractor::{ActorCell, ActorId, ActorStatus, SupervisionEvent};

use crate::actor::shell::Shell;
use crate::embed::ractor::watch::watch;
use crate::fault::GpuFault;
use crate::who::{ActorKey, Who};

/// The reason of an incarnation's end that did not fail and is followed by another one.
pub(crate) const RESTARTED: &str = "restarted in place by its supervisor";

/// An actor of ractor's.
struct Cell {
    who: Who,
    cell: ActorCell,
}

/// What `cell` is to the core.
pub(crate) fn shell(cell: ActorCell) -> Arc<dyn Shell> {
    Arc::new(Cell { who: Who { key: ActorKey::new(cell.get_id().pid()), name: cell.get_name() }, cell })
}

/// The cell behind a shell, if ractor has lent it.
pub(crate) fn cell(shell: &dyn Shell) -> Option<&ActorCell> {
    let shell: &dyn Any = shell;
    shell.downcast_ref::<Cell>().map(|shell| &shell.cell)
}

/// The key of an actor of this process; `None` for one of another node's.
pub(crate) fn key(id: ActorId) -> Option<ActorKey> {
    match id {
        ActorId::Local(number) => Some(ActorKey::new(number)),
        ActorId::Remote { .. } => None,
    }
}

impl Shell for Cell {
    fn who(&self) -> &Who {
        &self.who
    }

    fn takes_messages(&self) -> bool {
        self.cell.get_status() < ActorStatus::Draining
    }

    fn stop(&self, why: Option<String>) {
        self.cell.stop(why);
    }

    fn drain(&self) {
        // An error says that it has ended.
        let _ = self.cell.drain();
    }

    fn kill(&self) {
        self.cell.kill();
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        watch(self.cell.clone()).boxed()
    }

    fn stopped(&self, limit: Duration) -> BoxFuture<'_, ()> {
        // An error says that it was told before, or that the limit is over.
        async move { drop(self.cell.stop_and_wait(None, Some(limit)).await) }.boxed()
    }

    fn drained(&self, limit: Duration) -> BoxFuture<'_, bool> {
        async move {
            if self.cell.drain_and_wait(Some(limit)).await.is_ok() {
                return true;
            }
            let _ = self.cell.kill_and_wait(Some(limit)).await;
            false
        }
        .boxed()
    }

    /// To ractor an incarnation that was restarted in place has ended as any child that is started again: monitors hear of it, and whoever
    /// the actor is linked to. Told once the next one is there, since of an actor that ends for good ractor tells by itself.
    fn restarted(&self, fault: Option<GpuFault>) {
        let who = self.cell.clone();
        self.cell.notify_supervisor(match fault {
            Some(fault) => SupervisionEvent::ActorFailed(who, Box::new(in_place(fault))),
            None => SupervisionEvent::ActorTerminated(who, None, Some(RESTARTED.into())),
        });
    }
}

/// The same fault, as one that another incarnation follows.
fn in_place(mut fault: GpuFault) -> GpuFault {
    fault.in_place = true;
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_number_of_a_local_id_and_is_written_as_it() {
        let id = ActorId::Local(7);
        let key = key(id).unwrap();
        assert_eq!((ActorId::from(key), key.to_string()), (id, id.to_string()));
        assert_eq!(key, id);
        assert_ne!(key, ActorId::Local(8));
        assert_ne!(key, ActorId::Remote { node_id: 3, pid: 7 });
    }
}
