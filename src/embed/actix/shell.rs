//! What actix lends: the mailbox of the bridge.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use actix::WeakAddr;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use resident_kernels::actor::Actor;

use crate::actor::home::Home;
use crate::actor::own::Over;
use crate::actor::shell::Shell;
use crate::embed::actix::bridge::Order;
use crate::embed::actix::gpu::Gpu;
use crate::who::Who;

/// A bridge, as its actor knows it.
pub(super) struct Bridge<A: Actor> {
    who: Who,
    addr: WeakAddr<Gpu<A>>,
    /// Set as soon as there is one.
    home: OnceLock<Weak<Home>>,
    is_killed: AtomicBool,
    over: Over,
}

impl<A: Actor> Bridge<A> {
    pub(super) fn new(who: Who, addr: WeakAddr<Gpu<A>>, over: Over) -> Arc<Bridge<A>> {
        Arc::new(Bridge { who, addr, home: OnceLock::new(), is_killed: AtomicBool::new(false), over })
    }

    pub(super) fn lives_in(&self, home: &Arc<Home>) {
        let _ = self.home.set(Arc::downgrade(home));
    }

    pub(super) fn was_killed(&self) -> bool {
        self.is_killed.load(Ordering::Relaxed)
    }

    pub(super) fn addr(&self) -> &WeakAddr<Gpu<A>> {
        &self.addr
    }
}

/// Tells a bridge something, behind what is in its mailbox; false if it has gone. Its mailbox takes it also when that is full.
pub(super) fn tell<A: Actor>(addr: &WeakAddr<Gpu<A>>, order: Order) -> bool {
    addr.upgrade().map(|addr| addr.do_send(order)).is_some()
}

impl<A: Actor> Shell for Bridge<A> {
    fn who(&self) -> &Who {
        &self.who
    }

    fn takes_messages(&self) -> bool {
        self.addr.upgrade().is_some()
    }

    fn stop(&self, _: Option<String>) {
        tell(&self.addr, Order::Stop);
    }

    fn drain(&self) {
        // The order comes behind what is in the mailbox.
        tell(&self.addr, Order::Stop);
    }

    fn kill(&self) {
        let Some(home) = self.home.get().and_then(Weak::upgrade) else { return };
        self.is_killed.store(true, Ordering::Relaxed);
        home.abandon();
        // A message that waits for room is to see that there is nobody.
        home.life().port.credit.notify_waiters();
        tell(&self.addr, Order::Stop);
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        self.over.wait().boxed()
    }
}
