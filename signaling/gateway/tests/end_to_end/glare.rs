//! Both sides change a call at once (RFC 3261 §14): SIPp's re-INVITE meets the gateway's.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::sipp::{self, Sipp, request_in_dialog};

/// Saves a header of what was received.
fn saved(header: &str, variable: &str) -> String {
    format!("<ereg regexp=\".*\" search_in=\"hdr\" header=\"{header}:\" assign_to=\"{variable}\"/>")
}

/// A response to the INVITE whose headers were saved.
fn answer_saved(status: &str, more: &str) -> String {
    format!(
        "<send><![CDATA[\nSIP/2.0 {status}\nVia:[$via]\nFrom:[$from]\nTo:[$to]\nCall-ID: [call_id]\n\
         CSeq:[$cseq]\n{more}\n]]></send>\n"
    )
}

const SDP: &str = "v=0\no=caller 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
                   m=audio [media] RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n\
                   a=fmtp:101 0-16\na=ptime:20\n";

const OWN_VIA: &str = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]";

/// The gateway refreshes the session after 45 s by a re-INVITE, as SIPp serves no UPDATE; while that
/// one waits for its answer, SIPp sends one of its own.
#[test]
fn both_sides_offer_at_once_get_491_and_go_on_after_their_waits() {
    let gateway = Gateway::start_with_sip("extensions = [\"timer\"]\n", "");
    let application =
        Application::start(|_| Answer::twiml("<Say>Hello.</Say><Pause length=\"100\"/>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let timer = "Supported: timer\nSession-Expires: 90;refresher=uas\nAllow: INVITE, ACK, BYE\n";
    let contact = "Contact: <sip:alice@[local_ip]:[local_port];transport=[transport]>\n";
    let sdp = format!("{contact}Content-Type: application/sdp\nContent-Length: [len]\n\n{SDP}");
    let agreed = "Require: timer\nSession-Expires: 90;refresher=uac\n";
    let own = |sequence: u32| {
        request_in_dialog("INVITE", sequence, "Content-Type: application/sdp\n", SDP).replacen(
            "@[domain]>\n",
            "@[domain]>[peer_tag_param]\n",
            1,
        )
    };
    let acknowledged =
        |sequence: u32| request_in_dialog("ACK", sequence, "", "").replace(" retrans=\"500\"", "");
    let of_ours = saved("Via", "via") + &saved("From", "from") + &saved("To", "to");
    let scenario = sipp::invite_with_digest("alice", PASSWORD, timer)
        + &sipp::answered()
        + &format!(
            "<recv request=\"INVITE\" timeout=\"60000\"><action>{of_ours}{}</action></recv>\n",
            saved("CSeq", "cseq")
        )
        + &own(3)
        + "<recv response=\"100\" optional=\"true\"/>\n<recv response=\"491\"/>\n"
        + &acknowledged(3).replacen(OWN_VIA, "[last_Via:]", 1)
        + &answer_saved("491 Request Pending", "Content-Length: 0\n")
        + "<recv request=\"ACK\"/>\n"
        // We did not make the Call-ID: up to two seconds, then again.
        + &format!(
            "<recv request=\"INVITE\" timeout=\"4000\"><action>{of_ours}{}</action></recv>\n",
            saved("CSeq", "cseq")
        )
        + &answer_saved("200 OK", &format!("{agreed}{sdp}"))
        + "<recv request=\"ACK\"/>\n<pause milliseconds=\"200\"/>\n"
        + &own(4)
        + "<recv response=\"100\" optional=\"true\"/>\n<recv response=\"200\"/>\n"
        + &acknowledged(4)
        + &request_in_dialog("BYE", 5, "", "")
        + "<recv response=\"200\"/>\n";
    let messages = Sipp::caller(&scenario, sipp::SILENT_MEDIA_PORT)
        .with("-timeout 75s")
        .call(gateway.sip_udp, 1)
        .expect_success()
        .messages();
    // One from each side, and what was lost of them again.
    assert!(messages.matches("SIP/2.0 491").count() >= 2, "{messages}");
    gateway.settled();
}
