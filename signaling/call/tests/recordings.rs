//! Stories of recordings that run beside the verbs of a call.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::*;
use shared::media::TapPause;
use shared::{RecordingSid, limits};
use story::Story;

const SIDE: RecordingSid = RecordingSid(77);

#[test]
fn rest_records_a_call_beside_its_verbs_and_the_callback_says_so() {
    let (mut story, _) = Story::with("<Pause length=\"60\"/>");
    assert!(story.record(SIDE).is_empty(), "a call that rings has nothing to record");
    story.wait(60);
    let (mut story, _) = Story::with("<Gather timeout=\"60\"/>");
    assert_eq!(story.record(SIDE), ["a: record StartCallRecordingAPI", "a: recording in-progress"]);
    assert_eq!(story.callback_param("RecordingSid"), Some(SIDE.to_string()));
    assert_eq!(story.digit('5'), Vec::<String>::new(), "the verb goes on");
    assert_eq!(story.change(SIDE, RecordingChange::Stop), ["a: stop record"]);
    assert!(story.change(SIDE, RecordingChange::Stop).is_empty(), "it stops once");
    assert!(story.recording_ended(RecordingEnd::Stopped).is_empty());
    assert_eq!(story.recording_done(3), ["a: recording completed"]);
    assert_eq!(story.callback_param("RecordingSource").as_deref(), Some("StartCallRecordingAPI"));
}

#[test]
fn a_pause_is_carried_out_once_and_skipped_time_is_not_in_the_length() {
    let (mut story, _) = Story::with("<Record playBeep=\"false\" action=\"/r\" timeout=\"0\"/>");
    let recording = story.recording();
    let pause = |pause| RecordingChange::Pause(pause);
    story.wait(2);
    let skip = pause(Some(TapPause::Skip));
    assert_eq!(story.change(recording, skip.clone()), ["a: pause record Skip"]);
    assert!(story.change(recording, skip).is_empty());
    story.wait(10);
    let silence = pause(Some(TapPause::Silence));
    assert_eq!(story.change(recording, silence), ["a: pause record Silence"]);
    story.wait(4);
    assert_eq!(story.change(recording, pause(None)), ["a: resume record"]);
    story.wait(1);
    assert_eq!(story.digit('1'), ["a: stop record", "a: POST /r"]);
    assert_eq!(story.param("RecordingDuration").as_deref(), Some("7"), "2 + 4 of silence + 1");
    assert!(story.change(recording, pause(None)).is_empty(), "it has ended");
}

#[test]
fn rest_that_stops_the_recording_of_a_verb_ends_the_verb() {
    let (mut story, _) = Story::with("<Record playBeep=\"false\" action=\"/r\"/>");
    let recording = story.recording();
    assert_eq!(story.change(recording, RecordingChange::Stop), ["a: stop record"]);
    assert_eq!(story.recording_ended(RecordingEnd::Stopped), ["a: POST /r"]);
}

#[test]
fn a_call_has_a_limited_number_of_recordings_at_once() {
    let (mut story, _) = Story::with("<Gather timeout=\"60\"/>");
    for sid in 0..limits::RECORDINGS_A_CALL_MAX {
        assert_eq!(story.record(RecordingSid(sid as u128 + 1)).len(), 2);
    }
    assert!(story.record(SIDE).is_empty());
    story.recording_done(1);
    assert_eq!(story.record(SIDE).len(), 2, "one is settled");
}
