//! SIP as rude and unlucky peers send it, by hand over UDP and TCP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::rtp::{Party, Stream};
use crate::sipp::{self, Sipp};
use crate::wait;

/// A connection to the gateway on which a test writes what it likes.
enum Wire {
    Udp(UdpSocket, SocketAddr),
    Tcp(TcpStream),
}

/// Silence is taken for no answer after this.
const SILENCE: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(10);

impl Wire {
    fn udp(gateway: &Gateway) -> Self {
        let host = gateway.sip_udp.ip();
        let socket = UdpSocket::bind((host, 0)).expect("a free port");
        Self::Udp(socket, gateway.sip_udp)
    }

    fn tcp(gateway: &Gateway) -> Self {
        Self::Tcp(TcpStream::connect(gateway.sip_tcp).expect("the gateway listens"))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Udp(..) => "UDP",
            Self::Tcp(_) => "TCP",
        }
    }

    fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket, _) => socket.local_addr(),
            Self::Tcp(stream) => stream.local_addr(),
        }
        .expect("bound")
    }

    fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Udp(socket, to) => drop(socket.send_to(bytes, *to).expect("sent")),
            // The gateway may have closed already: that is its answer.
            Self::Tcp(stream) => drop(stream.write_all(bytes)),
        }
    }

    /// The next message, or what was written before silence or the end.
    fn receive(&mut self, patience: Duration) -> String {
        let mut bytes = vec![0; 65_536];
        let read = match self {
            Self::Udp(socket, _) => {
                socket.set_read_timeout(Some(patience)).expect("a timeout");
                socket.recv(&mut bytes)
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(patience)).expect("a timeout");
                stream.read(&mut bytes)
            }
        };
        String::from_utf8_lossy(&bytes[..read.unwrap_or(0)]).into_owned()
    }

    /// The first final response to `method`.
    fn final_response(&mut self, method: &str) -> String {
        let sequence = format!(" {method}\r\n");
        for _ in 0..20 {
            let text = self.receive(PATIENCE);
            assert!(!text.is_empty(), "no final response to {method}");
            // Over TCP a provisional one may come in the same read.
            if let Some(found) = messages(&text).into_iter().find(|message| {
                !message.starts_with("SIP/2.0 1")
                    && message.starts_with("SIP/2.0")
                    && message.contains(&sequence)
            }) {
                return found;
            }
        }
        panic!("no final response to {method}");
    }
}

/// The messages in what was read; the tests' peers always send whole ones.
fn messages(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for part in text.split_inclusive("\r\n\r\n") {
        match part.starts_with("SIP/2.0") || all.is_empty() {
            true => all.push(part.to_owned()),
            false => all.last_mut().expect("not empty").push_str(part),
        }
    }
    all
}

/// A request to the gateway; `more` are further header lines.
struct Asking<'a> {
    method: &'a str,
    target: &'a str,
    more: &'a str,
    body: String,
    hops: u8,
}

impl Asking<'_> {
    fn text(&self, wire: &Wire, tag: &str) -> String {
        let Self { method, target, more, body, hops } = self;
        let (name, local) = (wire.name(), wire.local());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{name} {local};branch=z9hG4bK{tag};rport\r\n\
             Max-Forwards: {hops}\r\nFrom: <sip:alice@{local}>;tag={tag}\r\nTo: <{target}>\r\n\
             Call-ID: {tag}@test\r\nCSeq: 1 {method}\r\nContact: <sip:alice@{local}>\r\n{more}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        )
    }
}

const DESK: &str = "sip:1000@desk.sip.sidetone.test";

fn asking(method: &str) -> Asking<'_> {
    Asking { method, target: DESK, more: "", body: String::new(), hops: 70 }
}

fn offer(formats: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\n"
    )
}

/// A gateway with domain `desk`, which takes calls from this host.
fn gateway_for(application: &Application) -> Gateway {
    let gateway = Gateway::start("");
    let (voice, status) = (application.url("/voice"), application.url("/status"));
    let fields = [("VoiceUrl", voice.as_str()), ("VoiceStatusCallbackUrl", &status)];
    let domain = gateway.domain("desk", &fields);
    gateway.allow_address(&domain, "127.0.0.1");
    gateway
}

fn rejecting() -> Application {
    Application::start(|_| Answer::twiml("<Reject/>"))
}

fn assert_serves(gateway: &Gateway, what: &str) {
    let mut wire = Wire::udp(gateway);
    let invite = Asking { body: offer("0"), ..asking("INVITE") };
    wire.send(invite.text(&wire, "serves").as_bytes());
    let answer = wire.final_response("INVITE");
    assert!(answer.starts_with("SIP/2.0 404"), "after {what}: {answer}");
}

#[test]
fn what_is_not_served_is_refused_as_the_rfc_says_over_udp_and_tcp() {
    let application = rejecting();
    let gateway = gateway_for(&application);
    let invite = |formats| Asking { body: offer(formats), ..asking("INVITE") };
    let cases = [
        (asking("OPTIONS"), "200", "\r\nAllow: INVITE"),
        (asking("MESSAGE"), "405", "\r\nAllow: INVITE"),
        (asking("SOMETHING"), "501", "\r\nAllow: INVITE"),
        (asking("BYE"), "481", ""),
        (asking("CANCEL"), "481", ""),
        (Asking { hops: 0, ..invite("0") }, "483", ""),
        (Asking { more: "Require: 100rel\r\n", ..invite("0") }, "420", "\r\nUnsupported: 100rel"),
        (
            Asking { more: "Require: 100rel, gizmo\r\n", ..invite("0") },
            "420",
            "\r\nUnsupported: 100rel, gizmo\r\n",
        ),
        (invite("18 34"), "488", ""),
        (Asking { body: "hello".to_owned(), ..asking("INVITE") }, "400", ""),
        (invite("0"), "404", ""),
    ];
    for open in [Wire::udp as fn(&Gateway) -> Wire, Wire::tcp] {
        for (number, (asked, status, header)) in cases.iter().enumerate() {
            let mut wire = open(&gateway);
            let tag = format!("case{number}{}", wire.name());
            wire.send(asked.text(&wire, &tag).as_bytes());
            let answer = wire.final_response(asked.method);
            assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{tag}: {answer}");
            assert!(answer.contains(header), "{tag}: {answer}");
        }
        let mut wire = open(&gateway);
        let unknown = Asking { target: "sip:1@unknown.sip.sidetone.test", ..invite("0") };
        wire.send(unknown.text(&wire, "unknown").as_bytes());
        assert_eq!(wire.receive(SILENCE), "", "an unknown domain is met with silence");
    }
    let asked = application.asked();
    let voices = asked.iter().filter(|asked| asked.path == "/voice").count();
    assert_eq!(voices, 2, "only the sound INVITE reaches the application, once a transport");
}

#[test]
fn a_domain_with_an_ip_list_ignores_other_sources_over_udp_and_tcp() {
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", "http://127.0.0.1:9/voice")]);
    gateway.allow_address(&domain, "192.0.2.1");
    let methods = ["OPTIONS", "MESSAGE", "REGISTER", "SOMETHING", "BYE", "CANCEL", "INVITE"];
    for open in [Wire::udp as fn(&Gateway) -> Wire, Wire::tcp] {
        let mut wire = open(&gateway);
        for method in methods {
            let tag = format!("{method}{}", wire.name());
            wire.send(asking(method).text(&wire, &tag).as_bytes());
        }
        assert_eq!(wire.receive(SILENCE), "", "{}", wire.name());
    }
    let refused = "signaling_refusals_requests_total{rule=\"source_not_listed\"}";
    assert_eq!(gateway.metrics().value(refused), 2 * methods.len() as u64);
    gateway.allow_address(&domain, "127.0.0.1");
    let mut wire = Wire::udp(&gateway);
    wire.send(asking("OPTIONS").text(&wire, "listed").as_bytes());
    assert!(wire.final_response("OPTIONS").starts_with("SIP/2.0 200 "));
}

#[test]
fn an_outcome_of_dial_becomes_the_final_response_of_the_caller() {
    let outcomes = [
        ("486 Busy Here", 486, "busy"),
        ("600 Busy Everywhere", 486, "busy"),
        ("480 Temporarily Unavailable", 480, "no-answer"),
        ("603 Decline", 480, "no-answer"),
        ("404 Not Found", 503, "failed"),
        ("488 Not Acceptable Here", 503, "failed"),
    ];
    let callee_port = sipp::free_port();
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(&format!(
            "<Dial answerOnBridge=\"true\"><Sip statusCallback=\"/child\" \
             statusCallbackEvent=\"initiated ringing answered completed\">\
             sip:bob@127.0.0.1:{callee_port};transport=tcp</Sip></Dial>"
        )),
        _ => Answer::status(204),
    });
    let gateway = gateway_for(&application);
    for (number, (line, status, word)) in outcomes.into_iter().enumerate() {
        let callee =
            Sipp::new(&refusing(line)).with(&format!("-t t1 -p {callee_port} -m 1")).spawn();
        wait::connected(callee_port);
        let scenario = sipp::invite("") + &sipp::refused(status);
        Sipp::caller(&scenario, sipp::SILENT_MEDIA_PORT)
            .key("formats", "0")
            .call(gateway.sip_udp, 1)
            .expect_success();
        callee.finish().expect_success();
        let parents = application.wait_for_count("/status", number + 1);
        let parent = parents.last().expect("counted");
        assert_eq!(parent.parameter("CallStatus"), Some(word), "the parent's status after {line}");
        let children = application.wait_for_count("/child", 3 * (number + 1));
        let mut told: Vec<_> = children[3 * number..]
            .iter()
            .map(|asked| {
                let of = |name| asked.parameter(name).unwrap_or_default().to_owned();
                (of("SequenceNumber"), of("CallStatus"), of("SipResponseCode"))
            })
            .collect();
        told.sort();
        let code = line.split(' ').next().expect("a code").to_owned();
        let empty = String::new();
        let expected = [
            ("0".to_owned(), "initiated".to_owned(), empty.clone()),
            ("1".to_owned(), "ringing".to_owned(), empty),
            ("2".to_owned(), word.to_owned(), code),
        ];
        assert_eq!(told, expected, "{line}");
    }
}

#[test]
fn a_target_that_cannot_be_called_is_named_to_the_action_of_dial() {
    let targets = [
        ("<Sip>sip:bob@desk.sip.sidetone.test</Sip>", "32009", Some("480")),
        ("<Sip>sip:bob@unknown.sip.sidetone.test</Sip>", "32002", Some("404")),
        ("<Sip>sip:bob@127.0.0.1;transport=tls</Sip>", "32011", Some("503")),
        ("<Sip>sip:bob@127.0.0.1:1;transport=tcp</Sip>", "32011", Some("503")),
        ("<Sip>sip:bob@169.254.1.1</Sip>", "13254", Some("403")),
        ("<Sip>tel:+15550001</Sip>", "13243", None),
        ("<Client>joe</Client>", "13224", None),
        ("+15550001", "13224", None),
    ];
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => {
            let case = asked.parameter("SipHeader_X-Case").and_then(|text| text.parse().ok());
            let (target, ..) = targets[case.unwrap_or(0_usize)];
            Answer::twiml(&format!(
                "<Dial answerOnBridge=\"true\" action=\"/done\">{target}</Dial>"
            ))
        }
        _ => Answer::twiml("<Reject/>"),
    });
    let gateway = gateway_for(&application);
    for (number, (target, code, status)) in targets.into_iter().enumerate() {
        let mut wire = Wire::udp(&gateway);
        let more = format!("X-Case: {number}\r\n");
        let invite = Asking { more: &more, body: offer("0"), ..asking("INVITE") };
        wire.send(invite.text(&wire, &format!("target{number}")).as_bytes());
        let answer = wire.final_response("INVITE");
        assert!(answer.starts_with("SIP/2.0 404"), "{target}: {answer}");
        let done = application.wait_for(target, |asked| {
            asked.path == "/done"
                && asked.parameter("SipHeader_X-Case") == Some(&number.to_string())
        });
        assert_eq!(done.parameter("DialCallStatus"), Some("failed"), "{target}");
        assert_eq!(done.parameter("ErrorCode"), Some(code), "{target}");
        assert!(done.parameter("ErrorMessage").is_some_and(|text| !text.is_empty()), "{target}");
        assert_eq!(done.parameter("DialSipResponseCode"), status, "{target}");
    }
}

/// A callee that rings, then refuses.
fn refusing(line: &str) -> String {
    let echo = "[last_Via:]\n[last_From:]\n[last_To:];tag=b\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n";
    let send = |line: &str| format!("<send><![CDATA[\nSIP/2.0 {line}\n{echo}\n]]></send>\n");
    let (ringing, refused) = (send("180 Ringing"), send(line));
    format!("<recv request=\"INVITE\"/>\n{ringing}{refused}<recv request=\"ACK\"/>\n")
}

#[test]
fn an_answer_that_cannot_be_used_and_a_redirect_to_nowhere_end_the_try() {
    let (bad_answer, redirect) = (sipp::free_port(), sipp::free_port());
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(&format!(
            "<Dial action=\"/answered\"><Sip>sip:bob@127.0.0.1:{bad_answer}</Sip></Dial>"
        )),
        "/answered" => Answer::twiml(&format!(
            "<Dial action=\"/redirected\"><Sip>sip:bob@127.0.0.1:{redirect}</Sip></Dial>"
        )),
        _ => Answer::twiml("<Hangup/>"),
    });
    let gateway = gateway_for(&application);
    let answering = Sipp::new(&sipp::callee("", "18"))
        .key("media", &sipp::SILENT_MEDIA_PORT.to_string())
        .with(&format!("-p {bad_answer} -m 1"))
        .spawn();
    let nowhere = refusing("302 Moved Temporarily\nContact: \"Bob <sip:bob@127.0.0.1");
    let redirecting = Sipp::new(&nowhere).with(&format!("-p {redirect} -m 1")).spawn();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    Sipp::caller(&scenario, sipp::SILENT_MEDIA_PORT)
        .key("formats", "0")
        .call(gateway.sip_udp, 1)
        .expect_success();
    answering.finish().expect_success();
    redirecting.finish().expect_success();
    for (path, status) in [("/answered", "200"), ("/redirected", "302")] {
        let told = application.wait_for_path(path);
        assert_eq!(told.parameter("DialCallStatus"), Some("failed"), "{path}");
        assert_eq!(told.parameter("DialSipResponseCode"), Some(status), "{path}");
    }
}

#[test]
fn a_caller_that_cancels_while_the_application_thinks_ends_the_call() {
    // The application answers when the call is over.
    let (over, thinking) = std::sync::mpsc::channel();
    let thinking = std::sync::Mutex::new(thinking);
    let application = Application::start(move |asked| {
        if asked.path == "/voice" {
            let over = thinking.lock().expect("not poisoned").recv_timeout(PATIENCE);
            over.expect("the call was cancelled");
        }
        Answer::twiml("<Say>Too late.</Say>")
    });
    let gateway = gateway_for(&application);
    for open in [Wire::udp as fn(&Gateway) -> Wire, Wire::tcp] {
        let mut wire = open(&gateway);
        let tag = format!("cancel{}", wire.name());
        let invite = Asking { body: offer("0"), ..asking("INVITE") }.text(&wire, &tag);
        wire.send(invite.as_bytes());
        let mut seen = String::new();
        while !seen.contains("SIP/2.0 180") {
            let more = wire.receive(PATIENCE);
            assert!(!more.is_empty(), "no 180 after {seen}");
            seen.push_str(&more);
        }
        wire.send(asking("CANCEL").text(&wire, &tag).as_bytes());
        let mut seen = String::new();
        while !(seen.contains(" CANCEL\r\n") && seen.contains(" INVITE\r\n")) {
            let more = wire.receive(PATIENCE);
            assert!(!more.is_empty(), "not both responses: {seen}");
            seen.push_str(&more);
        }
        assert!(seen.contains("SIP/2.0 487"), "{seen}");
        over.send(()).expect("it thinks");
        let from = format!("sip:alice@{}", wire.local());
        let told = application.wait_for("the end of the call", |asked| {
            asked.path == "/status" && asked.parameter("From") == Some(from.as_str())
        });
        assert_eq!(told.parameter("CallStatus"), Some("no-answer"));
        assert_eq!(told.parameter("CallDuration"), Some("0"));
    }
}

#[test]
fn torture_over_the_wire_leaves_the_gateway_serving() {
    let application = rejecting();
    let gateway = gateway_for(&application);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/torture");
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for entry in std::fs::read_dir(own).expect("the messages of the sip package").flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "sip") {
            messages.push(std::fs::read(entry.path()).expect("readable"));
        }
    }
    assert!(messages.len() > 50, "{} messages", messages.len());
    messages.push(Vec::new());
    messages.push(b"\0".repeat(1_400));
    messages.push(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    messages.push([b"INVITE ", DESK.as_bytes(), b" SIP/2.0\r\n"].concat());
    messages.push(b"Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\n".repeat(1_500));
    for message in &messages {
        Wire::udp(&gateway).send(message);
        Wire::tcp(&gateway).send(message);
    }
    // Sound messages with bytes changed, cut and doubled, from one seed.
    let mut random = 0x9E37_79B9_u32;
    let mut wire = Wire::udp(&gateway);
    let sound = Asking { body: offer("0 101"), ..asking("INVITE") }.text(&wire, "changed");
    for round in 0..2_000 {
        let mut bytes = sound.clone().into_bytes();
        for _ in 0..=round % 6 {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            let at = random as usize % bytes.len();
            match random % 4 {
                0 => drop(bytes.drain(at..(at + 9).min(bytes.len()))),
                1 => bytes.insert(at, bytes[at]),
                _ => bytes[at] = (random >> 8) as u8,
            }
        }
        wire.send(&bytes);
        if round % 50 == 0 {
            Wire::tcp(&gateway).send(&bytes);
        }
    }
    assert_serves(&gateway, "torture");
    assert!(!gateway.log().contains("panicked"));
}

#[test]
fn a_stream_is_cut_at_content_length_however_it_arrives() {
    let application = rejecting();
    let gateway = gateway_for(&application);
    let mut wire = Wire::tcp(&gateway);
    let one = asking("OPTIONS").text(&wire, "pieces");
    wire.send(b"\r\n\r\n");
    assert_eq!(wire.receive(PATIENCE), "\r\n", "a keep-alive is answered");
    for piece in one.as_bytes().chunks(9) {
        wire.send(piece);
    }
    assert!(wire.final_response("OPTIONS").starts_with("SIP/2.0 200"));
    let both = asking("OPTIONS").text(&wire, "first") + &asking("OPTIONS").text(&wire, "second");
    wire.send(both.as_bytes());
    let mut seen = String::new();
    while seen.matches("SIP/2.0 200").count() < 2 {
        let more = wire.receive(PATIENCE);
        assert!(!more.is_empty(), "two responses: {seen}");
        seen.push_str(&more);
    }
    for broken in ["Content-Length: -5", "Content-Length: 0\r\nContent-Length: 9", "X-None: 1"] {
        let mut wire = Wire::tcp(&gateway);
        let text = asking("OPTIONS").text(&wire, "length").replace("Content-Length: 0", broken);
        wire.send(text.as_bytes());
        let answer = wire.receive(PATIENCE);
        assert!(answer.starts_with("SIP/2.0 400"), "{broken}: {answer}");
        assert_eq!(wire.receive(PATIENCE), "", "and the connection is closed");
    }
}

#[test]
fn a_call_over_ipv6_loopback_is_bridged_to_ipv6() {
    let callee = UdpSocket::bind("[::1]:0").expect("IPv6 loopback");
    let callee_port = callee.local_addr().expect("bound").port();
    drop(callee);
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(&format!("<Dial><Sip>sip:bob@[::1]:{callee_port}</Sip></Dial>")),
        _ => Answer::status(204),
    });
    let gateway = Gateway::start_on_ipv6();
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let (alice, bob) = (Party::on_ipv6(), Party::on_ipv6());
    let ipv6 = |text: String| text.replace("IN IP4 127.0.0.1", "IN IP6 ::1");
    let callee = Sipp::new(&ipv6(sipp::callee("", "0 101")))
        .key("media", &bob.port().to_string())
        .with(&format!("-i ::1 -p {callee_port} -m 1"))
        .spawn();
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "")
        + &sipp::answered()
        + &sipp::hang_up_after(2_000);
    let caller = Sipp::caller(&ipv6(scenario).replace("@127.0.0.1", "@[local_ip]"), alice.port())
        .with("-i ::1 -m 1 -auth_uri 1000@desk.sip.sidetone.test")
        .with(&gateway.sip_udp.to_string())
        .spawn();
    let (_, gateway_for_alice) = alice.receive().expect("media from the gateway");
    bob.receive().expect("the bridge");
    let payload = vec![0x44; 160];
    Stream::new(9).say(&alice, gateway_for_alice, std::iter::repeat_n(payload.clone(), 20));
    assert!(!bob.receive_until(1, |packet| packet.payload == payload).is_empty());
    caller.finish().expect_success();
    callee.finish().expect_success();
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("SipSourceIp"), Some("::1"));
}
