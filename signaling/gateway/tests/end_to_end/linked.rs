//! Calls to TwiML applications: `<Dial><Application>` and `app:`, with callers that we did not write.

use shared::Codec;

use crate::application::{Answer, Asked};
use crate::conference::{Hall, Singer, stay};
use crate::gateway::Gateway;
use crate::rtp::{Party, Stream};
use crate::sipp::{self, Sipp};
use crate::tones::{self, ALICE, BOB, CAROL};
use crate::wav;

/// A gateway whose callers dial the application named `app`, which `serve` answers at `/app`.
fn hall(
    gateway: Gateway,
    noun: &'static str,
    serve: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (Hall, String) {
    let sid = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = std::sync::Arc::clone(&sid);
    let document = move |name: &str, _: &_| match name {
        "app" => {
            let sid = known.get().expect("it is made before anybody calls");
            format!(
                "<Dial action=\"/after\"><Application {noun}><ApplicationSid>{sid}</ApplicationSid><Parameter name=\"desk\" value=\"7\"/></Application></Dial>"
            )
        }
        _ => stay(""),
    };
    let hall = Hall::open(gateway, document, serve);
    let url = hall.application.url("/app");
    let made = hall.gateway.create("Applications.json", &[("VoiceUrl", &url)]).json();
    let made = made["sid"].as_str().expect("a SID").to_owned();
    sid.set(made.clone()).expect("set once");
    (hall, made)
}

#[test]
fn a_caller_hears_an_application_and_its_keys_arrive_there() {
    let noun =
        "statusCallback=\"/child\" statusCallbackEvent=\"initiated ringing answered completed\"";
    let gateway = Gateway::start_with_default_domain("desk");
    let (hall, sid) = hall(gateway, noun, |asked| match asked.path.as_str() {
        "/app" => Answer::twiml(
            "<Gather action=\"/keys\" numDigits=\"2\" timeout=\"30\"><Play>/tone.wav</Play></Gather>",
        ),
        "/tone.wav" => Answer::file("audio/wav", wav::file(tones::seconds(BOB, 30))),
        "/keys" => Answer::twiml("<Hangup/>"),
        _ => Answer::status(204),
    });
    let alice = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&scenario, alice.port())
        .key("user", "app")
        .key("formats", "8 101")
        .start(hall.gateway.sip_udp);
    let is_loud = |payload: &[u8]| {
        let samples = payload.iter().map(|code| plane::g711::decode(Codec::Pcma, *code));
        samples.filter(|sample| sample.unsigned_abs() > 2_000).count() > payload.len() / 2
    };
    let heard =
        alice.receive_until(50, |packet| packet.payload_type == 8 && is_loud(&packet.payload));
    assert!(heard.len() >= 50, "the tone of the application");
    let (_, media) = alice.receive().expect("more of it");
    let mut stream = Stream::new(0xA11CE);
    stream.press(&alice, media, 101, 4);
    stream.press(&alice, media, 101, 2);
    let keys = hall.application.wait_for_path("/keys");
    assert_eq!(keys.parameter("Digits"), Some("42"));
    assert_eq!(keys.parameter("Param_desk"), Some("7"));
    let asked = hall.application.wait_for_path("/app");
    assert_eq!(asked.parameter("To"), Some(sid.as_str()));
    assert_eq!(asked.parameter("Direction"), Some("inbound"));
    assert_eq!(asked.parameter("CustomerId"), asked.parameter("AccountSid"));
    let after = hall.application.wait_for_path("/after");
    assert_eq!(after.parameter("DialCallStatus"), Some("completed"));
    assert_eq!(after.parameter("DialBridged"), Some("true"));
    let told = hall.application.wait_for_count("/child", 4);
    let statuses: Vec<_> = told.iter().map(|asked| asked.parameter("CallStatus")).collect();
    assert_eq!(
        statuses,
        [Some("initiated"), Some("ringing"), Some("in-progress"), Some("completed")]
    );
    call.finish().expect_success();
    let metrics = hall.gateway.settled();
    assert_eq!(metrics.sum("media_packets_dropped_total", "own_socket"), 0, "{metrics:#?}");
    assert_eq!(metrics.sum("media_packets_dropped_total", "link_rate"), 0, "{metrics:#?}");
}

#[test]
fn an_application_takes_its_caller_into_a_conference_and_everybody_hears_everybody() {
    let media = "cores = [0, 1]\n";
    let gateway = Gateway::start_with_sip("default_domain = \"desk\"\n", media);
    let (hall, _) = hall(gateway, "", |asked| match asked.path.as_str() {
        "/app" => Answer::twiml(&stay("")),
        _ => Answer::status(204),
    });
    let bob = Singer::call(&hall, "bob", BOB);
    let carol = Singer::call_by(&hall, "carol", CAROL, Codec::Pcma);
    let alice = Singer::call(&hall, "app", ALICE);
    alice.wait_to_hear(&[BOB, CAROL]);
    bob.wait_to_hear(&[ALICE, CAROL]);
    carol.wait_to_hear(&[ALICE, BOB]);
    for name in ["app", "bob", "carol"] {
        hall.hang_up(name);
    }
    for singer in [alice, bob, carol] {
        singer.call.finish().expect_success();
    }
    hall.gateway.settled();
}

#[test]
fn an_application_is_a_participant_and_a_rest_call_speaks_with_one() {
    let gateway = Gateway::start_with_default_domain("desk");
    let (hall, sid) = hall(gateway, "", |asked| match asked.path.as_str() {
        "/app" => Answer::twiml(
            "<Start><Recording recordingStatusCallback=\"/recorded\" recordingStatusCallbackMethod=\"POST\"/></Start><Play loop=\"0\">/tone.wav</Play>",
        ),
        "/tone.wav" => Answer::file("audio/wav", wav::file(tones::second(BOB))),
        "/gather" => Answer::twiml("<Gather action=\"/keys\" numDigits=\"2\" timeout=\"20\"/>"),
        "/keys" => Answer::twiml("<Hangup/>"),
        _ => Answer::status(204),
    });
    let alice = Singer::call(&hall, "alice", ALICE);
    hall.event("participant-join", Some("alice"));
    let to = format!("app:{sid}?queue=sales%20one");
    let placed = hall
        .gateway
        .create(
            "Conferences/ops/Participants.json",
            &[("To", to.as_str()), ("From", "desk"), ("Label", "bot")],
        )
        .json();
    let asked = hall.application.wait_for_path("/app");
    assert_eq!(asked.parameter("Param_queue"), Some("sales one"));
    assert_eq!(asked.parameter("From"), Some("desk"));
    alice.wait_to_hear(&[BOB]);
    // The end of the application's call takes the participant out of the room, and the recording is told.
    let own = asked.parameter("CallSid").expect("a SID");
    hall.gateway.create(&format!("Calls/{own}.json"), &[("Status", "completed")]);
    let participant = placed["call_sid"].as_str().expect("a SID");
    let left = hall.application.wait_for("the bot leaves", |asked| {
        asked.parameter("StatusCallbackEvent") == Some("participant-leave")
            && asked.parameter("CallSid") == Some(participant)
    });
    assert_eq!(left.parameter("ParticipantLabel"), Some("bot"));
    let recorded = hall.application.wait_for_path("/recorded");
    assert_eq!(recorded.parameter("CallSid"), Some(own));
    let seconds: u32 = recorded.parameter("RecordingDuration").unwrap().parse().unwrap();
    assert!(seconds >= 1, "{recorded:?}");
    hall.hang_up("alice");
    alice.call.finish().expect_success();

    // Two documents speak with each other: the call presses keys, and the application gathers them.
    let twiml = "<Response><Play digits=\"ww56\"/><Pause length=\"20\"/></Response>";
    let url = hall.application.url("/gather");
    let gather = hall.gateway.create("Applications.json", &[("VoiceUrl", &url)]).json();
    let to = format!("app:{}", gather["sid"].as_str().expect("a SID"));
    hall.gateway.create("Calls.json", &[("To", &to), ("From", "desk"), ("Twiml", twiml)]);
    let keys = hall.application.wait_for_path("/keys");
    assert_eq!(keys.parameter("Digits"), Some("56"));
    hall.gateway.settled();
}
