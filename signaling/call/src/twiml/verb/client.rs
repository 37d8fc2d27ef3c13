//! `<Client>`: a registered SIP user of the account, by name. Sans-IO.

use roxmltree::Node;
use shared::{Code, limits};

use super::noun::{self, Noun, NounKind};
use super::parameter;
use crate::finding::{Finding, brief};
use crate::setup::{ClientTarget, Target};
use crate::twiml::attribute::{Attribute, Attributes};
use crate::twiml::{Reading, own_text};

pub(crate) const ATTRIBUTES: &[Attribute] =
    &[noun::URL, noun::METHOD, noun::CALLBACK, noun::CALLBACK_METHOD, noun::CALLBACK_EVENT];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Noun, Finding> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    let mut identity = None;
    let mut parameters = Vec::new();
    for child in node.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Identity" => identity = identity.or_else(|| Some(own_text(child))),
            "Parameter" => parameters.extend(header(child, reading)?),
            _ => reading.skip(child, "Client"),
        }
    }
    let identity = identity.unwrap_or_else(|| own_text(node));
    Ok(noun::noun(NounKind::Client, target(&identity, parameters), &attributes))
}

/// The registered user of this name, or why there cannot be one.
pub fn target(identity: &str, parameters: Vec<(String, String)>) -> Target {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+~!*'".contains(&byte);
    let fits = (1..=limits::CLIENT_IDENTITY_BYTES_MAX).contains(&identity.len());
    if fits && identity.bytes().all(is_plain) {
        return Target::Client(ClientTarget { identity: identity.to_owned(), parameters });
    }
    Target::Impossible {
        to: format!("client:{}", brief(identity)),
        code: Code::NUMBER_NOT_CALLABLE,
        status: None,
        sentence: format!(
            "`{}` is no name of a client: 1 to 121 letters, digits and - _ . + ~ ! * '",
            brief(identity)
        ),
    }
}

/// One parameter; `None`, with a warning, for one whose name cannot be part of a SIP header's name.
fn header(
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Result<Option<(String, String)>, Finding> {
    let (name, value) = parameter::read(node, reading)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) || value.contains(char::is_control) {
        let position = reading.place(node);
        let message = "a <Parameter> of <Client> becomes a SIP header: its name has letters, digits and - _ . only, \
                       its value no control characters; it is left out";
        reading.warn(Code::TWIML_SCHEMA, message, position);
        return Ok(None);
    }
    Ok(Some((name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    fn client(inner: &str) -> Noun {
        match one(&format!("<Dial>{inner}</Dial>")) {
            Verb::Dial(mut dial) => dial.targets.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_client_is_named_by_its_text_or_its_identity() {
        let plain = client("<Client>bob</Client>");
        assert_eq!(plain.kind, NounKind::Client);
        let named =
            client("<Client><Identity>bob</Identity><Parameter name=\"a\" value=\"1\"/></Client>");
        let Target::Client(target) = named.target else { panic!("{:?}", named.target) };
        assert_eq!(target.identity, "bob");
        assert_eq!(target.parameters, [("a".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_name_that_no_sip_user_has_fails_alone_and_a_parameter_that_is_no_header_is_left_out() {
        for text in ["", "a b", "a@b"] {
            let noun = client(&format!("<Client>{text}</Client>"));
            assert!(
                matches!(noun.target, Target::Impossible { code: Code::NUMBER_NOT_CALLABLE, .. }),
                "{text}"
            );
        }
        let text =
            "<Dial><Client><Identity>bob</Identity><Parameter name=\"a b\"/></Client></Dial>";
        assert_eq!(codes(text), [Code::TWIML_SCHEMA]);
    }
}
