//! Files whose digests fit although their contents were tampered with: what someone can make who can write the directory. Fuzzing uses
//! it too, for else nothing would get past the digests.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

const HEADER_BYTES: usize = 256;
const MAGIC: &[u8] = b"\x89RCK\r\n\x1a\n";
/// The places in the header of metadata, page digests and blocks.
const SECTIONS: [usize; 3] = [96, 128, 160];

/// Where the header says a section is, by its place there.
pub fn section(file: &[u8], at: usize) -> Option<Range<usize>> {
    let word = |at: usize| Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let (offset, bytes) = (word(at)?, word(at + 8)?);
    let end = offset.checked_add(bytes)?;
    (end <= file.len()).then_some(offset..end)
}

/// Makes the digests of metadata, tables and header fit.
pub fn seal(file: &mut [u8]) {
    if file.len() < HEADER_BYTES {
        return;
    }
    for at in SECTIONS {
        if let Some(section) = section(file, at) {
            let digest = xxh3_128(&file[section]);
            file[at + 16..at + 32].copy_from_slice(&digest.to_le_bytes());
        }
    }
    let digest = blake3::hash(&file[..224]);
    file[224..HEADER_BYTES].copy_from_slice(digest.as_bytes());
}

/// A file of what fuzzing came up with: as it is if it begins like one, else laid out from its pieces. Those are: 1 byte with what it is
/// and whether it is compressed, 3 bytes with the length of the states before compression, 3 lengths of 2 bytes, and then metadata,
/// page digests, blocks and states.
pub fn build(input: &[u8]) -> Vec<u8> {
    let Some((front, mut rest)) = input.split_at_checked(10).filter(|_| !input.starts_with(MAGIC)) else { return input.to_vec() };
    let mut take = |bytes: usize| {
        let (now, later) = rest.split_at(bytes.min(rest.len()));
        rest = later;
        now.to_vec()
    };
    let len = |at: usize| usize::from(u16::from_le_bytes([front[at], front[at + 1]]));
    let (metadata, pages, mut blocks) = (take(len(4)), take(len(6)), take(len(8)));
    let states = rest.to_vec();
    let lz4 = front[0] & 2 != 0;
    let mut at = 0usize;
    for row in blocks.chunks_exact_mut(24) {
        let stored = u64::from_le_bytes(*row.first_chunk().unwrap()) as usize;
        if let Some(block) = at.checked_add(stored).and_then(|end| states.get(at..end)) {
            row[8..].copy_from_slice(&xxh3_128(block).to_le_bytes());
            at += stored;
        }
    }
    let raw = if lz4 { u64::from(u32::from_le_bytes([front[1], front[2], front[3], 0])) } else { states.len() as u64 };

    let mut file = vec![0; HEADER_BYTES];
    for (at, bytes) in SECTIONS.into_iter().zip([metadata, pages, blocks]) {
        file.resize(file.len().next_multiple_of(16), 0);
        let begin = file.len() as u64;
        file[at..at + 8].copy_from_slice(&begin.to_le_bytes());
        file[at + 8..at + 16].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        file.extend(bytes);
    }
    file.resize(file.len().next_multiple_of(4096), 0);
    let words = [(192, file.len() as u64), (200, states.len() as u64), (208, raw), (216, u64::from(lz4) << 20)];
    file.extend(states);
    for (at, word) in words.into_iter().chain([(24, file.len() as u64)]) {
        file[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    file[..8].copy_from_slice(MAGIC);
    for (at, word) in [(8, 1), (12, 1 + u32::from(front[0] & 1)), (16, u32::from(lz4)), (20, 4096u32)] {
        file[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    seal(&mut file);
    file
}

/// The pieces of a well-formed file, for [`build`].
pub fn pieces(file: &[u8]) -> Vec<u8> {
    let sections = SECTIONS.map(|at| section(file, at).unwrap());
    let mut pieces = vec![(file[12] - 1) | (file[16] << 1)];
    pieces.extend_from_slice(&file[208..211]);
    sections.iter().for_each(|section| pieces.extend_from_slice(&(section.len() as u16).to_le_bytes()));
    sections.into_iter().for_each(|section| pieces.extend_from_slice(&file[section]));
    pieces.extend_from_slice(&file[section(file, 192).unwrap()]);
    pieces
}
