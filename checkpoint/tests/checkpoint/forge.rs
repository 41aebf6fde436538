//! Files whose digests fit although their contents were tampered with: what someone can make who can write the directory. Fuzzing uses
//! it too, for else nothing would get past the digests.

const HEADER_BYTES: usize = 256;

/// Where the header says a section is, by the place of its words there: metadata 96, page digests 128, blocks 160.
pub fn section(file: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let word = |at: usize| Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let (offset, bytes) = (word(at)?, word(at + 8)?);
    let end = offset.checked_add(bytes)?;
    (end <= file.len()).then_some(offset..end)
}

/// Makes the digests of metadata, tables and header fit.
pub fn seal(file: &mut [u8]) {
    for at in [96, 128, 160] {
        if let Some(section) = section(file, at) {
            let digest = xxhash_rust::xxh3::xxh3_128(&file[section]);
            file[at + 16..at + 32].copy_from_slice(&digest.to_le_bytes());
        }
    }
    if file.len() >= HEADER_BYTES {
        let digest = blake3::hash(&file[..224]);
        file[224..HEADER_BYTES].copy_from_slice(digest.as_bytes());
    }
}
