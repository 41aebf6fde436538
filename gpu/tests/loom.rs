//! Every interleaving and every stale value that two threads can see, at the smallest sizes. Run by `ci/loom.sh`;
//! `ci/orderings.sh` weakens one ordering at a time and requires one of these to fail.
//!
//! No thread here waits: each tries a few times, and after both have ended the rest is checked.
//!
//! Coverage: R-1 R-2 R-3 R-6 (`ring_*`), RL-1 RL-2 RL-3 RL-4 (`reply_*`), the words beside the rings, NM-1 (`names`).
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use resident_gpu::names::NameWords;
use resident_gpu::replies;
use resident_gpu::ring::{self, Consumer, Frame, Producer, PushError};
use resident_gpu::rows::RowId;
use resident_gpu::words::{ControlWords, HeaderWords, ProgressWords};
use resident_kernels::wire::OP_BLAMED;

/// Runs `f` under every schedule with at most `LOOM_MAX_PREEMPTIONS` preemptions, every one of them if that is not set.
fn model(f: impl Fn() + Sync + Send + 'static) {
    model_with(loom::model::Builder::new(), f);
}

/// The same under every schedule with at most three preemptions: what has too many schedules to see them all.
fn model_in_part(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.map_or(3, |bound| bound.min(3)));
    model_with(builder, f);
}

fn model_with(mut builder: loom::model::Builder, f: impl Fn() + Sync + Send + 'static) {
    builder.max_branches = 10_000;
    let runs = Counter::default();
    let count = runs.clone();
    builder.check(move || {
        count.add(1);
        f();
    });
    println!("{} executions", runs.get());
}

/// Counts over executions: loom does not look into this.
#[derive(Clone, Default)]
struct Counter(std::sync::Arc<std::sync::atomic::AtomicU64>);

impl Counter {
    fn add(&self, n: u32) {
        self.0.fetch_add(n as u64, std::sync::atomic::Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Bytes that differ from one `n` to the next in every word of every slot.
fn payload(n: u32, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (n as u8).wrapping_mul(31).wrapping_add(i as u8) | 1).collect()
}

fn frame(n: u32, payload: &[u8]) -> Frame<'_> {
    Frame {
        op: 1 + n as u16 % 8,
        message: 100 + n as u16,
        row: 200 + n,
        generation: 300 + n,
        correlation: 400 + n,
        reply_tag: 500 + n as u16,
        hlc: 600 + n as u64,
        payload,
    }
}

/// Pushes frame `n`; false if the ring is full.
fn push(producer: &mut Producer, n: u32, bytes: usize) -> bool {
    match producer.push(&frame(n, &payload(n, bytes))) {
        Ok(()) => true,
        Err(PushError::Full) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Pops a frame if one is there, which must be frame `n`, whole.
fn pop(consumer: &mut Consumer, n: u32, bytes: usize) -> bool {
    match consumer.pop().unwrap() {
        None => false,
        Some(found) => {
            assert_eq!(found, frame(n, &payload(n, bytes)));
            true
        }
    }
}

/// Two threads at a ring of `1 << log2` slots that holds `before` frames and has seen `laps` frames before those:
/// one tries to push and one to pop so many times.
fn two_threads(log2: u32, bytes: usize, laps: u32, before: u32, pushes: u32, pops: u32) {
    let (early, late) = (Counter::default(), Counter::default());
    let count = (early.clone(), late.clone());
    model(move || {
        let (early, late) = &count;
        let (mut producer, mut consumer) = ring::pair(log2).unwrap();
        for n in 0..laps {
            assert!(push(&mut producer, n, bytes));
            assert!(pop(&mut consumer, n, bytes));
        }
        let mut pushed = laps;
        for _ in 0..before {
            assert!(push(&mut producer, pushed, bytes));
            pushed += 1;
        }
        let writer = thread::spawn(move || {
            for _ in 0..pushes {
                pushed += push(&mut producer, pushed, bytes) as u32;
            }
            (producer, pushed)
        });
        let mut popped = laps;
        for _ in 0..pops {
            popped += pop(&mut consumer, popped, bytes) as u32;
        }
        early.add(popped - laps);
        let (mut producer, pushed) = writer.join().unwrap();
        while pop(&mut consumer, popped, bytes) {
            popped += 1;
            late.add(1);
        }
        assert_eq!(popped, pushed);
        assert_eq!((producer.pushed(), consumer.popped()), (pushed as u64, popped as u64));
        assert!(producer.is_empty());
    });
    assert!(early.get() > 0 && late.get() > 0, "the threads never met");
}

/// from an empty ring.
#[test]
fn ring_first_lap() {
    two_threads(1, 28, 0, 0, 3, 4);
}

/// the slots hold an earlier lap.
#[test]
fn ring_later_lap() {
    two_threads(1, 28, 3, 0, 3, 4);
}

/// the ring is full, and each slot is written again.
#[test]
fn ring_full() {
    two_threads(1, 28, 0, 2, 3, 4);
}

/// as above, a lap on, and past it.
#[test]
fn ring_full_later() {
    two_threads(1, 28, 1, 2, 4, 5);
}

/// frames of two slots.
#[test]
fn ring_long_frames() {
    two_threads(1, 76, 1, 0, 2, 4);
}

/// frames of two slots, and the ring is full.
#[test]
fn ring_long_frames_full() {
    two_threads(1, 76, 0, 1, 3, 4);
}

/// RL-2: two calls on one slot, sent through a ring, answered by the other thread.
#[test]
fn reply_two_calls() {
    model(|| {
        let (lines, mut answers) = replies::pair(1);
        let (mut producer, mut consumer) = ring::pair(1).unwrap();
        let mut slot = lines.claim(1).unwrap();
        let engine = thread::spawn(move || {
            let mut handle = || {
                let Some(call) = consumer.pop().unwrap() else { return };
                let payload = payload(call.correlation, 28);
                let reply = Frame { op: 16, payload: &payload, ..call };
                answers.answer(0, &reply).unwrap();
            };
            handle();
            handle();
            handle();
            (consumer, answers)
        });
        let mut call = |n: u32, slot: &mut replies::ReplySlot| {
            let reply_tag = slot.next_tag().unwrap();
            producer.push(&Frame { op: 3, correlation: n, reply_tag, ..Frame::default() }).unwrap();
            reply_tag
        };
        let check = |slot: &mut replies::ReplySlot, n: u32, tag: u16| {
            let expected = payload(n, 28);
            let Some(reply) = slot.poll(tag).unwrap() else { return false };
            assert_eq!((reply.payload, reply.correlation, reply.reply_tag), (&expected[..], n, tag));
            true
        };
        let tag = call(1, &mut slot);
        let mut answered = check(&mut slot, 1, tag);
        let second = answered.then(|| call(2, &mut slot));
        if let Some(second) = second {
            assert_eq!(slot.poll(tag), Ok(None));
            answered = check(&mut slot, 2, second);
        }
        let (mut consumer, mut answers) = engine.join().unwrap();
        let n = 1 + second.is_some() as u32;
        while let Some(call) = consumer.pop().unwrap() {
            answers.answer(0, &Frame { op: 16, payload: &payload(call.correlation, 28), ..call }).unwrap();
        }
        assert!(answered || check(&mut slot, n, second.unwrap_or(tag)));
    });
}

/// RL-1, RL-3: a slot given up is not handed out before its late reply has landed, and then empty.
#[test]
fn reply_abandoned() {
    model(|| {
        let (lines, mut answers) = replies::pair(1);
        let mut slot = lines.claim(1).unwrap();
        let reply_tag = slot.next_tag().unwrap();
        let engine = thread::spawn(move || {
            answers.answer(0, &Frame { op: 16, reply_tag, payload: b"late", ..Frame::default() }).unwrap();
            answers
        });
        drop(slot);
        let early = lines.claim(1).map(|mut slot| {
            let tag = slot.next_tag().unwrap();
            assert_ne!(tag, reply_tag);
            assert_eq!(slot.poll(tag), Ok(None));
            (slot, tag)
        });
        let mut answers = engine.join().unwrap();
        assert_eq!(lines.quarantined(), early.is_none() as usize);
        let (mut slot, tag) = early.unwrap_or_else(|| {
            let mut slot = lines.claim(1).expect("the reply has landed");
            let tag = slot.next_tag().unwrap();
            (slot, tag)
        });
        assert_eq!(slot.poll(tag), Ok(None));
        answers.answer(0, &Frame { op: 16, reply_tag: tag, payload: b"new", ..Frame::default() }).unwrap();
        assert_eq!(slot.poll(tag).unwrap().unwrap().payload, b"new");
    });
}

/// RL-1: two threads never own one line.
#[test]
fn reply_claims() {
    model(|| {
        let (lines, _answers) = replies::pair(2);
        let theirs = lines.clone();
        let other = thread::spawn(move || theirs.claim(1).unwrap());
        let mine = lines.claim(1).unwrap();
        let theirs = other.join().unwrap();
        assert_ne!(mine.index(), theirs.index());
        assert!(lines.claim(1).is_none());
        drop((mine, theirs));
        assert_eq!(lines.free(), 2);
    });
}

/// The row and generation of a kill are those asked for, and the next kill waits for the one before.
#[test]
fn kill() {
    model(|| {
        let shard = Arc::new((ControlWords::default(), ProgressWords::default()));
        let engine = {
            let shard = shard.clone();
            thread::spawn(move || {
                let mut seen = 0;
                for _ in 0..2 {
                    if let Some((kill, row, generation)) = shard.0.kill_asked(seen) {
                        assert_eq!((row, generation), (10 + kill, 20 + kill));
                        seen = kill;
                        shard.1.set_kill_done(kill);
                    }
                }
            })
        };
        let (control, progress) = &*shard;
        assert_eq!(control.ask_kill(progress, 11, 21), Some(1));
        let second = control.ask_kill(progress, 12, 22);
        assert!(second.is_none() || second == Some(2) && progress.kill_done() >= 1);
        engine.join().unwrap();
    });
}

/// Who sees a command sees what was written before it, in the header and in a shard's line.
#[test]
fn command() {
    model(|| {
        let words = Arc::new((HeaderWords::default(), ControlWords::default()));
        let application = {
            let words = words.clone();
            thread::spawn(move || {
                words.0.set_clock_offset(8);
                words.1.set_command(1);
            })
        };
        if words.1.command() == 1 {
            assert_eq!(words.0.clock_offset(), 8);
        }
        application.join().unwrap();
    });
}

/// a producer is lost in the middle of a frame, the ring is mended, the next one goes on; the consumer looks all the time.
#[test]
fn ring_mended() {
    for chunks in [3, 5] {
        model_in_part(move || {
            let (mut lost, mut consumer, mut mender) = ring::trio(1).unwrap();
            let producer = thread::spawn(move || {
                // Two slots; it ends after so many chunks of them.
                lost.push_chunks(&Frame { op: 1, row: 1, payload: &[1; 40], ..Frame::default() }, chunks);
                drop(lost);
                let mut next = mender.mend();
                assert!(push(&mut next, 2, 28));
                assert!(push(&mut next, 3, 28));
            });
            let mut rows = 2;
            for _ in 0..2 {
                rows += u32::from(pop(&mut consumer, rows, 28));
            }
            producer.join().unwrap();
            while rows < 4 {
                assert!(pop(&mut consumer, rows, 28), "frame {rows} is not there");
                rows += 1;
            }
        });
    }
}

/// RL-4: who sees that its call was ended sees why.
#[test]
fn reply_ended() {
    model(|| {
        let (lines, _answers) = replies::pair(1);
        let mut slot = lines.claim(1).unwrap();
        let tag = slot.next_tag().unwrap();
        let index = slot.index();
        let why = Arc::new(loom::cell::UnsafeCell::new(0));
        let host = {
            let (lines, why) = (lines.clone(), why.clone());
            thread::spawn(move || {
                why.with_mut(|why| unsafe { *why = 7 });
                lines.end(index, tag);
            })
        };
        let ended = slot.poll(tag).unwrap().map(|frame| frame.op);
        if ended == Some(OP_BLAMED) {
            why.with(|why| assert_eq!(unsafe { *why }, 7));
        }
        host.join().unwrap();
        let later = slot.poll(tag).unwrap().map(|frame| frame.op);
        assert_eq!(ended.or(later), Some(OP_BLAMED), "it is ended");
        assert!(ended.is_none() || later.is_none(), "once");
        drop(slot);
        assert!(lines.claim(1).is_some(), "its line is free");
    });
}

/// Who sees that a shard has left sees its last counters and frames.
#[test]
fn running() {
    model(|| {
        let progress = Arc::new(ProgressWords::default());
        let (mut producer, mut consumer) = ring::pair(1).unwrap();
        progress.set_running(true);
        let engine = {
            let progress = progress.clone();
            thread::spawn(move || {
                assert!(push(&mut producer, 1, 28));
                progress.set_handled(1);
                progress.set_running(false);
            })
        };
        if !progress.running() {
            assert_eq!(progress.snapshot().handled, 1);
            assert!(pop(&mut consumer, 1, 28));
        }
        let snapshot = progress.snapshot();
        assert!(snapshot.running == 1 || snapshot.handled == 1);
        engine.join().unwrap();
    });
}

/// Who sees an answer of the clock sees its time.
#[test]
fn clock() {
    model(|| {
        let header = Arc::new(HeaderWords::default());
        let device = {
            let header = header.clone();
            thread::spawn(move || {
                header.answer_clock(1, 101);
                header.answer_clock(2, 102);
            })
        };
        if let Some(nanos) = header.clock_answer(1) {
            assert!((101..=102).contains(&nanos));
        }
        if let Some(nanos) = header.clock_answer(2) {
            assert_eq!(nanos, 102);
        }
        device.join().unwrap();
    });
}

/// Who sees that the shards stand still sees how far each has come; the slots that were looked at then are written again only once
/// that was noted. (The words of a kill stand for the slots: loom watches who touches them.)
#[test]
fn stood_and_noted() {
    model(|| {
        let words = Arc::new((HeaderWords::default(), ControlWords::default(), ProgressWords::default()));
        let asked = words.1.ask_kill(&words.2, 1, 1).unwrap();
        words.2.set_kill_done(asked);
        let worker = {
            let words = words.clone();
            thread::spawn(move || {
                let (header, control, progress) = &*words;
                progress.set_handled(7);
                header.set_stood(1);
                if header.noted() == 1 {
                    control.ask_kill(progress, 2, 2).unwrap();
                }
            })
        };
        let (header, control, progress) = &*words;
        if header.stood() == 1 {
            assert_eq!(progress.snapshot().handled, 7);
            assert_eq!(control.kill_asked(0), Some((asked, 1, 1)));
            header.set_noted(1);
        }
        worker.join().unwrap();
    });
}

/// Whoever reads an entry of the table of names has one that was written, whole, or none.
#[test]
fn names() {
    model(|| {
        let (old, new) = ((11, 1, 1, RowId { row: 1, generation: 1 }), (22, 2, 2, RowId { row: 2, generation: 2 }));
        let set = |entry: &NameWords, (hash, kind, shard, id)| entry.set(hash, kind, shard, id);
        let entry = Arc::new(NameWords::default());
        set(&entry, old);
        let shard = {
            let entry = entry.clone();
            thread::spawn(move || entry.get())
        };
        entry.clear(true);
        set(&entry, new);
        let got = shard.join().unwrap();
        assert!([None, Some(old), Some(new)].contains(&got));
        assert_eq!(entry.get(), Some(new));
    });
}
