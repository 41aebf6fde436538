//! Layouts as bytes: as the engine reads them, and back.

use std::mem::offset_of;

use resident_kernels::wire::{BatchState, FaultInfo, NameEntry, SendLater, ShardProgress, WORK_WARPS};

#[test]
fn each_field_stands_at_its_offset_with_the_lowest_byte_first() {
    let name = NameEntry {
        hash: 0x0102_0304_0506_0708,
        shard: 0x090a,
        kind: 0x0b0c,
        version: 13,
        row: 14,
        generation: 15,
        pad: 0,
        version_again: 16,
    };
    let mut expected = vec![8, 7, 6, 5, 4, 3, 2, 1, 0x0a, 9, 0x0c, 0x0b];
    for word in [13u32, 14, 15, 0, 16] {
        expected.extend(word.to_le_bytes());
    }
    assert_eq!(name.to_bytes()[..], expected);

    let later = SendLater { system: 1, row: 2, generation: 3, shard: 4, micros: 5 << 32 | 6, message: 7, pad: 0 };
    let words: Vec<u32> = later.to_bytes().chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(words, [1, 2, 3, 4, 6, 5, 7, 0]);
}

#[test]
fn what_is_read_is_what_was_written_and_padding_is_zero() {
    let batch = BatchState { batch: 1, begun: 2, handled: [3, 4, 5, 6], refused: [7; 4], faults: [8, 9, 10, 11] };
    let bytes = batch.to_bytes();
    assert_eq!(bytes[offset_of!(BatchState, handled) + 8..][..8], 4u64.to_le_bytes());
    let read = BatchState::from_bytes(&bytes);
    assert_eq!((read.begun, read.handled, read.faults), (2, batch.handled, batch.faults));

    let ones = ShardProgress::from_bytes(&[0xff; size_of::<ShardProgress>()]);
    assert_eq!(ones.passed, [u64::MAX; WORK_WARPS]);
    let bytes = ones.to_bytes();
    let end = offset_of!(ShardProgress, passed) + size_of_val(&ones.passed);
    assert!(end < bytes.len() && bytes[end..].iter().all(|byte| *byte == 0));

    let fault = FaultInfo::from_bytes(&FaultInfo { handled: u64::MAX - 1, message: 3, pad: 0 }.to_bytes());
    assert_eq!((fault.handled, fault.message), (u64::MAX - 1, 3));
}
