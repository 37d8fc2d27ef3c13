//! Conferences, their participants and their recordings.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::{CallSid, ConferenceSid, RecordingSid};
use store::{
    Beep, CallTarget, Change, ConferenceCommand, ConferenceEnd, ConferenceEvents, ConferenceName,
    ConferenceRecord, ConferenceStatus, CreateParticipant, HttpMethod, JitterBuffer, Participant,
    ParticipantChange, ParticipantName, ParticipantStatus, RecordingAction, RecordingRecord,
    RecordingSource, RecordingStatus, Reply, TwimlSource, WaitMusic, Webhook,
};

use super::{DATE, House, MAIN, ORIGIN, T0, account_path, recording};
use crate::{Method, Step};

fn conference(number: u64, status: ConferenceStatus) -> ConferenceRecord {
    let has_ended = status == ConferenceStatus::Completed;
    ConferenceRecord {
        sid: ConferenceSid::mint(T0 + number as i64, ORIGIN, number),
        account: MAIN,
        friendly_name: "ops".to_owned(),
        status,
        region: "us1".to_owned(),
        reason_ended: has_ended.then_some(ConferenceEnd::EndingParticipantLeft),
        call_ending: has_ended.then_some(CallSid(5)),
        created_ms: T0,
        updated_ms: T0,
    }
}

/// A house with a live and an ended conference.
fn house() -> (House, ConferenceRecord, ConferenceRecord) {
    let mut house = House::new();
    let live = conference(1, ConferenceStatus::InProgress);
    let ended = conference(2, ConferenceStatus::Completed);
    for row in [&live, &ended] {
        house.commit(Change::PutConference(Arc::new(row.clone())));
    }
    (house, live, ended)
}

fn participant(call: u128) -> Participant {
    Participant {
        call: CallSid(call),
        conference: conference(1, ConferenceStatus::InProgress).sid,
        account: MAIN,
        label: Some("agent".to_owned()),
        muted: call == 1,
        hold: call == 2,
        coaching: call == 3,
        coached: (call == 3).then_some(CallSid(1)),
        start_on_enter: true,
        end_on_exit: false,
        status: ParticipantStatus::Connected,
        queue_time_ms: 0,
        created_ms: T0,
        updated_ms: T0,
    }
}

fn command(house: &House, method: Method, path: &str, form: &str) -> ConferenceCommand {
    match house.step(method, &account_path(path), form) {
        Step::Conference { command, .. } => command,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_conference_looks_as_the_contract_shows_it() {
    let (mut house, live, ended) = house();
    let path = account_path(&format!("/Conferences/{}", ended.sid));
    let expected = json!({
        "sid": ended.sid.to_string(), "account_sid": MAIN.to_string(), "friendly_name": "ops",
        "status": "completed", "region": "us1", "api_version": "2010-04-01",
        "reason_conference_ended": "participant-with-end-conference-on-exit-left",
        "call_sid_ending_conference": CallSid(5).to_string(),
        "date_created": DATE, "date_updated": DATE, "uri": format!("{path}.json"),
        "subresource_uris": {
            "participants": format!("{path}/Participants.json"),
            "recordings": format!("{path}/Recordings.json"),
        },
    });
    assert_eq!(house.get(&format!("{path}.json")).body, expected);
    let sids = |body: &Value| -> Vec<Value> {
        body["conferences"].as_array().unwrap().iter().map(|row| row["sid"].clone()).collect()
    };
    let list = |house: &mut House, query: &str| {
        sids(&house.get(&account_path(&format!("/Conferences.json?{query}"))).body)
    };
    let (live, ended) = (json!(live.sid.to_string()), json!(ended.sid.to_string()));
    assert_eq!(list(&mut house, ""), [ended.clone(), live.clone()]);
    assert_eq!(list(&mut house, "Status=in-progress"), [live]);
    assert_eq!(list(&mut house, "FriendlyName=ops&Status=completed"), [ended]);
    assert_eq!(list(&mut house, "DateCreated%3C=2025-01-05"), Vec::<Value>::new());
    assert_eq!(list(&mut house, "DateUpdated%3E=2025-01-06").len(), 2);
    let bad = house.get(&account_path("/Conferences.json?Status=open"));
    assert_eq!((bad.status, bad.code()), (400, 20422));
    assert_eq!(house.post(&account_path("/Conferences.json"), "FriendlyName=a").code(), 20004);
    assert_eq!(house.delete(&format!("{path}.json")).code(), 20004);
    let unknown = account_path(&format!("/Conferences/{}.json", ConferenceSid(1)));
    assert_eq!(house.get(&unknown).code(), 20404);
    assert_eq!(house.get(&account_path("/Conferences/ops.json")).code(), 20404, "a name is no SID");
}

#[test]
fn an_update_ends_a_live_conference_or_announces_to_it() {
    let (mut house, live, ended) = house();
    let path = format!("/Conferences/{}.json", live.sid);
    let url = |method| Webhook { url: "https://app.example/a".to_owned(), method };
    let update = |end, announce| ConferenceCommand::Update {
        account: MAIN,
        conference: live.sid,
        end,
        announce,
    };
    let seen = command(&house, Method::Post, &path, "Status=completed");
    assert_eq!(seen, update(true, None));
    let form = "AnnounceUrl=https%3A%2F%2Fapp.example%2Fa&AnnounceMethod=GET";
    let seen = command(&house, Method::Post, &path, form);
    assert_eq!(seen, update(false, Some(url(HttpMethod::Get))));
    house.reply = Some(Reply::Conference(Arc::new(ended.clone())));
    let answer = house.post(&account_path(&path), "Status=completed");
    assert_eq!((answer.status, answer.sid()), (200, ended.sid.to_string()));

    let unchanged = house.post(&account_path(&path), "");
    assert_eq!((unchanged.status, unchanged.sid()), (200, live.sid.to_string()));
    let ended = account_path(&format!("/Conferences/{}.json", ended.sid));
    for (path, form, code) in [
        (account_path(&path), "Status=init", 20422),
        (account_path(&path), "AnnounceUrl=nonsense", 21205),
        (account_path(&path), "AnnounceUrl=https%3A%2F%2Fa.example&AnnounceMethod=PUT", 21209),
        (ended, "Status=completed", 16022),
        (
            account_path(&format!("/Conferences/{}.json", ConferenceSid(1))),
            "Status=completed",
            20404,
        ),
    ] {
        assert_eq!(house.post(&path, form).code(), code, "{path} {form}");
    }
}

#[test]
fn a_participant_looks_as_the_contract_shows_it_and_a_list_has_those_that_fit() {
    let (mut house, live, _) = house();
    let path = account_path(&format!("/Conferences/{}/Participants", live.sid));
    house.reply = Some(Reply::Participant(Box::new(participant(3))));
    let call = CallSid(3).to_string();
    assert_eq!(
        house.get(&format!("{path}/{call}.json")).body,
        json!({
            "call_sid": call, "conference_sid": live.sid.to_string(),
            "account_sid": MAIN.to_string(), "label": "agent", "muted": false, "hold": false,
            "coaching": true, "call_sid_to_coach": CallSid(1).to_string(),
            "start_conference_on_enter": true, "end_conference_on_exit": false,
            "status": "connected", "queue_time": "0", "date_created": DATE, "date_updated": DATE,
            "uri": format!("{path}/{call}.json"),
        })
    );
    house.reply = Some(Reply::Participants((1..=4).map(participant).collect()));
    let calls = |house: &mut House, query: &str| -> Vec<String> {
        let body = house.get(&format!("{path}.json?{query}")).body;
        let rows = body["participants"].as_array().unwrap().iter();
        rows.map(|row| row["call_sid"].as_str().unwrap().to_owned()).collect()
    };
    let sids =
        |calls: &[u128]| calls.iter().map(|call| CallSid(*call).to_string()).collect::<Vec<_>>();
    assert_eq!(calls(&mut house, ""), sids(&[4, 3, 2, 1]));
    assert_eq!(calls(&mut house, "Muted=true"), sids(&[1]));
    assert_eq!(calls(&mut house, "Muted=false&Hold=false"), sids(&[4, 3]));
    assert_eq!(calls(&mut house, "Coaching=true"), sids(&[3]));
    assert_eq!(calls(&mut house, "PageSize=3"), sids(&[4, 3, 2]));
    let first = house.get(&format!("{path}.json?PageSize=3&Coaching=false")).body;
    assert_eq!(first["next_page_uri"], Value::Null, "three of the four do not coach");
    assert_eq!(house.get(&format!("{path}.json?Hold=perhaps")).code(), 20422);
    house.reply = None;
    assert_eq!(house.get(&format!("{path}.json")).code(), 20404);
}

#[test]
fn participants_are_named_by_call_or_label_in_a_conference_by_sid_or_name() {
    let (mut house, live, _) = house();
    let (account, sid) = (MAIN, ConferenceName::Sid(live.sid));
    let path = format!("/Conferences/{}/Participants/{}.json", live.sid, CallSid(9));
    let call = ParticipantName::Call(CallSid(9));
    assert_eq!(
        command(&house, Method::Get, &path, ""),
        ConferenceCommand::Fetch { account, conference: sid.clone(), participant: call.clone() }
    );
    let named = "/Conferences/Plant%207/Participants/the%20agent.json";
    let label = ParticipantName::Label("the agent".to_owned());
    assert_eq!(
        command(&house, Method::Delete, named, ""),
        ConferenceCommand::Remove {
            account,
            conference: ConferenceName::Name("Plant 7".to_owned()),
            participant: label,
        }
    );
    let form = "Muted=yes&Hold=true&HoldUrl=https%3A%2F%2Fa.example%2Fh\
                &AnnounceUrl=https%3A%2F%2Fa.example%2Fa&WaitUrl=&BeepOnExit=false\
                &EndConferenceOnExit=true&Coaching=true\
                &CallSidToCoach=CA00000000000000000000000000000001";
    let webhook = |path: &str, method| Webhook { url: format!("https://a.example/{path}"), method };
    let change = ParticipantChange {
        // Any word but `true`.
        muted: Some(false),
        hold: Some(true),
        hold_url: Some(webhook("h", HttpMethod::Get)),
        announce: Some(webhook("a", HttpMethod::Post)),
        wait: Some(WaitMusic::Silence),
        beep_on_exit: Some(false),
        end_on_exit: Some(true),
        coaching: Some(true),
        coached: Some(CallSid(1)),
    };
    assert_eq!(
        command(&house, Method::Post, &path, form),
        ConferenceCommand::Change { account, conference: sid, participant: call, change }
    );
    for (form, code) in [
        ("Hold=perhaps", 20422),
        ("HoldUrl=nonsense", 21205),
        ("HoldMethod=PUT", 21209),
        ("AnnounceUrl=nonsense", 21205),
        ("WaitUrl=nonsense", 21205),
        ("CallSidToCoach=agent", 20422),
    ] {
        assert_eq!(house.post(&account_path(&path), form).code(), code, "{form}");
    }
    house.reply = Some(Reply::Deleted);
    assert_eq!(house.delete(&account_path(&path)).status, 204);
    let long = account_path(&format!("/Conferences/{}/Participants.json", "x".repeat(129)));
    assert_eq!(house.get(&long).code(), 20002);
}

const PARTIES: &str = "To=sip%3Abob%40pbx.example&From=alice";

fn create(house: &House, form: &str) -> CreateParticipant {
    let form = format!("{PARTIES}&{form}");
    match command(house, Method::Post, "/Conferences/ops/Participants.json", &form) {
        ConferenceCommand::Create(create) => *create,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_participant_has_the_defaults_of_the_contract() {
    let (house, ..) = house();
    let create = create(&house, "");
    assert_eq!(create.conference, ConferenceName::Name("ops".to_owned()));
    assert_eq!(create.call.to, CallTarget::Sip("sip:bob@pbx.example".to_owned()));
    assert_eq!((create.call.timeout_s, create.call.record), (60, None));
    assert_eq!(create.call.twiml, TwimlSource::Inline("<Response/>".to_owned()));
    let entry = create.entry;
    assert_eq!((entry.label, entry.coached, entry.beep), (None, None, Beep::Both));
    assert_eq!((entry.muted, entry.end_on_exit), (false, false));
    assert_eq!((entry.start_on_enter, entry.early_media), (true, true));
    assert_eq!(entry.jitter_buffer, JitterBuffer::Large);
    let terms = create.terms;
    assert_eq!((terms.wait, terms.max_participants), (WaitMusic::Standard, 250));
    assert_eq!((terms.region, terms.record, terms.status_callback), (None, None, None));
    assert_eq!(terms.status_callback_events, ConferenceEvents::START_AND_END);
}

#[test]
fn each_parameter_of_a_new_participant_reaches_its_command() {
    let (house, ..) = house();
    let form = "Label=agent&Muted=true&Beep=onExit&StartConferenceOnEnter=false\
                &EndConferenceOnExit=true&EarlyMedia=false&JitterBufferSize=off&Timeout=5\
                &CallSidToCoach=CA00000000000000000000000000000001\
                &WaitUrl=https%3A%2F%2Fa.example%2Fw&WaitMethod=GET&MaxParticipants=2&Region=ie1\
                &ConferenceRecord=record-from-start&ConferenceTrim=do-not-trim\
                &ConferenceRecordingStatusCallback=https%3A%2F%2Fa.example%2Fr\
                &ConferenceRecordingStatusCallbackEvent=in-progress+absent+failed\
                &ConferenceStatusCallback=https%3A%2F%2Fa.example%2Fc\
                &ConferenceStatusCallbackMethod=GET&ConferenceStatusCallbackEvent=join\
                &ConferenceStatusCallbackEvent=leave+speaker&Record=true&RecordingChannels=dual\
                &RecordingStatusCallbackEvent=started+paused+resumed+stopped+failed";
    let create = create(&house, form);
    let webhook = |path: &str, method| Webhook { url: format!("https://a.example/{path}"), method };
    let entry = create.entry;
    assert_eq!((entry.label.as_deref(), entry.coached), (Some("agent"), Some(CallSid(1))));
    assert_eq!((entry.muted, entry.beep, entry.end_on_exit), (true, Beep::OnExit, true));
    assert_eq!((entry.start_on_enter, entry.early_media), (false, false));
    assert_eq!((entry.jitter_buffer, create.call.timeout_s), (JitterBuffer::Off, 5));
    let terms = create.terms;
    assert_eq!(terms.wait, WaitMusic::Document(webhook("w", HttpMethod::Get)));
    assert_eq!((terms.max_participants, terms.region.as_deref()), (2, Some("ie1")));
    assert_eq!(terms.status_callback, Some(webhook("c", HttpMethod::Get)));
    let events =
        ConferenceEvents { join: true, leave: true, speaker: true, ..ConferenceEvents::NONE };
    assert_eq!(terms.status_callback_events, events);
    let record = terms.record.expect("recorded");
    assert_eq!(
        (record.trim_silence, record.callback),
        (false, Some(webhook("r", HttpMethod::Post)))
    );
    let events = store::RecordingEvents {
        in_progress: true,
        failed: true,
        absent: true,
        ..store::RecordingEvents::NONE
    };
    assert_eq!(record.callback_events, events);
    let record = create.call.record.expect("recorded");
    assert!(record.dual_channel);
    let events = store::RecordingEvents {
        started: true,
        paused: true,
        resumed: true,
        stopped: true,
        failed: true,
        ..store::RecordingEvents::NONE
    };
    assert_eq!(record.callback_events, events);
    assert_eq!(create.call.warnings, []);
}

#[test]
fn a_value_that_a_participant_cannot_have_has_its_code() {
    let (mut house, live, ended) = house();
    let path = account_path(&format!("/Conferences/{}/Participants.json", live.sid));
    let long = format!("Label={}", "a".repeat(129));
    let display = format!("CallerDisplayName={}", "a".repeat(256));
    for (form, code) in [
        (long.as_str(), 16024),
        ("Label=a%2Fb", 16024),
        ("Label=CA00000000000000000000000000000001", 16024),
        ("AsyncAmd=true", 21263),
        ("AsyncAmdStatusCallback=https%3A%2F%2Fa.example", 21263),
        ("MachineDetection=Perhaps", 21234),
        ("Byoc=BY00000000000000000000000000000001", 21300),
        ("Beep=loud", 20422),
        ("Timeout=4", 21208),
        ("Timeout=601", 21208),
        ("MaxParticipants=1", 20422),
        ("MaxParticipants=251", 20422),
        ("JitterBufferSize=huge", 20422),
        ("ConferenceRecord=perhaps", 20422),
        ("ConferenceTrim=perhaps", 20422),
        ("WaitUrl=nonsense", 21205),
        ("ConferenceStatusCallback=nonsense", 21205),
        ("ConferenceStatusCallbackMethod=PUT", 21209),
        ("Coaching=true", 20422),
        ("CallSidToCoach=agent", 20422),
        ("CallerDisplayName=a", 20422),
        (display.as_str(), 20422),
        ("Region=us%201", 20422),
        ("SipAuthUsername=a", 21225),
    ] {
        let answer = house.post(&path, &format!("{PARTIES}&{form}"));
        assert_eq!((answer.status, answer.code()), (400, code), "{form}");
    }
    let number = "To=%2B15005550006&From=%2B15005550001&CallerDisplayName=Front+desk";
    assert_eq!(house.post(&path, number).code(), 20422);
    assert_eq!(house.post(&path, "From=alice").code(), 21201);
    assert_eq!(house.post(&path, "To=sip%3Abob%40pbx.example").code(), 21213);
    let ended = account_path(&format!("/Conferences/{}/Participants.json", ended.sid));
    assert_eq!(house.post(&ended, PARTIES).code(), 16022);
    let unknown = account_path(&format!("/Conferences/{}/Participants.json", ConferenceSid(1)));
    assert_eq!(house.post(&unknown, PARTIES).code(), 20404);
    house.reply = Some(Reply::Participant(Box::new(participant(1))));
    assert_eq!(house.post(&path, PARTIES).status, 201);
}

#[test]
fn recordings_of_a_conference_are_below_it() {
    let (mut house, live, ended) = house();
    let of = |number, conference| RecordingRecord {
        sid: RecordingSid(number),
        conference,
        source: RecordingSource::Conference,
        ..recording(RecordingStatus::InProgress, 1)
    };
    let (running, other) = (of(1, Some(live.sid)), of(2, None));
    let done = RecordingRecord { status: RecordingStatus::Completed, ..of(3, Some(live.sid)) };
    for row in [&running, &other, &done] {
        house.commit(Change::PutRecording(Arc::new(row.clone())));
    }
    let path = account_path(&format!("/Conferences/{}/Recordings", live.sid));
    let list = house.get(&format!("{path}.json")).body;
    let sids: Vec<_> =
        list["recordings"].as_array().unwrap().iter().map(|row| &row["sid"]).collect();
    assert_eq!(sids, [&json!(done.sid.to_string()), &json!(running.sid.to_string())]);
    let fetched = house.get(&format!("{path}/{}.json", running.sid)).body;
    assert_eq!(fetched["uri"], json!(format!("{path}/{}.json", running.sid)));
    assert_eq!(fetched["conference_sid"], json!(live.sid.to_string()));
    assert_eq!(house.get(&format!("{path}/{}.json", other.sid)).code(), 20404);

    let current = format!("/Conferences/{}/Recordings/Twilio.CURRENT.json", live.sid);
    assert_eq!(
        command(&house, Method::Post, &current, "Status=paused&PauseBehavior=skip"),
        ConferenceCommand::UpdateRecording {
            account: MAIN,
            conference: live.sid,
            recording: None,
            action: RecordingAction::Pause { skip: true },
        }
    );
    house.reply = Some(Reply::Recording(Arc::new(running.clone())));
    let stopped = house.post(&format!("{path}/{}.json", running.sid), "Status=stopped");
    assert_eq!(stopped.body["uri"], json!(format!("{path}/{}.json", running.sid)));
    assert_eq!(house.get(&account_path(&current)).code(), 20422);
    assert_eq!(house.post(&account_path(&current), "").code(), 20422);
    assert_eq!(house.delete(&format!("{path}/{}.json", running.sid)).code(), 20409);
    assert_eq!(house.delete(&format!("{path}/{}.json", done.sid)).status, 204);
    assert_eq!(house.get(&format!("{path}/{}.json", done.sid)).code(), 20404);
    assert_eq!(house.post(&format!("{path}.json"), "").code(), 20004, "nothing starts one here");
    let of_ended = format!("/Conferences/{}/Recordings/Twilio.CURRENT.json", ended.sid);
    assert_eq!(house.post(&account_path(&of_ended), "Status=stopped").code(), 16022);
}
