//! actix actors on the CPU: one that counts, and one that hands its messages on to a resident actor in the usual way, with a boxed future for
//! each.

use actix::{Context, Handler, ResponseFuture};
use resident::{CallError, GpuFault, Handle};
use resident_test_actors::{Add, AddAndGet, Counter};

/// Counts, as the resident `Counter` does.
#[derive(Default)]
pub struct Plain {
    total: u64,
}

impl actix::Actor for Plain {
    type Context = Context<Self>;
}

impl Handler<Add> for Plain {
    type Result = Result<(), GpuFault>;

    fn handle(&mut self, msg: Add, _: &mut Context<Self>) -> Result<(), GpuFault> {
        self.total = self.total.wrapping_add(msg.amount);
        Ok(())
    }
}

impl Handler<AddAndGet> for Plain {
    type Result = Result<u64, GpuFault>;

    fn handle(&mut self, msg: AddAndGet, _: &mut Context<Self>) -> Result<u64, GpuFault> {
        self.total = self.total.wrapping_add(msg.amount);
        Ok(self.total)
    }
}

/// Hands on to a resident `Counter`.
pub struct Boxed(pub Handle<Counter>);

impl actix::Actor for Boxed {
    type Context = Context<Self>;
}

impl Handler<Add> for Boxed {
    type Result = ResponseFuture<Result<(), GpuFault>>;

    fn handle(&mut self, msg: Add, _: &mut Context<Self>) -> Self::Result {
        let counter = self.0.clone();
        Box::pin(async move {
            counter.send(msg).await.expect("it lives as long as its bench");
            Ok(())
        })
    }
}

impl Handler<AddAndGet> for Boxed {
    type Result = ResponseFuture<Result<u64, GpuFault>>;

    fn handle(&mut self, msg: AddAndGet, _: &mut Context<Self>) -> Self::Result {
        let counter = self.0.clone();
        Box::pin(async move {
            match counter.call(msg).await {
                Ok(total) => Ok(total),
                Err(CallError::Failed(fault)) => Err(*fault),
                Err(error) => panic!("it lives as long as its bench: {error}"),
            }
        })
    }
}
