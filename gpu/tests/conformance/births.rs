//! What `kernels/cuda/nursery.h` promises: actors that handlers spawn.

use super::*;

const KIN_BYTES: u32 = size_of::<Kin>() as u32;

fn nursery(options: Options, nursery: u32) -> Host {
    Host::start(Options { nursery, nursery_bytes: 64, ..options })
}

fn grant(host: &mut Host, row: u32, generation: u32, offset: u64, bytes: u32) {
    host.push(OP_GRANT, 0, row, generation, NONE, &[&offset.to_le_bytes()[..], &bytes.to_le_bytes(), &[0; 4]].concat());
}

fn bear(host: &mut Host, count: u32, panic: u32) {
    host.cast::<Kin, Bear>(0, 1, &Bear { count, tie: 0, end: 0, panic });
}

/// The next birth: row, generation and where the state is.
fn born(host: &mut Host) -> (u32, u32, u64) {
    let heard = host.hear();
    assert_eq!((heard.op, heard.row, heard.payload.len()), (OP_BORN, 0, size_of::<Born>()), "{heard:?}");
    let word = |at: usize| u32::decode(&heard.payload[4 * at..]);
    assert_eq!(word(3), KIN_BYTES);
    (word(0), word(1), u64::decode(&heard.payload[16..]))
}

fn fence(host: &mut Host) {
    host.push(OP_FENCE, 0, 0, 0, 6, &[]);
    let heard = host.hear();
    assert_eq!((heard.op, heard.correlation), (OP_ACK, 6), "{heard:?}");
}

/// NU-1, NU-3: as many are born as there were grants, each in a row of its own; the next one is a fault of the spawner's.
pub(super) fn births(options: Options) {
    let mut host = nursery(options, 3);
    host.spawn(0, 1, &Kin::default());
    let mut places: Vec<_> = (0..3).map(|n| (4 + n, 7 + n, 4096 + 64 * u64::from(n))).collect();
    for (row, generation, offset) in &places {
        grant(&mut host, *row, *generation, *offset, 64);
    }
    // Other warps than the spawner's may take them up.
    fence(&mut host);
    bear(&mut host, 2, 0);
    let mut seen = vec![born(&mut host), born(&mut host)];
    bear(&mut host, 1, 0);
    seen.push(born(&mut host));
    seen.sort_unstable();
    assert_eq!(seen, places);
    while host.reply::<Kin, Family>(0, 1, &Family).told < 3 {}
    assert_eq!(host.reply::<Kin, Greet>(5, 8, &Greet), 2, "it has said its word");

    // A row comes back by a stop, and can be granted once more, to one that is not yet there.
    host.stop_row(5, 8);
    places[1].1 = 9;
    let room = places[1].2;
    grant(&mut host, 5, 9, room, 64);
    fence(&mut host);
    host.call::<Kin, Greet>(5, 9, 12, &Greet);
    assert_eq!(host.hear().message, REFUSED_STALE);
    bear(&mut host, 2, 0);
    let fault = host.hear();
    assert_eq!((fault.op, fault.message, fault.row), (OP_FAULT, FAULT_NURSERY, 0));
    let text = String::from_utf8(fault.payload[size_of::<FaultInfo>()..].to_vec()).expect("text");
    assert!(text.contains("no place is left"), "{text}");
    assert_eq!(host.reply::<Kin, Greet>(4, 7, &Greet), 2, "the others go on");
    // E-7: who has failed has spawned nobody, so the place is there for somebody else.
    host.spawn(1, 1, &Kin::default());
    host.cast::<Kin, Bear>(1, 1, &Bear { count: 1, tie: 0, end: 0, panic: 0 });
    let heard = host.hear();
    assert_eq!((heard.op, heard.row, u32::decode(&heard.payload)), (OP_BORN, 1, 5));
    host.end();
}

/// NU-3, E-4: a grant that makes no sense is refused, and nobody is born by it.
pub(super) fn grants_are_looked_at(options: Options) {
    let mut host = nursery(options, 3);
    let rows = host.device.rows();
    let arena = host.device.arena_bytes();
    host.spawn(0, 1, &Kin::default());
    let bad = [
        (rows, 4096, 64),
        (u32::MAX, 4096, 64),
        (0, 4096, 64),
        (4, 4104, 64),
        (4, arena - 48, 64),
        (4, u64::MAX - 15, 64),
        (4, 0, MAX_STATE as u32 + 1),
        (4, 0, u32::MAX),
    ];
    for (row, offset, bytes) in bad {
        grant(&mut host, row, 7, offset, bytes);
        let heard = host.hear();
        assert_eq!((heard.op, heard.message, heard.row), (OP_REFUSED, REFUSED_PROTOCOL, row), "{offset} {bytes}");
    }
    for length in [0, 8, 15, 17] {
        host.push(OP_GRANT, 0, 4, 7, NONE, &vec![0; length]);
        assert_eq!(host.hear().message, REFUSED_PROTOCOL);
    }
    // As many as there are slots for; which is more than were asked for, and not without end.
    let mut granted = 0;
    for n in 1.. {
        grant(&mut host, n, 7, 4096, KIN_BYTES - 1);
        host.push(OP_FENCE, 0, 0, 0, 6, &[]);
        if host.hear().op == OP_REFUSED {
            assert_eq!(host.hear().op, OP_ACK);
            break;
        }
        granted = n;
    }
    assert!((3..200).contains(&granted));
    // All of them are too small.
    bear(&mut host, 1, 0);
    let fault = host.hear();
    assert_eq!((fault.op, fault.message), (OP_FAULT, FAULT_NURSERY));
    host.end();
}

/// NU-4: a message that the device is lost by has spawned nobody: its actor is blamed, and all places can be taken.
pub(super) fn births_and_a_loss(options: Options) {
    if !survives(&options) {
        return;
    }
    let mut host = nursery(options, 3);
    host.spawn(0, 1, &Kin::default());
    host.spawn(1, 1, &Kin::default());
    for (row, offset) in [(4, 4096), (5, 4160), (6, 4224)] {
        grant(&mut host, row, 7, offset, 64);
    }
    fence(&mut host);
    bear(&mut host, 2, 2);
    let given_back = host.hear();
    assert_eq!((given_back.op, given_back.row), (OP_RETURN, 0));
    let blamed = host.hear();
    assert_eq!((blamed.op, blamed.message, blamed.row), (OP_BLAMED, FAULT_TRAP, 0));
    for row in 4..7 {
        host.call::<Kin, Greet>(row, 7, 12, &Greet);
        assert_eq!(host.hear().message, REFUSED_STALE, "{row}");
    }
    host.cast::<Kin, Bear>(1, 1, &Bear { count: 3, tie: 0, end: 0, panic: 0 });
    let mut rows = [0; 3].map(|_| {
        let heard = host.hear();
        assert_eq!((heard.op, heard.row), (OP_BORN, 1));
        u32::decode(&heard.payload)
    });
    rows.sort_unstable();
    assert_eq!(rows, [4, 5, 6]);
    host.end();
}
