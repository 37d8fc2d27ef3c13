//! Stories of single calls: documents, verbs, failures, ends.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use std::sync::Arc;

use call::*;
use shared::{Code, Prompt};
use story::{Story, inbound, outbound};

const GOODBYE: &str = "a: load say We are sorry, an application error has occurred. Goodbye.";

// ---- whole calls, from the first document to the end ----

#[test]
fn reject_is_404_and_no_answer() {
    let (story, words) = Story::with("<Reject/>");
    assert_eq!(words, ["a: reject 404", "a: ended no-answer", "a: callback no-answer"]);
    assert_eq!(story.records[0].1.duration_s, None);
}

#[test]
fn reject_busy_is_486_and_busy() {
    let (_, words) = Story::with("<Reject reason=\"busy\"/>");
    assert_eq!(words, ["a: reject 486", "a: ended busy", "a: callback busy"]);
}

#[test]
fn an_empty_document_answers_and_hangs_up() {
    let (_, words) = Story::with("");
    assert_eq!(words, ["a: answer", "a: hangup", "a: ended completed", "a: callback completed"]);
}

#[test]
fn a_redirect_stays_unanswered() {
    let (mut story, words) = Story::with("<Redirect>/b</Redirect>");
    assert_eq!(words, ["a: POST /b"]);
    assert_eq!(story.param("CallStatus").as_deref(), Some("ringing"));
    assert_eq!(story.document("<Reject/>")[0], "a: reject 404");
}

#[test]
fn a_first_pause_delays_the_answer() {
    let (mut story, words) = Story::with("<Pause length=\"2\"/><Say>x</Say>");
    assert!(words.is_empty());
    assert!(story.wait(1).is_empty());
    assert_eq!(story.wait(1), ["a: answer", "a: load say x"]);
    assert_eq!(story.prompt_ready(), ["a: play 1 x1"]);
    assert_eq!(story.played()[0], "a: hangup");
}

/// Sentences of 100 characters, numbered.
fn sentences(count: usize) -> String {
    (0..count).map(|number| format!("Sentence {number} has {}. ", "x".repeat(100 - 18))).collect()
}

#[test]
fn a_long_text_is_heard_from_its_first_sentence_on_while_the_next_ones_are_made() {
    let (mut story, words) = Story::with(&format!("<Say>{}</Say>", sentences(5)));
    assert_eq!(words.len(), 2);
    assert!(words[1].starts_with("a: load say Sentence 0") && !words[1].contains("Sentence 1"));
    let words = story.prompt_ready();
    assert_eq!(words[0], "a: play 1 x1");
    assert!(words[1].starts_with("a: load say Sentence 1 "), "{words:?}");
    assert!(words[1].contains("Sentence 2 ") && words[1].contains("Sentence 3 "), "{words:?}");
    // The second piece is ready before the first has been heard.
    assert!(story.prompt_ready().is_empty());
    let words = story.played();
    assert_eq!(words[0], "a: play 2 x1");
    assert!(words[1].starts_with("a: load say Sentence 4 "), "{words:?}");
    // The third one is late: silence, and then it plays.
    assert!(story.played().is_empty());
    assert_eq!(story.prompt_ready(), ["a: play 3 x1"]);
    assert_eq!(story.played()[0], "a: hangup");
}

#[test]
fn a_long_text_is_repeated_and_fails_where_one_of_its_pieces_does() {
    let (mut story, _) = Story::with(&format!("<Say loop=\"2\">{}</Say>", sentences(4)));
    let mut played = 0;
    for _ in 0..4 {
        let words = story.prompt_ready();
        played += words.iter().filter(|word| word.contains("play")).count();
        let words = story.played();
        played += words.iter().filter(|word| word.contains("play")).count();
    }
    assert_eq!(played, 4, "two pieces, twice");
    let (mut story, _) = Story::with(&format!("<Say>{}</Say>", sentences(4)));
    story.prompt_ready();
    assert!(story.prompt_fails(Code::SAY_TEXT).is_empty(), "the first piece is heard to its end");
    assert!(story.played().iter().any(|word| word == "a: notify 13520"));
}

#[test]
fn an_echo_answers_and_ends_with_its_time_with_the_call_or_by_rest() {
    let (mut story, words) = Story::with("<Echo length=\"2\"/><Hangup/>");
    assert_eq!(words, ["a: answer", "a: echo on"]);
    assert!(story.wait(1).is_empty());
    assert_eq!(story.wait(1)[..2], ["a: echo off", "a: hangup"]);

    let (mut story, _) = Story::with("<Echo/><Say>x</Say>");
    assert!(story.wait(3_600).is_empty());
    let update = ApiUpdate::Redirect { webhook: Webhook::post("http://app/other"), fallback: None };
    assert_eq!(story.tell('a', CallInput::Api(update)), ["a: echo off", "a: POST /other"]);
}

const GATHER: &str = "<Gather numDigits=\"1\" action=\"/g\"><Say>x</Say></Gather><Hangup/>";

#[test]
fn a_key_in_gather_stops_the_prompt_and_requests_the_action() {
    let (mut story, words) = Story::with(GATHER);
    assert_eq!(words, ["a: answer", "a: load say x"]);
    assert_eq!(story.prompt_ready(), ["a: play 1 x1"]);
    assert_eq!(story.digit('5'), ["a: stop play", "a: POST /g"]);
    assert_eq!(story.param("Digits").as_deref(), Some("5"));
    assert_eq!(story.param("CallStatus").as_deref(), Some("in-progress"));
}

#[test]
fn no_key_in_gather_ends_five_seconds_after_the_prompt() {
    let (mut story, _) = Story::with(GATHER);
    story.prompt_ready();
    assert!(story.wait(60).is_empty());
    assert!(story.played().is_empty());
    assert!(story.wait(4).is_empty());
    assert_eq!(story.wait(1)[0], "a: hangup");
}

#[test]
fn the_finish_key_first_is_an_empty_result() {
    let (mut story, _) = Story::with(GATHER);
    story.prompt_ready();
    assert_eq!(story.digit('#')[..2], ["a: stop play", "a: hangup"]);
}

#[test]
fn without_a_finish_key_every_key_counts() {
    let (mut story, _) = Story::with("<Gather finishOnKey=\"\" numDigits=\"2\"/>");
    assert_eq!(story.digits("#1"), ["a: POST /voice"]);
    assert_eq!(story.param("Digits").as_deref(), Some("#1"));
}

// ---- Gather ----

#[test]
fn all_prompts_of_gather_are_fetched_before_any_is_played() {
    let (mut story, words) = Story::with(
        "<Gather><Say>a</Say><Play loop=\"2\">/b.wav</Play><Pause length=\"3\"/><Say>c</Say></Gather>",
    );
    assert_eq!(words[1..], ["a: load say a", "a: load http://app/b.wav", "a: load say c"]);
    assert_eq!(story.all_ready(3), ["a: play 1 x1"]);
    assert_eq!(story.played(), ["a: play 2 x2"]);
    assert!(story.played().is_empty());
    assert_eq!(story.wait(3), ["a: play 3 x1"]);
}

#[test]
fn a_key_while_prompts_load_counts_and_forgets_them() {
    let (mut story, _) = Story::with("<Gather timeout=\"3\"><Say>a</Say><Say>b</Say></Gather>");
    assert_eq!(story.digit('1'), ["a: forget 1", "a: forget 2"]);
    assert!(story.all_ready(2).is_empty());
    assert_eq!(story.wait(3), ["a: POST /voice"]);
}

#[test]
fn every_key_starts_the_timer_again() {
    let (mut story, _) = Story::with("<Gather timeout=\"3\"/>");
    story.digit('1');
    assert!(story.wait(2).is_empty());
    story.digit('2');
    assert!(story.wait(2).is_empty());
    assert_eq!(story.wait(1), ["a: POST /voice"]);
    assert_eq!(story.param("Digits").as_deref(), Some("12"));
    assert_eq!(story.param("FinishedOnKey").as_deref(), Some(""));
}

#[test]
fn without_barge_in_the_prompt_goes_on() {
    let (mut story, _) =
        Story::with("<Gather bargeIn=\"false\" numDigits=\"2\"><Say>a</Say></Gather>");
    story.prompt_ready();
    assert!(story.digit('1').is_empty());
    assert_eq!(story.digit('2'), ["a: stop play", "a: POST /voice"]);
}

#[test]
fn an_empty_result_is_reported_when_requested() {
    let (mut story, _) =
        Story::with("<Gather actionOnEmptyResult=\"true\" method=\"GET\" action=\"g?x=1\"/>");
    assert_eq!(story.wait(5), ["a: GET /g?x=1"]);
    assert_eq!(story.param("Digits").as_deref(), Some(""));
}

#[test]
fn a_hang_up_in_gather_requests_nothing() {
    let (mut story, _) = Story::with(GATHER);
    story.prompt_ready();
    let words = story.hangs_up('a');
    assert_eq!(words, ["a: ended completed", "a: callback completed"]);
}

#[test]
fn a_prompt_that_cannot_be_played_in_gather_has_its_own_code() {
    let (mut story, _) = Story::with("<Gather><Play>/a.txt</Play></Gather>");
    assert_eq!(story.prompt_fails(Code::PLAY_CONTENT_TYPE), ["a: notify 13325", GOODBYE]);
}

#[test]
fn speech_alone_is_a_clear_error() {
    let (_, words) = Story::with("<Gather input=\"speech\"/>");
    assert_eq!(words, ["a: notify 13343", "a: answer", GOODBYE]);
}

// ---- Say, Play ----

#[test]
fn play_resolves_against_the_document_and_repeats() {
    let (mut story, words) = Story::with("<Play loop=\"0\">a.wav</Play>");
    assert_eq!(words, ["a: answer", "a: load http://app/a.wav"]);
    assert_eq!(story.prompt_ready(), ["a: play 1 x1000"]);
}

#[test]
fn play_digits_are_sent_and_awaited() {
    let (mut story, words) = Story::with("<Play digits=\"ww12\"/><Say>x</Say>");
    assert_eq!(words, ["a: answer", "a: send ww12"]);
    assert_eq!(story.played(), ["a: load say x"]);
}

#[test]
fn keys_do_not_interrupt_a_bare_say() {
    let (mut story, _) = Story::with("<Say>x</Say>");
    story.prompt_ready();
    assert!(story.digit('1').is_empty());
}

#[test]
fn a_failed_download_goes_to_the_fallback() {
    let setup = CallSetup { fallback: Some(Webhook::post("http://app/fb")), ..inbound() };
    let (mut story, _) = Story::with_setup(setup, "<Play>/a.wav</Play>");
    assert_eq!(story.prompt_fails(Code::HTTP_RETRIEVAL), ["a: notify 11200", "a: POST /fb"]);
    assert_eq!(story.param("ErrorCode").as_deref(), Some("11200"));
    assert_eq!(story.param("ErrorUrl").as_deref(), Some("http://app/a.wav"));
    assert_eq!(story.document("<Say>sorry</Say>"), ["a: load say sorry"]);
}

#[test]
fn text_is_spoken_and_audio_is_played_then_the_call_ends() {
    let mut story = Story::new(inbound());
    story.start();
    assert_eq!(story.body("text/plain", "hello"), ["a: answer", "a: load say hello"]);
    story.prompt_ready();
    assert_eq!(story.played()[0], "a: hangup");

    let mut story = Story::new(inbound());
    story.start();
    let beep = Prompt { mulaw: vec![0; 80].into(), alaw: vec![0; 80].into() };
    let words = story.answered(200, Some("audio/x-wav"), AnswerBody::Audio(Ok(Arc::new(beep))));
    assert_eq!(words, ["a: answer", "a: load audio"]);
    story.prompt_ready();
    assert_eq!(story.played()[0], "a: hangup");
}

#[test]
fn a_failure_without_fallback_is_announced() {
    let mut story = Story::new(inbound());
    story.start();
    assert_eq!(
        story.http(500, Some("text/html"), "oops"),
        ["a: notify 11200", "a: answer", GOODBYE]
    );
    assert!(story.notes[0].response_headers.starts_with("Status: 500"));
    assert_eq!(story.notes[0].response_body, "oops");
    story.prompt_ready();
    assert_eq!(story.played()[..2], ["a: hangup", "a: ended completed"]);
    assert_eq!(story.records[0].1.error_code, Some(Code::HTTP_RETRIEVAL));
}

#[test]
fn without_a_voice_the_announcement_is_left_out() {
    let mut story = Story::new(inbound());
    story.start();
    story.http_fails(Code::HTTP_CONNECTION);
    assert_eq!(story.prompt_fails(Code::SAY_TEXT)[..2], ["a: notify 13520", "a: hangup"]);
}

#[test]
fn the_fallback_is_requested_once_for_a_failure() {
    let mut story =
        Story::new(CallSetup { fallback: Some(Webhook::post("http://app/fb")), ..inbound() });
    story.start();
    assert_eq!(story.http_fails(Code::HTTP_CONNECTION_REFUSED), ["a: notify 11202", "a: POST /fb"]);
    assert_eq!(
        story.http_fails(Code::HTTP_CONNECTION_REFUSED),
        ["a: notify 11202", "a: answer", GOODBYE]
    );
}

#[test]
fn a_failing_fallback_document_has_no_fallback_and_its_redirect_has() {
    let setup = CallSetup { fallback: Some(Webhook::post("http://app/fb")), ..inbound() };
    let mut story = Story::new(setup.clone());
    story.start();
    story.http_fails(Code::HTTP_CONNECTION_REFUSED);
    assert_eq!(story.document("<Pay/>"), ["a: notify 13750", "a: answer", GOODBYE]);

    let mut story = Story::new(setup);
    story.start();
    story.http_fails(Code::HTTP_CONNECTION_REFUSED);
    story.document("<Redirect>/c</Redirect>");
    assert_eq!(story.http_fails(Code::HTTP_CONNECTION_REFUSED), ["a: notify 11202", "a: POST /fb"]);
}

#[test]
fn an_unbuilt_verb_stops_the_document_when_it_is_reached() {
    let (mut story, words) = Story::with("<Say>x</Say><Annotate>q</Annotate><Say>y</Say>");
    assert_eq!(words, ["a: answer", "a: load say x"]);
    story.prompt_ready();
    assert_eq!(story.played(), ["a: notify 13750", GOODBYE]);
    let note = &story.notes[0];
    assert!(note.message.contains("<Annotate>") && note.position == Some((1, 23)), "{note:?}");
    assert_eq!(note.url, "http://app/voice");
}

#[test]
fn an_unknown_side_feature_is_named_and_the_document_goes_on() {
    let (_, words) = Story::with("<Start><Assistant/></Start><Say>x</Say>");
    assert_eq!(words, ["a: notify 13750", "a: answer", "a: load say x"]);
    // Known, and nothing to do it with.
    let (story, words) =
        Story::with("<Start><Transcription statusCallbackUrl=\"/t\"/></Start><Pause/>");
    assert_eq!(words, ["a: side /t", "a: notify 32650"]);
    assert_eq!(story.callback_param("TranscriptionEvent").as_deref(), Some("transcription-error"));
}

#[test]
fn warnings_are_reported_and_the_rest_runs() {
    let (_, words) = Story::with("<say>x</say><Pause length=\"a\"/>");
    assert_eq!(words, ["a: notify 12200", "a: notify 13910"]);
}

#[test]
fn a_bad_action_url_is_11100() {
    let (_, words) = Story::with("<Gather action=\"http://under_score/\"/>");
    assert_eq!(words, ["a: notify 11100", "a: answer", GOODBYE]);
}

#[test]
fn no_voice_url_is_404_and_failed() {
    let mut story = Story::new(CallSetup { document: DocumentSource::None, ..inbound() });
    assert_eq!(
        story.start(),
        ["a: notify 11100", "a: reject 404", "a: ended failed", "a: callback failed"]
    );
}

#[test]
fn fifty_idle_documents_in_a_row_end_the_call() {
    let (mut story, _) = Story::with("<Redirect/>");
    for _ in 0..49 {
        assert_eq!(story.document("<Redirect/>"), ["a: POST /voice"]);
    }
    assert_eq!(story.document("<Redirect/>")[..3], ["a: notify 11215", "a: answer", "a: hangup"]);
}

#[test]
fn verbs_that_take_time_break_the_row_but_a_thousand_documents_are_enough() {
    let (mut story, _) = Story::with("<Pause/><Redirect/>");
    for _ in 0..999 {
        assert_eq!(story.wait(1), ["a: POST /voice"]);
        assert!(story.document("<Pause/><Redirect/>").is_empty());
    }
    story.wait(1);
    assert_eq!(story.document("<Pause/>")[0], "a: notify 11215");
}

// ---- parameters ----

#[test]
fn the_first_request_carries_standard_and_sip_parameters() {
    let mut story = Story::new(inbound());
    story.start();
    for (name, value) in [
        ("CallSid", "CA0000000000000000000000000000000a"),
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("From", "sip:alice@pbx.example.org"),
        ("Caller", "sip:alice@pbx.example.org"),
        ("To", "sip:1000@demo.sip.example.net"),
        ("Called", "sip:1000@demo.sip.example.net"),
        ("CallStatus", "ringing"),
        ("ApiVersion", "2010-04-01"),
        ("Direction", "inbound"),
        ("SipDomain", "demo.sip.example.net"),
        ("SipDomainSid", "SD00000000000000000000000000000003"),
        ("SipCallId", "a84b4c76e66710@pbx.example.org"),
        ("SipSourceIp", "203.0.113.10"),
        ("SipUsername", "alice"),
        ("SipHeader_X-Route-Id", "42;tier=gold, 43"),
        ("SipHeader_User-to-User", "abc;encoding=hex"),
    ] {
        assert_eq!(story.param(name).as_deref(), Some(value), "{name}");
    }
    let request = story.last_request(HttpKind::Document);
    assert_eq!(request.standard.iter().count(), 16);
    assert_eq!(request.idempotency_token.len(), 36);
}

#[test]
fn an_inbound_call_has_one_status_callback_without_sip_parameters() {
    let (mut story, _) = Story::with("<Pause/>");
    story.wait(1);
    assert_eq!(story.records.len(), 1);
    let get = |name| story.callback_param(name);
    assert_eq!(get("CallStatus").as_deref(), Some("completed"));
    assert_eq!(get("Timestamp").as_deref(), Some("Fri, 20 Aug 2010 01:13:43 +0000"));
    assert_eq!(get("CallbackSource").as_deref(), Some("call-progress-events"));
    assert_eq!(get("SequenceNumber").as_deref(), Some("0"));
    assert_eq!(
        (get("CallDuration").as_deref(), get("Duration").as_deref()),
        (Some("0"), Some("0"))
    );
    assert_eq!((get("SipDomain"), get("SipResponseCode")), (None, None));
}

#[test]
fn a_redirect_hop_leaves_verb_parameters_behind() {
    let (mut story, _) =
        Story::with("<Gather numDigits=\"1\" action=\"http://u:p@app/g#ct=900\"/>");
    story.digit('1');
    let request = story.last_request(HttpKind::Document).clone();
    let hop = request.redirected(302, "/h?x=1").unwrap();
    assert_eq!((hop.method, hop.url.wire(None).as_str()), (HttpMethod::Get, "http://app/h?x=1"));
    assert!(hop.extra.is_empty() && hop.standard == request.standard);
    assert_eq!((hop.url.overrides.connect_ms, hop.url.basic_auth().is_some()), (900, true));
    assert_eq!(hop.idempotency_token, request.idempotency_token);
    assert_eq!(request.redirected(307, "/h").unwrap().method, HttpMethod::Post);
    assert_eq!(request.redirected(302, "ftp://x").unwrap_err().code, Code::HTTP_REDIRECT_INVALID);
}

// ---- ends ----

#[test]
fn a_caller_that_cancels_is_not_an_answer() {
    let mut story = Story::new(inbound());
    story.start();
    assert_eq!(story.hangs_up('a'), ["a: ended no-answer", "a: callback no-answer"]);
    // The document that arrives now has no effect, and the call waits for nothing more.
    assert!(story.document("<Say>x</Say>").is_empty());
    assert_eq!(story.callbacks_answered(), ["a: finished"]);
}

#[test]
fn the_time_limit_counts_from_the_answer() {
    let setup = CallSetup { time_limit_s: 10, ..inbound() };
    let (mut story, _) = Story::with_setup(setup, "<Pause length=\"60\"/><Say>x</Say>");
    assert_eq!(story.wait(60)[0], "a: answer");
    assert_eq!(story.wait(10), ["a: hangup", "a: ended completed", "a: callback completed"]);
    assert_eq!(story.records[0].1.duration_s, Some(10));
}

#[test]
fn lost_media_ends_the_call() {
    let (mut story, _) = Story::with("<Say>x</Say>");
    let told = story.tell('a', CallInput::MediaLost);
    assert_eq!(told[..2], ["a: notify 32014", "a: hangup"]);
}

#[test]
fn a_call_without_further_inputs_finishes_by_itself() {
    let (mut story, _) = Story::with("");
    assert_eq!(story.wait(200), ["a: finished"]);
    assert!(story.calls.values().all(|call| call.poll_timeout().is_none()));
}

// ---- REST ----

#[test]
fn rest_redirects_a_running_verb_without_its_action() {
    let (mut story, _) = Story::with("<Gather><Say>x</Say></Gather>");
    story.prompt_ready();
    let update = ApiUpdate::Redirect { webhook: Webhook::post("http://app/other"), fallback: None };
    assert_eq!(story.tell('a', CallInput::Api(update)), ["a: stop play", "a: POST /other"]);
    assert_eq!(story.document("<Say>y</Say>"), ["a: load say y"]);
}

#[test]
fn rest_redirects_a_ringing_call_and_the_old_document_is_ignored() {
    let mut story = Story::new(inbound());
    story.start();
    let old = story.last_request(HttpKind::Document).id;
    let twiml = ApiUpdate::Twiml("<Response><Reject/></Response>".to_owned());
    assert_eq!(story.tell('a', CallInput::Api(twiml))[0], "a: reject 404");
    let failure =
        HttpFailure { code: Code::HTTP_RETRIEVAL, sentence: String::new(), duration_ms: 0 };
    let late = CallInput::Http { request: old, result: Err(failure) };
    assert!(story.tell('a', late).is_empty());
}

#[test]
fn inline_twiml_has_no_url_to_be_relative_to() {
    let twiml = ApiUpdate::Twiml("<Response><Record/></Response>".to_owned());
    let (mut story, _) = Story::with("<Say>x</Say>");
    assert_eq!(story.tell('a', CallInput::Api(twiml)), ["a: forget 1", "a: notify 11100", GOODBYE]);
}

#[test]
fn rest_completes_a_ringing_call_with_603_and_an_answered_one_with_bye() {
    let mut story = Story::new(inbound());
    story.start();
    let words = story.tell('a', CallInput::Api(ApiUpdate::Complete));
    assert_eq!(words, ["a: reject 603", "a: ended canceled", "a: callback canceled"]);

    let (mut story, _) = Story::with("<Say>x</Say>");
    assert!(story.tell('a', CallInput::Api(ApiUpdate::Cancel)).is_empty());
    assert_eq!(story.tell('a', CallInput::Api(ApiUpdate::Complete))[0], "a: hangup");
}

// ---- outbound by REST ----

#[test]
fn an_outbound_call_asks_for_its_document_after_the_answer() {
    let mut story = Story::new(outbound());
    assert_eq!(story.start(), ["a: invite", "a: callback initiated"]);
    assert_eq!(story.rings('a'), ["a: callback ringing"]);
    assert!(story.rings('a').is_empty());
    assert_eq!(story.answers('a'), ["a: callback in-progress", "a: POST /voice"]);
    assert_eq!(story.param("CallStatus").as_deref(), Some("in-progress"));
    assert_eq!(story.param("Direction").as_deref(), Some("outbound-api"));
    assert_eq!(story.param("SipCallId"), None);
    story.wait(61);
    assert_eq!(story.document(""), ["a: hangup", "a: ended completed", "a: callback completed"]);
    for (name, value) in [
        ("SequenceNumber", "3"),
        ("CallDuration", "61"),
        ("Duration", "2"),
        ("SipResponseCode", "200"),
    ] {
        assert_eq!(story.callback_param(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn a_busy_outbound_call_reports_its_code_as_event_two() {
    let mut story = Story::new(outbound());
    story.start();
    story.rings('a');
    assert_eq!(story.refuses('a', 486), ["a: ended busy", "a: callback busy"]);
    for (name, value) in
        [("SequenceNumber", "2"), ("SipResponseCode", "486"), ("CallDuration", "0")]
    {
        assert_eq!(story.callback_param(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn an_outbound_call_rings_for_its_time_and_is_cancelled() {
    let mut story = Story::new(outbound());
    story.start();
    story.rings('a');
    assert!(story.wait(59).is_empty());
    assert_eq!(story.wait(1), ["a: hangup", "a: ended no-answer", "a: callback no-answer"]);
    assert_eq!(story.callback_param("SipResponseCode").as_deref(), Some("487"));
}

#[test]
fn an_outbound_call_that_fails_before_ringing_has_event_one() {
    let mut story = Story::new(outbound());
    story.start();
    let failed = CallInput::LegFailed {
        code: Some(Code::NUMBER_NOT_CALLABLE),
        status: None,
        sentence: "no trunk".to_owned(),
    };
    assert_eq!(
        story.tell('a', failed),
        ["a: notify 13224", "a: ended failed", "a: callback failed"]
    );
    assert_eq!(story.callback_param("SequenceNumber").as_deref(), Some("1"));
    assert_eq!(story.callback_param("SipResponseCode"), None);
}

#[test]
fn rest_cancels_while_ringing_and_silently_while_queued() {
    let mut story = Story::new(outbound());
    story.start();
    let words = story.tell('a', CallInput::Api(ApiUpdate::Cancel));
    assert_eq!(words, ["a: hangup", "a: ended canceled", "a: callback canceled"]);

    let mut story = Story::new(outbound());
    let words = story.tell('a', CallInput::Api(ApiUpdate::Cancel));
    assert_eq!(words, ["a: ended canceled", "a: finished"]);
}

#[test]
fn digits_are_sent_before_the_first_document() {
    let mut setup = outbound();
    setup.leg.as_mut().unwrap().send_digits = Some("ww9".to_owned());
    let mut story = Story::new(setup);
    story.start();
    assert_eq!(story.answers('a'), ["a: callback in-progress", "a: send ww9"]);
    assert_eq!(story.played(), ["a: POST /voice"]);
}

#[test]
fn a_recorded_rest_call_names_its_recording_at_the_end() {
    let callback = RecordingCallback {
        webhook: Webhook::post("http://app/rec"),
        events: vec![RecordingEvent::InProgress, RecordingEvent::Completed],
    };
    let record = RecordSettings {
        channels: 2,
        track: RecordingTrack::Both,
        trim: true,
        callback: Some(callback),
    };
    let mut story = Story::new(CallSetup { record: Some(record), ..outbound() });
    story.start();
    assert_eq!(
        story.answers('a'),
        [
            "a: callback in-progress",
            "a: record OutboundAPI",
            "a: recording in-progress",
            "a: POST /voice"
        ]
    );
    story.wait(7);
    assert_eq!(story.document("")[..2], ["a: stop record", "a: hangup"]);
    assert_eq!(story.callback_param("RecordingDuration").as_deref(), Some("7"));
    let url = story.callback_param("RecordingUrl").unwrap();
    let sid = story.recording().to_string();
    assert_eq!(
        url,
        format!(
            "http://127.0.0.1:8080/2010-04-01/Accounts/AC00000000000000000000000000000001/Recordings/{sid}"
        )
    );
    assert!(story.callbacks_answered().is_empty());
    assert_eq!(story.recording_done(7), ["a: recording completed"]);
    for (name, value) in [
        ("RecordingSource", "OutboundAPI"),
        ("RecordingChannels", "2"),
        ("RecordingTrack", "both"),
        ("RecordingDuration", "7"),
        ("RecordingStartTime", "Fri, 20 Aug 2010 01:13:42 +0000"),
        ("ErrorCode", "0"),
    ] {
        assert_eq!(story.callback_param(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(story.callbacks_answered(), ["a: finished"]);
}

// ---- Record ----

#[test]
fn record_beeps_records_and_reports_the_key() {
    let (mut story, words) = Story::with(
        "<Record action=\"/r\" recordingStatusCallback=\"/rs\" timeout=\"4\" maxLength=\"30\"/>",
    );
    assert_eq!(words, ["a: answer", "a: load beep"]);
    assert_eq!(story.prompt_ready(), ["a: play 1 x1"]);
    assert!(story.digit('1').is_empty(), "keys during the beep do not end it");
    assert_eq!(story.played(), ["a: record RecordVerb"]);
    let plan = &story.recordings[0];
    assert_eq!((plan.silence_ms, plan.max_ms, plan.channels), (4_000, 30_000, 1));
    assert_eq!((plan.track, plan.trim), (RecordingTrack::Inbound, true));
    story.wait(3);
    assert_eq!(story.digit('5'), ["a: stop record", "a: POST /r"]);
    assert_eq!(story.param("Digits").as_deref(), Some("5"));
    assert_eq!(story.param("RecordingDuration").as_deref(), Some("3"));
    assert!(story.param("RecordingUrl").unwrap().ends_with(&story.param("RecordingSid").unwrap()));
    assert!(story.recording_ended(RecordingEnd::Stopped).is_empty());
    assert_eq!(story.recording_done(3), ["a: recording completed"]);
    assert_eq!(story.last_request(HttpKind::RecordingCallback).url.wire(None), "http://app/rs");
}

#[test]
fn silence_ends_a_recording_without_digits() {
    let (mut story, words) =
        Story::with("<Record playBeep=\"false\" finishOnKey=\"\"/><Say>never</Say>");
    assert_eq!(words, ["a: answer", "a: record RecordVerb"]);
    assert!(story.digit('1').is_empty());
    assert_eq!(story.recording_ended(RecordingEnd::Silence), ["a: POST /voice"]);
    assert_eq!(story.param("Digits").as_deref(), Some(""));
}

#[test]
fn a_hang_up_while_recording_is_reported_to_the_action() {
    let (mut story, _) = Story::with("<Record playBeep=\"false\" action=\"/r\"/>");
    let words = story.hangs_up('a');
    assert_eq!(
        words,
        ["a: stop record", "a: POST /r", "a: ended completed", "a: callback completed"]
    );
    assert_eq!(story.param("Digits").as_deref(), Some("hangup"));
    assert_eq!(story.param("CallStatus").as_deref(), Some("completed"));
    assert!(story.document("<Say>never</Say>").is_empty());
}

#[test]
fn a_recording_that_fails_falls_through() {
    let (mut story, _) = Story::with("<Record playBeep=\"false\"/><Say>x</Say>");
    assert_eq!(story.recording_ended(RecordingEnd::Failed), ["a: notify 13610", "a: load say x"]);
}

#[test]
fn an_edge_that_is_not_served_is_named_once_a_call() {
    let settings = CallSettings { edges: vec!["dublin".into()], ..CallSettings::default() };
    let document = DocumentSource::Url(Webhook::post("http://app/voice#e=dublin"));
    let settings = Arc::new(settings);
    let mut story = Story::new(CallSetup { document, settings, ..inbound() });
    story.start();
    assert!(story.notes.is_empty(), "{:?}", story.notes);
    story.document("<Redirect>http://app/next#e=dublin,tokyo</Redirect>");
    story.document("<Redirect>http://app/last#e=sydney</Redirect>");
    let codes: Vec<Code> = story.notes.iter().map(|note| note.code).collect();
    assert_eq!(codes, [Code::OVERRIDE_EDGE_UNSUPPORTED]);
    assert!(story.notes[0].message.contains("`tokyo`"), "{:?}", story.notes);
}
