//! Stories of recording sessions with outside servers, beside the verbs.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::*;
use shared::media::TapTracks;
use shared::{Code, SiprecSid};
use story::Story;

fn event(story: &mut Story, event: SiprecEvent) -> Vec<String> {
    let siprec = story.siprecs.last().unwrap().siprec;
    story.tell('a', CallInput::Siprec { siprec, event })
}

fn stopped() -> SiprecEvent {
    SiprecEvent::Ended(SiprecEnd::Stopped)
}

#[test]
fn a_session_runs_beside_the_verbs_and_reports_start_and_stop() {
    let (mut story, words) = Story::with(
        "<Start><Siprec connectorName=\"srs\" name=\"n\" statusCallback=\"/s\">\
         <Parameter name=\"ticket\" value=\"t-81\"/></Siprec></Start>\
         <Gather timeout=\"5\"/><Stop><Siprec name=\"n\"/></Stop><Stop><Siprec name=\"m\"/></Stop><Gather timeout=\"60\" numDigits=\"9\"/>",
    );
    assert_eq!(words, ["a: answer", "a: siprec srs"]);
    let plan = &story.siprecs[0];
    assert_eq!(plan.settings.tracks, TapTracks::Both);
    assert!(plan.metadata.contains("<parameter name=\"ticket\">t-81</parameter>"));
    assert_eq!(event(&mut story, SiprecEvent::Started), ["a: side /s"]);
    assert_eq!(story.callback_param("SiprecEvent").as_deref(), Some("siprec-started"));
    assert_eq!(story.callback_param("SiprecName").as_deref(), Some("n"));
    let words = story.wait(6);
    assert_eq!(words, ["a: stop siprec", "a: notify 12200"]);
    assert_eq!(event(&mut story, stopped()), ["a: side /s"]);
    assert_eq!(story.callback_param("SiprecEvent").as_deref(), Some("siprec-stopped"));
}

#[test]
fn a_session_that_fails_reports_code_and_sentence_and_the_call_goes_on() {
    let (mut story, _) = Story::with(
        "<Start><Siprec connectorName=\"srs\" statusCallback=\"/s\"/></Start><Gather timeout=\"60\" numDigits=\"9\"/>",
    );
    let failed = SiprecEnd::Failed {
        code: Code::TARGET_FAILED,
        sentence: "the server answered 403".to_owned(),
    };
    let words = event(&mut story, SiprecEvent::Ended(failed));
    assert_eq!(words, ["a: side /s", "a: notify 32011"]);
    assert_eq!(story.callback_param("SiprecEvent").as_deref(), Some("siprec-error"));
    assert_eq!(story.callback_param("SiprecErrorCode").as_deref(), Some("32011"));
    assert_eq!(story.callback_param("SiprecError").as_deref(), Some("the server answered 403"));
}

#[test]
fn four_tracks_leave_a_call_whether_by_streams_or_by_sessions() {
    let (_, words) = Story::with(
        "<Start><Siprec connectorName=\"one\" name=\"1\"/></Start>\
         <Start><Stream url=\"wss://b/1\" track=\"both_tracks\"/></Start>\
         <Start><Siprec connectorName=\"two\" name=\"2\" statusCallback=\"/s\"/></Start>\
         <Start><Siprec connectorName=\"one\" name=\"1\"/></Start><Gather timeout=\"60\"/>",
    );
    let wanted = [
        "a: answer",
        "a: side /s",
        "a: notify 31941",
        "a: notify 12200",
        "a: siprec one",
        "a: stream wss://b/1",
    ];
    let mut words = words;
    words.sort();
    let mut wanted = wanted.map(str::to_owned).to_vec();
    wanted.sort();
    assert_eq!(words, wanted);
}

#[test]
fn the_end_of_the_call_ends_its_sessions_and_waits_for_them() {
    let (mut story, _) = Story::with(
        "<Start><Siprec connectorName=\"srs\"/></Start><Gather timeout=\"60\" numDigits=\"9\"/>",
    );
    let words = story.hangs_up('a');
    assert!(words.contains(&"a: stop siprec".to_owned()), "{words:?}");
    let words = story.callbacks_answered();
    assert!(!words.contains(&"a: finished".to_owned()), "{words:?}");
    let words = event(&mut story, stopped());
    assert!(words.contains(&"a: finished".to_owned()), "{words:?}");
}

#[test]
fn rest_starts_and_stops_a_session_of_a_call_that_is_up() {
    let (mut story, _) = Story::with("<Gather timeout=\"60\" numDigits=\"9\"/>");
    let siprec: SiprecSid = "SR00000000000000000000000000000001".parse().unwrap();
    let settings = SiprecSettings {
        connector: "srs".to_owned(),
        name: None,
        tracks: TapTracks::Both,
        callback: None,
        parameters: Vec::new(),
    };
    let update = |change| CallInput::Api(ApiUpdate::Siprec { siprec, change });
    let start = update(SiprecChange::Start(Box::new(settings)));
    assert_eq!(story.tell('a', start), ["a: siprec srs"]);
    assert_eq!(story.tell('a', update(SiprecChange::Stop)), ["a: stop siprec"]);
    assert_eq!(story.tell('a', update(SiprecChange::Stop)), Vec::<String>::new());
}

#[test]
fn a_party_that_holds_the_call_and_resumes_it_is_described_anew_each_time() {
    use shared::Direction::{Inactive, RecvOnly, SendRecv};
    let (mut story, _) = Story::with(
        "<Start><Siprec connectorName=\"srs\" name=\"n\"/></Start><Gather timeout=\"600\" numDigits=\"9\"/>\
         <Stop><Siprec name=\"n\"/></Stop><Gather timeout=\"60\"/>",
    );
    event(&mut story, SiprecEvent::Started);
    for (direction, expected) in [
        (SendRecv, None),
        (RecvOnly, Some("a: update siprec with 1 senders")),
        (RecvOnly, None),
        (Inactive, Some("a: update siprec with 0 senders")),
        (SendRecv, Some("a: update siprec with 2 senders")),
    ] {
        let words = story.tell('a', CallInput::Direction(direction));
        assert_eq!(words, Vec::from_iter(expected.map(str::to_owned)), "{direction:?}");
    }
    story.wait(601);
    let words = story.tell('a', CallInput::Direction(Inactive));
    assert_eq!(words, Vec::<String>::new(), "the session is being stopped");
}

#[test]
fn whom_the_party_talks_with_is_the_other_participant() {
    let (mut story, _) = Story::with(
        "<Start><Siprec connectorName=\"srs\" name=\"a\"/></Start><Gather timeout=\"600\" numDigits=\"9\"/>",
    );
    let bob = || {
        let aor = "sip:bob@10.0.0.3".to_owned();
        CallInput::Partners(vec![Partner { call: None, aor, speaks: true, hears: true }])
    };
    let nobody = || CallInput::Partners(Vec::new());
    let before = story.siprecs[0].metadata.clone();
    for (partner, expected) in [(nobody(), 0), (bob(), 1), (bob(), 0)] {
        assert_eq!(story.tell('a', partner).len(), expected);
    }
    let with_bob = story.metadata.clone();
    assert!(with_bob.contains("aor=\"sip:bob@10.0.0.3\""), "{with_bob}");
    let names = |text: &str| -> Vec<String> {
        let parts = text.split("<participant participant_id=\"").skip(1);
        parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let (before, after) = (names(&before), names(&with_bob));
    assert_eq!(before[0], after[0], "the party stays");
    assert_ne!(before[1], after[1], "the other is another one");
    assert_eq!(story.tell('a', nobody()).len(), 1);
    assert!(!story.metadata.contains("bob"), "{}", story.metadata);
}
