//! Conferences of phones that others wrote: who hears whom, by tones.

use std::path::PathBuf;

use shared::Codec;

use crate::application::{Answer, Asked};
use crate::baresip::Baresip;
use crate::conference::{Hall, Singer, stay};
use crate::gateway::Gateway;
use crate::metrics::Samples;
use crate::phone::Caller;
use crate::tones::{self, ALICE, BOB, CAROL};
use crate::{wait, wav};

fn done(_: &Asked) -> Answer {
    Answer::status(204)
}

/// A file with a party's tone.
fn saying(folder: &tempfile::TempDir, hertz: u32) -> PathBuf {
    let file = folder.path().join("says.wav");
    std::fs::write(&file, wav::file(tones::second(hertz))).expect("writable");
    file
}

/// carol waits with music until alice comes; then bob comes. Each hears exactly the others until carol ends it.
fn meet(
    gateway: Gateway,
    alice_steps: &[&str],
    alice_codec: &'static str,
    carol_codec: Codec,
) -> Samples {
    let hall = Hall::open(
        gateway,
        |name, _| match name {
            "carol" => stay("endConferenceOnExit=\"true\""),
            _ => stay(""),
        },
        done,
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = saying(&folder, ALICE);
    let carol = Singer::call_by(&hall, "carol", CAROL, carol_codec);
    carol.wait_to_hear_music();
    assert!(!hall.events().contains(&"conference-start".to_owned()));
    let heard = std::thread::scope(|scope| {
        let caller = Caller::new(&hall.gateway).to("alice").codec(alice_codec).saying(&says);
        let steps = [alice_steps, &["wait=40"]].concat();
        let alice = scope.spawn(move || caller.call(&steps));
        carol.wait_to_hear(&[ALICE]);
        assert!(tones::has_beep(&carol.heard(), 8_000), "the room beeps for alice");

        let mut bob = Baresip::saying(";regint=0", &wav::file(tones::seconds(BOB, 40)));
        bob.command("dial", &format!("sip:bob@127.0.0.1:{}", hall.gateway.sip_udp.port()));
        bob.event("CALL_ESTABLISHED");
        carol.wait_to_hear(&[ALICE, BOB]);
        wait::found("alice and carol at bob", || {
            let windows = tones::windows(&bob.heard(), 8_000);
            let count = tones::count(&windows, &[ALICE, CAROL]);
            if count >= 10 { Ok(()) } else { Err(format!("{windows:?}")) }
        });
        let windows = tones::windows(&bob.heard(), 8_000);
        assert!(windows.iter().all(|window| !window.contains(&BOB)), "{windows:?}");

        hall.hang_up("carol");
        assert_eq!(hall.after("bob").parameter("DialCallStatus"), Some("answered"));
        bob.event("CALL_CLOSED");
        alice.join().expect("no panic")
    });
    let windows = tones::windows(&heard.samples, 16_000);
    assert!(tones::count(&windows, &[CAROL]) >= 5, "carol alone: {windows:?}");
    assert!(tones::count(&windows, &[BOB, CAROL]) >= 10, "both: {windows:?}");
    assert!(windows.iter().all(|window| !window.contains(&ALICE)), "{windows:?}");
    carol.call.finish().expect_success();
    let metrics = hall.gateway.settled();
    assert_eq!(metrics.sum("media_rooms", ""), 0, "{metrics:#?}");
    metrics
}

#[test]
fn three_phones_hear_exactly_the_others() {
    let metrics = meet(Gateway::start_with_default_domain("desk"), &[], "PCMA", Codec::Pcmu);
    assert_eq!(metrics.sum("media_room_sums_sent_total", ""), 0, "one core sums for itself");
}

#[test]
fn three_phones_on_two_cores_hear_exactly_the_others_one_by_srtp_and_one_by_another_codec() {
    let media = "cores = [0, 1]\nsrtp = \"offered\"\n";
    let gateway = Gateway::start_with_sip("default_domain = \"desk\"\n", media);
    let metrics = meet(gateway, &["srtp"], "PCMU", Codec::Pcma);
    assert!(metrics.sum("media_room_sums_received_total", "") > 50, "{metrics:#?}");
}

#[test]
fn a_caller_whose_offer_is_ours_enters_when_its_ack_brings_the_answer() {
    let sip = "default_domain = \"desk\"\nextensions = [\"late-offer\"]\n";
    let hall = Hall::open(Gateway::start_with_sip(sip, ""), |_, _| stay(""), done);
    let bob = Singer::call(&hall, "bob", BOB);
    hall.event("participant-join", Some("bob"));
    let alice = Singer::call_without_offer(&hall, "alice", ALICE);
    alice.wait_to_hear(&[BOB]);
    bob.wait_to_hear(&[ALICE]);
    for name in ["alice", "bob"] {
        hall.hang_up(name);
    }
    for singer in [alice, bob] {
        singer.call.finish().expect_success();
    }
    hall.gateway.settled();
}

#[test]
fn a_muted_party_is_not_heard_and_a_coach_is_heard_by_one() {
    let hall = Hall::open(
        Gateway::start_with_default_domain("desk"),
        |name, callers| match name {
            "muted" => stay("muted=\"true\""),
            "coach" => stay(&format!("coach=\"{}\"", callers["agent"])),
            _ => stay("participantLabel=\"agent\""),
        },
        done,
    );
    let agent = Singer::call(&hall, "agent", ALICE);
    hall.event("participant-join", Some("agent"));
    let muted = Singer::call(&hall, "muted", BOB);
    muted.wait_to_hear(&[ALICE]);
    agent.wait_to_hear(&[]);
    let coach = Singer::call(&hall, "coach", CAROL);
    agent.wait_to_hear(&[CAROL]);
    coach.wait_to_hear(&[ALICE]);
    muted.wait_to_hear(&[ALICE]);
    let joined = hall.event("participant-join", Some("coach"));
    assert_eq!(joined.parameter("Coaching"), Some("true"));
    assert_eq!(hall.event("participant-join", Some("muted")).parameter("Muted"), Some("true"));
    hall.hang_up("agent");
    muted.wait_to_hear(&[]);
    for name in ["muted", "coach"] {
        hall.hang_up(name);
    }
    for singer in [agent, muted, coach] {
        singer.call.finish().expect_success();
    }
    hall.gateway.settled();
}

#[test]
fn a_taken_label_and_an_unknown_coach_do_not_enter_and_go_on() {
    let hall = Hall::open(
        Gateway::start_with_default_domain("desk"),
        |name, _| match name {
            "stranger" => stay("coach=\"CA0123456789abcdef0123456789abcdef\""),
            _ => stay("participantLabel=\"agent\""),
        },
        done,
    );
    let agent = Singer::call(&hall, "agent", ALICE);
    hall.event("participant-join", Some("agent"));
    for name in ["second", "stranger"] {
        let other = Singer::call(&hall, name, BOB);
        assert_eq!(hall.after(name).parameter("DialCallStatus"), Some("failed"), "{name}");
        other.call.finish().expect_success();
    }
    hall.hang_up("agent");
    agent.call.finish().expect_success();
    hall.gateway.settled();
    let codes = hall.gateway.get("/v1/Alerts").json();
    let codes = codes["alerts"].as_array().map(|alerts| {
        alerts.iter().filter_map(|alert| alert["error_code"].as_str().map(str::to_owned)).collect()
    });
    let codes: Vec<String> = codes.expect("a list");
    assert!(
        codes.contains(&"16025".to_owned()) && codes.contains(&"13240".to_owned()),
        "{codes:?}"
    );
}

#[test]
fn a_full_room_takes_the_next_one_when_somebody_has_left_it() {
    let hall = Hall::open(
        Gateway::start_with_default_domain("desk"),
        |_, _| stay("maxParticipants=\"2\""),
        done,
    );
    let first = Singer::call(&hall, "first", ALICE);
    hall.event("participant-join", Some("first"));
    let second = Singer::call(&hall, "second", BOB);
    first.wait_to_hear(&[BOB]);
    let third = Singer::call(&hall, "third", CAROL);
    assert_eq!(hall.after("third").parameter("DialCallStatus"), Some("failed"));
    third.call.finish().expect_success();
    hall.hang_up("second");
    first.wait_to_hear(&[]);
    assert!(tones::has_beep(&first.heard(), 8_000), "the room beeps for those who come and go");
    let fourth = Singer::call(&hall, "fourth", CAROL);
    first.wait_to_hear(&[CAROL]);
    fourth.wait_to_hear(&[ALICE]);
    for name in ["first", "fourth"] {
        hall.hang_up(name);
    }
    for singer in [first, second, fourth] {
        singer.call.finish().expect_success();
    }
    hall.gateway.settled();
}

#[test]
fn star_leaves_the_room_and_the_wait_document_of_the_application_is_played_until_it_begins() {
    let hall = Hall::open(
        Gateway::start_with_default_domain("desk"),
        |name, _| match name {
            "first" => stay("waitUrl=\"/wait\" waitMethod=\"POST\" beep=\"false\""),
            _ => {
                let noun = stay("startConferenceOnEnter=\"false\" beep=\"false\"");
                noun.replacen("<Dial", "<Dial hangupOnStar=\"true\"", 1)
            }
        },
        |asked| match asked.path.as_str() {
            "/wait" => Answer::twiml("<Play loop=\"0\">/bob.wav</Play>"),
            "/bob.wav" => Answer::file("audio/wav", wav::file(tones::second(BOB))),
            _ => Answer::status(204),
        },
    );
    let first = Singer::call(&hall, "first", CAROL);
    let asked = hall.application.wait_for_path("/wait");
    let joined = hall.event("participant-join", Some("first"));
    for name in ["ConferenceSid", "FriendlyName"] {
        assert_eq!(asked.parameter(name), joined.parameter(name), "{name}");
    }
    first.wait_to_hear(&[BOB]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = saying(&folder, ALICE);
    let caller = Caller::new(&hall.gateway).to("caller").saying(&says);
    let heard = std::thread::scope(|scope| {
        let caller = scope.spawn(|| caller.call(&["wait=3", "press=*", "wait=20"]));
        first.wait_to_hear(&[ALICE]);
        assert_eq!(hall.after("caller").parameter("DialCallStatus"), Some("answered"));
        caller.join().expect("no panic")
    });
    let windows = tones::windows(&heard.samples, 16_000);
    assert!(tones::count(&windows, &[CAROL]) >= 10, "{windows:?}");
    first.wait_to_hear(&[]);
    assert!(!tones::has_beep(&first.heard(), 8_000), "no beep is wanted");
    let left = hall.event("participant-leave", Some("caller"));
    assert_eq!(left.parameter("ReasonParticipantLeft"), Some("participant_hung_up"));
    hall.hang_up("first");
    first.call.finish().expect_success();
    hall.gateway.settled();
}
