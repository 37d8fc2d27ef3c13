//! `<Pause>`: attributes. Sans-IO.

use roxmltree::Node;
use shared::Code;

use super::Read;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Waits. As the first verb it delays the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Seconds to wait.
    pub length_s: u32,
}

pub(crate) const ATTRIBUTES: &[Attribute] =
    &[attribute("length", Kind::Whole(1, 86_400), "Seconds to wait.")
        .default("1")
        .code(Code::PAUSE_LENGTH)];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Pause> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    reading.no_children(node);
    Ok(Some(Pause { length_s: attributes.whole("length") }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    #[test]
    fn an_invalid_length_is_one_second() {
        assert_eq!(one("<Pause length=\"0\"/>"), Verb::Pause(Pause { length_s: 1 }));
        assert_eq!(codes("<Pause length=\"0\"/>"), [Code::PAUSE_LENGTH]);
        assert_eq!(one("<Pause length=\"7\"/>"), Verb::Pause(Pause { length_s: 7 }));
    }
}
