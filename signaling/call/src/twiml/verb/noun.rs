//! Nouns of `<Dial>` that ring one party: `<Number>`, `<Sip>`, and those that this gateway cannot reach.
//! Sans-IO.

use roxmltree::Node;
use shared::{Code, Detection, limits};

use super::{Link, link, play};
use crate::finding::{Finding, brief};
use crate::setup::{SipCredentials, SipTarget, Target};
use crate::sip_noun;
use crate::status::ProgressEvent;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};
use crate::twiml::{Reading, own_text};

/// One party to ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noun {
    /// The element; decides the parameters of the action.
    pub kind: NounKind,
    /// The party to ring.
    pub target: Target,
    /// Screening document, run on the child before it is bridged; `None` bridges at once.
    pub screening: Option<Link>,
    /// Status callback of the child with its events; `None` sends none.
    pub status_callback: Option<(Link, Vec<ProgressEvent>)>,
    /// Digits sent when the child answers, before its screening document.
    pub send_digits: Option<String>,
    /// Detection of what answers; `None` detects nothing.
    pub detection: Option<NounDetection>,
}

/// Answering-machine detection of a noun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NounDetection {
    /// The terms by which the core decides.
    pub detection: Detection,
    /// Where the result goes; `None`: nowhere but into the record.
    pub callback: Option<Link>,
}

/// The nouns that can ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NounKind {
    /// `<Number>` or plain text.
    Number,
    /// `<Sip>`.
    Sip,
    /// `<Application>`.
    Application {
        /// Whether the application gets `To` of the parent (`copyParentTo`).
        copies_to: bool,
    },
    /// `<Client>`.
    Client,
    /// `<Sim>`, `<WhatsApp>`: the child fails with 13224.
    Other,
}

pub(super) const URL: Attribute = attribute("url", Kind::Url, "Screening document.");
pub(super) const METHOD: Attribute =
    attribute("method", Kind::Method, "Method of the screening.").default("POST");
pub(super) const CALLBACK: Attribute =
    attribute("statusCallback", Kind::Url, "Where events of the child go.");
pub(super) const CALLBACK_METHOD: Attribute =
    attribute("statusCallbackMethod", Kind::Method, "Its method.").default("POST");
pub(super) const CALLBACK_EVENT: Attribute = attribute(
    "statusCallbackEvent",
    Kind::Words(&["initiated", "ringing", "answered", "completed"]),
    "Which events.",
)
.default("completed");
const DETECTION: Attribute = attribute(
    "machineDetection",
    Kind::Word(&["Enable", "DetectMessageEnd"]),
    "Whether to find out what answers, and when a machine is reported.",
);
const DETECTION_TIMEOUT: Attribute =
    attribute("machineDetectionTimeout", Kind::Whole(3, 60), "Longest detection, seconds.")
        .default("30");
const DETECTION_SPEECH: Attribute = attribute(
    "machineDetectionSpeechThreshold",
    Kind::Whole(1_000, 6_000),
    "Speech longer than this is a machine, ms.",
)
.default("2400");
const DETECTION_END: Attribute = attribute(
    "machineDetectionSpeechEndThreshold",
    Kind::Whole(500, 5_000),
    "Silence that ends speech, ms.",
)
.default("1200");
const DETECTION_SILENCE: Attribute = attribute(
    "machineDetectionSilenceTimeout",
    Kind::Whole(2_000, 10_000),
    "Silence from the begin that ends it, ms.",
)
.default("5000");
const DETECTION_CALLBACK: Attribute =
    attribute("amdStatusCallback", Kind::Url, "Where the result goes.");
const DETECTION_METHOD: Attribute =
    attribute("amdStatusCallbackMethod", Kind::Method, "Its method.").default("POST");

pub(crate) const NUMBER: &[Attribute] = &[
    URL,
    METHOD.code(Code::NUMBER_METHOD),
    CALLBACK,
    CALLBACK_METHOD,
    CALLBACK_EVENT,
    attribute(
        "sendDigits",
        Kind::Keys(play::DIGITS, limits::DIGITS_QUEUED_MAX),
        "Sent at the answer.",
    )
    .code(Code::NUMBER_SEND_DIGITS),
    attribute("byoc", Kind::Text, "SID of a BYOC trunk.").code(Code::BYOC_TRUNK_SID),
    DETECTION,
    DETECTION_TIMEOUT,
    DETECTION_SPEECH,
    DETECTION_END,
    DETECTION_SILENCE,
    DETECTION_CALLBACK,
    DETECTION_METHOD,
];

pub(crate) const SIP: &[Attribute] = &[
    URL,
    METHOD.code(Code::SIP_METHOD),
    CALLBACK,
    CALLBACK_METHOD,
    CALLBACK_EVENT,
    attribute("username", Kind::Text, "Digest user name.").code(Code::SIP_CREDENTIALS),
    attribute("password", Kind::Text, "Digest password.").code(Code::SIP_CREDENTIALS),
    attribute(
        "sendDigits",
        Kind::Keys(play::DIGITS, limits::DIGITS_QUEUED_MAX),
        "Sent at the answer.",
    )
    .code(Code::SIP_SEND_DIGITS),
    DETECTION,
    DETECTION_TIMEOUT,
    DETECTION_SPEECH,
    DETECTION_END,
    DETECTION_SILENCE,
    DETECTION_CALLBACK,
    DETECTION_METHOD,
];

const OTHER: &[Attribute] = &[URL, METHOD, CALLBACK, CALLBACK_METHOD, CALLBACK_EVENT];

/// A plain number as the text of `<Dial>`.
pub(crate) fn plain_number(text: &str) -> Noun {
    Noun {
        kind: NounKind::Number,
        target: number(text),
        screening: None,
        detection: None,
        status_callback: None,
        send_digits: None,
    }
}

pub(crate) fn read_number(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Noun, Finding> {
    let attributes = Attributes::read(node, NUMBER, reading)?;
    reading.no_children(node);
    let target = match attributes.text("byoc").filter(|sid| !sid.is_empty()) {
        None => number(&own_text(node)),
        // A call by another trunk would show another number and cost another carrier's price.
        Some(sid) => Target::Impossible {
            to: own_text(node),
            code: Code::BYOC_TRUNK_SID,
            status: None,
            sentence: format!(
                "BYOC trunk `{}` is unknown: this gateway has no trunk resources, numbers leave by \
                 the [[trunk]] of its settings",
                brief(sid)
            ),
        },
    };
    Ok(noun(NounKind::Number, target, &attributes))
}

pub(crate) fn read_sip(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Noun, Finding> {
    let attributes = Attributes::read(node, SIP, reading)?;
    let position = reading.place(node);
    let uri = sip_uri(node, &attributes, reading)?;
    let target = match sip_noun::parse(&uri.text) {
        Err(fault) => {
            // The child is made and fails. Its `To` shows what was written, without headers.
            let address = uri.text.split('?').next().unwrap_or("");
            let to = address.chars().take(limits::SIP_NOUN_URI_MAX).collect();
            Target::Impossible { to, code: fault.code, status: None, sentence: fault.sentence }
        }
        Ok((mut target, faults)) => {
            for fault in faults {
                reading.warn(fault.code, fault.sentence, position);
            }
            add_headers(&mut target, uri.headers, node, reading);
            target.credentials = uri.credentials;
            Target::Sip(target)
        }
    };
    Ok(noun(NounKind::Sip, target, &attributes))
}

/// `<Sim>`, `<WhatsApp>`: the child is made and fails, so that the action can report it.
pub(crate) fn read_other(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Noun, Finding> {
    let attributes = Attributes::read(node, OTHER, reading)?;
    let name = node.tag_name().name();
    let to = own_text(node);
    let sentence = format!("<{name}> cannot be called: this gateway has no such transport");
    let target = Target::Impossible { to, code: Code::NUMBER_NOT_CALLABLE, status: None, sentence };
    Ok(noun(NounKind::Other, target, &attributes))
}

pub(super) fn noun(kind: NounKind, target: Target, attributes: &Attributes<'_>) -> Noun {
    let link =
        |url: &str, method: &str| link(attributes, url, method).filter(|link| !link.url.is_empty());
    let events = attributes.words("statusCallbackEvent").iter();
    let events = events.filter_map(|word| ProgressEvent::from_word(word)).collect();
    Noun {
        kind,
        target,
        screening: link("url", "method"),
        detection: detection(attributes),
        status_callback: link("statusCallback", "statusCallbackMethod").map(|link| (link, events)),
        send_digits: attributes.text("sendDigits").filter(|d| !d.is_empty()).map(str::to_owned),
    }
}

/// The detection that a noun asks for; `None` without `machineDetection`.
fn detection(attributes: &Attributes<'_>) -> Option<NounDetection> {
    let word = attributes.word("machineDetection");
    if word.is_empty() {
        return None;
    }
    // Each fits: the ranges are those of the attributes.
    let ms = |name: &str| u16::try_from(attributes.whole(name)).unwrap_or(u16::MAX);
    let detection = Detection {
        speech_ms: ms("machineDetectionSpeechThreshold"),
        speech_end_ms: ms("machineDetectionSpeechEndThreshold"),
        silence_ms: ms("machineDetectionSilenceTimeout"),
        timeout_ms: ms("machineDetectionTimeout").saturating_mul(1_000),
        to_end: word == "DetectMessageEnd",
    };
    let callback = link(attributes, "amdStatusCallback", "amdStatusCallbackMethod");
    Some(NounDetection { detection, callback: callback.filter(|link| !link.url.is_empty()) })
}

/// The URI of a `<Sip>`, from its text or from its `<Uri>` and `<Headers>`.
struct SipUri {
    text: String,
    headers: Vec<(String, String)>,
    credentials: Option<SipCredentials>,
}

fn sip_uri(
    node: Node<'_, '_>,
    attributes: &Attributes<'_>,
    reading: &mut Reading<'_>,
) -> Result<SipUri, Finding> {
    let mut uri = SipUri {
        text: own_text(node),
        headers: Vec::new(),
        credentials: credentials(attributes, node, reading),
    };
    let mut uris = Vec::new();
    for child in node.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Uri" => uris.push(child),
            "Headers" => uri.headers = header_children(child, reading)?,
            _ => reading.skip(child, "Sip"),
        }
    }
    let rank = |child: &Node<'_, '_>, name: &str| -> u32 {
        child.attribute(name).and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    // As SRV records are tried: lower priority first, then higher weight (RFC 2782).
    uris.sort_by_key(|child| (rank(child, "priority"), u32::MAX - rank(child, "weight")));
    let mut uris = uris.into_iter();
    if let Some(first) = uris.next() {
        let attributes = Attributes::read(first, URI, reading)?;
        uri.text = own_text(first);
        uri.credentials = credentials(&attributes, first, reading).or(uri.credentials);
    }
    if let Some(second) = uris.next() {
        let message = "a second <Uri> is not supported by this gateway: only the first is tried";
        let position = reading.place(second);
        reading.warn(Code::VERB_NOT_SUPPORTED, message, position);
    }
    Ok(uri)
}

pub(crate) const URI: &[Attribute] = &[
    attribute("priority", Kind::Whole(0, 65_535), "Lower is tried first."),
    attribute("weight", Kind::Whole(0, 65_535), "Higher is tried first."),
    attribute("username", Kind::Text, "Digest user name.").code(Code::SIP_CREDENTIALS),
    attribute("password", Kind::Text, "Digest password.").code(Code::SIP_CREDENTIALS),
];

pub(crate) const HEADER: &[Attribute] =
    &[attribute("name", Kind::Text, "Name."), attribute("value", Kind::Text, "Value.")];

fn header_children(
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Result<Vec<(String, String)>, Finding> {
    let mut headers = Vec::new();
    for child in node.children().filter(Node::is_element) {
        if child.tag_name().name() != "Header" {
            reading.skip(child, "Headers");
            continue;
        }
        let attributes = Attributes::read(child, HEADER, reading)?;
        let text = |name| attributes.text(name).unwrap_or("").to_owned();
        headers.push((text("name"), text("value")));
    }
    Ok(headers)
}

/// Adds the headers of `<Headers>`, under the rules and the limit of a URI's header part.
fn add_headers(
    target: &mut SipTarget,
    headers: Vec<(String, String)>,
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) {
    let position = reading.place(node);
    let mut length = 0;
    for (name, value) in headers {
        // With `=` and `&`, as the header part of a URI counts.
        length += name.len() + value.len() + 2;
        if length > limits::SIP_NOUN_HEADERS_MAX {
            reading.warn(
                Code::SIP_HEADERS_LENGTH,
                "too many header characters: the rest is not sent",
                position,
            );
            return;
        }
        match sip_noun::check_header(name, value) {
            Ok(header) => target.headers.push(header),
            Err(fault) => reading.warn(fault.code, fault.sentence, position),
        }
    }
}

fn credentials(
    attributes: &Attributes<'_>,
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Option<SipCredentials> {
    let username = attributes.text("username").filter(|text| !text.is_empty())?;
    let password = attributes.text("password").unwrap_or("");
    // Both go into the INVITE, where a control character would end their header.
    if [username, password]
        .iter()
        .any(|text| text.len() > 255 || text.chars().any(char::is_control))
    {
        let position = reading.place(node);
        reading.warn(
            Code::SIP_CREDENTIALS,
            "username or password is not valid: none is sent",
            position,
        );
        return None;
    }
    Some(SipCredentials { username: username.to_owned(), password: password.to_owned() })
}

/// The number that a text means: `+` and digits (E.164), a North American number without `+`, or a short
/// code of 3 to 7 digits, which is left as it is because only the trunk knows it.
pub fn number(text: &str) -> Target {
    let written: String =
        text.chars().filter(|c| !c.is_whitespace() && !"()-.".contains(*c)).collect();
    let written = spelled(&written).unwrap_or(written);
    let digits = written.strip_prefix('+').unwrap_or(&written);
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match (all_digits, written.starts_with('+'), digits.len()) {
        (true, true, 2..=15) => Target::Number(written),
        (true, false, 10) => Target::Number(format!("+1{digits}")),
        (true, false, 3..=7) => Target::Number(written),
        // An international number whose `+` was left out, or lost as a space of a form.
        (true, false, 8..=15) => Target::Number(format!("+{digits}")),
        _ => Target::Impossible {
            sentence: format!("`{}` is not a telephone number", brief(text)),
            to: text.trim().to_owned(),
            code: Code::NUMBER_FORMAT,
            status: None,
        },
    }
}

/// The digits of an international number that ends in a word: `+1800…FLOWERS`. `None` of any other text, above all of a
/// name, which has no digits in front.
fn spelled(written: &str) -> Option<String> {
    let word = written.find(|c: char| c.is_ascii_alphabetic())?;
    let (digits, word) = written.split_at(word);
    let is_prefix = digits.starts_with('+') && digits.len() > SPELLED_PREFIX_MIN;
    let keys: Option<String> = word.chars().map(key_of).collect();
    keys.filter(|_| is_prefix).map(|keys| format!("{digits}{keys}"))
}

/// Digits before the word, at least: a country and an area.
const SPELLED_PREFIX_MIN: usize = 4;

/// The key that has the letter (ITU-T E.161); a digit is its own key.
fn key_of(c: char) -> Option<char> {
    Some(match c.to_ascii_lowercase() {
        'a'..='c' => '2',
        'd'..='f' => '3',
        'g'..='i' => '4',
        'j'..='l' => '5',
        'm'..='o' => '6',
        'p'..='s' => '7',
        't'..='v' => '8',
        'w'..='z' => '9',
        '0'..='9' => c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_normalised_to_e164() {
        for (text, expected) in [
            ("+14155551212", "+14155551212"),
            (" (415) 555-1212 ", "+14155551212"),
            ("1 415.555.1212", "+14155551212"),
            ("4915112345678", "+4915112345678"),
            ("1000", "1000"),
            ("+1 800 870-FOOD", "+18008703663"),
            ("+1800flowers", "+18003569377"),
        ] {
            assert_eq!(number(text), Target::Number(expected.to_owned()), "{text}");
        }
        for bad in [
            "",
            "+",
            "bob",
            "+1234567890123456",
            "12",
            "1+2345678",
            "+1bobby",
            "800food22",
            "+1800b\u{e9}",
        ] {
            assert!(
                matches!(number(bad), Target::Impossible { code: Code::NUMBER_FORMAT, .. }),
                "{bad}"
            );
        }
    }
}
