//! `<ConversationRelay>` with an application that we did not write the WebSocket of (PyPI's `websockets`), a real
//! phone's packets and the built-in voice.

use serde_json::{Value, json};

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::program::Program;
use crate::recognition;
use crate::rtp::{Packet, Party, Stream};
use crate::sdk;
use crate::sipp::{self, Running, Sipp};
use crate::wait;

/// The application, and a call to it that is up.
struct Rig {
    gateway: Gateway,
    application: Application,
    bot: Program,
    url: String,
    party: Party,
    to: std::net::SocketAddr,
    call: Option<Running>,
}

impl Rig {
    fn start(attributes: &str) -> Self {
        Self::with_file(attributes, "")
    }

    /// With the URL of a file that the application plays.
    fn with_file(attributes: &str, file: &str) -> Self {
        let settings = format!("[streams]\nplaintext = true\n{}", recognition::engine(""));
        let gateway = Gateway::start(&settings);
        gateway.wait_for_log("the recognition engine `test` is ready");
        let mut bot = Program::start(&mut sdk::python_file("relay_bot.py", &[file]));
        let port = bot.wait_for("listening ").rsplit(' ').next().expect("a port").to_owned();
        let url = format!("ws://localhost:{port}/relay");
        let verbs = format!(
            "<Connect action=\"/after\"><ConversationRelay url=\"{url}\" dtmfDetection=\"true\" {attributes}>\
             <Parameter name=\"ticket\" value=\"t-81\"/></ConversationRelay></Connect>"
        );
        let application = Application::start(move |asked: &Asked| match asked.path.as_str() {
            "/voice" => Answer::twiml(&verbs),
            _ => Answer::twiml("<Hangup/>"),
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        let party = Party::new();
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let call = Some(Sipp::caller(&scenario, party.port()).start(gateway.sip_udp));
        let (_, to) = party.receive().expect("the call is up");
        Self { gateway, application, bot, url, party, to, call }
    }

    /// The next message of this type.
    fn got(&mut self, kind: &str) -> Value {
        let line = self.bot.wait_for(&format!("\"type\":\"{kind}\""));
        let text = line.split_once("got ").expect("a message").1;
        serde_json::from_str(text).expect("JSON")
    }

    /// Packets until this many in a row are loud (`true`) or silent.
    #[track_caller]
    fn hears(&self, loud: bool, in_a_row: usize) -> usize {
        let (mut row, mut count) = (0, 0);
        while row < in_a_row {
            let (packet, _) = self.party.receive().expect("packets go on");
            let codes = packet.payload.iter().filter(|code| *code & 0x7F < 0x38).count();
            row = if (codes > 4) == loud { row + 1 } else { 0 };
            count += 1;
            assert!(count < 1_500, "half a minute without it");
        }
        count
    }

    fn notified(&self, code: &str) {
        let is_there = || {
            let list = self.gateway.fetch("Notifications.json").json();
            let rows = list["notifications"].as_array().expect("a list");
            rows.iter().any(|row| row["error_code"] == code)
        };
        wait::until(&format!("a notification {code}"), is_there);
    }
}

#[test]
fn an_application_talks_by_text_is_interrupted_and_hands_the_call_on() {
    let mut rig = Rig::start("welcomeGreeting=\"Welcome to the test.\"");
    let request = rig.bot.wait_for("request ");
    let signature = request.rsplit(' ').next().expect("one").to_owned();
    assert!(sdk::signature_is_valid(&rig.url, &[], &signature), "{request}");
    let setup = rig.got("setup");
    let sid = rig.application.wait_for_path("/voice").parameter("CallSid").expect("one").to_owned();
    assert_eq!(setup["callSid"], sid.as_str());
    assert!(setup["sessionId"].as_str().expect("text").starts_with("VX"), "{setup}");
    assert_eq!(
        (&setup["direction"], &setup["customParameters"]),
        (&json!("inbound"), &json!({ "ticket": "t-81" }))
    );
    rig.hears(true, 3);
    rig.hears(false, 40);

    // A long answer, which the caller's voice ends.
    let mut stream = Stream::new(7);
    stream.press(&rig.party, rig.to, 101, 1);
    assert_eq!(rig.got("dtmf")["digit"], "1");
    rig.hears(true, 5);
    assert_eq!(rig.party.receive_until(90, |_| true).len(), 90, "1.8 s of it");
    stream.say(&rig.party, rig.to, recognition::speech(75));
    let interrupt = rig.got("interrupt");
    let heard = interrupt["utteranceUntilInterrupt"].as_str().expect("text");
    assert!(heard.starts_with("One two") && heard.len() < 200, "{heard}");
    assert!(interrupt["durationUntilInterruptMs"].as_u64().expect("a number") > 1_000);
    rig.hears(false, 10);
    // What the caller said is understood, and comes back in the application's answer.
    stream.say(&rig.party, rig.to, (0..40).map(|_| vec![0xFF; 160]));
    let prompt = rig.got("prompt");
    assert_eq!((&prompt["lang"], &prompt["last"]), (&json!("en-US"), &json!(true)));
    assert!(prompt["voicePrompt"].as_str().expect("text").starts_with("one two"), "{prompt}");
    rig.hears(true, 3);
    rig.hears(false, 40);

    // What does not conform is told to both and ends nothing.
    stream.press(&rig.party, rig.to, 101, 3);
    assert!(rig.got("error")["description"].as_str().expect("text").contains("`sing`"));
    rig.notified("64107");
    stream.press(&rig.party, rig.to, 101, 4);
    rig.hears(true, 3);

    stream.press(&rig.party, rig.to, 101, 9);
    let after = rig.application.wait_for_path("/after");
    let parameter = |name: &str| after.parameter(name).unwrap_or_default().to_owned();
    assert_eq!(
        (parameter("SessionStatus").as_str(), parameter("HandoffData").as_str()),
        ("ended", "{\"reason\": \"nine\"}")
    );
    assert_eq!(parameter("SessionId"), setup["sessionId"].as_str().expect("text"));
    assert!(parameter("SessionDuration").parse::<u32>().expect("seconds") < 60);
    rig.bot.wait_for("closed 1000");
    rig.call.take().expect("it is up").finish().expect_success();
}

#[test]
fn a_key_silences_an_answer_and_is_reported_behind_the_interruption() {
    let mut rig = Rig::start("interruptible=\"dtmf\"");
    rig.got("setup");
    let mut stream = Stream::new(7);
    stream.press(&rig.party, rig.to, 101, 1);
    assert_eq!(rig.got("dtmf")["digit"], "1");
    rig.hears(true, 5);
    stream.say(&rig.party, rig.to, recognition::speech(40));
    // Speech is no key: some 25 s of the answer are left.
    rig.hears(true, 5);
    stream.press(&rig.party, rig.to, 101, 7);
    let interrupt = rig.got("interrupt");
    let heard = interrupt["utteranceUntilInterrupt"].as_str().expect("text");
    assert!(heard.starts_with("One two") && heard.len() < 200, "{heard}");
    assert_eq!(rig.got("dtmf")["digit"], "7");
    rig.hears(false, 50);
    stream.press(&rig.party, rig.to, 101, 9);
    rig.application.wait_for_path("/after");
    rig.call.take().expect("it is up").finish().expect_success();
}

#[test]
fn a_file_and_keys_reach_the_caller_and_setup_has_its_members() {
    const FILE: u8 = 0x21;
    let file = |_: &Asked| Answer::file("audio/basic", vec![FILE; 50 * 160]);
    let files = Application::start(file);
    let mut rig = Rig::with_file("", &files.url("/file"));
    let setup = rig.got("setup");
    let members: Vec<&str> = setup.as_object().expect("one").keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "accountSid",
            "callSid",
            "callStatus",
            "callType",
            "callerName",
            "customParameters",
            "direction",
            "forwardedFrom",
            "from",
            "parentCallSid",
            "sessionId",
            "to",
            "type"
        ]
    );
    let mut stream = Stream::new(7);
    stream.press(&rig.party, rig.to, 101, 2);
    let is_file = |packet: &Packet| packet.payload.iter().all(|code| *code == FILE);
    assert_eq!(rig.party.receive_until(45, is_file).len(), 45);
    stream.press(&rig.party, rig.to, 101, 5);
    // Three packets end a key (RFC 4733 §2.5.1.4).
    let is_end = |packet: &Packet| packet.payload_type == 101 && packet.payload[1] & 0x80 != 0;
    let ends = rig.party.receive_until(6, is_end);
    assert!(ends.iter().all(|packet| packet.payload[0] == 7), "{ends:?}");
    assert_ne!(ends[0].timestamp, ends[5].timestamp, "two keys");
    stream.press(&rig.party, rig.to, 101, 9);
    rig.application.wait_for_path("/after");
    rig.call.take().expect("it is up").finish().expect_success();
}

#[test]
fn a_server_that_is_not_there_fails_the_session_and_the_document_goes_on() {
    let gateway = Gateway::start("[streams]\nplaintext = true\n");
    let verbs =
        "<Connect action=\"/after\"><ConversationRelay url=\"ws://127.0.0.1:9/\"/></Connect>";
    let application = Application::start(move |asked: &Asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(verbs),
        _ => Answer::twiml("<Hangup/>"),
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let after = application.wait_for_path("/after");
    assert_eq!(after.parameter("SessionStatus"), Some("failed"));
    assert_eq!(after.parameter("ErrorCode"), Some("64102"));
    call.finish().expect_success();
}
