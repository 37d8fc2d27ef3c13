//! Floods of unauthenticated requests: their cost, and that a known phone is answered meanwhile.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::gateway::Gateway;
use crate::wait;

const KNOWN: &str = "127.0.0.5";
/// Each sends more than an unauthenticated source may.
const SOURCES: [&str; 4] = ["127.0.0.66", "127.0.0.67", "127.0.0.68", "127.0.0.69"];
const MESSAGES_EACH: usize = 4_000;

#[test]
fn a_flood_of_unauthenticated_requests_costs_no_memory_no_log_and_no_phone_its_answers() {
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", "http://127.0.0.1:9/voice")]);
    gateway.allow_address(&domain, KNOWN);
    let phone = Party::at(KNOWN, &gateway);
    // It is in the list, which vouches for it, whatever comes of the call.
    assert_eq!(phone.ask(&message("INVITE", "phone", 0, "")), 400);
    let (memory, log) = (memory_kib(&gateway), gateway.log().len());

    let sources = SOURCES.map(|address| Party::at(address, &gateway));
    let mut asked = 0;
    for number in 0..MESSAGES_EACH {
        for (kind, source) in sources.iter().enumerate() {
            source.send(&flood(kind, number));
        }
        if number % 200 == 0 {
            asked += 1;
            let status = phone.ask(&message("OPTIONS", "phone", asked, ""));
            assert!([200, 503].contains(&status), "{status}");
        }
    }

    let answered = sources.iter().map(Party::answers).sum::<usize>();
    assert!(answered <= SOURCES.len() * 400, "{answered} answers");
    let metrics = gateway.metrics();
    let transactions = metrics.value("signaling_server_transactions");
    assert!(
        transactions <= 1,
        "{transactions} kept: no state for unauthenticated sources, one for the phone"
    );
    // What is left of the flood is still being refused while the page of metrics is written.
    wait::found("refusal by rate for each request left unread", || {
        let metrics = gateway.metrics();
        let held = metrics.value("signaling_held_messages_dropped_total");
        let rate = metrics.value("signaling_refusals_requests_total{rule=\"stranger_rate\"}");
        let is_counted = held > 0 && rate >= held;
        is_counted.then_some(()).ok_or_else(|| format!("{held} unread, {rate} in all"))
    });
    let more = memory_kib(&gateway).saturating_sub(memory);
    assert!(more < 30 * 1024, "{more} KiB more");
    let lines = gateway.log().len() - log;
    assert!(lines < 200 * 1024, "{lines} bytes of log");
}

/// Requests to an unknown user, to an unknown dialog, to register, and bytes that are not a request.
fn flood(kind: usize, number: usize) -> Vec<u8> {
    match kind {
        0 => message("INVITE", "flood", number, ""),
        1 => message("BYE", "flood", number, ";tag=nobody"),
        2 => message("REGISTER", "flood", number, ""),
        _ => b"INVITE sip:1000@desk.sip.sidetone.test SIP/2.0\r\nVia: nonsense\r\n\r\n".to_vec(),
    }
}

fn message(method: &str, who: &str, number: usize, to_tag: &str) -> Vec<u8> {
    format!(
        "{method} sip:1000@desk.sip.sidetone.test SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK{who}{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@x.test>;tag={who}\r\n\
         To: <sip:1000@desk.sip.sidetone.test>{to_tag}\r\nCall-ID: {who}{method}{number}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:a@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// A socket on an address of its own, that talks to the gateway.
struct Party {
    socket: UdpSocket,
    gateway: SocketAddr,
}

impl Party {
    fn at(address: &str, gateway: &Gateway) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("all of 127.0.0.0/8 is this machine");
        Self { socket, gateway: gateway.sip_udp }
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.gateway).expect("sent");
    }

    /// The status of the answer; asks again as a phone does, for two seconds.
    fn ask(&self, request: &[u8]) -> u16 {
        let end = Instant::now() + Duration::from_secs(10);
        self.socket.set_read_timeout(Some(Duration::from_millis(500))).expect("set");
        let branch = String::from_utf8_lossy(request);
        let branch = branch.split("branch=").nth(1).and_then(|rest| rest.split("\r\n").next());
        let branch = branch.expect("a branch");
        let mut buffer = [0; 65_536];
        while Instant::now() < end {
            self.send(request);
            while let Ok((count, _)) = self.socket.recv_from(&mut buffer) {
                let answer = String::from_utf8_lossy(&buffer[..count]).into_owned();
                let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
                match status {
                    Some(status) if status >= 200 && answer.contains(branch) => return status,
                    Some(_) | None => {}
                }
            }
        }
        panic!("no answer to {branch}");
    }

    /// How many answers wait to be read.
    fn answers(&self) -> usize {
        self.socket.set_nonblocking(true).expect("set");
        let mut buffer = [0; 2_048];
        std::iter::from_fn(|| self.socket.recv_from(&mut buffer).ok()).count()
    }
}

/// Resident memory of the process.
fn memory_kib(gateway: &Gateway) -> usize {
    let path = format!("/proc/{}/status", gateway.process_id());
    let status = std::fs::read_to_string(path).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

#[test]
fn one_sentence_stands_in_answer_log_notification_timeline_and_one_rule_in_metric_and_table() {
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[]);
    gateway.allow_address(&domain, KNOWN);
    let phone = Party::at(KNOWN, &gateway);
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.5\r\ns=-\r\nc=IN IP4 127.0.0.5\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0\r\n";
    let invite = String::from_utf8(message("INVITE", "truth", 1, "")).expect("text").replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len()),
    );
    assert_eq!(phone.ask(invite.as_bytes()), 404);
    phone.send(invite.replace("INVITE", "ACK").as_bytes());
    gateway.wait_for_log("rule=\"no_voice_url\"");
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("no_voice_url")).expect("it was waited for");
    let sentence = line.split("refused: ").nth(1).and_then(|rest| rest.split(" rule=").next());
    let sentence = sentence.expect("the sentence").trim();

    let call = wait::found("record of the call", || {
        let calls = gateway.fetch("Calls.json").json();
        calls["calls"][0]["sid"].as_str().map(str::to_owned).ok_or_else(|| calls.to_string())
    });
    let told = |resource: &str| {
        let reply = gateway.fetch(resource);
        let text = String::from_utf8(reply.body).expect("UTF-8");
        assert!(text.contains(sentence), "{resource}: {text} / {sentence}");
        text
    };
    told("Notifications.json");
    assert!(told(&format!("Calls/{call}/Timeline.json")).contains("rule no_voice_url"));
    let rule = "signaling_refusals_requests_total{rule=\"no_voice_url\"}";
    assert_eq!(gateway.metrics().value(rule), 1);
    let explained = std::process::Command::new(crate::gateway::binary())
        .args(["explain", "--rules"])
        .current_dir(gateway.folder.path())
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&explained.stdout).contains("no_voice_url"));
}
