//! Children under actix: actors of its own, and resident ones that have addresses.

use actix::{Actor, ActorContext as _, Addr, Context, Handler, Message};
use resident::guardian::{Builder, ChildSpec, SupervisorError, Target};
use resident::prelude::*;
use resident_test_actors::{CountUp, EXPLICIT, Panic, Panicker};

use super::{Family, Mortal, Standing, Starts, panicker};
use crate::{one_shard, reports, until};

/// Actors of actix's.
#[derive(Clone, Default)]
pub struct Actix {
    starts: Starts,
}

/// Counts, until it is told to end.
#[derive(Default)]
pub struct Teller {
    count: u64,
}

impl Actor for Teller {
    type Context = Context<Self>;
}

/// Counts one and answers the count.
struct Count;

impl Message for Count {
    type Result = u64;
}

/// How a [`Teller`] is to end.
enum End {
    Stop,
    Panic,
}

impl Message for End {
    type Result = ();
}

impl Handler<Count> for Teller {
    type Result = u64;

    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u64 {
        self.count += 1;
        self.count
    }
}

impl Handler<End> for Teller {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Context<Self>) {
        match end {
            End::Stop => ctx.stop(),
            End::Panic => panic!("told to panic"),
        }
    }
}

impl Standing for Addr<Teller> {
    fn has_ended(&self) -> bool {
        !self.connected()
    }

    async fn ended(&self) {
        until("its end", || !self.connected()).await;
    }

    fn stop(&self) {
        self.do_send(End::Stop);
    }

    fn crash(&self) {
        self.do_send(End::Panic);
    }
}

impl Family for Actix {
    type Actor = Addr<Teller>;

    fn block_on(test: impl Future<Output = ()>) {
        actix::System::new().block_on(test);
    }

    async fn new() -> Actix {
        reports::keep();
        Actix::default()
    }

    fn starts(&self) -> &Starts {
        &self.starts
    }

    fn child(&self, id: &str) -> ChildSpec {
        let (starts, name) = (self.starts.clone(), id.to_owned());
        let make = move || {
            let passed = starts.clone().pass(name.clone());
            async move { passed.await.map(|()| Teller::default()) }
        };
        ChildSpec::actix_with(id, make)
    }

    fn start(&self, supervisor: Builder) -> impl Future<Output = Result<SupervisorRef, SupervisorError>> + Send {
        supervisor.start_actix()
    }

    async fn start_linked(&self, supervisor: Builder) -> (SupervisorRef, impl Future<Output = SupervisorError>) {
        start_alone(supervisor).await
    }

    async fn count(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> Option<u64> {
        self.actor(sup, child).await?.send(Count).await.ok()
    }

    async fn fail(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) {
        self.actor(sup, child).await.expect("it runs").do_send(End::Panic);
    }

    async fn actor(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> Option<Addr<Teller>> {
        sup.addr(child).await
    }

    async fn end(self) {}
}

/// actix has no links: whoever holds the supervisor waits for its end.
async fn start_alone(supervisor: Builder) -> (SupervisorRef, impl Future<Output = SupervisorError>) {
    let sup = supervisor.start_actix().await.unwrap();
    let ended = sup.clone();
    (sup, async move { ended.ended().await.unwrap_err() })
}

/// Resident actors that have addresses.
#[derive(Clone)]
pub struct ActixGpu {
    starts: Starts,
    /// Where they live.
    pub system: System,
}

impl Standing for Handle<Panicker> {
    fn has_ended(&self) -> bool {
        !self.takes_messages()
    }

    async fn ended(&self) {
        Handle::ended(self).await;
    }

    fn stop(&self) {
        Handle::stop(self);
    }

    fn crash(&self) {
        Handle::kill(self);
    }
}

impl Mortal for Handle<Panicker> {
    fn kill(&self) {
        Handle::kill(self);
    }
}

impl Family for ActixGpu {
    type Actor = Handle<Panicker>;

    fn block_on(test: impl Future<Output = ()>) {
        actix::System::new().block_on(test);
    }

    async fn new() -> ActixGpu {
        ActixGpu { starts: Starts::default(), system: one_shard().await }
    }

    fn starts(&self) -> &Starts {
        &self.starts
    }

    fn child(&self, id: &str) -> ChildSpec {
        panicker(&self.starts, id).on(&self.system)
    }

    fn start(&self, supervisor: Builder) -> impl Future<Output = Result<SupervisorRef, SupervisorError>> + Send {
        supervisor.start_actix()
    }

    async fn start_linked(&self, supervisor: Builder) -> (SupervisorRef, impl Future<Output = SupervisorError>) {
        start_alone(supervisor).await
    }

    async fn count(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> Option<u64> {
        self.actor(sup, child).await?.addr()?.send(CountUp).await.ok()?.ok()
    }

    async fn fail(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) {
        let addr = self.actor(sup, child).await.expect("it is there").addr().expect("its address is actix's");
        addr.do_send(Panic { how: EXPLICIT, value: 1 });
    }

    async fn actor(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> Option<Handle<Panicker>> {
        sup.handle(child).await
    }

    async fn end(self) {
        assert_eq!(self.system.running(), 0, "rows are left");
        self.system.stop().await;
    }
}
