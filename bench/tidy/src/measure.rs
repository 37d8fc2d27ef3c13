//! Figures over the production code: sizes, comments, asserts, copies. For reading, not for scoring.

use std::fmt::Write as _;
use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{self, Source};

/// Folders with production code.
const PRODUCTION: &[&str] = &["shared/src", "signaling", "media"];

/// The packages that decide on the control side.
const CONTROL_SIDE: &[&str] = &[
    "signaling/call/",
    "signaling/control/",
    "signaling/api/",
    "signaling/store/",
    "signaling/database/",
];

/// What one set of files measures.
#[derive(Debug, Default)]
pub struct Figures {
    /// Lines a file, ascending.
    files: Vec<usize>,
    /// Lines a function, from its signature to its last brace, ascending.
    functions: Vec<usize>,
    lines: usize,
    doc_lines: usize,
    comment_lines: usize,
    /// Doc comments, a block each.
    docs: usize,
    /// Doc comments of at most two words.
    short_docs: usize,
    unwraps: usize,
    asserts: usize,
    /// `clone`, `format!`, `to_owned`, `to_string`.
    copies: usize,
}

impl Figures {
    /// Measures `sources`.
    #[must_use]
    pub fn of<'a>(sources: impl Iterator<Item = &'a Source>) -> Self {
        let mut figures = Self::default();
        for source in sources {
            figures.add(source);
        }
        figures.files.sort_unstable();
        figures.functions.sort_unstable();
        figures
    }

    fn add(&mut self, source: &Source) {
        self.files.push(source.lines.len());
        self.lines += source.lines.len();
        let mut doc = String::new();
        for line in source.lines.iter().map(|line| line.trim()) {
            if let Some(text) = line.strip_prefix("///") {
                self.doc_lines += 1;
                doc.push_str(text);
                continue;
            }
            self.end_doc(&mut doc);
            if line.starts_with("//!") {
                self.doc_lines += 1;
            } else if line.starts_with("//") {
                self.comment_lines += 1;
            } else {
                self.add_code(line);
            }
        }
        self.end_doc(&mut doc);
        let mut lengths = Lengths(&mut self.functions);
        for item in &source.items {
            lengths.visit_item(item);
        }
    }

    fn end_doc(&mut self, doc: &mut String) {
        if !doc.is_empty() {
            self.docs += 1;
            self.short_docs += usize::from(doc.split_whitespace().count() <= 2);
            doc.clear();
        }
    }

    fn add_code(&mut self, line: &str) {
        let count = |words: &[&str]| words.iter().map(|word| line.matches(word).count()).sum();
        let found = |words: &[&str]| -> usize { count(words) };
        self.unwraps += usize::from(found(&[".unwrap()", ".expect("]) > 0);
        self.asserts += found(&["assert!(", "assert_eq!(", "assert_ne!("]);
        self.copies += found(&[".clone()", "format!(", ".to_owned()", ".to_string()"]);
    }

    fn per_thousand(&self, count: usize) -> f64 {
        share(count, self.lines) * 10.0
    }

    fn row(&self, name: &str) -> String {
        let long = self.functions.iter().filter(|lines| **lines > LONG_FUNCTION).count();
        format!(
            "| {name} | {} / {} / {} | {} / {} / {} | {:.2} % | {:.1} / {:.1} | {:.1} % | {:.2} | {:.1} | {:.1} |",
            at(&self.files, 50.0),
            at(&self.files, 90.0),
            at(&self.files, 100.0),
            at(&self.functions, 50.0),
            at(&self.functions, 90.0),
            at(&self.functions, 99.0),
            share(long, self.functions.len()),
            share(self.doc_lines, self.lines),
            share(self.comment_lines, self.lines),
            share(self.short_docs, self.docs),
            self.per_thousand(self.unwraps),
            self.per_thousand(self.asserts),
            self.per_thousand(self.copies),
        )
    }
}

/// Where a reader looks again (house style: "one exhaustive match may be long").
const LONG_FUNCTION: usize = 70;

/// `part` of `whole` in per cent; 0 of nothing.
fn share(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^52")]
    let ratio = part as f64 / whole.max(1) as f64;
    ratio * 100.0
}

/// The value below which `per_cent` of the ascending `values` lie (nearest rank).
fn at(values: &[usize], per_cent: f64) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank within the list"
    )]
    let rank = (values.len() as f64 * per_cent / 100.0).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or_default()
}

struct Lengths<'a>(&'a mut Vec<usize>);

impl Lengths<'_> {
    fn add(&mut self, first: proc_macro2::Span, last: proc_macro2::Span) {
        self.0.push(last.end().line - first.start().line + 1);
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(function.sig.span(), function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(function.sig.span(), function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(function.sig.span(), block.span());
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// The table that CONTRIBUTING shows: all production code, then the control side package by package.
#[must_use]
pub fn table(root: &Path) -> String {
    let sources = source::production(root, PRODUCTION);
    let mut table = String::from(HEAD);
    let mut add = |name: &str, prefix: &str| {
        let figures = Figures::of(sources.iter().filter(|source| source.path.starts_with(prefix)));
        writeln!(table, "{}", figures.row(name)).expect("a String takes all");
    };
    add("all", "");
    for package in CONTROL_SIDE {
        add(package.trim_end_matches('/'), package);
    }
    table
}

const HEAD: &str = "\
| | file lines median / p90 / max | function lines median / p90 / p99 | functions > 70 | doc / other comment lines, % | docs of one or two words | unwraps per 1k | asserts per 1k | copies per 1k |
|---|---|---|---|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            path: "x.rs".into(),
            lines: text.lines().map(str::to_owned).collect(),
            items: syn::parse_file(text).expect("Rust").items,
        }
    }

    #[test]
    fn figures_count_what_they_name() {
        let text = "//! Role.\n/// Two words.\nfn a() {\n    // why\n    b.unwrap();\n}\n\
                    /// A longer doc\n/// of two lines.\nfn c() { assert!(true, \"{}\", d.clone()) }\n";
        let figures = Figures::of([source(text)].iter());
        assert_eq!(figures.lines, 9);
        assert_eq!((figures.doc_lines, figures.comment_lines), (4, 1));
        assert_eq!((figures.docs, figures.short_docs), (2, 1));
        assert_eq!((figures.unwraps, figures.asserts, figures.copies), (1, 1, 1));
        assert_eq!(figures.functions, [1, 4]);
    }

    #[test]
    fn a_rank_is_a_value_of_the_list() {
        let values: Vec<usize> = (1..=10).collect();
        assert_eq!((at(&values, 50.0), at(&values, 90.0), at(&values, 100.0)), (5, 9, 10));
        assert_eq!(at(&[], 50.0), 0);
    }
}
