//! Files: what is written is read, and nothing else is.

use bytes::Bytes;
use resident_checkpoint::{Checkpoint, Compression, Contents, Delta, FileError, Header, Kind, PAGE_BYTES, Parts, VERSION, What};

use crate::samples::{actor, checkpoint, key, later, parts};

const BOTH: [Compression; 2] = [Compression::None, Compression::Lz4];

fn full(compression: Compression) -> Vec<u8> {
    checkpoint().encode(compression).unwrap().to_bytes().to_vec()
}

fn delta(compression: Compression) -> Vec<u8> {
    Checkpoint::delta_from(&checkpoint(), &later()).encode(compression).unwrap().to_bytes().to_vec()
}

/// Small files of every sort.
fn every() -> Vec<Vec<u8>> {
    BOTH.into_iter().flat_map(|compression| [full(compression), delta(compression)]).collect()
}

fn decode(file: &[u8]) -> Result<Contents, FileError> {
    Contents::decode(Bytes::copy_from_slice(file))
}

#[test]
fn what_is_written_is_read() {
    for compression in BOTH {
        let read = Checkpoint::decode(full(compression).into()).unwrap();
        assert_eq!((read.parts(), read.digest()), (checkpoint().parts(), checkpoint().digest()));
        let read = Delta::decode(delta(compression).into()).unwrap();
        assert_eq!((read.base(), read.result()), (checkpoint().digest(), later().digest()));
        assert_eq!(Checkpoint::apply(&checkpoint(), &read).unwrap().parts(), later().parts());
        assert_eq!(full(compression), full(compression), "the same bytes each time");
    }
    let nothing = Checkpoint::new(Parts::default()).unwrap();
    for compression in BOTH {
        let file = nothing.encode(compression).unwrap();
        assert_eq!(Checkpoint::decode(file.to_bytes()).unwrap(), nothing);
    }
}

#[test]
fn a_checkpoint_is_no_delta() {
    assert_eq!(Delta::decode(full(Compression::None).into()).unwrap_err(), FileError::Full);
    let base = checkpoint().digest();
    assert_eq!(Checkpoint::decode(delta(Compression::None).into()).unwrap_err(), FileError::Delta { base });
}

#[test]
fn the_header_tells_without_the_rest() {
    let file = delta(Compression::Lz4);
    let header = Header::decode(&file[..256]).unwrap();
    assert_eq!((header.what, header.digest), (What::Delta { base: checkpoint().digest() }, later().digest()));
    assert_eq!((header.compression, header.file_bytes, header.raw_bytes), (Compression::Lz4, file.len() as u64, 908));
}

/// Pages are aligned, shared both ways, and not copied.
#[test]
fn states_are_not_copied() {
    let kinds = vec![Kind { name: "Book".into(), layout: 0, state_bytes: 65536 }];
    let actors = (0..100).map(|row| actor(key(0, row), None, 0, u64::from(row) * 65536, 65536)).collect();
    let states = Bytes::from(vec![3u8; 100 * 65536]);
    let checkpoint = Checkpoint::new(Parts { kinds, actors, states: states.clone(), ..parts() }).unwrap();
    let file = checkpoint.encode(Compression::None).unwrap();
    assert_eq!(file.pieces().len(), 2);
    assert_eq!((file.pieces()[1].as_ptr(), file.pieces()[1].len()), (states.as_ptr(), states.len()));
    assert_eq!(file.pieces()[0].len() % PAGE_BYTES, 0);
    let whole = file.to_bytes();
    let read = Checkpoint::decode(whole.clone()).unwrap();
    assert_eq!(read.state(&read.actors()[0]).as_ptr(), whole[file.pieces()[0].len()..].as_ptr());
    assert!(checkpoint.encode(Compression::Lz4).unwrap().bytes() < file.bytes() / 50, "states of one byte over and over");
}

/// More than one block, some of which LZ4 can not shorten.
#[test]
fn compressed_blocks_of_every_sort() {
    let kinds = vec![Kind { name: "Book".into(), layout: 0, state_bytes: 3_000_001 }];
    let mut states = vec![0u8; 3_000_001];
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for byte in &mut states[1_000_000..2_200_000] {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (random >> 56) as u8;
    }
    let checkpoint =
        Checkpoint::new(Parts { kinds, actors: vec![actor(key(0, 0), None, 0, 0, 3_000_001)], states: states.into(), ..parts() });
    let checkpoint = checkpoint.unwrap();
    let file = checkpoint.encode(Compression::Lz4).unwrap();
    assert!((1_200_000..1_400_000).contains(&file.bytes()), "{}", file.bytes());
    assert_eq!(Checkpoint::decode(file.to_bytes()).unwrap().parts(), checkpoint.parts());
}

/// C-3
#[test]
fn every_truncation_is_refused() {
    for file in every() {
        for len in 0..file.len() {
            match decode(&file[..len]).unwrap_err() {
                FileError::NotACheckpoint => assert_eq!(len, 0),
                FileError::Corrupt { offset, .. } => assert_eq!(offset, len as u64, "where it ends"),
                other => panic!("{len}: {other}"),
            }
        }
    }
}

/// C-3
#[test]
fn every_flipped_bit_is_refused() {
    for file in every() {
        let mut flipped = file.clone();
        for bit in 0..file.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = decode(&flipped).unwrap_err();
            match bit / 8 {
                0..8 => assert_eq!(error, FileError::NotACheckpoint),
                8..12 => assert!(matches!(error, FileError::Newer { known: VERSION, .. } | FileError::Corrupt { .. }), "{error}"),
                _ => assert!(matches!(error, FileError::Corrupt { .. }), "bit {bit}: {error}"),
            }
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// C-3
#[test]
fn damage_is_placed() {
    let file = full(Compression::None);
    let states = file.len() - 5004;
    let damaged = |at: usize| {
        let mut file = file.clone();
        file[at] ^= 1;
        decode(&file).unwrap_err().to_string()
    };
    assert_eq!(damaged(states), format!("damaged at byte {states}: page 0 of actor 0/7.1 (`one`) does not fit its digest"));
    let second = states + 4 + PAGE_BYTES;
    assert_eq!(damaged(second + 900), format!("damaged at byte {second}: page 1 of actor 1/0.1 does not fit its digest"));
    assert_eq!(damaged(states - 1), format!("damaged at byte {}: a byte that is not zero in front of the states", states - 1));
    assert_eq!(damaged(100), "damaged at byte 224: the header does not fit its digest");
    assert_eq!(damaged(256), "damaged at byte 256: the metadata do not fit their digest");
}

/// C-3
#[test]
fn bytes_behind_the_end_are_refused() {
    for file in every() {
        let end = file.len() as u64;
        let longer = [&file[..], &[0]].concat();
        assert_eq!(decode(&longer).unwrap_err(), FileError::Corrupt { offset: end, what: "1 bytes behind the end".into() });
        assert!(decode(&[&file[..], &file].concat()).is_err());
    }
}

/// C-8
#[test]
fn what_is_newer_and_what_is_none() {
    let mut newer = full(Compression::None);
    newer[8] = 2;
    assert_eq!(decode(&newer).unwrap_err(), FileError::Newer { version: 2, known: 1 });
    assert!(decode(&newer).unwrap_err().to_string().starts_with("written by a newer resident"));
    // Its header may be shorter, or have its digest elsewhere.
    assert_eq!(decode(&newer[..12]).unwrap_err(), FileError::Newer { version: 2, known: 1 });
    for none in [&b""[..], b"{}", b"\x89PNG\r\n\x1a\n and more", &[0; 5000]] {
        assert_eq!(decode(none).unwrap_err(), FileError::NotACheckpoint);
    }
    // As a transfer as text would leave it.
    let text = full(Compression::None)[..].split(|byte| *byte == b'\r').collect::<Vec<_>>().concat();
    assert_eq!(decode(&text).unwrap_err(), FileError::NotACheckpoint);
}
