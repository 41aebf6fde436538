//! A checkpoint and its parts: what is refused, and what can be asked.

use std::borrow::Cow;

use resident_checkpoint::{Actor, Checkpoint, Invalid, Kind, Parts, Status};

use crate::samples::{actor, checkpoint, key, parts};

fn refused(change: impl FnOnce(&mut Parts)) -> Invalid {
    let mut parts = parts();
    change(&mut parts);
    Checkpoint::new(parts).unwrap_err()
}

#[test]
fn everything_can_be_asked_for() {
    let checkpoint = checkpoint();
    assert!(checkpoint.actors().is_sorted_by_key(|actor| actor.key));
    let one = checkpoint.named("one").unwrap();
    assert_eq!((one.key, one.handled, one.status), (key(0, 7), 3, Status::Live));
    assert_eq!(checkpoint.kind_of(one).name, "Counter");
    assert_eq!(checkpoint.state(one)[..], parts().states[..4]);
    let book = checkpoint.actor(key(1, 0)).unwrap();
    assert_eq!((book.status, &checkpoint.kind_of(book).name[..]), (Status::Failed, "Book"));
    assert!(matches!(checkpoint.state(book), Cow::Borrowed(state) if state == &parts().states[4..]));
    assert_eq!(checkpoint.runs(book).map(<[u8]>::len).collect::<Vec<_>>(), [5000]);
    assert_eq!(checkpoint.state(checkpoint.named("empty").unwrap())[..], []);
    assert!(checkpoint.named("two").is_none() && checkpoint.named("").is_none() && checkpoint.actor(key(3, 3)).is_none());
    assert_eq!((checkpoint.note("source"), checkpoint.note("sink")), (Some(&b"row 12"[..]), None));
    assert_eq!(
        (checkpoint.shards(), checkpoint.pending(), checkpoint.emitted()),
        (&parts().shards[..], &parts().pending[..], &parts().emitted[..])
    );
    assert_eq!((checkpoint.taken(), checkpoint.kinds(), checkpoint.notes()), (&parts().taken, &parts().kinds[..], &parts().notes));
    assert_eq!(checkpoint.state_bytes(), 5004);
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let counter = |parts: &mut Parts| parts.actors.iter().position(|actor| actor.bytes == 4).unwrap();
    let range = Invalid::Range { key: key(0, 7), offset: 5001, bytes: 4, states: 5004 };
    assert_eq!(
        refused(|parts| {
            let at = counter(parts);
            parts.actors[at].offset = 5001
        }),
        range
    );
    assert!(matches!(
        refused(|parts| {
            let at = counter(parts);
            parts.actors[at].offset = u64::MAX
        }),
        Invalid::Range { .. }
    ));
    assert_eq!(
        refused(|parts| {
            let at = counter(parts);
            parts.actors[at].kind = 3
        }),
        Invalid::Kind { key: key(0, 7), kind: 3, kinds: 3 }
    );
    let bytes = Invalid::Bytes { key: key(0, 7), bytes: 3, kind: "Counter".into(), state_bytes: 4 };
    assert_eq!(
        refused(|parts| {
            let at = counter(parts);
            parts.actors[at].bytes = 3
        }),
        bytes
    );
    assert_eq!(refused(|parts| parts.actors.push(actor(key(0, 7), None, 0, 0, 4))), Invalid::Twice(key(0, 7)));
    assert_eq!(refused(|parts| parts.actors.push(actor(key(5, 5), Some("one"), 0, 0, 4))), Invalid::Name("one".into()));
    assert_eq!(refused(|parts| parts.kinds.clear()), Invalid::Kind { key: key(0, 2), kind: 2, kinds: 0 });
}

/// C-1
#[test]
fn the_digest_is_of_the_contents() {
    let digest = checkpoint().digest();
    // Elsewhere, in another order, with other bytes between.
    let moved = {
        let mut parts = parts();
        let mut states = vec![0xee; 64];
        for actor in &mut parts.actors {
            let begin = actor.offset as usize;
            let state = &parts.states[begin..begin + actor.bytes as usize];
            actor.offset = states.len() as u64;
            states.extend_from_slice(state);
            states.push(0xdd);
        }
        parts.actors.reverse();
        Checkpoint::new(Parts { states: states.into(), ..parts }).unwrap()
    };
    assert_eq!((moved.digest(), &moved), (digest, &checkpoint()));
    assert_eq!(Checkpoint::new(moved.parts()).unwrap().digest(), digest);
}

/// C-1: nothing in a checkpoint can change without the digest.
#[test]
fn whatever_differs_changes_the_digest() {
    fn book(parts: &mut Parts) -> &mut Actor {
        &mut parts.actors[0]
    }
    let changes: [fn(&mut Parts); 25] = [
        |parts| parts.taken.wall_micros += 1,
        |parts| parts.taken.hlc += 1,
        |parts| parts.taken.device.push('x'),
        |parts| parts.kinds.push(Kind { name: String::new(), layout: 0, state_bytes: 0 }),
        |parts| parts.kinds[0].name.push('x'),
        |parts| parts.kinds[0].layout += 1,
        |parts| book(parts).handled += 1,
        |parts| book(parts).status = Status::Live,
        |parts| book(parts).name = Some(String::new()),
        |parts| book(parts).key.generation += 1,
        |parts| parts.actors.truncate(2),
        |parts| parts.shards[1].consumed += 1,
        |parts| parts.shards[1].produced += 1,
        |parts| parts.shards[1].handled += 1,
        |parts| parts.shards[1].hlc += 1,
        |parts| parts.pending[0].key.row += 1,
        |parts| parts.pending[0].message += 1,
        |parts| parts.pending[0].hlc += 1,
        |parts| parts.pending[0].payload.push(0),
        |parts| parts.emitted[0].key.row += 1,
        |parts| parts.emitted[0].ty += 1,
        |parts| parts.emitted[0].payload.push(0),
        |parts| parts.emitted.clear(),
        |parts| parts.notes.get_mut("source").unwrap().push(0),
        |parts| parts.notes.clear(),
    ];
    let mut digests = vec![checkpoint().digest()];
    for change in changes {
        let mut parts = parts();
        change(&mut parts);
        digests.push(Checkpoint::new(parts).unwrap().digest());
    }
    for at in 0..5004 {
        let mut parts = parts();
        let mut states = parts.states.to_vec();
        states[at] ^= 1;
        parts.states = states.into();
        digests.push(Checkpoint::new(parts).unwrap().digest());
    }
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count, "two that differ have one digest");
}

#[test]
fn names_are_found_among_many() {
    let named = |row| actor(key(0, row), Some(&format!("actor {row}")), 0, 0, 4);
    let mut parts = Parts { actors: (0..10_000).map(named).collect(), ..parts() };
    let checkpoint = Checkpoint::new(parts.clone()).unwrap();
    for row in 0..10_000 {
        assert_eq!(checkpoint.named(&format!("actor {row}")).unwrap().key, key(0, row));
    }
    parts.actors[9_999].name = Some("actor 5000".into());
    assert_eq!(Checkpoint::new(parts).unwrap_err(), Invalid::Name("actor 5000".into()));
}

#[test]
#[should_panic(expected = "of another checkpoint")]
fn another_checkpoints_actor_has_no_state_here() {
    checkpoint().state(&actor(key(9, 9), None, 0, 0, 4));
}
