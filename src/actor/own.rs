//! Actors without a framework: a task ends one when it is told to, and revokes it where the task's runtime ends first.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use resident_kernels::actor::Actor;
use tokio::sync::watch;

use crate::actor::home::Home;
use crate::actor::incarnation::Place;
use crate::actor::shell::Shell;
use crate::device::claims::Claim;
use crate::error::SpawnError;
use crate::system::System;
use crate::who::{ActorKey, Who};

/// What the task is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Run,
    Stop,
    Kill,
}

/// The task, as its actor knows it.
struct Task {
    who: Who,
    order: watch::Sender<Order>,
    over: Over,
}

/// Tells of an actor's end.
#[derive(Clone)]
pub(crate) struct Over(watch::Receiver<()>);

impl Over {
    pub(crate) fn new() -> (watch::Sender<()>, Over) {
        let (ends, over) = watch::channel(());
        (ends, Over(over))
    }

    /// Waits until the other half has been dropped.
    pub(crate) async fn wait(&self) {
        // Closed, never changed.
        let _ = self.0.clone().changed().await;
    }
}

/// An actor that nobody else ends. Dropped before it has ended, it is revoked, as by a kill.
pub(crate) struct Tended {
    home: Arc<Home>,
    /// Free again when the actor has ended.
    _name: Option<Claim>,
    _ends: watch::Sender<()>,
}

impl Tended {
    pub(crate) fn new(home: Arc<Home>, name: Option<Claim>, ends: watch::Sender<()>) -> Tended {
        Tended { home, _name: name, _ends: ends }
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Has it handle what it was sent, and waits until its row is free.
    pub(crate) async fn finish(self) {
        if let Err(fault) = self.home.finish().await {
            tracing::warn!(system = self.home.life().core.system(), "{fault}");
        }
    }
}

impl Drop for Tended {
    fn drop(&mut self) {
        self.home.abandon();
    }
}

/// Starts an actor without a framework.
pub(crate) async fn start<A: Actor>(name: Option<String>, state: Vec<u8>, system: &System) -> Result<Arc<Home>, SpawnError> {
    system.fleet().check_proxies()?;
    let claim = name.as_deref().map(|name| Claim::take(&system.fleet().shared, name)).transpose()?;
    let place = Place::claim::<A>(system)?;
    let (order, mut ordered) = watch::channel(Order::Run);
    let (ends, over) = Over::new();
    let shell = Arc::new(Task { who: Who { key: ActorKey::next(), name }, order, over });
    let tended = Tended::new(Home::new(shell, place, None, None), claim, ends);
    let home = tended.home().clone();
    let life = home.life().clone();
    life.spawn(&state);
    home.open();
    // Whoever gives up here leaves nobody behind.
    life.port.caught_up().await;
    tokio::spawn(async move {
        // The shell, which tells it, lives as long as the home.
        let order = ordered.wait_for(|order| *order != Order::Run).await.map_or(Order::Kill, |order| *order);
        if order == Order::Stop {
            tokio::select! {
                () = tended.finish() => {}
                _ = ordered.wait_for(|order| *order == Order::Kill) => {}
            }
        }
    });
    Ok(home)
}

impl Task {
    fn tell(&self, order: Order) {
        self.order.send_if_modified(|now| {
            let is_more = (*now, order) != (Order::Kill, Order::Stop) && *now != order;
            if is_more {
                *now = order;
            }
            is_more
        });
    }
}

impl Shell for Task {
    fn who(&self) -> &Who {
        &self.who
    }

    fn takes_messages(&self) -> bool {
        *self.order.borrow() == Order::Run
    }

    fn stop(&self, _: Option<String>) {
        self.tell(Order::Stop);
    }

    fn drain(&self) {
        // It has no mailbox.
        self.tell(Order::Stop);
    }

    fn kill(&self) {
        self.tell(Order::Kill);
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        self.over.wait().boxed()
    }
}
