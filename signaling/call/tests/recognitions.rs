//! Stories of calls that listen: `<Gather>` with speech, live transcriptions.

#![allow(missing_docs, clippy::unwrap_used)]

mod story;

use std::sync::Arc;

use call::recognition::{Lane, Share, Track};
use call::*;
use shared::LiveTranscriptionSid;
use shared::media::TapTracks;
use story::{Story, inbound};

const TRACK: Track = Track::Inbound;

/// A call with an engine, whose document has these verbs.
fn listening(verbs: &str) -> (Story, Vec<String>) {
    let settings = CallSettings { has_recognition: true, ..CallSettings::default() };
    let mut setup = inbound();
    setup.settings = Arc::new(settings);
    Story::with_setup(setup, verbs)
}

fn tell(story: &mut Story, event: RecognitionEvent) -> Vec<String> {
    let recognition = story.recognitions.last().unwrap().recognition;
    story.tell('a', CallInput::Recognition { recognition, event })
}

fn begins(story: &mut Story) -> Vec<String> {
    tell(story, RecognitionEvent::SpeechStarted { track: TRACK })
}

fn partial(story: &mut Story, text: &str) -> Vec<String> {
    let (text, stability) = (text.to_owned(), Share::of(0.5));
    tell(story, RecognitionEvent::Partial { track: TRACK, text, stability })
}

fn says(story: &mut Story, text: &str) -> Vec<String> {
    let (text, confidence) = (text.to_owned(), Some(Share::of(0.93)));
    tell(story, RecognitionEvent::Final { track: TRACK, text, confidence })
}

fn fails(story: &mut Story) -> Vec<String> {
    let (fault, sentence) = (RecognitionFault::Engine, "it died".to_owned());
    tell(story, RecognitionEvent::Ended(RecognitionEnd::Failed { fault, sentence }))
}

#[test]
fn speech_stops_the_prompts_and_is_the_result() {
    let (mut story, words) = listening(
        "<Gather input=\"speech\" action=\"/g\" language=\"de-DE\" hints=\"ja, nein\">\
         <Say>x</Say></Gather>",
    );
    assert_eq!(words, ["a: answer", "a: listen de-DE", "a: load say x"]);
    let plan = &story.recognitions[0];
    assert!(plan.is_single && plan.is_grammar && !plan.wants_partials);
    assert_eq!(plan.endpointing.silence_ms, 5_000);
    assert_eq!(story.prompt_ready(), ["a: play 1 x1"]);
    assert_eq!(begins(&mut story), ["a: stop play"]);
    assert!(story.digit('5').is_empty(), "keys are not wanted");
    assert_eq!(says(&mut story, "ja"), ["a: stop listening Cancel", "a: POST /g"]);
    assert_eq!(story.param("SpeechResult").as_deref(), Some("ja"));
    assert_eq!(story.param("Confidence").as_deref(), Some("0.93"));
    assert!(story.param("Digits").is_none());
}

#[test]
fn no_timer_runs_while_somebody_speaks_and_three_empty_results_end_it() {
    let (mut story, _) = listening("<Gather input=\"speech\" timeout=\"3\"/><Say>next</Say>");
    for _ in 0..2 {
        begins(&mut story);
        assert!(story.wait(40).is_empty());
        assert!(says(&mut story, "").is_empty());
    }
    assert!(story.wait(2).is_empty(), "the timer began anew");
    begins(&mut story);
    assert_eq!(says(&mut story, ""), ["a: stop listening Cancel", "a: load say next"]);
}

#[test]
fn without_barge_in_it_listens_after_the_prompts() {
    let (mut story, words) = listening(
        "<Gather input=\"speech\" bargeIn=\"false\"><Say>x</Say></Gather><Say>next</Say>",
    );
    assert_eq!(words, ["a: answer", "a: load say x"]);
    assert_eq!(story.prompt_ready(), ["a: play 1 x1"]);
    assert_eq!(story.played(), ["a: listen en-US"]);
    assert_eq!(story.wait(5), ["a: stop listening Cancel", "a: load say next"]);
}

#[test]
fn the_first_key_cancels_the_recognition_and_words_silence_the_keys() {
    let gather = "<Gather input=\"dtmf speech\" numDigits=\"2\" partialResultCallback=\"/p\"/>";
    let (mut story, _) = listening(gather);
    begins(&mut story);
    assert_eq!(story.digit('5'), ["a: stop listening Cancel"]);
    assert_eq!(story.digit('6'), ["a: POST /voice"]);
    assert_eq!(story.param("Digits").as_deref(), Some("56"));
    assert!(story.param("SpeechResult").is_none());

    let (mut story, _) = listening(gather);
    begins(&mut story);
    assert_eq!(partial(&mut story, "one"), ["a: side /p"]);
    assert!(partial(&mut story, "one damn two").is_empty(), "one callback at a time");
    assert!(story.digit('5').is_empty());
    assert_eq!(story.callbacks_answered(), ["a: side /p"]);
    let value = |name| story.callback_param(name).unwrap_or_default();
    assert_eq!(value("UnstableSpeechResult"), "one d*** two");
    assert_eq!((value("StableSpeechResult"), value("SequenceNumber")), ("one".into(), "1".into()));
}

#[test]
fn speech_has_a_longest_time_and_partial_results_a_method() {
    let (mut story, _) = listening(
        "<Gather input=\"speech\" maxSpeechTime=\"3\" speechTimeout=\"auto\" partialResultCallback=\"/p\" \
         partialResultCallbackMethod=\"GET\"/><Say>next</Say>",
    );
    let endpointing = story.recognitions[0].endpointing;
    assert_eq!((endpointing.longest_ms, endpointing.silence_ms), (3_000, 900));
    begins(&mut story);
    assert_eq!(partial(&mut story, "one"), ["a: side /p"]);
    let callback = story.requests.last().unwrap();
    assert_eq!(callback.method, HttpMethod::Get);
    // The engine is silent after the longest speech: the verb does not wait for it for ever.
    assert_eq!(story.wait(60), ["a: stop listening Cancel", "a: load say next"]);
}

#[test]
fn an_action_without_a_result_is_requested_where_the_verb_says_so() {
    let (mut story, _) = listening(
        "<Gather input=\"speech\" timeout=\"3\" actionOnEmptyResult=\"true\" action=\"/g\"/>",
    );
    assert_eq!(story.wait(4), ["a: stop listening Cancel", "a: POST /g"]);
    assert_eq!(story.param("SpeechResult").as_deref(), Some(""));
}

#[test]
fn a_recognition_that_fails_leaves_the_keys() {
    let (mut story, _) = listening("<Gather input=\"dtmf speech\"/><Say>next</Say>");
    assert_eq!(fails(&mut story), ["a: notify 13342"]);
    assert!(story.digit('5').is_empty());
    assert_eq!(story.digit('#'), ["a: POST /voice"]);
    let (mut story, _) = listening("<Gather input=\"speech\"/><Say>next</Say>");
    fails(&mut story);
    assert_eq!(story.wait(5), ["a: load say next"]);
}

#[test]
fn without_an_engine_speech_alone_fails_and_keys_are_left() {
    let (_, words) = Story::with("<Gather input=\"dtmf speech\"/>");
    assert_eq!(words, ["a: notify 13343", "a: answer"]);
    let (_, words) = Story::with("<Gather input=\"speech\"/>");
    assert_eq!(words[0], "a: notify 13343");
    assert!(words[2].starts_with("a: load say We are sorry"), "{words:?}");
}

const START: &str = "<Start><Transcription name=\"n\" statusCallbackUrl=\"/t\" \
                     partialResults=\"true\" inboundTrackLabel=\"agent\"/></Start>";

#[test]
fn a_transcription_runs_beside_the_verbs_and_its_callbacks_leave_in_order() {
    let (mut story, words) = listening(&format!("<Say>x</Say>{START}<Pause length=\"60\"/>"));
    assert_eq!(words, ["a: answer", "a: load say x"]);
    story.prompt_ready();
    assert_eq!(story.played(), ["a: listen en-US", "a: side /t"]);
    assert_eq!(story.recognitions[0].tracks, TapTracks::Both);
    let value = |story: &Story, name| story.callback_param(name).unwrap_or_default();
    assert_eq!(value(&story, "TranscriptionEvent"), "transcription-started");
    assert_eq!(value(&story, "InboundTrackLabel"), "agent");
    assert_eq!(value(&story, "Track"), "both_tracks");
    assert!(value(&story, "TranscriptionSid").starts_with("GT"));
    assert!(partial(&mut story, "hello").is_empty());
    assert!(says(&mut story, "hello you").is_empty());
    assert_eq!(story.callbacks_answered(), ["a: side /t"]);
    assert_eq!(value(&story, "TranscriptionData"), "{\"transcript\":\"hello\"}");
    assert_eq!(
        (value(&story, "Final"), value(&story, "Stability")),
        ("false".into(), "0.5".into())
    );
    story.callbacks_answered();
    let data = value(&story, "TranscriptionData");
    assert_eq!(data, "{\"confidence\":0.93,\"transcript\":\"hello you\"}");
    assert_eq!(
        (value(&story, "Track"), value(&story, "SequenceId")),
        ("inbound_track".into(), "3".into())
    );
}

#[test]
fn a_transcription_ends_with_the_leg_and_its_last_words_still_come() {
    let (mut story, _) = listening(&format!("<Say>x</Say>{START}<Pause length=\"60\"/>"));
    story.prompt_ready();
    story.played();
    let words = story.hangs_up('a');
    assert!(words.contains(&"a: stop listening Finish".to_owned()), "{words:?}");
    story.callbacks_answered();
    assert_eq!(says(&mut story, "bye"), ["a: side /t"]);
    assert!(tell(&mut story, RecognitionEvent::Ended(RecognitionEnd::Stopped)).is_empty());
    assert_eq!(story.callbacks_answered(), ["a: side /t"]);
    let event = story.callback_param("TranscriptionEvent");
    assert_eq!(event.as_deref(), Some("transcription-stopped"));
    assert_eq!(story.callbacks_answered(), ["a: finished"]);
}

#[test]
fn a_transcription_that_cannot_run_says_why() {
    let (mut story, _) = listening(&format!("<Say>x</Say>{START}{START}<Pause length=\"60\"/>"));
    story.prompt_ready();
    let words = story.played();
    assert_eq!(words, ["a: listen en-US", "a: side /t", "a: side /t", "a: notify 32650"]);
    assert_eq!(story.callback_param("TranscriptionEvent").as_deref(), Some("transcription-error"));
    story.callbacks_answered();
    assert_eq!(fails(&mut story), ["a: side /t", "a: notify 32651"]);
    assert_eq!(story.callback_param("TranscriptionErrorCode").as_deref(), Some("32651"));
    assert_eq!(story.callbacks_answered(), ["a: side /t"]);
    let event = story.callback_param("TranscriptionEvent");
    assert_eq!(event.as_deref(), Some("transcription-stopped"));
}

#[test]
fn rest_starts_and_stops_a_transcription() {
    let (mut story, _) = listening("<Say>x</Say>");
    let transcription = LiveTranscriptionSid(7);
    let change = |change| ApiUpdate::Transcription { transcription, change };
    let settings = TranscriptionSettings {
        name: None,
        tracks: TapTracks::Inbound,
        callback: None,
        labels: [None, None],
        wants_partials: false,
        language: "en-US".to_owned(),
        engine: "google".to_owned(),
        model: "telephony".to_owned(),
        is_filtered: true,
        hints: [].into(),
        is_punctuated: true,
    };
    let start = TranscriptionChange::Start(Box::new(settings));
    assert_eq!(story.tell('a', CallInput::Api(change(start))), ["a: listen en-US"]);
    let found = story.calls[&story.sid('a')].find_transcription(&transcription.to_string());
    assert_eq!(found, Some((transcription, None)));
    let stop = CallInput::Api(change(TranscriptionChange::Stop));
    assert_eq!(story.tell('a', stop), ["a: stop listening Finish"]);
}

const RECORD: &str = "<Record action=\"/r\" playBeep=\"false\" transcribe=\"true\" \
                      transcribeCallback=\"/t\"/>";

#[test]
fn a_transcript_follows_the_recording_and_its_last_words() {
    let (mut story, words) = listening(RECORD);
    assert_eq!(words, ["a: answer", "a: record RecordVerb", "a: listen en-US"]);
    assert_eq!(story.recordings[0].max_ms, 120_000);
    says(&mut story, "hello");
    let words = story.digit('#');
    assert_eq!(words, ["a: stop record", "a: stop listening Finish", "a: POST /r"]);
    assert_eq!(story.recording_done(7), ["a: transcript in-progress "]);
    assert!(says(&mut story, "world").is_empty());
    let ended = RecognitionEvent::Ended(RecognitionEnd::Stopped);
    let words = tell(&mut story, ended);
    assert_eq!(words, ["a: transcript completed hello world", "a: side /t"]);
    assert_eq!(story.callback_param("TranscriptionText").as_deref(), Some("hello world"));
    assert!(story.callback_param("TranscriptionSid").unwrap().starts_with("TR"));
}

#[test]
fn a_call_waits_ten_minutes_for_the_text_of_a_message_and_not_for_ever() {
    let (mut story, _) = listening(RECORD);
    assert_eq!(story.recognitions[0].lane, Lane::Batch);
    story.digit('#');
    story.recording_done(7);
    story.hangs_up('a');
    story.callbacks_answered();
    assert!(story.wait(600).is_empty(), "an engine may be busy with others");
    says(&mut story, "hello");
    let words = tell(&mut story, RecognitionEvent::Ended(RecognitionEnd::Stopped));
    assert_eq!(words, ["a: transcript completed hello", "a: side /t"]);

    let (mut story, _) = listening(RECORD);
    story.digit('#');
    story.recording_done(7);
    story.hangs_up('a');
    story.callbacks_answered();
    assert_eq!(story.wait(800), ["a: finished"]);
}

#[test]
fn a_transcript_that_fails_or_of_a_recording_out_of_bounds_says_so() {
    let (mut story, _) = listening(RECORD);
    story.digit('#');
    fails(&mut story);
    let words = story.recording_done(7);
    assert_eq!(words, ["a: notify 13614", "a: transcript failed ", "a: side /t"]);
    assert_eq!(story.callback_param("TranscriptionStatus").as_deref(), Some("failed"));
    for (seconds, code) in [(1, 13_617), (121, 13_618)] {
        let (mut story, _) = listening(RECORD);
        story.digit('#');
        let words = story.recording_done(seconds);
        let expected = ["a: stop listening Cancel".to_owned(), format!("a: notify {code}")];
        assert_eq!(words, expected);
    }
}
