//! How an actor that a handler has spawned becomes one of its own.

use std::sync::Arc;

use resident_gpu::rows::RowId;
use resident_kernels::address::Address;
use resident_kernels::host::Resident;

use crate::actor::handle::GpuRef;
use crate::actor::incarnation::{Living, Place};
use crate::actor::proxy::{self, Origin, Start};
use crate::device::core::Core;
use crate::device::nursery::{Children, News};
use crate::error::{AdoptError, SpawnError};
use crate::fault::FaultClass;
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
    /// # let system = System::start(Config { device: Choice::Cpu, ..Config::default() }).await?;
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
        self.core().check_proxies()?;
        // In a task of its own: whoever gives up does not leave it half done.
        let adopted = tokio::spawn(adopt::<A>(self.core().clone(), address));
        adopted.await.unwrap_or(Err(AdoptError::Nobody))
    }
}

/// Makes a child an actor of its own, or finds the one that it is.
async fn adopt<A: Resident>(core: Arc<Core>, address: Address<A>) -> Result<GpuRef<A>, AdoptError> {
    core.check_running()?;
    let (shard, id) = (address.shard(), RowId { row: address.row(), generation: address.generation() });
    let is_here = Address::<A>::new(core.device.system(), shard, id.row, id.generation) == address;
    let Some(nursery) = core.nurseries.get(shard as usize).filter(|_| is_here).cloned() else { return Err(AdoptError::Nobody) };
    let port = core.ports[shard as usize].clone();
    // Its birth is heard of by then, by whichever way the address has come.
    port.fence().await.map_err(|_| SpawnError::Stopped)?;
    let _change = nursery.change().await;
    let kind_index = match port.tenant(id) {
        Some(tenant) if tenant.kind().fingerprint != A::KIND.fingerprint => return Err(AdoptError::Nobody),
        Some(tenant) if tenant.of::<Children>().is_some() => tenant.slot,
        Some(tenant) => {
            let home = tenant.of::<Living>().ok_or(AdoptError::Member)?.0.home();
            return home.and_then(GpuRef::at).ok_or(AdoptError::Nobody);
        }
        None => return Err(AdoptError::Nobody),
    };
    let state = nursery.begin_adoption(id).ok_or(AdoptError::Nobody)?;
    let place = Place::of_child(&core, shard, id, A::KIND, kind_index, state);
    // It is counted again as it moves into its own place.
    core.moved_out(kind_index, 1);
    let start = Start { origin: Origin::Loaded(place.loaded(), Vec::new()), core: core.clone(), keeper: None, recovery: None };
    let started = proxy::start::<A>(None, start, None).await;
    let news = nursery.adopted(id);
    let (actor, _) = match started {
        Ok(started) => started,
        Err(error) => {
            // Its stop is on its way, with its place.
            port.tenants().vacate(id);
            core.links.ended((shard, id));
            return Err(error.into());
        }
    };
    let home = actor.home();
    match news {
        News { fault: Some((class, text)), .. } => {
            let life = home.life();
            life.fail(class, None, text);
            life.stop_proxy();
            Err(AdoptError::Failed(life.fault().cloned().map(Box::new)))
        }
        News { ended: true, .. } => {
            home.shell.stop(None);
            Err(AdoptError::Nobody)
        }
        _ => {
            // Lost before it was found among those who live there.
            if let Some(lost) = core.lost() {
                let life = home.life();
                life.fail(FaultClass::DeviceLost, None, lost.text.clone());
                life.stop_proxy();
            }
            Ok(actor)
        }
    }
}
