//! REST from inside the webhook that names a call: it knows the call from that moment on.

use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Sipp};

/// Calls an application that asks about each call inside its webhooks; it finds all that it asks for.
fn run(gateway: &Gateway, callee: &str, path: &str, scenario: &str, calls: u32, webhooks: usize) {
    let script = format!("callee = {callee:?}\n{}", include_str!("rest_in_webhook.py"));
    let mut application = sdk::python_running(gateway, &script);
    let port = application.next_line();
    let voice_url = format!("http://127.0.0.1:{port}{path}");
    let status_url = format!("http://127.0.0.1:{port}/status");
    let settings = [("VoiceUrl", voice_url.as_str()), ("VoiceStatusCallbackUrl", &status_url)];
    let domain = gateway.domain("desk", &settings);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let caller = Sipp::caller(scenario, party.port())
        .with(&format!("-r 100 -m {calls} {}", gateway.sip_udp))
        .spawn();
    let lines: Vec<String> = (0..webhooks).map(|_| application.next_line()).collect();
    caller.finish().expect_success();
    let bad: Vec<&String> = lines.iter().filter(|line| !line.ends_with(" ok")).collect();
    assert!(bad.is_empty(), "{} of {}: {bad:#?}", bad.len(), lines.len());
}

#[test]
fn a_call_is_known_to_every_read_and_update_from_inside_its_voice_webhook() {
    let gateway = Gateway::start("");
    let scenario = sipp::invite("") + &sipp::refused(486);
    // Each call: the voice webhook, in which it is updated, and the status callback.
    run(&gateway, "", "/updated", &scenario, 40, 80);
}

#[test]
fn a_child_call_is_known_from_inside_its_own_callbacks() {
    let gateway = Gateway::start("");
    let port = sipp::free_port();
    let bob = Party::new();
    let _callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {port}"))
        .spawn();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(700);
    // Each call: voice, four callbacks of the child, the status callback.
    let callee = format!("sip:bob@127.0.0.1:{port}");
    run(&gateway, &callee, "/dials", &scenario, 8, 48);
}
