//! Session descriptions as long as browsers write them: hundreds of lines about video, ICE and feedback
//! that the gateway does not read. SIPp sends them as caller and as callee.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sipp::{self, Sipp};

/// Attribute lines of a section: a browser writes 166 to 284.
fn attributes(count: usize) -> String {
    let line = |number: usize| match number % 4 {
        0 => format!(
            "a=candidate:{number} 1 udp 2113937151 192.0.2.1 {} typ host\n",
            40_000 + number
        ),
        1 => format!("a=ssrc:{number} cname:browser\n"),
        2 => format!("a=rtcp-fb:{} nack pli\n", 96 + number % 32),
        _ => format!("a=extmap:{number} urn:ietf:params:rtp-hdrext:sdes:mid\n"),
    };
    (0..count).map(line).collect()
}

/// The scenario with `audio` more lines in its audio section, and `video` in a section of video.
fn as_browser(scenario: &str, audio: usize, video: usize) -> String {
    let formats: String = (96..128).map(|number| format!(" {number}")).collect();
    let video_section = match video {
        0 => String::new(),
        count => format!("m=video 40002 RTP/AVP{formats}\n{}", attributes(count)),
    };
    scenario.replace("a=ptime:20", &format!("a=ptime:20\n{}{video_section}", attributes(audio)))
}

/// Another INVITE in the dialog, with that offer, and its ACK.
fn reinvite(direction: &str) -> String {
    let offer = "v=0\no=caller 1 2 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
                 m=audio [media] RTP/AVP [formats]\na=ptime:20\n";
    let media = format!("a={direction}\n");
    let more = "Content-Type: application/sdp\n";
    let invite =
        sipp::request_in_dialog("INVITE", 3, more, &offer.replace("a=ptime", &(media + "a=ptime")));
    let invite =
        invite.replace("To: <sip:[user]@[domain]>", "To: <sip:[user]@[domain]>[peer_tag_param]");
    let ack = sipp::request_in_dialog("ACK", 3, "", "").replace("retrans=\"500\"", "");
    format!(
        "{invite}<recv response=\"100\" optional=\"true\"/>\n<recv response=\"200\" rrs=\"true\"/>\n{ack}"
    )
}

#[test]
fn a_call_with_descriptions_as_long_as_a_browsers_is_bridged_held_and_resumed() {
    let callee_port = sipp::free_port();
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => {
            Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"))
        }
        _ => Answer::status(204),
    });
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let (alice, bob) = (Party::new(), Party::new());
    let callee = Sipp::new(&as_browser(&sipp::callee("", "0 101"), 72, 0))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    let scenario = sipp::invite("")
        + &sipp::answered()
        + "<pause milliseconds=\"500\"/>\n"
        + &reinvite("sendonly")
        + &reinvite("sendrecv").replace("CSeq: 3", "CSeq: 4")
        + &sipp::hang_up_after(500).replace("CSeq: 3", "CSeq: 5");
    let caller = Sipp::caller(&as_browser(&scenario, 72, 284), alice.port())
        .call(gateway.sip_udp, 1)
        .expect_success();
    callee.finish().expect_success();
    bob.receive().expect("the bridge");
    let messages = caller.messages();
    let refused = messages.matches("m=video 0 RTP/AVP 96").count();
    assert_eq!(refused, 3, "RFC 3264 §6: a section that is not wanted has port 0\n{messages}");
}
