//! Cost of reading and of writing one SIP message. Shell: reads a clock.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sip::{Message, message};

use crate::report::{Section, whole};
use crate::rounds::Rounds;
use crate::schedstat::own_cpu_ns;

/// An INVITE as a PBX behind two proxies sends it, 1.2 kB.
const INVITE: &str = "\
INVITE sip:+15005550006@desk.sip.sidetone.test;transport=udp;region=us1 SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-edge-74bf9a0c11;rport=5060;received=192.0.2.10\r\n\
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-pbx-4d1f20\r\n\
Record-Route: <sip:192.0.2.10;lr;ftag=8c1a>\r\n\
Max-Forwards: 69\r\n\
Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n\
From: \"Front Desk\" <sip:1000@pbx.example.com>;tag=8c1a77fe\r\n\
To: <sip:+15005550006@desk.sip.sidetone.test>\r\n\
Call-ID: 3848276298220188511@198.51.100.7\r\n\
CSeq: 102 INVITE\r\n\
Contact: <sip:1000@198.51.100.7:5060;ob>\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, PRACK, UPDATE\r\n\
Supported: replaces, timer, path\r\n\
Session-Expires: 1800;refresher=uac\r\n\
Min-SE: 90\r\n\
User-Agent: Example PBX 18.4\r\n\
P-Asserted-Identity: <sip:1000@pbx.example.com>\r\n\
X-Route-Id: 42;tier=gold\r\n\
User-to-User: 56a390f3d2b7310023a2;encoding=hex\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 300\r\n\
\r\n\
v=0\r\n\
o=- 1620843210 1620843210 IN IP4 198.51.100.7\r\n\
s=Example PBX\r\n\
c=IN IP4 198.51.100.7\r\n\
t=0 0\r\n\
m=audio 18642 RTP/AVP 0 8 9 101\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:9 G722/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=ptime:20\r\n\
a=maxptime:150\r\n\
a=rtcp-mux\r\n\
a=sendrecv\r\n";

/// Measures and writes the section.
pub(crate) fn measure(rounds: usize, round: Duration) -> Section {
    let bytes = INVITE.as_bytes();
    let Ok(parsed) = Message::parse(bytes) else {
        let mut section = Section::new(TITLE, &[]);
        section.note("FAILED: the INVITE of the bench was refused by the parser.");
        return section;
    };
    let lines = time(rounds, round, || drop(black_box(message::parse(black_box(bytes)))));
    let typed = time(rounds, round, || drop(black_box(Message::parse(black_box(bytes)))));
    let written = time(rounds, round, || drop(black_box(black_box(&parsed).to_bytes())));
    let mut section = Section::new(TITLE, &["what", "ns", "messages/s", "MB/s"]);
    let mut row = |what: &str, ns: &Rounds| {
        let Some(median) = ns.median() else { return };
        let megabytes = bytes.len() as f64 / median * 1_000.0;
        section.row([
            what.to_owned(),
            whole(Some(median)),
            whole(Some(1e9 / median)),
            whole(Some(megabytes)),
        ]);
    };
    row("lines found and checked", &lines);
    row("lines and typed form", &typed);
    row("written from the typed form", &written);
    section.note(format!(
        "INVITE of {} bytes, {rounds} rounds of {} ms, medians of CPU time, one thread, hot cache.",
        bytes.len(),
        round.as_millis()
    ));
    section
}

const TITLE: &str = "SIP messages";

/// CPU nanoseconds of one `work`, a value a round.
fn time(rounds: usize, round: Duration, mut work: impl FnMut()) -> Rounds {
    let mut measured = Rounds::default();
    for _ in 0..rounds {
        let (start, cpu_start) = (Instant::now(), own_cpu_ns());
        let mut count = 0_u32;
        while start.elapsed() < round {
            for _ in 0..BATCH {
                work();
            }
            count += BATCH;
        }
        measured.push((own_cpu_ns() - cpu_start) as f64 / f64::from(count));
    }
    measured
}

/// Messages between two readings of the clock.
const BATCH: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invite_of_the_bench_is_a_whole_invite() {
        let Ok(Message::Request(request)) = Message::parse(INVITE.as_bytes()) else {
            panic!("not a request")
        };
        assert_eq!(request.via.len(), 2);
        assert_eq!(request.body.len(), 300, "Content-Length says the body");
        assert!(request.session_description().is_ok_and(|sdp| sdp.is_some()));
        assert!((1_150..1_450).contains(&INVITE.len()), "{} bytes", INVITE.len());
    }
}
