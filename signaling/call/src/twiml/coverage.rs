//! Every TwiML element, attribute and connection override against what reading it does: the TwiML part
//! of `signaling/contract/coverage.tsv`.

use std::collections::{BTreeMap, BTreeSet};

use shared::Code;

use super::verb::{
    Verb, application, client, conference, dial, echo, enqueue, gather, noun, parameter, pause,
    play, record, recording, redirect, refer,
};
use super::verb::{reject, relay, say, siprec, ssml, stream, transcription};
use super::*;
use crate::setup::Target;
use crate::webhook::WebUrl;

const TABLE: &str = include_str!("../../../contract/coverage.tsv");

#[test]
fn every_attribute_that_is_read_has_one_state() {
    let mut stated: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for line in lines().filter(|line| line.place.starts_with('<')) {
        for name in line.names.iter().filter(|name| **name != "-") {
            let is_new = stated.entry(bare(line.place)).or_default().insert(name);
            assert!(is_new, "{} {name} has two states", line.place);
        }
    }
    for (element, table) in tables() {
        for attribute in table {
            let names = stated.get(&element).unwrap_or_else(|| panic!("{element} has no state"));
            assert!(names.contains(attribute.name), "{element} {} has no state", attribute.name);
        }
    }
}

#[test]
fn every_state_of_twiml_is_what_reading_it_does() {
    let mut wrong = Vec::new();
    for line in lines().filter(|line| line.place.starts_with('<')) {
        for name in &line.names {
            if let Err(problem) = check(&line, name) {
                wrong.push(format!("{} {name} ({}): {problem}", line.place, line.state));
            }
        }
    }
    assert!(wrong.is_empty(), "{} states are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_connection_override_has_an_effect() {
    let line = lines().find(|line| line.place == "#").expect("the overrides");
    assert_eq!(line.names, ["ct", "rt", "tt", "rc", "rp", "sni", "e"]);
    let read = |fragment: &str| WebUrl::parse(&format!("http://h.example/{fragment}"));
    let plain = read("").expect("a URL").overrides;
    for name in line.names {
        let changes = |value: &&str| {
            read(&format!("#{name}={value}")).is_ok_and(|url| url.overrides != plain)
        };
        assert!(["2000", "2", "5xx", "n", "dublin"].iter().any(changes), "{name}");
    }
}

/// A place without the attributes that its elements are given.
fn bare(place: &str) -> String {
    let tags = place.split('<').skip(1).map(|tag| tag.trim_end_matches('>'));
    tags.map(|tag| format!("<{}>", tag.split(' ').next().unwrap_or(tag))).collect()
}

/// A line of the table.
struct Line {
    place: &'static str,
    names: Vec<&'static str>,
    state: &'static str,
}

fn lines() -> impl Iterator<Item = Line> {
    let is_ours = |line: &&str| line.starts_with('<') || line.starts_with("#\t");
    TABLE.lines().filter(is_ours).map(|line| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_else(|| panic!("four columns: {line}"));
        let (place, names, state, feature) = (next(), next(), next(), next());
        assert_eq!(feature.is_empty(), state == "works", "{line}");
        Line { place, names: names.split(' ').collect(), state }
    })
}

/// The attribute tables of this package, by the elements from `<Response>` down.
fn tables() -> Vec<(String, &'static [attribute::Attribute])> {
    let own: [(&str, &'static [attribute::Attribute]); 38] = [
        ("<Enqueue>", enqueue::ATTRIBUTES),
        ("<Dial><Queue>", enqueue::NOUN),
        ("<Say>", say::ATTRIBUTES),
        ("<Play>", play::ATTRIBUTES),
        ("<Pause>", pause::ATTRIBUTES),
        ("<Echo>", echo::ATTRIBUTES),
        ("<Gather>", gather::ATTRIBUTES),
        ("<Record>", record::ATTRIBUTES),
        ("<Start><Recording>", recording::START),
        ("<Stop><Recording>", recording::STOP),
        ("<Start><Siprec>", siprec::START),
        ("<Stop><Siprec>", siprec::STOP),
        ("<Start><Stream>", stream::START),
        ("<Stop><Stream>", stream::STOP),
        ("<Start><Transcription>", transcription::START),
        ("<Stop><Transcription>", transcription::STOP),
        ("<Connect>", stream::CONNECT),
        ("<Connect><Stream>", stream::START),
        ("<Start><Siprec><Parameter>", parameter::ATTRIBUTES),
        ("<Connect><ConversationRelay>", relay::ATTRIBUTES),
        ("<Connect><ConversationRelay><Language>", relay::LANGUAGE),
        ("<Connect><ConversationRelay><Parameter>", parameter::ATTRIBUTES),
        ("<Start><Stream><Parameter>", parameter::ATTRIBUTES),
        ("<Connect><Stream><Parameter>", parameter::ATTRIBUTES),
        ("<Dial>", dial::ATTRIBUTES),
        ("<Dial><Conference>", conference::ATTRIBUTES),
        ("<Dial><Application>", application::ATTRIBUTES),
        ("<Dial><Application><Parameter>", parameter::ATTRIBUTES),
        ("<Dial><Client>", client::ATTRIBUTES),
        ("<Dial><Client><Parameter>", parameter::ATTRIBUTES),
        ("<Dial><Number>", noun::NUMBER),
        ("<Dial><Sip>", noun::SIP),
        ("<Dial><Sip><Uri>", noun::URI),
        ("<Dial><Sip><Headers><Header>", noun::HEADER),
        ("<Redirect>", redirect::ATTRIBUTES),
        ("<Refer>", refer::ATTRIBUTES),
        ("<Reject>", reject::ATTRIBUTES),
        ("<Hangup>", &[]),
    ];
    let ssml = ssml::ELEMENTS.iter().map(|(name, table)| (format!("<Say><{name}>"), *table));
    own.into_iter().map(|(element, table)| (element.to_owned(), table)).chain(ssml).collect()
}

fn check(line: &Line, name: &str) -> Result<(), String> {
    let (state, number) = line.state.split_once(' ').unwrap_or((line.state, ""));
    let code = number.parse().ok().and_then(Code::from_number);
    if code.is_none() && !number.is_empty() {
        return Err(format!("`{number}` is no code of the contract"));
    }
    let is_in = |codes: &[Code]| code.is_some_and(|code| codes.contains(&code));
    let before = read_with(line.place, None);
    if matches!(name, "-" | "*") {
        let fits = match state {
            "works" | "ignored" => before.warnings.is_empty() && before.errors.is_empty(),
            "warned" => is_in(&before.warnings),
            "fails" => is_in(&before.errors),
            _ => false,
        };
        return if fits { Ok(()) } else { Err(format!("{before:?}")) };
    }
    let seen: Vec<Seen> = VALUES.iter().map(|v| read_with(line.place, Some((name, v)))).collect();
    let has = |found: &dyn Fn(&Seen) -> bool| seen.iter().any(found);
    let fits = match state {
        // A refused value is not an effect: a value has an effect when it changes the verb.
        "works" => {
            has(&|seen| seen.verbs != before.verbs && !seen.warnings.contains(&Code::TWIML_SCHEMA))
        }
        "ignored" => {
            has(&|seen| seen.warnings == before.warnings)
                && seen.iter().all(|seen| seen.verbs == before.verbs)
        }
        "warned" => has(&|seen| is_in(&seen.warnings)),
        "fails" => has(&|seen| is_in(&seen.errors)),
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("before: {before:?}")) }
}

/// What reading a document gives.
#[derive(Debug, PartialEq)]
struct Seen {
    verbs: Vec<Placed>,
    /// Codes of the warnings.
    warnings: Vec<Code>,
    /// Codes of verbs and targets that will fail.
    errors: Vec<Code>,
}

/// Reads a document with the elements of `place`, the innermost with one attribute more.
fn read_with(place: &str, attribute: Option<(&str, &str)>) -> Seen {
    let document = document(place, attribute);
    let read = Document::parse(&document).unwrap_or_else(|error| panic!("{document}: {error:?}"));
    Seen {
        warnings: read.warnings.iter().map(|finding| finding.code).collect(),
        errors: read.verbs.iter().flat_map(|placed| errors_of(&placed.verb)).collect(),
        verbs: read.verbs,
    }
}

fn errors_of(verb: &Verb) -> Vec<Code> {
    match verb {
        Verb::Broken(finding) => vec![finding.code],
        Verb::Unsupported { .. } => vec![Code::VERB_NOT_SUPPORTED],
        Verb::Dial(dial) => {
            dial.targets.iter().filter_map(|noun| impossible(&noun.target)).collect()
        }
        Verb::StartSiprec(siprec) => siprec.fault.iter().map(|fault| fault.code).collect(),
        Verb::StartStream(stream) => stream.fault.iter().map(|fault| fault.code).collect(),
        Verb::ConnectStream(connect) => {
            connect.stream.fault.iter().map(|fault| fault.code).collect()
        }
        Verb::ConnectRelay(relay) => relay.fault.iter().map(|fault| fault.code).collect(),
        _ => Vec::new(),
    }
}

fn impossible(target: &Target) -> Option<Code> {
    match target {
        Target::Impossible { code, .. } => Some(*code),
        Target::Sip(_) | Target::Number(_) | Target::Client(_) | Target::Application(_) => None,
    }
}

/// The document: each tag ends its line, so that attributes move nothing that has a position.
fn document(place: &str, attribute: Option<(&str, &str)>) -> String {
    let tags: Vec<&str> = place.split('<').skip(1).map(|tag| tag.trim_end_matches('>')).collect();
    let mut text = "<Response>".to_owned();
    let mut path = String::new();
    for (depth, tag) in tags.iter().enumerate() {
        let name = tag.split(' ').next().unwrap_or(tag);
        path = format!("{path}<{name}>");
        let is_innermost = depth + 1 == tags.len();
        let more = attribute.filter(|_| is_innermost);
        let written = |known: &str| {
            tag.contains(&format!("{known}=")) || more.is_some_and(|(name, _)| name == known)
        };
        text += &format!("<{tag}");
        for (known, value) in needs(&path).0.iter().filter(|(known, _)| !written(known)) {
            text += &format!(" {known}=\"{value}\"");
        }
        if let Some((name, value)) = more {
            // The one attribute that TwiML takes from another namespace.
            let prefix = if path.ends_with("<lang>") { "xml:" } else { "" };
            text += &format!(" {prefix}{name}=\"{value}\"");
        }
        text += "\n>";
        text += match (is_innermost, path.as_str()) {
            (true, path) => needs(path).1,
            (false, "<Dial><Sip>") => "sip:c@h",
            (false, "<Dial><Application>") => APPLICATION,
            (false, "<Dial><Client>") => "<Identity>bob</Identity>",
            (false, _) => "",
        };
    }
    for tag in tags.iter().rev() {
        text += match (path.as_str(), *tag) {
            ("<Say><break>", "Say") => "x",
            ("<Dial><Sip><Uri>", "Sip") => "<Uri priority=\"7\" weight=\"5\">sip:b@h</Uri>",
            _ => "",
        };
        text += &format!("</{}>", tag.split(' ').next().unwrap_or(tag));
    }
    text + "</Response>"
}

/// Attributes and content that an element needs so that one more attribute can show its effect.
fn needs(path: &str) -> (&'static [(&'static str, &'static str)], &'static str) {
    let screened: &[(&str, &str)] = &[
        ("url", "/s"),
        ("statusCallback", "/c"),
        ("machineDetection", "Enable"),
        ("amdStatusCallback", "/m"),
    ];
    match path {
        "<Play>" => (&[], "/a.wav"),
        "<Gather>" => {
            (&[("action", "/g"), ("input", "speech"), ("partialResultCallback", "/p")], "")
        }
        "<Record>" | "<Start><Recording>" => (&[("recordingStatusCallback", "/c")], ""),
        "<Stop><Recording>" | "<Stop><Stream>" | "<Stop><Siprec>" | "<Stop><Transcription>" => {
            (&[("name", "a")], "")
        }
        "<Start><Transcription>" => (&[("statusCallbackUrl", "/c")], ""),
        "<Start><Siprec>" => (&[("connectorName", "srs"), ("statusCallback", "/c")], ""),
        "<Start><Stream>" | "<Connect><Stream>" => {
            (&[("url", "wss://a.example/"), ("statusCallback", "/c")], "")
        }
        "<Connect>" => (&[("action", "/a")], "<Stream url=\"wss://a.example/\"/>"),
        "<Connect><ConversationRelay>" => (&[("url", "wss://a.example/"), ("voice", "Amy")], ""),
        "<Connect><ConversationRelay><Language>" => (&[("code", "de-DE"), ("voice", "Hans")], ""),
        "<Start><Stream><Parameter>"
        | "<Connect><Stream><Parameter>"
        | "<Connect><ConversationRelay><Parameter>"
        | "<Start><Siprec><Parameter>" => (&[("name", "a"), ("value", "b")], ""),
        "<Dial>" => (
            &[
                ("action", "/d"),
                ("referUrl", "/r"),
                ("record", "record-from-answer-dual"),
                ("recordingStatusCallback", "/c"),
            ],
            "1000",
        ),
        "<Enqueue>" => (&[("action", "/q"), ("waitUrl", "/w")], "support"),
        "<Dial><Queue>" => (&[("url", "/w")], "support"),
        "<Dial><Conference>" => (&[("waitUrl", "/w"), ("statusCallback", "/c")], "x"),
        "<Dial><Client>" => (&[("url", "/s"), ("statusCallback", "/c")], "bob"),
        "<Dial><Client><Parameter>" => (&[("name", "a"), ("value", "1")], ""),
        "<Dial><Client><Identity>" => (&[], "bob"),
        "<Dial><Application>" => (&[("url", "/s"), ("statusCallback", "/c")], APPLICATION),
        "<Dial><Application><ApplicationSid>" => (&[], "AP00000000000000000000000000000001"),
        "<Dial><Application><Parameter>" => (&[("name", "a"), ("value", "b")], ""),
        "<Dial><Number>" => (screened, "+15550100"),
        "<Dial><Sip>" => (
            &[
                ("url", "/s"),
                ("statusCallback", "/c"),
                ("username", "a"),
                ("password", "b"),
                ("machineDetection", "Enable"),
                ("amdStatusCallback", "/m"),
            ],
            "sip:a@h",
        ),
        // Two of equal rank: either attribute moves the second to the front.
        "<Dial><Sip><Uri>" => {
            (&[("username", "a"), ("password", "b"), ("priority", "7"), ("weight", "5")], "sip:a@h")
        }
        "<Dial><Sip><Headers>" => (&[], "<Header name=\"X-A\" value=\"1\"/>"),
        "<Dial><Sip><Headers><Header>" => (&[("name", "X-A"), ("value", "1")], ""),
        "<Redirect>" => (&[], "/x"),
        "<Refer>" => (&[("action", "/r")], "<Sip>sip:a@h</Sip>"),
        "<Refer><Sip>" => (&[], "sip:a@h"),
        "<Say><phoneme>" => (&[("ph", "A")], "x"),
        "<Say><sub>" => (&[("alias", "a")], "x"),
        "<Say><break>" | "<Hangup>" | "<Reject>" | "<Pause>" | "<Echo>" | "<Leave>" => (&[], ""),
        _ => (&[], "x"),
    }
}

/// What an `<Application>` cannot do without.
const APPLICATION: &str = "<ApplicationSid>AP00000000000000000000000000000001</ApplicationSid>";

/// Values of every kind: one of them changes what an attribute with an effect does.
const VALUES: &[&str] = &[
    "probe",
    "Google",
    "low",
    "speech",
    "2s",
    "numbers_and_commands",
    "true",
    "false",
    "0",
    "1",
    "7",
    "9",
    "60",
    "GET",
    "/probe",
    "busy",
    "at",
    "strong",
    "x-low",
    "x-slow",
    "soft",
    "characters",
    "mdy",
    "dtmf speech",
    "completed",
    "initiated",
    "outbound_track",
    "absent",
    "in-progress",
    "do-not-trim",
    "trim-silence",
    "inbound",
    "outbound",
    "mono",
    "record-from-ringing",
    "DetectMessageEnd",
    "x-sampa",
    "ipa",
    "fr-FR",
    "Polly.Hans",
    "BY1",
    "start",
    "2500",
    "us1",
    "small",
    "CA00000000000000000000000000000001",
    "X-Probe",
    "+15550123",
    "#",
    "12",
];
