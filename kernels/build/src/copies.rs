//! Copies by words. LLVM makes a loop of single bytes of every longer copy on this target (its `createMemCpyLoopKnownSize` asks the target
//! for a type, and NVPTX names none), in which each load waits for the store before it. The loops are always the same seven instructions, and
//! are found by them.

use std::fmt::Write;

/// Words that are read before the first of them is written.
const AT_ONCE: u64 = 4;

/// `text` with its loops of single bytes widened: where both ends are aligned, and not so close that a byte written would be read again,
/// they take four words a turn. Else they do what they did.
pub fn widened(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let (mut at, mut body) = (0, 0..0);
    while at < lines.len() {
        if lines[at] == "{" {
            body = at..lines[at..].iter().position(|line| *line == "}").map_or(lines.len(), |end| at + end);
        }
        match lines
            .get(at..at + LENGTH)
            .and_then(Loop::of)
            .filter(|found| found.is_apart(&lines[body.start..at], &lines[at + LENGTH..body.end.max(at + LENGTH)]))
        {
            Some(found) => {
                // Writing to a string does not fail.
                let _ = found.write(&mut out, &lines[at + 1..at + LENGTH]);
                at += LENGTH;
            }
            None => {
                out.push_str(lines[at]);
                out.push('\n');
                at += 1;
            }
        }
    }
    out
}

/// Lines of a loop, its label among them.
const LENGTH: usize = 8;

/// A loop that copies bytes from one place to another.
struct Loop<'t> {
    label: &'t str,
    index: &'t str,
    /// How many bytes.
    end: u64,
    from: End<'t>,
    to: End<'t>,
    /// What it writes and nobody else is to read.
    own: [&'t str; 4],
}

/// One end of it: the instruction up to its type, the register and the offset where it begins.
struct End<'t> {
    access: &'t str,
    base: &'t str,
    offset: i64,
}

impl<'t> Loop<'t> {
    fn of(lines: &[&'t str]) -> Option<Loop<'t>> {
        let &[label, source, load, destination, store, step, test, back] = lines else { return None };
        let label = label.strip_suffix(':').filter(|label| label.starts_with('$'))?;
        let [address, base, index] = operands(source, "add.s64")?;
        let (access, [value, place]) = byte(load, "ld")?;
        let from = End { access, base, offset: offset(place, address)? };
        let [other, base, same] = operands(destination, "add.s64")?;
        let (access, [place, written]) = byte(store, "st")?;
        let to = End { access, base, offset: offset(place, other)? };
        let [next, now, one] = operands(step, "add.s64")?;
        let [more, counted, end] = operands(test, "setp.lt.u64")?;
        let end = end.parse().ok()?;
        let begins = back.trim_start().strip_prefix('@')?.strip_prefix(more)?.trim_start().strip_prefix("bra")?;
        let is_loop = begins.trim().strip_suffix(';')?.trim() == label && one == "1";
        let is_one = is_loop && [same, next, now, counted] == [index; 4] && written == value;
        is_one.then_some(Loop { label, index, end, from, to, own: [address, value, other, more] })
    }

    /// Whether nobody else reads what it writes but for the index.
    fn is_apart(&self, before: &[&str], behind: &[&str]) -> bool {
        let names = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '%' && c != '_').any(|name| self.own.contains(&name));
        !before.iter().chain(behind).any(|line| names(line))
    }

    fn write(&self, out: &mut String, bytes: &[&str]) -> std::fmt::Result {
        let Loop { label, index, end, from, to, .. } = self;
        let sizes: Vec<u64> = [8, 4].into_iter().filter(|size| end % size == 0).collect();
        writeln!(out, "{label}:")?;
        writeln!(out, "\t{{ // {end} bytes, by words where both ends allow it")?;
        writeln!(out, "\t.reg .pred \t%wide_p;")?;
        writeln!(out, "\t.reg .b64 \t%wide_a, %wide_b, %wide_t;")?;
        writeln!(out, "\tadd.s64 \t%wide_a, {}, {};", from.base, from.offset)?;
        writeln!(out, "\tadd.s64 \t%wide_b, {}, {};", to.base, to.offset)?;
        writeln!(out, "\tsetp.ne.u64 \t%wide_p, {index}, 0;")?;
        writeln!(out, "\t@%wide_p bra \t{label}_bytes;")?;
        writeln!(out, "\tsub.s64 \t%wide_t, %wide_b, %wide_a;")?;
        writeln!(out, "\tsetp.lt.u64 \t%wide_p, %wide_t, {};", 8 * AT_ONCE)?;
        writeln!(out, "\t@%wide_p bra \t{label}_bytes;")?;
        for size in &sizes {
            writeln!(out, "\tor.b64 \t%wide_t, %wide_a, %wide_b;")?;
            writeln!(out, "\tand.b64 \t%wide_t, %wide_t, {};", size - 1)?;
            writeln!(out, "\tsetp.eq.u64 \t%wide_p, %wide_t, 0;")?;
            writeln!(out, "\t@%wide_p bra \t{label}_by{size};")?;
        }
        writeln!(out, "{label}_bytes:")?;
        writeln!(out, "\t.pragma \"nounroll\";")?;
        for line in &bytes[..LENGTH - 2] {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "\t@{} bra \t{label}_bytes;", self.own[3])?;
        writeln!(out, "\tbra.uni \t{label}_done;")?;
        for size in sizes {
            self.write_words(out, size)?;
        }
        writeln!(out, "{label}_done:")?;
        writeln!(out, "\t}}")
    }

    fn write_words(&self, out: &mut String, size: u64) -> std::fmt::Result {
        let Loop { label, index, end, from, to, .. } = self;
        let bits = 8 * size;
        let turn = size * AT_ONCE;
        let whole = end - end % turn;
        let some = |out: &mut String, count: u64| {
            for word in 0..count {
                writeln!(out, "\t{}.b{bits} \t%wide{bits}_{word}, [%wide_a+{}];", from.access, word * size)?;
            }
            for word in 0..count {
                writeln!(out, "\t{}.b{bits} \t[%wide_b+{}], %wide{bits}_{word};", to.access, word * size)?;
            }
            std::fmt::Result::Ok(())
        };
        writeln!(out, "{label}_by{size}:")?;
        writeln!(out, "\t{{")?;
        writeln!(out, "\t.reg .b{bits} \t%wide{bits}_<{AT_ONCE}>;")?;
        if whole > 0 {
            writeln!(out, "{label}_turn{size}:")?;
            some(out, AT_ONCE)?;
            writeln!(out, "\tadd.s64 \t%wide_a, %wide_a, {turn};")?;
            writeln!(out, "\tadd.s64 \t%wide_b, %wide_b, {turn};")?;
            writeln!(out, "\tadd.s64 \t{index}, {index}, {turn};")?;
            writeln!(out, "\tsetp.lt.u64 \t%wide_p, {index}, {whole};")?;
            writeln!(out, "\t@%wide_p bra \t{label}_turn{size};")?;
        }
        some(out, (end - whole) / size)?;
        writeln!(out, "\tmov.b64 \t{index}, {end};")?;
        writeln!(out, "\t}}")?;
        writeln!(out, "\tbra.uni \t{label}_done;")
    }
}

/// The operands of an instruction, if it is this one.
fn operands<'t, const N: usize>(line: &'t str, instruction: &str) -> Option<[&'t str; N]> {
    let operands = line.trim_start().strip_prefix(instruction)?.trim().strip_suffix(';')?;
    let all: Vec<&str> = operands.split(',').map(str::trim).collect();
    all.try_into().ok()
}

/// An access to one byte, in whichever state space: the instruction without its type, and its operands.
fn byte<'t>(line: &'t str, access: &str) -> Option<(&'t str, [&'t str; 2])> {
    let line = line.trim_start();
    let (instruction, _) = line.split_once(char::is_whitespace)?;
    let access = [".b8", ".u8"].iter().find_map(|ty| instruction.strip_suffix(ty)).filter(|found| {
        let space = found.strip_prefix(access);
        space.is_some_and(|space| ["", ".global", ".global.nc", ".local", ".shared"].contains(&space))
    })?;
    Some((access, operands(line, instruction)?))
}

/// The offset of `[address+offset]`.
fn offset(place: &str, address: &str) -> Option<i64> {
    let inside = place.strip_prefix('[')?.strip_suffix(']')?.strip_prefix(address)?;
    if inside.is_empty() {
        Some(0)
    } else {
        inside.strip_prefix('+').unwrap_or(inside).parse().ok().filter(|_| inside.starts_with(['+', '-']))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn function(end: u64, load: &str, store: &str, to_offset: &str) -> String {
        format!(
            ".visible .func f()
{{
\t.reg .pred \t%p<2>;
\tmov.b64 \t%rd5, 0;
$L__BB0_1:
\tadd.s64 \t%rd3, %rd1, %rd5;
\t{load}.b8 \t%rs1, [%rd3];
\tadd.s64 \t%rd4, %rd2, %rd5;
\t{store}.b8 \t[%rd4{to_offset}], %rs1;
\tadd.s64 \t%rd5, %rd5, 1;
\tsetp.lt.u64 \t%p1, %rd5, {end};
\t@%p1 bra \t$L__BB0_1;
\tret;
}}
"
        )
    }

    /// Carries out the function's instructions, as far as there are such in here; `%rd1` and `%rd2` are where the copy goes from and to.
    /// How many bytes it has read at once at most, and what `%rd5` is in the end.
    fn run(text: &str, memory: &mut [u8], from: u64, to: u64) -> (u64, u64) {
        let lines: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap().trim()).collect();
        let labels: HashMap<&str, usize> = lines.iter().enumerate().filter_map(|(at, line)| Some((line.strip_suffix(':')?, at))).collect();
        let mut registers = HashMap::from([("%rd1".to_owned(), from), ("%rd2".to_owned(), to)]);
        let (mut at, mut widest) = (0, 0);
        for _ in 0..100_000 {
            let (guard, line) = match lines[at].strip_prefix('@') {
                Some(line) => line.split_once(' ').unwrap(),
                None => ("", lines[at]),
            };
            at += 1;
            let skips = line.is_empty() || line.ends_with(':') || line.starts_with(['.', '{', '}']);
            if skips || !guard.is_empty() && registers[guard] == 0 {
                continue;
            }
            let (instruction, rest) = line.trim_end_matches(';').split_once(char::is_whitespace).unwrap_or((line, ""));
            let operands: Vec<&str> = rest.split(',').map(str::trim).collect();
            let value = |operand: &str| operand.parse::<i64>().map(|value| value as u64).unwrap_or_else(|_| registers[operand]);
            let place = |operand: &str| {
                let inside = operand.trim_matches(['[', ']']);
                let (base, offset) = inside.split_once('+').unwrap_or((inside, "0"));
                registers[base].wrapping_add(offset.parse::<i64>().unwrap() as u64) as usize
            };
            let width = || instruction.rsplit(".b").next().unwrap().parse::<usize>().unwrap() / 8;
            let result = match instruction.split('.').collect::<Vec<_>>()[..] {
                ["ret;"] => return (widest, registers["%rd5"]),
                ["bra", ..] => {
                    at = labels[operands[0]];
                    continue;
                }
                ["st", ..] => {
                    let (place, bytes) = (place(operands[0]), value(operands[1]).to_le_bytes());
                    assert!(place.is_multiple_of(width()), "{line} to {place}");
                    memory[place..][..width()].copy_from_slice(&bytes[..width()]);
                    continue;
                }
                ["ld", ..] => {
                    let (place, mut bytes) = (place(operands[1]), [0; 8]);
                    assert!(place.is_multiple_of(width()), "{line} from {place}");
                    widest = widest.max(width() as u64);
                    bytes[..width()].copy_from_slice(&memory[place..][..width()]);
                    u64::from_le_bytes(bytes)
                }
                ["mov", _] => value(operands[1]),
                ["add", _] => value(operands[1]).wrapping_add(value(operands[2])),
                ["sub", _] => value(operands[1]).wrapping_sub(value(operands[2])),
                ["or", _] => value(operands[1]) | value(operands[2]),
                ["and", _] => value(operands[1]) & value(operands[2]),
                ["setp", "eq", _] => u64::from(value(operands[1]) == value(operands[2])),
                ["setp", "ne", _] => u64::from(value(operands[1]) != value(operands[2])),
                ["setp", "lt", "u64"] => u64::from(value(operands[1]) < value(operands[2])),
                _ => panic!("{line}"),
            };
            registers.insert(operands[0].to_owned(), result);
        }
        panic!("it does not end: {text}");
    }

    #[test]
    fn the_same_bytes_wherever_they_are_and_as_wide_as_can_be() {
        for end in [96, 100, 128, 132, 150, 151, 256, 264, 952] {
            for (load, store) in [("ld", "st"), ("ld.local", "st.global"), ("ld.global.nc", "st.local")] {
                let narrow = function(end, load, store, "+8");
                let wide = widened(&narrow);
                assert_eq!(wide.contains("_by4"), end % 4 == 0);
                for (from, to) in [(0, 2048), (2048, 0), (8, 2048), (4, 2048), (4, 2052), (3, 2051), (1, 2048), (2, 2050)] {
                    let mut expected: Vec<u8> = (0..4096u32).map(|i| (i * 7 + i / 256) as u8).collect();
                    let mut memory = expected.clone();
                    assert_eq!(run(&narrow, &mut expected, from, to), (1, end));
                    let all = from | to | end;
                    let widest = [8, 4].into_iter().find(|size| all.is_multiple_of(*size)).unwrap_or(1);
                    assert_eq!(run(&wide, &mut memory, from, to), (widest, end), "{end} from {from} to {to}");
                    assert!(memory == expected, "{end} from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn a_loop_that_reads_what_it_has_written_still_does() {
        for end in [128, 132, 256] {
            for distance in -64i64..=64 {
                let narrow = function(end, "ld", "st", "");
                let mut expected: Vec<u8> = (0..1024u32).map(|i| (i * 7 + i / 256) as u8).collect();
                let mut memory = expected.clone();
                let to = 512u64.wrapping_add_signed(distance);
                run(&narrow, &mut expected, 512, to);
                run(&widened(&narrow), &mut memory, 512, to);
                assert!(memory == expected, "{end} bytes to {distance}");
            }
        }
    }

    #[test]
    fn what_is_no_such_loop_is_left_alone() {
        let narrow = function(256, "ld", "st", "");
        assert_ne!(widened(&narrow), narrow);
        let others = [
            ("ld.b8", "ld.volatile.b8"),
            ("ld.b8", "ld.relaxed.sys.b8"),
            ("ld.b8", "ld.b16"),
            ("%rd5, 1;", "%rd5, 2;"),
            ("setp.lt.u64", "setp.lt.s64"),
            ("[%rd4], %rs1", "[%rd4], %rs2"),
            ("%rd2, %rd5", "%rd2, %rd6"),
            ("%rd5, 256", "%rd5, %rd7"),
            ("bra \t$L__BB0_1", "bra \t$L__BB0_2"),
            // Somebody wants the last byte, or where it came from.
            ("\tret;", "\tmov.b16 \t%rs2, %rs1;\n\tret;"),
            ("\tret;", "\tadd.s64 \t%rd9, %rd3, 1;\n\tret;"),
        ];
        for (was, is) in others {
            let other = narrow.replace(was, is);
            assert_ne!(other, narrow, "{was}");
            assert_eq!(widened(&other), other, "{is}");
        }
        // Another function's registers are others.
        let two = format!("{narrow}{}", narrow.replace("$L__BB0", "$L__BB1"));
        assert_eq!(widened(&two).matches("_by8:").count(), 2);
    }
}
