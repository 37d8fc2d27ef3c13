//! The cloud vendor's own applications, unmodified: the demo of an assistant on the phone and the agent framework. Their hosts
//! are where they are in the field, on port 443 under their names, because each test runs in a network namespace with a hosts
//! file and a certificate of its own.
//!
//! The demo is no part of this repository. Its test fetches the revision below; where that is not possible, a gate says that
//! nothing was proved, and `make soak` fails.

use std::path::Path;
use std::process::Command;

use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::program::Program;
use crate::rtp::{Packet, Party, Stream, Talker};
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::{recognition, streams, wait};

/// Where the demo is fetched from, unless `SIDETONE_VENDOR_DEMO` names another copy.
const SOURCE: &str =
    "https://github.com/twilio-samples/speech-assistant-openai-realtime-api-python";
const REVISION: &str = "d70e2511115ed0491f05d562f39f90b424858a8b";
const DEMO_PORT: &str = "5050";
/// Set for a test that runs in the namespace: its folder.
const INSIDE: &str = "SIDETONE_VENDOR_FOLDER";

#[test]
fn the_vendors_demo_answers_is_interrupted_and_truncates() {
    const NAME: &str = "the_vendors_demo_answers_is_interrupted_and_truncates";
    if let Some(folder) = std::env::var_os(INSIDE) {
        return talk_with_the_demo(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let source = std::env::var("SIDETONE_VENDOR_DEMO").unwrap_or_else(|_| SOURCE.to_owned());
    match fetch(folder.path(), &source, REVISION) {
        Ok(()) => run_inside(NAME, folder.path()),
        Err(why) => {
            let is_soak = std::env::var_os("SIDETONE_SOAK").is_some();
            assert!(!is_soak, "{SOURCE} cannot be fetched: {why}");
            println!("{NAME}: NOT RUN, nothing is proved: {SOURCE} cannot be fetched: {why}");
        }
    }
}

#[test]
fn the_vendors_agent_framework_checks_both_signatures_and_is_interrupted() {
    const NAME: &str = "the_vendors_agent_framework_checks_both_signatures_and_is_interrupted";
    if let Some(folder) = std::env::var_os(INSIDE) {
        return talk_with_the_framework(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    run_inside(NAME, folder.path());
}

#[test]
fn the_vendors_agent_framework_talks_by_text_and_is_interrupted() {
    const NAME: &str = "the_vendors_agent_framework_talks_by_text_and_is_interrupted";
    if let Some(folder) = std::env::var_os(INSIDE) {
        return talk_by_text(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    run_inside(NAME, folder.path());
}

/// Runs a test of this file again in a namespace with a loopback interface and our hosts.
fn run_inside(name: &str, folder: &Path) {
    let hosts = folder.join("hosts");
    std::fs::write(&hosts, "127.0.0.1 localhost\n127.0.0.2 api.openai.com\n").expect("writable");
    let script = "ip link set lo up && mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", script])
        .arg(&hosts)
        .arg(std::env::current_exe().expect("our own path"))
        .args(["--exact", &format!("vendor::{name}"), "--nocapture"])
        .env(INSIDE, folder)
        .status()
        .expect("unshare runs");
    assert!(status.success(), "in the namespace: {status}");
}

/// Checks a revision of a repository out, or says why that is not possible.
pub fn fetch(folder: &Path, source: &str, revision: &str) -> Result<(), String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.env("GIT_TERMINAL_PROMPT", "0").arg("-C").arg(folder).args(arguments);
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    git(&["init", "-q"])?;
    git(&["fetch", "-q", "--depth", "1", source, revision])?;
    git(&["checkout", "-q", revision])
}

fn talk_with_the_demo(folder: &Path) {
    let site = Site::new(folder);
    let rig = site.program("vendor_rig.py", &[DEMO_PORT]);
    let mut demo = Command::new(sdk::clients().join("bots/bin/python"));
    demo.arg("main.py").current_dir(folder);
    demo.env("OPENAI_API_KEY", "none").env("PORT", DEMO_PORT);
    let _demo = Program::start(demo.env("SSL_CERT_FILE", &site.certificate));
    drop(wait::connected(DEMO_PORT.parse().expect("a port")));
    // `<Say>` with a voice of the cloud comes first, and the stream's URL has no port.
    let end_ms = site.talk(rig, &format!("http://127.0.0.1:{DEMO_PORT}/incoming-call"));
    // It computes this by our timestamps, when the caller has spoken for half a second.
    assert!((300..1_500).contains(&end_ms), "{end_ms}");
}

fn talk_with_the_framework(folder: &Path) {
    let site = Site::new(folder);
    let rig = site.program("vendor_rig.py", &[]);
    let _framework = site.program("tac_bot.py", &[ACCOUNT, TOKEN]);
    drop(wait::connected(443));
    let end_ms = site.talk(rig, "https://127.0.0.1/twiml");
    // It names all that it has sent.
    assert_eq!(end_ms, 3_000);
}

/// Its default provider is ConversationRelay: the greeting, what the caller says, a long answer, an interruption.
fn talk_by_text(folder: &Path) {
    let site = Site::new(folder);
    let mut framework = site.program("tac_relay_bot.py", &[ACCOUNT, TOKEN]);
    drop(wait::connected(443));
    let engine = recognition::engine("");
    let gateway = Gateway::start_trusting(Path::new(&site.certificate), &engine);
    gateway.wait_for_log("the recognition engine `test` is ready");
    let domain = gateway.domain("desk", &[("VoiceUrl", "https://127.0.0.1/twiml")]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let is_loud = |packet: &Packet| packet.payload.iter().any(|code| code & 0x7F < 0x30);
    assert_eq!(party.receive_until(20, is_loud).len(), 20, "its greeting is heard");
    let (_, to) = party.receive().expect("packets go on");
    let mut stream = Stream::new(7);
    let quiet = || (0..50).map(|_| vec![0xFF; 160]);
    stream.say(&party, to, recognition::speech(75));
    stream.say(&party, to, quiet());
    let heard = framework.wait_for("heard ");
    assert!(heard.contains("heard one two"), "{heard}");
    assert_eq!(party.receive_until(100, is_loud).len(), 100, "its answer is heard");
    stream.say(&party, to, recognition::speech(40));
    stream.say(&party, to, quiet());
    let interrupted = framework.wait_for("interrupted ");
    assert!(interrupted.contains("You said"), "{interrupted}");
    framework.wait_for("heard ");
    let calls = gateway.fetch("Calls.json").json();
    let sid = calls["calls"][0]["sid"].as_str().expect("a call").to_owned();
    gateway.create(&format!("Calls/{sid}.json"), &[("Status", "completed")]);
    call.finish().expect_success();
}

/// The certificate of all hosts, trusted by everybody.
struct Site {
    certificate: String,
    key: String,
}

impl Site {
    fn new(folder: &Path) -> Self {
        let (certificate, key) = streams::certificate(folder, "DNS:api.openai.com,IP:127.0.0.1");
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        Self { certificate: text(&certificate), key: text(&key) }
    }

    /// A script of the tests that serves TLS.
    fn program(&self, script: &str, more: &[&str]) -> Program {
        let arguments: Vec<&str> =
            [self.certificate.as_str(), &self.key].iter().chain(more).copied().collect();
        let mut command = sdk::bot_file(script, &arguments);
        let mut program = Program::start(command.env("SSL_CERT_FILE", &self.certificate));
        program.wait_for("listening");
        program
    }

    /// A caller who speaks all the time is answered, interrupts the answer and hears the next; where the application
    /// told its model to cut the first, in milliseconds.
    fn talk(&self, mut rig: Program, url: &str) -> u32 {
        let gateway = Gateway::start_trusting(Path::new(&self.certificate), "");
        let domain = gateway.domain("desk", &[("VoiceUrl", url)]);
        gateway.allow_address(&domain, "127.0.0.1");
        let party = Party::new();
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
        let talker = Talker::start(party, 0x11, 20);
        assert!(rig.wait_for("model ").contains("Bearer none"));
        assert!(rig.wait_for("session ").contains("audio/pcmu"));
        let truncated = rig.wait_for("truncated item ");
        wait::until("the next answer", || talker.heard(0x15) >= 45);
        let answer_ms = talker.heard(0x2A) * 20;
        println!("{answer_ms} ms were heard of an answer of 3,000 ms: {truncated}");
        assert!((200..1_600).contains(&answer_ms), "the clear was heard: {answer_ms} ms");
        let calls = gateway.fetch("Calls.json").json();
        let sid = calls["calls"][0]["sid"].as_str().expect("a call").to_owned();
        gateway.create(&format!("Calls/{sid}.json"), &[("Status", "completed")]);
        call.finish().expect_success();
        truncated.trim().rsplit(' ').next().expect("a number").parse().expect("milliseconds")
    }
}
