//! The BPF programs of `media/io/bpf` as Rust tables: compiles the C source and writes the instruction words.
//!
//! `cargo run -p tidy -- bpf` (or `make bpf`) needs clang 14 and writes `media/io/src/kernel/program/`. The build
//! of the gateway reads those files alone. The tests compile again and compare where clang 14 is
//! installed, and on every machine they compare the hashes of the sources and of the words.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::elf::{self, Relocation};

/// Folder of the C source, relative to the root.
const SOURCES: &str = "media/io/bpf";
/// Folder of the tables, relative to the root.
const TABLES: &str = "media/io/src/kernel/program";
/// Section of the object that holds the program.
const SECTION: &str = "relay";
/// The compiler that makes the committed words; another version makes other ones.
pub const CLANG: &str = "clang-14";

const FLAGS: &[&str] = &[
    "-target",
    "bpfel",
    "-mcpu=v3",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
    "-nostdinc",
    "-ffreestanding",
    "-c",
    "relay.c",
];

/// One program: the file of its table, its name and the macro that chooses the hook.
struct Form {
    file: &'static str,
    name: &'static str,
    says: &'static str,
    defines: &'static [&'static str],
}

const FORMS: &[Form] = &[
    Form { file: "tc.rs", name: "TC", says: "for the tc hook", defines: &[] },
    Form { file: "xdp.rs", name: "XDP", says: "for the XDP hook", defines: &["-DXDP"] },
];

/// Compiles the programs and writes their tables.
///
/// # Errors
/// When clang 14 is missing or refuses, or a file cannot be written.
pub fn write(root: &Path) -> io::Result<()> {
    for form in FORMS {
        let text = table(root, form)?;
        fs::write(root.join(TABLES).join(form.file), text)?;
    }
    Ok(())
}

/// SHA-256 of all C files, in the order of their names.
fn digest_of_sources(root: &Path) -> io::Result<String> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(root.join(SOURCES))? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "c" || ending == "h"));
    paths.sort();
    let mut hash = Sha256::new();
    for path in paths {
        hash.update(fs::read(path)?);
    }
    Ok(hex(&hash.finalize()))
}

fn table(root: &Path, form: &Form) -> io::Result<String> {
    let object = compile(root, form)?;
    let section = elf::section(&object, SECTION)
        .ok_or_else(|| io::Error::other("the object has no such section"))?;
    let words: Vec<u64> =
        section.bytes.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    Ok(render(form, &digest_of_sources(root)?, &words, &section.relocations))
}

/// The object file. Compiled inside the folder, so that no path gets into it.
fn compile(root: &Path, form: &Form) -> io::Result<Vec<u8>> {
    let out = std::env::temp_dir().join(format!("relay-{}-{}.o", form.name, std::process::id()));
    let mut command = Command::new(CLANG);
    command.current_dir(root.join(SOURCES)).args(form.defines).args(FLAGS).arg("-o").arg(&out);
    let output = command.output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let object = fs::read(&out)?;
    fs::remove_file(&out)?;
    Ok(object)
}

fn render(form: &Form, sources: &str, words: &[u64], relocations: &[Relocation]) -> String {
    let mut text = format!(
        "//! The BPF program {}, made by `make bpf` from `media/io/bpf/relay.c`. Do not edit.\n//!\n\
         //! SHA-256 of the C sources: {sources}\n\
         //! SHA-256 of the words, as little-endian bytes: {}\n\n\
         use super::super::image::{{Image, Target}};\n\n\
         pub(in super::super) static {}: Image = Image {{\n    #[rustfmt::skip]\n    words: &[\n",
        form.says,
        digest_of_words(words),
        form.name,
    );
    for line in words.chunks(WORDS_A_LINE) {
        let line: Vec<String> = line.iter().map(|word| format!("0x{word:016x}")).collect();
        let _ = writeln!(text, "        {},", line.join(", "));
    }
    text.push_str("    ],\n    relocations: &[\n");
    for Relocation { word, symbol } in relocations {
        let _ = writeln!(text, "        ({word}, Target::{}),", target(symbol));
    }
    text.push_str("    ],\n};\n");
    text
}

/// The variant of `Target` for a map of `entry.h`.
fn target(symbol: &str) -> &'static str {
    match symbol {
        "entries" => "Entries",
        "settings" => "Settings",
        "interfaces" => "Interfaces",
        other => panic!("relay.c names `{other}`, which is no map"),
    }
}

fn digest_of_words(words: &[u64]) -> String {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.to_le_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const WORDS_A_LINE: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::ROOT;

    fn committed(form: &Form) -> String {
        let path = Path::new(ROOT).join(TABLES).join(form.file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The words of a committed table.
    fn words(text: &str) -> Vec<u64> {
        let (_, rest) = text.split_once("words: &[").expect("a table");
        let (list, _) = rest.split_once(']').expect("its end");
        let numbers = list.split(',').map(str::trim).filter(|number| !number.is_empty());
        numbers.map(|n| u64::from_str_radix(&n[2..], 16).expect("a word")).collect()
    }

    #[test]
    fn each_table_holds_its_own_hash_and_that_of_the_sources() {
        let sources = digest_of_sources(Path::new(ROOT)).expect("readable");
        for form in FORMS {
            let text = committed(form);
            let words = words(&text);
            assert!(words.len() > 500, "{}: {} words", form.file, words.len());
            assert!(
                text.contains(&digest_of_words(&words)),
                "{}: a word was changed by hand",
                form.file
            );
            assert!(text.contains(&sources), "{}: the C sources changed: make bpf", form.file);
        }
    }

    #[test]
    fn the_compiler_makes_the_committed_tables() {
        for form in FORMS {
            match table(Path::new(ROOT), form) {
                Ok(made) => assert!(made == committed(form), "{} is stale: make bpf", form.file),
                // Without the compiler the hashes above are all that can be checked.
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}"),
            }
        }
    }
}
