//! Stories of transfers: REFERs of the parties of a `<Dial>`, and `<Refer>`.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::*;
use shared::Code;
use story::{Story, outbound};

const TARGET: &str = "<sip:carol@h.example?X-A=1>";

/// A caller `a` and a callee `b`, connected.
fn connected(attributes: &str) -> Story {
    let dial = format!("<Dial {attributes}><Sip>sip:bob@h.example</Sip></Dial><Say>next</Say>");
    let (mut story, _) = Story::with(&dial);
    assert!(story.answers('b').contains(&"a: bridge b".to_owned()));
    story
}

#[test]
fn without_a_refer_url_a_transfer_is_refused_and_the_call_goes_on() {
    let mut story = connected("");
    for from in ['a', 'b'] {
        let words = story.refers('a', from, TARGET);
        assert_eq!(words, ["a: notify 13802".to_owned(), format!("a: answer refer of {from} 603")]);
    }
    assert_eq!(story.hangs_up('b').last().unwrap(), "a: load say next");
}

#[test]
fn long_targets_and_emergency_numbers_are_refused() {
    let mut story = connected("referUrl=\"/refer\"");
    let long = format!("<sip:{}@h.example>", "x".repeat(250));
    assert_eq!(story.refers('a', 'b', &long), ["a: answer refer of b 400"]);
    assert_eq!(story.refers('a', 'b', "<sip:911@h.example>"), ["a: answer refer of b 603"]);
}

#[test]
fn a_call_that_is_in_no_dial_refuses_transfers() {
    let (mut story, _) = Story::with("<Pause length=\"60\"/>");
    assert_eq!(story.refers('a', 'a', TARGET), ["a: answer refer of a 603"]);
}

#[test]
fn the_callee_transfers_the_caller_and_goes() {
    let mut story = connected("referUrl=\"/refer\" referMethod=\"GET\" action=\"/d\"");
    assert_eq!(story.refers('a', 'b', TARGET), ["a: answer refer of b 202", "a: GET /refer"]);
    assert_eq!(story.param("ReferTransferTarget").as_deref(), Some(TARGET));
    assert_eq!(story.param("CallSid"), Some(story.sid('a').to_string()));
    let words = story.document("<Dial><Sip>sip:carol@h.example</Sip></Dial>");
    assert_eq!(words, ["a: unbridge b", "a: tell b 200", "a: dial 1", "c: invite"]);
    assert_eq!(story.answers('c'), ["a: bridge c"]);
    assert_eq!(story.hangs_up('b'), ["b: ended completed", "b: finished"]);
    let words = story.hangs_up('c');
    assert_eq!(words[2..4], ["a: unbridge c", "a: hangup"], "{words:?}");
}

#[test]
fn a_phone_that_does_not_hang_up_after_its_transfer_is_hung_up() {
    let mut story = connected("referUrl=\"/refer\"");
    story.refers('a', 'b', TARGET);
    story.document("<Pause length=\"100\"/>");
    assert!(story.wait(31).is_empty());
    assert_eq!(story.wait(2), ["b: hangup", "b: ended completed", "b: finished"]);
    assert_eq!(story.status('a'), CallStatus::InProgress);
}

#[test]
fn the_caller_transfers_the_callee_which_lives_on_without_it() {
    let mut story = connected("referUrl=\"/refer\"");
    assert_eq!(story.refers('a', 'a', TARGET), ["a: answer refer of a 202", "b: POST /refer"]);
    assert_eq!(story.param("CallSid"), Some(story.sid('b').to_string()));
    let words = story.document("<Dial><Sip>sip:carol@h.example</Sip></Dial>");
    assert_eq!(words, ["b: unbridge a", "b: tell a 200", "b: dial 1", "c: invite"]);
    let words = story.hangs_up('a');
    assert!(words.contains(&"a: ended completed".to_owned()), "{words:?}");
    assert_eq!(story.answers('c'), ["b: bridge c"]);
    assert_eq!(story.status('b'), CallStatus::InProgress);
    let words = story.hangs_up('b');
    assert!(words.contains(&"c: hangup".to_owned()), "{words:?}");
}

#[test]
fn a_caller_that_hangs_up_in_the_middle_leaves_the_transfer_to_go_on() {
    for attributes in ["referUrl=\"/refer\"", "referUrl=\"/refer\" answerOnBridge=\"true\""] {
        let mut story = connected(attributes);
        story.refers('a', 'a', TARGET);
        let words = story.hangs_up('a');
        assert!(!words.iter().any(|word| word.starts_with("b:")), "{words:?}");
        let words = story.document("<Dial><Sip>sip:carol@h.example</Sip></Dial>");
        assert_eq!(words, ["b: dial 1", "c: invite"]);
        assert_eq!(story.answers('c'), ["b: bridge c"]);
    }
}

#[test]
fn a_callee_that_hangs_up_in_the_middle_leaves_the_transfer_to_go_on() {
    let mut story = connected("referUrl=\"/refer\" action=\"/d\"");
    story.refers('a', 'b', TARGET);
    let words = story.hangs_up('b');
    assert_eq!(words, ["b: ended completed", "b: finished"], "no action: the document comes");
    assert_eq!(story.document("<Say>hello</Say>"), ["a: load say hello"]);
}

#[test]
fn with_answer_on_bridge_the_phone_stays_until_the_target_answers() {
    for (from, other) in [('b', 'a'), ('a', 'b')] {
        let mut story = connected("referUrl=\"/refer\" answerOnBridge=\"true\"");
        story.refers('a', from, TARGET);
        let words = story.document("<Dial><Sip>sip:carol@h.example</Sip></Dial>");
        let apart = [
            format!("{other}: unbridge {from}"),
            format!("{other}: dial 1"),
            "c: invite".to_owned(),
        ];
        assert_eq!(words, apart);
        let words = story.answers('c');
        assert_eq!(words, [format!("{other}: bridge c"), format!("{other}: tell {from} 200")]);
    }
}

#[test]
fn with_answer_on_bridge_a_target_that_fails_brings_the_parties_back() {
    for (from, other) in [('b', 'a'), ('a', 'b')] {
        let mut story = connected("referUrl=\"/refer\" answerOnBridge=\"true\" action=\"/d\"");
        story.refers('a', from, TARGET);
        story.document("<Dial><Sip>sip:carol@h.example</Sip></Dial>");
        let words = story.refuses('c', 486);
        let back = [format!("{other}: tell {from} 486"), format!("{other}: bridge {from}")];
        assert_eq!(words[2..], back, "{words:?}");
        let words = story.hangs_up('b');
        assert_eq!(words.last().unwrap(), "a: POST /d", "the dial goes on as it was: {words:?}");
    }
}

#[test]
fn a_transfer_that_came_to_nothing_is_forgotten() {
    for (first, second) in [('a', 'a'), ('a', 'b'), ('b', 'a'), ('b', 'b')] {
        let mut story = connected("referUrl=\"/refer\" answerOnBridge=\"true\"");
        story.refers('a', first, TARGET);
        story.document("<Dial><Sip>sip:carol@h.example</Sip></Dial>");
        story.refuses('c', 486);
        let words = story.refers('a', second, TARGET);
        let taken = format!("a: answer refer of {second} 202");
        assert_eq!(words.first(), Some(&taken), "{first} then {second}: {words:?}");
    }
    let mut story = connected("referUrl=\"/refer\" answerOnBridge=\"true\"");
    story.refers('a', 'a', TARGET);
    story.document("<Dial><Sip>sip:carol@h.example</Sip></Dial>");
    story.refuses('c', 486);
    let words = story.hangs_up('a');
    assert!(
        words.contains(&"b: hangup".to_owned()),
        "the caller takes the callee along: {words:?}"
    );
}

#[test]
fn a_refer_url_that_fails_costs_the_call_unless_answer_on_bridge() {
    let mut story = connected("referUrl=\"/refer\"");
    story.refers('a', 'b', TARGET);
    let words = story.http_fails(Code::HTTP_RETRIEVAL);
    assert!(words.contains(&"a: tell b 603".to_owned()), "{words:?}");
    assert!(words.contains(&"a: hangup".to_owned()), "{words:?}");
    let mut story = connected("referUrl=\"/refer\" answerOnBridge=\"true\"");
    story.refers('a', 'b', TARGET);
    assert_eq!(story.http_fails(Code::HTTP_RETRIEVAL), ["a: notify 11200", "a: tell b 603"]);
    assert_eq!(story.hangs_up('b').last().unwrap(), "a: load say next");
}

#[test]
fn an_attended_transfer_is_for_control_to_carry_out() {
    let mut story = connected("referUrl=\"/refer\"");
    let with = story.sid('b');
    let referral =
        Referral { target: TARGET.to_owned(), user: "carol".to_owned(), instead_of: Some(with) };
    let words = story.tell('a', CallInput::Referred { from: story.sid('a'), referral });
    assert_eq!(words, ["a: answer refer of a 202", "a: join a b"]);
}

#[test]
fn a_joined_call_ends_with_its_peer_and_a_dial_goes_on() {
    let mut story = connected("referUrl=\"/refer\"");
    let (peer, other) = (shared::CallSid(77), story.sid('b'));
    story.sids.push(peer);
    story.tell('a', CallInput::Joined { peer, instead_of: other });
    assert!(story.hangs_up('b').iter().all(|word| word.starts_with("b:")));
    assert_eq!(story.tell('a', CallInput::PeerEnded { peer }), ["a: load say next"]);
    let mut story = connected("referUrl=\"/refer\"");
    story.sids.push(peer);
    let other = story.sid('a');
    story.tell('b', CallInput::Joined { peer, instead_of: other });
    let words = story.tell('a', CallInput::TransferredAway { patience: false });
    assert!(words.iter().all(|word| word.starts_with("a:")), "the child lives on: {words:?}");
    let words = story.hangs_up('b');
    assert!(words.contains(&"b: leave c".to_owned()), "{words:?}");
}

#[test]
fn refer_tells_its_action_how_it_ended() {
    type Case = (&'static [(u16, bool)], u16, &'static str, Option<&'static str>);
    let cases: [Case; 3] = [
        (&[(100, false), (200, true)], 202, "in-progress", Some("200")),
        (&[(180, false), (486, true)], 202, "busy", Some("486")),
        (&[], 405, "failed", None),
    ];
    for (notices, answer, status, notified) in cases {
        let (mut story, words) =
            Story::with("<Refer action=\"/done\"><Sip>sip:carol@h.example?X-A=1</Sip></Refer>");
        assert_eq!(words, ["a: answer", "a: refer sip:carol@h.example?X-A=1"]);
        let mut words = story.tell('a', CallInput::ReferAnswered { status: answer });
        for (status, is_over) in notices.iter().copied() {
            let status = Some(status);
            words = story.tell('a', CallInput::ReferProgress { status, is_over });
        }
        assert_eq!(words, ["a: POST /done"]);
        assert_eq!(story.param("ReferCallStatus").as_deref(), Some(status));
        assert_eq!(story.param("ReferSipResponseCode"), Some(answer.to_string()));
        assert_eq!(story.param("NotifySipResponseCode").as_deref(), notified);
    }
}

#[test]
fn refer_without_a_word_of_the_phone_gives_up_after_a_minute() {
    let (mut story, _) = Story::with("<Refer action=\"/done\"><Sip>sip:c@h.example</Sip></Refer>");
    story.tell('a', CallInput::ReferAnswered { status: 202 });
    assert!(story.wait(59).is_empty());
    assert_eq!(story.wait(1), ["a: POST /done"]);
    assert_eq!(story.param("ReferCallStatus"), None);
    assert_eq!(story.param("NotifySipResponseCode"), None);
}

#[test]
fn a_caller_that_hangs_up_during_refer_is_reported_as_canceled() {
    let (mut story, _) = Story::with("<Refer action=\"/done\"><Sip>sip:c@h.example</Sip></Refer>");
    story.tell('a', CallInput::ReferProgress { status: Some(180), is_over: false });
    story.tell('a', CallInput::ReferAnswered { status: 202 });
    let words = story.hangs_up('a');
    assert!(words.contains(&"a: POST /done".to_owned()), "{words:?}");
    assert_eq!(story.param("ReferCallStatus").as_deref(), Some("canceled"));
    assert_eq!(story.param("NotifySipResponseCode").as_deref(), Some("180"));
}

#[test]
fn refer_without_action_ends_the_leg_and_on_a_carrier_leg_it_is_an_error() {
    let (mut story, _) = Story::with("<Refer><Sip>sip:c@h.example</Sip></Refer>");
    story.tell('a', CallInput::ReferAnswered { status: 202 });
    let words = story.tell('a', CallInput::ReferProgress { status: Some(200), is_over: true });
    assert_eq!(words.first().unwrap(), "a: hangup");
    let number =
        OutboundLeg { target: Target::Number("+15550100".to_owned()), ..outbound().leg.unwrap() };
    let mut story = Story::new(CallSetup { leg: Some(number), ..outbound() });
    story.start();
    story.answers('a');
    let words = story.document("<Refer><Sip>sip:c@h.example</Sip></Refer>");
    assert_eq!(words.first().unwrap(), "a: notify 13801");
}

#[test]
fn phones_that_transfer_to_each_other_use_up_the_hops_of_the_call() {
    let mut story = connected("referUrl=\"/refer\"");
    assert_eq!(story.setups[1].max_forwards, 69);
    let dial = "<Dial referUrl=\"/refer\"><Sip>sip:carol@h.example</Sip></Dial>";
    for (from, to, hops) in [('b', 'c', 68), ('c', 'd', 67)] {
        story.refers('a', from, TARGET);
        story.document(dial);
        story.answers(to);
        assert_eq!(story.setups.last().unwrap().max_forwards, hops);
        story.hangs_up(from);
    }
}
