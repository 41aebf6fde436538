//! Compressed states: blocks of a mebibyte, each by itself, stored as it is where LZ4 makes it no shorter.
//!
//! Each row of the table gives a block's stored length and the digest of the stored bytes; without that digest a damaged block could
//! still give the right bytes.

use xxhash_rust::xxh3::xxh3_128;

use super::error::FileError;
use super::header::Section;

/// States are cut into blocks of so many bytes; the last may be shorter.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;
/// Stored length, digest.
pub(crate) const ROW_BYTES: usize = 24;

/// Blocks that `raw` bytes are cut into.
pub(crate) fn count(raw: u64) -> u64 {
    raw.div_ceil(BLOCK_BYTES as u64)
}

/// Bytes that so many compressed ones can stand for at most: LZ4 writes no more than 255 for each.
pub(crate) fn most(stored: u64) -> u64 {
    stored.saturating_mul(255)
}

/// Compresses block by block. The bytes arrive in pieces of any length.
#[derive(Default)]
pub(crate) struct Compressor {
    block: Vec<u8>,
    pub(crate) table: Vec<u8>,
    pub(crate) stored: Vec<Vec<u8>>,
}

impl Compressor {
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK_BYTES {
                self.close();
            }
        }
    }

    /// Ends the last block.
    pub(crate) fn finish(mut self) -> Compressor {
        if !self.block.is_empty() {
            self.close();
        }
        self
    }

    fn close(&mut self) {
        let mut stored = lz4_flex::block::compress(&self.block);
        if stored.len() >= self.block.len() {
            stored.clone_from(&self.block);
        }
        self.block.clear();
        self.table.extend_from_slice(&(stored.len() as u64).to_le_bytes());
        self.table.extend_from_slice(&xxh3_128(&stored).to_le_bytes());
        self.stored.push(stored);
    }
}

/// The `raw` bytes that the blocks stand for. The header has been checked, so `raw` is bounded by the file's length.
pub(crate) fn decompress(file: &[u8], table: Section, states: Section, raw: u64) -> Result<Vec<u8>, FileError> {
    let rows = file[table.offset as usize..table.end() as usize].chunks_exact(ROW_BYTES);
    let stored = &file[..states.end() as usize];
    let mut at = states.offset as usize;
    let mut bytes = Vec::new();
    // LZ4 may stand for 255 times its length, which can be more than there is.
    if bytes.try_reserve_exact(raw as usize).is_err() {
        return Err(FileError::corrupt(208, format!("there is no memory for the {raw} bytes of states that it says it has")));
    }
    for (number, row) in rows.enumerate() {
        let refuse = |at: usize, what: &str| Err(FileError::corrupt(at as u64, format!("block {number}: {what}")));
        let len = (raw as usize - bytes.len()).min(BLOCK_BYTES);
        let (stored_len, digest) = row.split_at(8);
        let stored_len = stored_len.iter().rev().fold(0u64, |len, byte| len << 8 | u64::from(*byte));
        if stored_len > len as u64 || stored_len > (stored.len() - at) as u64 {
            return refuse(table.offset as usize + number * ROW_BYTES, "longer than what it stands for, or than the file");
        }
        let block = &stored[at..at + stored_len as usize];
        if xxh3_128(block).to_le_bytes() != *digest {
            return refuse(at, "its bytes do not fit their digest");
        }
        let begin = bytes.len();
        if block.len() == len {
            bytes.extend_from_slice(block);
        } else {
            bytes.resize(begin + len, 0);
            match lz4_flex::block::decompress_into(block, &mut bytes[begin..]) {
                Ok(written) if written == len => {}
                _ => return refuse(at, "it is not what LZ4 writes"),
            }
        }
        at += block.len();
    }
    if at as u64 != states.end() {
        return Err(FileError::corrupt(at as u64, "the blocks end before the file"));
    }
    Ok(bytes)
}
