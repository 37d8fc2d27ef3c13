//! What README says is missing, against the table of coverage.

use std::fs;
use std::path::Path;

use crate::source::ROOT;

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
