//! Hosted call control: Twimlets and TwiML Bins that answer calls inside of the gateway.

use std::time::Duration;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sipp::{self, Sipp};

/// What the vendor's quick start of SIP has a domain point at.
const SEED: &str = "https://twimlets.com/message?Message%5B0%5D=Congratulations!%20You%20just%20made%20your\
    %20first%20call%20with%20Twilio%20SIP.";
const SEED_SENTENCE: &str = "Congratulations! You just made your first call with Twilio SIP.";

/// A domain whose calls `voice_url` answers.
fn domain(gateway: &Gateway, name: &str, voice_url: &str) -> String {
    let domain = gateway.domain(name, &[("VoiceUrl", voice_url)]);
    gateway.allow_address(&domain, "127.0.0.1");
    domain
}

/// Calls a user until the gateway hangs up; the samples that were heard, silence at both ends left out.
fn heard(gateway: &Gateway, domain: &str) -> Vec<u8> {
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let scenario = scenario.replace("[domain]", &format!("{domain}.sip.sidetone.test"));
    let caller = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let audio = std::thread::spawn(move || {
        let first = party.receive().into_iter().map(|(packet, _)| packet);
        let first: Vec<_> = first.collect();
        party.socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        let mut packets = party.receive_until(usize::MAX, |_| true);
        packets.splice(0..0, first);
        packets
    });
    caller.finish().expect_success();
    let mut packets = audio.join().expect("no panic");
    packets.sort_by_key(|packet| packet.timestamp);
    let samples: Vec<u8> = packets.into_iter().flat_map(|packet| packet.payload).collect();
    let is_loud = |sample: &u8| sample & 0x7F != 0x7F;
    let first = samples.iter().position(is_loud).expect("something was heard");
    let last = samples.iter().rposition(is_loud).expect("something was heard");
    samples[first..=last].to_vec()
}

#[test]
fn the_seeds_twimlet_is_heard_as_its_url_is_written() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml(&format!("<Say>{SEED_SENTENCE}</Say>")));
    domain(&gateway, "desk", SEED);
    domain(&gateway, "own", &application.url("/voice"));
    let twimlet = heard(&gateway, "desk");
    assert!(twimlet.len() > 2 * 8_000, "a sentence of {} samples", twimlet.len());
    assert_eq!(twimlet, heard(&gateway, "own"), "the sentence by an application of the customer's");
    let metrics = String::from_utf8_lossy(&gateway.get("/metrics").body).into_owned();
    let hosted: Vec<_> = metrics.lines().filter(|line| line.contains("webhook_hosted")).collect();
    assert!(hosted.contains(&"webhook_hosted_total 1"), "{hosted:?}");
}
