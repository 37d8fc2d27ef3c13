//! Every page and section that a comment cites exists.
//!
//! A citation is the name of a Markdown page in a comment, with the section numbers behind it:
//! `signaling/contract/twiml.md 2.4`, `sip.md §16.1`, `rest.md section 12`. The page is looked for
//! at the root, beside the file and among the contract's pages. A section is a heading that begins
//! with the number, a heading that is quoted (`ARCHITECTURE.md, "One packet"`), or an invariant
//! (`ARCHITECTURE.md, I4`). RFCs are cited by their own sections, which nothing here can check.

use std::fs;
use std::path::Path;

use crate::source::ROOT;
use crate::tree;

/// Where the contract's pages are, which comments name without a folder.
const CONTRACT: &str = "signaling/contract";

/// Words that announce a page outside the repository.
const OUTSIDE: &[&str] = &["design section", "design page", "limits-and-rules", "contract §"];

/// A citation in a comment that leads nowhere.
#[derive(Debug, PartialEq, Eq)]
struct Broken {
    file: String,
    line: usize,
    cited: String,
}

/// Pages with the section numbers behind them, in the order of a comment's text.
fn citations(comment: &str) -> Vec<(String, Vec<String>)> {
    let words: Vec<&str> = comment.split_whitespace().collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let page = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let page = page.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '.');
        if !is_page(page) {
            continue;
        }
        // A bracket, a full stop or a semicolon behind the page ends the citation.
        let is_open = word.ends_with(|c: char| c.is_ascii_alphanumeric() || ",`".contains(c));
        let mut sections = if is_open { sections(&words[at + 1..]) } else { Vec::new() };
        sections.extend(title(comment, page));
        found.push((page.to_owned(), sections));
    }
    found
}

fn is_page(word: &str) -> bool {
    word.strip_suffix(".md").is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/'))
}

/// The numbers at the start of `words`: `2.10, 2.12)`, `§5.1, §5.2`, `sections 1, 8 and 9`, `1 - 2`.
fn sections(words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for word in words {
        let inner = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        // `I4` is an invariant of ARCHITECTURE.md.
        let digits = inner.strip_prefix('I').unwrap_or(inner);
        let is_number =
            !digits.is_empty() && digits.split('.').all(|part| part.parse::<u16>().is_ok());
        if is_number {
            found.push(inner.to_owned());
        } else if !["section", "sections", "and", "to", "-"].contains(word) {
            break;
        }
        if word.ends_with([')', '.', ';', ':']) {
            break;
        }
    }
    found
}

/// The heading that a comment quotes behind the page: `ARCHITECTURE.md, "One packet"`.
fn title(comment: &str, page: &str) -> Option<String> {
    let (_, behind) = comment.split_once(page)?;
    let quoted = behind.trim_start_matches(['`', ',', ' ']).strip_prefix('"')?;
    quoted.split_once('"').map(|(title, _)| title.to_owned())
}

/// The text of each comment line of a source file: (line number, text behind the slashes).
fn comments(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source.lines().enumerate().filter_map(|(at, line)| {
        let line = line.trim_start();
        line.starts_with("//").then(|| (at + 1, line.trim_start_matches(['/', '!'])))
    })
}

/// The text of `page` as a file of `folder` cites it.
fn read_page(root: &Path, folder: &Path, page: &str) -> Option<String> {
    let places = [root.join(page), folder.join(page), root.join(CONTRACT).join(page)];
    places.iter().find_map(|place| fs::read_to_string(place).ok())
}

/// Whether a heading is the title or begins with the number, or an item of a list does (`- **I4** …`).
fn has_section(page: &str, section: &str) -> bool {
    let item = format!("- **{section}** ");
    page.lines().any(|line| match line.strip_prefix('#') {
        Some(heading) => {
            let heading = heading.trim_start_matches('#').trim();
            heading == section || heading.split_whitespace().next() == Some(section)
        }
        None => line.starts_with(&item),
    })
}

/// The broken citations of one file, whose `path` is relative to `root`.
fn broken(root: &Path, path: &str, source: &str) -> Vec<Broken> {
    let folder = root.join(path).parent().map(Path::to_owned).unwrap_or_default();
    let mut found = Vec::new();
    for (line, comment) in comments(source) {
        let mut add = |cited: String| found.push(Broken { file: path.to_owned(), line, cited });
        for (page, sections) in citations(comment) {
            match read_page(root, &folder, &page) {
                None => add(page),
                Some(text) => {
                    let missing = sections.iter().filter(|section| !has_section(&text, section));
                    missing.for_each(|section| add(format!("{page} {section}")));
                }
            }
        }
        let outside = OUTSIDE.iter().filter(|word| comment.contains(*word));
        outside.for_each(|word| add((*word).to_owned()));
    }
    found
}

#[test]
fn every_citation_in_a_comment_leads_somewhere() {
    let root = Path::new(ROOT);
    let files = tree::sources(&["shared", "signaling", "media", "bench"]);
    // This file cites pages that do not exist, to show what is found.
    let files = files.iter().filter(|(path, _)| !path.ends_with("tidy/src/citations.rs"));
    let all: Vec<Broken> = files.flat_map(|(path, text)| broken(root, path, text)).collect();
    assert!(all.is_empty(), "these citations lead nowhere: {all:#?}");
}

#[test]
fn a_page_is_cited_with_the_sections_behind_it() {
    let of = |text| -> Vec<String> {
        let found = citations(text);
        found.iter().map(|(page, sections)| format!("{page} {}", sections.join(" "))).collect()
    };
    assert_eq!(of(" Status (contract webhooks.md 6 and 7). Sans-IO."), ["webhooks.md 6 7"]);
    assert_eq!(of(" Paths (contract rest.md §5.1, §5.2) of 3"), ["rest.md 5.1 5.2"]);
    assert_eq!(of(" `signaling/contract/sip.md` section 8."), ["signaling/contract/sip.md 8"]);
    assert_eq!(of(" see ARCHITECTURE.md. 3 of them"), ["ARCHITECTURE.md "]);
    assert_eq!(of(" (ARCHITECTURE.md, I2): held"), ["ARCHITECTURE.md I2"]);
    assert_eq!(of(" (ARCHITECTURE.md, \"One packet\")."), ["ARCHITECTURE.md One packet"]);
    assert_eq!(of(" twiml.md 2.6, webhooks.md 5.3"), ["twiml.md 2.6", "webhooks.md 5.3"]);
    assert_eq!(of(" RFC 3261 §17, the .md ending"), Vec::<String>::new());
}

#[test]
fn a_missing_page_a_missing_section_and_a_page_outside_are_found() {
    let root = Path::new(ROOT);
    let cited = |source: &str| -> Vec<String> {
        let found = broken(root, "signaling/call/src/tone.rs", source);
        found.into_iter().map(|broken| broken.cited).collect()
    };
    assert_eq!(
        cited("// twiml.md 2.4, ARCHITECTURE.md I11\nlet text = \"nothing.md\";"),
        Vec::<String>::new()
    );
    assert_eq!(cited("// ARCHITECTURE.md, \"One packet\""), Vec::<String>::new());
    assert_eq!(cited("// ARCHITECTURE.md, \"Two\""), ["ARCHITECTURE.md Two"]);
    assert_eq!(cited("/// nothing.md 2\n//! twiml.md 99"), ["nothing.md", "twiml.md 99"]);
    assert_eq!(cited("    // kept (design section 4)"), ["design section"]);
}
