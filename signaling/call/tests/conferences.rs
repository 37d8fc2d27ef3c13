//! Stories of `<Dial><Conference>`: what one call does while it waits, stays and leaves.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::conference::{ConferenceInput, Music};
use call::*;
use shared::{Code, ConferenceSid};
use story::Story;

const ROOM: ConferenceSid = ConferenceSid(7);

#[test]
fn a_member_waits_with_music_until_the_conference_begins() {
    let (mut story, words) = Story::with("<Dial action=\"/d\"><Conference>ops</Conference></Dial>");
    assert_eq!(words, ["a: answer", "a: enter ops"]);
    assert_eq!(entered(&mut story, true), ["a: load music"]);
    assert_eq!(story.prompt_ready(), ["a: play 1 x0"]);
    assert_eq!(tell(&mut story, ConferenceInput::Started), ["a: stop play"]);
    assert_eq!(tell(&mut story, ConferenceInput::Left), ["a: POST /d"]);
    assert_eq!(story.param("DialCallStatus").as_deref(), Some("answered"));
    assert_eq!(story.param("DialCallSid"), None);
}

#[test]
fn a_member_that_comes_when_it_has_begun_hears_no_music() {
    let (mut story, _) = Story::with("<Dial><Conference>ops</Conference></Dial><Say>bye</Say>");
    assert!(entered(&mut story, false).is_empty());
    assert_eq!(tell(&mut story, ConferenceInput::Left), ["a: load say bye"]);
}

#[test]
fn a_wait_document_is_fetched_with_the_conference_and_runs_to_silence() {
    let noun = "<Conference waitUrl=\"/wait\" waitMethod=\"GET\">ops</Conference>";
    let (mut story, _) = Story::with(&format!("<Dial>{noun}</Dial>"));
    assert_eq!(entered(&mut story, true), ["a: GET /wait"]);
    assert_eq!(story.param("ConferenceSid"), Some(ROOM.to_string()));
    assert_eq!(story.param("FriendlyName").as_deref(), Some("ops"));
    let words = story.document("<Play loop=\"2\">song.wav</Play><Say>soon</Say>");
    assert_eq!(words, ["a: load http://app/song.wav"]);
    assert_eq!(story.prompt_ready(), ["a: play 1 x2"]);
    assert_eq!(story.played(), ["a: load say soon"]);
    assert_eq!(story.prompt_ready(), ["a: play 2 x1"]);
    assert!(story.played().is_empty(), "silence follows");
    assert!(tell(&mut story, ConferenceInput::Started).is_empty());
}

#[test]
fn a_wait_document_loops_by_its_own_redirect() {
    let noun = "<Conference waitUrl=\"/wait\">ops</Conference>";
    let (mut story, _) = Story::with(&format!("<Dial>{noun}</Dial>"));
    entered(&mut story, true);
    story.document("<Pause length=\"3\"/><Redirect/>");
    assert_eq!(story.wait(3), ["a: POST /wait"]);
    assert_eq!(tell(&mut story, ConferenceInput::Started), Vec::<String>::new());
    // The answer to the abandoned request changes nothing.
    assert!(story.document("<Say>late</Say>").is_empty());
}

#[test]
fn a_wait_document_that_redirects_in_circles_ends_the_stay() {
    let noun = "<Conference waitUrl=\"/wait\">ops</Conference>";
    let (mut story, _) = Story::with(&format!("<Dial>{noun}</Dial><Say>on</Say>"));
    entered(&mut story, true);
    let rounds = shared::limits::TWIML_IDLE_DOCUMENTS_MAX;
    let mut words = Vec::new();
    for _ in 0..=rounds {
        words = story.document("<Redirect/>");
    }
    assert_eq!(words, ["a: notify 11215", "a: leave conference HungUp", "a: load say on"]);
}

#[test]
fn a_wait_document_that_fails_or_holds_a_foreign_verb_ends_the_stay() {
    for (body, code) in [("<Gather/>", "13238"), ("<Dial>1000</Dial>", "13238")] {
        let noun = "<Conference waitUrl=\"/wait\">ops</Conference>";
        let (mut story, _) = Story::with(&format!("<Dial action=\"/d\">{noun}</Dial>"));
        entered(&mut story, true);
        let words = story.document(body);
        let note = format!("a: notify {code}");
        assert_eq!(words, [note.as_str(), "a: leave conference HungUp", "a: POST /d"]);
        assert_eq!(story.param("DialCallStatus").as_deref(), Some("failed"));
    }
    let noun = "<Conference waitUrl=\"/wait\">ops</Conference>";
    let (mut story, _) = Story::with(&format!("<Dial>{noun}</Dial><Say>on</Say>"));
    entered(&mut story, true);
    let words = story.http_fails(Code::HTTP_RETRIEVAL);
    assert_eq!(words, ["a: notify 11200", "a: leave conference HungUp", "a: load say on"]);
}

#[test]
fn a_star_leaves_the_room_where_the_verb_says_so() {
    let (mut story, _) =
        Story::with("<Dial hangupOnStar=\"true\"><Conference>ops</Conference></Dial><Say>on</Say>");
    entered(&mut story, false);
    assert!(story.digit('1').is_empty());
    assert_eq!(story.digit('*'), ["a: leave conference HungUp", "a: load say on"]);
    let (mut story, _) = Story::with("<Dial><Conference>ops</Conference></Dial>");
    entered(&mut story, false);
    assert!(story.digit('*').is_empty());
}

#[test]
fn the_time_limit_ends_the_stay() {
    let (mut story, _) =
        Story::with("<Dial timeLimit=\"9\"><Conference>ops</Conference></Dial><Say>on</Say>");
    entered(&mut story, false);
    assert_eq!(story.wait(9), ["a: leave conference HungUp", "a: load say on"]);
}

#[test]
fn a_refusal_is_told_and_the_call_goes_on() {
    let (mut story, _) = Story::with("<Dial><Conference>ops</Conference></Dial><Say>on</Say>");
    let (code, sentence) = (Code::PARTICIPANT_LABEL_TAKEN, "taken".to_owned());
    let words = tell(&mut story, ConferenceInput::Refused { code, sentence });
    assert_eq!(words, ["a: notify 16025", "a: load say on"]);
}

#[test]
fn a_hold_has_music_and_an_announcement_comes_in_its_place() {
    let (mut story, _) = Story::with("<Dial><Conference>ops</Conference></Dial>");
    entered(&mut story, false);
    assert_eq!(tell(&mut story, ConferenceInput::Held(Music::Standard)), ["a: load music"]);
    story.prompt_ready();
    let announce = ConferenceInput::Announced(Webhook::post("http://app/announce"));
    assert_eq!(tell(&mut story, announce), ["a: stop play", "a: POST /announce"]);
    story.document("<Say>hear</Say>");
    story.prompt_ready();
    assert_eq!(story.played(), ["a: announced played", "a: load music"]);
    story.prompt_ready();
    assert_eq!(tell(&mut story, ConferenceInput::Unheld), ["a: stop play"]);
}

#[test]
fn a_member_that_is_held_before_the_begin_waits_on_when_the_hold_is_over() {
    let (mut story, _) = Story::with("<Dial><Conference>ops</Conference></Dial>");
    entered(&mut story, true);
    story.prompt_ready();
    let silence = tell(&mut story, ConferenceInput::Held(Music::Silence));
    assert_eq!(silence, ["a: stop play"]);
    assert_eq!(tell(&mut story, ConferenceInput::Unheld), ["a: load music"]);
    assert_eq!(tell(&mut story, ConferenceInput::Started), ["a: forget 2"]);
}

#[test]
fn a_hang_up_leaves_and_reports_the_action_without_running_it() {
    let (mut story, _) =
        Story::with("<Dial action=\"/d\"><Conference waitUrl=\"\">ops</Conference></Dial>");
    assert!(entered(&mut story, true).is_empty(), "an empty waitUrl is silence");
    let words = story.hangs_up('a');
    assert_eq!(
        words,
        ["a: leave conference HungUp", "a: POST /d", "a: ended completed", "a: callback completed",]
    );
    assert_eq!(story.callbacks_answered(), ["a: finished"]);
}

#[test]
fn a_call_that_rest_ends_leaves_by_rest_and_reports_the_action() {
    let (mut story, _) =
        Story::with("<Dial action=\"/d\"><Conference waitUrl=\"\">ops</Conference></Dial>");
    entered(&mut story, true);
    let words = story.tell('a', CallInput::Api(ApiUpdate::Complete));
    assert_eq!(
        words,
        [
            "a: hangup",
            "a: leave conference Api",
            "a: POST /d",
            "a: ended completed",
            "a: callback completed",
        ]
    );
}

#[test]
fn a_redirect_by_rest_leaves_the_room_without_the_action() {
    let (mut story, _) = Story::with("<Dial action=\"/d\"><Conference>ops</Conference></Dial>");
    entered(&mut story, true);
    let update = ApiUpdate::Twiml("<Response><Say>there</Say></Response>".to_owned());
    let words = story.tell('a', CallInput::Api(update));
    assert_eq!(words, ["a: forget 1", "a: leave conference Api", "a: load say there"]);
}

#[test]
fn a_recorded_stay_is_reported_by_the_action() {
    let (mut story, words) = Story::with(
        "<Dial action=\"/d\" record=\"record-from-answer-dual\"><Conference>ops</Conference></Dial>",
    );
    assert_eq!(words, ["a: answer", "a: enter ops", "a: record DialVerb"]);
    entered(&mut story, false);
    assert_eq!(tell(&mut story, ConferenceInput::Left), ["a: stop record", "a: POST /d"]);
    assert!(story.param("RecordingUrl").is_some());
}

fn entered(story: &mut Story, waits: bool) -> Vec<String> {
    tell(story, ConferenceInput::Entered { conference: ROOM, waits })
}

fn tell(story: &mut Story, input: ConferenceInput) -> Vec<String> {
    story.tell('a', CallInput::Conference(input))
}
