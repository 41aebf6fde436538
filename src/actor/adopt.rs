//! How an actor that a handler has spawned becomes one of its own.

use std::sync::Arc;

use resident_gpu::rows::RowId;
use resident_kernels::actor::Actor;
use resident_kernels::address::Address;

use crate::actor::home::Home;
use crate::actor::incarnation::{Living, Loaded, Place};
use crate::actor::shell::Lent;
use crate::device::core::Core;
use crate::device::nursery::{Children, News};
use crate::error::{AdoptError, SpawnError};
use crate::fault::FaultClass;
use crate::system::fleet::Fleet;

/// Makes a child an actor of its own, for which `lend` has its framework start one, or finds the one that it is.
pub(crate) async fn adopt<A: Actor, F>(
    fleet: Arc<Fleet>,
    address: Address<A>,
    lend: impl FnOnce(Loaded) -> F,
) -> Result<Arc<Home>, AdoptError>
where
    F: Future<Output = Lent>,
{
    let (shard, id) = (address.shard(), RowId { row: address.row(), generation: address.generation() });
    let is_here = |core: &&Arc<Core>| Address::<A>::new(core.device.system(), shard, id.row, id.generation) == address;
    let core = fleet.devices().iter().find(is_here);
    core.unwrap_or(fleet.first()).check_running()?;
    let Some((core, nursery)) = core.and_then(|core| Some((core, core.nurseries.get(shard as usize)?.clone()))) else {
        return Err(AdoptError::Nobody);
    };
    let port = core.ports[shard as usize].clone();
    // Its birth is heard of by then, by whichever way the address has come.
    port.fence().await.map_err(|_| SpawnError::Stopped)?;
    let _change = nursery.change().await;
    let kind_index = match port.tenant(id) {
        Some(tenant) if tenant.kind().fingerprint != A::KIND.fingerprint => return Err(AdoptError::Nobody),
        Some(tenant) if tenant.of::<Children>().is_some() => tenant.slot,
        Some(tenant) => return tenant.of::<Living>().ok_or(AdoptError::Member)?.0.home().ok_or(AdoptError::Nobody),
        None => return Err(AdoptError::Nobody),
    };
    let state = nursery.begin_adoption(id).ok_or(AdoptError::Nobody)?;
    let place = Place::new(core, shard, id, A::KIND, kind_index, state);
    // It is counted again as it moves into its own place.
    core.moved_out(kind_index, 1);
    let started = lend(place.loaded()).await;
    let news = nursery.adopted(id);
    let (home, _) = match started {
        Ok(started) => started,
        Err(error) => {
            // Its stop is on its way, with its place.
            port.tenants().vacate(id);
            core.links.ended((shard, id));
            return Err(error.into());
        }
    };
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
            Ok(home)
        }
    }
}
