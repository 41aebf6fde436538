//! What rustc has made, looked through before the driver sees it.

/// What the engine offers; everything else must be in the PTX.
const ENGINE: [&str; 7] =
    ["resident_emit", "resident_send", "resident_lookup", "resident_spawn", "resident_job_room", "resident_job", "resident_panic"];

/// What the engine and the host look for.
const ENTRIES: [&str; 6] =
    ["resident_kind", "resident_kind_one", "resident_kind_of", "resident_kind_width", "resident_hlc_merge", "RESIDENT_MODULE"];

/// The PTX version of CUDA 12.4, the oldest driver that we support.
const NEWEST: (u32, u32) = (8, 4);

/// `text`, if it is a module that the engine can be linked to.
pub fn checked(text: &str) -> Result<String, String> {
    let version = version(text).ok_or("rustc has made no PTX: its assembly has no `.version`.")?;
    if version > NEWEST {
        return Err(format!(
            "rustc has made PTX of version {}.{}, and drivers of CUDA 12.4 read {}.{} at most: use another toolchain, see RESIDENT_NVPTX.",
            version.0, version.1, NEWEST.0, NEWEST.1
        ));
    }
    if let Some(entry) = ENTRIES.iter().find(|entry| !text.contains(&format!(" {entry}"))) {
        return Err(format!(
            "The crate's GPU code has no `{entry}`: put `resident_kernels::export!(..)` into its lib.rs, naming its actors."
        ));
    }
    let unknown: Vec<_> = externals(text).filter(|name| !ENGINE.contains(name)).collect();
    if !unknown.is_empty() {
        return Err(format!(
            "The crate's GPU code calls functions that are not there: {}. A handler can call what is in Rust's `core`, in this crate and \
             in crates that are `no_std`.",
            unknown.join(", ")
        ));
    }
    Ok(text.to_owned())
}

fn version(text: &str) -> Option<(u32, u32)> {
    let line = text.lines().find_map(|line| line.strip_prefix(".version "))?;
    let (major, minor) = line.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Names of functions and variables that are declared `.extern`.
fn externals(text: &str) -> impl Iterator<Item = &str> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?.trim_start();
            if !line.starts_with(".extern ") {
                continue;
            }
            // `.extern .func (.param .b32 r) name`, the name followed by its parameters; or `.extern .global .b8 name[]`.
            let rest = line.rsplit(')').next().filter(|rest| !rest.trim().is_empty()).unwrap_or(line);
            let name = rest.split_whitespace().last()?;
            return Some(name.trim_end_matches(['(', ';', ' ']).split('[').next().unwrap_or(name));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
//
.version 7.0
.target sm_80
.address_size 64

.extern .func resident_emit
(
\t.param .b64 resident_emit_param_0
)
;
.extern .func  (.param .b32 retval) resident_panic
(
)
;
.visible .func  (.param .b32 func_retval0) resident_kind(
.visible .func  (.param .b64 func_retval0) resident_kind_one(
.visible .func  (.param .b32 func_retval0) resident_kind_of(
.visible .func  (.param .b32 func_retval0) resident_kind_width(
.visible .func  (.param .b64 func_retval0) resident_hlc_tick(
.visible .func  (.param .b64 func_retval0) resident_hlc_merge(
.visible .global .align 8 .b8 RESIDENT_MODULE[40] = {1};
";

    #[test]
    fn a_module_of_ours_is_good() {
        assert_eq!(checked(GOOD).unwrap(), GOOD);
    }

    #[test]
    fn unknown_functions_are_named() {
        let bad = format!("{GOOD}.extern .func  (.param .b32 retval) malloc\n(\n)\n;\n.extern .global .align 4 .b8 table[];\n");
        let error = checked(&bad).unwrap_err();
        assert!(error.contains("malloc, table."), "{error}");
    }

    #[test]
    fn a_crate_without_export_is_told_to() {
        let error = checked(&GOOD.replace("RESIDENT_MODULE", "OTHER")).unwrap_err();
        assert!(error.contains("export!"), "{error}");
    }

    #[test]
    fn ptx_for_newer_drivers_is_refused() {
        let error = checked(&GOOD.replace("7.0", "8.5")).unwrap_err();
        assert!(error.contains("8.5") && error.contains("8.4"), "{error}");
    }
}
