//! Calls to and from carriers: registration, fail-over, names, redirects.

use std::net::{TcpListener, UdpSocket};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::kamailio::Kamailio;
use crate::name_server::{A, NAPTR, NameServer, SRV, naptr, srv};
use crate::rtp::Party;
use crate::sipp::{self, Running, Sipp};

/// A Kamailio that wants SHA-256 is registered at, called by, and called through.
#[test]
fn kamailio_as_a_carrier_has_us_calls_us_and_is_called_through() {
    let (alice, bob) = (Party::new(), Party::new());
    let (port, callee_port) = (sipp::free_port(), sipp::free_port());
    let carrier = Kamailio::carrier(port, callee_port);
    let gateway = Gateway::start(&format!(
        "[[trunk]]\nname = \"kamailio\"\ntargets = [\"sip:127.0.0.1:{port}\"]\n\
         register = \"sip:127.0.0.1:{port}\"\nusername = \"gw\"\npassword = \"secret\"\n\
         realm = \"provider.test\"\ndomain = \"desk\"\n"
    ));
    let application = Application::start(|_| {
        Answer::twiml("<Dial callerId=\"+15550199\"><Number>+15550123</Number></Dial>")
    });
    gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.metrics_when("registered", |metrics| metrics.value("signaling_trunks_registered") == 1);

    let callee = callee(callee_port, &bob, "[last_Record-Route:]\n");
    let identity = "P-Asserted-Identity: <sip:+15550188@provider.test>\n";
    let scenario = sipp::invite(identity) + &sipp::answered() + &sipp::hang_up_after(1_500);
    let caller = Sipp::new(&scenario)
        .key("user", "gw")
        .key("domain", &format!("127.0.0.1:{port}"))
        .key("media", &alice.port().to_string())
        .key("formats", "0");
    caller.call(([127, 0, 0, 1], carrier.port).into(), 1).expect_success();
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("From"), Some("+15550188"), "asserted by the carrier");
    let messages = callee.finish().expect_success().messages();
    let asserted = "P-Asserted-Identity: <sip:+15550199@sip.sidetone.test>";
    assert!(messages.contains(asserted), "{messages}");
    let (status, _folder) = gateway.terminate();
    assert!(status.success());
}

#[test]
fn a_number_goes_past_targets_that_refuse_say_no_or_say_nothing() {
    let (bob, callee_port) = (Party::new(), sipp::free_port());
    let refusing = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = refusing.local_addr().expect("bound").port();
    drop(refusing);
    let busy_port = sipp::free_port();
    let overloaded = final_response(busy_port, "503 Service Unavailable", "");
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let silent_port = silent.local_addr().expect("bound").port();
    let gateway = Gateway::start(&format!(
        "[[trunk]]\nname = \"carrier\"\ntargets = [\"sip:127.0.0.1:{closed};transport=tcp\", \
         \"sip:127.0.0.1:{busy_port}\", \"sip:127.0.0.1:{silent_port}\", \"sip:127.0.0.1:{callee_port}\"]\n"
    ));
    let callee = callee(callee_port, &bob, "");
    let call = gateway.create(
        "Calls.json",
        &[("To", "+15550123"), ("From", "+15550199"), ("Twiml", "<Response><Hangup/></Response>")],
    );
    callee.finish().expect_success();
    overloaded.finish().expect_success();
    let sid = call.text("sid");
    let notified = gateway.fetch(&format!("Calls/{sid}/Notifications.json")).json();
    let codes: Vec<&str> = notified["notifications"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["error_code"].as_str())
        .collect();
    assert_eq!(codes, ["32011", "32011", "32011"], "{notified}");
}

#[test]
fn naptr_and_srv_lead_to_the_server_that_takes_the_call() {
    let (bob, callee_port, busy_port) = (Party::new(), sipp::free_port(), sipp::free_port());
    let names = NameServer::start(vec![
        ("carrier.test", NAPTR, naptr(10, 10, "SIP+D2U", "_sip._udp.carrier.test")),
        ("_sip._udp.carrier.test", SRV, srv(10, 0, busy_port, "one.carrier.test")),
        ("_sip._udp.carrier.test", SRV, srv(20, 0, callee_port, "two.carrier.test")),
        ("one.carrier.test", A, vec![127, 0, 0, 1]),
        ("two.carrier.test", A, vec![127, 0, 0, 1]),
    ]);
    let gateway = Gateway::start_asking(names.address);
    let overloaded = final_response(busy_port, "503 Service Unavailable", "");
    let callee = callee(callee_port, &bob, "");
    gateway.create(
        "Calls.json",
        &[
            ("To", "sip:bob@carrier.test"),
            ("From", "alice"),
            ("Twiml", "<Response><Hangup/></Response>"),
        ],
    );
    callee.finish().expect_success();
    overloaded.finish().expect_success();
    assert_eq!(names.asked()[0], ("carrier.test".to_owned(), NAPTR));
    gateway.metrics_when("failed over", |metrics| metrics.value("signaling_failovers_total") == 1);
}

#[test]
fn a_redirect_is_followed_to_where_it_leads() {
    let (bob, callee_port, moved_port) = (Party::new(), sipp::free_port(), sipp::free_port());
    let contact = format!("Contact: <sip:carol@127.0.0.1:{callee_port}>\n");
    let moved = final_response(moved_port, "302 Moved Temporarily", &contact);
    let gateway = Gateway::start("");
    let callee = callee(callee_port, &bob, "");
    gateway.create(
        "Calls.json",
        &[
            ("To", &format!("sip:bob@127.0.0.1:{moved_port}")),
            ("From", "alice"),
            ("Twiml", "<Response><Hangup/></Response>"),
        ],
    );
    let messages = callee.finish().expect_success().messages();
    assert!(messages.contains("INVITE sip:carol@"), "{messages}");
    moved.finish().expect_success();
}

/// Hosts that carriers write in place of our domain: a number, their own realm, another address.
#[test]
fn a_carrier_is_known_by_its_address_whatever_its_request_uri_names() {
    let gateway = Gateway::start(
        "[[trunk]]\nname = \"carrier\"\naddresses = [\"127.0.0.1/32\"]\ndomain = \"desk\"\n",
    );
    let application = Application::start(|_| Answer::twiml("<Reject reason=\"busy\"/>"));
    gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    let party = Party::new();
    let targets = ["tel:+15550123", "sip:+15550123@carrier.example", "sip:+15550123@10.0.0.1"];
    for (count, target) in (1..).zip(targets) {
        let scenario = sipp::invite("") + &sipp::refused(486);
        let caller = Sipp::new(&scenario.replace("sip:[user]@[domain]", target))
            .key("media", &party.port().to_string())
            .key("formats", "0");
        caller.call(gateway.sip_udp, 1).expect_success();
        let asked = application.asked();
        assert_eq!(asked.len(), count, "{target}");
        let last = asked.last().expect("one a call");
        assert_eq!(last.parameter("To"), Some("+15550123"), "{target}");
        assert_eq!(last.parameter("SipDomain"), Some("desk.sip.sidetone.test"), "{target}");
    }
}

#[test]
fn calls_of_a_carrier_without_an_application_are_refused_and_its_account_is_notified() {
    let gateway = Gateway::start("[[trunk]]\nname = \"carrier\"\naddresses = [\"127.0.0.1/32\"]\n");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::refused(404);
    let caller = Sipp::new(&scenario.replace("sip:[user]@[domain]", "tel:+15550123"))
        .key("media", &party.port().to_string())
        .key("formats", "0");
    let messages = caller.call(gateway.sip_udp, 1).expect_success().messages();
    assert!(messages.contains("X-Twilio-Error: 32002 "), "{messages}");
    let told = gateway.fetch("Notifications.json").json();
    assert_eq!(told["notifications"][0]["error_code"], "32002", "{told}");
}

fn callee(port: u16, party: &Party, headers: &str) -> Running {
    Sipp::new(&sipp::callee(headers, "0"))
        .key("media", &party.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn()
}

/// A server that answers one INVITE so.
fn final_response(port: u16, status: &str, headers: &str) -> Running {
    let scenario = format!(
        "<recv request=\"INVITE\"/>\n<send retrans=\"500\"><![CDATA[\nSIP/2.0 {status}\n\
         [last_Via:]\n[last_From:]\n[last_To:];tag=b\n[last_Call-ID:]\n[last_CSeq:]\n{headers}\
         Content-Length: 0\n]]></send>\n<recv request=\"ACK\"/>\n"
    );
    Sipp::new(&scenario).with(&format!("-p {port} -m 1")).spawn()
}
