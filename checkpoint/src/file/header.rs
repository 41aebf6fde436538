//! The first 256 bytes: little-endian words at fixed places, and a digest of them.

use std::fmt::{self, Display, Formatter};

use super::error::FileError;
use super::{Compression, blocks};
use crate::Digest;
use crate::parts::PAGE_BYTES;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 256;
/// The format's version; a file of a greater one is refused.
pub const VERSION: u32 = 1;

/// A byte that is not ASCII, a name, and line ends that a copy as text would change.
const MAGIC: [u8; 8] = *b"\x89RCK\r\n\x1a\n";
/// Where the header's own digest lies: behind everything it is of.
const SEAL: usize = 224;

const FULL: u32 = 1;
const DELTA: u32 = 2;

/// Whether a file holds a checkpoint or a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A whole checkpoint.
    Full,
    /// What became of this one.
    Delta {
        /// The checkpoint that it can be applied to.
        base: Digest,
    },
}

impl Display for What {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(match self {
            What::Full => "full",
            What::Delta { .. } => "delta",
        })
    }
}

/// What the first [`HEADER_BYTES`] of a file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Checkpoint or delta.
    pub what: What,
    /// The checkpoint that the file holds, or that comes of the delta.
    pub digest: Digest,
    /// Whether states are compressed.
    pub compression: Compression,
    /// Length of the whole file.
    pub file_bytes: u64,
    /// Length of the states, or changed pages, before compression.
    pub raw_bytes: u64,
    pub(crate) metadata: Section,
    pub(crate) pages: Section,
    pub(crate) blocks: Section,
    pub(crate) states: Section,
}

/// A stretch of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// xxh3 of it; 0 for states, whose pages have digests of their own.
    pub(crate) digest: u128,
}

impl Section {
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.bytes
    }
}

/// Where sections of these lengths lie, one behind another: metadata, pages, blocks, states.
pub(crate) fn lay_out(bytes: [u64; 4]) -> Option<[u64; 4]> {
    let [metadata, pages, blocks, _] = bytes;
    let mut at = [HEADER_BYTES as u64; 4];
    at[1] = at[0].checked_add(metadata)?.checked_next_multiple_of(16)?;
    at[2] = at[1].checked_add(pages)?.checked_next_multiple_of(16)?;
    at[3] = at[2].checked_add(blocks)?.checked_next_multiple_of(PAGE_BYTES as u64)?;
    at[3].checked_add(bytes[3])?;
    Some(at)
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let (what, base) = match self.what {
            What::Full => (FULL, [0; 32]),
            What::Delta { base } => (DELTA, base.0),
        };
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &what.to_le_bytes());
        put(16, &(self.compression as u32).to_le_bytes());
        put(20, &(PAGE_BYTES as u32).to_le_bytes());
        put(24, &self.file_bytes.to_le_bytes());
        put(32, &self.digest.0);
        put(64, &base);
        for (at, section) in (96..).step_by(32).zip([self.metadata, self.pages, self.blocks]) {
            put(at, &section.offset.to_le_bytes());
            put(at + 8, &section.bytes.to_le_bytes());
            put(at + 16, &section.digest.to_le_bytes());
        }
        put(192, &self.states.offset.to_le_bytes());
        put(200, &self.states.bytes.to_le_bytes());
        put(208, &self.raw_bytes.to_le_bytes());
        put(216, &self.block_bytes().to_le_bytes());
        let seal = blake3::hash(&bytes[..SEAL]);
        bytes[SEAL..].copy_from_slice(seal.as_bytes());
        bytes
    }

    /// Parses the beginning of a file: its first [`HEADER_BYTES`] or more, or all of it if it is shorter. What the header says agrees
    /// with itself then; whether the rest of the file agrees with it is [`Contents::decode`](super::Contents::decode)'s to say.
    pub fn decode(start: &[u8]) -> Result<Header, FileError> {
        let known = start.len().min(MAGIC.len());
        if start.is_empty() || start[..known] != MAGIC[..known] {
            return Err(FileError::NotACheckpoint);
        }
        let short = || FileError::corrupt(start.len() as u64, format!("the file ends within its header of {HEADER_BYTES} bytes"));
        let version = u32::from_le_bytes(*start.get(8..).and_then(<[u8]>::first_chunk).ok_or_else(short)?);
        if version > VERSION {
            return Err(FileError::Newer { version, known: VERSION });
        }
        let bytes = start.first_chunk::<HEADER_BYTES>().ok_or_else(short)?;
        if blake3::hash(&bytes[..SEAL]) != bytes[SEAL..] {
            return Err(FileError::corrupt(SEAL as u64, "the header does not fit its digest"));
        }
        Header::parse(bytes)
    }

    /// Every field is bounded by what the others allow; the places of the sections follow from their lengths.
    fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Header, FileError> {
        let refuse = |at: usize, what: String| Err(FileError::corrupt(at as u64, what));
        let (u32_at, u64_at) = (|at| u32::from_le_bytes(array(bytes, at)), |at| u64::from_le_bytes(array(bytes, at)));
        if u32_at(8) != VERSION {
            return refuse(8, format!("there is no format version {}", u32_at(8)));
        }
        let base = Digest(array(bytes, 64));
        let what = match u32_at(12) {
            FULL if base.0 == [0; 32] => What::Full,
            FULL => return refuse(64, "a whole checkpoint with a base".into()),
            DELTA => What::Delta { base },
            other => return refuse(12, format!("neither checkpoint (1) nor delta (2) but {other}")),
        };
        let compression = match u32_at(16) {
            0 => Compression::None,
            1 => Compression::Lz4,
            other => return refuse(16, format!("there is no compression {other}")),
        };
        if u32_at(20) != PAGE_BYTES as u32 {
            return refuse(20, format!("pages of {} bytes; they have {PAGE_BYTES}", u32_at(20)));
        }
        let section = |at: usize| Section { offset: u64_at(at), bytes: u64_at(at + 8), digest: u128::from_le_bytes(array(bytes, at + 16)) };
        let states = Section { offset: u64_at(192), bytes: u64_at(200), digest: 0 };
        let header = Header {
            what,
            digest: Digest(array(bytes, 32)),
            compression,
            file_bytes: u64_at(24),
            raw_bytes: u64_at(208),
            metadata: section(96),
            pages: section(128),
            blocks: section(160),
            states,
        };
        let sections = [header.metadata, header.pages, header.blocks, header.states];
        let Some(places) = lay_out(sections.map(|section| section.bytes)) else {
            return refuse(96, "the sections are longer than any file".into());
        };
        for (at, (section, place)) in (96..).step_by(32).zip(sections.iter().zip(places)) {
            if section.offset != place {
                return refuse(at, format!("a section at {} that belongs at {place}", section.offset));
            }
        }
        if header.file_bytes != header.states.end() {
            return refuse(24, format!("a file of {} bytes whose sections end at {}", header.file_bytes, header.states.end()));
        }
        if u64_at(216) != header.block_bytes() {
            return refuse(216, format!("blocks of {} bytes; they have {}", u64_at(216), header.block_bytes()));
        }
        let raw = header.raw_bytes;
        let (blocks, most) = match compression {
            Compression::None => (0, states.bytes),
            Compression::Lz4 => (blocks::count(raw), blocks::most(states.bytes)),
        };
        if raw > most || compression == Compression::None && raw != most {
            return refuse(208, format!("{raw} bytes of states in a section of {}", states.bytes));
        }
        if header.blocks.bytes != blocks * blocks::ROW_BYTES as u64 {
            return refuse(168, format!("a table of {} bytes for {blocks} blocks", header.blocks.bytes));
        }
        if header.pages.bytes % 16 != 0 {
            return refuse(136, format!("a table of {} bytes with 16 for each page", header.pages.bytes));
        }
        Ok(header)
    }

    fn block_bytes(&self) -> u64 {
        match self.compression {
            Compression::None => 0,
            Compression::Lz4 => blocks::BLOCK_BYTES as u64,
        }
    }
}

/// `N` bytes at a place that the header has.
fn array<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
