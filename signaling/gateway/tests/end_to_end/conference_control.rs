//! Conferences as their owner sees and changes them: callbacks, recordings, and the SDKs, with the ears of the parties.

use std::collections::BTreeSet;

use crate::application::{Answer, Asked};
use crate::conference::{Hall, Singer, stay};
use crate::gateway::{ACCOUNT, Gateway};
use crate::metrics::Samples;
use crate::tones::{self, ALICE, BOB, CAROL};
use crate::{sdk, wav};

/// Parameters of every callback of a conference.
const OF_ALL: [&str; 6] = [
    "ConferenceSid",
    "FriendlyName",
    "AccountSid",
    "SequenceNumber",
    "Timestamp",
    "StatusCallbackEvent",
];
/// Those of an event about a participant with a label.
const OF_MEMBERS: [&str; 7] = [
    "CallSid",
    "Muted",
    "Hold",
    "Coaching",
    "EndConferenceOnExit",
    "StartConferenceOnEnter",
    "ParticipantLabel",
];

/// The names of a request's parameters, those of all callbacks left out.
fn names(asked: &Asked) -> BTreeSet<&str> {
    for name in OF_ALL {
        assert!(asked.parameter(name).is_some(), "no {name} in {asked:#?}");
    }
    let names = asked.parameters.iter().map(|(name, _)| name.as_str());
    names.filter(|name| !OF_ALL.contains(name)).collect()
}

fn with<'a>(more: &[&'a str]) -> BTreeSet<&'a str> {
    OF_MEMBERS.iter().chain(more).copied().collect()
}

/// A file with one second of carol's tone.
fn carol_wav() -> Answer {
    Answer::file("audio/wav", wav::file(tones::second(CAROL)))
}

/// Two parties, `agent` (alice's tone) and `caller` (bob's), who hear each other.
fn two(hall: &Hall) -> (Singer, Singer) {
    let agent = Singer::call(hall, "agent", ALICE);
    hall.event("participant-join", Some("agent"));
    let caller = Singer::call(hall, "caller", BOB);
    agent.wait_to_hear(&[BOB]);
    caller.wait_to_hear(&[ALICE]);
    (agent, caller)
}

fn hall() -> Hall {
    Hall::open(
        Gateway::start_with_default_domain("desk"),
        |name, _| stay(&format!("participantLabel=\"{name}\" beep=\"false\"")),
        |asked| match asked.path.as_str() {
            "/music" => Answer::twiml("<Play loop=\"0\">/carol.wav</Play>"),
            "/say" => Answer::twiml("<Play>/carol.wav</Play>"),
            "/carol.wav" => carol_wav(),
            _ => Answer::status(204),
        },
    )
}

#[test]
fn callbacks_come_in_order_with_every_field() {
    let hall = Hall::open(
        Gateway::start_with_default_domain("desk"),
        |name, _| match name {
            "agent" => stay("participantLabel=\"agent\" startConferenceOnEnter=\"false\""),
            _ => stay("participantLabel=\"caller\" muted=\"true\" endConferenceOnExit=\"true\""),
        },
        |_| Answer::status(204),
    );
    let agent = Singer::call(&hall, "agent", ALICE);
    let join = hall.event("participant-join", Some("agent"));
    let conference = join.parameter("ConferenceSid").expect("a SID").to_owned();
    let caller = Singer::call(&hall, "caller", BOB);
    caller.wait_to_hear(&[ALICE]);
    agent.wait_to_hear(&[]);
    let path = format!("Conferences/{conference}/Participants/agent.json");
    for change in [("Muted", "true"), ("Hold", "true"), ("BeepOnExit", "false")] {
        hall.gateway.create(&path, &[change]);
    }
    caller.wait_to_hear(&[]);
    hall.gateway.create(&path, &[("Hold", "false"), ("Muted", "false")]);
    caller.wait_to_hear(&[ALICE]);
    hall.hang_up("caller");
    let end = hall.event("conference-end", None);
    assert_eq!(
        hall.events(),
        [
            "participant-join agent",
            "participant-join caller",
            "conference-start",
            "participant-mute agent",
            "participant-hold agent",
            "participant-modify agent",
            "participant-unmute agent",
            "participant-unhold agent",
            "participant-leave caller",
            "participant-leave agent",
            "conference-end",
        ]
    );
    let asked = hall.application.asked();
    let events: Vec<&Asked> = asked.iter().filter(|asked| asked.path == "/events").collect();
    for (index, event) in events.iter().enumerate() {
        let number = (index + 1).to_string();
        assert_eq!(event.parameter("SequenceNumber"), Some(number.as_str()));
        assert_eq!(event.parameter("ConferenceSid"), Some(conference.as_str()));
        assert_eq!(event.parameter("FriendlyName"), Some("ops"));
        assert_eq!(event.parameter("AccountSid"), Some(ACCOUNT));
    }
    assert_eq!(names(&join), with(&[]));
    let left = ["ReasonParticipantLeft", "ParticipantCallStatus"];
    assert_eq!(names(&hall.event("participant-leave", Some("agent"))), with(&left));
    assert_eq!(names(&hall.event("conference-start", None)), BTreeSet::new());
    let ending = [
        "CallSidEndingConference",
        "ParticipantLabelEndingConference",
        "ReasonConferenceEnded",
        "Reason",
    ];
    assert_eq!(names(&end), BTreeSet::from(ending));

    let held = hall.event("participant-hold", Some("agent"));
    let states = ["Muted", "Hold", "StartConferenceOnEnter", "EndConferenceOnExit"];
    assert_eq!(
        states.map(|name| held.parameter(name).unwrap_or_default()),
        ["true", "true", "false", "false"]
    );
    let left = hall.event("participant-leave", Some("caller"));
    assert_eq!(left.parameter("ReasonParticipantLeft"), Some("participant_updated_via_api"));
    assert_eq!(left.parameter("ParticipantCallStatus"), Some("completed"));
    let left = hall.event("participant-leave", Some("agent"));
    assert_eq!(left.parameter("ReasonParticipantLeft"), Some("moderator_ended_conference"));
    assert_eq!(left.parameter("ParticipantCallStatus"), Some("in-progress"));
    let kicked = "participant-with-end-conference-on-exit-kicked";
    assert_eq!(end.parameter("ReasonConferenceEnded"), Some(kicked));
    assert_eq!(end.parameter("ParticipantLabelEndingConference"), Some("caller"));
    assert_eq!(end.parameter("CallSidEndingConference"), Some(hall.sid("caller").as_str()));
    assert_eq!(hall.after("agent").parameter("DialCallStatus"), Some("answered"));
    agent.call.finish().expect_success();
    caller.call.finish().expect_success();
    hall.gateway.settled();
}

#[test]
fn speech_is_reported_as_it_begins_and_ends() {
    let hall = Hall::open(
        Gateway::start_with_default_domain("desk"),
        |_, _| {
            "<Dial><Conference statusCallback=\"/events\" statusCallbackEvent=\"speaker\">ops</Conference></Dial>"
                .to_owned()
        },
        |_| Answer::status(204),
    );
    let agent = Singer::call(&hall, "agent", ALICE);
    agent.wait_to_hear_music();
    let caller = Singer::call(&hall, "caller", BOB);
    for name in ["agent", "caller"] {
        hall.event("participant-speech-start", Some(name));
    }
    hall.hang_up("caller");
    agent.wait_to_hear(&[]);
    hall.hang_up("agent");
    agent.call.finish().expect_success();
    caller.call.finish().expect_success();
    hall.gateway.settled();
}

#[test]
fn a_recording_from_the_start_holds_what_the_room_said_and_no_wait_music() {
    record(Gateway::start_with_default_domain("desk"));
}

#[test]
fn a_recording_of_a_room_on_two_cores_holds_the_parties_of_both() {
    let media = "cores = [0, 1]\n";
    let metrics = record(Gateway::start_with_sip("default_domain = \"desk\"\n", media));
    assert!(metrics.sum("media_room_sums_received_total", "") > 25, "{metrics:#?}");
}

/// Two parties meet in a room that is recorded; one leaves, then the other.
fn record(gateway: Gateway) -> Samples {
    let hall = Hall::open(
        gateway,
        |_, _| {
            stay(
                "beep=\"false\" waitUrl=\"/music\" record=\"record-from-start\" trim=\"do-not-trim\" \
                 recordingStatusCallback=\"/recording\" recordingStatusCallbackEvent=\"in-progress completed\"",
            )
        },
        |asked| match asked.path.as_str() {
            "/music" => Answer::twiml("<Play loop=\"0\">/carol.wav</Play>"),
            "/carol.wav" => carol_wav(),
            _ => Answer::status(204),
        },
    );
    let agent = Singer::call(&hall, "agent", ALICE);
    agent.wait_to_hear(&[CAROL]);
    let caller = Singer::call(&hall, "caller", BOB);
    agent.wait_to_hear(&[BOB]);
    caller.wait_to_hear(&[ALICE]);
    hall.hang_up("caller");
    agent.wait_to_hear(&[]);
    hall.hang_up("agent");

    let status = |wanted: &'static str| {
        hall.application.wait_for(wanted, move |asked| {
            asked.path == "/recording" && asked.parameter("RecordingStatus") == Some(wanted)
        })
    };
    let (begun, completed) = (status("in-progress"), status("completed"));
    let conference = completed.parameter("ConferenceSid").expect("a SID").to_owned();
    let recording = completed.parameter("RecordingSid").expect("a SID").to_owned();
    for name in ["ConferenceSid", "RecordingSid", "RecordingUrl", "RecordingStartTime"] {
        assert_eq!(begun.parameter(name), completed.parameter(name), "{name}");
    }
    for (name, value) in [
        ("AccountSid", ACCOUNT),
        ("RecordingSource", "Conference"),
        ("RecordingChannels", "1"),
        ("ErrorCode", "0"),
    ] {
        assert_eq!(completed.parameter(name), Some(value), "{name}");
    }
    let seconds: usize = completed
        .parameter("RecordingDuration")
        .and_then(|text| text.parse().ok())
        .expect("seconds");
    let file = hall.gateway.fetch(&format!("Recordings/{recording}.wav"));
    assert_eq!(file.status, 200);
    let samples = wav::samples(&file.body);
    assert!(samples.len().abs_diff(seconds * 8_000) <= 8_000, "{} in {seconds} s", samples.len());
    let windows = tones::windows(&samples, 8_000);
    assert!(tones::count(&windows, &[ALICE, BOB]) >= 5, "{windows:?}");
    assert!(tones::count(&windows, &[ALICE]) >= 4, "{windows:?}");
    assert!(windows.iter().all(|window| !window.contains(&CAROL)), "wait music: {windows:?}");
    let printed = sdk::python(
        &hall.gateway,
        &format!(
            "row, = client.conferences('{conference}').recordings.list()\n\
             assert (row.sid, row.status, row.source, row.channels) == \\\n\
             \x20   ('{recording}', 'completed', 'Conference', 1), row._properties\n\
             assert row.conference_sid == '{conference}', row._properties\n\
             assert row.duration == '{seconds}', row._properties\n\
             print('done')\n"
        ),
    );
    assert_eq!(printed.trim(), "done");
    agent.call.finish().expect_success();
    caller.call.finish().expect_success();
    hall.gateway.settled()
}

#[test]
fn the_sdks_mute_and_hold_a_party_and_announce_to_one_and_to_all() {
    let hall = hall();
    let (agent, caller) = two(&hall);
    let conference = hall.event("participant-join", Some("agent"));
    let conference = conference.parameter("ConferenceSid").expect("a SID").to_owned();
    let python = |change: &str| {
        let body = format!("room = client.conferences('{conference}')\nroom.{change}\n");
        sdk::python(&hall.gateway, &body);
    };
    let node = |change: &str| {
        let body =
            format!("const room = client.conferences('{conference}');\nawait room.{change};");
        sdk::node(&hall.gateway, &body);
    };
    let (music, says) = (hall.application.url("/music"), hall.application.url("/say"));

    python("participants('agent').update(muted=True)");
    caller.wait_to_hear(&[]);
    agent.wait_to_hear(&[BOB]);
    node("participants('agent').update({muted: false})");
    caller.wait_to_hear(&[ALICE]);

    python(&format!("participants('agent').update(hold=True, hold_url='{music}')"));
    agent.wait_to_hear(&[CAROL]);
    caller.wait_to_hear(&[]);
    assert_eq!(hall.application.wait_for_path("/music").method, "GET", "HoldMethod by default");
    node("participants('agent').update({hold: false})");
    agent.wait_to_hear(&[BOB]);
    caller.wait_to_hear(&[ALICE]);

    node(&format!("participants('caller').update({{announceUrl: '{says}'}})"));
    let told = hall.event("announcement-end", Some("caller"));
    assert_eq!(told.parameter("AnnounceUrl"), Some(says.as_str()));
    caller.wait_to_hear(&[ALICE]);
    let of_carol = |singer: &Singer| {
        let windows = tones::windows(&singer.heard(), 8_000);
        windows.iter().filter(|window| window.contains(&CAROL)).count()
    };
    let (agents, callers) = (of_carol(&agent), of_carol(&caller));
    assert!(callers >= 8, "the announcement: {callers} windows");
    python(&format!("update(announce_url='{says}')"));
    hall.event("announcement-end", Some("agent"));
    agent.wait_to_hear(&[BOB]);
    caller.wait_to_hear(&[ALICE]);
    assert!(of_carol(&agent) >= agents + 8 && of_carol(&caller) >= callers + 8);

    python("update(status='completed')");
    let end = hall.event("conference-end", None);
    assert_eq!(end.parameter("ReasonConferenceEnded"), Some("conference-ended-via-api"));
    for singer in [agent, caller] {
        singer.call.finish().expect_success();
    }
    hall.gateway.settled();
}

#[test]
fn a_supervisor_that_rest_places_coaches_then_talks_to_all_and_is_removed() {
    let hall = hall();
    let (agent, caller) = two(&hall);
    let (uri, boss) = Singer::answering(CAROL);
    let agent_sid = hall.sid("agent");
    sdk::python(
        &hall.gateway,
        &format!(
            "placed = client.conferences('ops').participants.create(to='{uri}', from_='desk', label='boss',\n\
             \x20   beep='false', coaching=True, call_sid_to_coach='{agent_sid}')\n\
             assert (placed.label, placed.coaching, placed.call_sid_to_coach) == ('boss', True, '{agent_sid}')\n"
        ),
    );
    agent.wait_to_hear(&[BOB, CAROL]);
    caller.wait_to_hear(&[ALICE]);
    boss.wait_to_hear(&[ALICE, BOB]);
    let body = "const boss = client.conferences('ops').participants('boss');\n\
                const row = await boss.update({coaching: false});\n\
                console.log(row.coaching, row.callSidToCoach);";
    assert_eq!(sdk::node(&hall.gateway, body).trim(), "false null");
    caller.wait_to_hear(&[ALICE, CAROL]);
    agent.wait_to_hear(&[BOB, CAROL]);
    sdk::python(&hall.gateway, "client.conferences('ops').participants('boss').delete()");
    boss.call.finish().expect_success();
    caller.wait_to_hear(&[ALICE]);
    agent.wait_to_hear(&[BOB]);
    for name in ["agent", "caller"] {
        hall.hang_up(name);
    }
    for singer in [agent, caller] {
        singer.call.finish().expect_success();
    }
    hall.gateway.settled();
}

#[test]
fn an_agent_hears_the_early_media_of_the_party_that_rest_dials() {
    let hall = hall();
    let agent = Singer::call(&hall, "agent", ALICE);
    agent.wait_to_hear_music();
    let dial = |uri: &str, early_media: &str| {
        let from = ("From", "desk");
        let form = [("To", uri), from, ("EarlyMedia", early_media), ("Beep", "false")];
        let placed = hall.gateway.create("Conferences/ops/Participants.json", &form).json();
        ["conference_sid", "call_sid"].map(|name| placed[name].as_str().expect("a SID").to_owned())
    };
    let (uri, customer) = Singer::ringing(BOB, 8_000);
    let [conference, sid] = dial(&uri, "true");
    agent.wait_to_hear(&[BOB]);
    let path = format!("Conferences/ops/Participants/{sid}.json");
    let shown = hall.gateway.fetch(&path).json();
    assert_eq!(shown["status"], "ringing", "{shown}");
    assert_eq!(hall.events(), ["participant-join agent"], "a party that rings begins nothing");
    customer.wait_to_hear(&[ALICE]);
    agent.wait_to_hear(&[BOB]);
    assert_eq!(hall.gateway.fetch(&path).json()["status"], "connected");

    let (uri, silent) = Singer::ringing(CAROL, 3_000);
    let before = agent.heard().len();
    dial(&uri, "false");
    silent.wait_to_hear(&[ALICE, BOB]);
    let heard = tones::windows(&agent.heard()[before..], 8_000);
    assert!(tones::count(&heard, &[BOB]) >= 20, "nothing of it before the answer: {heard:?}");
    hall.gateway.create(&format!("Conferences/{conference}.json"), &[("Status", "completed")]);
    for singer in [agent, customer, silent] {
        singer.call.finish().expect_success();
    }
    hall.gateway.settled();
}
