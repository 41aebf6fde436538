//! Emitted messages for actix's actors.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use actix::Recipient;
use actix::dev::SendError;
use parking_lot::Mutex;
use resident_kernels::actor::Emit;
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::error::RouteError;
use crate::system::System;
use crate::system::fleet::Fleet;

/// How long a message waits while its receiver is full and takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Tries, one right after another, ahead of those with a pause between them.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(1);
/// Messages that wait for one receiver.
const WAITING: usize = 1024;

impl System {
    /// Sends every emitted `E` to `to`, which takes it as an `M`, in place of where they went before.
    ///
    /// While the receiver is full, 1024 messages at most wait for it. One for which it has no room, because it has taken nothing for a second
    /// or because too many wait, is a dead letter, and so is one that comes when it has ended. It stays the receiver. Messages of one actor
    /// come in the order in which it has emitted them.
    ///
    /// # Errors
    ///
    /// [`RouteError::Runtime`] where no tokio runtime is that could wait for it, as it is on each arbiter, or as
    /// [`route_to`](System::route_to).
    pub fn route_to_recipient<E, M>(&self, to: Recipient<M>) -> Result<(), RouteError>
    where
        E: Emit,
        M: actix::Message + From<E> + Send + 'static,
        M::Result: Send,
    {
        let runtime = Runtime::try_current().map_err(|_| RouteError::Runtime)?;
        let (send, waiting) = channel(WAITING);
        let count = Arc::new(Mutex::new(0));
        let line = Line { to: to.clone(), count: count.clone(), send };
        self.route_to(move |emitted: E| line.take(M::from(emitted)))?;
        runtime.spawn(wait(waiting, count, to, Arc::downgrade(self.fleet())));
        Ok(())
    }
}

/// The way to one receiver.
struct Line<M>
where
    M: actix::Message + Send,
    M::Result: Send,
{
    to: Recipient<M>,
    /// Messages that wait. Locked while one is handed on, so that none overtakes another.
    count: Arc<Mutex<usize>>,
    /// Each with the moment at which it came.
    send: Sender<(Instant, M)>,
}

impl<M> Line<M>
where
    M: actix::Message + Send + 'static,
    M::Result: Send,
{
    /// Sends a message, or has it wait; false if it can do neither.
    fn take(&self, mut msg: M) -> bool {
        let mut count = self.count.lock();
        if *count == 0 {
            msg = match self.to.try_send(msg) {
                Ok(()) => return true,
                Err(SendError::Closed(_)) => return false,
                Err(SendError::Full(msg)) => msg,
            };
        }
        let waits = self.send.try_send((Instant::now(), msg)).is_ok();
        *count += usize::from(waits);
        waits
    }
}

/// Sends what waits, as long as there is a route. A recipient wakes nobody who has found it full
/// (`AddressSender::poll_unparked` is asked without a task), so it is asked again.
async fn wait<M>(mut waiting: Receiver<(Instant, M)>, count: Arc<Mutex<usize>>, to: Recipient<M>, fleet: Weak<Fleet>)
where
    M: actix::Message + Send + 'static,
    M::Result: Send,
{
    let mut taken = Instant::now();
    while let Some((come, mut msg)) = waiting.recv().await {
        let mut tries = 0;
        let is_sent = loop {
            msg = match to.try_send(msg) {
                Ok(()) => break true,
                Err(SendError::Full(msg)) if come.max(taken).elapsed() < PATIENCE => msg,
                Err(_) => break false,
            };
            tries += 1;
            if tries < TRIES { yield_now().await } else { sleep(PAUSE).await }
        };
        *count.lock() -= 1;
        if is_sent {
            taken = Instant::now();
        } else if let Some(fleet) = fleet.upgrade() {
            fleet.first().dead_letter();
        }
    }
}
