//! `<Dial><Application>`: a call to a TwiML application. Sans-IO.
//!
//! The child rings nobody outside. Its far party is a second call, incoming to the application, and the parameters of
//! the noun arrive there with each request for a document.

use roxmltree::Node;
use shared::{ApplicationSid, Code, limits};

use super::noun::{self, Noun, NounKind};
use super::parameter;
use crate::finding::{Finding, brief};
use crate::setup::{ApplicationTarget, Target};
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};
use crate::twiml::{Reading, own_text};

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    noun::URL,
    noun::METHOD,
    noun::CALLBACK,
    noun::CALLBACK_METHOD,
    noun::CALLBACK_EVENT,
    attribute("customerId", Kind::Text, "Who calls, for the application."),
    attribute("copyParentTo", Kind::Flag, "Whether its To is that of the parent.").default("false"),
];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Noun, Finding> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    let mut parameters = Vec::new();
    let mut sid = None;
    for child in node.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "ApplicationSid" => sid = sid.or_else(|| Some(own_text(child))),
            "Parameter" => parameters.extend(named(child, reading)?),
            _ => reading.skip(child, "Application"),
        }
    }
    // Older documents have the SID as text of the noun.
    let text = sid.unwrap_or_else(|| own_text(node));
    let target = match text.parse::<ApplicationSid>() {
        Ok(sid) => Target::Application(ApplicationTarget {
            sid,
            dialed: sid.to_string(),
            to: sid.to_string(),
            customer: customer(node, &attributes, reading),
            parameters,
        }),
        Err(_) => Target::Impossible {
            sentence: format!("`{}` is not the SID of an application", brief(&text)),
            to: text,
            code: Code::APPLICATION_SID,
            status: None,
        },
    };
    let kind = NounKind::Application { copies_to: attributes.flag("copyParentTo") };
    Ok(noun::noun(kind, target, &attributes))
}

/// One parameter; `None`, with a warning, for one without a name: it could not be read again.
fn named(
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Result<Option<(String, String)>, Finding> {
    let (name, value) = parameter::read(node, reading)?;
    if name.is_empty() {
        let position = reading.place(node);
        reading.warn(Code::TWIML_SCHEMA, "a <Parameter> needs a name: it is left out", position);
        return Ok(None);
    }
    Ok(Some((name, value)))
}

/// `customerId`; `None` stands for the account.
fn customer(
    node: Node<'_, '_>,
    attributes: &Attributes<'_>,
    reading: &mut Reading<'_>,
) -> Option<String> {
    let customer = attributes.text("customerId").filter(|text| !text.is_empty())?;
    if customer.chars().count() > limits::CUSTOMER_ID_CHARACTERS_MAX {
        let most = limits::CUSTOMER_ID_CHARACTERS_MAX;
        let message =
            format!("customerId has more than {most} characters: the account's SID is sent");
        let position = reading.place(node);
        reading.warn(Code::TWIML_SCHEMA, message, position);
        return None;
    }
    Some(customer.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    const SID: &str = "AP00000000000000000000000000000001";

    fn nouns(inner: &str) -> Vec<Noun> {
        match one(&format!("<Dial>{inner}</Dial>")) {
            Verb::Dial(dial) => dial.targets,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_application_has_parameters_and_a_customer() {
        let inner = format!(
            "<Application customerId=\"acme\" copyParentTo=\"true\"><ApplicationSid>{SID}</ApplicationSid>\
             <Parameter name=\"a\" value=\"1\"/><Parameter name=\"b\"/></Application>"
        );
        let noun = nouns(&inner).remove(0);
        assert_eq!(noun.kind, NounKind::Application { copies_to: true });
        let Target::Application(target) = noun.target else { panic!("{:?}", noun.target) };
        assert_eq!(target.sid.to_string(), SID);
        assert_eq!(target.customer.as_deref(), Some("acme"));
        let pairs: Vec<_> = target.parameters.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "")]);
    }

    #[test]
    fn the_sid_may_be_the_text_and_another_text_fails_the_target() {
        let noun = nouns(&format!("<Application>{SID}</Application>")).remove(0);
        assert!(matches!(noun.target, Target::Application(_)));
        let noun =
            nouns("<Application><ApplicationSid>AP1</ApplicationSid></Application>").remove(0);
        let code = Code::APPLICATION_SID;
        assert!(matches!(noun.target, Target::Impossible { code: c, .. } if c == code));
    }

    #[test]
    fn it_stands_alone_in_a_dial() {
        let inner = format!("<Sip>sip:a@h</Sip><Application>{SID}</Application><Sip>sip:b@h</Sip>");
        let nouns = nouns(&inner);
        assert_eq!(nouns.len(), 1);
        assert!(matches!(nouns[0].target, Target::Application(_)));
        assert_eq!(codes(&format!("<Dial>{inner}</Dial>")), [Code::DIAL_MIXED]);
    }

    #[test]
    fn a_long_customer_and_a_nameless_parameter_are_left_out() {
        let long = "x".repeat(257);
        let text = format!(
            "<Dial><Application customerId=\"{long}\">{SID}<Parameter value=\"1\"/></Application></Dial>"
        );
        assert_eq!(codes(&text), [Code::TWIML_SCHEMA, Code::TWIML_SCHEMA]);
    }
}
