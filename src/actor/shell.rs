//! What a framework lends an actor on the device: a place in the program, with an identity, a mailbox and an end.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::actor::home::Home;
use crate::error::SpawnError;
use crate::fault::GpuFault;
use crate::who::Who;

/// An actor on the device that a framework has just given a shell, and what ends when the actor has.
pub(crate) type Lent = Result<(Arc<Home>, JoinHandle<()>), SpawnError>;

/// The actor of a framework that stands for one on the device, or for a group of them.
///
/// Nothing that a handle sends asks it: a handle looks whether messages are taken by the framework's own means, without a call through a
/// table.
pub(crate) trait Shell: Any + Send + Sync {
    fn who(&self) -> &Who;

    /// Whether messages are taken: it neither drains nor stops.
    fn takes_messages(&self) -> bool;

    /// Tells it to stop, and to say why if there is a reason.
    fn stop(&self, why: Option<String>);

    /// Tells it to hand on what is in its mailbox, and to stop then.
    fn drain(&self);

    /// Ends it at once.
    fn kill(&self);

    /// Waits for its end, however that comes.
    fn ended(&self) -> BoxFuture<'_, ()>;

    /// Stops it, and waits for its end, for `limit` at most.
    fn stopped(&self, limit: Duration) -> BoxFuture<'_, ()> {
        self.stop(None);
        async move { drop(timeout(limit, self.ended()).await) }.boxed()
    }

    /// Has it hand on what is in its mailbox, and waits for its end; false if that took longer than `limit`, and it was killed.
    fn drained(&self, limit: Duration) -> BoxFuture<'_, bool> {
        self.drain();
        async move {
            if timeout(limit, self.ended()).await.is_ok() {
                return true;
            }
            self.kill();
            let _ = timeout(limit, self.ended()).await;
            false
        }
        .boxed()
    }

    /// Tells whoever watches it by the framework's means that an incarnation has ended and another one has begun in its place; why the old one
    /// failed, if it did.
    fn restarted(&self, _: Option<GpuFault>) {}
}
