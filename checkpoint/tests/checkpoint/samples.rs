//! Checkpoints to try things on.

use resident_checkpoint::{Actor, Checkpoint, Emitted, Key, Kind, Parts, Pending, Shard, Status, Taken};

pub fn key(shard: u32, row: u32) -> Key {
    Key { shard, row, generation: 1 }
}

pub fn actor(key: Key, name: Option<&str>, kind: u32, offset: u64, bytes: u32) -> Actor {
    Actor { key, name: name.map(str::to_owned), kind, status: Status::Live, handled: 3, offset, bytes }
}

/// A bit of everything: names and none, one failed, states of no page, one page and two, a message each way, a note.
pub fn parts() -> Parts {
    let kind = |name: &str, layout, state_bytes| Kind { name: name.into(), layout, state_bytes };
    let states: Vec<u8> = (0..5004u32).map(|at| (at * 7 + at / 256) as u8).collect();
    let failed = Actor { status: Status::Failed, ..actor(key(1, 0), None, 1, 4, 5000) };
    Parts {
        taken: Taken { wall_micros: 1_700_000_000_000_000, hlc: 42, device: "cpu".into() },
        kinds: vec![kind("Counter", 0x11, 4), kind("Book", 0x22, 5000), kind("Nothing", 0x33, 0)],
        actors: vec![failed, actor(key(0, 7), Some("one"), 0, 0, 4), actor(key(0, 2), Some("empty"), 2, 0, 0)],
        shards: vec![Shard { consumed: 9, produced: 8, handled: 7, hlc: 41 }, Shard::default()],
        pending: vec![Pending { key: key(0, 7), message: 5, hlc: 40, payload: vec![1, 2, 3] }],
        emitted: vec![Emitted { key: key(1, 0), ty: 6, hlc: 39, payload: vec![4] }],
        notes: [("source".to_owned(), b"row 12".to_vec())].into(),
        states: states.into(),
    }
}

pub fn checkpoint() -> Checkpoint {
    Checkpoint::new(parts()).unwrap()
}

/// The same some time later: a page of the book changed, the empty one is gone, a counter is new.
pub fn later() -> Checkpoint {
    let mut parts = checkpoint().parts();
    let mut states = parts.states.to_vec();
    let book = parts.actors.iter_mut().find(|actor| actor.bytes == 5000).unwrap();
    book.handled += 1;
    states[book.offset as usize + 4999] ^= 0xff;
    parts.actors.retain(|actor| actor.bytes != 0);
    parts.actors.push(actor(key(1, 1), Some("new"), 0, states.len() as u64, 4));
    states.extend([9, 9, 9, 9]);
    parts.taken.hlc += 1;
    parts.states = states.into();
    Checkpoint::new(parts).unwrap()
}

/// A chain of `len` checkpoints, each a little later than the one before.
pub fn chain(len: usize) -> Vec<Checkpoint> {
    let mut chain = vec![checkpoint()];
    while chain.len() < len {
        let mut parts = chain.last().unwrap().parts();
        let mut states = parts.states.to_vec();
        let at = chain.len() * 997 % states.len();
        states[at] = states[at].wrapping_add(1);
        parts.states = states.into();
        parts.taken.hlc += 1;
        chain.push(Checkpoint::new(parts).unwrap());
    }
    chain
}
