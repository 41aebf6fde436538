//! Names of files: `00000012-full-5f0c6a1e.ckpt`. They sort by number for as long as eight digits do.

use crate::Digest;
use crate::file::What;

/// The name of a file.
pub(crate) fn of(number: u64, what: What, digest: Digest) -> String {
    format!("{number:08}-{what}-{}.ckpt", digest.short())
}

/// The number in a name; none if it is no such name.
pub(crate) fn number(name: &str) -> Option<u64> {
    let mut parts = name.strip_suffix(".ckpt")?.split('-');
    let (number, what, digest) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, len, allowed: fn(&u8) -> bool| part.len() >= len && part.bytes().all(|byte| allowed(&byte));
    let well = digits(number, 8, u8::is_ascii_digit)
        && matches!(what, "full" | "delta")
        && digest.len() == 8
        && digits(digest, 8, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && parts.next().is_none();
    well.then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_none() {
        let digest = Digest([0xa3; 32]);
        assert_eq!(of(12, What::Full, digest), "00000012-full-a3a3a3a3.ckpt");
        assert_eq!(of(123_456_789, What::Delta { base: digest }, digest), "123456789-delta-a3a3a3a3.ckpt");
        assert_eq!(number("00000012-full-a3a3a3a3.ckpt"), Some(12));
        assert_eq!(number("123456789-delta-a3a3a3a3.ckpt"), Some(123_456_789));
        for other in
            ["LOCK", "12-full-a3a3a3a3.ckpt", "00000012-half-a3a3a3a3.ckpt", "00000012-full-A3a3a3a3.ckpt", "00000012-full-a3.ckpt"]
        {
            assert_eq!(number(other), None, "{other}");
        }
        assert_eq!(number("00000012-full-a3a3a3a3-1.ckpt"), None);
        assert_eq!(number("99999999999999999999-full-a3a3a3a3.ckpt"), None, "beyond 64 bits");
    }
}
