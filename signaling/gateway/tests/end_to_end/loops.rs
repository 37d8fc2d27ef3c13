//! Calls that somebody sends back to us: they come to an end, and the account hears of it.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::kamailio::Kamailio;
use crate::rtp::Party;
use crate::sipp::{self, Sipp};

/// Hops of the first INVITE: as many rounds are made, and no more.
const HOPS: usize = 12;

#[test]
fn a_kamailio_that_sends_a_trunks_calls_back_is_stopped_by_max_forwards() {
    let port = sipp::free_port();
    let gateway = Gateway::start(&format!(
        "[[trunk]]\nname = \"pbx\"\ntargets = [\"sip:127.0.0.1:{port}\"]\n\
         addresses = [\"127.0.0.1/32\"]\ndomain = \"desk\"\n"
    ));
    let party = Party::new();
    let _pbx = Kamailio::sending_back(port, gateway.sip_udp.port(), party.port());
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Dial answerOnBridge=\"true\" action=\"/done\"><Number>+15550123</Number></Dial>",
        ),
        _ => Answer::twiml(""),
    });
    gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    let scenario = sipp::invite("") + &sipp::refused(503);
    let scenario = scenario.replace("Max-Forwards: 70", &format!("Max-Forwards: {HOPS}"));
    let caller = Sipp::new(&scenario)
        .key("user", "+15550123")
        .key("domain", "desk.sip.sidetone.test")
        .key("media", &party.port().to_string())
        .key("formats", "0");
    caller.call(gateway.sip_udp, 1).expect_success();

    let asked = application.asked();
    let rounds: Vec<_> = asked.iter().filter(|one| one.path == "/voice").collect();
    assert_eq!(rounds.len(), HOPS);
    // The PBX writes the carrier's realm: the call is known by its source.
    let of_the_pbx = rounds[1];
    assert_eq!(of_the_pbx.parameter("SipDomain"), Some("desk.sip.sidetone.test"));
    assert_eq!(of_the_pbx.parameter("To"), Some("+15550123"));
    let last = asked.iter().find(|one| one.path == "/done").expect("the innermost call's action");
    assert_eq!(last.parameter("DialCallStatus"), Some("failed"));
    let refused = "signaling_refusals_requests_total{rule=\"max_forwards\"}";
    assert_eq!(gateway.metrics().value(refused), 1);
    let told = gateway.fetch("Notifications.json").json();
    let told = told["notifications"].as_array().expect("a list");
    assert!(told.iter().any(|one| one["error_code"] == "32006"), "{told:?}");
    gateway.metrics_when("all over", |metrics| metrics.value("signaling_calls_live") == 0);
}
