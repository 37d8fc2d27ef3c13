//! baresip as a person uses it: holds, resumes, transfers blindly and attended.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::Gateway;
use crate::phone::{self, PASSWORD};
use crate::program::Program;
use crate::rtp::{Party, Talker};
use crate::sipp;
use crate::transfers::{callee, dialling, gateway};
use crate::wait::{self, until};
use crate::wav;

/// A baresip driven over its control port; killed when dropped.
///
/// It says a tone all the time and writes what it hears to files.
pub struct Baresip {
    program: Program,
    control: TcpStream,
    /// Unread output of the control port.
    unread: Vec<u8>,
    folder: TempDir,
}

impl Baresip {
    /// alice, who does not register; `account` are further parameters of hers.
    fn start(account: &str) -> Self {
        Self::saying(account, &wav::tone(160_000))
    }

    /// As [`Baresip::start`], with another sound than the tone.
    pub fn saying(account: &str, sound: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        phone::Baresip::new(folder.path(), "alice", "sip:alice@127.0.0.1")
            .account(format!(";regint=0{account}"))
            .config("module sndfile.so\nmodule_app ctrl_tcp.so")
            .config(format!("ctrl_tcp_listen 127.0.0.1:{port}"))
            .config(format!("snd_path {}", folder.path().display()))
            .saying(sound)
            .write("127.0.0.1:0");
        // Its trace is wanted as it happens, not by blocks.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "baresip", "-s", "-t", "60", "-f"]).arg(folder.path());
        let program = Program::start(&mut command);
        let control = wait::connected(port);
        control.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        Self { program, control, unread: Vec::new(), folder }
    }

    /// A command of its menu.
    pub fn command(&mut self, name: &str, parameters: &str) {
        let text = json!({"command": name, "params": parameters, "token": name}).to_string();
        write!(self.control, "{}:{text},", text.len()).expect("it reads");
        let answer = self.wait_for(name, |message| message["token"] == name);
        assert_eq!(answer["ok"], true, "{name}: {answer}\n{}", self.printed());
    }

    /// Waits for an event of this type.
    pub fn event(&mut self, kind: &str) -> Value {
        self.wait_for(kind, |message| message["type"] == kind)
    }

    fn wait_for(&mut self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            while let Some(message) = self.next_message() {
                if matches(&message) {
                    return message;
                }
            }
            assert!(Instant::now() < deadline, "no {what}\n{}", self.printed());
            let mut bytes = [0; 4_096];
            if let Ok(count) = self.control.read(&mut bytes) {
                assert!(count > 0, "it ended without {what}\n{}", self.printed());
                self.unread.extend_from_slice(&bytes[..count]);
            }
        }
    }

    /// A netstring of JSON, if a whole one is there.
    fn next_message(&mut self) -> Option<Value> {
        let colon = self.unread.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&self.unread[..colon]).ok()?.parse().ok()?;
        let text = self.unread.get(colon + 1..colon + 1 + length)?;
        let message = serde_json::from_slice(text).expect("JSON");
        self.unread.get(colon + 1 + length)?;
        self.unread.drain(..colon + 2 + length);
        Some(message)
    }

    pub fn printed(&self) -> String {
        self.program.printed()
    }

    /// Loud samples of all that it has heard so far.
    fn loud(&self) -> usize {
        wav::loud(&self.heard())
    }

    /// All that it has heard so far, call by call: 8,000 Hz.
    pub fn heard(&self) -> Vec<i16> {
        let files = std::fs::read_dir(self.folder.path()).expect("readable").flatten();
        let heard = files.map(|file| file.path()).filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-dec.wav"))
        });
        heard.flat_map(|path| wav::read(&path)).collect()
    }
}

/// The audio byte that bob sends, and that of carol.
const BOB: u8 = 0xB0;
const CAROL: u8 = 0xCA;

fn target(gateway: &Gateway, number: &str) -> String {
    format!("sip:{number}@127.0.0.1:{}", gateway.sip_udp.port())
}

/// Audio both ways from now on: a quarter of a second and more in each direction.
#[track_caller]
fn talk_both_ways(alice: &Baresip, bob: &Talker) {
    let (alice_before, bob_before) = (alice.loud(), bob.loud());
    until("bob hears alice", || bob.loud() > bob_before + 15);
    until("alice hears bob", || alice.loud() > alice_before + 2_000);
}

#[test]
fn baresip_holds_resumes_and_transfers_its_party_blindly() {
    let gateway = gateway("");
    let ports = (sipp::free_port(), sipp::free_port());
    let application = dialling(ports.0, ports.1, "referUrl=\"/refer\"");
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let (bob, carol) = (Party::new(), Party::new());
    let callees = (callee(ports.0, &bob, None), callee(ports.1, &carol, None));
    let (bob, carol) = (Talker::start(bob, BOB, 20), Talker::start(carol, CAROL, 20));

    let mut alice = Baresip::start("");
    alice.command("dial", &target(&gateway, "1000"));
    alice.event("CALL_ESTABLISHED");
    talk_both_ways(&alice, &bob);

    alice.command("hold", "");
    until("the gateway answers recvonly", || alice.printed().contains("a=recvonly"));
    let held = || gateway.metrics().sum("media_packets_dropped_total", "peer_held");
    until("bob is not heard", || held() > 20);
    let on_hold = alice.loud();
    until("bob is not heard", || held() > 40);
    assert_eq!(alice.loud(), on_hold, "alice hears nothing while she holds");
    alice.command("resume", "");
    // baresip 1.0 plays nothing after it has held, so what goes to it is counted here: what bob does
    // not get of what is forwarded.
    let forwarded = || gateway.metrics().sum("media_packets_forwarded_total", "");
    let (before, bob_before) = (forwarded(), bob.loud());
    until("bob hears alice", || bob.loud() > bob_before + 20);
    until("bob is sent to alice", || {
        let to_bob = bob.loud() - bob_before;
        forwarded() > before + to_bob as u64 + 20
    });

    alice.command("transfer", "sip:carol@carol.example");
    let asked = application.wait_for_path("/refer");
    assert_eq!(asked.parameter("ReferTransferTarget"), Some("sip:carol@carol.example"));
    until("bob hears carol", || bob.heard(CAROL) > 10);
    until("carol hears bob", || carol.heard(BOB) > 10);
    alice.event("CALL_CLOSED");
    assert!(alice.printed().contains("SIP/2.0 200 OK"), "{}", alice.printed());
    callees.0.finish().expect_success();
    callees.1.finish().expect_success();
    gateway.settled();
}

/// The dialog of the last INVITE that got a 200: Call-ID, its own tag and the peer's.
fn last_dialog(printed: &str) -> [String; 3] {
    let answers = printed.split("SIP/2.0 200 OK").skip(1);
    let answer = answers.filter(|text| text.contains("application/sdp")).last().expect("a 200");
    let value = |name: &str| {
        let line = answer.lines().find_map(|line| line.trim().strip_prefix(name)).expect(name);
        line.trim().to_owned()
    };
    let tag = |name: &str| {
        let value = value(name);
        value.split_once(";tag=").map(|(_, tag)| tag.to_owned()).expect("a tag")
    };
    [value("Call-ID:"), tag("From:"), tag("To:")]
}

/// baresip 1.0 knows no attended transfer: what its REFER asks for is written here.
#[test]
fn baresip_joins_the_parties_of_its_two_calls_and_leaves() {
    let gateway = gateway("");
    let ports = (sipp::free_port(), sipp::free_port());
    let application = dialling(ports.0, ports.1, "referUrl=\"/refer\"");
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let (bob, carol) = (Party::new(), Party::new());
    let callees = (callee(ports.0, &bob, Some(5_000)), callee(ports.1, &carol, None));
    let (bob, carol) = (Talker::start(bob, BOB, 20), Talker::start(carol, CAROL, 20));

    let mut alice = Baresip::start("");
    alice.command("dial", &target(&gateway, "1000"));
    alice.event("CALL_ESTABLISHED");
    talk_both_ways(&alice, &bob);
    alice.command("hold", "");
    until("the gateway answers recvonly", || alice.printed().contains("a=recvonly"));
    alice.command("dial", &target(&gateway, "2000"));
    alice.event("CALL_ESTABLISHED");
    talk_both_ways(&alice, &carol);

    let [call_id, own, peer] = last_dialog(&alice.printed());
    let replaces = format!("{call_id}%3Bto-tag%3D{peer}%3Bfrom-tag%3D{own}");
    alice.command("line", "1");
    alice.command("transfer", &format!("<{}?Replaces={replaces}>", target(&gateway, "2000")));
    until("bob hears carol", || bob.heard(CAROL) > 10);
    until("carol hears bob", || carol.heard(BOB) > 10);
    alice.event("CALL_CLOSED");
    alice.event("CALL_CLOSED");
    assert!(application.asked().iter().all(|asked| asked.path != "/refer"));
    callees.0.finish().expect_success();
    callees.1.finish().expect_success();
    gateway.settled();
}

/// Alice's offer asks for packets of 60 ms; bob sends them without being asked.
#[test]
fn baresip_that_wants_packets_of_60_ms_talks_to_a_party_that_sends_them() {
    let gateway = gateway("");
    let ports = (sipp::free_port(), sipp::free_port());
    let application = dialling(ports.0, ports.1, "");
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let bob = Party::new();
    let callee = callee(ports.0, &bob, Some(1_500));
    let bob = Talker::start(bob, BOB, 60);
    let mut alice = Baresip::start(";ptime=60");
    alice.command("dial", &target(&gateway, "1000"));
    alice.event("CALL_ESTABLISHED");
    assert!(alice.printed().contains("a=ptime:60"), "{}", alice.printed());
    talk_both_ways(&alice, &bob);
    alice.event("CALL_CLOSED");
    let heard = alice.loud();
    assert!(heard > 8_000, "{heard} loud samples of a second and a half");
    callee.finish().expect_success();
    gateway.settled();
}
