//! TwiML: text to verbs, with findings that name line and column. Sans-IO.
//!
//! Reading fails only on the document as a whole: malformed, too large, another root. A verb that cannot
//! run becomes [`Verb::Broken`] and stops the document when it is reached, so that the verbs before it run.

mod attribute;
mod body;
mod positions;
pub mod verb;

use std::fmt::{Display, Write as _};

use roxmltree::{Node, ParsingOptions};
use shared::{Code, limits};

pub use body::decode;
pub use verb::Verb;

pub use crate::finding::{Finding, Position};

use crate::finding::brief;
use positions::Positions;

/// A verb and its place in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What to run.
    pub verb: Verb,
    /// Where its element starts.
    pub position: Position,
}

/// A document that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Verbs, top to bottom.
    pub verbs: Vec<Placed>,
    /// Warnings, at most 20.
    pub warnings: Vec<Finding>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// 12100 not well-formed, with a DTD, or past a limit; 12101 another XML version; 12102 another root.
    pub fn parse(text: &str) -> Result<Self, Finding> {
        // Before the parser, because another version has a code of its own (12101).
        check_version(text)?;
        // Before the tree, which takes many times the memory of its text.
        if text.len() > limits::TWIML_BYTES_MAX {
            return Err(unreadable(
                format_args!("more than {} bytes", limits::TWIML_BYTES_MAX),
                None,
            ));
        }
        // Without DTDs no entity can expand a short document into a huge one.
        let options =
            ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..Default::default() };
        let tree = roxmltree::Document::parse_with_options(text, options).map_err(|error| {
            let at = error.pos();
            unreadable(&error, Some(Position { line: at.row, column: at.col }))
        })?;
        let root = tree.root_element();
        let mut reading = Reading { positions: Positions::new(text), findings: Vec::new() };
        if root.tag_name().name() != "Response" {
            let name = brief(root.tag_name().name());
            let finding =
                Finding::error(Code::TWIML_ROOT, format!("the root is <{name}>, not <Response>"));
            return Err(finding.at(reading.place(root)));
        }
        // Before any verb is read: readers recurse, and rely on these limits.
        check_size(root, &reading)?;
        let verbs = reading.verbs(root);
        let mut warnings = reading.findings;
        // The last warning that is kept says how many are not.
        let more = warnings.len().saturating_sub(WARNINGS_MAX);
        if let Some(last) = warnings.get_mut(WARNINGS_MAX.saturating_sub(1)).filter(|_| more > 0) {
            // Writing to a String cannot fail.
            let _ = write!(last.message, " (and {more} more warnings)");
        }
        warnings.truncate(WARNINGS_MAX);
        Ok(Self { verbs, warnings })
    }
}

/// Warnings that one document can cause; each becomes a notification in the store.
const WARNINGS_MAX: usize = 20;

/// Nodes of the tree: every element may have text and comments around it.
const NODES_MAX: u32 = (limits::TWIML_ELEMENTS_MAX as u32) * 8;

/// A document while it is read.
pub(crate) struct Reading<'a> {
    positions: Positions<'a>,
    pub(crate) findings: Vec<Finding>,
}

impl Reading<'_> {
    /// Line and column of a byte offset.
    pub(crate) fn position(&self, offset: usize) -> Position {
        self.positions.at(offset)
    }

    /// Where an element starts.
    pub(crate) fn place(&self, node: Node<'_, '_>) -> Position {
        self.position(node.range().start)
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, code: Code, message: impl Into<String>, position: Position) {
        self.findings.push(Finding::warning(code, message).at(position));
    }

    /// Warns that an element is not allowed in its parent (12200) and is skipped.
    pub(crate) fn skip(&mut self, node: Node<'_, '_>, parent: &str) {
        self.skip_as(Code::TWIML_SCHEMA, node, parent);
    }

    /// Warns as [`Reading::skip`], with the error code of the parent.
    pub(crate) fn skip_as(&mut self, code: Code, node: Node<'_, '_>, parent: &str) {
        let name = brief(node.tag_name().name());
        let position = self.place(node);
        self.warn(code, format!("<{name}> is not allowed in <{parent}>: skipped"), position);
    }

    /// Warns of children where none are allowed.
    pub(crate) fn no_children(&mut self, node: Node<'_, '_>) {
        for child in node.children().filter(Node::is_element) {
            self.skip(child, node.tag_name().name());
        }
    }

    fn verbs(&mut self, root: Node<'_, '_>) -> Vec<Placed> {
        let mut verbs = Vec::new();
        for raw in root.attributes() {
            let position = self.position(raw.range().start);
            self.warn(
                Code::TWIML_SCHEMA,
                format!("`{}` is not an attribute of <Response>", brief(raw.name())),
                position,
            );
        }
        for node in root.children() {
            if node.is_text() && node.text().is_some_and(|text| !text.trim().is_empty()) {
                let position = self.place(node);
                self.warn(Code::TWIML_SCHEMA, "text directly in <Response>: ignored", position);
            }
            if node.is_element() {
                let position = self.place(node);
                if let Some(verb) = verb::read(node, self) {
                    verbs.push(Placed { verb, position });
                }
            }
        }
        verbs
    }
}

/// The text directly in an element, trimmed: a number, a URI, a URL, a name.
pub(crate) fn own_text(node: Node<'_, '_>) -> String {
    // Text of child elements is theirs: a `<Sip>` may hold its URI beside `<Headers>`.
    let text: String =
        node.children().filter(Node::is_text).filter_map(|text| text.text()).collect();
    text.trim().to_owned()
}

fn check_version(text: &str) -> Result<(), Finding> {
    let Some(declaration) = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"))
    else {
        return Ok(());
    };
    // Read by hand: the declaration is not a node of the tree.
    let version = declaration.0.split_once("version").map_or("", |(_, rest)| rest);
    let version = version.trim_start_matches([' ', '\t', '\r', '\n', '=']);
    let quoted = |quote: char| version.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
    match quoted('"').or_else(|| quoted('\'')) {
        Some((version, _)) if version != "1.0" => {
            let message = format!("XML version `{}` is not supported: only 1.0", brief(version));
            Err(Finding::error(Code::TWIML_XML_VERSION, message)
                .at(Position { line: 1, column: 1 }))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_size(root: Node<'_, '_>, reading: &Reading<'_>) -> Result<(), Finding> {
    let elements = root.descendants().filter(Node::is_element);
    for (count, node) in elements.enumerate() {
        let reason = if count >= limits::TWIML_ELEMENTS_MAX {
            format!("more than {} elements", limits::TWIML_ELEMENTS_MAX)
        // `ancestors` starts with the node itself and ends with the document.
        } else if node.ancestors().nth(limits::TWIML_DEPTH_MAX + 1).is_some() {
            format!("elements nested deeper than {}", limits::TWIML_DEPTH_MAX)
        } else if node.attributes().len() > limits::TWIML_ATTRIBUTES_MAX {
            format!("more than {} attributes in one element", limits::TWIML_ATTRIBUTES_MAX)
        } else {
            continue;
        };
        return Err(unreadable(reason, Some(reading.place(node))));
    }
    Ok(())
}

fn unreadable(reason: impl Display, position: Option<Position>) -> Finding {
    let message = format!("the document cannot be read: {reason}");
    Finding { position, ..Finding::error(Code::TWIML_PARSE, message) }
}

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod tests;
