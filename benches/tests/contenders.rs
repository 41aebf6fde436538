//! Every contender of ours runs, is checked and fails nothing, on the CPU device.

use resident::Isolation;
use resident_benches::ours::addresses::Addresses;
use resident_benches::ours::births::Births;
use resident_benches::ours::crowd::{Crowd, Sent};
use resident_benches::ours::idle::Idle;
use resident_benches::ours::isolation;
use resident_benches::ours::lanes::{Lanes, Who};
use resident_benches::ours::messages::Messages;
use resident_benches::ours::round_trips::RoundTrips;
use resident_benches::ours::rows::Spawns;
use resident_benches::ours::skew::{Load, Skew};
use resident_benches::ours::streams::{Asks, Casts};
use resident_benches::ours::takeover::{Faults, Kills, Panics, Way};
use resident_benches::ours::tiles::Tiles;
use resident_benches::ours::untouched::Untouched;
use resident_benches::ours::verify::Verify;
use resident_benches::ours::{Ours, Place};
use resident_benches::rounds::{self, Contender, Record};
use resident_benches::wave::Wave;
use resident_kernels::host;
use std::time::Duration;
use tokio::runtime::Runtime;

#[test]
fn ours_takes_part() {
    let runtime = Runtime::new().unwrap();
    let ours = || Ours::new(&runtime, Place::CPU);
    let contenders: Vec<Box<dyn Contender + '_>> = vec![
        Box::new(RoundTrips::new(ours(), 30, 5)),
        Box::new(Spawns::new(Place::CPU, 10, 1000)),
        Box::new(Asks::new(ours(), &[1, 2], 64, 5000)),
        Box::new(Casts::new(ours(), 5000)),
        Box::new(Verify::new(ours(), 2, 5000)),
    ];
    let names: Vec<_> = contenders.iter().map(|c| c.name()).collect();
    let mut record = Record::default();
    rounds::run(contenders, 2, None, &mut record);
    assert_eq!(record.failed(), []);
    assert_eq!(record.rates().len(), 5, "two streams of asks, two of casts, one verified");
    assert_eq!(record.series().count(), 7 + 1 + 2, "round trips; a cast's enqueue; rows one by one and at once");
    let checked: u64 = record.all_checked().iter().map(|(_, n)| n).sum();
    assert!(checked > 2 * 4 * 5000 - 100, "{names:?} checked {checked}");
}

#[test]
fn addresses_take_part() {
    let mut record = Record::default();
    rounds::run(vec![Box::new(Addresses::new(Place::CPU, 200, 500))], 2, None, &mut record);
    assert_eq!(record.failed(), []);
    assert_eq!((record.series().count(), record.rates().len()), (7, 7));
}

#[test]
fn actors_send_to_each_other() {
    let runtime = Runtime::new().unwrap();
    let title = Place::CPU.title();
    let messages = Messages::new(Ours::new(&runtime, Place::CPU), 500, 20_000);
    let mut record = Record::default();
    rounds::run(vec![Box::new(messages)], 2, None, &mut record);
    assert_eq!(record.failed(), []);
    assert!(record.find(&Messages::pass_name(&title, true)).is_some() && record.median_rate(&Messages::one_name(&title)).is_some());
}

#[test]
fn many_actors_and_a_few() {
    let runtime = Runtime::new().unwrap();
    let ours = || Ours::new(&runtime, Place::CPU);
    let (title, wave) = (Place::CPU.title(), Wave::new(2, 6));
    let contenders: Vec<Box<dyn Contender + '_>> = vec![
        Box::new(Crowd::new(ours(), 3000, 9000)),
        Box::new(Skew::new(ours(), 40_000)),
        Box::new(Lanes::new(ours())),
        Box::new(Births::new(ours())),
        Box::new(Tiles::new(ours(), &wave)),
        Box::new(Idle::new(ours(), Duration::ZERO, Duration::from_millis(1))),
    ];
    let mut record = Record::default();
    rounds::run(contenders, 2, None, &mut record);
    assert_eq!(record.failed(), []);
    assert_eq!(record.find(&Crowd::spawn_name(&title, 3000)).unwrap().summary().unwrap().n, 2);
    assert!(record.median_ratio(&Crowd::ratio_name(&title, 3000, Sent::ToAll)).is_some());
    for load in [Load::Uniform, Load::Spread, Load::Crowded] {
        assert!(record.median_rate(&Skew::name(&title, load)).is_some());
    }
    assert!(record.median_rate(&Tiles::title(&title, &wave)).is_some());
    assert!(record.median_ratio(&Idle::share_name(&title, "the worker")).is_some());
    assert!(record.find(&Births::each_name(&title)).is_some());
    assert!(record.median_ratio(&Lanes::ratio_name(&title, Who::Block)).is_some());
    // What links the example's driver must not link its handler crate: with two of them there is no GPU.
    assert_eq!(host::modules().len(), 1);
}

#[test]
fn what_is_broken_is_taken_over() {
    const REPEATS: u32 = 3;
    let runtime = Runtime::new().unwrap();
    let ours = || Ours::new(&runtime, Place::CPU);
    let mut contenders: Vec<Box<dyn Contender + '_>> = vec![
        Box::new(Kills::new(ours(), true, REPEATS)),
        Box::new(Kills::new(ours(), false, REPEATS)),
        Box::new(Panics::new(ours(), 10)),
        Box::new(Untouched::new(ours(), 12, 1)),
        Box::new(isolation::Asks::new(ours(), Isolation::Process, 30)),
        Box::new(isolation::Asks::new(ours(), Isolation::Thread, 30)),
    ];
    contenders.extend(Way::ALL.map(|way| Box::new(Faults::new(ours(), way, REPEATS)) as Box<dyn Contender + '_>));
    let mut record = Record::default();
    rounds::run(contenders, 1, None, &mut record);
    assert_eq!(record.failed(), []);
    assert_eq!(record.series().count(), 3 * 4 + 2 * 3 + 1 + 2, "faults, kills, panics, asks");
    let title = Place::CPU.title();
    assert_eq!(record.counted(&Untouched::differing(&title)), Some(0));
    assert_eq!(record.counted(&Untouched::struck(&title)), Some(12));
}
