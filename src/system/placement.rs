//! On which device of its system an actor starts.

use std::cmp::Ordering;

use crate::device::core::Core;
use crate::who::ActorKey;

/// On which device of its system an actor or a group starts; see [`System::placing`](crate::System::placing).
///
/// A device that is lost takes nobody. The first two go on to the next device where one has no room, and bring the members of a group to
/// several devices; the other two bring all of them to one.
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
    /// Where the fewest actors are for each shard; of several such the first. Each member of a group counts. The default.
    #[default]
    LeastLoaded,
    /// On one device after another, however many actors each has. The members of a group are as many on each shard of all devices.
    Spread,
    /// On the device at this place of [`System::devices`](crate::System::devices).
    On(usize),
    /// On the device where the actor or the group with this key lives; the first, if that is a group on several.
    Near(ActorKey),
}

/// How much a device has to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub actors: usize,
    pub shards: usize,
}

/// A device that takes members of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub load: Load,
    /// Members that it has room for.
    pub room: usize,
}

impl Load {
    pub(crate) fn of(core: &Core) -> Load {
        Load { actors: core.load(), shards: core.ports.len() }
    }

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

/// How many of `count` members each device takes, which have room for all: as if each was brought by itself to where the fewest are for each
/// shard. Of several such it is the first from `turn` on.
pub(crate) fn shares(takers: &[Taker], count: usize, turn: usize) -> Vec<usize> {
    // With so many on each shard, where there is room.
    let up_to = |level: usize| -> Vec<usize> {
        takers.iter().map(|Taker { load, room }| (level * load.shards).saturating_sub(load.actors).min(*room)).collect()
    };
    let most = takers.iter().map(|Taker { load, room }| (load.actors + room) / load.shards.max(1) + 1).max().unwrap_or(0);
    let (mut level, mut above) = (0, most + 1);
    while above - level > 1 {
        let middle = level + (above - level) / 2;
        if up_to(middle).iter().sum::<usize>() <= count { level = middle } else { above = middle }
    }
    let mut shares = up_to(level);
    for _ in shares.iter().sum()..count {
        let with = |device: usize| Load { actors: takers[device].load.actors + shares[device], ..takers[device].load };
        let open = in_turn(takers.len(), turn).into_iter().filter(|device| shares[*device] < takers[*device].room);
        let Some(next) = open.min_by(|one, other| with(*one).compare(with(*other))) else { break };
        shares[next] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SD-16
    #[test]
    fn members_are_shared_out_by_shards_and_room() {
        let takers = |all: &[(usize, usize, usize)]| {
            let taker =
                |(actors, shards, room): &(usize, usize, usize)| Taker { load: Load { actors: *actors, shards: *shards }, room: *room };
            all.iter().map(taker).collect::<Vec<_>>()
        };
        let shares = |all: &[(usize, usize, usize)], count, turn| shares(&takers(all), count, turn);
        assert_eq!(shares(&[(0, 2, 99), (0, 2, 99)], 10, 0), [5, 5]);
        assert_eq!(shares(&[(0, 1, 99), (0, 3, 99)], 12, 0), [3, 9]);
        assert_eq!(shares(&[(8, 2, 99), (0, 2, 99)], 4, 0), [0, 4], "where the fewest are");
        assert_eq!(shares(&[(8, 2, 99), (0, 2, 99)], 12, 0), [2, 10]);
        assert_eq!(shares(&[(0, 2, 3), (0, 2, 99), (0, 2, 0)], 20, 0), [3, 17, 0], "as far as there is room");
        assert_eq!(shares(&[(5, 2, 3), (0, 4, 4)], 7, 0), [3, 4], "to the last place");
        assert_eq!([0, 1].map(|turn| shares(&[(0, 2, 9), (0, 2, 9)], 1, turn)), [[1, 0], [0, 1]]);
        assert_eq!(shares(&[(0, 2, 9), (0, 2, 9)], 0, 0), [0, 0]);
        // As if each was placed by itself.
        let all = [(7, 3, 40), (0, 2, 11), (30, 5, 60), (4, 1, 0)];
        let one_by_one = |count| {
            let mut now = all;
            for _ in 0..count {
                let open: Vec<_> = (0..now.len()).filter(|device| now[*device].2 > 0).collect();
                let loads: Vec<_> = open.iter().map(|device| Load { actors: now[*device].0, shards: now[*device].1 }).collect();
                let next = open[least_loaded(&loads)[0]];
                (now[next].0, now[next].2) = (now[next].0 + 1, now[next].2 - 1);
            }
            (0..all.len()).map(|device| now[device].0 - all[device].0).collect::<Vec<_>>()
        };
        for count in 0..=111 {
            assert_eq!(shares(&all, count, 0), one_by_one(count), "{count}");
        }
    }

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
