//! Every operation and parameter of the OpenAPI data against what the API does with it: the REST part of
//! `signaling/contract/coverage.tsv`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use shared::{CallSid, Code, ConferenceSid, NotificationSid, RecordingSid};
use store::{
    CallCommand, CallStatus, Change, ConferenceCommand, ConferenceRecord, ConferenceStatus,
    HttpExchange, HttpMethod, NotificationLevel, NotificationRecord, Participant,
    ParticipantStatus, QueueCommand, QueueFigures, RecordingRecord, RecordingStatus, Reply,
};

use super::{House, MAIN, ORIGIN, T0, account_path, call, recording, transcript};
use crate::{Method, Response, Step, render};

const TABLE: &str = include_str!("../../../contract/coverage.tsv");
const SPECIFICATIONS: [&str; 3] = [
    include_str!("../../../contract/openapi/api_v2010_voice.json"),
    include_str!("../../../contract/openapi/voice_v1.json"),
    include_str!("../../../contract/openapi/monitor_v1.json"),
];
/// What `.` stands for in the table.
const ACCOUNT: &str = "/2010-04-01/Accounts/{AccountSid}";

#[test]
fn every_operation_and_parameter_of_the_specification_has_one_state() {
    let mut stated: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in rest_lines() {
        for name in &line.names {
            let is_new = stated.entry(line.place).or_default().insert(name);
            assert!(is_new, "{} {name} has two states", line.place);
        }
    }
    let mut operations = 0;
    for (place, parameters) in operations_of_the_specification() {
        operations += 1;
        let names = stated.remove(&*place).unwrap_or_else(|| panic!("{place} has no state"));
        if names.contains("*") {
            continue;
        }
        for parameter in parameters {
            assert!(names.contains(&*parameter), "{place}: {parameter} has no state");
        }
    }
    assert_eq!(operations, 154, "the data is whole");
    assert!(stated.is_empty(), "not in the specification: {stated:?}");
}

#[test]
fn every_state_of_a_parameter_is_what_the_api_does() {
    let world = World::new();
    let mut wrong = Vec::new();
    for line in rest_lines() {
        for name in &line.names {
            if let Err(problem) = world.check(&line, name) {
                wrong.push(format!("{} {name} ({}): {problem}", line.place, line.state));
            }
        }
    }
    assert!(wrong.is_empty(), "{} states are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A line of the table.
struct Line {
    place: &'static str,
    names: Vec<&'static str>,
    state: &'static str,
}

fn rest_lines() -> Vec<Line> {
    let is_rest = |line: &&str| ["GET ", "POST ", "DELETE "].iter().any(|m| line.starts_with(m));
    let line = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_else(|| panic!("four columns: {line}"));
        let (place, names, state, feature) = (next(), next(), next(), next());
        assert_eq!(feature.is_empty(), state == "works", "{line}");
        Line { place, names: names.split(' ').collect(), state }
    };
    TABLE.lines().filter(is_rest).map(line).collect()
}

/// `METHOD path` and its parameters, those of the path left out.
fn operations_of_the_specification() -> Vec<(String, Vec<String>)> {
    let mut operations = Vec::new();
    for specification in SPECIFICATIONS {
        let specification: Value = serde_json::from_str(specification).expect("JSON");
        for (path, methods) in specification["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("operations") {
                let place = format!("{} {}", method.to_uppercase(), path.replacen(ACCOUNT, ".", 1));
                operations.push((place, parameters(operation)));
            }
        }
    }
    operations
}

fn parameters(operation: &Value) -> Vec<String> {
    let listed = operation["parameters"].as_array().into_iter().flatten();
    let of_query = listed.filter(|parameter| parameter["in"] != "path");
    let of_query = of_query.map(|parameter| parameter["name"].as_str().expect("a name").to_owned());
    let form = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    let of_body =
        form["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    of_query.chain(of_body).collect()
}

/// What the API does with a request, as far as the table tells it apart.
#[derive(Debug, PartialEq)]
enum Seen {
    Answer { status: u16, code: u64, body: Value },
    Write(store::Write),
    Call(CallCommand),
    Conference(ConferenceCommand),
    Queue(QueueCommand),
    Media,
}

impl Seen {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Answer { status, .. } if *status >= 400)
    }

    fn is_refused_with(&self, code: u64) -> bool {
        matches!(self, Self::Answer { status: 400, code: found, .. } if *found == code)
    }

    fn warns_of(&self, code: u32) -> bool {
        let warnings = match self {
            Self::Call(CallCommand::Create(create)) => &create.warnings,
            Self::Conference(ConferenceCommand::Create(create)) => &create.call.warnings,
            _ => return false,
        };
        warnings.iter().any(|warning| warning.code.number() == code)
    }

    fn is_absent(&self) -> bool {
        match self {
            Self::Answer { status: 404, code: 20404, body } => {
                body["message"].as_str().is_some_and(|text| text.contains("is not built"))
            }
            Self::Answer { .. }
            | Self::Write(_)
            | Self::Call(_)
            | Self::Conference(_)
            | Self::Queue(_)
            | Self::Media => false,
        }
    }
}

/// A store with one row of everything, and the SIDs of those rows.
struct World {
    house: House,
    sids: BTreeMap<&'static str, String>,
}

impl World {
    fn new() -> Self {
        let mut house = House::new();
        let mut sids = BTreeMap::from([("AccountSid", MAIN.to_string())]);
        let mut make = |name: &'static str, path: String, form: &str| {
            let answer = house.post(&account_path(&path), form);
            assert_eq!(answer.status, 201, "{path}: {answer:?}");
            sids.insert(name, answer.sid());
            answer.sid()
        };
        make("QueueSid", "/Queues.json".into(), "FriendlyName=a");
        make("Key", "/Keys.json".into(), "FriendlyName=a");
        make("Application", "/Applications.json".into(), "VoiceUrl=https://app.example/w");
        make("Number", "/IncomingPhoneNumbers.json".into(), "PhoneNumber=%2B15005550006");
        let verified = "/OutgoingCallerIds/Verified.json";
        make("CallerId", verified.into(), "PhoneNumber=%2B15005550008");
        let domain =
            make("DomainSid", "/SIP/Domains.json".into(), "DomainName=a.sip.sidetone.test");
        let list = make("CredentialListSid", "/SIP/CredentialLists.json".into(), "FriendlyName=a");
        let credentials = format!("/SIP/CredentialLists/{list}/Credentials.json");
        make("Credential", credentials, "Username=alice&Password=Secret-Passw0rd");
        let acl = "/SIP/IpAccessControlLists.json";
        let acl = make("IpAccessControlListSid", acl.into(), "FriendlyName=a");
        let addresses = format!("/SIP/IpAccessControlLists/{acl}/IpAddresses.json");
        make("IpAddress", addresses, "FriendlyName=a&IpAddress=192.0.2.1");
        for (path, form) in [
            ("Auth/Calls/CredentialListMappings", format!("CredentialListSid={list}")),
            ("Auth/Calls/IpAccessControlListMappings", format!("IpAccessControlListSid={acl}")),
            ("Auth/Registrations/CredentialListMappings", format!("CredentialListSid={list}")),
        ] {
            make("Mapping", format!("/SIP/Domains/{domain}/{path}.json"), &form);
        }
        let call = call(1, CallStatus::Completed);
        let note = notification(call.sid);
        sids.insert("CallSid", call.sid.to_string());
        sids.insert("Notification", note.sid.to_string());
        house.commit(Change::AddExchange(exchange(call.sid)));
        house.commit(Change::PutCall(Arc::new(call)));
        house.commit(Change::AddNotification(Arc::new(note)));
        for (status, name) in
            [(RecordingStatus::Completed, "Recording"), (RecordingStatus::Deleted, "Deleted")]
        {
            let mut row = recording(status, if name == "Deleted" { 2 } else { 1 });
            if name == "Recording" {
                row.transcript = Some(transcript());
                sids.insert("RecordingSid", row.sid.to_string());
                sids.insert("Transcription", store::Transcript::sid(row.sid).to_string());
            }
            sids.insert(name, row.sid.to_string());
            house.commit(Change::PutRecording(Arc::new(row)));
        }
        let room = conference();
        let row = RecordingRecord {
            sid: RecordingSid(3),
            conference: Some(room.sid),
            ..recording(RecordingStatus::Completed, 1)
        };
        sids.insert("ConferenceSid", room.sid.to_string());
        sids.insert("ConferenceRecording", row.sid.to_string());
        house.commit(Change::PutConference(Arc::new(room)));
        house.commit(Change::PutRecording(Arc::new(row)));
        Self { house, sids }
    }

    fn check(&self, line: &Line, name: &str) -> Result<(), String> {
        let (method, path) = line.place.split_once(' ').expect("a method and a path");
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            _ => Method::Delete,
        };
        let mut base = form_of(line.place);
        // Url goes before Twiml.
        base.retain(|(known, _)| name != "Twiml" || *known != "Url");
        // A value of a stream's parameter needs the name of that parameter.
        if let Some(parameter) = name.strip_suffix(".Value") {
            let named = format!("{parameter}.Name");
            base.extend(line.names.iter().find(|n| **n == named).map(|n| (*n, "p".to_owned())));
        }
        let before = self.see(method, path, &base);
        let (state, code) = line.state.split_once(' ').unwrap_or((line.state, "0"));
        let code: u32 = code.parse().map_err(|_| "a state with a code that is no number")?;
        if matches!(name, "-" | "*") {
            return match state {
                "works" if !before.is_refusal() => Ok(()),
                "absent" if before.is_absent() => Ok(()),
                _ => Err(format!("{before:?}")),
            };
        }
        let with = |value: &str| {
            let mut form = base.clone();
            form.retain(|(known, _)| *known != name);
            form.push((name, value.to_owned()));
            self.see(method, path, &form)
        };
        let seen: Vec<Seen> = self.values().iter().map(|value| with(value)).collect();
        let has = |found: &dyn Fn(&Seen) -> bool| seen.iter().any(found);
        let is_page = matches!(name, "Page" | "PageToken");
        let fits = match state {
            "works" => has(&|seen| *seen != before && (is_page || !seen.is_refusal())),
            "ignored" => seen.iter().all(|seen| *seen == before),
            "refused" => has(&|seen| seen.is_refused_with(code.into())),
            "warned" => has(&|seen| seen.warns_of(code)),
            _ => false,
        };
        if fits { Ok(()) } else { Err(format!("before: {before:?}")) }
    }

    fn see(&self, method: Method, path: &str, form: &[(&str, String)]) -> Seen {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(form);
        match self.house.step(method, &self.real(path), &text.finish()) {
            Step::Write { write, .. } => Seen::Write(write),
            Step::Call { command, .. } => Seen::Call(command),
            Step::Conference { command: ConferenceCommand::List { .. }, rendering } => {
                answer(&render(&rendering, &Ok(Reply::Participants(vec![participant()]))))
            }
            Step::Conference { command, .. } => Seen::Conference(command),
            Step::Queue { command: QueueCommand::Read { queues, .. }, rendering } => {
                let figures = vec![QueueFigures::default(); queues.len()];
                answer(&render(&rendering, &Ok(Reply::Queues(figures))))
            }
            Step::Queue { command: QueueCommand::Members { .. }, rendering } => {
                answer(&render(&rendering, &Ok(Reply::Members(Vec::new()))))
            }
            Step::Queue { command, .. } => Seen::Queue(command),
            Step::Execution { .. } => panic!("flows are not among the paths of accounts"),
            Step::RecordingMedia { .. } => Seen::Media,
            Step::Answer(response) => answer(&response),
        }
    }

    /// The path with SIDs of rows that are there.
    fn real(&self, path: &str) -> String {
        let path = path.replacen('.', ACCOUNT, usize::from(path.starts_with("./")));
        let own = match () {
            () if path.contains("/Transcriptions/") => "Transcription",
            () if path.contains("/Conferences/") && path.contains("/Recordings/") => {
                "ConferenceRecording"
            }
            () if path.contains("/Conferences/") => "ConferenceSid",
            () if path.contains("/Queues/") => "QueueSid",
            () if path.contains("/Recordings/") => "Recording",
            () if path.contains("/Notifications/") || path.contains("/Alerts/") => "Notification",
            () if path.contains("Keys/") => "Key",
            () if path.contains("/Applications/") => "Application",
            () if path.contains("/OutgoingCallerIds/") => "CallerId",
            () if path.contains("/IncomingPhoneNumbers/") => "Number",
            () if path.contains("/CredentialListMappings/") => "CredentialListSid",
            () if path.contains("/IpAccessControlListMappings/") => "IpAccessControlListSid",
            () if path.contains("/Credentials/") => "Credential",
            () if path.contains("/IpAddresses/") => "IpAddress",
            () if path.contains("/CredentialLists/") => "CredentialListSid",
            () if path.contains("/IpAccessControlLists/") => "IpAccessControlListSid",
            () if path.contains("/Domains/") => "DomainSid",
            () if path.contains("/Calls/") => "CallSid",
            () => "AccountSid",
        };
        // A deleted recording is what IncludeSoftDeleted is about.
        let own =
            if path.ends_with("/{AccountSid}/Recordings/{Sid}.json") { "Deleted" } else { own };
        let mut real = path.replace("{Sid}", &self.sids[own]);
        for (name, sid) in &self.sids {
            real = real.replace(&format!("{{{name}}}"), sid);
        }
        real
    }

    /// Values of every kind: one of them changes what a parameter with an effect does.
    fn values(&self) -> Vec<String> {
        let ours = self.sids.values().cloned();
        ours.chain(VALUES.iter().map(|value| (*value).to_owned())).collect()
    }
}

const VALUES: &[&str] = &[
    "probe",
    "true",
    "false",
    "7",
    "1",
    "0",
    "GET",
    "POST",
    "suspended",
    "completed",
    "canceled",
    "failed",
    "paused",
    "skip",
    "dual",
    "inbound",
    "both_tracks",
    "outbound_track",
    "do-not-trim",
    "trim-silence",
    "stopped",
    "warning",
    "in-progress absent",
    "init",
    "join leave",
    "onEnter",
    "small",
    "us1",
    "answered",
    "Enable",
    "https://probe.example/x",
    "2000-01-01",
    "2100-01-01",
    "2000-01-01T00:00:00Z",
    "2100-01-01T00:00:00Z",
    "sip:probe@h.example",
    "probe.sip.sidetone.test",
    "192.0.2.77",
    "+1777",
    "+15005550123",
    "fax",
    "Active",
    "Other-Passw0rd",
    "<Response><Hangup/></Response>",
    "AP00000000000000000000000000000001",
    "BY00000000000000000000000000000001",
    "CAffffffffffffffffffffffffffffffff",
    "CFffffffffffffffffffffffffffffffff",
    "PN00000000000000000000000000000001",
];

/// What a request needs so that one more parameter can show its effect.
fn form_of(place: &str) -> Vec<(&'static str, String)> {
    let form: &[(&str, &str)] = match place {
        "POST ./Calls.json" => &[
            ("To", "sip:bob@pbx.example"),
            ("From", "alice"),
            ("Url", "https://app.example/v"),
            ("FallbackUrl", "https://app.example/f"),
            ("StatusCallback", "https://app.example/s"),
            ("Record", "true"),
            ("RecordingStatusCallback", "https://app.example/r"),
            ("SipAuthUsername", "user"),
            ("SipAuthPassword", "password"),
        ],
        "POST ./Calls/{Sid}.json" => &[
            ("Url", "https://app.example/v"),
            ("FallbackUrl", "https://app.example/f"),
            ("StatusCallback", "https://app.example/s"),
        ],
        "POST ./Calls/{CallSid}/Recordings.json" => {
            &[("RecordingStatusCallback", "https://app.example/r")]
        }
        "POST ./OutgoingCallerIds.json" => {
            &[("PhoneNumber", "+15005550009"), ("StatusCallback", "https://app.example/s")]
        }
        "POST ./Calls/{CallSid}/Siprec.json" => {
            &[("ConnectorName", "srs"), ("StatusCallback", "https://app.example/s")]
        }
        "POST ./Calls/{CallSid}/Streams.json" => {
            &[("Url", "wss://bot.example/"), ("StatusCallback", "https://app.example/s")]
        }
        "POST ./Calls/{CallSid}/Transcriptions.json" => {
            &[("StatusCallbackUrl", "https://app.example/t")]
        }
        "POST ./Conferences/{Sid}.json" => &[("AnnounceUrl", "https://app.example/a")],
        "POST ./Conferences/{ConferenceSid}/Participants.json" => &[
            ("To", "sip:bob@pbx.example"),
            ("From", "alice"),
            ("StatusCallback", "https://app.example/s"),
            ("Record", "true"),
            ("RecordingStatusCallback", "https://app.example/r"),
            ("WaitUrl", "https://app.example/w"),
            ("ConferenceRecord", "true"),
            ("ConferenceRecordingStatusCallback", "https://app.example/cr"),
            ("ConferenceStatusCallback", "https://app.example/c"),
            ("CallSidToCoach", "CA00000000000000000000000000000001"),
            ("SipAuthUsername", "user"),
            ("SipAuthPassword", "password"),
        ],
        "POST ./Conferences/{ConferenceSid}/Participants/{CallSid}.json" => &[
            ("HoldUrl", "https://app.example/h"),
            ("AnnounceUrl", "https://app.example/a"),
            ("WaitUrl", "https://app.example/w"),
        ],
        "POST ./Queues.json" => &[("FriendlyName", "new")],
        "POST ./Queues/{QueueSid}/Members/{CallSid}.json" => &[("Url", "https://app.example/v")],
        "POST ./SIP/Domains.json" => &[("DomainName", "new.sip.sidetone.test")],
        "POST ./SIP/CredentialLists.json"
        | "POST ./SIP/CredentialLists/{Sid}.json"
        | "POST ./SIP/IpAccessControlLists.json"
        | "POST ./SIP/IpAccessControlLists/{Sid}.json" => &[("FriendlyName", "new")],
        "POST ./SIP/CredentialLists/{CredentialListSid}/Credentials.json" => {
            &[("Username", "bob"), ("Password", "Secret-Passw0rd")]
        }
        "POST ./SIP/CredentialLists/{CredentialListSid}/Credentials/{Sid}.json" => {
            &[("Password", "Secret-Passw0rd")]
        }
        "POST ./SIP/IpAccessControlLists/{IpAccessControlListSid}/IpAddresses.json" => {
            &[("FriendlyName", "new"), ("IpAddress", "192.0.2.2")]
        }
        "POST ./Calls/{CallSid}/Recordings/{Sid}.json"
        | "POST ./Conferences/{ConferenceSid}/Recordings/{Sid}.json" => &[("Status", "paused")],
        "POST ./IncomingPhoneNumbers.json" => &[("PhoneNumber", "+15005550007")],
        _ => &[],
    };
    form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// The answer without its links.
fn answer(response: &Response) -> Seen {
    let mut body: Value = serde_json::from_str(&response.body).unwrap_or_default();
    without_links(&mut body);
    let code = body["code"].as_u64().unwrap_or(0);
    Seen::Answer { status: response.status, code, body }
}

/// Links repeat the request's own parameters.
fn without_links(body: &mut Value) {
    if let Some(meta) = body.get_mut("meta").and_then(Value::as_object_mut) {
        meta.retain(|name, _| !name.ends_with("url"));
    }
    if let Some(page) = body.as_object_mut() {
        page.retain(|name, _| !name.ends_with("uri"));
    }
}

fn conference() -> ConferenceRecord {
    ConferenceRecord {
        sid: ConferenceSid(1),
        account: MAIN,
        friendly_name: "ops".to_owned(),
        status: ConferenceStatus::InProgress,
        region: "us1".to_owned(),
        reason_ended: None,
        call_ending: None,
        created_ms: T0,
        updated_ms: T0,
    }
}

/// The one participant that is listed: each filter leaves it out with one of its two values.
fn participant() -> Participant {
    Participant {
        call: CallSid(1),
        conference: ConferenceSid(1),
        account: MAIN,
        label: None,
        muted: false,
        hold: false,
        coaching: false,
        coached: None,
        start_on_enter: true,
        end_on_exit: false,
        status: ParticipantStatus::Connected,
        queue_time_ms: 0,
        created_ms: T0,
        updated_ms: T0,
    }
}

fn notification(call: CallSid) -> NotificationRecord {
    NotificationRecord {
        sid: NotificationSid::mint(T0, ORIGIN, 1),
        account: MAIN,
        call: Some(call),
        level: NotificationLevel::Error,
        error_code: Code::HTTP_RETRIEVAL,
        message: "gone".to_owned(),
        exchange: None,
        created_ms: T0,
    }
}

fn exchange(call: CallSid) -> Arc<HttpExchange> {
    Arc::new(HttpExchange {
        id: 1,
        account: MAIN,
        call,
        method: HttpMethod::Post,
        url: "http://app.example/v".to_owned(),
        parameters: Vec::new(),
        response_code: Some(404),
        request_duration_ms: 50,
        content_type: "text/html".to_owned(),
        response_body: "gone".to_owned(),
        created_ms: T0,
    })
}
