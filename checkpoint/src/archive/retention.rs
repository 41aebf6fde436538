//! Which files may go.

use std::collections::BTreeSet;

use super::chain::Listed;

/// Names of the files that the newest `keep` points do not need, those first that others may be based on last.
///
/// A file counts by its name and header. One whose header is damaged is never among the points that are kept; it goes once it
/// is older than everything needed, and stays for inspection until then. What is newer than the newest whole point stays too.
pub(crate) fn superfluous(listed: &Listed, keep: usize) -> Vec<String> {
    let points = listed.points();
    let whole = points.iter().filter_map(|point| Some((point.number, listed.chain(point).ok()?))).take(keep).collect::<Vec<_>>();
    let Some((newest, _)) = whole.first() else { return Vec::new() };
    let needed: BTreeSet<&str> =
        whole.iter().flat_map(|(_, chain)| chain.deltas.iter().chain([&chain.full])).map(|file| file.name.as_str()).collect();
    let files = listed.files();
    let oldest = files.iter().filter(|file| needed.contains(file.name.as_str())).map(|file| file.number).min();
    let spared = |number: u64, damaged: bool| number > *newest || damaged && oldest.is_none_or(|oldest| number >= oldest);
    // Files are listed the newest first, and a base is older than what it is for.
    let superfluous = files.iter().filter(|file| !needed.contains(file.name.as_str()) && !spared(file.number, file.header.is_err()));
    superfluous.map(|file| file.name.clone()).collect()
}
