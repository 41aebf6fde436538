//! On which device of its system an actor starts.

use std::cmp::Ordering;

use crate::who::ActorKey;

/// On which device of its system an actor or a group starts; see [`System::placing`](crate::System::placing).
///
/// A device that is lost takes nobody. The first two go on to the next device where one has no room.
///
/// ```
/// # use resident_kernels::prelude::*;
/// # #[derive(State, Default)] #[repr(C)] pub struct Gauge { pub level: u64 }
/// # #[derive(Message)] #[repr(C)] pub struct Rise { pub by: u64 }
/// # #[actor]
/// # impl Gauge { fn rise(&mut self, msg: &Rise, _ctx: &mut Ctx) { self.level += msg.by; } }
/// # resident_kernels::export!(Gauge);
/// use resident::{Config, DeviceOptions, Handle, Placement, System};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config { devices: vec![DeviceOptions::cpu(), DeviceOptions::cpu()], ..Config::default() };
/// let system = System::start(config).await?;
/// let second = system.placing(Placement::On(1));
/// let one = Handle::spawn(None, Gauge::default(), &second).await?;
/// let other = Handle::spawn(None, Gauge::default(), &system.placing(Placement::Near(one.key()))).await?;
/// assert_eq!([&*one.info().device, &*other.info().device], ["cpu:1", "cpu:1"]);
/// # system.stop().await;
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// Where the fewest actors are for each shard; of several such the first. The default.
    #[default]
    LeastLoaded,
    /// On one device after another, however many actors each has.
    Spread,
    /// On the device at this place of [`System::devices`](crate::System::devices).
    On(usize),
    /// On the device where the actor or the group with this key lives.
    Near(ActorKey),
}

/// How much a device has to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub actors: usize,
    pub shards: usize,
}

impl Load {
    fn compare(self, other: Load) -> Ordering {
        (self.actors as u128 * other.shards as u128).cmp(&(other.actors as u128 * self.shards as u128))
    }
}

/// The devices' places, that with the least to do first.
pub(super) fn least_loaded(loads: &[Load]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..loads.len()).collect();
    places.sort_by(|one, other| loads[*one].compare(loads[*other]));
    places
}

/// The devices' places, from the one on whose turn it is.
pub(super) fn in_turn(devices: usize, turn: usize) -> Vec<usize> {
    (0..devices).map(|place| turn.wrapping_add(place) % devices).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SD-7
    #[test]
    fn the_least_loaded_has_the_fewest_actors_for_each_shard() {
        let order = |loads: &[(usize, usize)]| {
            least_loaded(&loads.iter().map(|(actors, shards)| Load { actors: *actors, shards: *shards }).collect::<Vec<_>>())
        };
        assert_eq!(order(&[(0, 4), (0, 64), (0, 1)]), [0, 1, 2], "of several the first");
        assert_eq!(order(&[(4, 4), (60, 64)]), [1, 0]);
        assert_eq!(order(&[(3, 1), (1, 1), (2, 1)]), [1, 2, 0]);
    }

    /// SD-7
    #[test]
    fn each_device_has_its_turn() {
        assert_eq!([in_turn(3, 0), in_turn(3, 1), in_turn(3, 5)], [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }
}
