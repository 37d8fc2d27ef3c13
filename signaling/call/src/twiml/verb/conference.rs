//! `<Conference>`, a noun of `<Dial>` that stands alone. Sans-IO.

use roxmltree::Node;
use shared::{CallSid, Code, Playout, limits};

use super::record::{self, RecordingLink};
use super::{Link, broken, link};
use crate::conference::{Beep, ConferenceEvent};
use crate::finding::Finding;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};
use crate::twiml::{Reading, own_text};

/// A room of the account, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceNoun {
    /// The room; every call of the account that names it meets there.
    pub name: String,
    /// Whether the room hears this member.
    pub muted: bool,
    /// When the room hears a beep for this member.
    pub beep: Beep,
    /// Whether the conference may begin once this member is there.
    pub start_on_enter: bool,
    /// Whether the conference ends when this member leaves.
    pub end_on_exit: bool,
    /// Name of the member in the room; `None` without one.
    pub label: Option<String>,
    /// How long its audio waits before it is mixed.
    pub playout: Playout,
    /// The wait document. `None`: the built-in music. An empty URL: silence.
    pub wait: Option<Link>,
    /// The most members; the value of the first one counts.
    pub max_participants: u32,
    /// Whether the conference is recorded from its start; the value of the first member counts.
    pub record: bool,
    /// Whether silence is cut from both ends of that recording.
    pub trim: bool,
    /// The region as written; the value of the first member that has one counts. Without effect on media.
    pub region: Option<String>,
    /// The member that this one coaches: it alone hears the coach.
    pub coach: Option<CallSid>,
    /// Status callback of the conference with its events; that of the first member counts.
    pub callback: Option<(Link, Vec<ConferenceEvent>)>,
    /// Status callback of the recording; that of the first member counts.
    pub recording_callback: Option<RecordingLink>,
}

const BEEPS: Kind = Kind::Word(&["true", "false", "onEnter", "onExit"]);
const BUFFERS: Kind = Kind::Word(&["small", "medium", "large", "off"]);
const RECORD: Kind = Kind::Word(&["do-not-record", "record-from-start", "true", "false"]);
const REGIONS: Kind = Kind::Word(&["us1", "us2", "ie1", "de1", "sg1", "br1", "au1", "jp1"]);
const TRIM: Kind = Kind::Word(&["trim-silence", "do-not-trim"]);

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("muted", Kind::Flag, "Whether the room does not hear this member.")
        .default("false")
        .code(Code::CONFERENCE_MUTED),
    attribute("beep", BEEPS, "When the room hears a beep for this member.")
        .default("true")
        .code(Code::CONFERENCE_BEEP),
    attribute("startConferenceOnEnter", Kind::Flag, "Whether the conference may begin with it.")
        .default("true")
        .code(Code::CONFERENCE_START),
    attribute("endConferenceOnExit", Kind::Flag, "Whether the conference ends with it.")
        .default("false")
        .code(Code::CONFERENCE_END)
        .fatal(),
    attribute("participantLabel", Kind::Text, "Name of the member in the room."),
    attribute("jitterBufferSize", BUFFERS, "How long its audio waits: 20, 40 or 60 ms.")
        .default("large"),
    attribute("waitUrl", Kind::Url, "What members hear until it begins; empty: silence.")
        .code(Code::CONFERENCE_WAIT_URL),
    attribute("waitMethod", Kind::Method, "Its method.")
        .default("POST")
        .code(Code::CONFERENCE_WAIT_METHOD),
    attribute("maxParticipants", Kind::Whole(1, limits::CONFERENCE_MEMBERS_MAX), "Most members.")
        .default("250"),
    attribute("record", RECORD, "Whether it is recorded from its start.").default("do-not-record"),
    attribute("trim", TRIM, "Whether silence at both ends is cut.")
        .default("trim-silence")
        .code(Code::CONFERENCE_TRIM)
        .fatal(),
    attribute("region", REGIONS, "Accepted; media stay on this node."),
    attribute("coach", Kind::Text, "Call SID of the member that alone hears this one.")
        .code(Code::CONFERENCE_COACH)
        .fatal(),
    attribute("statusCallback", Kind::Url, "Where events of the conference go."),
    attribute("statusCallbackEvent", Kind::Words(ConferenceEvent::NAMES), "Which events."),
    attribute("statusCallbackMethod", Kind::Method, "Its method.").default("POST"),
    record::CALLBACK,
    record::CALLBACK_METHOD,
    record::CALLBACK_EVENT,
    attribute("eventCallbackUrl", Kind::Url, "Former name of recordingStatusCallback."),
    record::CONFIGURATION,
];

/// Reads the noun.
///
/// # Errors
/// A finding that breaks the `<Dial>`: a bad name, or an attribute whose error is fatal.
pub(crate) fn read(
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Result<ConferenceNoun, Finding> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    reading.no_children(node);
    let name = own_text(node);
    if name.is_empty() || name.chars().count() > limits::CONFERENCE_NAME_CHARACTERS_MAX {
        let most = limits::CONFERENCE_NAME_CHARACTERS_MAX;
        let message = format!("the name of a <Conference> has 1 to {most} characters");
        return Err(broken(Code::CONFERENCE_NAME, message, node, reading));
    }
    let coach = match attributes.text("coach").filter(|text| !text.is_empty()).map(str::parse) {
        Some(Ok(sid)) => Some(sid),
        Some(Err(_)) => {
            let message = "coach is not the SID of a call";
            return Err(broken(Code::CONFERENCE_COACH, message, node, reading));
        }
        None => None,
    };
    let recording_callback = record::callback(&attributes).or_else(|| former_callback(&attributes));
    Ok(ConferenceNoun {
        name,
        muted: attributes.flag("muted"),
        beep: Beep::of(attributes.word("beep")),
        start_on_enter: attributes.flag("startConferenceOnEnter"),
        end_on_exit: attributes.flag("endConferenceOnExit"),
        label: label(node, &attributes, reading),
        playout: playout(attributes.word("jitterBufferSize")),
        wait: link(&attributes, "waitUrl", "waitMethod"),
        max_participants: attributes.whole("maxParticipants"),
        record: matches!(attributes.word("record"), "record-from-start" | "true"),
        trim: attributes.word("trim") == "trim-silence",
        region: Some(attributes.word("region")).filter(|word| !word.is_empty()).map(str::to_owned),
        coach,
        callback: callback(&attributes),
        recording_callback,
    })
}

/// The playout delay of a value of `jitterBufferSize` (contract: 20, 40, 60 ms, off).
pub fn playout(size: &str) -> Playout {
    match size {
        "small" => Playout::Fixed(20),
        "medium" => Playout::Fixed(40),
        "off" => Playout::Off,
        _ => Playout::Fixed(60),
    }
}

fn label(
    node: Node<'_, '_>,
    attributes: &Attributes<'_>,
    reading: &mut Reading<'_>,
) -> Option<String> {
    let label = attributes.text("participantLabel").filter(|label| !label.is_empty())?;
    if label.chars().count() <= limits::PARTICIPANT_LABEL_CHARACTERS_MAX {
        return Some(label.to_owned());
    }
    let position = reading.place(node);
    let message = "participantLabel is too long: the member has no label";
    reading.warn(Code::TWIML_SCHEMA, message, position);
    None
}

fn callback(attributes: &Attributes<'_>) -> Option<(Link, Vec<ConferenceEvent>)> {
    let link = link(attributes, "statusCallback", "statusCallbackMethod");
    let link = link.filter(|link| !link.url.is_empty())?;
    let events = attributes.words("statusCallbackEvent").iter();
    Some((link, events.filter_map(|name| ConferenceEvent::from_name(name)).collect()))
}

/// `eventCallbackUrl` reports completed recordings where the newer attribute is absent.
fn former_callback(attributes: &Attributes<'_>) -> Option<RecordingLink> {
    let link = link(attributes, "eventCallbackUrl", "recordingStatusCallbackMethod");
    let link = link.filter(|link| !link.url.is_empty())?;
    Some(RecordingLink { link, events: vec![crate::setup::RecordingEvent::Completed] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let noun = noun("<Conference>ops</Conference>");
        assert_eq!((noun.name.as_str(), noun.muted, noun.start_on_enter), ("ops", false, true));
        assert_eq!((noun.end_on_exit, noun.max_participants), (false, 250));
        assert_eq!((noun.beep, noun.playout), (Beep::BOTH, Playout::Fixed(60)));
        assert!(noun.wait.is_none() && !noun.record && noun.trim && noun.callback.is_none());
    }

    #[test]
    fn every_attribute_has_its_effect() {
        let text = "<Conference muted=\"true\" beep=\"onExit\" startConferenceOnEnter=\"false\" endConferenceOnExit=\"true\" participantLabel=\"agent\" jitterBufferSize=\"off\" waitUrl=\"\" maxParticipants=\"3\" record=\"record-from-start\" trim=\"do-not-trim\" region=\"ie1\" coach=\"CA00000000000000000000000000000001\" statusCallback=\"/c\" statusCallbackEvent=\"start end\" statusCallbackMethod=\"GET\">x</Conference>";
        let noun = noun(text);
        assert_eq!((noun.muted, noun.start_on_enter, noun.end_on_exit), (true, false, true));
        assert_eq!(noun.beep, Beep { on_enter: false, on_exit: true });
        assert_eq!((noun.label.as_deref(), noun.playout), (Some("agent"), Playout::Off));
        assert_eq!(noun.wait.map(|link| link.url), Some(String::new()));
        assert_eq!((noun.max_participants, noun.record, noun.trim), (3, true, false));
        assert_eq!((noun.region.as_deref(), noun.coach), (Some("ie1"), Some(CallSid(1))));
        let (link, events) = noun.callback.expect("a callback");
        assert_eq!((link.url.as_str(), events.len()), ("/c", 2));
    }

    #[test]
    fn bad_values_have_their_codes_and_fatal_ones_break_the_dial() {
        let text = "<Dial><Conference muted=\"x\" beep=\"x\" startConferenceOnEnter=\"x\" waitMethod=\"x\">x</Conference></Dial>";
        assert_eq!(
            codes(text),
            [
                Code::CONFERENCE_MUTED,
                Code::CONFERENCE_BEEP,
                Code::CONFERENCE_START,
                Code::CONFERENCE_WAIT_METHOD
            ]
        );
        for (attribute, code) in [
            ("endConferenceOnExit=\"x\"", Code::CONFERENCE_END),
            ("trim=\"x\"", Code::CONFERENCE_TRIM),
            ("coach=\"x\"", Code::CONFERENCE_COACH),
        ] {
            let verb = one(&format!("<Dial><Conference {attribute}>x</Conference></Dial>"));
            assert!(matches!(verb, Verb::Broken(finding) if finding.code == code), "{attribute}");
        }
        let verb = one("<Dial><Conference/></Dial>");
        assert!(matches!(verb, Verb::Broken(finding) if finding.code == Code::CONFERENCE_NAME));
    }

    fn noun(text: &str) -> ConferenceNoun {
        match one(&format!("<Dial>{text}</Dial>")) {
            Verb::Dial(dial) => *dial.conference.expect("a conference"),
            other => panic!("{other:?}"),
        }
    }
}
