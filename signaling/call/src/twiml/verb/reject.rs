//! `<Reject>` and `<Hangup>`. Sans-IO.

use roxmltree::Node;
use shared::Code;

use super::{Read, Verb};
use crate::finding::Finding;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Refuses an unanswered incoming call; hangs up an answered one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Refuses with `CallSettings::reject_status`; the call ends `no-answer`.
    Rejected,
    /// Refuses with 486; the call ends `busy`.
    Busy,
}

pub(crate) const ATTRIBUTES: &[Attribute] =
    &[attribute("reason", Kind::Word(&["rejected", "busy"]), "How it is refused.")
        .default("rejected")
        .code(Code::REJECT_REASON)];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Reject> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    skip_all_but_parameters(node, reading);
    Ok(Some(match attributes.word("reason") {
        "busy" => Reject::Busy,
        _ => Reject::Rejected,
    }))
}

pub(crate) fn read_hangup(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Verb, Finding> {
    Attributes::read(node, &[], reading)?;
    skip_all_but_parameters(node, reading);
    Ok(Verb::Hangup)
}

/// The SDKs accept `<Parameter>` here; it has no effect.
fn skip_all_but_parameters(node: Node<'_, '_>, reading: &mut Reading<'_>) {
    for child in node.children().filter(Node::is_element) {
        if child.tag_name().name() != "Parameter" {
            reading.skip(child, node.tag_name().name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};

    #[test]
    fn an_unknown_reason_is_rejected() {
        assert_eq!(one("<Reject/>"), Verb::Reject(Reject::Rejected));
        assert_eq!(one("<Reject reason=\"busy\"/>"), Verb::Reject(Reject::Busy));
        assert_eq!(one("<Reject reason=\"lazy\"/>"), Verb::Reject(Reject::Rejected));
        assert_eq!(codes("<Reject reason=\"lazy\"/>"), [Code::REJECT_REASON]);
    }

    #[test]
    fn hangup_has_no_attributes() {
        assert_eq!(codes("<Hangup reason=\"busy\"/>"), [Code::TWIML_SCHEMA]);
    }
}
