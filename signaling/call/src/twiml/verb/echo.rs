//! `<Echo>`: attributes. Sans-IO.
//!
//! An addition of this gateway, to test a line: the API has no such verb.

use roxmltree::Node;

use super::Read;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Returns the caller's audio and keys to the caller. Answers the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Seconds after which the next verb runs; `None`: until the call ends.
    pub length_s: Option<u32>,
}

pub(crate) const ATTRIBUTES: &[Attribute] = &[attribute(
    "length",
    Kind::Whole(1, 86_400),
    "Seconds of echo; without it, until the call ends.",
)];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Echo> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    reading.no_children(node);
    Ok(Some(Echo { length_s: attributes.whole_or_none("length") }))
}

#[cfg(test)]
mod tests {
    use shared::Code;

    use super::*;
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    #[test]
    fn an_echo_without_a_valid_length_lasts_as_long_as_the_call() {
        assert_eq!(one("<Echo/>"), Verb::Echo(Echo { length_s: None }));
        assert_eq!(one("<Echo length=\"0\"/>"), Verb::Echo(Echo { length_s: None }));
        assert_eq!(codes("<Echo length=\"0\"/>"), [Code::TWIML_SCHEMA]);
        assert_eq!(one("<Echo length=\"7\"/>"), Verb::Echo(Echo { length_s: Some(7) }));
    }
}
