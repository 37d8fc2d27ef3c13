//! Stories of answering-machine detection: the document waits for it, or it reports to a callback.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::*;
use shared::{AnsweredBy, Detection};
use story::{Story, outbound};

#[test]
fn the_first_document_waits_for_the_result_and_has_it() {
    let mut story = called(false, None);
    assert_eq!(story.answers('a'), ["a: callback in-progress", "a: detect"]);
    let words = detected(&mut story, AnsweredBy::MachineStart, 2_620);
    assert_eq!(words, ["a: answered by machine_start", "a: POST /voice"]);
    assert_eq!(story.param("AnsweredBy").as_deref(), Some("machine_start"));
    assert_eq!(story.param("MachineDetectionDuration").as_deref(), Some("2620"));
    assert_eq!(story.document("<Redirect>/next</Redirect>"), ["a: POST /next"]);
    assert_eq!(story.param("AnsweredBy"), None, "the first request only");
}

#[test]
fn an_asynchronous_result_goes_to_its_callback_once() {
    let mut story = called(true, Some(Webhook::post("http://app/amd")));
    assert_eq!(story.answers('a'), ["a: callback in-progress", "a: detect", "a: POST /voice"]);
    assert_eq!(story.param("AnsweredBy"), None);
    let words = detected(&mut story, AnsweredBy::Human, 1_900);
    assert_eq!(words[0], "a: answered by human");
    let request = story.requests.last().unwrap();
    assert!(request.url.wire(None).ends_with("/amd"));
    assert_eq!(request.standard.value("AnsweredBy"), Some("human"));
    assert_eq!(request.standard.value("MachineDetectionDuration"), Some("1900"));
    assert!(detected(&mut story, AnsweredBy::Fax, 9).is_empty());
}

#[test]
fn no_result_at_all_does_not_block_the_call() {
    let mut story = called(false, None);
    story.answers('a');
    assert_eq!(story.wait(32), ["a: answered by unknown", "a: POST /voice"]);
}

#[test]
fn a_redirect_by_rest_ends_the_wait() {
    let mut story = called(false, None);
    story.answers('a');
    let update = ApiUpdate::Twiml("<Response><Say>hi</Say></Response>".to_owned());
    let words = story.tell('a', CallInput::Api(update));
    assert_eq!(words, ["a: stop detection", "a: load say hi"]);
}

#[test]
fn a_noun_reports_its_detection_and_is_bridged_at_once() {
    let noun =
        "<Number machineDetection=\"Enable\" amdStatusCallback=\"/amd\">+14155550100</Number>";
    let (mut story, _) = Story::with(&format!("<Dial>{noun}</Dial>"));
    assert_eq!(story.answers('b'), ["b: detect", "a: bridge b"]);
    let (answered_by, after_ms) = (AnsweredBy::Human, 1_700);
    let words = story.tell('b', CallInput::Detected { answered_by, after_ms });
    assert_eq!(words[0], "b: answered by human");
    assert!(story.requests.last().unwrap().url.wire(None).ends_with("/amd"));
}

fn called(is_async: bool, callback: Option<Webhook>) -> Story {
    let mut setup = outbound();
    let detection = Detection::default();
    setup.leg.as_mut().unwrap().detection = Some(AnswerDetection { detection, is_async, callback });
    let mut story = Story::new(setup);
    story.start();
    story
}

fn detected(story: &mut Story, answered_by: AnsweredBy, after_ms: u32) -> Vec<String> {
    story.tell('a', CallInput::Detected { answered_by, after_ms })
}
