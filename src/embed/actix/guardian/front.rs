//! A supervisor as actix sees it: an actor that ends behind its children. It hands on that it is to stop, and that it has gone.

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, ActorContext, AsyncContext, Context, Running};

use crate::guardian::event::Event;
use crate::guardian::front::FrontParts;

/// The actix actor of a supervisor.
pub(super) struct FrontActor {
    parts: FrontParts,
    /// Whether the engine was told.
    is_stopping: bool,
}

impl FrontActor {
    pub(super) fn new(parts: FrontParts) -> FrontActor {
        FrontActor { parts, is_stopping: false }
    }

    fn is_over(&self) -> bool {
        // Closed, never changed.
        self.parts.over.has_changed().is_err()
    }
}

impl Actor for FrontActor {
    type Context = Context<Self>;

    fn stopping(&mut self, ctx: &mut Context<Self>) -> Running {
        if self.is_over() {
            return Running::Stop;
        }
        if !self.is_stopping {
            self.is_stopping = true;
            let _ = self.parts.engine.send(Event::Shutdown);
            let mut over = self.parts.over.clone();
            let over = wrap_future::<_, Self>(async move { drop(over.changed().await) });
            ctx.spawn(over.map(|(), _, ctx| ctx.stop()));
        }
        Running::Continue
    }
}

impl Drop for FrontActor {
    /// Killed, or gone with its arbiter, it has not waited for the engine.
    fn drop(&mut self) {
        let _ = self.parts.engine.send(Event::Abandoned);
    }
}
