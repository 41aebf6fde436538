//! Cuts and loads: what `gpu/src/cut.rs` and `kernels/cuda/cut.h` promise.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use resident_gpu::cut::{Cut, CutError, Ends, Hold, Load};
use resident_gpu::rows::RowId;
use resident_kernels::wire::WORK_WARPS;

use super::*;

/// A state as bytes.
fn bytes_of<S: Plain>(state: &S) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<S>()];
    state.encode(&mut bytes);
    bytes
}

/// Nobody pushes while a cut is taken.
struct Still(Vec<Ends>);

impl Still {
    fn of(hosts: &[&Host]) -> Still {
        Still(hosts.iter().map(|host| Ends { pushed: host.into.position(), fetched: host.from.position() }).collect())
    }
}

impl Hold for Still {
    fn hold(&self, _: &[u64]) -> Vec<Ends> {
        self.0.clone()
    }

    fn release(&self, _: u32) {}
}

pub(super) fn take(hosts: &[&Host], base: Option<u64>) -> Cut {
    hosts[0].device.cut(None, base, &Still::of(hosts)).unwrap_or_else(|error| panic!("{error}"))
}

/// An actor's place in a cut, its status, what it has handled, its state.
type Taken = (u32, u32, u32, u32, u64, Vec<u8>);

fn actors(cut: &Cut) -> Vec<Taken> {
    let state = |row: &CutRow| cut.bytes[row.offset as usize..][..row.bytes as usize].to_vec();
    cut.rows.iter().map(|row| (row.shard, row.row, row.generation, row.status, row.handled, state(row))).collect()
}

/// What a cut is once `changed` has been applied to it.
fn apply(mut actors: Vec<Taken>, changed: &Cut) -> Vec<Taken> {
    for (index, row) in (0u32..).zip(&changed.rows) {
        let known = actors.iter().position(|is| (is.0, is.1) == (row.shard, row.row));
        let state = match known {
            Some(at) if row.known == 1 => actors.remove(at).5,
            Some(at) => {
                assert_eq!(actors.remove(at).2, row.gone, "the actor that was there before");
                vec![0; row.bytes as usize]
            }
            None => vec![0; row.bytes as usize],
        };
        if row.status == u32::from(ROW_FREE) {
            continue;
        }
        let mut state = state;
        for page in changed.pages.iter().filter(|page| page.row == index) {
            let at = page.page as usize * STATE_PAGE;
            state[at..at + page.bytes.len()].copy_from_slice(&changed.bytes[page.bytes.clone()]);
        }
        actors.push((row.shard, row.row, row.generation, row.status, row.handled, state));
    }
    actors.sort();
    actors
}

/// CUT-2: live and failed actors with their states and counts, how far the shards have come; and they go on.
pub fn cut_whole(options: Options) {
    let mut host = Host::start(options);
    assert!(take(&[&host], None).rows.is_empty());
    let (big, mut counter) = (Big::new(4), Counter::default());
    host.spawn(7, 3, &big);
    host.spawn(2, 1, &counter);
    host.spawn(5, 1, &Panicker::default());
    host.spawn(6, 1, &Counter::default());
    for _ in 0..3 {
        counter.total = host.reply::<Counter, _>(2, 1, &AddAndGet { amount: 5 });
        counter.added += 1;
    }
    host.cast::<Panicker, _>(5, 1, &Panic { how: OUT_OF_BOUNDS, value: 100 });
    assert_eq!(host.hear().op, OP_FAULT);
    host.stop_row(6, 1);

    let cut = take(&[&host], None);
    let taken = actors(&cut);
    assert_eq!(
        taken.iter().map(|taken| (taken.1, taken.2, taken.3, taken.4)).collect::<Vec<_>>(),
        [(2, 1, ROW_LIVE.into(), 3), (5, 1, ROW_FAILED.into(), 0), (7, 3, ROW_LIVE.into(), 0)]
    );
    assert_eq!((&taken[0].5, &taken[2].5), (&bytes_of(&counter), &bytes_of(&big)));
    let stand = cut.shards[0];
    assert_eq!((stand.consumed, stand.produced), (host.into.position(), host.from.position()));
    assert!(stand.handled > 0 && stand.hlc > 0 && cut.micros > 0 && !cut.pause.is_zero());
    assert!(cut.queued.is_empty() && cut.emitted.is_empty() && cut.pages.is_empty() && cut.base.is_none());

    assert_eq!(host.reply::<Counter, _>(2, 1, &AddAndGet { amount: 1 }), counter.total + 1);
    assert_eq!(actors(&cut), taken, "what was cut stays as it was");
    assert_eq!(host.device.losses().0, 0);
    host.end();
}

/// With a base, only what is not as the base has it; applied to the base it is the whole.
pub fn cut_changed(options: Options) {
    let mut host = Host::start(options);
    for row in 0..6 {
        host.spawn(row, 1, &Counter { total: row.into(), ..Counter::default() });
    }
    host.spawn(10, 1, &Big::new(1));
    host.spawn(11, 1, &Big::new(2));
    let first = take(&[&host], None);
    let nothing = take(&[&host], first.number);
    assert_eq!((nothing.base, nothing.rows.len(), nothing.bytes.len()), (first.number, 0, 0));

    host.cast::<Counter, _>(1, 1, &Add { amount: 100 });
    host.stop_row(2, 1);
    host.stop_row(3, 1);
    host.spawn(3, 2, &Counter { total: 33, ..Counter::default() });
    host.spawn(9, 1, &Counter { total: 9, ..Counter::default() });
    host.cast::<Big, _>(10, 1, &Put { at: 5000, word: 77 });
    // Handles a message and changes nothing.
    let digest = host.reply::<Big, _>(11, 1, &Digest);
    // What is for different actors is handled in no order: of each that was sent something, an answer says that it has been.
    host.reply::<Counter, _>(1, 1, &Get);
    host.reply::<Big, _>(10, 1, &Digest);
    let changed = take(&[&host], nothing.number);
    assert_eq!(changed.base, nothing.number);
    let rows: Vec<_> = changed.rows.iter().map(|row| (row.row, row.generation, row.known, row.gone)).collect();
    assert_eq!(rows, [(1, 1, 1, 0), (2, 0, 0, 1), (3, 2, 0, 1), (9, 1, 0, 0), (10, 1, 1, 0), (11, 1, 1, 0)]);
    assert_eq!(changed.pages.iter().map(|page| page.row).collect::<Vec<_>>(), [0, 2, 3, 4], "one page of the one large state");
    let whole = take(&[&host], None);
    assert_eq!(apply(actors(&first), &changed), actors(&whole));

    // The whole one is the base now; the one before is known no more.
    let wrong = take(&[&host], changed.number);
    assert_eq!((wrong.base, wrong.rows.len()), (None, whole.rows.len()));
    assert_eq!(host.reply::<Big, _>(11, 1, &Digest), digest);
    host.end();
}

/// Some rows only: no base comes of it, and none is lost.
pub fn cut_some(options: Options) {
    let mut host = Host::start(options);
    for row in 0..20 {
        host.spawn(row, 1, &Counter { total: row.into(), ..Counter::default() });
    }
    let base = take(&[&host], None).number;
    host.reply::<Counter, _>(4, 1, &AddAndGet { amount: 1 });
    let of: Vec<_> = [(0, 4), (0, 17), (0, 40), (0, 4000), (9, 1)].map(|(shard, row)| (shard, RowId { row, generation: 1 })).into();
    let some = host.device.cut(Some(&of), None, &Still::of(&[&host])).expect("a cut");
    assert_eq!((some.number, some.base), (None, None));
    let rows: Vec<_> = actors(&some).into_iter().map(|taken| (taken.1, taken.4, u64::decode(&taken.5))).collect();
    assert_eq!(rows, [(4, 1, 5), (17, 0, 17)]);
    let changed = take(&[&host], base);
    assert_eq!((changed.base, changed.rows.len()), (base, 1));
    host.end();
}

/// What was sent and not handled is noted as queued, what was emitted and not fetched as emitted.
pub fn cut_rings(options: Options) {
    let rounds = 20 * rounds(&options);
    let mut host = Host::start(Options { shards: Some(2), ..options });
    let mut other = host.beside(1);
    // Clear of the large state.
    other.arena = 2 << 20;
    host.spawn(0, 1, &Breaker { handled: 0, sum: 0 });
    // Of the same warp as the first, however many a shard has.
    const BESIDE: u32 = WORK_WARPS as u32;
    host.spawn(BESIDE, 1, &Big::new(1));
    other.spawn(0, 1, &Emitter::default());
    other.cast::<Emitter, _>(0, 1, &EmitLate { minutes: 30, count: 1 });
    other.until("it has emitted", |device| device.progress(1).handled >= 2);
    // More than a shard takes up before it looks whether it is to leave.
    const BEHIND: u32 = 200;
    let put = (0, BESIDE, u32::from(<Big as Handles<Put>>::INDEX), size_of::<Put>());
    let deposit = (0, 0, u32::from(<Breaker as Handles<Deposit>>::INDEX), size_of::<Deposit>());
    for turn in 0.. {
        host.call::<Breaker, _>(0, 1, 5, &Work { rounds });
        let before = host.device.progress(0).handled;
        host.until("it works", |device| device.busy(0).is_some() || device.progress(0).handled > before);
        for n in 0..BEHIND / 2 {
            host.cast::<Big, _>(BESIDE, 1, &Put { at: 1, word: 9 });
            host.call::<Breaker, _>(0, 1, 6 + n, &Deposit { n: 1 });
        }
        let cut = take(&[&host, &other], None);
        for n in 0..=BEHIND / 2 {
            assert_eq!(host.hear().correlation, 5 + n, "they are handled once, in their order");
        }
        let emitted: Vec<_> = cut.emitted.iter().map(|it| (it.shard, it.row.row, it.message, it.payload.len())).collect();
        assert_eq!(emitted, [(1, 0, Late::TYPE, size_of::<Late>())]);
        let queued: Vec<_> = cut.queued.iter().map(|it| (it.shard, it.row.row, it.message, it.payload.len())).collect();
        if !queued.is_empty() {
            let behind: Vec<_> = (0..BEHIND).map(|n| if n % 2 == 0 { put } else { deposit }).collect();
            assert!(behind.ends_with(&queued), "{queued:?}");
            assert_eq!(cut.shards[0].consumed + queued.len() as u64, host.into.position());
            break;
        }
        assert!(turn < 50, "the shard was never in the middle of its work");
    }
    host.end();
}

struct Defer<F: Fn()>(F);

impl<F: Fn()> Drop for Defer<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Somebody pushes all the time.
struct Busy<'m>(&'m Mutex<(Host, Host)>);

impl Hold for Busy<'_> {
    fn hold(&self, consumed: &[u64]) -> Vec<Ends> {
        let mut rings = self.0.lock().unwrap();
        let (host, other) = &mut *rings;
        let end = |(host, consumed): (&mut Host, &u64)| {
            host.into.hold(*consumed);
            Ends { pushed: host.into.position(), fetched: host.from.position() }
        };
        [host, other].into_iter().zip(consumed).map(end).collect()
    }

    fn release(&self, shard: u32) {
        let mut rings = self.0.lock().unwrap();
        if shard == 0 { rings.0.into.release() } else { rings.1.into.release() }
    }
}

/// One sender sends by turns to two shards: in every cut, states and queues together, the second has as many as the first or one less.
pub fn cut_is_consistent(options: Options) {
    let mut host = Host::start(Options { shards: Some(2), ..options });
    let mut other = host.beside(1);
    host.spawn(0, 1, &Counter::default());
    other.spawn(0, 1, &Counter::default());
    let device = host.device.clone();
    let (rings, over, sent) = (Mutex::new((host, other)), AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let payload = 1u64.to_le_bytes();
            let frame = |hlc| Frame {
                op: OP_CAST,
                message: <Counter as Handles<Add>>::INDEX,
                generation: 1,
                correlation: NONE,
                hlc,
                payload: &payload,
                ..Frame::default()
            };
            for turn in 0.. {
                for second in [false, true] {
                    loop {
                        let mut rings = rings.lock().unwrap();
                        let into = if second { &mut rings.1.into } else { &mut rings.0.into };
                        match into.push(&frame(1000 + turn)) {
                            Ok(()) => break,
                            Err(PushError::Full) => drop(rings),
                            Err(error) => panic!("{error}"),
                        }
                        thread::yield_now();
                    }
                }
                sent.store(turn, Relaxed);
                if over.load(Relaxed) {
                    return;
                }
            }
        });
        // Whatever comes, the other thread ends.
        let _over = Defer(|| over.store(true, Relaxed));
        let (mut base, mut last, mut totals) = (None, 0, [0; 2]);
        for turn in 0..40 {
            let before = sent.load(Relaxed);
            let cut = device.cut(None, base.filter(|_| turn % 3 != 0), &Busy(&rings)).unwrap_or_else(|error| panic!("{error}"));
            base = cut.number;
            let mut count = |shard: u32| {
                // One that has handled nothing since the base is not there.
                if let Some(row) = cut.rows.iter().find(|row| row.shard == shard) {
                    let at = match cut.base {
                        None => row.offset as usize,
                        Some(_) => cut.pages.iter().find(|page| cut.rows[page.row as usize].shard == shard).expect("its page").bytes.start,
                    };
                    totals[shard as usize] = u64::decode(&cut.bytes[at..][..8]);
                    assert_eq!(totals[shard as usize], row.handled);
                }
                totals[shard as usize] + cut.queued.iter().filter(|queued| queued.shard == shard).count() as u64
            };
            let (first, second) = (count(0), count(1));
            assert!(first == second || first == second + 1, "{first} and {second} in cut {turn}");
            assert!(second >= before && second >= last, "what was sent before is in it");
            last = second;
            // Some more to be handled before the next.
            while sent.load(Relaxed) < before + 50 {
                thread::yield_now();
            }
        }
    });
    rings.into_inner().unwrap().0.end();
}

/// What was cut can be put on another device, in other rows; it goes on there, and is cut there again.
pub fn load(options: Options) {
    let mut host = Host::start(options.clone());
    let (big, failed) = (Big::new(8), Panicker::default());
    host.spawn(1, 1, &big);
    host.spawn(2, 1, &Counter { total: 40, ..Counter::default() });
    host.spawn(3, 1, &failed);
    host.reply::<Counter, _>(2, 1, &AddAndGet { amount: 2 });
    let cut = take(&[&host], None);
    host.end();

    let mut host = Host::start(options);
    let mut at = 0;
    let mut actor = |row: &CutRow| {
        let load = Load {
            shard: 0,
            row: RowId { row: row.row + 10, generation: 5 },
            kind: row.kind,
            at,
            handled: row.handled,
            state: row.offset as usize..(row.offset + u64::from(row.bytes)) as usize,
        };
        at += u64::from(row.bytes).next_multiple_of(16);
        load
    };
    let actors: Vec<_> = cut.rows.iter().map(&mut actor).collect();
    host.arena = 1 << 20;
    host.spawn(0, 1, &Counter::default());
    host.device.load(&actors, &cut.bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(host.reply::<Counter, _>(12, 5, &AddAndGet { amount: 1 }), 43);
    // Staged, it is taken from where it is.
    let staged = host.device.stage(16 + 16, |bytes| bytes[16..].copy_from_slice(&bytes_of(&Counter { total: 7, added: 3 }))).unwrap();
    let counter = Load { row: RowId { row: 20, generation: 1 }, at: 2 << 20, state: 16..32, ..actors[1].clone() };
    host.device.load(&[counter], &staged).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(host.reply::<Counter, _>(20, 1, &Get).added, 3);
    assert_eq!(host.reply::<Big, _>(11, 5, &Digest), big.digest());
    assert_eq!(host.reply::<Counter, _>(0, 1, &Get).total, 0);
    let again = take(&[&host], None);
    assert_eq!(again.rows.iter().map(|row| (row.row, row.handled)).collect::<Vec<_>>(), [(0, 1), (11, 1), (12, 2), (13, 0), (20, 2)]);

    let wrong = Load { kind: 1000, ..actors[0].clone() };
    let error = host.device.load(&[wrong], &cut.bytes).expect_err("no such kind");
    assert!(error.to_string().contains("no kind"), "{error}");
    let wrong = Load { at: u64::MAX - 15, ..actors[0].clone() };
    host.device.load(&[wrong], &cut.bytes).expect_err("no such place");
    assert_eq!(host.reply::<Counter, _>(12, 5, &Get).total, 43);
    host.end();
}

/// A worker that is killed meanwhile costs the cut and nothing else; the next worker knows no base.
pub fn cut_and_kill(options: Options) {
    if !survives(&options) {
        return;
    }
    let mut host = Host::start(Options { intensity: (1000, Duration::from_secs(1)), ..options });
    host.spawn(0, 1, &Counter { total: 5, ..Counter::default() });
    host.spawn(1, 1, &Big::new(3));
    let mut base = take(&[&host], None).number;
    for turn in 0..12u32 {
        let still = Still::of(&[&host]);
        let (device, worker) = (&host.device, host.device.worker());
        let struck = thread::scope(|scope| {
            let cuts = scope.spawn(|| {
                let mut lost = 0;
                let begun = Instant::now();
                // Until one is lost, or the worker has gone between two of them.
                while device.worker() == worker && lost == 0 && begun.elapsed() < PATIENCE {
                    match device.cut(None, base, &still) {
                        Ok(cut) => assert_eq!(cut.rows.len(), if cut.base.is_some() { 0 } else { 2 }, "nothing changes"),
                        Err(CutError::Lost) => lost += 1,
                        Err(other) => panic!("{other}"),
                    }
                }
                lost
            });
            // At once, while no shard runs, when they are told to run again, some cuts later.
            let launches = device.launches();
            match turn % 4 {
                0 => {}
                1 => host.until("they stand", |device| device.progress(0).running == 0),
                2 => host.until("they go on", |device| device.launches() > launches),
                _ => host.until("some cuts", |device| device.launches() > launches + u64::from(turn)),
            }
            host.kill_worker();
            cuts.join().expect("no cut hangs or is wrong")
        });
        host.until("another worker runs", |device| device.worker() != worker && device.progress(0).running == 1);
        let whole = loop {
            match host.device.cut(None, base, &still) {
                Ok(cut) => break cut,
                Err(CutError::Lost) => thread::yield_now(),
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!((whole.base, whole.rows.len()), (None, 2), "turn {turn}, {struck} lost");
        base = whole.number;
    }
    assert_eq!(host.reply::<Counter, _>(0, 1, &Get).total, 5);
    let device = host.device.clone();
    host.end();
    let ended = device.cut(None, None, &Still(vec![])).expect_err("it has stopped");
    assert!(matches!(ended, CutError::Ended(_)), "{ended}");
}
