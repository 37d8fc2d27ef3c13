//! Transfers by third-party phones: blind and attended by REFER, and `<Refer>`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::rtp::{Packet, Party};
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::tls;

/// Two media cores: calls that are made one after another live on different ones.
const TWO_CORES: &str = "cores = [0, 1]\n";

/// Alice by pjsua2, taking these steps of `pjsua_transfer.py`.
pub fn phone(gateway: &Gateway, steps: &[&str]) -> Child {
    let host = format!("127.0.0.1:{}", gateway.sip_udp.port());
    let mut arguments = vec![host.as_str(), "alice", PASSWORD];
    arguments.extend_from_slice(steps);
    let mut command = sdk::python_file("pjsua_transfer.py", &arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("pjsua2 runs")
}

/// Waits for the end of the phone: what it printed.
pub fn printed(child: Child) -> String {
    let output = child.wait_with_output().expect("it is our child");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("\nend"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

pub fn gateway(more: &str) -> Gateway {
    Gateway::start_with_sip(&format!("default_domain = \"desk\"\n{more}"), TWO_CORES)
}

/// The callee on `port`: rings, answers, and is hung up by the gateway; or hangs up after so many
/// milliseconds.
pub fn callee(port: u16, media: &Party, hangs_up_after: Option<u32>) -> sipp::Running {
    let scenario = match hangs_up_after {
        None => sipp::callee("", "0 101"),
        Some(milliseconds) => hanging_up(milliseconds),
    };
    let (scenario, media) = (media.named_in(&scenario), media.port().to_string());
    Sipp::new(&scenario).key("media", &media).with(&format!("-p {port} -m 1")).spawn()
}

fn hanging_up(milliseconds: u32) -> String {
    let whole = sipp::callee("", "0 101");
    let invite = "<recv request=\"INVITE\" crlf=\"true\" rrs=\"true\"><action>\
         <ereg regexp=\".*\" search_in=\"hdr\" header=\"From:\" assign_to=\"1\"/>\
         <ereg regexp=\".*\" search_in=\"hdr\" header=\"To:\" assign_to=\"2\"/></action></recv>";
    let whole = whole.replacen("<recv request=\"INVITE\" crlf=\"true\"/>", invite, 1);
    let (start, _) = whole.split_once("<recv request=\"BYE\"/>").expect("it waits for BYE");
    format!(
        "{start}<pause milliseconds=\"{milliseconds}\"/>\n<send retrans=\"500\"><![CDATA[\n\
         BYE [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n\
         From:[$2];tag=[call_number]callee\nTo:[$1]\n[last_Call-ID:]\nCSeq: 7 BYE\n\
         Max-Forwards: 70\nContent-Length: 0\n\n]]></send>\n<recv response=\"200\"/>\n"
    )
}

fn packet(number: u16, tone: u8) -> Packet {
    Packet {
        payload_type: 0,
        marker: number == 0,
        sequence: number,
        timestamp: u32::from(number) * 160,
        ssrc: u32::from(tone),
        payload: vec![tone; 160],
    }
}

/// Sends for this time; returns when the first packet of `wanted` came (milliseconds since 1970).
fn talk(party: Party, tone: u8, wanted: u8, span: Duration) -> (Option<u64>, Option<SocketAddr>) {
    party.socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
    let (mut gateway, mut first) = (None, None);
    let (start, mut number) = (Instant::now(), 0u16);
    while start.elapsed() < span {
        let mut bytes = [0; 2048];
        while let Ok((length, from)) = party.socket.recv_from(&mut bytes) {
            gateway = gateway.or(Some(from));
            if first.is_none() && bytes[..length].ends_with(&[wanted; 160]) {
                first = Some(unix_ms());
            }
        }
        let due = Duration::from_millis(20) * u32::from(number);
        if let Some(to) = gateway.filter(|_| start.elapsed() >= due) {
            party.send(to, &packet(number, tone));
        }
        if start.elapsed() >= due {
            number += 1;
        }
    }
    (first, gateway)
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("it fits")
}

pub fn dialling(bob: u16, carol: u16, attributes: &'static str) -> Application {
    dialling_with(bob, carol, attributes, "")
}

/// The same with parameters of both URIs.
fn dialling_with(
    bob: u16,
    carol: u16,
    attributes: &'static str,
    parameters: &'static str,
) -> Application {
    // SIPp waits to be hung up; the others hang up themselves.
    let limit_s = if parameters.is_empty() { 3 } else { 60 };
    Application::start(move |asked| {
        let to = asked.parameter("To").unwrap_or_default();
        match asked.path.as_str() {
            "/voice" if to.contains("2000") => Answer::twiml(&format!(
                "<Dial {attributes}><Sip>sip:carol@127.0.0.1:{carol}{parameters}</Sip></Dial>"
            )),
            "/voice" => Answer::twiml(&format!(
                "<Dial {attributes}><Sip>sip:bob@127.0.0.1:{bob}{parameters}</Sip></Dial>"
            )),
            "/refer" => Answer::twiml(&format!(
                "<Dial timeLimit=\"{limit_s}\"><Sip>sip:carol@127.0.0.1:{carol}{parameters}</Sip></Dial>"
            )),
            _ => Answer::twiml("<Hangup/>"),
        }
    })
}

#[test]
fn pjsua_transfers_its_party_blindly_and_leaves() {
    for attributes in ["referUrl=\"/refer\"", "referUrl=\"/refer\" answerOnBridge=\"true\""] {
        let gateway = gateway("");
        let ports = (sipp::free_port(), sipp::free_port());
        let application = dialling(ports.0, ports.1, attributes);
        gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
        let (bob, carol) = (Party::new(), Party::new());
        let callees = (callee(ports.0, &bob, None), callee(ports.1, &carol, None));
        let target = "<sip:carol@carol.example?X-Account=7>";
        let refer = format!("refer={target}");
        let alice = phone(&gateway, &["leave", "call=1000", "wait=0.5", &refer, "over=0"]);
        let asked = application.wait_for_path("/refer");
        assert_eq!(asked.parameter("ReferTransferTarget"), Some(target));
        assert_eq!(asked.parameter("Direction"), Some("outbound-dial"), "the callee's call");
        let talks = std::thread::spawn(move || talk(bob, 0xB0, 0xCA, Duration::from_secs(3)));
        let (heard, _) = talk(carol, 0xCA, 0xB0, Duration::from_secs(3));
        let (heard_too, _) = talks.join().expect("no panic");
        let printed = printed(alice);
        assert!(heard.is_some() && heard_too.is_some(), "audio both ways: {printed}");
        assert!(printed.contains("transfer 0 200 final"), "{printed}");
        assert!(printed.contains("state 0 DISCONNECTED 200"), "{printed}");
        callees.0.finish().expect_success();
        callees.1.finish().expect_success();
        gateway.settled();
    }
}

#[test]
fn pjsua_joins_two_calls_on_two_cores_and_leaves_no_leg_over() {
    let gateway = gateway("");
    let ports = (sipp::free_port(), sipp::free_port());
    let application = dialling(ports.0, ports.1, "referUrl=\"/refer\"");
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let (bob, carol) = (Party::new(), Party::new());
    let callees = (callee(ports.0, &bob, Some(7_000)), callee(ports.1, &carol, None));
    let free = gateway.settled().value("signaling_legs_free");
    let steps = ["leave", "call=1000", "hold=0", "wait=0.5", "call=2000", "wait=0.5", "replaces=1"];
    let alice = phone(&gateway, &[&steps[..], &["over=0", "over=1"]].concat());
    let span = Duration::from_secs(6);
    let talks = std::thread::spawn(move || talk(bob, 0xB0, 0xCA, span));
    let (carol_heard, carol_at) = talk(carol, 0xCA, 0xB0, span);
    let (bob_heard, bob_at) = talks.join().expect("no panic");
    callees.0.finish().expect_success();
    callees.1.finish().expect_success();
    let printed = printed(alice);
    let asked_at = printed.lines().find_map(|line| line.strip_prefix("replaces at "));
    let asked_at: u64 = asked_at.and_then(|at| at.parse().ok()).expect("it was asked");
    let (bob_at, carol_at) = (bob_at.expect("media").port(), carol_at.expect("media").port());
    let middle = gateway.last_media_port().port() - 199;
    assert_ne!(bob_at < middle, carol_at < middle, "two cores: ports {bob_at} and {carol_at}");
    for heard in [bob_heard, carol_heard] {
        let heard = heard.unwrap_or_else(|| panic!("no audio: {printed}\n{}", gateway.log()));
        let after = heard.saturating_sub(asked_at);
        println!("audio {after} ms after the REFER was asked for");
        assert!(after <= 200, "audio only after {after} ms");
    }
    assert!(printed.contains("transfer 0 200 final"), "{printed}");
    assert!(application.asked().iter().all(|asked| asked.path != "/refer"));
    assert_eq!(gateway.settled().value("signaling_legs_free"), free);
}

#[test]
fn without_a_refer_url_pjsua_is_refused_and_the_call_goes_on() {
    let gateway = gateway("");
    let ports = (sipp::free_port(), sipp::free_port());
    let application = dialling(ports.0, ports.1, "");
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let bob = Party::new();
    let callee = callee(ports.0, &bob, None);
    let steps = [
        "call=1000",
        "wait=0.3",
        "refer=<sip:x@y.example>",
        "wait=1",
        "message",
        "wait=0.5",
        "bye=0",
    ];
    let printed = printed(phone(&gateway, &steps));
    assert!(printed.contains("transfer 0 603 final"), "{printed}");
    assert!(printed.contains("message 405"), "{printed}");
    callee.finish().expect_success();
    let found = String::from_utf8_lossy(&gateway.fetch("Notifications.json").body).into_owned();
    assert!(found.contains("\"13802\""), "{found}");
}

/// SIPp as a phone that takes our REFER and tells how the new call goes.
#[test]
fn refer_tells_its_action_what_the_phone_notifies() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Refer action=\"/done\"><Sip>sip:carol@carol.example?X-A=1</Sip></Refer>",
        ),
        _ => Answer::twiml("<Hangup/>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let answer = |status: &str| {
        format!(
            "<send><![CDATA[\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]\n\
             [last_Call-ID:]\n[last_CSeq:]\nContact: <sip:alice@[local_ip]:[local_port]>\n\
             Content-Length: 0\n\n]]></send>\n"
        )
    };
    let notify = |number: u32, state: &str, status: &str| {
        format!(
            "<send retrans=\"500\"><![CDATA[\nNOTIFY [next_url] SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n\
             From: <sip:alice@127.0.0.1:[local_port]>;tag=[call_number]x\n\
             To: <sip:[user]@[domain]>[$tag]\nCall-ID: [call_id]\nCSeq: {number} NOTIFY\n\
             Contact: <sip:alice@[local_ip]:[local_port]>\nMax-Forwards: 70\nEvent: refer\n\
             Subscription-State: {state}\nContent-Type: message/sipfrag;version=2.0\n\
             Content-Length: [len]\n\nSIP/2.0 {status}\n]]></send>\n<recv response=\"200\"/>\n"
        )
    };
    let tagged = "<recv response=\"200\" rrs=\"true\"><action><ereg regexp=\";tag=.*\" \
                  search_in=\"hdr\" header=\"To:\" assign_to=\"tag\"/></action></recv>";
    let answered = sipp::answered().replacen("<recv response=\"200\" rrs=\"true\"/>", tagged, 1);
    let refer = "<recv request=\"REFER\"><action><ereg regexp=\"carol@carol.example.X-A=1\" \
                 search_in=\"hdr\" header=\"Refer-To:\" check_it=\"true\" assign_to=\"8\"/>\
                 </action></recv>\n";
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "")
        + &answered
        + refer
        + &answer("202 Accepted")
        + &notify(20, "active;expires=60", "180 Ringing")
        + &notify(21, "terminated;reason=noresource", "486 Busy Here")
        + &sipp::hung_up()
        + "<Reference variables=\"8\"/>\n";
    Sipp::caller(&scenario, sipp::SILENT_MEDIA_PORT).call(gateway.sip_udp, 1).expect_success();
    let done = application.wait_for_path("/done");
    assert_eq!(done.parameter("ReferCallStatus"), Some("busy"));
    assert_eq!(done.parameter("ReferSipResponseCode"), Some("202"));
    assert_eq!(done.parameter("NotifySipResponseCode"), Some("486"));
}

/// Blind, and between two calls of the phone's own, on different cores.
#[test]
fn pjsua_transfers_over_tls_with_srtp() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [certificate, key, authority] = tls::foreign_certificate(folder.path(), &["127.0.0.1"]);
    for kind in ["blind", "attended"] {
        let gateway = Gateway::start_with_tls(&format!("tls_ca = {authority:?}\n"), TWO_CORES);
        let ports = (sipp::free_port(), sipp::free_port());
        let application = dialling_with(ports.0, ports.1, "referUrl=\"/refer\"", ";secure=true");
        let voice = application.url("/voice");
        let domain = gateway.domain_with_user("desk", &voice, "alice", PASSWORD);
        gateway.create(&format!("SIP/Domains/{domain}.json"), &[("Secure", "true")]);
        let free = gateway.settled().value("signaling_legs_free");
        let authorities = tls::authorities(&gateway);
        let files = [&authorities, &certificate, &key].map(|path| path.display().to_string());
        let (first, second) = (ports.0.to_string(), ports.1.to_string());
        let address = gateway.tls().to_string();
        let mut arguments = vec![address.as_str(), "desk.sip.sidetone.test", first.as_str()];
        arguments.extend(files.iter().map(String::as_str));
        arguments.extend([second.as_str(), kind]);
        let mut callees = sdk::python_file("transfer_parties.py", &arguments);
        let callees = callees.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut callees = callees.expect("Python runs");
        // They have to listen before the phone calls.
        let mut heard = BufReader::new(callees.stdout.take().expect("piped"));
        heard.read_line(&mut String::new()).expect("they are ready");
        let steps: &[&str] = match kind {
            "blind" => &["call=1000", "wait=0.3", "refer=<sip:carol@carol.example>", "over=0"],
            _ => &[
                "call=1000",
                "hold=0",
                "wait=0.3",
                "call=2000",
                "wait=0.3",
                "replaces=1",
                "over=0",
                "over=1",
            ],
        };
        let mut arguments = vec!["desk.sip.sidetone.test", "alice", PASSWORD, "leave", "srtp"];
        arguments.extend_from_slice(steps);
        let alice = sdk::python_file("pjsua_transfer.py", &arguments)
            .env("TLS_CA", &authorities)
            .env("TLS_PROXY", &address)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pjsua2 runs");
        let heard = std::io::read_to_string(heard).expect("text");
        let callees = callees.wait_with_output().expect("it is our child");
        let errors = String::from_utf8_lossy(&callees.stderr).into_owned();
        let phone = printed(alice);
        assert!(heard.contains("\nover"), "{kind}: {heard}{errors}{phone}");
        assert!(phone.contains("transfer 0 200 final"), "{kind}: {phone}");
        let referred = application.asked().iter().any(|asked| asked.path == "/refer");
        assert_eq!(referred, kind == "blind", "{heard}{phone}");
        assert_eq!(gateway.settled().value("signaling_legs_free"), free);
    }
}
