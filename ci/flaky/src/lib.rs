//! What fails the first time only.

use std::{env, fs, path::Path};

/// Whether `name` has been here before, in the folder that `TRIED` names.
///
/// ```
/// assert!(tried::before("doc"), "the first time");
/// ```
///
/// ```no_run
/// tried::before("never");
/// ```
pub fn before(name: &str) -> bool {
    let file = Path::new(&env::var_os("TRIED").expect("TRIED names a folder")).join(name);
    let was = file.exists();
    fs::write(file, "").expect("a file in the folder that TRIED names");
    was
}
