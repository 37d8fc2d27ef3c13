//! Extensions in real dialogs: PRACK, UPDATE, session timers, INFO digits, late offers, hold; each with
//! its switch on and off.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::rtp::Party;
use crate::sipp::{self, Finished, Sipp, request_in_dialog};
use crate::transfers;
const ALL: &str = "extensions = [\"all\"]\n";
const RELAY: &str = "Content-Type: application/dtmf-relay\n";

fn gathering(gateway: &Gateway) -> Application {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Gather numDigits=\"1\" timeout=\"10\" action=\"/pressed\"/>"),
        _ => Answer::twiml("<Hangup/>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    application
}

fn play(gateway: &Gateway, scenario: &str) -> Finished {
    Sipp::caller(scenario, sipp::SILENT_MEDIA_PORT).call(gateway.sip_udp, 1).expect_success()
}

/// A response whose header must look like this.
fn checked(response: &str, header: &str, pattern: &str, variable: &str) -> String {
    format!(
        "<recv response=\"{response}\" rrs=\"true\"><action><ereg regexp=\"{pattern}\" \
         search_in=\"hdr\" header=\"{header}:\" check_it=\"true\" assign_to=\"{variable}\"/>\
         </action></recv>\n"
    )
}

fn digit(sequence: u32, key: char) -> String {
    request_in_dialog("INFO", sequence, RELAY, &format!("Signal={key}\nDuration=160"))
}

#[test]
fn prack_update_a_session_timer_and_a_digit_by_info_where_they_are_switched_on() {
    let gateway = Gateway::start_with_sip(ALL, "");
    let application = gathering(&gateway);
    let asked = "Require: 100rel\nSupported: timer\nSession-Expires: 120;refresher=uac\n";
    let invite = sipp::invite_with_digest("alice", PASSWORD, asked);
    let (invite, _) = invite.split_once("<recv response=\"180\"").expect("it may ring");
    let scenario = invite.to_owned()
        + &checked("180", "RSeq", "[0-9]+", "1")
        + &request_in_dialog("PRACK", 3, "RAck: [$1] 2 INVITE\n", "")
        + "<recv response=\"200\"/>\n"
        + &sipp::answered().replacen(
            "<recv response=\"200\" rrs=\"true\"/>\n",
            &checked("200", "Session-Expires", "120;refresher=uac", "2"),
            1,
        )
        + &request_in_dialog("UPDATE", 4, "Supported: timer\nSession-Expires: 120\n", "")
        + &checked("200", "Session-Expires", "120", "3")
        + &request_in_dialog("OPTIONS", 5, "", "")
        + &checked("200", "Allow", "PRACK, UPDATE, INFO", "4")
        + &digit(6, '5')
        + "<recv response=\"200\"/>\n"
        + &sipp::hung_up()
        + "<Reference variables=\"2,3,4\"/>\n";
    play(&gateway, &scenario);
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("5"));
    gateway.settled();
}

#[test]
fn without_their_switches_they_are_420_405_and_400() {
    let gateway = Gateway::start("");
    let _application = gathering(&gateway);
    let refused = |headers: &str, status: u16| {
        sipp::invite_with_digest("alice", PASSWORD, headers) + &sipp::refused(status)
    };
    play(&gateway, &refused("Require: 100rel\n", 420));
    play(&gateway, &refused("Require: timer\n", 420));
    let info = sipp::invite_with_digest("alice", PASSWORD, "")
        + &sipp::answered()
        + &digit(3, '5')
        + &checked("405", "Allow", "REFER, NOTIFY", "1")
        + &request_in_dialog("BYE", 4, "", "")
        + "<recv response=\"200\"/>\n<Reference variables=\"1\"/>\n";
    play(&gateway, &info);
    play(&gateway, &sipp::without_offer(&refused("", 400)));
    gateway.settled();
}

#[test]
fn an_invite_without_an_offer_gets_ours_and_its_ack_brings_the_answer() {
    let gateway = Gateway::start_with_sip("extensions = [\"late-offer\"]\n", "");
    let _application = gathering(&gateway);
    let party = Party::new();
    let early = sipp::without_offer(&sipp::invite_with_digest("alice", PASSWORD, ""));
    let scenario = early
        + &sipp::answered_with_offer()
        + "<pause milliseconds=\"700\"/>\n"
        + &request_in_dialog("BYE", 3, "", "")
        + "<recv response=\"200\"/>\n";
    let running = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let (packet, _) = party.receive().expect("media to the address in the ACK");
    assert_eq!(packet.payload_type, 0);
    running.finish().expect_success();
}

#[test]
fn pjsua_with_100rel_and_timers_holds_resumes_updates_and_presses_a_key_by_info() {
    let gateway =
        Gateway::start_with_sip("default_domain = \"desk\"\nextensions = [\"all\"]\n", "");
    let application = gathering(&gateway);
    let steps = ["100rel", "timer", "call=1000", "hold=0", "wait=0.4", "resume=0", "wait=0.4"];
    let more = ["update=0", "wait=0.4", "info=7", "over=0"];
    let printed = transfers::printed(transfers::phone(&gateway, &[&steps[..], &more].concat()));
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("7"), "{printed}");
    let calls = gateway.fetch("Calls.json").json();
    let sid = calls["calls"][0]["sid"].as_str().expect("a call").to_owned();
    let timeline = gateway.fetch(&format!("Calls/{sid}/Timeline.json")).body;
    let timeline = String::from_utf8_lossy(&timeline).into_owned();
    for seen in ["PRACK", "UPDATE", "INFO", "recvonly", "sendrecv"] {
        assert!(timeline.contains(seen), "{seen}: {timeline}\n{printed}");
    }
}
