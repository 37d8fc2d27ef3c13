//! What source files of a layer must not name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clippy::has;
use crate::source::ROOT;
use crate::workspace::Workspace;

/// Sources of the layers without side effects (ARCHITECTURE.md, Layers): of packages that do without a clock.
fn sans_io() -> Vec<String> {
    let workspace = Workspace::read();
    let denied = workspace.table("denied");
    let is_pure = |name: &str| denied.get(name).is_some_and(|words| has(words, "clock"));
    let pure = workspace.packages().into_iter().filter(|package| is_pure(&package.name));
    pure.map(|package| package.folder.join("src").display().to_string()).collect()
}

const SIDE_EFFECTS: &[(&str, &str)] = &[
    ("std::time::Instant", "time is an argument (shared::Now)"),
    ("SystemTime", "time is an argument (shared::Now)"),
    ("std::net::UdpSocket", "sockets belong to shells"),
    ("std::net::TcpStream", "sockets belong to shells"),
    ("std::net::TcpListener", "sockets belong to shells"),
    ("std::thread", "threads belong to shells"),
    ("std::fs", "files belong to shells"),
    ("std::env", "settings are arguments"),
    ("std::process", "processes belong to the gateway"),
    ("thread_rng", "randomness is an argument"),
];

/// Where unsafe code may live (I3). The bindings of the voice and of the engine of functions each have no safe way to
/// one thing: a call each, in worker processes.
const UNSAFE_HOMES: &[&str] = &[
    "media/io/src",
    "media/plane/src/simd",
    "signaling/speech/src/pico.rs",
    "signaling/function-worker/src/host/bytes.rs",
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            // `cargo fuzz` builds in a folder of its own.
            if !path.ends_with("target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

pub(super) fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        rust_files(&Path::new(ROOT).join(folder), &mut found);
    }
    let root = Path::new(ROOT);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            (name, fs::read_to_string(&path).expect("UTF-8 source"))
        })
        .collect()
}

/// The lines before the unit tests, comments left out.
fn production_lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source
        .lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

const ALL: &[&str] = &["shared", "signaling", "media", "bench", "tuning"];

#[test]
fn sans_io_layers_name_no_socket_clock_thread_or_file() {
    let pure = sans_io();
    assert!(pure.len() > 5, "[workspace.metadata.denied] names the pure layers");
    let folders: Vec<&str> = pure.iter().map(String::as_str).collect();
    for (name, source) in sources(&folders) {
        for (number, line) in production_lines(&source) {
            for (banned, reason) in SIDE_EFFECTS {
                let line_number = number + 1;
                assert!(!line.contains(banned), "{name}:{line_number} names {banned}: {reason}");
            }
        }
    }
}

/// Tests that may sleep, with the reason. Every other test waits for an event, or looks again by `wait.rs`.
const SLEEPERS: &[(&str, &str)] = &[
    (
        "signaling/gateway/tests/end_to_end/wait.rs",
        "the one place that looks again, and the media clock",
    ),
    ("signaling/gateway/tests/end_to_end/connections.rs", "an application that is slow"),
    ("signaling/gateway/tests/end_to_end/registrar.rs", "a rate by the real clock"),
    ("signaling/webhook/src/tests.rs", "a server that takes 20 ms for a request"),
];

#[test]
fn tests_wait_for_events_and_do_not_sleep() {
    let is_test = |name: &str| name.contains("/tests/") || name.ends_with("tests.rs");
    let all = sources(&["shared", "signaling", "media", "bench"]);
    let sleeps =
        |source: &str| source.contains("thread::sleep(") || source.contains("time::sleep(");
    let tests = all.iter().filter(|(name, source)| is_test(name) && sleeps(source));
    let found: Vec<&str> = tests.map(|(name, _)| name.as_str()).collect();
    for name in &found {
        let is_listed = SLEEPERS.iter().any(|(home, _)| home == name);
        assert!(is_listed, "{name} sleeps: wait for an event (CONTRIBUTING.md)");
    }
    for (home, reason) in SLEEPERS {
        assert!(found.contains(home), "{home} does not sleep any more ({reason}): strike it");
    }
}

/// Folders that alone may name the driver of a database.
const DRIVER_HOMES: &[(&str, &str)] = &[("rusqlite", "signaling/database/src/sqlite/")];

#[test]
fn a_database_driver_is_named_only_in_its_folder() {
    for (name, source) in sources(&["shared", "signaling", "media"]) {
        for (driver, home) in DRIVER_HOMES {
            let is_named = source.contains(driver);
            assert!(name.starts_with(home) || !is_named, "{name} names {driver}: see {home}");
        }
    }
}

#[test]
fn unsafe_code_lives_only_where_the_design_allows() {
    for (name, source) in sources(ALL) {
        let allowed = UNSAFE_HOMES.iter().any(|home| name.starts_with(home))
            || name.contains("/tests/")
            || name.starts_with("bench/tidy");
        for (number, line) in production_lines(&source) {
            let unsafe_code =
                ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| line.contains(word));
            assert!(
                allowed || !unsafe_code,
                "{name}:{}: unsafe outside its homes (I3)",
                number + 1
            );
        }
    }
}

#[test]
fn every_source_file_says_its_role_in_its_first_line() {
    for (name, source) in sources(ALL) {
        let first = source.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!"), "{name} begins without a `//!` line (house style 16)");
    }
}

#[test]
fn every_package_has_a_readme() {
    for (name, _) in sources(ALL).iter().filter(|(name, _)| name.ends_with("/src/lib.rs")) {
        let folder = name.trim_end_matches("/src/lib.rs");
        let readme = Path::new(ROOT).join(folder).join("README.md");
        assert!(readme.exists(), "{folder} has no README.md (house style 17)");
    }
}

#[test]
fn files_stay_short_enough_to_read() {
    for (name, source) in sources(&["shared", "signaling", "media"]) {
        let lines = production_lines(&source).count();
        assert!(lines <= FILE_LINES_MAX, "{name} has {lines} lines: is there a second room in it?");
    }
}

/// Look again at 800 (house style 18); the mark is where looking again is over.
const FILE_LINES_MAX: usize = 1_000;

/// Every rule that can refuse has its line in the table that people read, and no line is left over.
#[test]
fn every_refusal_is_in_the_table_of_rules() {
    let text = fs::read_to_string(Path::new(ROOT).join("shared/src/rules.rs")).expect("the table");
    let listed: Vec<&str> = text.split("rule(").skip(1).filter_map(first_word).collect();
    let mut named: Vec<(String, String)> = Vec::new();
    for (name, source) in sources(&["signaling/sip/src", "signaling/control/src"]) {
        if name.contains("/tests") {
            continue;
        }
        let production: Vec<&str> = production_lines(&source).map(|(_, line)| line).collect();
        let production = production.join("\n");
        for constructor in REFUSING {
            let rules = production.split(constructor).skip(1).filter_map(first_word);
            named.extend(rules.map(|rule| (rule.to_owned(), name.clone())));
        }
    }
    assert!(named.len() > 40, "the constructors have other names now: mend REFUSING");
    for (rule, file) in &named {
        assert!(listed.contains(&rule.as_str()), "{file}: `{rule}` is not in shared/src/rules.rs");
    }
    let all = sources(&["signaling"]).into_iter().map(|(_, source)| source).collect::<String>();
    for rule in listed {
        assert!(all.contains(&format!("\"{rule}\"")), "`{rule}` refuses nothing any more");
    }
}

/// What makes a refusal; its first argument is the rule.
const REFUSING: &[&str] = &[
    "Refusal::new(",
    "Refusal::silent(",
    "SdpRefusal::syntax(",
    "SdpRefusal::not_acceptable(",
    "SdpRefusal::media_type(",
    "Fault::new(",
    "ParseError::new(",
    "plain(",
];

/// The first argument where it is a literal in snake case.
fn first_word(arguments: &str) -> Option<&str> {
    let word = arguments.trim_start().strip_prefix('"')?.split('"').next()?;
    let is_rule = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!word.is_empty() && word.bytes().all(is_rule)).then_some(word)
}
