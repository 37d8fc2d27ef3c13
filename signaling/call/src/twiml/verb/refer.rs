//! `<Refer>`: attributes and URI. Sans-IO.

use roxmltree::Node;
use shared::Code;

use super::{Link, Read, link};
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};
use crate::twiml::{Reading, own_text};

/// Transfers the party's phone by REFER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    /// Requested at the end; `None`: the next verb follows.
    pub action: Option<Link>,
    /// The URI for `Refer-To`, headers included, without brackets.
    pub target: String,
}

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("action", Kind::Url, "Requested at the end."),
    attribute("method", Kind::Method, "Method of the action.").default("POST"),
];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Refer> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    let position = reading.place(node);
    let mut targets = node.children().filter(|child| child.has_tag_name("Sip"));
    let target = targets.next().and_then(|child| refer_to(&own_text(child)));
    let Some(target) = target else {
        let message = "<Refer> needs one <Sip> with a SIP URI: skipped";
        reading.warn(Code::TWIML_SCHEMA, message, position);
        return Ok(None);
    };
    Ok(Some(Refer { action: link(&attributes, "action", "method"), target }))
}

/// The URI as written, with `sip:` where it has no scheme; `None` when it is not a URI.
fn refer_to(text: &str) -> Option<String> {
    let has_scheme = ["sip:", "sips:", "tel:"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)));
    let uri = if has_scheme { text.to_owned() } else { format!("sip:{text}") };
    // The one SIP parser decides (ARCHITECTURE.md, I6).
    sip::Uri::parse(uri.as_bytes()).ok().map(|_| uri)
}

#[cfg(test)]
mod tests {
    use shared::Code;

    use store::HttpMethod;

    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    #[test]
    fn the_target_keeps_its_headers() {
        let text =
            "<Refer action=\"/done\" method=\"GET\"><Sip>sip:bob@h?X-A=1&amp;X-B=2</Sip></Refer>";
        let Verb::Refer(refer) = one(text) else { panic!() };
        assert_eq!(refer.target, "sip:bob@h?X-A=1&X-B=2");
        assert_eq!(refer.action.map(|action| action.method), Some(HttpMethod::Get));
        let Verb::Refer(refer) = one("<Refer><Sip> bob@h </Sip></Refer>") else { panic!() };
        assert_eq!((refer.target.as_str(), refer.action), ("sip:bob@h", None));
    }

    #[test]
    fn without_a_uri_it_is_skipped_with_a_warning() {
        for text in ["<Refer/>", "<Refer><Sip/></Refer>", "<Refer><Sip>a b&lt;c</Sip></Refer>"] {
            assert_eq!(codes(text), [Code::TWIML_SCHEMA], "{text}");
        }
    }
}
