//! What a cubin says of its functions. It is an ELF file, in whose section `.nv.info` stand attributes: two bytes of form and name, two
//! of length, and the number of a symbol before each value.

use std::collections::BTreeMap;

/// A function's registers and frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Function {
    pub registers: u32,
    /// Bytes of stack, without what it calls.
    pub frame: u32,
}

/// The form of attributes that have a value behind their length; all others are four bytes long.
const SIZED: u8 = 0x04;
const FRAME_SIZE: u8 = 0x11;
const REGISTERS: u8 = 0x2f;

/// The functions of a cubin, by their names.
pub(crate) fn functions(cubin: &[u8]) -> Result<BTreeMap<String, Function>, &'static str> {
    let file = Bytes(cubin);
    if !cubin.starts_with(b"\x7fELF\x02\x01") {
        return Err("it is no ELF file of 64 bits");
    }
    const CUT: &str = "it is cut short";
    let sections = Sections::of(file).ok_or(CUT)?;
    let symbols = sections.named(".symtab").ok_or("it has no symbols")?;
    let names = sections.linked(symbols).ok_or(CUT)?;
    let info = sections.named(".nv.info").ok_or("it says nothing of registers")?;
    let mut functions = BTreeMap::<String, Function>::new();
    let attributes = sections.content(info).ok_or(CUT)?;
    let mut at = 0;
    while at < attributes.0.len() {
        let (form, attribute) = (attributes.0[at], *attributes.0.get(at + 1).ok_or(CUT)?);
        if form != SIZED {
            at += 4;
            continue;
        }
        let length = usize::from(attributes.u16(at + 2).ok_or(CUT)?);
        if length == 8 && [FRAME_SIZE, REGISTERS].contains(&attribute) {
            let (symbol, value) = (attributes.u32(at + 4).ok_or(CUT)?, attributes.u32(at + 8).ok_or(CUT)?);
            let symbol = sections.content(symbols).and_then(|all| all.u32((symbol as usize).checked_mul(SYMBOL)?)).ok_or(CUT)?;
            let function = functions.entry(names.text(symbol as usize).ok_or(CUT)?).or_default();
            match attribute {
                FRAME_SIZE => function.frame = value,
                _ => function.registers = value,
            }
        }
        at += 4 + length;
    }
    Ok(functions)
}

/// Bytes of a symbol, which begins with the place of its name.
const SYMBOL: usize = 24;

/// A part of the file, of which nothing is believed.
#[derive(Clone, Copy)]
struct Bytes<'f>(&'f [u8]);

impl<'f> Bytes<'f> {
    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// A number that counts bytes.
    fn size(self, at: usize) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.array(at)?)).ok()
    }

    /// The text from here to the zero behind it.
    fn text(self, at: usize) -> Option<String> {
        let text = self.0.get(at..)?.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

/// The table of sections, and the names of these.
struct Sections<'f> {
    file: Bytes<'f>,
    table: usize,
    entry: usize,
    count: usize,
    names: Bytes<'f>,
}

/// Where a section's header begins.
type Header = usize;

/// Its bytes.
const HEADER: usize = 64;

impl<'f> Sections<'f> {
    fn of(file: Bytes<'f>) -> Option<Sections<'f>> {
        let (table, entry, count) = (file.size(40)?, file.u16(58)?.into(), file.u16(60)?.into());
        let mut sections = Sections { file, table, entry, count, names: Bytes(&[]) };
        sections.names = sections.content(sections.header(file.u16(62)?.into())?)?;
        Some(sections)
    }

    fn header(&self, index: usize) -> Option<Header> {
        let header = self.table.checked_add(index.checked_mul(self.entry)?)?;
        self.file.array::<HEADER>(header).filter(|_| index < self.count).map(|_| header)
    }

    fn named(&self, name: &str) -> Option<Header> {
        let mut headers = (0..self.count).filter_map(|index| self.header(index));
        headers.find(|header| self.file.u32(*header).and_then(|at| self.names.text(at as usize)).is_some_and(|text| text == name))
    }

    /// The section that a section's header names beside its own.
    fn linked(&self, header: Header) -> Option<Bytes<'f>> {
        self.content(self.header(self.file.u32(header + 40)? as usize)?)
    }

    fn content(&self, header: Header) -> Option<Bytes<'f>> {
        let (begins, length) = (self.file.size(header + 24)?, self.file.size(header + 32)?);
        self.file.0.get(begins..begins.checked_add(length)?).map(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with these sections: the name, its content, and the section that it names beside.
    fn elf(sections: &[(&str, Vec<u8>, u32)]) -> Vec<u8> {
        let names: Vec<u8> = sections.iter().flat_map(|(name, ..)| name.bytes().chain([0])).collect();
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let mut headers = Vec::new();
        let mut name = 0_u32;
        for (text, content, link) in sections {
            let content = if *text == ".shstrtab" { &names } else { content };
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[24..32].copy_from_slice(&(file.len() as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(content.len() as u64).to_le_bytes());
            header[40..44].copy_from_slice(&link.to_le_bytes());
            headers.extend(header);
            file.extend(content);
            name += text.len() as u32 + 1;
        }
        let table = file.len() as u64;
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[58..60].copy_from_slice(&64_u16.to_le_bytes());
        file[60..62].copy_from_slice(&(sections.len() as u16).to_le_bytes());
        file.extend(headers);
        file
    }

    fn made() -> Vec<u8> {
        let symbol = |name: u32| [&name.to_le_bytes()[..], &[0; 20]].concat();
        let attribute =
            |name: u8, symbol: u32, value: u32| [&[SIZED, name, 8, 0][..], &symbol.to_le_bytes()[..], &value.to_le_bytes()[..]].concat();
        let info = [
            attribute(REGISTERS, 1, 76),
            vec![0x03, 0x50, 0, 0],
            vec![SIZED, 0x0a, 4, 0, 1, 2, 3, 4],
            attribute(FRAME_SIZE, 1, 40),
            attribute(0x23, 1, 9),
            attribute(REGISTERS, 2, 24),
        ];
        elf(&[
            (".shstrtab", vec![], 0),
            (".strtab", b"\0one\0two\0".to_vec(), 0),
            (".symtab", [symbol(0), symbol(1), symbol(5)].concat(), 1),
            (".nv.info", info.concat(), 2),
        ])
    }

    #[test]
    fn registers_and_frames_are_read() {
        let functions = functions(&made()).unwrap();
        let wanted = [("one".to_owned(), Function { registers: 76, frame: 40 }), ("two".to_owned(), Function { registers: 24, frame: 0 })];
        assert_eq!(functions, wanted.into());
    }

    #[test]
    fn a_file_that_is_cut_or_of_another_sort_is_refused() {
        let whole = made();
        for length in 0..whole.len() {
            assert!(functions(&whole[..length]).is_err(), "cut after {length} bytes");
        }
        assert_eq!(functions(b"text"), Err("it is no ELF file of 64 bits"));
        assert_eq!(functions(&elf(&[(".shstrtab", vec![], 0)])), Err("it has no symbols"));
        // Whatever a byte is, nobody panics.
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 0xff;
            let _ = functions(&other);
        }
    }
}
