//! Actors that handlers have spawned, as ractor's.

use resident_kernels::address::Address;
use resident_kernels::host::Resident;

use crate::actor::adopt::adopt;
use crate::embed::ractor::handle::GpuRef;
use crate::embed::ractor::proxy;
use crate::error::AdoptError;
use crate::system::System;

impl System {
    /// Makes an actor that a handler has spawned (`Ctx::spawn`) an actor of its own, with a proxy, a mailbox and links, and without a
    /// supervisor and a name; or finds the one that it is. Its state and what it was sent stay as they are.
    ///
    /// An error says that nobody of this kind is there any more, or what else came between.
    ///
    /// ```
    /// # use resident_kernels::prelude::*;
    /// # #[derive(State, Default)] #[repr(C)] pub struct Gate { pub last: Address<Visit> }
    /// # #[derive(State, Default)] #[repr(C)] pub struct Visit { pub steps: u64 }
    /// # #[derive(Message)] #[reply(Entered)] #[repr(C)] pub struct Enter { pub steps: u64 }
    /// # #[derive(Reply)] #[repr(C)] pub struct Entered { pub visit: Address<Visit> }
    /// # #[derive(Message)] #[reply(u64)] pub struct Steps;
    /// # #[actor]
    /// # impl Gate {
    /// #     fn enter(&mut self, msg: &Enter, ctx: &mut Ctx) -> Entered { Entered { visit: ctx.spawn(Visit { steps: msg.steps }) } }
    /// # }
    /// # #[actor]
    /// # impl Visit {
    /// #     fn steps(&mut self, _: &Steps, _ctx: &mut Ctx) -> u64 { self.steps }
    /// # }
    /// # resident_kernels::export!(Gate, Visit);
    /// use ractor::call;
    /// use resident::prelude::*;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let system = System::start(Config::cpu()).await?;
    /// let (gate, _) = Gate::spawn(None, Gate::default(), &system).await?;
    /// let entered = call!(gate, GateMsg::Enter, Enter { steps: 7 })?; // its handler spawns a `Visit`
    /// let visit: GpuRef<Visit> = system.adopt(entered.visit).await?;
    /// assert_eq!(call!(visit, VisitMsg::Steps)?, 7);
    /// visit.stop(None);
    /// # system.stop().await;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
    /// ```
    pub async fn adopt<A: Resident>(&self, address: Address<A>) -> Result<GpuRef<A>, AdoptError> {
        self.fleet().check_proxies()?;
        // In a task of its own: whoever gives up does not leave it half done.
        let adopted = tokio::spawn(adopt(self.fleet().clone(), address, proxy::lend::<A>()));
        let home = adopted.await.unwrap_or(Err(AdoptError::Nobody))?;
        GpuRef::at(home).ok_or(AdoptError::Nobody)
    }
}
