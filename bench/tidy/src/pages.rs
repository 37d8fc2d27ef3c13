//! What Markdown pages say, against the tree: paths that they name, and README's list of what is missing.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder");
    for path in entries.map(|entry| entry.expect("readable").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Text between backquotes, and the first words of the lines of a code map.
fn named_paths(page: &str) -> Vec<String> {
    let mut named = Vec::new();
    let mut is_block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            named.extend(line.split_whitespace().next().filter(|word| word.ends_with('/')));
        } else {
            named.extend(line.split('`').skip(1).step_by(2));
        }
    }
    named.into_iter().filter(|text| is_path(text)).map(str::to_owned).collect()
}

/// A path of this tree: by its first folder, or by the kind of its file.
fn is_path(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    let folders = ["shared/", "signaling/", "media/", "bench/", "tuning/"];
    let kinds = [".rs", ".md", ".tsv"];
    text.bytes().all(plain)
        && !text.starts_with("target/")
        && (folders.iter().any(|folder| text.starts_with(folder))
            || kinds.iter().any(|kind| text.ends_with(kind) && text.len() > kind.len()))
}

#[test]
fn every_path_that_a_page_names_is_there() {
    let mut found = Vec::new();
    pages(Path::new(ROOT), &mut found);
    assert!(found.len() > 20, "{found:?}");
    let mut missing = Vec::new();
    for page in found {
        let folder = page.parent().expect("a page has a folder");
        let text = fs::read_to_string(&page).expect("UTF-8");
        for path in named_paths(&text) {
            let homes = [Path::new(ROOT), folder, &folder.join("src")];
            let is_below = || !path.contains('/') && has_below(folder, &path);
            if !homes.iter().any(|home| home.join(&path).exists()) && !is_below() {
                missing.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "paths that do not exist:\n{}", missing.join("\n"));
}

/// Whether a file of that name is in the folder or below: pages name files without their folders.
fn has_below(folder: &Path, name: &str) -> bool {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("readable").path()).any(|path| {
        path.ends_with(name)
            || (path.is_dir() && !path.ends_with("target") && has_below(&path, name))
    })
}

/// README lists what `signaling/contract/coverage.tsv` says is missing, word for word.
#[test]
fn the_readme_lists_what_the_table_of_coverage_says_is_missing() {
    let read = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).expect("UTF-8");
    let wanted = missing_features(&read("signaling/contract/coverage.tsv"));
    assert!(wanted.lines().count() > 20, "{wanted}");
    let readme = read("README.md");
    let listed = readme.split(BEGIN).nth(1).and_then(|rest| rest.split(END).next());
    let listed = listed.expect("README.md holds both marks").trim();
    assert!(listed == wanted.trim(), "between the marks README.md should say:\n\n{wanted}");
}

const BEGIN: &str = "<!-- from signaling/contract/coverage.tsv -->";
const END: &str = "<!-- end -->";

/// One line a feature, in the order of the table, with all that asking for it gets.
fn missing_features(table: &str) -> String {
    let mut features: Vec<(&str, Vec<String>)> = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with("# ")) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, _, state, feature] = columns[..] else { continue };
        if feature.is_empty() {
            continue;
        }
        let said = said(state);
        match features.iter_mut().find(|(known, _)| *known == feature) {
            Some((_, states)) if states.contains(&said) => {}
            Some((_, states)) => states.push(said),
            None => features.push((feature, vec![said])),
        }
    }
    let line = |(feature, states): &(&str, Vec<String>)| {
        format!("- {}: {}\n", feature.replace('<', "\\<"), states.join(", "))
    };
    features.iter().map(line).collect()
}

fn said(state: &str) -> String {
    match state.split_once(' ') {
        Some(("refused", code)) => format!("400 ({code})"),
        Some(("warned", code)) => format!("warning {code}"),
        Some(("fails", code)) => format!("error {code}"),
        _ if state == "absent" => "404 (20404)".to_owned(),
        _ => "accepted without effect".to_owned(),
    }
}
