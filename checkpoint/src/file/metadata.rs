//! Everything but states, as an rkyv archive that is easy to read without rkyv: rows of words of fixed width, and one text that
//! holds whatever has no fixed length, in the order of the rows that point into it.
//!
//! Rows have no gaps, so every byte of an archive is of a field, but for zeros in front of a list that align it.

use std::collections::BTreeMap;

use rkyv::rancor;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Serialize};

use super::error::{FileError, TooLarge};
use crate::delta::Changes;
use crate::parts::{Actor, Emitted, Head, Key, Kind, Pending, Shard, Status, Taken};

/// Pointers within an archive are 32 bits and have a sign.
const LIMIT: u64 = i32::MAX as u64;

/// The root, at the end of the archive.
#[derive(Archive, Serialize)]
struct Metadata {
    wall_micros: u64,
    hlc: u64,
    device: Span,
    kinds: Vec<KindRow>,
    actors: Vec<ActorRow>,
    shards: Vec<ShardRow>,
    pending: Vec<PendingRow>,
    emitted: Vec<EmittedRow>,
    notes: Vec<NoteRow>,
    /// Empty unless this is a delta.
    removed: Vec<KeyRow>,
    /// Empty unless this is a delta.
    pages: Vec<PageRow>,
    text: Vec<u8>,
}

/// A piece of the text.
#[derive(Archive, Serialize)]
struct Span {
    at: u32,
    bytes: u32,
}

#[derive(Archive, Serialize)]
struct KindRow {
    layout: u64,
    /// No greater than `u32::MAX`; as wide as it is so that the row has no gap.
    state_bytes: u64,
    name: Span,
}

#[derive(Archive, Serialize)]
struct KeyRow {
    shard: u32,
    row: u32,
    generation: u32,
}

#[derive(Archive, Serialize)]
struct ActorRow {
    handled: u64,
    key: KeyRow,
    kind: u32,
    bytes: u32,
    /// [`FAILED`] and [`NAMED`].
    flags: u32,
    /// Empty without [`NAMED`].
    name: Span,
}

const FAILED: u32 = 1;
const NAMED: u32 = 2;

#[derive(Archive, Serialize)]
struct ShardRow {
    consumed: u64,
    produced: u64,
    handled: u64,
    hlc: u64,
}

#[derive(Archive, Serialize)]
struct PendingRow {
    hlc: u64,
    key: KeyRow,
    /// No greater than `u16::MAX`.
    message: u32,
    payload: Span,
}

#[derive(Archive, Serialize)]
struct EmittedRow {
    hlc: u64,
    key: KeyRow,
    ty: u32,
    payload: Span,
}

#[derive(Archive, Serialize)]
struct NoteRow {
    name: Span,
    value: Span,
}

#[derive(Archive, Serialize)]
struct PageRow {
    changed: u32,
    page: u32,
}

/// What another crate's choice of rkyv's features would change. If one of these does not compile, some crate in the build has switched
/// on `big_endian`, `unaligned`, `pointer_width_16` or `pointer_width_64`, and files would not be what `docs/checkpoint-format.md` says.
const _: () = {
    const fn _words(word: rkyv::rend::u64_le, count: rkyv::rend::u32_le) -> (rkyv::primitive::ArchivedU64, rkyv::primitive::ArchivedUsize) {
        (word, count)
    }
    assert!(size_of::<ArchivedMetadata>() == 96 && align_of::<ArchivedMetadata>() == 8);
    assert!(size_of::<ArchivedKindRow>() == 24 && size_of::<ArchivedActorRow>() == 40 && size_of::<ArchivedShardRow>() == 32);
    assert!(size_of::<ArchivedPendingRow>() == 32 && size_of::<ArchivedEmittedRow>() == 32 && size_of::<ArchivedNoteRow>() == 16);
    assert!(size_of::<ArchivedKeyRow>() == 12 && size_of::<ArchivedPageRow>() == 8);
};

/// What an archive says. Where the bytes of states are it does not.
pub(crate) struct Read {
    pub(crate) head: Head,
    pub(crate) actors: Vec<Actor>,
    pub(crate) removed: Vec<Key>,
    /// Changed actor and page.
    pub(crate) pages: Vec<(u32, u32)>,
}

/// The archive of a checkpoint.
pub(crate) fn of_full(head: &Head, actors: &[Actor]) -> Result<AlignedVec, TooLarge> {
    encode(head, actors, &[], Vec::new())
}

/// The archive of a delta.
pub(crate) fn of_delta(changes: &Changes) -> Result<AlignedVec, TooLarge> {
    let pages = changes.pages.iter().map(|page| PageRow { changed: page.changed, page: page.page }).collect();
    encode(&changes.head, &changes.changed, &changes.removed, pages)
}

fn encode(head: &Head, actors: &[Actor], removed: &[Key], pages: Vec<PageRow>) -> Result<AlignedVec, TooLarge> {
    let bytes = size(head, actors, removed.len(), pages.len());
    if bytes > LIMIT {
        return Err(TooLarge { bytes, limit: LIMIT });
    }
    let mut text = Text::default();
    let Head { taken, kinds, shards, pending, emitted, notes } = head;
    let metadata = Metadata {
        wall_micros: taken.wall_micros,
        hlc: taken.hlc,
        device: text.put(taken.device.as_bytes()),
        kinds: kinds
            .iter()
            .map(|kind| KindRow { layout: kind.layout, state_bytes: kind.state_bytes.into(), name: text.put(kind.name.as_bytes()) })
            .collect(),
        actors: actors.iter().map(|actor| text.actor(actor)).collect(),
        shards: shards.iter().map(|&Shard { consumed, produced, handled, hlc }| ShardRow { consumed, produced, handled, hlc }).collect(),
        pending: pending
            .iter()
            .map(|Pending { key, message, hlc, payload }| PendingRow {
                hlc: *hlc,
                key: key_row(*key),
                message: (*message).into(),
                payload: text.put(payload),
            })
            .collect(),
        emitted: emitted
            .iter()
            .map(|Emitted { key, ty, hlc, payload }| EmittedRow { hlc: *hlc, key: key_row(*key), ty: *ty, payload: text.put(payload) })
            .collect(),
        notes: notes.iter().map(|(name, value)| NoteRow { name: text.put(name.as_bytes()), value: text.put(value) }).collect(),
        removed: removed.iter().map(|key| key_row(*key)).collect(),
        pages,
        text: text.0,
    };
    let archive = rkyv::to_bytes::<rancor::Panic>(&metadata);
    Ok(archive.unwrap_or_else(|never| match never {}))
}

/// No less than what the archive takes.
fn size(head: &Head, actors: &[Actor], removed: usize, pages: usize) -> u64 {
    let Head { taken, kinds, shards, pending, emitted, notes } = head;
    let rows = 40 * actors.len() + 24 * kinds.len() + 32 * (shards.len() + pending.len() + emitted.len()) + 16 * notes.len();
    let text = taken.device.len()
        + kinds.iter().map(|kind| kind.name.len()).sum::<usize>()
        + actors.iter().filter_map(|actor| actor.name.as_ref()).map(String::len).sum::<usize>()
        + pending.iter().map(|pending| pending.payload.len()).sum::<usize>()
        + emitted.iter().map(|emitted| emitted.payload.len()).sum::<usize>()
        + notes.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    // The root, and what aligns the lists.
    (rows + 12 * removed + 8 * pages + text + 96 + 10 * 8) as u64
}

#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn put(&mut self, bytes: &[u8]) -> Span {
        let span = Span { at: self.0.len() as u32, bytes: bytes.len() as u32 };
        self.0.extend_from_slice(bytes);
        span
    }

    fn actor(&mut self, actor: &Actor) -> ActorRow {
        let failed = if actor.status == Status::Failed { FAILED } else { 0 };
        let named = if actor.name.is_some() { NAMED } else { 0 };
        ActorRow {
            handled: actor.handled,
            key: key_row(actor.key),
            kind: actor.kind,
            bytes: actor.bytes,
            flags: failed | named,
            name: self.put(actor.name.as_deref().unwrap_or_default().as_bytes()),
        }
    }
}

fn key_row(Key { shard, row, generation }: Key) -> KeyRow {
    KeyRow { shard, row, generation }
}

/// Parses the archive that lies at `offset` in the file.
pub(crate) fn decode(archive: &[u8], offset: u64) -> Result<Read, FileError> {
    // rkyv wants an alignment that a file's bytes need not have.
    let mut copy = AlignedVec::<16>::new();
    let archive = if (archive.as_ptr() as usize).is_multiple_of(align_of::<ArchivedMetadata>()) {
        archive
    } else {
        copy.extend_from_slice(archive);
        &copy
    };
    let root = rkyv::access::<ArchivedMetadata, rancor::Error>(archive)
        .map_err(|error| FileError::corrupt(offset, format!("the metadata is no archive: {error}")))?;
    let mut reader = Reader { archive, offset, text: &root.text, at: 0 };
    let read = reader.read(root)?;
    match reader.at == root.text.len() {
        true => Ok(read),
        false => Err(reader.refuse(root, "text that nothing points at")),
    }
}

/// Goes through the rows in order, and with them through the text.
struct Reader<'a> {
    archive: &'a [u8],
    offset: u64,
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn read(&mut self, root: &ArchivedMetadata) -> Result<Read, FileError> {
        let device = self.string(&root.device)?;
        let kinds = root.kinds.iter().map(|row| self.kind(row)).collect::<Result<_, _>>()?;
        let actors = root.actors.iter().map(|row| self.actor(row)).collect::<Result<_, _>>()?;
        let pending = root.pending.iter().map(|row| self.pending(row)).collect::<Result<_, _>>()?;
        let emitted = root.emitted.iter().map(|row| self.emitted(row)).collect::<Result<_, _>>()?;
        let notes = self.notes(&root.notes)?;
        let taken = Taken { wall_micros: root.wall_micros.to_native(), hlc: root.hlc.to_native(), device };
        let shards = root.shards.iter().map(shard).collect();
        let removed = root.removed.iter().map(key).collect();
        let pages = root.pages.iter().map(|row| (row.changed.to_native(), row.page.to_native())).collect();
        Ok(Read { head: Head { taken, kinds, shards, pending, emitted, notes }, actors, removed, pages })
    }

    fn kind(&mut self, row: &ArchivedKindRow) -> Result<Kind, FileError> {
        let state_bytes = u32::try_from(row.state_bytes.to_native()).map_err(|_| self.refuse(row, "a kind with states beyond 4 GiB"))?;
        Ok(Kind { name: self.string(&row.name)?, layout: row.layout.to_native(), state_bytes })
    }

    fn actor(&mut self, row: &ArchivedActorRow) -> Result<Actor, FileError> {
        let flags = row.flags.to_native();
        let name = self.string(&row.name)?;
        if flags & !(FAILED | NAMED) != 0 || flags & NAMED == 0 && !name.is_empty() {
            return Err(self.refuse(row, "an actor with flags that do not exist, or with half a name"));
        }
        Ok(Actor {
            key: key(&row.key),
            name: (flags & NAMED != 0).then_some(name),
            kind: row.kind.to_native(),
            status: if flags & FAILED != 0 { Status::Failed } else { Status::Live },
            handled: row.handled.to_native(),
            offset: 0,
            bytes: row.bytes.to_native(),
        })
    }

    fn pending(&mut self, row: &ArchivedPendingRow) -> Result<Pending, FileError> {
        let message = u16::try_from(row.message.to_native()).map_err(|_| self.refuse(row, "a message whose number is beyond 65535"))?;
        Ok(Pending { key: key(&row.key), message, hlc: row.hlc.to_native(), payload: self.bytes(&row.payload)?.to_vec() })
    }

    fn emitted(&mut self, row: &ArchivedEmittedRow) -> Result<Emitted, FileError> {
        let (ty, hlc) = (row.ty.to_native(), row.hlc.to_native());
        Ok(Emitted { key: key(&row.key), ty, hlc, payload: self.bytes(&row.payload)?.to_vec() })
    }

    fn notes(&mut self, rows: &[ArchivedNoteRow]) -> Result<BTreeMap<String, Vec<u8>>, FileError> {
        let mut notes = BTreeMap::new();
        for row in rows {
            let name = self.string(&row.name)?;
            if notes.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(self.refuse(row, "notes out of order"));
            }
            notes.insert(name, self.bytes(&row.value)?.to_vec());
        }
        Ok(notes)
    }

    fn string(&mut self, span: &ArchivedSpan) -> Result<String, FileError> {
        match std::str::from_utf8(self.bytes(span)?) {
            Ok(string) => Ok(string.to_owned()),
            Err(_) => Err(self.refuse(span, "a name that is not UTF-8")),
        }
    }

    /// The next piece of the text, which each row takes in its turn: no two pieces overlap, and all together are the text.
    fn bytes(&mut self, span: &ArchivedSpan) -> Result<&[u8], FileError> {
        let (at, bytes) = (span.at.to_native() as usize, span.bytes.to_native() as usize);
        if at != self.at || bytes > self.text.len() - at {
            return Err(self.refuse(span, "it does not point at the next piece of the text"));
        }
        self.at += bytes;
        Ok(&self.text[at..at + bytes])
    }

    /// What is wrong with something in the archive, and where in the file that is.
    fn refuse<T>(&self, part: &T, what: &str) -> FileError {
        let within = (part as *const T as usize).saturating_sub(self.archive.as_ptr() as usize);
        FileError::corrupt(self.offset + within as u64, what)
    }
}

fn key(row: &ArchivedKeyRow) -> Key {
    Key { shard: row.shard.to_native(), row: row.row.to_native(), generation: row.generation.to_native() }
}

fn shard(row: &ArchivedShardRow) -> Shard {
    Shard {
        consumed: row.consumed.to_native(),
        produced: row.produced.to_native(),
        handled: row.handled.to_native(),
        hlc: row.hlc.to_native(),
    }
}
