//! Findings: what a call reports to its customer about a document, a URL or an answer. Sans-IO.

use std::fmt;

use shared::Code;

/// What a finding does to the document that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The document stops; log level 0.
    Error,
    /// The document goes on with a default; log level 1.
    Warning,
}

/// A place in a document; line and column count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line of the document, from 1.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One error or warning for the customer; becomes a [`crate::Notification`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Error code of the API (`11200`, `12100`, ...).
    pub code: Code,
    /// Whether the document stops.
    pub severity: Severity,
    /// One sentence, without the position.
    pub message: String,
    /// The element or attribute at fault; `None` when the finding is not about a place in a document.
    pub position: Option<Position>,
}

impl Finding {
    /// An error that has no place in a document.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), position: None }
    }

    /// A warning that has no place in a document.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Warning, message: message.into(), position: None }
    }

    /// The same finding at a place in the document.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }
}

/// The customer's text for use in a sentence: control characters become spaces, and what follows the 80th
/// character becomes `…`.
pub(crate) fn brief(text: &str) -> String {
    // A line break in it would look like a line of its own in a log.
    let mut shown: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}
