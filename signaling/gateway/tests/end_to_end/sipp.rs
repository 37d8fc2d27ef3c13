//! SIPp as caller and as callee, with scenarios written by the tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::phone::DOMAIN;

/// One SIPp run; `[media]` and `[port]` keys of scenarios are filled by `key`.
pub struct Sipp {
    folder: TempDir,
    arguments: Vec<String>,
    keys: BTreeMap<String, String>,
}

impl Sipp {
    pub fn new(scenario: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("scenario.xml");
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<scenario name=\"test\">\n{scenario}\n</scenario>\n"
        );
        std::fs::write(&file, text).expect("writable");
        let mut sipp = Self { folder, arguments: Vec::new(), keys: BTreeMap::new() };
        sipp.arguments.extend(["-sf".to_owned(), file.display().to_string()]);
        let fixed = "-i 127.0.0.1 -nostdin -nd -timeout 40s -timeout_error -trace_err -trace_msg";
        sipp.arguments.extend(fixed.split(' ').map(str::to_owned));
        sipp
    }

    /// A phone that calls 1000 at the domain of most tests, with PCMU and telephone events at that media port.
    pub fn caller(scenario: &str, media: u16) -> Self {
        Self::new(scenario)
            .key("user", "1000")
            .key("domain", DOMAIN)
            .key("media", &media.to_string())
            .key("formats", "0 101")
    }

    /// Extra arguments, split at blanks.
    pub fn with(mut self, arguments: &str) -> Self {
        self.arguments.extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// Fills `[name]` in the scenario; the last value counts.
    pub fn key(mut self, name: &str, value: &str) -> Self {
        self.keys.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives each call the next of these values as `[field0]`.
    pub fn values(self, values: &[impl std::fmt::Display]) -> Self {
        let file = self.folder.path().join("values.csv");
        let lines = values.iter().map(|value| format!("{value}\n"));
        std::fs::write(&file, format!("SEQUENTIAL\n{}", lines.collect::<String>()))
            .expect("writable");
        self.with(&format!("-inf {}", file.display()))
    }

    /// Places `count` calls to `target`; waits for the end.
    pub fn call(self, target: SocketAddr, count: u32) -> Finished {
        let running = self.with(&format!("-m {count} {target}")).spawn();
        running.finish()
    }

    /// Places one call to `target`.
    pub fn start(self, target: SocketAddr) -> Running {
        self.with(&format!("-m 1 {target}")).spawn()
    }

    /// Starts it as it is: a callee with `-p`, or a caller with its target among the arguments. A callee has its port
    /// when this returns: an INVITE that comes before fails at once (RFC 3261 §18.4).
    pub fn spawn(self) -> Running {
        let keys = self.keys.iter().flat_map(|(name, value)| ["-key", name, value]);
        let mut child = Command::new("sipp")
            .args(&self.arguments)
            .args(keys)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("SIPp is installed (make clients)");
        if let Some(port) = self.own_port() {
            crate::wait::until("SIPp on its port", || {
                let ended = child.try_wait().expect("it is our child");
                assert!(ended.is_none_or(|status| status.success()), "SIPp refuses its scenario");
                ended.is_some() || is_bound(port)
            });
        }
        Running { child: Some(child), folder: self.folder }
    }

    fn own_port(&self) -> Option<u16> {
        let mut words = self.arguments.iter().skip_while(|word| *word != "-p");
        words.nth(1)?.parse().ok()
    }
}

/// Whether a program has this port, by UDP or TCP.
fn is_bound(port: u16) -> bool {
    let ending = format!(":{port:04X}");
    ["udp", "udp6", "tcp", "tcp6"].iter().any(|table| {
        let sockets = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        let mut locals = sockets.lines().filter_map(|line| line.split_whitespace().nth(1));
        locals.any(|local| local.ends_with(&ending))
    })
}

/// A SIPp that runs; killed when dropped.
pub struct Running {
    child: Option<Child>,
    folder: TempDir,
}

impl Running {
    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        let child = self.child.take().expect("it was not waited for");
        let output = child.wait_with_output().expect("it is our child");
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        Finished { output, folder }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The result of a SIPp run.
pub struct Finished {
    pub output: Output,
    folder: TempDir,
}

impl Finished {
    /// All messages that it sent and received.
    pub fn messages(&self) -> String {
        self.traces("_messages.log")
    }

    /// Panics with the messages unless all calls were as the scenario says.
    pub fn expect_success(self) -> Self {
        let text = || format!("{}\n{}", self.messages(), self.traces("_errors.log"));
        assert!(self.output.status.success(), "SIPp: {}\n{}", self.output.status, text());
        self
    }

    fn traces(&self, ending: &str) -> String {
        let entries = std::fs::read_dir(self.folder.path()).expect("readable");
        let files = entries.flatten().map(|entry| entry.path());
        files
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .map(|path| {
                String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
            })
            .collect()
    }
}

/// A media port without a listener, for calls whose audio does not matter. Ports below 1024 would be refused.
pub const SILENT_MEDIA_PORT: u16 = 1025;

/// A port for a callee, free by UDP and by TCP. SIPp cannot tell the port it got.
pub fn free_port() -> u16 {
    let free_by_both = || {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok().then_some(port)
    };
    std::iter::repeat_with(free_by_both).take(100).flatten().next().expect("a free port")
}

const OFFER: &str = "v=0
o=caller 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio [media] RTP/AVP [formats]
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20";

fn request(method: &str, sequence: u32, more: &str, body: &str) -> String {
    let tag = if method == "INVITE" { "" } else { "[peer_tag_param]" };
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    format!(
        "{method} sip:[user]@[domain] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@127.0.0.1:[local_port]>;tag=[call_number]x
To: <sip:[user]@[domain]>{tag}
Call-ID: [call_id]
CSeq: {sequence} {method}
Contact: <sip:alice@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
{more}{content}Content-Length: [len]

{body}"
    )
}

fn send(text: &str, attributes: &str) -> String {
    format!("<send {attributes}><![CDATA[\n{text}\n]]></send>\n")
}

/// INVITE up to the final response before credentials, answering 407 as `user`.
pub fn invite_with_digest(user: &str, password: &str, headers: &str) -> String {
    let first = send(&request("INVITE", 1, headers, OFFER), "retrans=\"500\"");
    let ack = send(&request("ACK", 1, "", ""), "");
    let login = format!("[authentication username={user} password={password}]\n{headers}");
    let second = send(&request("INVITE", 2, &login, OFFER), "retrans=\"500\"");
    format!(
        "{first}<recv response=\"100\" optional=\"true\"/>\n\
         <recv response=\"407\" auth=\"true\"/>\n{ack}{second}\
         <recv response=\"100\" optional=\"true\"/>\n<recv response=\"180\" optional=\"true\"/>\n\
         <recv response=\"183\" optional=\"true\"/>\n"
    )
}

/// A request in the dialog that is up; `headers` name the type of `body`, where there is one.
pub fn request_in_dialog(method: &str, sequence: u32, headers: &str, body: &str) -> String {
    let text = request(method, sequence, headers, "").replacen("\n\n", &format!("\n\n{body}"), 1);
    send(&text, "retrans=\"500\"")
}

/// A re-INVITE of a [`Sipp::caller`] that makes its media `direction`, and its ACK.
pub fn offer_anew(sequence: u32, direction: &str) -> String {
    let sdp = format!(
        "v=0\no=caller 1 {sequence} IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
         m=audio [media] RTP/AVP [formats]\na=rtpmap:101 telephone-event/8000\na={direction}\n"
    );
    let invite = request_in_dialog("INVITE", sequence, "Content-Type: application/sdp\n", &sdp);
    let invite = invite.replacen("@[domain]>\n", "@[domain]>[peer_tag_param]\n", 1);
    let ack = request_in_dialog("ACK", sequence, "", "").replace(" retrans=\"500\"", "");
    format!("{invite}<recv response=\"100\" optional=\"true\"/>\n<recv response=\"200\"/>\n{ack}")
}

/// The same scenario with an INVITE that has no SDP.
pub fn without_offer(scenario: &str) -> String {
    scenario.replace(OFFER, "").replace("Content-Type: application/sdp\n", "")
}

/// 200 with an offer, and an ACK with the answer.
pub fn answered_with_offer() -> String {
    format!("<recv response=\"200\" rrs=\"true\"/>\n{}", send(&request("ACK", 2, "", OFFER), ""))
}

/// INVITE without credentials.
pub fn invite(headers: &str) -> String {
    let first = send(&request("INVITE", 2, headers, OFFER), "retrans=\"500\"");
    format!(
        "{first}<recv response=\"100\" optional=\"true\"/>\n<recv response=\"180\" optional=\"true\"/>\n\
         <recv response=\"183\" optional=\"true\"/>\n"
    )
}

/// 200 and ACK.
pub fn answered() -> String {
    format!("<recv response=\"200\" rrs=\"true\"/>\n{}", send(&request("ACK", 2, "", ""), ""))
}

/// A final error response and its ACK.
pub fn refused(status: u16) -> String {
    format!("<recv response=\"{status}\"/>\n{}", send(&request("ACK", 2, "", ""), ""))
}

/// The gateway hangs up.
pub fn hung_up() -> String {
    let answer = "SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0
";
    format!("<recv request=\"BYE\"/>\n{}", send(answer, ""))
}

/// We hang up after `milliseconds`.
pub fn hang_up_after(milliseconds: u32) -> String {
    format!(
        "<pause milliseconds=\"{milliseconds}\"/>\n{}<recv response=\"200\"/>\n",
        send(&request("BYE", 3, "", ""), "retrans=\"500\"")
    )
}

/// A callee as [`callee`] whose audio begins with a 183, this time before it answers.
pub fn callee_with_early_media(milliseconds: u32, formats: &str) -> String {
    let scenario = callee("", formats);
    let (ringing, ok) = (scenario.find("<send ").expect("a 180"), scenario.rfind("<send retrans"));
    let ok = &scenario[ok.expect("a 200")..];
    let early = ok.replace("SIP/2.0 200 OK", "SIP/2.0 183 Session Progress");
    let early = &early[..early.find("<recv").expect("the ACK")];
    let early = early.replace("retrans=\"500\"", "");
    let before = &scenario[..ringing];
    format!("{before}{early}<pause milliseconds=\"{milliseconds}\"/>\n{ok}")
}

/// A callee: 180, 200 with `answer` as SDP body, waits for ACK and BYE.
pub fn callee(headers: &str, formats: &str) -> String {
    let echo = "[last_Via:]\n[last_From:]\n[last_To:];tag=[call_number]callee\n[last_Call-ID:]\n[last_CSeq:]\n";
    let contact = "Contact: <sip:bob@[local_ip]:[local_port];transport=[transport]>\n";
    let body = OFFER.replace("[formats]", formats);
    let ringing = send(&format!("SIP/2.0 180 Ringing\n{echo}{contact}Content-Length: 0\n"), "");
    let ok = send(
        &format!(
            "SIP/2.0 200 OK\n{echo}{contact}{headers}Content-Type: application/sdp\nContent-Length: [len]\n\n{body}"
        ),
        "retrans=\"500\"",
    );
    let bye = "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n";
    format!(
        "<recv request=\"INVITE\" crlf=\"true\"/>\n{ringing}{ok}<recv request=\"ACK\"/>\n<recv request=\"BYE\"/>\n{}",
        send(bye, "")
    )
}
