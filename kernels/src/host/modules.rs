//! The handler crates that are linked into this program.

use linkme::distributed_slice;

use crate::actor::Kind;

/// A handler crate, as [`export!`](crate::export!) leaves it in the program.
#[derive(Debug)]
pub struct Module {
    /// The crate's name.
    pub krate: &'static str,
    /// Its kinds, in the order of `export!`: a kind's index in the crate's GPU code.
    pub kinds: &'static [&'static Kind],
    /// Its GPU code.
    pub ptx: Gpu,
}

/// A handler crate's GPU code, or why there is none.
#[derive(Debug, Clone, Copy)]
pub enum Gpu {
    /// PTX, ready to be linked to the engine.
    Ptx(&'static str),
    /// A sentence that says what to install.
    Missing(&'static str),
}

/// Every [`Module`] of this program.
#[distributed_slice]
pub static MODULES: [Module];

/// Every handler crate of this program.
pub fn modules() -> &'static [Module] {
    &MODULES
}

/// The module that exports `kind`, by its index in [`modules`], and the kind's index within it; `None` if its
/// crate does not name it in `export!`.
pub fn locate(kind: &Kind) -> Option<(usize, usize)> {
    modules().iter().enumerate().find_map(|(m, module)| {
        let k = module.kinds.iter().position(|k| k.fingerprint == kind.fingerprint)?;
        Some((m, k))
    })
}
