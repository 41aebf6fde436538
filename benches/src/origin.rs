//! What was measured: the engine that this program carries, and the commit that it was built from.

use resident_kernels::engine::PTX;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Hex digits of a digest that name an engine.
const DIGITS: usize = 12;

/// What the figures are of.
#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    /// The first digits of the SHA-256 of the engine's PTX, the one that is linked.
    pub engine: String,
    /// The commit; `None` if the program was not built in a clone.
    pub commit: Option<&'static str>,
    /// Whether the sources differed from that commit.
    pub changed: Option<bool>,
}

impl Origin {
    /// This program's.
    pub fn here() -> Origin {
        Origin {
            engine: digest(PTX.as_bytes()),
            commit: option_env!("RESIDENT_COMMIT"),
            changed: option_env!("RESIDENT_COMMIT_CHANGED").map(|changed| changed == "true"),
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        assert_eq!(digest(b"abc"), "ba7816bf8f01");
    }

    #[test]
    fn an_origin_names_the_engine_as_it_is_linked() {
        let origin = Origin::here();
        assert_eq!(origin.engine, digest(include_bytes!("../../kernels/cuda/engine.ptx")));
        assert_eq!(origin.commit.is_some(), origin.changed.is_some());
        assert!(origin.commit.is_none_or(|commit| commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit())), "{origin:?}");
    }
}
