//! The other end of a call's media: not an address that SDP only claims, not ourselves, and at one
//! address the phone that its SDP names. SIP by SIPp, media by hand.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rtp::{Packet, Party, Stream};
use crate::sipp::{self, Running, Sipp};
use crate::wait::Pace;

/// A gateway whose domain `desk` is open to this machine, and the application behind it.
fn gateway_with(application: &Application) -> Gateway {
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    gateway
}

/// An offer for the same call that wants its media at `connection` and `port`.
fn offer(connection: &str, port: &str) -> String {
    format!(
        "v=0\no=caller 1 2 IN IP4 127.0.0.1\ns=-\nc={connection}\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    )
}

/// A re-INVITE with that offer that gets 488.
fn refused_offer(sequence: u32, connection: &str, port: &str) -> String {
    let invite = sipp::request_in_dialog(
        "INVITE",
        sequence,
        "Content-Type: application/sdp\n",
        &offer(connection, port),
    )
    .replace("To: <sip:[user]@[domain]>", "To: <sip:[user]@[domain]>[peer_tag_param]");
    let ack = sipp::request_in_dialog("ACK", sequence, "", "").replace("retrans=\"500\"", "");
    format!("{invite}<recv response=\"100\" optional=\"true\"/>\n<recv response=\"488\"/>\n{ack}")
}

#[test]
fn an_offer_with_our_own_or_an_impossible_media_address_is_refused_and_the_call_goes_on() {
    let application = Application::start(|_| Answer::twiml("<Gather timeout=\"20\"/>"));
    let gateway = gateway_with(&application);
    let listener = gateway.sip_udp.port().to_string();
    let loopback = "IN IP4 127.0.0.1";
    // The port of the answer is our own, and that of the SIP listener as well.
    let find = "<recv response=\"200\" rrs=\"true\"><action><ereg regexp=\"m=audio ([0-9]+)\" \
                search_in=\"msg\" assign_to=\"line,ours\"/></action></recv>";
    let answered = sipp::answered().replace("<recv response=\"200\" rrs=\"true\"/>", find);
    let offers = [
        (loopback, "[$ours]"),
        (loopback, listener.as_str()),
        (loopback, "1023"),
        ("IN IP4 169.254.9.9", "4000"),
        ("IN IP4 0.9.9.9", "4000"),
        ("IN IP4 240.9.9.9", "4000"),
        ("IN IP4 224.0.0.9", "4000"),
        ("IN IP4 255.255.255.255", "4000"),
    ];
    let refusals: String = (3..)
        .zip(offers)
        .map(|(sequence, (connection, port))| refused_offer(sequence, connection, port))
        .collect();
    let bye = sipp::hang_up_after(300).replace("CSeq: 3 BYE", "CSeq: 20 BYE");
    let scenario = sipp::invite("") + &answered + &refusals + &bye;
    let scenario = scenario + "<Reference variables=\"line\"/>\n";
    let alice = Party::new();
    let call = Sipp::caller(&scenario, alice.port()).call(gateway.sip_udp, 1).expect_success();
    for sentence in ["address and port of this gateway", "below 1024", "link-local", "multicast"] {
        assert!(call.messages().contains(sentence), "{sentence}: {}", call.messages());
    }
    let last = alice.receive_until(1, |_| true);
    assert!(!last.is_empty(), "the media of the call stayed where it was");
    let metrics = gateway.settled();
    for (rule, count) in [("sdp_own_address", 2), ("sdp_low_port", 1), ("sdp_multicast", 2)] {
        let counted = metrics.sum("signaling_refusals_requests_total", rule);
        assert_eq!(counted, count, "{rule}: {metrics:#?}");
    }
    assert_eq!(metrics.sum("media_packets_dropped_total", "own_socket"), 0);
}

#[test]
fn a_callee_whose_answer_names_our_own_media_port_ends_the_call_by_name() {
    let callee_port = sipp::free_port();
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(&format!(
            "<Dial action=\"/done\"><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"
        )),
        _ => Answer::twiml("<Hangup/>"),
    });
    let gateway = gateway_with(&application);
    let find = "<recv request=\"INVITE\" crlf=\"true\"><action><ereg regexp=\"m=audio ([0-9]+)\" \
                search_in=\"msg\" assign_to=\"line,media\"/></action></recv>";
    let scenario = sipp::callee("", "0")
        .replace("<recv request=\"INVITE\" crlf=\"true\"/>", find)
        .replace("[media]", "[$media]");
    let scenario = scenario + "<Reference variables=\"line\"/>\n";
    let callee = Sipp::new(&scenario).with(&format!("-p {callee_port} -m 1")).spawn();
    let alice = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&scenario, alice.port()).start(gateway.sip_udp);
    callee.finish().expect_success();
    let done = application.wait_for_path("/done");
    assert_eq!(done.parameter("DialCallStatus"), Some("failed"));
    call.finish().expect_success();
    let metrics = gateway.settled();
    assert_eq!(metrics.sum("media_packets_dropped_total", "own_socket"), 0, "{metrics:#?}");
}

/// One party's sockets for RTP and, on the next port, RTCP.
struct Phone {
    rtp: Party,
    rtcp: UdpSocket,
}

impl Phone {
    fn new() -> Self {
        loop {
            let rtp = Party::new();
            let Some(port) = rtp.port().checked_add(1) else { continue };
            let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port)) else { continue };
            rtcp.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            return Self { rtp, rtcp };
        }
    }

    /// A receiver report of `ssrc`.
    fn report(&self, to: SocketAddr, ssrc: u32) {
        let report = [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat();
        self.rtcp.send_to(&report, to).expect("sent");
    }
}

/// 20 ms of a stream of one byte.
fn frame(ssrc: u32, number: u16, byte: u8) -> Packet {
    Packet {
        payload_type: 0,
        marker: number == 0,
        sequence: number,
        timestamp: u32::from(number) * 160,
        ssrc,
        payload: vec![byte; 160],
    }
}

/// A caller joined with a callee that answers with `change` made to its scenario.
fn joined(
    change: impl Fn(String) -> String,
    alice: u16,
    bob: u16,
) -> (Gateway, Application, [Running; 2]) {
    let callee_port = sipp::free_port();
    let application = Application::start(move |_| {
        Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"))
    });
    let gateway = gateway_with(&application);
    let callee = Sipp::new(&change(sipp::callee("", "0 101")))
        .key("media", &bob.to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(2_500);
    let call = Sipp::caller(&scenario, alice).start(gateway.sip_udp);
    (gateway, application, [callee, call])
}

const MEDIA: u32 = 0xA11CE;
const STRAY: u32 = 0x57A7;

#[test]
fn the_phone_that_sdp_names_is_heard_and_served_although_a_stray_one_at_its_address_was_first() {
    let (alice, stray, bob) = (Phone::new(), Phone::new(), Party::new());
    let (gateway, _application, calls) = joined(|callee| callee, alice.rtp.port(), bob.port());
    let (_, media) = alice.rtp.receive().expect("silence, or the bridge");
    bob.receive().expect("silence, or the bridge");
    let reports = SocketAddr::new(media.ip(), media.port() + 1);
    let mut pace = Pace::every_ms(20);
    for number in 0..10 {
        stray.rtp.send(media, &frame(STRAY, number, 0x66));
        pace.tick();
    }
    for number in 0..30 {
        alice.rtp.send(media, &frame(MEDIA, number, 0x31));
        stray.rtp.send(media, &frame(STRAY, 10 + number, 0x66));
        if number % 10 == 5 {
            alice.report(reports, MEDIA);
            stray.report(reports, STRAY);
        }
        pace.tick();
    }
    let heard = bob.receive_until(25, |packet| packet.payload == [0x31; 160]);
    assert_eq!(heard.len(), 25);
    // Media and the final report go to the real address of the phone.
    let mut bytes = [0; 2_048];
    let (_, source) = alice.rtcp.recv_from(&mut bytes).expect("a report");
    assert_eq!(source, reports);
    for call in calls {
        call.finish().expect_success();
    }
    stray.rtcp.set_nonblocking(true).expect("a socket");
    assert!(stray.rtcp.recv_from(&mut bytes).is_err(), "a report for a stray");
    let metrics = gateway.settled();
    assert!(metrics.sum("media_packets_dropped_total", "rtcp_stranger") >= 1, "{metrics:#?}");
    assert!(metrics.sum("media_packets_dropped_total", "stranger") >= 20, "{metrics:#?}");
}

#[test]
fn a_callee_that_sends_keys_under_its_own_number_is_understood() {
    let (alice, bob) = (Party::new(), Party::new());
    let renumber = |callee: String| callee.replace(":101 ", ":96 ").replace(" 0 101", " 0 96");
    let (_gateway, _application, calls) = joined(renumber, alice.port(), bob.port());
    let (_, media) = bob.receive().expect("silence, or the bridge");
    alice.receive().expect("silence, or the bridge");
    let mut stream = Stream::new(9);
    stream.press(&bob, media, 96, 7);
    // 101 is the gateway's own number, which this phone did not agree to.
    stream.press(&bob, media, 101, 3);
    let ends = alice
        .receive_until(6, |packet| packet.payload_type == 101 && packet.payload[1] & 0x80 != 0);
    let keys: Vec<u8> = ends.iter().map(|packet| packet.payload[0]).collect();
    assert_eq!(keys, [7, 7, 7, 3, 3, 3]);
    for call in calls {
        call.finish().expect_success();
    }
}

#[test]
fn an_offer_with_feedback_and_events_without_a_mapping_is_served() {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Gather numDigits=\"1\" timeout=\"10\" action=\"/pressed\"/>"),
        _ => Answer::twiml("<Hangup/>"),
    });
    let gateway = gateway_with(&application);
    let scenario = (sipp::invite("") + &sipp::answered() + &sipp::hung_up())
        .replace("RTP/AVP [formats]", "RTP/AVPF [formats]")
        .replace("a=rtpmap:101 telephone-event/8000", "a=rtcp-fb:* nack")
        .replace("a=fmtp:101 0-16", "a=fmtp:101 0-15");
    let alice = Party::new();
    let call = Sipp::caller(&scenario, alice.port()).start(gateway.sip_udp);
    let (_, media) = alice.receive().expect("silence");
    Stream::new(9).press(&alice, media, 101, 5);
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("5"));
    let messages = call.finish().expect_success().messages();
    assert!(messages.contains("RTP/AVPF 0 101"), "{messages}");
}
