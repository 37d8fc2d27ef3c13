//! The `clippy.toml` of each package that must do without something.
//!
//! `[workspace.metadata.denied]` of the root manifest says which package does without what, in words: "clock",
//! "lock". The table here says which calls and types a word stands for, each with its reason. `cargo run -p tidy --
//! clippy` writes the files, and a test compares them, so that no file is edited by hand.
//!
//! Clippy names the reason while one types. It cannot see files and settings, so `tree.rs` looks for these.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::ROOT;
use crate::workspace::Workspace;

/// One call or type that code must not name.
struct Denied {
    /// The word in the root manifest.
    word: &'static str,
    path: &'static str,
    reason: &'static str,
}

const fn denied(word: &'static str, path: &'static str, reason: &'static str) -> Denied {
    Denied { word, path, reason }
}

const METHODS: &[Denied] = &[
    denied("clock", "std::time::Instant::now", "time is an argument: shared::Now"),
    denied("clock", "std::time::SystemTime::now", "time is an argument: shared::Now"),
    denied("thread", "std::thread::spawn", "threads belong to shells"),
    denied("thread", "std::thread::scope", "threads belong to shells"),
    denied(
        "thread",
        "std::thread::sleep",
        "a machine never waits: poll_timeout says when to call again",
    ),
    denied("thread", "std::thread::Builder::spawn", "threads belong to shells"),
    denied("socket", "std::net::UdpSocket::bind", "sockets belong to shells: bytes are arguments"),
    denied(
        "socket",
        "std::net::TcpListener::bind",
        "sockets belong to shells: bytes are arguments",
    ),
    denied(
        "socket",
        "std::net::TcpStream::connect",
        "sockets belong to shells: bytes are arguments",
    ),
    denied(
        "socket",
        "std::net::TcpStream::connect_timeout",
        "sockets belong to shells: bytes are arguments",
    ),
    denied(
        "socket",
        "std::net::ToSocketAddrs::to_socket_addrs",
        "names are resolved by the gateway",
    ),
    denied("process", "std::process::Command::new", "processes belong to the gateway"),
];

const TYPES: &[Denied] = &[
    denied("clock", "std::time::Instant", "shared::Instant, which the simulator can make"),
    denied("clock", "std::time::SystemTime", "shared::Now has Unix time"),
    denied("socket", "std::net::UdpSocket", "sockets belong to shells"),
    denied("socket", "std::net::TcpListener", "sockets belong to shells"),
    denied("socket", "std::net::TcpStream", "sockets belong to shells"),
    denied("lock", "std::sync::Mutex", "every datum has one owner thread"),
    denied("lock", "std::sync::RwLock", "every datum has one owner thread"),
    denied("lock", "std::sync::Condvar", "a machine never waits"),
];

const HEAD: &str = "\
# Written by `cargo run -p tidy -- clippy`: do not edit. [workspace.metadata.denied] of the root manifest says what
# this package does without, and bench/tidy/src/clippy.rs which calls that are.
allow-unwrap-in-tests = true
allow-expect-in-tests = true
";

/// Every `clippy.toml` that the table asks for, by its path from the root, with its text.
///
/// # Panics
/// Where the manifest names a package that does not exist, or a word that stands for nothing.
pub fn files(workspace: &Workspace) -> BTreeMap<PathBuf, String> {
    let packages = workspace.packages();
    let table = workspace.table("denied");
    let files = table.iter().map(|(name, words)| {
        let package = packages.iter().find(|package| package.name == *name);
        let package = package.unwrap_or_else(|| panic!("[workspace.metadata.denied]: no {name}"));
        (package.folder.join(NAME), file(words))
    });
    files.collect()
}

const NAME: &str = "clippy.toml";

fn file(words: &[String]) -> String {
    for word in words {
        let is_known = METHODS.iter().chain(TYPES).any(|denied| denied.word == word);
        assert!(is_known, "[workspace.metadata.denied]: `{word}` stands for nothing");
    }
    let mut text = HEAD.to_owned();
    for (key, table) in [("disallowed-methods", METHODS), ("disallowed-types", TYPES)] {
        text.push_str(key);
        text.push_str(" = [\n");
        for Denied { path, reason, .. } in table.iter().filter(|row| has(words, row.word)) {
            text.push_str(&format!("    {{ path = \"{path}\", reason = \"{reason}\" }},\n"));
        }
        text.push_str("]\n");
    }
    text
}

pub(crate) fn has(words: &[String], word: &str) -> bool {
    words.iter().any(|other| other == word)
}

/// Writes every file.
///
/// # Errors
/// Those of the file system.
pub fn write(workspace: &Workspace) -> std::io::Result<()> {
    files(workspace)
        .into_iter()
        .try_for_each(|(path, text)| fs::write(Path::new(ROOT).join(path), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clippy_toml_is_as_the_table_says() {
        let workspace = Workspace::read();
        let wanted = files(&workspace);
        for package in workspace.packages() {
            let path = package.folder.join(NAME);
            let found = fs::read_to_string(Path::new(ROOT).join(&path)).ok();
            let (found, wanted) = (found.as_ref(), wanted.get(&path));
            assert_eq!(found, wanted, "{}: `cargo run -p tidy -- clippy`", path.display());
        }
    }

    #[test]
    fn a_word_that_a_package_does_not_name_leaves_its_calls_out() {
        let text = file(&["clock".to_owned()]);
        assert!(text.contains("std::time::Instant::now") && !text.contains("std::sync"), "{text}");
    }
}
