//! `sidetone media` beside a running gateway: one call that the kernel relays, and one that is recorded.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::application::{Answer, Application};
use crate::gateway::{Gateway, binary, fast_path_is_denied};
use crate::rtp::{Party, Talker};
use crate::sipp::{self, Running, Sipp};
use crate::transfers;
use crate::wait::until;

/// A caller and a callee that speak all the time.
struct Pair {
    _talkers: [Talker; 2],
    _calls: [Running; 2],
}

impl Pair {
    fn start(gateway: &Gateway, callee_port: u16) -> Self {
        let (alice, bob) = (Party::new(), Party::new());
        let callee = transfers::callee(callee_port, &bob, None);
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(40_000);
        let caller = Sipp::caller(&scenario, alice.port()).start(gateway.sip_udp);
        let talkers = [Talker::start(alice, 0xA1, 20), Talker::start(bob, 0xB2, 20)];
        Self { _talkers: talkers, _calls: [callee, caller] }
    }
}

#[test]
fn media_names_the_tier_of_each_leg_and_why_it_is_not_the_kernel() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start("fast_path = \"tc\"\n");
    let ports = [sipp::free_port(), sipp::free_port()];
    let begun = AtomicUsize::new(0);
    let application = Application::start(move |_| {
        let call = begun.fetch_add(1, Ordering::Relaxed);
        let record = ["", " record=\"record-from-answer\""][call];
        Answer::twiml(&format!("<Dial{record}><Sip>sip:bob@127.0.0.1:{}</Sip></Dial>", ports[call]))
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let _relayed = Pair::start(&gateway, ports[0]);
    gateway.metrics_when("both legs in the kernel", |now| now.sum("media_fast_path_legs", "") == 2);
    let _recorded = Pair::start(&gateway, ports[1]);

    let mut legs = Vec::new();
    until("two legs in the kernel and two recorded", || {
        legs = list(&gateway);
        of(&legs, "kernel", None).len() == 2 && of(&legs, "user_space", Some("tapped")).len() == 2
    });
    for (tier, reason) in [("kernel", None), ("user_space", Some("tapped"))] {
        let pair = of(&legs, tier, reason);
        assert_eq!(pair[0]["joined_call_sid"], pair[1]["call_sid"], "{pair:#?}");
        assert_eq!(pair[1]["joined_call_sid"], pair[0]["call_sid"], "{pair:#?}");
    }
    let has_relayed = |pair: &[&Value], tier| {
        pair.len() == 2 && pair.iter().all(|leg| leg["received"][tier].as_u64() > Some(20))
    };
    until("packets of all four legs to be counted", || {
        legs = list(&gateway);
        has_relayed(&of(&legs, "kernel", None), "kernel")
            && has_relayed(&of(&legs, "user_space", Some("tapped")), "user_space")
    });
    for leg in of(&legs, "user_space", Some("tapped")) {
        assert_eq!((&leg["received"]["kernel"], &leg["lost"]), (&0.into(), &0.into()), "{leg:#?}");
    }
    let shown = media(&gateway, &[]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.matches("its audio is recorded or streamed").count(), 2, "{shown}");
    assert!(shown.contains("4 legs, 2 of them relayed by the kernel"), "{shown}");
}

#[test]
fn media_needs_the_token_of_the_main_account_and_says_when_no_gateway_answers() {
    let gateway = Gateway::start("");
    let empty = media(&gateway, &[]);
    assert!(empty.status.success(), "{empty:?}");
    assert!(String::from_utf8_lossy(&empty.stdout).starts_with("0 legs"), "{empty:?}");
    let mut stream = TcpStream::connect(gateway.http).expect("connected");
    stream.write_all(b"GET /media.json HTTP/1.0\r\nHost: x\r\n\r\n").expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    assert!(answer.starts_with("HTTP/1.0 401") || answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(!answer.contains("legs"), "{answer}");

    let address = gateway.http;
    let (_, folder) = gateway.terminate();
    let mut command = Command::new(binary());
    command.args(["media", "--set", &format!("http.listen={address}"), "--data"]);
    let gone = command.arg(folder.path().join("data")).output().expect("it runs");
    assert_eq!(gone.status.code(), Some(1));
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(said.contains("Does the gateway of this data folder run?"), "{said}");
}

fn list(gateway: &Gateway) -> Vec<Value> {
    let answer = media(gateway, &["--json"]);
    assert!(answer.status.success(), "{answer:?}");
    let mut list: Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert_eq!((&list["left_out"], &list["unanswered"]), (&0.into(), &0.into()));
    serde_json::from_value(list["legs"].take()).expect("a list")
}

/// The legs of this tier, for this reason.
fn of<'l>(legs: &'l [Value], tier: &str, reason: Option<&str>) -> Vec<&'l Value> {
    let is_it =
        |leg: &&Value| leg["tier"] == tier && leg["why_not_kernel"]["reason"].as_str() == reason;
    legs.iter().filter(is_it).collect()
}

fn media(gateway: &Gateway, words: &[&str]) -> Output {
    let data = gateway.folder.path().join("data");
    let listen = format!("http.listen={}", gateway.http);
    let mut command = Command::new(binary());
    command.arg("media").args(words).args(["--set", &listen, "--data"]).arg(data);
    command.current_dir(gateway.folder.path()).output().expect("it runs")
}
