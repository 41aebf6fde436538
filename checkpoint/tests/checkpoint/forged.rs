//! Files made by someone who knows the format: their digests fit, and what they say may be anything. C-4.

use bytes::Bytes;
use resident_checkpoint::{Checkpoint, Compression, Contents, FileError, Refused};

use crate::forge::{seal, section};
use crate::samples::{checkpoint, later};

fn files() -> [Vec<u8>; 4] {
    let (full, delta) = (checkpoint(), Checkpoint::delta_from(&checkpoint(), &later()));
    let file = |encoded: Result<resident_checkpoint::Encoded, _>| encoded.unwrap().to_bytes().to_vec();
    [
        file(full.encode(Compression::None)),
        file(full.encode(Compression::Lz4)),
        file(delta.encode(Compression::None)),
        file(delta.encode(Compression::Lz4)),
    ]
}

/// If it is not what was saved, somebody has to refuse it: the parser, or a delta's result. (It may be what was saved: of an empty list
/// it does not matter where it is said to begin.)
fn refused(file: &[u8], what: &str) {
    match Contents::decode(Bytes::copy_from_slice(file)) {
        Err(FileError::Corrupt { offset, .. }) => assert!(offset <= file.len() as u64, "{what}: byte {offset} of {}", file.len()),
        Err(other) => panic!("{what}: {other}"),
        Ok(Contents::Full(read)) => assert_eq!(read.parts(), checkpoint().parts(), "{what}: accepted"),
        Ok(Contents::Delta(delta)) => match Checkpoint::apply(&checkpoint(), &delta) {
            Ok(made) => assert_eq!(made.parts(), later().parts(), "{what}: accepted"),
            Err(refused) => assert!(!matches!(refused, Refused::Base { .. }) || what.contains("word"), "{what}: {refused}"),
        },
    }
}

/// Changes each byte of these sections, named by where the header tells of them, to several others.
fn lies_in(sections: &[usize]) {
    for (number, file) in files().into_iter().enumerate() {
        for at in sections.iter().flat_map(|named| section(&file, *named).unwrap()) {
            for with in [0x01, 0x80, 0xff] {
                let mut forged = file.clone();
                forged[at] ^= with;
                seal(&mut forged);
                refused(&forged, &format!("file {number}, byte {at} ^ {with:#x}"));
            }
        }
    }
}

/// C-4: the metadata.
#[test]
fn metadata_that_lies() {
    lies_in(&[96]);
}

/// C-4: each word of the header, set to what is most likely to be taken wrongly.
#[test]
fn a_header_that_lies() {
    let words = (12..24).step_by(4).map(|at| (at, 4)).chain((24..224).step_by(8).map(|at| (at, 8)));
    for (number, file) in files().into_iter().enumerate() {
        for (at, len) in words.clone() {
            let word = |file: &[u8]| file[at..at + len].to_vec();
            let now = u64::from_le_bytes(*file[at..].first_chunk().unwrap());
            let (more, less) = (now.wrapping_add(1), now.wrapping_sub(1));
            let page = now.wrapping_add(4096);
            for value in [0, 1, 2, 3, 24, 255, 4096, more, less, page, 1 << 31, 1 << 32, 1 << 62, 1 << 63, u64::MAX - 15, u64::MAX] {
                let mut forged = file.clone();
                forged[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
                if word(&forged) == word(&file) {
                    continue;
                }
                // The header's own digest only: the sections' digests are words of it.
                let digest = blake3::hash(&forged[..224]);
                forged[224..256].copy_from_slice(digest.as_bytes());
                refused(&forged, &format!("file {number}, word {at} = {value:#x}"));
            }
        }
    }
}

/// C-4: the tables of digests and blocks.
#[test]
fn tables_that_lie() {
    lies_in(&[128, 160]);
}

/// C-4: a small file that says it stands for much.
#[test]
fn a_bomb_is_not_lit() {
    let mut bomb = files()[1].clone();
    let states = u64::from_le_bytes(*bomb[200..].first_chunk().unwrap());
    let most = states * 255;
    for raw in [most + 1, 1 << 40] {
        bomb[208..216].copy_from_slice(&raw.to_le_bytes());
        seal(&mut bomb);
        let error = Contents::decode(bomb.clone().into()).unwrap_err();
        assert_eq!(error, FileError::Corrupt { offset: 208, what: format!("{raw} bytes of states in a section of {states}") });
    }
}

/// C-2: a delta that says something else comes of it than does.
#[test]
fn a_delta_that_lies_about_its_result() {
    let mut forged = files()[2].clone();
    forged[32] ^= 1;
    seal(&mut forged);
    let Contents::Delta(delta) = Contents::decode(forged.into()).unwrap() else { panic!() };
    let error = Checkpoint::apply(&checkpoint(), &delta).unwrap_err();
    assert!(error.to_string().contains("damaged or forged"), "{error}");
}
