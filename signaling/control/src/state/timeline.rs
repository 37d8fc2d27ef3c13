//! The timeline of a call: a bounded list of what happened, in SIP, webhooks, verbs, media, refusals.

use std::borrow::Cow;

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
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The subject of the line: SIP, media, webhook, verb, call or refusal.
    pub kind: Kind,
    /// The sentence, for people.
    pub text: Cow<'static, str>,
}

/// The entries of one call: at most [`TIMELINE_ENTRIES_MAX`], and [`TIMELINE_BYTES_MAX`] of text. Later
/// entries are counted instead, because the beginning of a call is worth more than its thousandth digit.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Timeline {
    entries: Vec<Entry>,
    /// Entries that did not fit.
    left_out: u32,
    /// Figures of the media; `None` until it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Box<QualityFigures>>,
    #[serde(skip)]
    bytes: usize,
}

/// Bytes of one entry besides its text: time, kind and JSON punctuation.
const ENTRY_OVERHEAD_BYTES: usize = 48;

impl Timeline {
    /// Adds an entry if there is room, else counts it.
    pub fn add(&mut self, at_ms: i64, kind: Kind, text: impl Into<Cow<'static, str>>) {
        let text = text.into();
        let bytes = text.len() + ENTRY_OVERHEAD_BYTES;
        // Two bounds: digits and re-INVITEs repeat short lines, and peers choose the length of
        // others.
        if self.entries.len() >= TIMELINE_ENTRIES_MAX || self.bytes + bytes > TIMELINE_BYTES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.bytes += bytes;
        self.entries.push(Entry { at_ms, kind, text });
    }

    /// Keeps the final figures of the media, beside the entries, so that there is always room for them.
    pub(crate) fn set_quality(&mut self, figures: QualityFigures) {
        self.quality = Some(Box::new(figures));
    }

    /// The entries so far, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The JSON text that the store keeps after the call.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
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
