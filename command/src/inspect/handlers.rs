//! Which functions of a crate's PTX are handlers: `resident_kernels` runs each in a function of its own, whose name has both types.

use rustc_demangle::demangle;

/// A handler's types.
#[derive(Debug, PartialEq)]
pub(crate) struct Name {
    pub actor: String,
    pub message: String,
}

/// The generic function that runs a handler for several messages, up to its types. The one for a message that is alone needs no more.
const RUNS: &str = "resident_kernels::dispatch::handle_run::<";

/// Those of `symbols` that are handlers, with their types.
pub(crate) fn of<'s>(symbols: impl IntoIterator<Item = &'s String>) -> Vec<(String, Name)> {
    symbols.into_iter().filter_map(|symbol| Some((symbol.clone(), name(symbol)?))).collect()
}

fn name(symbol: &str) -> Option<Name> {
    let text = format!("{:#}", demangle(symbol));
    let mut types = split(text.strip_prefix(RUNS)?).into_iter().map(short);
    Some(Name { actor: types.next()?, message: types.next()? })
}

/// The parts between commas that no bracket is around.
fn split(types: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begins) = (Vec::new(), 0_i32, 0);
    for (at, letter) in types.char_indices() {
        match letter {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(types[begins..at].trim());
                begins = at + 1;
            }
            _ => {}
        }
    }
    parts.push(types[begins..].trim());
    parts
}

/// A type without its crate.
fn short(path: &str) -> String {
    path.split_once("::").map_or(path, |(_, within)| within).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rustc 1.97 has named it.
    const HANDLER: &str = "_RINvNtCsbUh063GDnmQ_16resident_kernels8dispatch10handle_runNtCskVncGPys0PB_14factory_actors5Sieve\
                           NtBS_5CountyNCNvXNvBS_s2_1__BQ_NtNtB4_5actor5Actor8dispatch0EBS_";
    const ENTRY: &str = "_RINvNtCsbUh063GDnmQ_16resident_kernels8dispatch5entryNtCskVncGPys0PB_14factory_actors5SieveEBR_";

    #[test]
    fn a_handler_is_known_by_its_name() {
        let symbols = [HANDLER, ENTRY, "memcmp", "resident_kind", ""].map(str::to_owned);
        let name = Name { actor: "Sieve".into(), message: "Count".into() };
        assert_eq!(of(&symbols), [(HANDLER.to_owned(), name)]);
    }

    #[test]
    fn types_are_told_apart() {
        assert_eq!(split("a::B<c, d>, (e, f), [g; 2]>"), ["a::B<c, d>", "(e, f)", "[g; 2]>"]);
        assert_eq!(["crate_a::room::Tower", "u64"].map(short), ["room::Tower", "u64"]);
    }
}
