//! Calls whose INVITE has no SDP: media is up with the ACK, and not before.

use std::sync::Arc;
use std::time::Duration;

use shared::{Joined, MediaCommand, Prompt};
use store::{CallStatus, RecordingStatus};

use super::calls::finish;
use super::rig::{Book, Invite, Rig, sdp};
use crate::{Effect, Input};

/// A call without SDP runs this document.
fn enter(verbs: &str) -> Rig {
    let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| {
        let late_offer = shared::Extensions { late_offer: true, ..shared::Extensions::NONE };
        settings.domain_extensions.insert("desk".to_owned(), late_offer);
    });
    let invite = Invite { sdp: String::new(), ..Invite::default() };
    assert_eq!(rig.invite(&invite), [100, 180]);
    rig.answer_webhook(verbs);
    assert_eq!(rig.last_response().status, 200);
    assert!(!rig.last_response().body.is_empty(), "the offer is ours");
    assert!(rig.media.is_empty(), "no core knows the call: {:?}", rig.media);
    rig
}

fn speak(rig: &mut Rig) {
    let is_load = |effect: &mut Effect| matches!(effect, Effect::LoadPrompt { .. });
    let loads: Vec<Effect> = rig.effects.extract_if(.., is_load).collect();
    for load in loads {
        let Effect::LoadPrompt { call, prompt, .. } = load else { continue };
        let silence = Prompt { mulaw: vec![0xFF; 160].into(), alaw: vec![0xD5; 160].into() };
        let (result, other_voice) = (Ok(Arc::new(silence)), None);
        rig.tell(Input::PromptReady { call, prompt, result, other_voice });
    }
}

/// The commands for its leg so far, as words.
fn commands(rig: &Rig) -> Vec<&'static str> {
    let word = |command: &MediaCommand| match command {
        MediaCommand::StartLeg { .. } => Some("start"),
        MediaCommand::Play { .. } => Some("play"),
        MediaCommand::StartTap { .. } => Some("tap"),
        MediaCommand::Join { joined: Joined::Room(_), .. } => Some("join"),
        _ => None,
    };
    rig.media.iter().filter_map(word).collect()
}

#[test]
fn a_conference_is_entered_with_the_ack() {
    let mut rig = enter("<Dial><Conference waitUrl=\"\">ops</Conference></Dial>");
    assert!(rig.conferences.is_empty(), "it is not in yet");
    rig.ack_last_with_answer(&sdp("RTP/AVP 0", ""));
    assert_eq!(commands(&rig), ["start", "join"]);
    assert_eq!(rig.conferences.len(), 1);
    rig.bye_last(&Invite::default());
    finish(&mut rig);
    assert_eq!(rig.control.calls_live(), 0);
}

#[test]
fn a_prompt_and_a_recording_begin_with_the_ack_in_their_order() {
    let mut rig = enter("<Start><Recording/></Start><Play>http://app.example/a.wav</Play>");
    speak(&mut rig);
    assert!(rig.media.is_empty());
    rig.ack_last_with_answer(&sdp("RTP/AVP 0", ""));
    assert_eq!(commands(&rig), ["start", "tap", "play"]);
    rig.bye_last(&Invite::default());
    finish(&mut rig);
    assert_eq!(rig.control.calls_live(), 0);
}

#[test]
fn a_caller_who_never_answers_the_offer_leaves_nothing_waiting() {
    for verbs in [
        "<Play>http://app.example/a.wav</Play>",
        "<Record/>",
        "<Dial><Conference>ops</Conference></Dial>",
        "<Start><Recording/></Start><Gather><Play>http://app.example/a.wav</Play></Gather>",
        "<Enqueue>support</Enqueue>",
    ] {
        let mut rig = enter(verbs);
        speak(&mut rig);
        // Timer H: no ACK within 32 s.
        for _ in 0..4 {
            rig.after(Duration::from_secs(10));
        }
        finish(&mut rig);
        let call = rig.records[0].sid;
        assert_eq!(rig.record(call).status, CallStatus::Failed, "{verbs}");
        assert_eq!(rig.control.calls_live(), 0, "{verbs}");
        assert_eq!(rig.faults, Vec::<String>::new(), "{verbs}");
        let settled = |record: &store::RecordingRecord| record.status == RecordingStatus::Absent;
        assert!(rig.recordings.last().is_none_or(settled), "{verbs}: {:?}", rig.recordings);
    }
}
