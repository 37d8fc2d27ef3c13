//! `<Play>`: attributes and URL. Sans-IO.

use roxmltree::Node;
use shared::{Code, limits};

use super::{Read, say::repeat};
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};
use crate::twiml::{Reading, own_text};

/// The characters that `digits` may have; `w` and `W` are pauses.
pub(crate) const DIGITS: &str = "0123456789ABCD#*wW";

/// Plays a file, or sends digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Play {
    /// Plays a file.
    File {
        /// URL as written, not empty.
        url: String,
        /// How many times, 1 or more.
        repeat: u32,
    },
    /// Sends telephone events (RFC 4733) to the party; the characters of [`DIGITS`].
    Digits(String),
}

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("loop", Kind::Whole(0, u32::MAX), "How often; 0 = up to 1,000 times.")
        .default("1")
        .code(Code::PLAY_LOOP),
    attribute(
        "digits",
        Kind::Keys(DIGITS, limits::DIGITS_QUEUED_MAX),
        "Digits to send; w and W pause.",
    )
    .code(Code::PLAY_DIGITS),
];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Play> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    reading.no_children(node);
    if let Some(digits) = attributes.text("digits").filter(|digits| !digits.is_empty()) {
        return Ok(Some(Play::Digits(digits.to_owned())));
    }
    let url = own_text(node);
    if url.is_empty() {
        let position = reading.place(node);
        reading.warn(
            Code::PLAY_DIGITS,
            "<Play> has neither a URL nor valid digits: skipped",
            position,
        );
        return Ok(None);
    }
    Ok(Some(Play::File { url, repeat: repeat(attributes.whole("loop")) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one, skipped};
    use crate::twiml::verb::Verb;

    #[test]
    fn a_url_is_trimmed() {
        let expected = Play::File { url: "/a.wav".to_owned(), repeat: 2 };
        assert_eq!(one("<Play loop=\"2\">\n /a.wav </Play>"), Verb::Play(expected));
    }

    #[test]
    fn digits_go_before_the_url() {
        let expected = Verb::Play(Play::Digits("ww12#".to_owned()));
        assert_eq!(one("<Play digits=\"ww12#\"/>"), expected);
        assert_eq!(skipped("<Play digits=\"12x\"/>"), [Code::PLAY_DIGITS, Code::PLAY_DIGITS]);
        assert_eq!(codes("<Play digits=\"12x\">/a.wav</Play>"), [Code::PLAY_DIGITS]);
    }
}
