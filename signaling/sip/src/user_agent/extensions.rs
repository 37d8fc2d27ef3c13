//! Extensions of a session: `Allow`, `Supported`, `Require`, and the refusal of an INVITE that
//! requires more (RFC 3261 §8.2.2.3). Sans-IO.

use shared::{Extensions, Header, Refusal};

use crate::message::{Method, Request};
use crate::objection::Objection;

/// Whether a switch is on.
type Switch = fn(Extensions) -> bool;

/// Methods that every session serves, for `Allow`.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY";

/// Methods beyond [`ALLOW`], with their switches.
const METHODS: [(Method, Switch); 3] = [
    (Method::Prack, |extensions| extensions.prack),
    (Method::Update, |extensions| extensions.update),
    (Method::Info, |extensions| extensions.info),
];

/// Option tags, with their switches.
const TAGS: [(&str, Switch); 4] = [
    ("replaces", |extensions| extensions.replaces),
    ("100rel", |extensions| extensions.prack),
    ("timer", |extensions| extensions.timer),
    ("siprec", |extensions| extensions.siprec),
];

/// The methods of a session, for `Allow`.
pub(super) fn allow(extensions: Extensions) -> String {
    let more = METHODS.iter().filter(|(_, is_on)| is_on(extensions));
    more.fold(ALLOW.to_owned(), |allow, (method, _)| format!("{allow}, {method}"))
}

/// The option tags of a session, for `Supported`; empty when there are none.
pub(super) fn supported(extensions: Extensions) -> String {
    let tags = TAGS.iter().filter(|(_, is_on)| is_on(extensions));
    tags.map(|(tag, _)| *tag).collect::<Vec<_>>().join(", ")
}

/// `Allow` and `Supported` of an INVITE or its 2xx.
pub(super) fn headers(extensions: Extensions) -> Vec<Header> {
    let mut headers = vec![Header::new("Allow", allow(extensions))];
    let supported = supported(extensions);
    if !supported.is_empty() {
        headers.push(Header::new("Supported", supported));
    }
    headers
}

/// Whether a method is served in a dialog with these extensions.
pub(super) fn serves(extensions: Extensions, method: &Method) -> bool {
    match method {
        Method::Invite | Method::Bye | Method::Options | Method::Refer | Method::Notify => true,
        other => METHODS.iter().any(|(known, is_on)| known == other && is_on(extensions)),
    }
}

/// Required option tags that these extensions lack.
pub(super) fn missing(extensions: Extensions, request: &Request) -> Vec<String> {
    let mut wanted = request.headers.require();
    wanted.retain(|wanted| {
        !TAGS.iter().any(|(tag, is_on)| *tag == wanted.as_str() && is_on(extensions))
    });
    wanted
}

/// 420 with what is missing; `None` when nothing is.
pub(super) fn objection(extensions: Extensions, request: &Request) -> Option<Objection> {
    let missing = missing(extensions, request);
    if missing.is_empty() {
        return None;
    }
    let sentence = "the request requires a SIP extension that is not served here";
    let refusal = Refusal::new(REQUIRED, 420, sentence);
    let headers = vec![Header::new("Unsupported", missing.join(", "))];
    Some(Objection { refusal, headers })
}

/// Rule name of a refused extension.
pub(super) const REQUIRED: &str = "extension_required";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_switch_adds_its_method_or_tag() {
        assert_eq!(allow(Extensions::NONE), ALLOW);
        assert_eq!(supported(Extensions::NONE), "");
        let all = allow(Extensions::ALL);
        assert!(all.ends_with("NOTIFY, PRACK, UPDATE, INFO"), "{all}");
        assert_eq!(supported(Extensions::LEAST), "replaces");
        assert_eq!(supported(Extensions::ALL), "replaces, 100rel, timer");
        let update = Extensions { update: true, ..Extensions::NONE };
        assert!(serves(update, &Method::Update) && !serves(update, &Method::Prack));
        assert!(!serves(Extensions::ALL, &Method::Message));
    }
}
