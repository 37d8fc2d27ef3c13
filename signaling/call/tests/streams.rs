//! Stories of streams: beside the verbs, and as the verb.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::stream::StreamUrl;
use call::*;
use shared::media::TapTracks;
use shared::{Code, StreamSid};
use story::Story;

const ENDED: StreamEvent = StreamEvent::Ended(StreamEnd::Stopped);

fn event(story: &mut Story, event: StreamEvent) -> Vec<String> {
    let stream = story.streams.last().unwrap().opening.stream;
    story.tell('a', CallInput::Stream { stream, event })
}

#[test]
fn a_two_way_stream_holds_the_document_until_its_server_closes() {
    let (mut story, words) = Story::with(
        "<Connect><Stream url=\"wss://bot.example/ws\" statusCallback=\"/s\">\
         <Parameter name=\"a\" value=\"1\"/></Stream></Connect><Say>x</Say>",
    );
    assert_eq!(words, ["a: answer", "a: stream wss://bot.example/ws"]);
    let opening = &story.streams[0].opening;
    assert_eq!((opening.tracks, opening.is_two_way), (TapTracks::Inbound, true));
    assert_eq!(opening.parameters, [("a".to_owned(), "1".to_owned())]);
    assert_eq!(event(&mut story, StreamEvent::Opened), ["a: side /s"]);
    assert_eq!(story.callback_param("StreamEvent").as_deref(), Some("stream-started"));
    assert_eq!(story.digit('5'), ["a: stream digit 5"]);
    let words = event(&mut story, StreamEvent::Ended(StreamEnd::ClosedByPeer));
    assert_eq!(words, ["a: side /s", "a: load say x"]);
    assert_eq!(story.callback_param("StreamEvent").as_deref(), Some("stream-stopped"));
}

#[test]
fn a_stream_that_cannot_be_opened_tells_why_and_the_document_goes_on() {
    let (mut story, _) = Story::with(
        "<Connect action=\"/after\"><Stream url=\"wss://bot.example/ws\" statusCallback=\"/s\"/></Connect>",
    );
    let answer = HandshakeAnswer {
        status: 403,
        content_type: "text/plain".to_owned(),
        body: "go away".to_owned(),
    };
    let failed = StreamEnd::Failed {
        code: Code::STREAM_HANDSHAKE,
        sentence: "the server answered 403".to_owned(),
        answer: Some(answer),
    };
    let words = event(&mut story, StreamEvent::Ended(failed));
    assert_eq!(words, ["a: side /s", "a: notify 31920", "a: POST /after"]);
    let note = &story.notes[0];
    assert_eq!(note.url, "wss://bot.example/ws");
    assert!(note.response_headers.starts_with("Status: 403") && note.response_body == "go away");
}

#[test]
fn a_stream_of_a_party_that_sends_nothing_is_warned_of_once() {
    let verbs = "<Connect><Stream url=\"wss://bot.example/ws\"/></Connect>";
    let (mut story, _) = Story::with(verbs);
    event(&mut story, StreamEvent::Opened);
    assert_eq!(story.wait(9), Vec::<String>::new());
    assert_eq!(story.wait(2), ["a: notify 31953"]);
    assert_eq!(story.wait(60), Vec::<String>::new());

    let (mut story, _) = Story::with(verbs);
    event(&mut story, StreamEvent::Opened);
    story.tell('a', CallInput::Heard);
    assert_eq!(story.wait(60), Vec::<String>::new());
}

#[test]
fn bad_urls_and_tracks_have_their_codes_and_stop_nothing() {
    for (noun, code) in [
        ("<Stream url=\"https://bot.example/\"/>", 31922),
        ("<Stream url=\"wss://b b/\"/>", 31923),
        ("<Stream/>", 31923),
        ("<Stream url=\"wss://b\" track=\"both_tracks\"/>", 31941),
        ("<Stream url=\"wss://b\" connectorName=\"x\"/>", 31940),
    ] {
        let (_, words) = Story::with(&format!("<Connect>{noun}</Connect><Say>x</Say>"));
        let wanted =
            ["a: answer".to_owned(), format!("a: notify {code}"), "a: load say x".to_owned()];
        assert_eq!(words, wanted, "{noun}");
    }
}

#[test]
fn one_way_streams_run_beside_the_verbs_and_stop_by_name() {
    let (mut story, words) = Story::with(
        "<Start><Stream url=\"wss://b/1\" name=\"n\" track=\"both_tracks\"/></Start>\
         <Gather timeout=\"5\"/><Stop><Stream name=\"n\"/></Stop><Stop><Stream name=\"m\"/></Stop><Pause/>",
    );
    assert_eq!(words, ["a: answer", "a: stream wss://b/1"], "it waits for the answer");
    event(&mut story, StreamEvent::Opened);
    assert_eq!(story.wait(5), ["a: close stream", "a: notify 12200"]);
    assert!(event(&mut story, ENDED).is_empty());
}

#[test]
fn at_most_four_tracks_leave_a_call_and_names_are_unique() {
    let start = |name: &str| {
        format!("<Start><Stream url=\"wss://b/1\" name=\"{name}\" track=\"both_tracks\"/></Start>")
    };
    let verbs = format!(
        "<Gather timeout=\"1\"/>{}{}{}{}<Pause/>",
        start("a"),
        start("a"),
        start("b"),
        start("c")
    );
    let (mut story, _) = Story::with(&verbs);
    let words = story.wait(1);
    let stream = "a: stream wss://b/1";
    assert_eq!(words, [stream, "a: notify 12200", stream, "a: notify 31941"]);
}

#[test]
fn the_end_of_the_call_closes_its_streams_and_waits_for_them() {
    let setup = CallSetup { status_callback: None, ..story::inbound() };
    let verbs = "<Connect><Stream url=\"wss://b/1\"/></Connect>";
    let (mut story, _) = Story::with_setup(setup, verbs);
    event(&mut story, StreamEvent::Opened);
    let words = story.hangs_up('a');
    assert_eq!(words[0], "a: close stream");
    assert!(!words.contains(&"a: finished".to_owned()), "its stream is open: {words:?}");
    assert_eq!(event(&mut story, ENDED), ["a: finished"]);
    let verbs = "<Connect action=\"/after\"><Stream url=\"wss://b/1\"/></Connect>";
    let (mut story, _) = Story::with(verbs);
    assert!(story.hangs_up('a').contains(&"a: POST /after".to_owned()));
}

#[test]
fn rest_redirects_a_call_out_of_its_stream() {
    let (mut story, _) = Story::with("<Connect><Stream url=\"wss://b/1\"/></Connect>");
    event(&mut story, StreamEvent::Opened);
    let twiml = ApiUpdate::Twiml("<Response><Say>x</Say></Response>".to_owned());
    let words = story.tell('a', CallInput::Api(twiml));
    assert_eq!(words, ["a: close stream", "a: load say x"]);
    assert!(event(&mut story, ENDED).is_empty());
}

#[test]
fn rest_starts_and_stops_one_way_streams_and_not_the_two_way_one() {
    let (mut story, _) = Story::with("<Connect><Stream url=\"wss://b/1\"/></Connect>");
    let two_way = story.streams[0].opening.stream;
    let stop = |stream| CallInput::Api(ApiUpdate::Stream { stream, change: StreamChange::Stop });
    assert!(story.tell('a', stop(two_way)).is_empty());
    let url = StreamUrl::read("wss://b/2", None, false).unwrap();
    let (callback, parameters) = (None, Vec::new());
    let settings =
        StreamSettings { url, name: None, tracks: TapTracks::Outbound, callback, parameters };
    let change = StreamChange::Start(Box::new(settings));
    let stream = StreamSid(9);
    let words = story.tell('a', CallInput::Api(ApiUpdate::Stream { stream, change }));
    assert_eq!(words, ["a: stream wss://b/2"]);
    assert_eq!(story.tell('a', stop(stream)), ["a: close stream"]);
}

#[test]
fn a_warning_of_the_stream_is_a_notification_with_its_url() {
    let (mut story, _) = Story::with("<Connect><Stream url=\"wss://b/1\"/></Connect>");
    let warned =
        StreamEvent::Warned { code: Code::STREAM_MESSAGE, sentence: "not JSON".to_owned() };
    assert_eq!(event(&mut story, warned), ["a: notify 31951"]);
    assert_eq!(story.notes[0].url, "wss://b/1");
}
