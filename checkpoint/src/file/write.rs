//! From values to bytes.

use bytes::{Bytes, BytesMut};
use xxhash_rust::xxh3::xxh3_128;

use super::blocks::Compressor;
use super::error::TooLarge;
use super::header::{HEADER_BYTES, Header, Section, What, lay_out};
use super::{Compression, metadata};
use crate::pages::{Pages, Run};
use crate::{Checkpoint, Delta, Digest, apply};

/// A file in pieces, to be written one after another. Pieces of states are the checkpoint's own bytes, shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    pieces: Vec<Bytes>,
    bytes: u64,
}

impl Encoded {
    /// The pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Their length together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All in one piece, for which they are copied.
    pub fn to_bytes(&self) -> Bytes {
        let mut all = BytesMut::with_capacity(self.bytes as usize);
        self.pieces.iter().for_each(|piece| all.extend_from_slice(piece));
        all.freeze()
    }

    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len() as u64;
            self.pieces.push(piece);
        }
    }
}

impl From<Bytes> for Encoded {
    fn from(bytes: Bytes) -> Encoded {
        let mut encoded = Encoded::default();
        encoded.push(bytes);
        encoded
    }
}

pub(crate) fn full(checkpoint: &Checkpoint, compression: Compression) -> Result<Encoded, TooLarge> {
    let inner = &*checkpoint.inner;
    let metadata = metadata::of_full(&inner.head, &inner.actors)?;
    let mut states = States::new(compression);
    for place in 0..inner.actors.len() {
        let mut runs = checkpoint.runs_at(place);
        while let Some(run) = runs.next_run() {
            states.push(&inner.pages, run);
        }
    }
    states.flush(&inner.pages);
    Ok(assemble(What::Full, checkpoint.digest(), compression, &metadata, checkpoint.page_digests(), states))
}

pub(crate) fn delta(delta: &Delta, compression: Compression) -> Result<Encoded, TooLarge> {
    let metadata = metadata::of_delta(&delta.changes)?;
    let mut states = States::new(compression);
    states.share(apply::packed(&delta.changes));
    let what = What::Delta { base: delta.base() };
    Ok(assemble(what, delta.result(), compression, &metadata, &delta.changes.page_digests, states))
}

fn assemble(what: What, digest: Digest, compression: Compression, metadata: &[u8], page_digests: &[u128], states: States) -> Encoded {
    let pages: Vec<u8> = page_digests.iter().flat_map(|digest| digest.to_le_bytes()).collect();
    let (raw_bytes, blocks, states) = states.finish();
    let lens = [metadata.len() as u64, pages.len() as u64, blocks.len() as u64, states.iter().map(|piece| piece.len() as u64).sum()];
    let places = lay_out(lens).expect("what lies in memory is no longer than 64 bits can say");
    let section = |place: usize, bytes: &[u8]| Section { offset: places[place], bytes: lens[place], digest: xxh3_128(bytes) };
    let header = Header {
        what,
        digest,
        compression,
        file_bytes: places[3] + lens[3],
        raw_bytes,
        metadata: section(0, metadata),
        pages: section(1, &pages),
        blocks: section(2, &blocks),
        states: Section { offset: places[3], bytes: lens[3], digest: 0 },
    };
    let mut front = BytesMut::zeroed(places[3] as usize);
    front[..HEADER_BYTES].copy_from_slice(&header.encode());
    for (place, bytes) in places.into_iter().zip([metadata, &pages, &blocks]) {
        front[place as usize..][..bytes.len()].copy_from_slice(bytes);
    }
    let mut encoded = Encoded::from(front.freeze());
    states.into_iter().for_each(|piece| encoded.push(piece));
    encoded
}

/// Pieces shorter than this are copied together: a write for each would cost more.
const SHARED: usize = 16 << 10;
/// As long as what they are copied to, so that it never has to grow.
const COPIES: usize = 1 << 20;

/// The states on their way into the file.
enum States {
    Plain {
        pieces: Vec<Bytes>,
        /// Copies of short pieces that come next.
        copies: BytesMut,
        /// A stretch that may go on.
        open: Option<Run>,
    },
    Lz4 {
        compressor: Compressor,
        raw: u64,
    },
}

impl States {
    fn new(compression: Compression) -> States {
        match compression {
            Compression::None => States::Plain { pieces: Vec::new(), copies: BytesMut::new(), open: None },
            Compression::Lz4 => States::Lz4 { compressor: Compressor::default(), raw: 0 },
        }
    }

    /// The next stretch of `pages`.
    fn push(&mut self, pages: &Pages, run: Run) {
        if let States::Plain { open: Some(open), .. } = self
            && open.joins(&run)
        {
            open.len += run.len;
            return;
        }
        self.flush(pages);
        match self {
            States::Plain { open, .. } => *open = Some(run),
            States::Lz4 { .. } => self.share(pages.share(run)),
        }
    }

    /// Ends a stretch that might have gone on.
    fn flush(&mut self, pages: &Pages) {
        if let States::Plain { open, .. } = self
            && let Some(run) = open.take()
        {
            self.share(pages.share(run));
        }
    }

    /// The next bytes.
    fn share(&mut self, bytes: Bytes) {
        match self {
            States::Lz4 { compressor, raw } => {
                *raw += bytes.len() as u64;
                compressor.push(&bytes);
            }
            States::Plain { pieces, copies, .. } if bytes.len() < SHARED => {
                if copies.len() + bytes.len() > copies.capacity() {
                    pieces.push(std::mem::replace(copies, BytesMut::with_capacity(COPIES)).freeze());
                }
                copies.extend_from_slice(&bytes);
            }
            States::Plain { pieces, copies, .. } => {
                pieces.push(copies.split().freeze());
                pieces.push(bytes);
            }
        }
    }

    /// Length before compression, table of blocks, pieces.
    fn finish(self) -> (u64, Vec<u8>, Vec<Bytes>) {
        match self {
            States::Plain { mut pieces, copies, .. } => {
                pieces.push(copies.freeze());
                (pieces.iter().map(|piece| piece.len() as u64).sum(), Vec::new(), pieces)
            }
            States::Lz4 { compressor, raw } => {
                let Compressor { table, stored, .. } = compressor.finish();
                (raw, table, stored.into_iter().map(Bytes::from).collect())
            }
        }
    }
}
