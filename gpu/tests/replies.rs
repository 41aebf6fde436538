//! Reply lines: owned, told apart by tags, quarantined while a late reply can still come.
//!
//! Coverage: RL-1 (`claims_never_overlap`), RL-2 (`a_reply_is_told_once`, `tags_wrap`), RL-3 (`abandoned_lines_wait`).
#![cfg(not(loom))]

use proptest::prelude::*;
use resident_gpu::region::{Geometry, Region};
use resident_gpu::replies::{self, ReplySlot, lines_for};
use resident_gpu::ring::{Corrupt, Frame, PushError};
use resident_kernels::wire::{MAX_PAYLOAD, OP_CAST, OP_REPLY};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn reply(reply_tag: u16, payload: &[u8]) -> Frame<'_> {
    Frame { op: OP_REPLY, reply_tag, payload, ..Frame::default() }
}

#[test]
fn a_reply_is_told_once() {
    let (lines, mut engine) = replies::pair(8);
    let mut slot = lines.claim(2).unwrap();
    assert_eq!((slot.lines(), slot.limit()), (2, 76));
    for round in 1..100u16 {
        let tag = slot.next_tag().unwrap();
        assert!(slot.is_outstanding() && slot.next_tag().is_none());
        assert_eq!(slot.poll(tag), Ok(None));
        assert_eq!(slot.poll(tag.wrapping_sub(1)), Ok(None));
        let payload = vec![round as u8; round as usize % 77];
        engine.answer(slot.index(), &reply(tag, &payload)).unwrap();
        assert_eq!(slot.poll(tag), Ok(Some(reply(tag, &payload))));
        assert_eq!(slot.poll(tag), Ok(None));
        assert!(!slot.is_outstanding());
    }
}

#[test]
fn abandoned_lines_wait() {
    let (lines, mut engine) = replies::pair(2);
    let mut slot = lines.claim(2).unwrap();
    let tag = slot.next_tag().unwrap();
    drop(slot);
    assert_eq!((lines.free(), lines.quarantined()), (0, 1));
    assert!(lines.claim(1).is_none());
    engine.answer(0, &reply(tag, &[1; 60])).unwrap();
    let mut slot = lines.claim(2).unwrap();
    assert_eq!((lines.free(), lines.quarantined()), (0, 0));
    let next = slot.next_tag().unwrap();
    assert_ne!(next, tag);
    assert_eq!(slot.poll(next), Ok(None));
    slot.retract();
    drop(slot);
    assert_eq!(lines.free(), 2);
}

/// The second line keeps an old tag while replies are short; when tags wrap it must not pass for a new reply's.
#[test]
#[cfg_attr(miri, ignore = "a lap of the tags takes minutes")]
fn tags_wrap() {
    let region =
        Region::heap(&Geometry { shards: 1, capacity: 32, rows: 1, reply_lines: 2, arena_bytes: 0, names: 0, nursery: 0, inbox: 0 })
            .unwrap();
    let (lines, mut engine) = (region.replies().unwrap(), region.answers().unwrap());
    // SAFETY: the reply lines are the region's last page but that of the names, whose words are all atomics.
    let word = unsafe { region.base().add(region.len() - 2 * 4096 + 64 + 56).cast::<AtomicU64>().as_ref() };
    let mut slot = lines.claim(2).unwrap();
    let first = slot.next_tag().unwrap();
    engine.answer(0, &reply(first, &[1; 60])).unwrap();
    assert!(slot.poll(first).unwrap().is_some());
    assert_eq!(word.load(Relaxed) >> 48, first as u64);
    loop {
        let tag = slot.next_tag().unwrap();
        assert_ne!(tag, 0);
        if tag == first {
            break;
        }
        engine.answer(0, &reply(tag, &[2; 4])).unwrap();
        assert_eq!(slot.poll(tag), Ok(Some(reply(tag, &[2; 4]))));
        assert_eq!(word.load(Relaxed) >> 48, first as u64);
    }
    assert_eq!(word.load(Relaxed), 0);
    assert_eq!(slot.poll(first), Ok(None));
    engine.answer(0, &reply(first, &[3; 60])).unwrap();
    assert_eq!(slot.poll(first), Ok(Some(reply(first, &[3; 60]))));
}

#[test]
fn distrust() {
    let (lines, mut engine) = replies::pair(3);
    let mut slot = lines.claim(1).unwrap();
    let tag = slot.next_tag().unwrap();
    engine.answer(0, &reply(tag + 1, &[])).unwrap();
    assert_eq!(slot.poll(tag), Err(Corrupt::Tag { slot: 0, chunk: 3, tag: tag + 1, expected: tag }));
    engine.answer(0, &reply(tag, &[1; 29])).unwrap();
    assert_eq!(slot.poll(tag), Err(Corrupt::Length { slot: 0, bytes: 29, limit: 28 }));
    engine.answer(0, &Frame { op: OP_CAST, ..reply(tag, &[]) }).unwrap();
    assert_eq!(slot.poll(tag), Err(Corrupt::Op { slot: 0, op: OP_CAST }));
    assert_eq!(engine.answer(2, &reply(1, &[1; 29])), Err(PushError::TooLarge { bytes: 29, limit: 28 }));
    assert_eq!(engine.answer(9, &reply(1, &[])), Err(PushError::TooLarge { bytes: 0, limit: 0 }));
}

#[test]
fn claims_out_of_range() {
    let (lines, _) = replies::pair(70);
    assert!(lines.claim(0).is_none() && lines.claim(71).is_none());
    let all = lines.claim(70).unwrap();
    assert!(lines.claim(1).is_none());
    drop(all);
    assert_eq!(lines.lines(), 70);
    assert!(replies::pair(0).0.claim(1).is_none());
    assert_eq!((lines_for(28), lines_for(29), lines_for(MAX_PAYLOAD)), (1, 2, 21));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 300 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn claims_never_overlap(count in 1..200u32, steps in proptest::collection::vec((1..22u32, any::<u16>(), 0..4u8), 1..60)) {
        let (lines, mut engine) = replies::pair(count);
        let mut owned: Vec<ReplySlot> = Vec::new();
        let mut late: Vec<(u32, u32, u16)> = Vec::new();
        for (wanted, pick, what) in steps {
            match what {
                0 | 1 => {
                    let taken: Vec<(u32, u32)> = owned.iter().map(|slot| (slot.index(), slot.lines()))
                        .chain(late.iter().map(|&(index, lines, _)| (index, lines))).collect();
                    let is_free = |line: u32| !taken.iter().any(|&(at, n)| (at..at + n).contains(&line));
                    let fits = (0..count).any(|at| at + wanted <= count && (at..at + wanted).all(is_free));
                    let slot = lines.claim(wanted);
                    prop_assert_eq!(slot.is_some(), fits);
                    if let Some(slot) = slot {
                        prop_assert!((slot.index()..slot.index() + wanted).all(|line| line < count && is_free(line)));
                        owned.push(slot);
                    }
                }
                2 if !owned.is_empty() => drop(owned.swap_remove(pick as usize % owned.len())),
                3 if pick % 2 == 0 && !owned.is_empty() => {
                    let mut slot = owned.swap_remove(pick as usize % owned.len());
                    let tag = slot.next_tag().unwrap();
                    late.push((slot.index(), slot.lines(), tag));
                }
                3 if !late.is_empty() => {
                    let (index, _, tag) = late.swap_remove(pick as usize % late.len());
                    engine.answer(index, &reply(tag, &[])).unwrap();
                }
                _ => {}
            }
        }
        for (index, _, tag) in late {
            engine.answer(index, &reply(tag, &[])).unwrap();
        }
        owned.clear();
        prop_assert!(lines.claim(count).is_some());
    }
}
