//! Random histories of a system: however they are cut into checkpoints and deltas, the same comes out.

use std::collections::BTreeMap;

use proptest::prelude::*;
use resident_checkpoint::{
    Actor, Archive, ChangedPage, Checkpoint, Compression, Delta, DeltaParts, Directory, Emitted, Key, Kind, Options, PAGE_BYTES, Parts,
    Pending, Shard, Status, Taken,
};

const KINDS: [u32; 4] = [0, 64, 4096, 9000];

/// What happens.
#[derive(Clone, Debug)]
enum Event {
    Spawn { shard: u32, row: u32, kind: u32, named: bool, fill: u8 },
    Change { who: prop::sample::Index, at: prop::sample::Index, byte: u8 },
    Fail { who: prop::sample::Index },
    Stop { who: prop::sample::Index },
    Send { who: prop::sample::Index, message: u16, payload: Vec<u8> },
    Deliver,
    Emit { who: prop::sample::Index, payload: Vec<u8> },
    Note { name: u8, value: Vec<u8> },
    Cut,
}

fn event() -> impl Strategy<Value = Event> {
    let who = || any::<prop::sample::Index>();
    let payload = || prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        4 => (0..3u32, 0..6u32, 0..4u32, any::<bool>(), any::<u8>())
            .prop_map(|(shard, row, kind, named, fill)| Event::Spawn { shard, row, kind, named, fill }),
        8 => (who(), who(), any::<u8>()).prop_map(|(who, at, byte)| Event::Change { who, at, byte }),
        1 => who().prop_map(|who| Event::Fail { who }),
        2 => who().prop_map(|who| Event::Stop { who }),
        1 => (who(), any::<u16>(), payload()).prop_map(|(who, message, payload)| Event::Send { who, message, payload }),
        1 => Just(Event::Deliver),
        1 => (who(), payload()).prop_map(|(who, payload)| Event::Emit { who, payload }),
        1 => (any::<u8>(), payload()).prop_map(|(name, value)| Event::Note { name, value }),
        5 => Just(Event::Cut),
    ]
}

/// A naive model of a system: it knows nothing of pages, digests or deltas.
#[derive(Clone, Default)]
struct World {
    actors: BTreeMap<Key, (Actor, Vec<u8>)>,
    generations: u32,
    clock: u64,
    pending: Vec<Pending>,
    emitted: Vec<Emitted>,
    notes: BTreeMap<String, Vec<u8>>,
}

impl World {
    fn step(&mut self, event: Event) {
        self.clock += 1;
        let keys: Vec<Key> = self.actors.keys().copied().collect();
        let pick = |who: &prop::sample::Index| (!keys.is_empty()).then(|| keys[who.index(keys.len())]);
        match event {
            Event::Spawn { shard, row, kind, named, fill } => {
                // The row's former actor is gone, and its key with it.
                self.actors.retain(|key, _| (key.shard, key.row) != (shard, row));
                self.generations += 1;
                let key = Key { shard, row, generation: self.generations };
                let (name, bytes) = (named.then(|| format!("{shard}.{row}")), KINDS[kind as usize]);
                let actor = Actor { key, name, kind, status: Status::Live, handled: 0, offset: 0, bytes };
                self.actors.insert(key, (actor, vec![fill; bytes as usize]));
            }
            Event::Change { who, at, byte } => {
                let Some((actor, state)) = pick(&who).and_then(|key| self.actors.get_mut(&key)) else { return };
                actor.handled += 1;
                if !state.is_empty() {
                    let at = at.index(state.len());
                    state[at] = byte;
                }
            }
            Event::Fail { who } => {
                if let Some((actor, _)) = pick(&who).and_then(|key| self.actors.get_mut(&key)) {
                    actor.status = Status::Failed;
                }
            }
            Event::Stop { who } => {
                pick(&who).map(|key| self.actors.remove(&key));
            }
            Event::Send { who, message, payload } => {
                let hlc = self.clock;
                self.pending.extend(pick(&who).map(|key| Pending { key, message, hlc, payload }));
            }
            Event::Deliver => (self.pending, self.emitted) = Default::default(),
            Event::Emit { who, payload } => {
                let (ty, hlc) = (payload.len() as u32, self.clock);
                self.emitted.extend(pick(&who).map(|key| Emitted { key, ty, hlc, payload }));
            }
            Event::Note { name, value } => {
                self.notes.insert(format!("note {}", name % 4), value);
            }
            Event::Cut => {}
        }
    }

    fn parts(&self) -> Parts {
        let mut states = Vec::new();
        let mut actors = Vec::new();
        for (actor, state) in self.actors.values() {
            actors.push(Actor { offset: states.len() as u64, ..actor.clone() });
            states.extend_from_slice(state);
        }
        let World { clock, pending, emitted, notes, .. } = self.clone();
        Parts {
            taken: Taken { wall_micros: clock * 10, hlc: clock, device: "cpu".into() },
            kinds: KINDS.iter().map(|&state_bytes| Kind { name: format!("of {state_bytes}"), layout: 1, state_bytes }).collect(),
            actors,
            shards: vec![Shard { consumed: clock, produced: clock, handled: clock, hlc: clock }; 3],
            pending,
            emitted,
            notes,
            states: states.into(),
        }
    }
}

/// What a device would hand over: compares byte by byte, in an order of its own.
fn device_parts(old: &World, new: &World) -> DeltaParts {
    let Parts { taken, kinds, shards, pending, emitted, notes, .. } = new.parts();
    let (mut changed, mut pages, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for (key, (actor, state)) in new.actors.iter().rev() {
        let before = old.actors.get(key);
        if before.is_some_and(|before| *before == (actor.clone(), state.clone())) {
            continue;
        }
        for (page, now) in state.chunks(PAGE_BYTES).enumerate().rev() {
            let same = before.is_some_and(|(_, before)| before.chunks(PAGE_BYTES).nth(page) == Some(now));
            if !same {
                pages.push(ChangedPage { changed: changed.len() as u32, page: page as u32, offset: bytes.len() as u64 });
                bytes.extend_from_slice(now);
            }
        }
        changed.push(actor.clone());
    }
    let removed = old.actors.keys().filter(|key| !new.actors.contains_key(key)).copied().collect();
    DeltaParts { taken, kinds, shards, pending, emitted, notes, removed, changed, pages, bytes: bytes.into() }
}

/// The system at each cut.
fn cuts(events: Vec<Event>) -> Vec<World> {
    let mut world = World::default();
    let mut cuts = vec![world.clone()];
    for event in events {
        let cut = matches!(event, Event::Cut);
        world.step(event);
        if cut {
            cuts.push(world.clone());
        }
    }
    cuts.push(world);
    cuts
}

/// By way of a file.
fn through_file(delta: &Delta, compression: Compression) -> Delta {
    Delta::decode(delta.encode(compression).unwrap().to_bytes()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// C-1: what deltas make of an old checkpoint is the new one, in any split, made from both checkpoints or by a device.
    #[test]
    fn full_and_deltas_are_the_full(events in prop::collection::vec(event(), 1..80), split in any::<u64>(), lz4 in any::<bool>()) {
        let compression = if lz4 { Compression::Lz4 } else { Compression::None };
        let cuts = cuts(events);
        let wholes: Vec<Checkpoint> = cuts.iter().map(|world| Checkpoint::new(world.parts()).unwrap()).collect();
        let mut chosen: Vec<usize> = (0..cuts.len()).filter(|at| split >> (at % 64) & 1 == 1).collect();
        chosen.insert(0, 0);
        chosen.push(cuts.len() - 1);
        let mut grown = wholes[0].clone();
        let mut told = wholes[0].clone();
        for pair in chosen.windows(2) {
            let (old, new) = (pair[0], pair[1]);
            let delta = through_file(&Checkpoint::delta_from(&wholes[old], &wholes[new]), compression);
            grown = Checkpoint::apply(&grown, &delta).unwrap();
            let (next, by_device) = told.advance(device_parts(&cuts[old], &cuts[new])).unwrap();
            prop_assert_eq!((by_device.base(), by_device.result()), (delta.base(), delta.result()));
            prop_assert_eq!(Checkpoint::apply(&told, &through_file(&by_device, compression)).unwrap().parts(), wholes[new].parts());
            told = next;
            prop_assert_eq!(grown.digest(), wholes[new].digest());
            prop_assert_eq!(grown.parts(), wholes[new].parts());
            prop_assert_eq!(told.parts(), wholes[new].parts());
        }
        let file = grown.encode(compression).unwrap();
        prop_assert_eq!(Checkpoint::decode(file.to_bytes()).unwrap().parts(), wholes.last().unwrap().parts());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    /// C-7: compaction and retention change nothing of what can be restored of the newest points.
    #[test]
    fn compaction_changes_nothing(events in prop::collection::vec(event(), 1..60), acts in any::<u64>(), keep in 1..4usize) {
        let wholes: Vec<Checkpoint> = cuts(events).iter().map(|world| Checkpoint::new(world.parts()).unwrap()).collect();
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let archive = Archive::open(Directory::writer(directory.path()).unwrap(), Options { keep, ..Options::default() });
            for (at, whole) in wholes.iter().enumerate() {
                let act = acts >> (at * 2 % 64);
                if at == 0 || act & 3 == 0 {
                    archive.save_full(whole).await.unwrap();
                } else {
                    archive.save_delta(&Checkpoint::delta_from(&wholes[at - 1], whole)).await.unwrap();
                }
                if act & 3 == 1 {
                    archive.compact().await.unwrap();
                }
                for back in 0..keep.min(at + 1) {
                    let number = (at - back + 1) as u64;
                    assert_eq!(archive.restore(number).await.unwrap().parts(), wholes[at - back].parts());
                }
                assert_eq!(archive.latest().await.unwrap().unwrap(), *whole);
            }
            assert!(archive.verify().await.unwrap().iter().all(|(_, result)| result.is_ok()));
        });
    }
}
