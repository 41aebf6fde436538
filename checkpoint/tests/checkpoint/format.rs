//! C-10: `docs/checkpoint-format.md` says what is written. Its example is what the code writes, and a reader that was written from the
//! document alone, without rkyv and without the crate's own parsing, reads files of every sort.

use std::ops::Range;

use resident_checkpoint::{
    Actor, Checkpoint, Compression, Emitted, Encoded, Key, Kind, PAGE_BYTES, Parts, Pending, Shard, Status, Taken, TooLarge,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::samples::{chain, checkpoint, later};

/// The checkpoint of the document's first example.
fn example() -> Checkpoint {
    let key = Key { shard: 1, row: 2, generation: 3 };
    Checkpoint::new(Parts {
        taken: Taken { wall_micros: 1_700_000_000_000_000, hlc: 42, device: "cpu".into() },
        kinds: vec![Kind { name: "Counter".into(), layout: 0x1122_3344_5566_7788, state_bytes: 4 }],
        actors: vec![Actor { key, name: Some("one".into()), kind: 0, status: Status::Live, handled: 7, offset: 0, bytes: 4 }],
        notes: [("source".to_owned(), b"row 12".to_vec())].into(),
        states: vec![0xaa, 0xbb, 0xcc, 0xdd].into(),
        ..Parts::default()
    })
    .unwrap()
}

/// What became of it in the second.
fn example_delta() -> resident_checkpoint::Delta {
    let parts = example().parts();
    let actors = vec![Actor { handled: 8, ..parts.actors[0].clone() }];
    let taken = Taken { hlc: 43, ..parts.taken.clone() };
    let new = Checkpoint::new(Parts { taken, actors, states: vec![0xaa, 0xbb, 0xcc, 0xde].into(), ..parts }).unwrap();
    Checkpoint::delta_from(&example(), &new)
}

/// 16 bytes to a line; `*` stands for lines of zeros.
fn dump(file: &[u8]) -> String {
    let mut text = String::new();
    let mut zeros = false;
    for (line, bytes) in file.chunks(16).enumerate() {
        if bytes.iter().all(|byte| *byte == 0) && bytes.len() == 16 && line > 16 {
            text += if zeros { "" } else { "*\n" };
            zeros = true;
            continue;
        }
        zeros = false;
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{:04x}  {}\n", line * 16, hex.join(" "));
    }
    text + &format!("{:04x}\n", file.len())
}

fn bytes(encoded: Result<Encoded, TooLarge>) -> Vec<u8> {
    encoded.unwrap().to_bytes().to_vec()
}

#[test]
fn the_documents_examples_are_what_is_written() {
    let document = include_str!("../../../docs/checkpoint-format.md");
    for (what, file) in [("full", example().encode(Compression::None)), ("delta", example_delta().encode(Compression::None))] {
        let wanted = format!("```text {what}\n{}```", dump(&bytes(file)));
        assert!(document.contains(&wanted), "docs/checkpoint-format.md should have\n{wanted}");
    }
}

/// Little-endian words at places.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    /// A list of the archive: where it begins, and its length.
    fn list(&self, at: usize, row: usize) -> Vec<Range<usize>> {
        let begin = (at as i64 + i64::from(self.u32(at) as i32)) as usize;
        (0..self.u32(at + 4) as usize).map(|number| begin + number * row..begin + (number + 1) * row).collect()
    }

    fn key(&self, at: usize) -> Key {
        Key { shard: self.u32(at), row: self.u32(at + 4), generation: self.u32(at + 8) }
    }
}

/// What the document's reader makes of a file.
#[derive(Debug, Default, PartialEq)]
struct Read {
    parts: Parts,
    removed: Vec<Key>,
    /// Changed actor and page.
    pages: Vec<(u32, u32)>,
    page_digests: Vec<[u8; 16]>,
    digest: [u8; 32],
    base: [u8; 32],
}

fn section(file: &[u8], at: usize) -> &[u8] {
    let words = Words(file);
    let section = &file[words.u64(at) as usize..][..words.u64(at + 8) as usize];
    if at < 192 {
        assert_eq!(xxh3_128(section).to_le_bytes(), file[at + 16..at + 32]);
    }
    section
}

fn read(file: &[u8]) -> Read {
    let header = Words(file);
    assert_eq!(file[..8], [0x89, b'R', b'C', b'K', b'\r', b'\n', 0x1a, b'\n']);
    assert_eq!(blake3::hash(&file[..224]).as_bytes()[..], file[224..256]);
    assert_eq!((header.u32(8), header.u32(20), header.u64(24)), (1, 4096, file.len() as u64));

    let archive = section(file, 96);
    let words = Words(archive);
    let root = archive.len() - 96;
    let text = words.list(root + 88, 1).first().map_or(0, |first| first.start);
    let span = |at: usize| archive[text + words.u32(at) as usize..][..words.u32(at + 4) as usize].to_vec();
    let string = |at: usize| String::from_utf8(span(at)).unwrap();
    let rows = |at: usize, row: usize| words.list(root + at, row).into_iter().map(|row| row.start);
    let actor = |at: usize| Actor {
        handled: words.u64(at),
        key: words.key(at + 8),
        kind: words.u32(at + 20),
        bytes: words.u32(at + 24),
        status: if words.u32(at + 28) & 1 == 0 { Status::Live } else { Status::Failed },
        name: (words.u32(at + 28) & 2 != 0).then(|| string(at + 32)),
        offset: 0,
    };
    let shard =
        |at: usize| Shard { consumed: words.u64(at), produced: words.u64(at + 8), handled: words.u64(at + 16), hlc: words.u64(at + 24) };
    let pending =
        |at: usize| Pending { hlc: words.u64(at), key: words.key(at + 8), message: words.u32(at + 20) as u16, payload: span(at + 24) };
    let emitted = |at: usize| Emitted { hlc: words.u64(at), key: words.key(at + 8), ty: words.u32(at + 20), payload: span(at + 24) };
    let kind = |at: usize| Kind { layout: words.u64(at), state_bytes: words.u64(at + 8) as u32, name: string(at + 16) };
    let parts = Parts {
        taken: Taken { wall_micros: words.u64(root), hlc: words.u64(root + 8), device: string(root + 16) },
        kinds: rows(24, 24).map(kind).collect(),
        actors: rows(32, 40).map(actor).collect(),
        shards: rows(40, 32).map(shard).collect(),
        pending: rows(48, 32).map(pending).collect(),
        emitted: rows(56, 32).map(emitted).collect(),
        notes: rows(64, 16).map(|at| (string(at), span(at + 8))).collect(),
        states: states(file).into(),
    };
    Read {
        parts,
        removed: rows(72, 12).map(|at| words.key(at)).collect(),
        pages: rows(80, 8).map(|at| (words.u32(at), words.u32(at + 4))).collect(),
        page_digests: section(file, 128).chunks(16).map(|digest| digest.try_into().unwrap()).collect(),
        digest: file[32..64].try_into().unwrap(),
        base: file[64..96].try_into().unwrap(),
    }
}

fn states(file: &[u8]) -> Vec<u8> {
    let header = Words(file);
    let (mut stored, raw) = (section(file, 192), header.u64(208) as usize);
    if header.u32(16) == 0 {
        return stored.to_vec();
    }
    let mut states = Vec::new();
    for row in section(file, 160).chunks(24) {
        let (block, rest) = stored.split_at(Words(row).u64(0) as usize);
        assert_eq!(xxh3_128(block).to_le_bytes(), row[8..]);
        let len = (raw - states.len()).min(header.u64(216) as usize);
        states.extend(if block.len() == len { block.to_vec() } else { lz4_flex::block::decompress(block, len).unwrap() });
        stored = rest;
    }
    assert_eq!((states.len(), stored.len()), (raw, 0));
    states
}

/// The digest of the contents, from the document's description.
fn digest(parts: &Parts, pages: &[[u8; 16]]) -> [u8; 32] {
    let mut canon: Vec<u8> = Vec::new();
    let count = |len: usize| (len as u64).to_le_bytes();
    macro_rules! put {
        (bytes $bytes:expr) => {{
            let bytes: &[u8] = $bytes;
            canon.extend(count(bytes.len()));
            canon.extend(bytes);
        }};
        (key $key:expr) => {
            [$key.shard, $key.row, $key.generation].into_iter().for_each(|word| canon.extend(word.to_le_bytes()))
        };
        (count $list:expr) => {
            canon.extend(count($list.len()))
        };
        ($word:expr) => {
            canon.extend($word.to_le_bytes())
        };
    }
    put!(bytes b"resident checkpoint 1");
    put!(parts.taken.wall_micros);
    put!(parts.taken.hlc);
    put!(bytes parts.taken.device.as_bytes());
    put!(count parts.kinds);
    for kind in &parts.kinds {
        put!(bytes kind.name.as_bytes());
        put!(kind.layout);
        put!(kind.state_bytes);
    }
    put!(count parts.shards);
    for shard in &parts.shards {
        put!(shard.consumed);
        put!(shard.produced);
        put!(shard.handled);
        put!(shard.hlc);
    }
    put!(count parts.pending);
    for message in &parts.pending {
        put!(key message.key);
        put!(u32::from(message.message));
        put!(message.hlc);
        put!(bytes & message.payload);
    }
    put!(count parts.emitted);
    for message in &parts.emitted {
        put!(key message.key);
        put!(message.ty);
        put!(message.hlc);
        put!(bytes & message.payload);
    }
    put!(count parts.notes);
    for (name, value) in &parts.notes {
        put!(bytes name.as_bytes());
        put!(bytes value);
    }
    put!(count parts.actors);
    for actor in &parts.actors {
        put!(key actor.key);
        put!(actor.kind);
        put!(u8::from(actor.status == Status::Failed));
        put!(actor.handled);
        put!(actor.bytes);
        put!(u8::from(actor.name.is_some()));
        if let Some(name) = &actor.name {
            put!(bytes name.as_bytes());
        }
    }
    put!(count pages);
    pages.iter().for_each(|page| canon.extend(page));
    *blake3::hash(&canon).as_bytes()
}

#[test]
fn a_reader_made_from_the_document_reads_checkpoints() {
    for wanted in [example(), checkpoint(), later(), Checkpoint::new(Parts::default()).unwrap()] {
        for compression in [Compression::None, Compression::Lz4] {
            let mut read = read(&bytes(wanted.encode(compression)));
            assert_eq!(read.digest, wanted.digest().0);
            let (mut at, mut pages) = (0, Vec::new());
            for actor in &mut read.parts.actors {
                let state = &read.parts.states[at..at + actor.bytes as usize];
                pages.extend(state.chunks(PAGE_BYTES).map(|page| xxh3_128(page).to_le_bytes()));
                actor.offset = at as u64;
                at += actor.bytes as usize;
            }
            assert_eq!((at, &pages), (read.parts.states.len(), &read.page_digests));
            assert_eq!(digest(&read.parts, &pages), read.digest);
            assert_eq!(read.parts, wanted.parts());
            assert_eq!((read.removed.len(), read.pages.len(), read.base), (0, 0, [0; 32]));
        }
    }
}

#[test]
fn a_reader_made_from_the_document_reads_deltas() {
    let chain = chain(2);
    for (base, new) in [(checkpoint(), later()), (later(), checkpoint()), (chain[0].clone(), chain[1].clone())] {
        for compression in [Compression::None, Compression::Lz4] {
            let delta = Checkpoint::delta_from(&base, &new);
            let read = read(&bytes(delta.encode(compression)));
            assert_eq!((read.base, read.digest), (base.digest().0, new.digest().0));
            assert_eq!((&read.removed[..], &read.parts.actors[..]), (delta.removed(), delta.changed()));
            let mut at = 0;
            for ((changed, page), page_digest) in read.pages.iter().zip(&read.page_digests) {
                let actor = &read.parts.actors[*changed as usize];
                let begin = *page as usize * PAGE_BYTES;
                let len = (actor.bytes as usize - begin).min(PAGE_BYTES);
                assert_eq!(read.parts.states[at..at + len], new.state(new.actor(actor.key).unwrap())[begin..begin + len]);
                assert_eq!(xxh3_128(&read.parts.states[at..at + len]).to_le_bytes(), *page_digest);
                at += len;
            }
            assert_eq!((at, read.pages.len()), (read.parts.states.len(), delta.pages().len()));
            let Parts { taken, kinds, shards, pending, emitted, notes, .. } = new.parts();
            let rest = Parts { taken, kinds, shards, pending, emitted, notes, ..Parts::default() };
            assert_eq!(Parts { actors: Vec::new(), states: Default::default(), ..read.parts }, rest);
        }
    }
}
