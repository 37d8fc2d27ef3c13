//! Stories of recordings that run beside the verbs of a call.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::*;
use shared::media::TapPause;
use shared::{Code, RecordingSid, limits};
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
    assert!(story.recording_done(3).is_empty(), "the callback before is not answered yet");
    assert_eq!(story.callbacks_answered(), ["a: recording completed"]);
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

#[test]
fn a_recording_that_was_stopped_makes_room_at_once_until_too_many_wait_for_the_disk() {
    let (mut story, _) = Story::with("<Gather timeout=\"60\"/>");
    let sid = |number: usize| RecordingSid(number as u128 + 1);
    for number in 0..limits::RECORDINGS_A_CALL_MAX {
        story.record(sid(number));
    }
    assert!(story.record(SIDE).is_empty(), "all of them run");
    for number in limits::RECORDINGS_A_CALL_MAX..limits::RECORDINGS_UNSETTLED_MAX {
        let oldest = sid(number - limits::RECORDINGS_A_CALL_MAX);
        story.change(oldest, RecordingChange::Stop);
        assert_eq!(story.record(sid(number)).len(), 2, "the place of {oldest}");
    }
    story.change(sid(limits::RECORDINGS_UNSETTLED_MAX - 1), RecordingChange::Stop);
    assert!(story.record(SIDE).is_empty(), "no file of them is settled");
}

// ---- Events ----

#[test]
fn all_events_of_a_recording_arrive_in_order_each_after_the_answer_to_the_one_before() {
    use RecordingEvent::{Completed, InProgress, Paused, Resumed, Started, Stopped};
    let (mut story, _) = Story::with("<Gather timeout=\"60\"/>");
    let all = vec![Started, InProgress, Paused, Resumed, Stopped, Completed];
    let words = story.record_with(SIDE, all);
    assert_eq!(words, ["a: record StartCallRecordingAPI", "a: recording started"]);
    let pause = RecordingChange::Pause(Some(TapPause::Silence));
    assert_eq!(story.change(SIDE, pause), ["a: pause record Silence"]);
    assert_eq!(story.change(SIDE, RecordingChange::Pause(None)), ["a: resume record"]);
    for status in ["in-progress", "paused", "resumed"] {
        assert_eq!(story.callbacks_answered(), [format!("a: recording {status}")]);
    }
    // The recording ends while nothing is out, and its file is ready before the answer.
    assert!(story.callbacks_answered().is_empty());
    let words = story.change(SIDE, RecordingChange::Stop);
    assert_eq!(words, ["a: stop record", "a: recording stopped"]);
    assert!(story.recording_ended(RecordingEnd::Stopped).is_empty(), "reported already");
    assert!(story.recording_done(3).is_empty());
    assert_eq!(story.callbacks_answered(), ["a: recording completed"]);
    assert_eq!(story.callback_param("RecordingDuration").as_deref(), Some("3"));
}

#[test]
fn a_recording_that_ends_by_itself_is_stopped_and_one_that_fails_says_so() {
    let (mut story, _) = Story::with("<Gather timeout=\"60\"/>");
    story.record_with(SIDE, vec![RecordingEvent::Stopped, RecordingEvent::Failed]);
    let ended = story.recording_ended(RecordingEnd::MaxLength);
    assert_eq!(ended, ["a: recording stopped"]);
    story.callbacks_answered();
    let outcome = RecordingOutcome::Failed { sentence: "the disk is full".to_owned() };
    let words = story.tell('a', CallInput::RecordingDone { recording: SIDE, outcome });
    assert_eq!(words, ["a: notify 12400", "a: recording failed"]);
}

#[test]
fn callbacks_that_wait_for_a_slow_application_are_bounded() {
    let (mut story, _) = Story::with("<Gather timeout=\"600\"/>");
    story.record_with(SIDE, vec![RecordingEvent::Started, RecordingEvent::Paused]);
    for _ in 0..limits::RECORDING_CALLBACKS_WAITING_MAX + 2 {
        story.change(SIDE, RecordingChange::Pause(Some(TapPause::Silence)));
        story.change(SIDE, RecordingChange::Pause(None));
    }
    assert_eq!(story.notes.len(), 2, "each that is not sent is a warning");
    assert!(story.notes.iter().all(|note| note.code == Code::RECORDING_STATUS_CALLBACK));
    for _ in 0..limits::RECORDING_CALLBACKS_WAITING_MAX {
        assert_eq!(story.callbacks_answered(), ["a: recording paused"]);
    }
    assert!(story.callbacks_answered().is_empty());
}

// ---- Start and Stop ----

#[test]
fn a_started_recording_runs_beside_the_verbs_until_its_name_is_stopped() {
    let (mut story, words) = Story::with(
        "<Gather timeout=\"5\"/><Start><Recording name=\"a\" recordingStatusCallback=\"/rs\"/></Start>\
         <Pause length=\"3\"/><Stop><Recording name=\"a\"/></Stop><Pause length=\"1\"/>",
    );
    assert_eq!(words, ["a: answer"]);
    assert_eq!(story.wait(5), ["a: record OutboundAPI"]);
    let plan = story.recordings.last().unwrap();
    assert_eq!((plan.channels, plan.track, plan.trim), (2, RecordingTrack::Both, true));
    assert_eq!(story.wait(3), ["a: stop record"], "the pause was not disturbed");
    assert_eq!(story.recording_done(3), ["a: recording completed"]);
    assert_eq!(story.last_request(HttpKind::RecordingCallback).url.wire(None), "http://app/rs");
    assert!(story.notes.is_empty(), "{:?}", story.notes);
}

#[test]
fn a_recording_that_starts_before_the_answer_begins_with_it() {
    let (mut story, words) = Story::with(
        "<Start><Recording name=\"a\" channels=\"mono\"/></Start>\
         <Start><Recording name=\"b\"/></Start><Stop><Recording name=\"b\"/></Stop>\
         <Pause length=\"2\"/><Say>x</Say>",
    );
    assert!(words.is_empty(), "<Start> does not answer: {words:?}");
    assert_eq!(story.wait(2), ["a: answer", "a: record OutboundAPI", "a: load say x"]);
    assert_eq!((story.recordings.len(), story.recording().to_string().len()), (1, 34));
    assert_eq!(story.hangs_up('a')[0], "a: stop record", "it ends with the call");
}

#[test]
fn names_are_unique_while_they_run_and_unknown_ones_are_warnings() {
    let start = "<Start><Recording name=\"a\"/></Start>";
    let stop = "<Stop><Recording name=\"a\"/></Stop>";
    let verbs = format!("<Gather timeout=\"1\"/>{start}{start}{stop}{stop}{start}<Pause/>");
    let (mut story, _) = Story::with(&verbs);
    let words = story.wait(1);
    let record = "a: record OutboundAPI";
    let notified = "a: notify 12200";
    assert_eq!(words, [record, notified, "a: stop record", notified, record]);
    let messages: Vec<&str> = story.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].contains("runs already"), "{messages:?}");
    assert!(messages[1].contains("nothing is stopped"), "{messages:?}");
}

#[test]
fn a_document_starts_no_more_recordings_than_a_call_may_have() {
    let start = "<Start><Recording/></Start>".repeat(limits::RECORDINGS_A_CALL_MAX + 2);
    let (mut story, _) = Story::with(&format!("{start}<Say>x</Say>"));
    assert_eq!(story.recordings.len(), limits::RECORDINGS_A_CALL_MAX);
    assert!(story.notes.iter().all(|note| note.code == Code::RECORDINGS_CONCURRENT));
    assert_eq!(story.notes.len(), 2);
    assert!(story.record(SIDE).is_empty(), "REST counts with them");
}

// ---- Ends without a file ----

#[test]
fn a_recording_that_the_disk_cut_off_is_completed_with_an_error_code() {
    let verbs = "<Record playBeep=\"false\" recordingStatusCallback=\"/rs\"/>";
    let (mut story, _) = Story::with(verbs);
    let recording = story.recording();
    story.recording_ended(RecordingEnd::Silence);
    let outcome = RecordingOutcome::Completed { duration_s: 7, cut_ms: 2_400, encryption: None };
    let words = story.tell('a', CallInput::RecordingDone { recording, outcome });
    assert_eq!(words, ["a: notify 12400", "a: recording completed"]);
    assert_eq!(story.callback_param("ErrorCode").as_deref(), Some("12400"));
    assert_eq!(story.callback_param("RecordingDuration").as_deref(), Some("7"));
    let note = story.notes.last().expect("told");
    assert!(note.message.contains("2400 ms are lost"), "{}", note.message);
}

#[test]
fn the_callback_of_a_sealed_recording_says_what_opens_it() {
    let verbs = "<Record playBeep=\"false\" recordingStatusCallback=\"/rs\"/>";
    let (mut story, _) = Story::with(verbs);
    let recording = story.recording();
    story.recording_ended(RecordingEnd::Silence);
    let details = shared::EncryptionDetails {
        public_key: shared::PublicKeySid(7),
        iv: "8I2hhNIYNTrwxfHk".to_owned(),
        encrypted_cek: "OV4h".to_owned(),
    };
    let json = details.json();
    let encryption = Some(Box::new(details));
    let outcome = RecordingOutcome::Completed { duration_s: 7, cut_ms: 0, encryption };
    story.tell('a', CallInput::RecordingDone { recording, outcome });
    assert_eq!(story.callback_param("EncryptionDetails"), Some(json));
}

#[test]
fn a_recording_without_a_file_is_told_with_its_code() {
    let failed = RecordingOutcome::Failed { sentence: "the disk is full".to_owned() };
    for (events, outcome, status, code) in [
        ("absent", RecordingOutcome::Absent, Some("absent"), "16101"),
        ("completed", RecordingOutcome::Absent, None, ""),
        ("completed", failed.clone(), Some("failed"), "12400"),
        ("absent", failed.clone(), Some("failed"), "12400"),
        ("in-progress", failed, None, ""),
    ] {
        let verbs = format!(
            "<Record playBeep=\"false\" recordingStatusCallback=\"/rs\" \
             recordingStatusCallbackEvent=\"{events}\"/>"
        );
        let (mut story, _) = Story::with(&verbs);
        let recording = story.recording();
        story.recording_ended(RecordingEnd::Silence);
        let is_failure = matches!(outcome, RecordingOutcome::Failed { .. });
        let words = story.tell('a', CallInput::RecordingDone { recording, outcome });
        let notified = is_failure.then(|| "a: notify 12400".to_owned());
        let told = status.map(|status| format!("a: recording {status}"));
        let wanted: Vec<String> = notified.into_iter().chain(told).collect();
        assert_eq!(words, wanted, "{events}");
        if status.is_some() {
            assert_eq!(story.callback_param("ErrorCode").as_deref(), Some(code), "{events}");
        }
    }
}
