//! The timeline of a call: a bounded list of what happened, in SIP, webhooks, verbs, media, refusals.

use std::fmt::{self, Write as _};

use shared::limits::{TIMELINE_BYTES_MAX, TIMELINE_ENTRIES_MAX};

use super::figures::QualityFigures;

/// The subject of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A SIP message, in one line.
    Sip,
    /// A webhook request or its answer.
    Webhook,
    /// A verb that began or ended.
    Verb,
    /// An event of the media.
    Media,
    /// A refusal or a failure, with its rule.
    Refusal,
    /// Anything else in the life of the call.
    Call,
}

/// One line of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry<'t> {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The subject of the line: SIP, media, webhook, verb, call or refusal.
    pub kind: Kind,
    /// The sentence, for people.
    pub text: &'t str,
}

/// The entries of one call: at most [`TIMELINE_ENTRIES_MAX`], and [`TIMELINE_BYTES_MAX`] of text. Later
/// entries are counted instead, because the beginning of a call is worth more than its thousandth digit.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    lines: Vec<Line>,
    /// The texts of all lines, one behind the other.
    text: String,
    /// Entries that did not fit.
    left_out: u32,
    /// Figures of the media; `None` until it ends.
    quality: Option<Box<QualityFigures>>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    at_ms: i64,
    kind: Kind,
    /// Where its text ends; it begins where the line before ends.
    end: usize,
}

/// The timeline as JSON.
#[derive(serde::Serialize)]
struct Written<'t> {
    entries: Vec<Entry<'t>>,
    left_out: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'t QualityFigures>,
}

/// Bytes of one entry besides its text: time, kind and JSON punctuation.
const ENTRY_OVERHEAD_BYTES: usize = 48;

impl Timeline {
    /// Adds an entry if there is room, else counts it.
    pub fn add(&mut self, at_ms: i64, kind: Kind, text: impl fmt::Display) {
        let start = self.text.len();
        // Two bounds: digits and re-INVITEs repeat short lines, and peers choose the length of others.
        if self.lines.len() < TIMELINE_ENTRIES_MAX {
            // Written in place, so that a line costs no String of its own. Writing to a String cannot
            // fail.
            let _ = write!(self.text, "{text}");
            let end = self.text.len();
            if end + (self.lines.len() + 1) * ENTRY_OVERHEAD_BYTES <= TIMELINE_BYTES_MAX {
                return self.lines.push(Line { at_ms, kind, end });
            }
            self.text.truncate(start);
        }
        self.left_out = self.left_out.saturating_add(1);
    }

    /// Keeps the final figures of the media, beside the entries, so that there is always room for them.
    pub(crate) fn set_quality(&mut self, figures: QualityFigures) {
        self.quality = Some(Box::new(figures));
    }

    /// The entries so far, oldest first.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let mut start = 0;
        let entry = |line: &Line| {
            let text = self.text.get(start..line.end);
            debug_assert!(text.is_some(), "lines end in order, between characters");
            start = line.end;
            Entry { at_ms: line.at_ms, kind: line.kind, text: text.unwrap_or_default() }
        };
        self.lines.iter().map(entry).collect()
    }

    /// The JSON text that the store keeps after the call.
    pub fn to_json(&self) -> String {
        let quality = self.quality.as_deref();
        let written = Written { entries: self.entries(), left_out: self.left_out, quality };
        serde_json::to_string(&written).expect("strings and numbers always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_past_the_limit_are_counted_not_kept() {
        let mut timeline = Timeline::default();
        for _ in 0..=TIMELINE_ENTRIES_MAX {
            timeline.add(1, Kind::Call, "x");
        }
        assert_eq!(timeline.entries().len(), TIMELINE_ENTRIES_MAX);
        assert!(timeline.to_json().contains("\"left_out\":1"));
    }

    #[test]
    fn a_long_text_that_does_not_fit_is_left_out_and_shorter_ones_still_fit() {
        let mut timeline = Timeline::default();
        timeline.add(1, Kind::Sip, "x".repeat(TIMELINE_BYTES_MAX));
        timeline.add(2, Kind::Verb, "Say");
        assert_eq!(timeline.entries().len(), 1);
        assert!(timeline.to_json().contains(r#"{"at_ms":2,"kind":"verb","text":"Say"}"#));
    }
}
