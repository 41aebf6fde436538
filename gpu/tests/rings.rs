//! Rings through memory: frames of every size, slots that arrive in pieces, peers that break the protocol.
//!
//! Coverage: R-1 R-2 (`frames_of_every_size`, `a_torn_slot_is_not_there_yet`, `two_threads`), R-3 (`two_threads`,
//! `a_full_ring_gives_back_in_order`, `what_is_held_stays`), R-4 (`distrust_*`).
#![cfg(not(loom))]

use proptest::prelude::*;
use resident_gpu::region::{Geometry, Region};
use resident_gpu::ring::{self, Consumer, Corrupt, Frame, Producer, PushError};
use resident_kernels::wire::{MAX_PAYLOAD, OP_CAST, OP_REPLY, RegionHeader, ShardProgress, slots_for};
use std::collections::VecDeque;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const GEOMETRY: Geometry = Geometry { shards: 2, capacity: 32, rows: 8, reply_lines: 4, arena_bytes: 0, names: 0, nursery: 0, inbox: 0 };

/// A frame that owns its payload.
#[derive(Clone, Debug, PartialEq)]
struct Owned(Frame<'static>, Vec<u8>);

impl Owned {
    fn frame(&self) -> Frame<'_> {
        Frame { payload: &self.1, ..self.0 }
    }
}

fn any_frame() -> impl Strategy<Value = Owned> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..=29),
        proptest::collection::vec(any::<u8>(), 0..=MAX_PAYLOAD),
        (0..=20usize, any::<u8>()).prop_map(|(slots, byte)| vec![byte; (28 + slots * 48).min(MAX_PAYLOAD)]),
    ];
    let head = (1..=8u16, any::<u16>(), any::<[u32; 3]>(), any::<u16>(), any::<u64>());
    (head, payload).prop_map(|((op, message, [row, generation, correlation], reply_tag, hlc), payload)| {
        Owned(Frame { op, message, row, generation, correlation, reply_tag, hlc, payload: &[] }, payload)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn frames_of_every_size(
        frames in proptest::collection::vec(any_frame(), 1..if cfg!(miri) { 8 } else { 200 }),
        pops in proptest::collection::vec(0..4usize, 1..50),
        log2 in 5..8u32,
    ) {
        let (mut producer, mut consumer) = ring::pair(log2).unwrap();
        let (mut sent, mut used) = (VecDeque::new(), 0);
        let mut pops = pops.into_iter().cycle();
        for frame in &frames {
            while let Err(error) = producer.push(&frame.frame()) {
                prop_assert_eq!(error, PushError::Full);
                let first: &Owned = sent.pop_front().expect("a full ring holds a frame");
                prop_assert_eq!(consumer.pop(), Ok(Some(first.frame())));
                used -= slots_for(first.1.len());
                consumer.publish();
            }
            used += slots_for(frame.1.len());
            prop_assert!(used <= 1 << log2);
            prop_assert!(producer.depth().unwrap() >= used as u64);
            sent.push_back(frame);
            for _ in 0..pops.next().unwrap() {
                let expected = sent.pop_front();
                used -= expected.map_or(0, |frame| slots_for(frame.1.len()));
                prop_assert_eq!(consumer.pop(), Ok(expected.map(Owned::frame)));
            }
        }
        for expected in sent {
            prop_assert_eq!(consumer.pop(), Ok(Some(expected.frame())));
        }
        prop_assert_eq!(consumer.pop(), Ok(None));
        prop_assert!(producer.is_empty());
        prop_assert_eq!((producer.pushed(), consumer.popped()), (frames.len() as u64, frames.len() as u64));
        prop_assert_eq!(producer.position(), consumer.position());
    }
}

#[test]
fn every_length_keeps_its_bytes() {
    let (mut producer, mut consumer) = ring::pair(5).unwrap();
    let bytes: Vec<u8> = (0..MAX_PAYLOAD).map(|i| (i * 7 + 1) as u8).collect();
    let lengths = (0..=MAX_PAYLOAD).step_by(if cfg!(miri) { 19 } else { 1 });
    for frame in lengths.map(|n| Frame { op: OP_CAST, payload: &bytes[..n], ..Frame::default() }) {
        producer.push(&frame).unwrap();
        assert_eq!(consumer.pop(), Ok(Some(frame)));
        assert_eq!(consumer.pop(), Ok(None));
    }
}

#[test]
fn a_full_ring_gives_back_in_order() {
    let (mut producer, mut consumer) = ring::pair(3).unwrap();
    let frame = |row| Frame { op: OP_CAST, row, payload: b"abc", ..Frame::default() };
    for lap in 0..20 {
        for n in 0..8 {
            producer.push(&frame(lap * 8 + n)).unwrap();
        }
        assert_eq!(producer.push(&frame(0)), Err(PushError::Full));
        assert_eq!(producer.depth(), Ok(8));
        for n in 0..8 {
            assert_eq!(consumer.pop(), Ok(Some(frame(lap * 8 + n))));
        }
        assert_eq!(consumer.pop(), Ok(None));
        assert!(producer.is_empty());
    }
}

#[test]
fn the_tag_wraps() {
    let (mut producer, mut consumer) = ring::pair(0).unwrap();
    let laps = if cfg!(miri) { 50 } else { 3 * 65_536 };
    for row in 0..laps {
        let frame = Frame { op: OP_CAST, row, ..Frame::default() };
        producer.push(&frame).unwrap();
        assert_eq!(producer.push(&frame), Err(PushError::Full));
        assert_eq!(consumer.pop(), Ok(Some(frame)));
        assert_eq!(consumer.pop(), Ok(None));
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let (mut producer, mut consumer) = ring::pair(1).unwrap();
    let frame = |payload| Frame { op: OP_CAST, payload, ..Frame::default() };
    assert_eq!(producer.push(&frame(&[1; 77])), Err(PushError::TooLarge { bytes: 77, limit: 76 }));
    producer.push(&frame(&[1; 76])).unwrap();
    assert_eq!(consumer.pop(), Ok(Some(frame(&[1; 76]))));
    let (mut producer, _) = ring::pair(5).unwrap();
    let long = [1; MAX_PAYLOAD + 1];
    assert_eq!(producer.push(&frame(&long)), Err(PushError::TooLarge { bytes: 961, limit: 960 }));
    assert!(ring::pair(ring::MAX_CAPACITY_LOG2 + 1).is_none());
}

#[test]
fn two_threads() {
    let laps = if cfg!(miri) { 40 } else { 200_000 };
    let (mut producer, mut consumer) = ring::pair(if cfg!(miri) { 2 } else { 5 }).unwrap();
    let bytes = [7u8; 120];
    let length = |n: u32| (n as usize * 13) % if cfg!(miri) { 60 } else { 120 };
    let writer = std::thread::spawn(move || {
        for n in 0..laps {
            let frame = Frame { op: OP_CAST, row: n, hlc: n as u64, payload: &bytes[..length(n)], ..Frame::default() };
            while let Err(error) = producer.push(&frame) {
                assert_eq!(error, PushError::Full);
                std::thread::yield_now();
            }
        }
    });
    let mut n = 0;
    while n < laps {
        match consumer.pop().unwrap() {
            Some(frame) => {
                assert_eq!((frame.row, frame.hlc, frame.payload), (n, n as u64, &bytes[..length(n)]));
                n += 1;
            }
            None => std::thread::yield_now(),
        }
    }
    writer.join().unwrap();
    assert_eq!(consumer.pop(), Ok(None));
}

/// The word at an offset into a region.
fn at(region: &Region, offset: usize) -> &AtomicU64 {
    assert!(offset.is_multiple_of(8) && offset < region.len());
    // SAFETY: the offset is within the region, whose words are all atomics.
    unsafe { region.base().add(offset).cast().as_ref() }
}

/// Where a part of a region begins, as the word of its header at this offset says.
fn place(region: &Region, header: usize) -> usize {
    at(region, header).load(Relaxed) as usize
}

/// Slots of shard 0's egress ring, as the device writes them, and the host's consumer of it.
struct Egress {
    region: Arc<Region>,
    host: Consumer,
}

impl Egress {
    fn new() -> Egress {
        let region = Region::heap(&GEOMETRY).unwrap();
        let (_, host) = region.host_ports(0).unwrap();
        Egress { region, host }
    }

    /// Word `word` of slot `slot`.
    fn word(&self, slot: usize, word: usize) -> &AtomicU64 {
        at(&self.region, place(&self.region, offset_of!(RegionHeader, egress)) + slot * 64 + word * 8)
    }

    fn write(&self, slot: usize, words: [u64; 8]) {
        for (i, word) in words.into_iter().enumerate() {
            self.word(slot, i).store(word, Relaxed);
        }
    }
}

/// The words of a reply without payload.
fn words(tag: u64, length: u64, op: u64) -> [u64; 8] {
    [5, tag << 48, 6, tag << 48 | length << 32, 0, tag << 48, 0, tag << 48 | op << 32]
}

#[test]
fn a_torn_slot_is_not_there_yet() {
    let whole = words(1, 4, OP_REPLY as u64);
    for order in 0..24 {
        let mut egress = Egress::new();
        let mut chunks = vec![0, 1, 2, 3];
        let mut code = order;
        for left in (1..=4).rev() {
            assert_eq!(egress.host.pop(), Ok(None));
            let chunk = chunks.remove(code % left);
            code /= left;
            for word in [2 * chunk, 2 * chunk + 1] {
                egress.word(0, word).store(whole[word], Relaxed);
            }
        }
        let frame = egress.host.pop().unwrap().unwrap();
        assert_eq!((frame.op, frame.row, frame.hlc, frame.payload), (OP_REPLY, 5, 6, &[0; 4][..]));
    }
}

#[test]
fn a_frame_waits_for_each_of_its_slots() {
    let mut egress = Egress::new();
    egress.write(0, words(1, 100, OP_REPLY as u64));
    assert_eq!(egress.host.pop(), Ok(None));
    egress.write(2, [u64::MAX >> 16 | 1 << 48; 8]);
    assert_eq!(egress.host.pop(), Ok(None));
    egress.write(1, [u64::MAX >> 16 | 1 << 48; 8]);
    let frame = egress.host.pop().unwrap().unwrap();
    assert_eq!(frame.payload.len(), 100);
}

#[test]
fn distrust_tags() {
    let mut egress = Egress::new();
    egress.write(0, words(2, 0, OP_REPLY as u64));
    let corrupt = Corrupt::Tag { slot: 0, chunk: 3, tag: 2, expected: 1 };
    assert_eq!(egress.host.pop(), Err(corrupt));
    assert_eq!(egress.host.pop(), Err(corrupt));
    assert!(corrupt.to_string().contains("stop the device and start it again"));
    let mut egress = Egress::new();
    egress.write(0, words(1, 0, OP_REPLY as u64));
    egress.word(0, 1).store(9 << 48, Relaxed);
    assert_eq!(egress.host.pop(), Err(Corrupt::Tag { slot: 0, chunk: 0, tag: 9, expected: 1 }));
}

#[test]
fn distrust_lengths_and_ops() {
    let mut egress = Egress::new();
    egress.write(0, words(1, 961, OP_REPLY as u64));
    assert_eq!(egress.host.pop(), Err(Corrupt::Length { slot: 0, bytes: 961, limit: 960 }));
    egress.write(0, words(1, 65_535, OP_REPLY as u64));
    assert_eq!(egress.host.pop(), Err(Corrupt::Length { slot: 0, bytes: 65_535, limit: 960 }));
    for op in [0, 1, OP_CAST as u64, 15, 27, 31, 32, 48, 65_535] {
        egress.write(0, words(1, 0, op));
        assert_eq!(egress.host.pop(), Err(Corrupt::Op { slot: 0, op: op as u16 }));
    }
    egress.write(0, words(1, 0, OP_REPLY as u64));
    assert!(egress.host.pop().unwrap().is_some());
}

#[test]
fn distrust_heads() {
    let region = Region::heap(&GEOMETRY).unwrap();
    let (mut producer, _) = region.host_ports(0).unwrap();
    let head = at(&region, place(&region, offset_of!(RegionHeader, progress)) + offset_of!(ShardProgress, ingress_head));
    let frame = Frame { op: OP_CAST, ..Frame::default() };
    head.store(1, Relaxed);
    assert_eq!(producer.depth(), Err(Corrupt::Head { head: 1, from: 0, to: 0 }));
    assert!(!producer.is_empty());
    head.store(0, Relaxed);
    for _ in 0..32 {
        producer.push(&frame).unwrap();
    }
    for bad in [33, u64::MAX] {
        head.store(bad, Relaxed);
        assert_eq!(producer.push(&frame), Err(PushError::Corrupt(Corrupt::Head { head: bad, from: 0, to: 32 })));
    }
    head.store(5, Relaxed);
    producer.push(&frame).unwrap();
    head.store(4, Relaxed);
    assert_eq!(producer.depth(), Err(Corrupt::Head { head: 4, from: 5, to: 33 }));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 2_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever stands in the slots, a pop ends, and stays within bounds (Miri and the slices watch that).
    #[test]
    fn distrust_anything(slots in proptest::collection::vec(any::<[u64; 8]>(), 1..32), tagged in 0..16u32) {
        let mut egress = Egress::new();
        for (i, mut words) in slots.into_iter().enumerate() {
            for chunk in (0..4).filter(|chunk| tagged != *chunk) {
                words[2 * chunk as usize + 1] = words[2 * chunk as usize + 1] << 16 >> 16 | 1 << 48;
            }
            words[7] = words[7] & !(0xffff << 32) | (16 + words[7] % 6) << 32;
            words[3] = words[3] & !(0xffff << 32) | (words[3] % 1_100) << 32;
            egress.write(i, words);
        }
        while let Ok(Some(frame)) = egress.host.pop() {
            prop_assert!(frame.payload.len() <= MAX_PAYLOAD && (16..=22).contains(&frame.op));
        }
    }
}

#[test]
fn ports_meet_across_a_region() {
    let region = Region::heap(&GEOMETRY).unwrap();
    let mut ends: Vec<_> = (0..2).map(|shard| (region.host_ports(shard).unwrap(), region.engine_ports(shard).unwrap())).collect();
    assert!(region.host_ports(0).is_none() && region.engine_ports(1).is_none() && region.host_ports(2).is_none());
    for lap in 0..100u32 {
        for (shard, ((to, from), (back, at))) in ends.iter_mut().enumerate() {
            let call = Frame { op: OP_CAST, row: lap, hlc: shard as u64, payload: b"to the device", ..Frame::default() };
            let reply = Frame { op: OP_REPLY, row: lap, hlc: shard as u64, payload: &[3; 50], ..Frame::default() };
            exchange(to, at, &call);
            exchange(back, from, &reply);
        }
    }
}

fn exchange(from: &mut Producer, to: &mut Consumer, frame: &Frame<'_>) {
    assert_eq!(to.pop(), Ok(None));
    from.push(frame).unwrap();
    assert_eq!(to.pop(), Ok(Some(*frame)));
}

/// what a producer holds is not written over, however much was consumed, until it is released.
#[test]
fn what_is_held_stays() {
    let (mut producer, mut consumer) = ring::pair(2).unwrap();
    let frame = |correlation| Frame { op: OP_CAST, correlation, ..Frame::default() };
    for correlation in 0..3 {
        producer.push(&frame(correlation)).unwrap();
    }
    assert_eq!(consumer.pop(), Ok(Some(frame(0))));
    consumer.publish();
    producer.hold(1);
    for correlation in 3..5 {
        producer.push(&frame(correlation)).expect("slot 0 was consumed before");
    }
    for correlation in 1..5 {
        assert_eq!(consumer.pop(), Ok(Some(frame(correlation))));
    }
    consumer.publish();
    assert_eq!(producer.push(&frame(5)), Err(PushError::Full));
    producer.release();
    assert_eq!(producer.push(&frame(5)), Ok(()));
    assert_eq!(consumer.pop(), Ok(Some(frame(5))));
}
