//! Media streams to a WebSocket server that we did not write (PyPI's `websockets`).

use std::path::Path;

use crate::application::{Answer, Application, Asked};
use crate::gateway::{Gateway, TOKEN};
use crate::program::Program;
use crate::rtp::{Party, Stream, Talker};
use crate::sdk;
use crate::sipp::{self, Running, Sipp};
use crate::wait;

pub const PLAIN: &str = "[streams]\nplaintext = true\n";

/// The server, and the URL of one of its paths.
pub struct Bot {
    pub program: Program,
    scheme: &'static str,
    port: u16,
}

impl Bot {
    pub fn start() -> Self {
        Self::start_as("ws", &[])
    }

    /// With a certificate of its own.
    fn start_secure(certificate: &Path, key: &Path) -> Self {
        let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        Self::start_as("wss", &[&path(certificate), &path(key)])
    }

    fn start_as(scheme: &'static str, arguments: &[&str]) -> Self {
        let mut program = Program::start(&mut sdk::python_file("stream_bot.py", arguments));
        let line = program.wait_for("listening ");
        let port = line.rsplit(' ').next().expect("a port").parse().expect("a number");
        Self { program, scheme, port }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.port)
    }

    /// Nothing of what it got breaks the contract.
    #[track_caller]
    pub fn assert_content(&self) {
        let printed = self.program.printed();
        assert!(!printed.contains("wrong:"), "{printed}");
    }
}

/// A gateway whose calls run these verbs, and a call to it that is up.
struct Rig {
    gateway: Gateway,
    application: Application,
    call: Option<Running>,
}

impl Rig {
    fn start(settings: &str, verbs: &str, party: &Party) -> Self {
        Self::on(Gateway::start(settings), verbs, party)
    }

    fn on(gateway: Gateway, verbs: &str, party: &Party) -> Self {
        let verbs = verbs.to_owned();
        let application = Application::start(move |asked: &Asked| match asked.path.as_str() {
            "/voice" => Answer::twiml(&verbs),
            "/after" => Answer::twiml("<Pause length=\"60\"/>"),
            _ => Answer::twiml(""),
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
        Self { gateway, application, call: Some(call) }
    }

    fn call_sid(&self) -> String {
        self.application.wait_for_path("/voice").parameter("CallSid").expect("a SID").to_owned()
    }

    /// REST ends the call, and the phone agrees.
    fn end(&mut self) {
        let path = format!("Calls/{}.json", self.call_sid());
        self.gateway.create(&path, &[("Status", "completed")]);
        self.call.take().expect("it is up").finish().expect_success();
    }

    /// Codes of the account's notifications.
    /// The notification of this code, whole.
    fn notified(&self, code: &str) -> serde_json::Value {
        let find = || {
            let list = self.gateway.fetch("Notifications.json").json();
            let rows = list["notifications"].as_array().expect("a list");
            let row = rows.iter().find(|row| row["error_code"] == code);
            row.map(|row| row["sid"].as_str().expect("one").to_owned()).ok_or(list.to_string())
        };
        let sid = wait::found(&format!("notification {code}"), find);
        self.gateway.fetch(&format!("Notifications/{sid}.json")).json()
    }
}

fn connect(url: &str) -> String {
    format!(
        "<Connect action=\"/after\"><Stream url=\"{url}\" name=\"talk\" statusCallback=\"/stream\">\
         <Parameter name=\"ticket\" value=\"t-81\"/></Stream></Connect>"
    )
}

#[test]
fn an_application_talks_with_the_caller_and_gets_keys_and_marks() {
    let mut bot = Bot::start();
    let party = Party::new();
    let mut rig = Rig::start(PLAIN, &connect(&bot.url("/echo")), &party);
    let (_, to) = party.receive().expect("the call is up");
    let start = bot.program.wait_for("start ");
    assert!(start.contains("\"ticket\": \"t-81\"") && start.contains(&rig.call_sid()), "{start}");
    let mut stream = Stream::new(7);
    stream.say(&party, to, (0..60).map(|_| vec![0x2A; 160]));
    let echo = party.receive_until(40, |packet| packet.payload.iter().all(|code| *code == 0x2A));
    assert_eq!(echo.len(), 40, "the application's audio is heard");
    bot.program.wait_for("mark piece");
    stream.press(&party, to, 101, 5);
    bot.program.wait_for("digit 5");
    stream.press(&party, to, 101, 9);
    bot.program.wait_for("closed /echo 1000");
    rig.application.wait_for_path("/after");
    let events = rig.application.wait_for_count("/stream", 2);
    let event = |at: usize, name: &str| events[at].parameter(name).unwrap_or("").to_owned();
    assert_eq!(event(0, "StreamEvent"), "stream-started");
    assert_eq!(event(1, "StreamEvent"), "stream-stopped");
    assert_eq!((event(0, "StreamName").as_str(), event(0, "CallSid")), ("talk", rig.call_sid()));
    assert!(event(0, "StreamSid").starts_with("MZ") && event(0, "Timestamp").ends_with('Z'));
    rig.end();
    bot.assert_content();
}

#[test]
fn a_handshake_over_tls_is_signed_for_the_url_of_the_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = certificate(folder.path(), "DNS:localhost");
    let mut bot = Bot::start_secure(&certificate, &key);
    let url = bot.url("/listen");
    let party = Party::new();
    let gateway = Gateway::start_trusting(&certificate, "");
    let mut rig = Rig::on(gateway, &connect(&url), &party);
    let line = bot.program.wait_for("request ");
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[2], format!("localhost:{}", bot.port));
    assert!(sdk::signature_is_valid(&url, &[], words[3]), "{line} by {TOKEN}");
    bot.program.wait_for("start ");
    rig.end();
    bot.program.wait_for("stop");
    bot.program.wait_for("closed /listen 1000");
    bot.assert_content();
}

/// A certificate for these names that signs itself, and its key.
pub fn certificate(folder: &Path, names: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (certificate, key) = (folder.join("bot.pem"), folder.join("bot.key"));
    let output = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", &format!("subjectAltName={names}")])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (certificate, key)
}

#[test]
fn a_clear_ends_ten_seconds_of_audio_at_once_and_marks_come_back_in_order() {
    let mut bot = Bot::start();
    let party = Party::new();
    let mut rig = Rig::start(PLAIN, &connect(&bot.url("/burst")), &party);
    let (_, to) = party.receive().expect("the call is up");
    bot.program.wait_for("start ");
    let mut stream = Stream::new(7);
    stream.press(&party, to, 101, 1);
    let sounds = |packet: &crate::rtp::Packet| packet.payload.iter().all(|code| *code == 0x2A);
    assert_eq!(party.receive_until(25, sounds).len(), 25, "half a second of ten");
    stream.press(&party, to, 101, 2);
    let long = bot.program.wait_for("mark ");
    let short = bot.program.wait_for("mark ");
    assert!(long.contains("mark long") && short.contains("mark short"), "{long} {short}");
    let quiet = party.receive_until(10, |packet| packet.payload.iter().all(|code| *code == 0xFF));
    assert_eq!(quiet.len(), 10, "the rest of the ten seconds is gone");
    rig.end();
    bot.program.wait_for("closed /burst");
    bot.assert_content();
}

#[test]
fn both_tracks_leave_beside_the_verbs_until_rest_stops_them() {
    let mut bot = Bot::start();
    let party = Party::new();
    let verbs = format!(
        "<Start><Stream url=\"{}\" track=\"both_tracks\" name=\"ear\"/></Start><Echo/>",
        bot.url("/listen")
    );
    let mut rig = Rig::start(PLAIN, &verbs, &party);
    let (_, to) = party.receive().expect("the call is up");
    bot.program.wait_for("start ");
    let mut stream = Stream::new(7);
    stream.say(&party, to, (0..30).map(|_| vec![0x2A; 160]));
    bot.program.wait_for("heard inbound");
    bot.program.wait_for("heard outbound");
    let sid = rig.call_sid();
    let url = bot.url("/listen");
    let printed = sdk::python(
        &rig.gateway,
        &format!(
            "from twilio.base.exceptions import TwilioRestException\n\
             streams = client.calls('{sid}').streams\n\
             row = streams('ear').update(status='stopped')\n\
             assert (row.status, row.name, row.call_sid) == ('stopped', 'ear', '{sid}'), row._properties\n\
             new = streams.create(url='{url}', name='other', track='outbound_track',\n\
             \x20   parameter1_name='a', parameter1_value='b')\n\
             assert new.sid.startswith('MZ') and new.status == 'in-progress', new._properties\n\
             for bad, code in (('https://x.example/', 31922), ('rubbish', 31923)):\n\
             \x20   try:\n\
             \x20       streams.create(url=bad)\n\
             \x20       raise SystemExit(bad)\n\
             \x20   except TwilioRestException as error:\n\
             \x20       assert (error.status, error.code) == (400, code), error\n\
             print(new.sid)\n"
        ),
    );
    bot.program.wait_for("closed /listen 1000");
    let start = bot.program.wait_for("start ");
    assert!(start.contains(printed.trim()) && start.contains("{\"a\": \"b\"}"), "{start}");
    assert!(start.contains("[\"outbound\"]"), "{start}");
    rig.end();
    bot.program.wait_for("closed /listen");
    bot.assert_content();
}

#[test]
fn what_goes_wrong_has_its_code_and_the_call_goes_on() {
    let mut bot = Bot::start();
    let refused = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("ws://127.0.0.1:{}/", socket.local_addr().expect("bound").port())
    };
    for (url, code) in [
        (bot.url("/refuse"), "31920"),
        (refused, "31902"),
        (bot.url("/error"), "31921"),
        (format!("wss://localhost:{}/listen", bot.port), "31910"),
        ("ws://nowhere.invalid/".to_owned(), "31904"),
    ] {
        let party = Party::new();
        let mut rig = Rig::start(PLAIN, &connect(&url), &party);
        rig.application.wait_for_path("/after");
        let event = rig.application.wait_for("the error", |asked| {
            asked.path == "/stream" && asked.parameter("StreamEvent") == Some("stream-error")
        });
        assert!(!event.parameter("StreamError").unwrap_or("").is_empty(), "{code}");
        let notification = rig.notified(code);
        if code == "31920" {
            let body = notification["response_body"].as_str().expect("text");
            assert!(body.contains("this bot is asleep"), "{notification}");
            assert!(notification.to_string().contains("403"), "{notification}");
        }
        rig.end();
    }
    bot.program.wait_for("request /error");
}

#[test]
fn messages_that_no_stream_takes_are_told_once_and_the_stream_goes_on() {
    let mut bot = Bot::start();
    let party = Party::new();
    let mut rig = Rig::start(PLAIN, &connect(&bot.url("/bad")), &party);
    bot.program.wait_for("misbehaved");
    let talker = Talker::start(party, 0x2A, 20);
    wait::until("the echo", || talker.heard(0x2A) > 20);
    rig.notified("31950");
    rig.notified("31951");
    rig.end();
    bot.program.wait_for("closed /bad");
    bot.assert_content();
}

/// A call whose application is at one path of the bot.
fn stream_call(bot: &Bot, path: &str) -> (Rig, Talker) {
    let party = Party::new();
    let rig = Rig::start(PLAIN, &connect(&bot.url(path)), &party);
    (rig, Talker::start(party, 0x2A, 20))
}

/// The stream of this call ended with an error.
fn stream_error(rig: &Rig) {
    rig.application.wait_for("the error", |asked| {
        asked.path == "/stream" && asked.parameter("StreamEvent") == Some("stream-error")
    });
}

/// Lets a number of packets reach the party.
fn pass(talker: &Talker, packets: usize) {
    let goal = talker.packets().len() + packets;
    while talker.packets().len() < goal {
        let now = talker.packets().len();
        wait::until("packets", || talker.packets().len() >= goal.min(now + 100));
    }
}

#[test]
fn excesses_have_their_codes_harm_nobody_and_leave_no_memory_behind() {
    let mut bot = Bot::start();
    let (mut quiet, quiet_talker) = stream_call(&bot, "/echo");
    bot.program.wait_for("start ");
    let before = quiet_talker.heard(0x2A);

    let (mut rig, talker) = stream_call(&bot, "/minutes");
    bot.program.wait_for("burst");
    rig.notified("31931");
    let held = rig.gateway.metrics().value("stream_playout_bytes");
    assert!((4_700_000..5_200_000).contains(&held), "ten minutes: {held}");
    wait::until("the burst", || talker.heard(0x2A) > 20);
    rig.end();
    rig.gateway.metrics_when("no audio waits", |now| now.value("stream_playout_bytes") == 0);

    let (mut rig, talker) = stream_call(&bot, "/bytes");
    bot.program.wait_for("mark bytes");
    assert!(talker.heard(0x2A) >= 40, "a second of audio, byte by byte: {}", talker.heard(0x2A));
    rig.end();

    let (mut rig, _talker) = stream_call(&bot, "/long");
    bot.program.wait_for("mark taken");
    stream_error(&rig);
    bot.program.wait_for("closed /long 1009");
    rig.notified("31924");
    rig.end();

    let (mut rig, _talker) = stream_call(&bot, "/marks");
    rig.application.wait_for_path("/after");
    rig.notified("31931");
    rig.gateway.metrics_when("no mark waits", |now| now.value("stream_playout_bytes") == 0);
    rig.end();

    let (mut rig, talker) = stream_call(&bot, "/half");
    bot.program.wait_for("half");
    pass(&talker, 50);
    rig.end();
    rig.gateway.metrics_when("no stream", |now| now.value("stream_open") == 0);

    let (mut rig, _talker) = stream_call(&bot, "/vanish");
    stream_error(&rig);
    rig.notified("31903");
    rig.application.wait_for_path("/after");
    rig.end();

    let heard = quiet_talker.heard(0x2A) - before;
    assert!(heard > 200, "the quiet bot was heard all the time: {heard}");
    assert_eq!(quiet.gateway.metrics().value("stream_messages_dropped_total"), 0);
    quiet.end();
    bot.assert_content();
}
