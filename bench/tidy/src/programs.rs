//! The programs that tests and benches run against those that `bench/clients/install` brings.
//!
//! A program that happens to be on every developer's machine is missing on a bare one. The sources are
//! searched for three shapes: `Command::new("NAME")`, a program that another runs for it
//! (`"timeout", "30", "NAME"`), and a script for a shell (`"NAME … && …"`). Names that only exist at run
//! time escape the search; those are paths of programs that cargo or the installer made.

use std::collections::BTreeSet;

use super::tree::sources;
use crate::source::ROOT;

/// On every machine where `.ci/run` gets as far as the tests: Debian's essential packages (coreutils, dash,
/// util-linux, dpkg, apt) and Rust.
const ALWAYS_THERE: &[&str] = &[
    "apt-get",
    "cat",
    "chrt",
    "dpkg-query",
    "nsenter",
    "rustc",
    "setpriv",
    "sh",
    "stdbuf",
    "timeout",
    "true",
    "unshare",
];

/// Installed by the bench that runs them, where it may; no test needs them.
const INSTALLED_BY_BENCHES: &[&str] = &["rtpengine"];

/// Words of a shell itself.
const BUILTINS: &[&str] = &["cd", "exec", "exit", "export", "set", "ulimit"];

/// Programs that run the program that their arguments name.
const RUNNERS: &[&str] = &["chrt", "env", "nice", "stdbuf", "strace", "timeout", "unshare"];

/// What begins a program by its name.
const STARTERS: &[&str] = &["Command::new(", "first_line("];

/// A string literal of a source, with what stands before it, back to the literal before.
struct Literal<'s> {
    before: &'s str,
    text: &'s str,
}

/// Every plain string literal; comments, raw strings and characters are stepped over.
fn literals(source: &str) -> Vec<Literal<'_>> {
    let mut found = Vec::new();
    let (mut at, mut since) = (0, 0);
    while let Some(rest) = source.get(at..) {
        let Some(next) = rest.find(['"', '/', '\'']) else { break };
        let begin = at + next;
        let rest = &source[begin..];
        at = begin
            + if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("'\"'") || rest.starts_with("'/'") {
                3
            } else if let Some(inside) = rest.strip_prefix('"') {
                let length = length_of(inside);
                let text = &inside[..length];
                found.push(Literal { before: &source[since..begin], text });
                since = (begin + length + 2).min(source.len());
                length + 2
            } else {
                1
            };
    }
    found
}

/// Bytes up to the quote that ends a literal.
fn length_of(inside: &str) -> usize {
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(inside.len())
}

/// The programs that a source names, each by its file name.
fn programs(source: &str) -> BTreeSet<String> {
    let literals = literals(source);
    let mut found = BTreeSet::new();
    for (index, literal) in literals.iter().enumerate() {
        if STARTERS.iter().any(|starter| literal.before.trim_end().ends_with(starter)) {
            found.insert(literal.text);
        }
        if RUNNERS.contains(&literal.text) {
            found.insert(literal.text);
            found.extend(program_run_by(&literals[index + 1..]));
        }
        if is_script(literal.text) {
            found.extend(commands(literal.text));
        }
    }
    found.into_iter().map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect()
}

/// The first argument that is a word, as long as all arguments are literals.
fn program_run_by<'s>(arguments: &[Literal<'s>]) -> Option<&'s str> {
    let is_next = |argument: &&Literal<'_>| {
        let between = argument.before.replace(".args", "").replace(".arg", "");
        between.chars().all(|c| c.is_whitespace() || ",()[]&.".contains(c))
    };
    let words = arguments.iter().take_while(is_next).flat_map(|literal| literal.text.split(' '));
    let is_program = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_lowercase()) && !word.contains(['=', ':'])
    };
    words.into_iter().find(is_program)
}

/// Whether a text is for a shell: it passes its arguments on.
fn is_script(text: &str) -> bool {
    text.contains("exec \\\"$0\\\"") || text.contains("&& ") && !text.contains(['{', '<'])
}

fn commands(script: &str) -> impl Iterator<Item = &str> {
    let commands = script.split("&&").flat_map(|part| part.split(['|', ';']));
    let first = commands.filter_map(|command| command.split_whitespace().next());
    first.filter(|word| !BUILTINS.contains(word))
}

/// The names after `need` in the installer.
fn installed() -> BTreeSet<String> {
    let path = std::path::Path::new(ROOT).join("bench/clients/install");
    let script = std::fs::read_to_string(path).expect("the installer");
    let needed = script.lines().filter_map(|line| line.strip_prefix("need "));
    needed.filter_map(|rest| rest.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn whatever_tests_and_benches_run_is_installed_by_their_installer() {
    let installed = installed();
    let has = |name: &str| {
        installed.contains(name)
            || ALWAYS_THERE.contains(&name)
            || INSTALLED_BY_BENCHES.contains(&name)
    };
    let mut count = 0;
    for (file, source) in sources(&["shared", "signaling", "media", "bench"]) {
        if file.starts_with("bench/tidy") {
            continue;
        }
        for program in programs(&source) {
            count += 1;
            assert!(
                has(&program),
                "{file} runs `{program}`: add `need {program} PACKAGE` to bench/clients/install"
            );
        }
    }
    assert!(count > 20, "programs are started in another way now: mend STARTERS ({count} found)");
}

#[test]
fn a_program_is_found_wherever_its_name_stands() {
    let source = r#"
        // Command::new("comment")
        Command::new("/usr/sbin/one").arg("x");
        Command::new(
            "two",
        );
        command.args(["timeout", "30", "--signal=INT", "three", "four"]);
        Command::new("strace").args(["-p", &thread, "five"]);
        run(&["unshare", "-n", "sh", "-c", "six up && exec \"$0\" \"$@\""]);
        say("this && that is no {command}");
    "#;
    let found = programs(source);
    let expected = ["one", "sh", "six", "strace", "three", "timeout", "two", "unshare"];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
