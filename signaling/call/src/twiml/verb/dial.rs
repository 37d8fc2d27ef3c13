//! `<Dial>`: attributes and targets. Its nouns are in `noun.rs`. Sans-IO.

use roxmltree::Node;
use shared::{Code, limits};

use super::application;
use super::client;
use super::conference::{self, ConferenceNoun};
use super::enqueue::{self, QueueNoun};
use super::noun::{self, Noun, NounKind};
use super::record::{self, RecordingLink};
use super::{Link, Read, link};
use crate::finding::Finding;
use crate::setup::RecordingTrack;
use crate::tone::RingTone;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};
use crate::twiml::{Reading, own_text};

/// Calls other parties and bridges the first that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Requested at the end; `None`: the next verb follows.
    pub action: Option<Link>,
    /// Ring time of a target, in seconds.
    pub timeout_s: u32,
    /// Longest time of the bridge, in seconds.
    pub time_limit_s: u32,
    /// Whether the caller's `*` hangs up the other party.
    pub hangup_on_star: bool,
    /// Whether the caller is answered only when the other party is bridged.
    pub answer_on_bridge: bool,
    /// Caller id as written; each noun checks it. `None`: the caller's own.
    pub caller_id: Option<String>,
    /// `None` records nothing.
    pub record: Option<DialRecord>,
    /// Ringback that replaces the child's early media; `None` lets early media through.
    pub ring_tone: Option<RingTone>,
    /// Whether targets are tried one by one, instead of all at once.
    pub sequential: bool,
    /// Requested when a party sends a REFER; `None` refuses every REFER.
    pub refer_url: Option<Link>,
    /// The parties to call, 1 to 10; empty when the document names none, or a conference.
    pub targets: Vec<Noun>,
    /// The room to enter instead.
    pub conference: Option<Box<ConferenceNoun>>,
    /// The queue to take a call from instead.
    pub queue: Option<Box<QueueNoun>>,
}

/// Recording of a `<Dial>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialRecord {
    /// Whether it starts when the targets ring, not when one is bridged.
    pub from_ringing: bool,
    /// 1 or 2.
    pub channels: u8,
    /// The directions of audio that it holds.
    pub track: RecordingTrack,
    /// Whether silence is cut from its start and its end.
    pub trim: bool,
    /// Its status callback; `None` sends none.
    pub callback: Option<RecordingLink>,
}

const RECORD: &[&str] = &[
    "do-not-record",
    "record-from-answer",
    "record-from-ringing",
    "record-from-answer-dual",
    "record-from-ringing-dual",
    "true",
    "false",
];

const RING_TONES: &[&str] = &[
    "at", "au", "bg", "br", "be", "ch", "cl", "cn", "cz", "de", "dk", "ee", "es", "fi", "fr", "gr",
    "hu", "il", "in", "it", "lt", "jp", "mx", "my", "nl", "no", "nz", "ph", "pl", "pt", "ru", "se",
    "sg", "th", "uk", "us", "us-old", "tw", "ve", "za",
];

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("action", Kind::Url, "Requested at the end."),
    attribute("method", Kind::Method, "Method of the action.")
        .default("POST")
        .code(Code::DIAL_METHOD),
    attribute("timeout", Kind::Whole(5, limits::RING_S.1), "Ring time, seconds.")
        .default("30")
        .code(Code::DIAL_TIMEOUT),
    attribute("timeLimit", Kind::Whole(1, limits::CALL_S.1), "Longest connection, seconds.")
        .default("14400")
        .code(Code::DIAL_TIME_LIMIT),
    attribute("hangupOnStar", Kind::Flag, "Whether * of the caller ends it.")
        .default("false")
        .code(Code::DIAL_HANGUP_ON_STAR),
    attribute("answerOnBridge", Kind::Flag, "Whether the answer waits for the connection.")
        .default("false")
        .code(Code::DIAL_ANSWER_ON_BRIDGE),
    attribute("callerId", Kind::Text, "Caller id of the children.").code(Code::DIAL_CALLER_ID),
    attribute("record", Kind::Word(RECORD), "Whether and from when it is recorded.")
        .default("do-not-record")
        .code(Code::DIAL_RECORD),
    attribute("recordingTrack", Kind::Word(&["both", "inbound", "outbound"]), "Which audio.")
        .default("both")
        .code(Code::RECORDING_TRACK),
    record::TRIM_SILENCE.default("do-not-trim"),
    record::CALLBACK,
    record::CALLBACK_METHOD,
    record::CALLBACK_EVENT,
    record::CONFIGURATION,
    attribute("ringTone", Kind::Word(RING_TONES), "Country of the ringback.")
        .code(Code::DIAL_RING_TONE),
    attribute("sequential", Kind::Flag, "One after another.")
        .default("false")
        .code(Code::DIAL_SEQUENTIAL),
    attribute("referUrl", Kind::Url, "Asked what to do when a party sends a REFER."),
    attribute("referMethod", Kind::Method, "Method of that request.").default("POST"),
    attribute("callReason", Kind::Ignored, "No effect."),
    attribute("events", Kind::Ignored, "No effect."),
    attribute("passports", Kind::Ignored, "No effect."),
];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Dial> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    let Targets { parties, conference, queue } = targets(node, reading)?;
    Ok(Some(Dial {
        action: link(&attributes, "action", "method"),
        timeout_s: attributes.whole("timeout"),
        time_limit_s: attributes.whole("timeLimit"),
        hangup_on_star: attributes.flag("hangupOnStar"),
        answer_on_bridge: attributes.flag("answerOnBridge"),
        caller_id: attributes.text("callerId").filter(|id| !id.is_empty()).map(str::to_owned),
        record: dial_record(&attributes),
        ring_tone: RingTone::of(attributes.word("ringTone")),
        sequential: attributes.flag("sequential"),
        refer_url: link(&attributes, "referUrl", "referMethod").filter(|link| !link.url.is_empty()),
        targets: parties,
        conference,
        queue,
    }))
}

fn dial_record(attributes: &Attributes<'_>) -> Option<DialRecord> {
    let (from_ringing, dual) = match attributes.word("record") {
        "record-from-answer" | "true" => (false, false),
        "record-from-ringing" => (true, false),
        "record-from-answer-dual" => (false, true),
        "record-from-ringing-dual" => (true, true),
        _ => return None,
    };
    let track = match attributes.word("recordingTrack") {
        "inbound" => RecordingTrack::Inbound,
        "outbound" => RecordingTrack::Outbound,
        _ => RecordingTrack::Both,
    };
    // A single track is always mono.
    let channels = if dual && track == RecordingTrack::Both { 2 } else { 1 };
    Some(DialRecord {
        from_ringing,
        channels,
        track,
        trim: attributes.word("trim") == "trim-silence",
        callback: record::callback(attributes),
    })
}

/// What a `<Dial>` reaches: parties, or one room, or one queue.
#[derive(Default)]
struct Targets {
    parties: Vec<Noun>,
    conference: Option<Box<ConferenceNoun>>,
    queue: Option<Box<QueueNoun>>,
}

fn targets(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Targets, Finding> {
    let mut targets = Vec::new();
    let (mut conference, mut queue) = (None, None);
    for child in node.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Number" => targets.push(noun::read_number(child, reading)?),
            "Sip" => targets.push(noun::read_sip(child, reading)?),
            "Client" => targets.push(client::read(child, reading)?),
            "Sim" | "WhatsApp" => targets.push(noun::read_other(child, reading)?),
            // Breaks the verb: no other target can stand in for a room or a queue.
            "Conference" if conference.is_none() => {
                conference = Some(Box::new(conference::read(child, reading)?));
            }
            "Queue" if queue.is_none() => {
                queue = Some(Box::new(enqueue::read_noun(child, reading)?));
            }
            "Application" => targets.push(application::read(child, reading)?),
            _ => reading.skip_as(Code::DIAL_NESTED, child, "Dial"),
        }
    }
    let text = own_text(node);
    // A number as plain text; beside nouns, text is only white space or a mistake.
    if targets.is_empty() && !text.is_empty() {
        targets.push(noun::plain_number(&text));
    }
    let position = reading.place(node);
    if targets.len() > limits::DIAL_TARGETS_MAX {
        let most = limits::DIAL_TARGETS_MAX;
        reading.warn(
            Code::SIP_URIS_MAX,
            format!("<Dial> has more than {most} targets: the rest is left out"),
            position,
        );
        targets.truncate(most);
    }
    // No simultaneous dialling with an application, which always answers.
    let is_application = |noun: &Noun| matches!(noun.kind, NounKind::Application { .. });
    if targets.len() > 1 && targets.iter().any(is_application) {
        let message = "an <Application> stands alone in a <Dial>: the rest is left out";
        reading.warn(Code::DIAL_MIXED, message, position);
        targets.retain(is_application);
        targets.truncate(1);
    }
    if conference.is_some() || queue.is_some() {
        if !targets.is_empty() || conference.is_some() && queue.is_some() {
            let message =
                "a <Conference> or a <Queue> stands alone in a <Dial>: the rest is left out";
            reading.warn(Code::DIAL_MIXED, message, position);
        }
        let queue = queue.filter(|_| conference.is_none());
        return Ok(Targets { conference, queue, ..Targets::default() });
    }
    if targets.is_empty() {
        // A warning: the verb fails when it runs, and its action reports that.
        reading.warn(Code::NUMBER_FORMAT, "<Dial> has no target: it fails at once", position);
    }
    Ok(Targets { parties: targets, ..Targets::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Target;
    use crate::status::ProgressEvent;
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    #[test]
    fn plain_text_is_a_number() {
        let dial = dial("<Dial> 415-555-1212 </Dial>");
        assert_eq!(dial.targets[0].target, Target::Number("+14155551212".to_owned()));
        assert_eq!((dial.timeout_s, dial.time_limit_s), (30, 14_400));
        assert!(dial.action.is_none() && !dial.sequential && dial.record.is_none());
    }

    #[test]
    fn nouns_carry_their_own_screening_callback_and_digits() {
        let text = "<Dial><Number url=\"/s\" method=\"GET\" statusCallback=\"/c\" statusCallbackEvent=\"initiated answered\" sendDigits=\"ww1\">+1415</Number></Dial>";
        let noun = &dial(text).targets[0];
        assert_eq!(noun.screening.as_ref().map(|link| link.url.as_str()), Some("/s"));
        let events = noun.status_callback.as_ref().map(|(_, events)| events.clone());
        assert_eq!(events, Some(vec![ProgressEvent::Initiated, ProgressEvent::Answered]));
        assert_eq!(noun.send_digits.as_deref(), Some("ww1"));
    }

    #[test]
    fn a_sip_noun_has_headers_and_credentials() {
        let text = "<Dial><Sip username=\"u\" password=\"p\">sip:a@h?X-A=1&amp;X-B=2</Sip></Dial>";
        let Target::Sip(target) = dial(text).targets.remove(0).target else { panic!() };
        assert_eq!(target.headers.len(), 2);
        assert_eq!(target.credentials.map(|c| c.username).as_deref(), Some("u"));
    }

    #[test]
    fn the_newer_form_of_sip_takes_the_first_by_priority_and_weight() {
        let text = "<Dial><Sip><Uri priority=\"2\">sip:b@h</Uri><Uri priority=\"1\" weight=\"1\">sip:c@h</Uri><Uri priority=\"1\" weight=\"5\">sip:a@h</Uri><Headers><Header name=\"X-A\" value=\"1\"/></Headers></Sip></Dial>";
        let Target::Sip(target) = dial(text).targets.remove(0).target else { panic!() };
        assert_eq!((target.uri.as_str(), target.headers.len()), ("sip:a@h", 1));
        assert_eq!(codes(text), [Code::VERB_NOT_SUPPORTED]);
    }

    #[test]
    fn what_has_no_transport_fails_alone() {
        let dial = dial("<Dial><WhatsApp>+15550100</WhatsApp><Sip>sip:a@h</Sip></Dial>");
        assert!(
            matches!(&dial.targets[0].target, Target::Impossible { code: Code::NUMBER_NOT_CALLABLE, to, .. } if to == "+15550100")
        );
        assert_eq!(dial.targets.len(), 2);
    }

    #[test]
    fn a_trunk_that_is_not_known_fails_its_target() {
        let dial =
            dial("<Dial><Number byoc=\"BY1\">+14155551212</Number><Number>1000</Number></Dial>");
        assert!(
            matches!(&dial.targets[0].target, Target::Impossible { code: Code::BYOC_TRUNK_SID, to, .. } if to == "+14155551212")
        );
        assert_eq!(dial.targets[1].target, Target::Number("1000".to_owned()));
    }

    #[test]
    fn at_most_ten_targets() {
        let text = format!("<Dial>{}</Dial>", "<Sip>sip:a@h</Sip>".repeat(11));
        assert_eq!(dial(&text).targets.len(), 10);
        assert_eq!(codes(&text), [Code::SIP_URIS_MAX]);
    }

    #[test]
    fn record_values_say_start_and_channels() {
        let record = |value: &str| {
            dial(&format!("<Dial record=\"{value}\">1000</Dial>"))
                .record
                .map(|record| (record.from_ringing, record.channels))
        };
        assert_eq!(record("true"), Some((false, 1)));
        assert_eq!(record("record-from-ringing-dual"), Some((true, 2)));
        assert_eq!(record("false"), None);
        assert_eq!(codes("<Dial record=\"maybe\">1000</Dial>"), [Code::DIAL_RECORD]);
    }

    #[test]
    fn bad_values_have_their_codes_and_defaults() {
        let text = "<Dial timeout=\"4\" timeLimit=\"0\" hangupOnStar=\"x\" answerOnBridge=\"x\" ringTone=\"x\" sequential=\"x\" recordingTrack=\"x\">1000</Dial>";
        assert_eq!(
            codes(text),
            [
                Code::DIAL_TIMEOUT,
                Code::DIAL_TIME_LIMIT,
                Code::DIAL_HANGUP_ON_STAR,
                Code::DIAL_ANSWER_ON_BRIDGE,
                Code::DIAL_RING_TONE,
                Code::DIAL_SEQUENTIAL,
                Code::RECORDING_TRACK
            ]
        );
        assert_eq!(dial(text).timeout_s, 30);
    }

    fn dial(text: &str) -> Dial {
        match one(text) {
            Verb::Dial(dial) => *dial,
            other => panic!("{other:?}"),
        }
    }
}
