//! Every path that a Markdown file names exists.
//!
//! A path is what stands in backticks or as the target of a link, and the first word of a line in a
//! code block that ends with `/` (a map of folders). It is relative to the folder of the Markdown
//! file, to the `src` of that folder or to the root. A bare file name (`layers.rs`) must be the name of a file below that folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::ROOT;

/// Paths that do not exist, by Markdown file, each with the reason. A path that exists, or that its
/// file no longer names, must leave this list.
const MISSING: &[(&str, &str, &str)] = &[];

/// Endings by which a word is a file's name, whatever its first folder.
const ENDINGS: &[&str] = &[".rs", ".md"];

/// Every path named in `text`, in order.
fn named(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            words.extend(line.split_whitespace().next().filter(|word| word.ends_with('/')));
        } else {
            words.extend(line.split('`').skip(1).step_by(2));
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            words.extend(targets.filter_map(|target| target.split('#').next()));
        }
    }
    words.into_iter().filter(|word| is_plain(word)).map(without_line).collect()
}

/// Whether a word is made of path characters alone: no blank, placeholder, pattern or address.
fn is_plain(word: &str) -> bool {
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:".contains(&byte);
    !word.is_empty()
        && word.bytes().all(is_path)
        && !word.starts_with('/')
        && !word.contains("::")
        && !word.contains("//")
}

/// `src/ring.rs:60-215` names `src/ring.rs`.
fn without_line(word: &str) -> String {
    word.split(':').next().unwrap_or(word).to_owned()
}

/// Whether a word that looks like a path is missing, read in the folder of its Markdown file.
fn is_missing(root: &Path, folder: &Path, word: &str) -> bool {
    let has_ending = ENDINGS.iter().any(|ending| word.ends_with(ending));
    let Some((first, _)) = word.split_once('/') else {
        return has_ending && !holds(folder, word);
    };
    let bases = [folder.to_owned(), folder.join("src"), root.to_owned()];
    // A media type or a choice (`on/off`) begins with no folder of this repository.
    let is_path = has_ending || bases.iter().any(|base| base.join(first).is_dir());
    // What is built is not there yet.
    is_path && first != "target" && !bases.iter().any(|base| base.join(word).exists())
}

/// Whether a file of that name lies in `folder` or below it.
fn holds(folder: &Path, name: &str) -> bool {
    entries(folder)
        .iter()
        .any(|path| if path.is_dir() { holds(path, name) } else { path.ends_with(name) })
}

/// Files and folders of the project in `folder`: no hidden ones, none that a build makes.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.starts_with('.') && !["target", "node_modules"].contains(&name)
    });
    paths.sort();
    paths
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_path_named_in_markdown_exists() {
    let root = Path::new(ROOT);
    let mut files = Vec::new();
    markdown(root, &mut files);
    assert!(files.len() > 10, "there are READMEs below the root");
    let mut missing: Vec<(String, String)> = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("UTF-8");
        let folder = file.parent().expect("a file lies in a folder");
        let name = file.strip_prefix(root).expect("below the root").display().to_string();
        let words = named(&text).into_iter().filter(|word| is_missing(root, folder, word));
        missing.extend(words.map(|word| (name.clone(), word)));
    }
    let is_known = |(file, path): &&(String, String)| {
        MISSING.iter().any(|(known, word, _)| known == file && word == path)
    };
    let new: Vec<_> = missing.iter().filter(|pair| !is_known(pair)).collect();
    assert!(new.is_empty(), "these files name paths that do not exist: {new:#?}");
    for (file, path, reason) in MISSING {
        let pair = ((*file).to_owned(), (*path).to_owned());
        assert!(
            missing.contains(&pair),
            "{file} no longer misses `{path}` ({reason}): take it off"
        );
    }
}

#[test]
fn paths_are_read_from_backticks_links_and_maps_of_folders() {
    let text = "Read `src/a.rs`, [the map](../MAP.md#here) and `ring.rs:3-9`.\n\
                Not `a::b`, `cargo run`, `<name>.rs`, `/healthz`, [a page](https://example.com/a.md).\n\
                ```\nmedia/io/   shells\nlet x = 1;\n```\n`after.rs`";
    assert_eq!(named(text), ["src/a.rs", "ring.rs", "../MAP.md", "media/io/", "after.rs"]);
}

#[test]
fn a_path_is_looked_for_beside_its_file_and_at_the_root() {
    let root = Path::new(ROOT);
    let folder = root.join("bench/tidy");
    let is_missing = |word| is_missing(root, &folder, word);
    assert!(!is_missing("src/../src/lib.rs") && !is_missing("../src/lib.rs"));
    assert!(!is_missing("src/paths.rs") && !is_missing("bench/tidy/src/paths.rs"));
    assert!(!is_missing("paths.rs") && !is_missing("audio/wav") && !is_missing("target/release/x"));
    assert!(
        is_missing("src/nothing.rs") && is_missing("bench/nothing") && is_missing("nothing.rs")
    );
}
