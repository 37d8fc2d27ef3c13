//! Stories of `<Dial>`: a parent and its children.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::*;
use shared::Code;
use story::{Story, headers, inbound};

const SIP: &str = "<Sip>sip:bob@h.example</Sip>";

#[test]
fn a_child_is_dialled_rung_answered_and_bridged() {
    let (mut story, words) =
        Story::with(&format!("<Dial action=\"/d\">{SIP}</Dial><Say>never</Say>"));
    assert_eq!(words, ["a: answer", "a: dial 1", "b: invite"]);
    let child = &story.setups[1];
    assert_eq!(
        (child.to.as_str(), child.from.as_str()),
        ("sip:bob@h.example", "sip:alice@pbx.example.org")
    );
    assert_eq!(child.leg.as_ref().unwrap().caller_id, "alice");
    assert_eq!(story.rings('b'), ["a: load ring us"]);
    assert_eq!(story.prompt_ready(), ["a: play 1 x0"]);
    assert_eq!(story.answers('b'), ["a: stop play", "a: bridge b"]);
    story.wait(12);
    let ended = story.tell(
        'b',
        CallInput::Hungup {
            cause: HangupCause::Peer,
            headers: headers(&[("X-Why", "done"), ("Reason", "x")]),
        },
    );
    assert_eq!(ended, ["b: ended completed", "b: finished", "a: unbridge b", "a: POST /d"]);
    for (name, value) in [
        ("DialCallStatus", "completed"),
        ("DialBridged", "true"),
        ("DialCallDuration", "12"),
        ("DialSipCallId", "call-id-of-b"),
        ("DialSipResponseCode", "200"),
        ("DialSipHeader_X-Why", "done"),
        ("CallStatus", "in-progress"),
    ] {
        assert_eq!(story.param(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(story.param("DialCallSid"), Some(story.sid('b').to_string()));
    assert_eq!(story.param("DialSipHeader_Reason"), None);
}

#[test]
fn an_answer_that_cannot_be_used_is_reported_to_the_action_with_its_code() {
    let (mut story, _) = Story::with(&format!("<Dial action=\"/d\">{SIP}</Dial>"));
    let sentence = "the answer has no audio".to_owned();
    let cause = HangupCause::BadAnswer { status: Some(200), sentence };
    story.tell('b', CallInput::Hungup { cause, headers: Vec::new() });
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("failed"));
    assert_eq!(story.param("DialSipResponseCode").as_deref(), Some("200"));
    assert_eq!(story.param("ErrorCode").as_deref(), Some("32102"));
    assert_eq!(story.param("ErrorMessage").as_deref(), Some("the answer has no audio"));
}

#[test]
fn without_an_action_the_next_verb_follows() {
    let (mut story, _) = Story::with(&format!("<Dial>{SIP}</Dial><Say>next</Say>"));
    assert_eq!(story.refuses('b', 404), ["b: ended failed", "b: finished", "a: load say next"]);
}

#[test]
fn an_answer_cancels_the_other_targets() {
    let (mut story, words) = Story::with(&format!("<Dial>{SIP}<Sip>carol@h.example</Sip></Dial>"));
    assert_eq!(words, ["a: answer", "a: dial 2", "b: invite", "c: invite"]);
    let mut words = story.answers('c');
    // Control chooses whether the winner or the loser gets its command first.
    words.sort();
    assert_eq!(words, ["a: bridge c", "b: ended canceled", "b: finished", "b: hangup"]);
    assert_eq!(story.status('b'), CallStatus::Canceled);
    assert_eq!(story.status('c'), CallStatus::InProgress);
}

#[test]
fn several_targets_without_answer_are_no_answer_before_busy_before_failed() {
    let dial = format!("<Dial action=\"/d\">{SIP}{SIP}{SIP}</Dial>");
    for (codes, expected) in
        [([404, 486, 480], "no-answer"), ([404, 486, 503], "busy"), ([404, 503, 403], "failed")]
    {
        let (mut story, _) = Story::with(&dial);
        story.refuses('b', codes[0]);
        story.refuses('c', codes[1]);
        assert!(story.refuses('d', codes[2]).contains(&"a: POST /d".to_owned()));
        assert_eq!(story.param("DialCallStatus").as_deref(), Some(expected));
        assert_eq!(story.param("DialBridged").as_deref(), Some("false"));
        assert_eq!(story.param("DialCallDuration"), None);
        assert_eq!(story.param("DialSipHeader_X-Reason").as_deref(), Some("no"));
    }
}

#[test]
fn the_ring_timer_cancels_and_reports_no_answer() {
    let (mut story, _) = Story::with(&format!("<Dial timeout=\"10\" action=\"/d\">{SIP}</Dial>"));
    assert!(story.wait(9).is_empty());
    assert_eq!(story.wait(1), ["b: hangup", "b: ended no-answer", "b: finished", "a: POST /d"]);
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("no-answer"));
    assert_eq!(story.param("DialSipResponseCode").as_deref(), Some("487"));
}

#[test]
fn sequential_targets_are_tried_one_after_another() {
    let (mut story, words) = Story::with(&format!(
        "<Dial sequential=\"true\" timeout=\"5\">{SIP}<Number>+15551234</Number></Dial>"
    ));
    assert_eq!(words, ["a: answer", "a: dial 1", "b: invite"]);
    let words = story.wait(5);
    assert_eq!(words, ["b: hangup", "b: ended no-answer", "b: finished", "a: dial 1", "c: invite"]);
    assert!(story.wait(4).is_empty(), "each target has the whole ring time");
    assert_eq!(story.answers('c'), ["a: bridge c"]);
}

#[test]
fn answer_on_bridge_answers_when_bridged() {
    let (mut story, words) = Story::with(&format!("<Dial answerOnBridge=\"true\">{SIP}</Dial>"));
    assert_eq!(words, ["a: dial 1", "b: invite"]);
    assert!(story.rings('b').is_empty());
    assert_eq!(story.answers('b'), ["a: answer", "a: bridge b"]);
}

#[test]
fn answer_on_bridge_that_fails_refuses_the_caller_alike() {
    let dial = format!("<Dial answerOnBridge=\"true\" timeout=\"5\">{SIP}</Dial>");
    for (code, response, status) in
        [(486, 486, "busy"), (480, 480, "no-answer"), (404, 503, "failed")]
    {
        let (mut story, _) = Story::with(&dial);
        let words = story.refuses('b', code);
        let ended = [
            format!("b: ended {status}"),
            "b: finished".to_owned(),
            format!("a: reject {response}"),
            format!("a: ended {status}"),
            format!("a: callback {status}"),
        ];
        assert_eq!(words, ended);
    }
}

#[test]
fn a_verb_after_a_failed_answer_on_bridge_answers_first() {
    let (mut story, _) =
        Story::with(&format!("<Dial answerOnBridge=\"true\">{SIP}</Dial><Say>busy</Say>"));
    assert_eq!(story.refuses('b', 486)[2..], ["a: answer", "a: load say busy"]);
}

#[test]
fn early_media_of_a_single_target_is_heard() {
    let (mut story, _) = Story::with(&format!("<Dial>{SIP}</Dial>"));
    story.rings('b');
    story.prompt_ready();
    let early = CallInput::SipProgress { status: 183, early_media: true };
    assert_eq!(story.tell('b', early), ["a: stop play", "a: early b"]);
    assert_eq!(story.answers('b'), ["a: bridge b"]);
}

#[test]
fn a_named_ring_tone_plays_at_once_and_goes_before_early_media() {
    let (mut story, words) = Story::with(&format!("<Dial ringTone=\"de\">{SIP}</Dial>"));
    assert_eq!(words, ["a: answer", "a: load ring de", "a: dial 1", "b: invite"]);
    let early = CallInput::SipProgress { status: 183, early_media: true };
    assert!(story.tell('b', early).is_empty());
}

#[test]
fn star_hangs_up_the_child_only() {
    let (mut story, _) =
        Story::with(&format!("<Dial hangupOnStar=\"true\">{SIP}</Dial><Say>x</Say>"));
    assert!(story.digit('*').is_empty());
    story.answers('b');
    assert!(story.digit('1').is_empty());
    let words = story.digit('*');
    assert_eq!(
        words,
        ["b: hangup", "b: ended completed", "b: finished", "a: unbridge b", "a: load say x"]
    );
}

#[test]
fn the_time_limit_counts_from_the_bridge() {
    let (mut story, _) = Story::with(&format!("<Dial timeLimit=\"20\" action=\"/d\">{SIP}</Dial>"));
    story.wait(10);
    story.answers('b');
    assert!(story.wait(19).is_empty());
    let words = story.wait(1);
    assert_eq!(
        words,
        ["b: hangup", "b: ended completed", "b: finished", "a: unbridge b", "a: POST /d"]
    );
    assert_eq!(story.param("DialCallDuration").as_deref(), Some("20"));
}

#[test]
fn a_caller_that_hangs_up_ends_its_child_and_the_action_reports_it() {
    let (mut story, _) = Story::with(&format!("<Dial action=\"/d\">{SIP}</Dial>"));
    story.answers('b');
    story.wait(3);
    let words = story.hangs_up('a');
    assert_eq!(
        words,
        [
            "a: unbridge b",
            "b: hangup",
            "b: ended completed",
            "b: finished",
            "a: POST /d",
            "a: ended completed",
            "a: callback completed"
        ]
    );
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("completed"));
    assert_eq!(story.param("CallStatus").as_deref(), Some("completed"));
    assert_eq!(story.param("DialCallDuration").as_deref(), Some("3"));
}

#[test]
fn a_caller_that_gives_up_while_it_rings_cancels_the_child() {
    let (mut story, _) = Story::with(&format!("<Dial action=\"/d\">{SIP}</Dial>"));
    let words = story.hangs_up('a');
    assert_eq!(words[..4], ["b: hangup", "b: ended canceled", "b: finished", "a: POST /d"]);
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("canceled"));
}

#[test]
fn screening_runs_on_the_child_before_the_bridge() {
    let (mut story, _) = Story::with(
        "<Dial><Sip url=\"/s\" method=\"GET\">sip:bob@h.example</Sip></Dial><Say>no</Say>",
    );
    assert_eq!(story.answers('b'), ["b: GET /s"]);
    for (name, value) in [
        ("Direction", "outbound-dial"),
        ("CallStatus", "in-progress"),
        ("SipCallId", "call-id-of-b"),
        ("SipDomain", "h.example"),
        ("SipSourceIp", "198.51.100.7"),
        ("SipHeader_X-From-Answer", "yes"),
    ] {
        assert_eq!(story.param(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(story.param("ParentCallSid"), Some(story.sid('a').to_string()));
    assert_eq!(story.param("CallSid"), Some(story.sid('b').to_string()));
    assert_eq!(story.document("<Pause/>"), Vec::<String>::new());
    assert_eq!(story.wait(1), ["a: bridge b"]);
}

#[test]
fn hanging_up_in_the_screening_is_not_bridged() {
    let (mut story, _) =
        Story::with("<Dial action=\"/d\"><Number url=\"/s\">+15551234</Number></Dial>");
    story.answers('b');
    let words = story.document("<Hangup/>");
    assert_eq!(words, ["b: hangup", "b: ended completed", "b: finished", "a: POST /d"]);
    assert_eq!(story.param("DialBridged").as_deref(), Some("false"));
    assert_eq!(story.param("DialSipResponseCode"), None, "only for <Sip>");
}

#[test]
fn dial_in_a_screening_document_is_13201_and_the_dial_fails() {
    let (mut story, _) =
        Story::with("<Dial action=\"/d\"><Sip url=\"/s\">sip:bob@h.example</Sip></Dial>");
    story.answers('b');
    let words = story.document("<Dial>+1555</Dial>");
    assert_eq!(
        words,
        ["b: notify 13201", "b: hangup", "b: ended completed", "b: finished", "a: POST /d"]
    );
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("failed"));
    assert_eq!(story.param("ErrorCode").as_deref(), Some("13201"));
}

#[test]
fn a_failed_screening_never_uses_the_fallback_of_the_parent() {
    let setup = CallSetup { fallback: Some(Webhook::post("http://app/fb")), ..inbound() };
    let (mut story, _) = Story::with_setup(
        setup,
        "<Dial sequential=\"true\"><Sip url=\"/s\">a@h</Sip><Sip>b@h</Sip></Dial>",
    );
    story.answers('b');
    let words = story.http_fails(Code::HTTP_CONNECTION);
    assert_eq!(
        words,
        [
            "b: notify 11205",
            "b: hangup",
            "b: ended completed",
            "b: finished",
            "a: dial 1",
            "c: invite"
        ]
    );
}

#[test]
fn digits_of_a_number_are_sent_before_the_bridge() {
    let (mut story, _) = Story::with("<Dial><Number sendDigits=\"ww1\">+15551234</Number></Dial>");
    assert_eq!(story.answers('b'), ["b: send ww1"]);
    let play = shared::PlayId(1);
    assert_eq!(story.tell('b', CallInput::PlayEnded { play }), ["a: bridge b"]);
}

#[test]
fn status_callbacks_of_a_child_name_its_parent() {
    let (mut story, words) = Story::with(
        "<Dial><Sip statusCallback=\"/cs\" statusCallbackEvent=\"initiated ringing answered completed\">b@h</Sip></Dial><Pause/>",
    );
    assert_eq!(words[2..], ["b: invite", "b: callback initiated"]);
    assert_eq!(story.callback_param("ParentCallSid"), Some(story.sid('a').to_string()));
    assert_eq!(story.callback_param("Direction").as_deref(), Some("outbound-dial"));
    story.rings('b');
    assert_eq!(story.refuses('b', 600)[..2], ["b: ended busy", "b: callback busy"]);
    assert_eq!(story.callback_param("SequenceNumber").as_deref(), Some("2"));
    assert_eq!(story.callback_param("SipResponseCode").as_deref(), Some("600"));
}

#[test]
fn what_cannot_be_called_fails_alone() {
    let (mut story, words) =
        Story::with("<Dial action=\"/d\"><WhatsApp>+15550100</WhatsApp><Sip>a@h</Sip></Dial>");
    assert_eq!(
        words,
        [
            "a: answer",
            "a: dial 2",
            "b: notify 13224",
            "b: ended failed",
            "b: finished",
            "c: invite"
        ]
    );
    assert_eq!(story.answers('c'), ["a: bridge c"]);

    let (story, words) = Story::with("<Dial action=\"/d\"><Sip>sip:bad host</Sip></Dial>");
    assert_eq!(words[2..], ["b: notify 13243", "b: ended failed", "b: finished", "a: POST /d"]);
    assert_eq!(story.param("ErrorCode").as_deref(), Some("13243"));
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("failed"));
}

#[test]
fn a_dial_without_targets_fails_at_once() {
    let (story, words) = Story::with("<Dial action=\"/d\"/>");
    assert_eq!(words, ["a: notify 13223", "a: answer", "a: POST /d"]);
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("failed"));
}

#[test]
fn a_recorded_dial_reports_its_recording() {
    let (mut story, _) = Story::with(&format!(
        "<Dial record=\"record-from-answer-dual\" action=\"/d\">{SIP}</Dial>"
    ));
    assert_eq!(story.answers('b'), ["a: bridge b", "a: record DialVerb"]);
    assert_eq!((story.recordings[0].channels, story.recordings[0].trim), (2, false));
    story.wait(4);
    let words = story.hangs_up('b');
    assert_eq!(
        words,
        ["b: ended completed", "b: finished", "a: unbridge b", "a: stop record", "a: POST /d"]
    );
    assert_eq!(story.param("RecordingDuration").as_deref(), Some("4"));
    assert_eq!(story.param("RecordingSid"), Some(story.recording().to_string()));

    let (mut story, _) =
        Story::with("<Dial record=\"true\"><Sip statusCallback=\"/cs\">b@h</Sip></Dial><Pause/>");
    story.answers('b');
    story.wait(4);
    story.hangs_up('b');
    assert_eq!(story.callback_param("RecordingSid"), Some(story.recording().to_string()));
    assert_eq!(story.callback_param("RecordingDuration").as_deref(), Some("4"));

    let (_, words) = Story::with(&format!("<Dial record=\"record-from-ringing\">{SIP}</Dial>"));
    assert_eq!(words, ["a: answer", "a: record DialVerb", "a: dial 1", "b: invite"]);
}

#[test]
fn caller_id_follows_the_rules_of_the_noun() {
    let dial = |id: &str, noun: &str| {
        let (story, words) = Story::with(&format!("<Dial callerId=\"{id}\">{noun}</Dial>"));
        let child = story.setups[1].clone();
        let warned = words.iter().filter(|word| word.contains("notify")).count();
        (child.leg.unwrap().caller_id, child.from, warned)
    };
    let number = "<Number>+15551234</Number>";
    assert_eq!(dial("desk_1.a", SIP), ("desk_1.a".to_owned(), "desk_1.a".to_owned(), 0));
    assert_eq!(dial("+15550001", number), ("+15550001".to_owned(), "+15550001".to_owned(), 0));
    let fallen_back = ("alice".to_owned(), "sip:alice@pbx.example.org".to_owned(), 1);
    assert_eq!(dial("no blanks", SIP), fallen_back);
    assert_eq!(dial("bob", number), fallen_back);
    assert_eq!(dial(&"a".repeat(200), SIP), fallen_back);
}

#[test]
fn rest_redirects_the_parent_and_the_child_ends() {
    let (mut story, _) = Story::with(&format!("<Dial action=\"/d\">{SIP}</Dial>"));
    story.answers('b');
    let twiml = ApiUpdate::Twiml("<Response><Say>x</Say></Response>".to_owned());
    let words = story.tell('a', CallInput::Api(twiml));
    assert_eq!(
        words,
        ["a: unbridge b", "a: load say x", "b: hangup", "b: ended completed", "b: finished"]
    );
}

#[test]
fn rest_redirects_the_child_and_the_parent_goes_on() {
    let (mut story, _) = Story::with(&format!("<Dial action=\"/d\">{SIP}</Dial>"));
    story.answers('b');
    let twiml = ApiUpdate::Twiml("<Response><Dial>+15551234</Dial></Response>".to_owned());
    let words = story.tell('b', CallInput::Api(twiml));
    assert_eq!(words, ["b: dial 1", "a: unbridge b", "a: POST /d", "c: invite"]);
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("completed"));
    assert_eq!(story.param("DialCallDuration"), None);
    assert_eq!(story.answers('c'), ["b: bridge c"]);
}

#[test]
fn an_unanswered_caller_whose_ringing_child_is_redirected_away_was_never_connected() {
    let (mut story, _) = Story::with(&format!("<Dial answerOnBridge=\"true\">{SIP}</Dial>"));
    let twiml = ApiUpdate::Twiml("<Response><Say>x</Say></Response>".to_owned());
    let words = story.tell('b', CallInput::Api(twiml));
    assert_eq!(words, ["a: reject 480", "a: ended no-answer", "a: callback no-answer"]);
}

#[test]
fn children_have_sids_and_seeds_of_their_own_and_replay() {
    let dial = format!("<Dial>{SIP}{SIP}</Dial>");
    let (one, two) = (Story::with(&dial).0, Story::with(&dial).0);
    assert_eq!(one.sids, two.sids);
    assert_ne!(one.sids[1], one.sids[2]);
    assert_ne!(one.setups[1].seed, one.setups[2].seed);
}

#[test]
fn a_call_without_hops_dials_no_target_and_reports_it() {
    let document = format!("<Dial action=\"/d\">{SIP}</Dial>");
    let (mut story, _) = Story::with_setup(CallSetup { max_forwards: 1, ..inbound() }, &document);
    assert_eq!(story.setups[1].max_forwards, 0);
    assert!(!story.refuses('b', 404).is_empty());
    let (story, words) = Story::with_setup(CallSetup { max_forwards: 0, ..inbound() }, &document);
    assert!(words.contains(&"b: notify 32006".to_owned()), "{words:?}");
    for (name, value) in
        [("DialCallStatus", "failed"), ("DialSipResponseCode", "483"), ("ErrorCode", "32006")]
    {
        assert_eq!(story.param(name).as_deref(), Some(value), "{name}");
    }
}
