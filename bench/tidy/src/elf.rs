//! As much of ELF as a BPF object needs: one section, and the symbols that its instructions name.

/// The bytes of a section and its relocations, in the order of their places.
#[derive(Debug)]
pub struct Section {
    /// The section's bytes.
    pub bytes: Vec<u8>,
    /// What the linker has to fill in.
    pub relocations: Vec<Relocation>,
}

/// An instruction that names a symbol.
#[derive(Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Index of the instruction word.
    pub word: usize,
    /// The symbol's name.
    pub symbol: String,
}

struct Header {
    name: usize,
    kind: u32,
    offset: usize,
    size: usize,
    link: usize,
    /// For relocations: the section that they belong to.
    info: usize,
}

/// A section of a 64-bit little-endian object by its name; `None` where it is not there or the file is cut off.
#[must_use]
pub fn section(object: &[u8], name: &str) -> Option<Section> {
    let headers = headers(object)?;
    let names = headers.get(usize::from(number::<2>(object, 62)? as u16))?;
    let is_named = |header: &Header| text(object, names, header.name).as_deref() == Some(name);
    let index = headers.iter().position(is_named)?;
    let bytes = content(object, headers.get(index)?)?.to_vec();
    let mut relocations = Vec::new();
    for table in headers.iter().filter(|header| header.kind == REL && header.info == index) {
        let symbols = headers.get(table.link)?;
        for entry in content(object, table)?.chunks_exact(16) {
            let symbol = (number::<8>(entry, 8)? >> 32) as usize;
            let symbol = content(object, symbols)?.get(symbol * SYMBOL_BYTES..)?;
            let name = number::<4>(symbol, 0)? as usize;
            relocations.push(Relocation {
                word: number::<8>(entry, 0)? as usize / 8,
                symbol: text(object, headers.get(symbols.link)?, name)?,
            });
        }
    }
    relocations.sort_by_key(|relocation| relocation.word);
    Some(Section { bytes, relocations })
}

fn headers(object: &[u8]) -> Option<Vec<Header>> {
    let start = number::<8>(object, 40)? as usize;
    let count = number::<2>(object, 60)? as usize;
    let read = |index: usize| {
        let at = start + index * HEADER_BYTES;
        Some(Header {
            name: number::<4>(object, at)? as usize,
            kind: number::<4>(object, at + 4)? as u32,
            offset: number::<8>(object, at + 24)? as usize,
            size: number::<8>(object, at + 32)? as usize,
            link: number::<4>(object, at + 40)? as usize,
            info: number::<4>(object, at + 44)? as usize,
        })
    };
    (0..count).map(read).collect()
}

fn content<'o>(object: &'o [u8], header: &Header) -> Option<&'o [u8]> {
    object.get(header.offset..header.offset + header.size)
}

/// The text that begins at `at` in a table of strings.
fn text(object: &[u8], table: &Header, at: usize) -> Option<String> {
    let bytes = content(object, table)?.get(at..)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..end].to_vec()).ok()
}

/// A little-endian number of `N` bytes, at most 8.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(bytes.get(at..at + N)?);
    Some(u64::from_le_bytes(wide))
}

const HEADER_BYTES: usize = 64;
const SYMBOL_BYTES: usize = 24;
/// `SHT_REL`.
const REL: u32 = 9;
