//! Stories of `<Enqueue>` and `<Dial><Queue>`: what each of the two calls does.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::queue::{QueueFacts, QueueInput};
use call::*;
use shared::{CallSid, Code, QueueSid};
use story::Story;

const QUEUE: QueueSid = QueueSid(5);
const OTHER: CallSid = CallSid(77);

#[test]
fn a_call_waits_with_music_is_taken_and_reports_when_the_parties_part() {
    let (mut story, words) = Story::with("<Enqueue action=\"/q\">support</Enqueue>");
    assert_eq!(words, ["a: answer", "a: enter queue support"]);
    assert_eq!(tell(&mut story, waits(2)), ["a: load music"]);
    story.prompt_ready();
    assert_eq!(tell(&mut story, taken(None)), ["a: stop play", "a: ready"]);
    assert_eq!(story.tell('a', CallInput::PeerEnded { peer: OTHER }), ["a: POST /q"]);
    for (name, value) in [("QueueResult", "bridged"), ("QueueTime", "31")] {
        assert_eq!(story.param(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(story.param("QueueSid"), Some(QUEUE.to_string()));
}

#[test]
fn the_wait_document_is_asked_again_and_again_with_the_present_place() {
    let (mut story, _) = Story::with("<Enqueue waitUrl=\"/w\">support</Enqueue>");
    assert_eq!(tell(&mut story, waits(2)), ["a: POST /w"]);
    for (name, value) in [
        ("QueuePosition", "2"),
        ("QueueTime", "7"),
        ("AvgQueueTime", "9"),
        ("CurrentQueueSize", "3"),
        ("MaxQueueSize", "1000"),
    ] {
        assert_eq!(story.param(name).as_deref(), Some(value), "{name}");
    }
    story.document("<Say>wait</Say>");
    story.prompt_ready();
    assert_eq!(story.played(), ["a: ask queue"]);
    assert_eq!(tell(&mut story, waits(1)), ["a: POST /w"]);
    assert_eq!(story.param("QueuePosition").as_deref(), Some("1"));
}

#[test]
fn leave_ends_the_wait_and_outside_a_queue_it_does_nothing() {
    let (mut story, _) =
        Story::with("<Leave/><Enqueue waitUrl=\"/w\" action=\"/q\">support</Enqueue>");
    tell(&mut story, waits(1));
    assert_eq!(story.document("<Leave/>"), ["a: leave queue", "a: POST /q"]);
    assert_eq!(story.param("QueueResult").as_deref(), Some("leave"));
}

#[test]
fn a_full_queue_is_reported_and_the_call_goes_on() {
    let (mut story, _) = Story::with("<Enqueue>support</Enqueue><Say>sorry</Say>");
    let (code, sentence) = (Code::QUEUE_FULL, "full".to_owned());
    let words = tell(&mut story, QueueInput::Refused { code, sentence, queue: Some(QUEUE) });
    assert_eq!(words, ["a: notify 14207", "a: load say sorry"]);
}

#[test]
fn a_whisper_runs_on_the_queued_call_before_it_is_connected() {
    let (mut story, _) = Story::with("<Enqueue>support</Enqueue>");
    tell(&mut story, waits(1));
    story.prompt_ready();
    let whisper = Webhook::post("http://app/whisper");
    assert_eq!(tell(&mut story, taken(Some(whisper))), ["a: stop play", "a: POST /whisper"]);
    assert_eq!(story.param("DequeingCallSid"), Some(OTHER.to_string()));
    assert_eq!(story.param("QueueTime").as_deref(), Some("31"));
    story.document("<Say>connecting</Say>");
    story.prompt_ready();
    assert_eq!(story.played(), ["a: ready"]);
}

#[test]
fn a_server_that_goes_before_the_connection_leaves_the_call_at_the_front() {
    let (mut story, _) = Story::with("<Enqueue>support</Enqueue>");
    tell(&mut story, waits(1));
    story.prompt_ready();
    tell(&mut story, taken(Some(Webhook::post("http://app/whisper"))));
    let words = story.tell('a', CallInput::PeerEnded { peer: OTHER });
    assert_eq!(words, ["a: back to queue support"]);
    assert_eq!(tell(&mut story, waits(1)), ["a: load music"]);
}

#[test]
fn a_call_that_hangs_up_or_is_redirected_leaves_and_reports_why() {
    let (mut story, _) = Story::with("<Enqueue action=\"/q\">support</Enqueue>");
    tell(&mut story, waits(1));
    let words = story.hangs_up('a');
    assert_eq!(words[..3], ["a: forget 1", "a: leave queue", "a: POST /q"]);
    assert_eq!(story.param("QueueResult").as_deref(), Some("hangup"));
    let (mut story, _) = Story::with("<Enqueue action=\"/q\">support</Enqueue>");
    tell(&mut story, waits(1));
    let words = tell(&mut story, QueueInput::Dequeued(Webhook::post("http://app/next")));
    assert_eq!(words, ["a: forget 1", "a: leave queue", "a: POST /q", "a: POST /next"]);
}

#[test]
fn the_reported_time_is_the_whole_one_however_long_the_music_plays() {
    let (mut story, _) = Story::with("<Enqueue action=\"/q\">support</Enqueue>");
    tell(&mut story, waits(1));
    story.prompt_ready();
    story.wait(12);
    story.hangs_up('a');
    assert_eq!(story.param("QueueTime").as_deref(), Some("12"));
    let (mut story, _) = Story::with("<Enqueue action=\"/q\" waitUrl=\"/w\">support</Enqueue>");
    tell(&mut story, waits(1));
    story.document("<Pause length=\"2\"/><Leave/>");
    assert_eq!(story.wait(2), ["a: leave queue", "a: POST /q"]);
    assert_eq!(story.param("QueueTime").as_deref(), Some("2"));
}

#[test]
fn a_server_takes_a_call_and_reports_it() {
    let (mut story, words) =
        Story::with("<Dial action=\"/d\" record=\"true\"><Queue>support</Queue></Dial>");
    assert_eq!(words, ["a: answer", "a: serve support"]);
    assert_eq!(
        tell(&mut story, QueueInput::Ready { call: OTHER }),
        ["a: bridge ?", "a: record DialVerb"]
    );
    story.wait(12);
    let words = story.tell('a', CallInput::PeerEnded { peer: OTHER });
    assert_eq!(words, ["a: stop record", "a: POST /d"]);
    for (name, value) in
        [("DialCallStatus", "completed"), ("DialBridged", "true"), ("DialCallDuration", "12")]
    {
        assert_eq!(story.param(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(story.param("DialCallSid"), Some(OTHER.to_string()));
}

#[test]
fn a_server_waits_until_its_timeout_and_fails_where_there_is_no_queue() {
    let (mut story, _) =
        Story::with("<Dial action=\"/d\" timeout=\"9\"><Queue>support</Queue></Dial>");
    assert_eq!(story.wait(9), ["a: leave queue", "a: POST /d"]);
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("no-answer"));
    let (mut story, _) = Story::with("<Dial action=\"/d\"><Queue>nothing</Queue></Dial>");
    assert_eq!(tell(&mut story, QueueInput::Missing), ["a: POST /d"]);
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("failed"));
}

#[test]
fn a_server_asks_again_when_the_call_it_took_is_gone_and_a_star_parts() {
    let dial = "<Dial hangupOnStar=\"true\"><Queue>support</Queue></Dial><Say>on</Say>";
    let (mut story, _) = Story::with(dial);
    assert_eq!(story.tell('a', CallInput::PeerEnded { peer: OTHER }), ["a: serve support"]);
    tell(&mut story, QueueInput::Ready { call: OTHER });
    assert_eq!(story.digit('*'), ["a: unbridge ?", "a: leave ?", "a: load say on"]);
}

#[test]
fn what_comes_for_a_call_that_has_left_frees_the_other() {
    let (mut story, _) = Story::with("<Say>x</Say>");
    assert_eq!(tell(&mut story, taken(None)), ["a: leave ?"]);
}

fn waits(position: u32) -> QueueInput {
    let (queue_time_s, average_s, current_size, max_size) = (7, 9, 3, 1_000);
    QueueInput::Waits(QueueFacts {
        queue: QUEUE,
        position,
        queue_time_s,
        average_s,
        current_size,
        max_size,
    })
}

fn taken(whisper: Option<Webhook>) -> QueueInput {
    QueueInput::Taken { by: OTHER, whisper, queue: QUEUE, queue_time_s: 31 }
}

fn tell(story: &mut Story, input: QueueInput) -> Vec<String> {
    story.tell('a', CallInput::Queue(input))
}
