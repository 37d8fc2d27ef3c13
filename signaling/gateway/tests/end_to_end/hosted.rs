//! Hosted call control: Twimlets and TwiML Bins that answer calls inside of the gateway.

use std::time::Duration;

use serde_json::Value;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sdk;
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

/// The most common bin in the field, and a sentence that says what it saw.
const BIN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>\n  {{! who calls whom }}\n  \
    <Say>{{#e164}}{{From}}{{/e164}} calls {{#e164}}{{To}}{{/e164}}, {{CallStatus}}.</Say>\n</Response>";

fn bin(gateway: &Gateway, content: &str) -> String {
    let form = [("FriendlyName", "who"), ("Content", content)];
    gateway.create("TwimlBins.json", &form).text("sid")
}

#[test]
fn a_bin_is_heard_with_the_parameters_of_the_call() {
    let gateway = Gateway::start("");
    let application =
        Application::start(|_| Answer::twiml("<Say>alice calls 1000, ringing.</Say>"));
    let sid = bin(&gateway, BIN);
    domain(&gateway, "desk", &format!("https://handler.twilio.com/twiml/{sid}"));
    domain(&gateway, "own", &application.url("/voice"));
    assert_eq!(heard(&gateway, "desk"), heard(&gateway, "own"));
}

#[test]
fn a_bin_that_is_gone_leaves_the_call_to_the_fallback_and_the_status_callback_comes() {
    let gateway = Gateway::start("[hosted]\nrewrite = false\n");
    let application = Application::start(|_| Answer::twiml("<Reject reason=\"busy\"/>"));
    let sid = bin(&gateway, "<Response><Hangup/></Response>");
    let url = format!("https://handler.sidetone.test/twiml/{sid}");
    let (fallback, status) = (application.url("/fallback"), application.url("/status"));
    let urls = [
        ("VoiceUrl", url.as_str()),
        ("VoiceFallbackUrl", fallback.as_str()),
        ("VoiceStatusCallbackUrl", status.as_str()),
    ];
    let domain = gateway.domain("desk", &urls);
    gateway.allow_address(&domain, "127.0.0.1");
    let path = format!("/2010-04-01/Accounts/{}/TwimlBins/{sid}.json", crate::gateway::ACCOUNT);
    assert_eq!(crate::rest::request(&gateway, "DELETE", &path, &[]).status, 204);
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::refused(486);
    let caller = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let asked = application.wait_for_path("/fallback");
    assert_eq!(asked.parameter("ErrorCode"), Some("11200"));
    assert_eq!(asked.parameter("ErrorUrl"), Some(url.as_str()));
    application.wait_for_path("/status");
    caller.finish().expect_success();
}

#[test]
fn a_bin_lives_by_rest_and_answers_whoever_has_its_url() {
    let gateway = Gateway::start("");
    let broken = "<Response>\n{{#From}}<Say></Response>";
    let refused =
        gateway.post("TwimlBins.json", &[("FriendlyName", "who"), ("Content", broken)]).json();
    assert_eq!(refused["code"], 12100, "{refused}");
    assert_eq!(refused["message"], "Content, line 2, column 1: {{#From}} is not closed");
    let sid = bin(&gateway, "<Response><Say>{{From}}</Say></Response>");
    let listed = gateway.fetch("TwimlBins.json").json();
    assert_eq!(listed["twiml_bins"][0]["sid"], Value::from(sid.as_str()));
    let content = "<Response><Dial>{{#Dest}}<Number>{{.}}</Number>{{/Dest}}</Dial></Response>";
    gateway.create(&format!("TwimlBins/{sid}.json"), &[("Content", content)]);
    for path in [format!("/twiml/{sid}"), format!("http://handler.sidetone.test/twiml/{sid}")] {
        let answer = gateway.get(&format!("{path}?Dest[]=1&Dest[]=%3C2"));
        let document = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{path}: {document}");
        let numbers = "<Number>1</Number><Number>&lt;2</Number>";
        assert_eq!(document, format!("<Response><Dial>{numbers}</Dial></Response>"));
    }
    let nobody = "/twiml/EH00000000000000000000000000000001";
    assert_eq!(gateway.get(nobody).status, 404);
    assert_eq!(gateway.get("http://twimlets.sidetone.test/nothing").status, 404);
}

/// A resource of each kind that the gateway does not have.
fn gone() -> [String; 4] {
    let account = crate::gateway::ACCOUNT;
    [
        "https://handler.sidetone.test/twiml/EH00000000000000000000000000000001".to_owned(),
        format!("https://webhooks.sidetone.test/v1/Accounts/{account}/Flows/FW{:032}", 1),
        "https://hello-1234.functions.sidetone.test/welcome".to_owned(),
        "https://twimlets.sidetone.test/nothing".to_owned(),
    ]
}

/// What points at a hosted resource, and the name of its status callback.
const POINTERS: [(&str, &str); 3] = [
    ("domain", "VoiceStatusCallbackUrl"),
    ("number", "StatusCallback"),
    ("application", "StatusCallback"),
];

#[test]
fn each_kind_fails_to_the_fallback_of_domains_numbers_and_applications() {
    let gateway = Gateway::start(
        "[[trunk]]\nname = \"carrier\"\naddresses = [\"127.0.0.1/32\"]\ndomain = \"desk\"\n",
    );
    let application = Application::start(|_| Answer::twiml("<Reject reason=\"busy\"/>"));
    gateway.domain("desk", &[]);
    for (kind, url) in gone().into_iter().enumerate() {
        for (pointer, status) in POINTERS {
            let path = format!("/{kind}/{pointer}");
            let of = |callback: &str| application.url(&format!("{path}/{callback}"));
            let (fallback, told) = (of("fallback"), of("status"));
            let urls = [("VoiceUrl", &*url), ("VoiceFallbackUrl", &*fallback), (status, &*told)];
            let target = target(&gateway, pointer, &format!("+1555010{kind}"), &urls);
            let scenario = sipp::invite("") + &sipp::refused(486);
            let scenario = scenario.replace("sip:[user]@[domain]", &target);
            let party = Party::new();
            Sipp::caller(&scenario, party.port()).call(gateway.sip_udp, 1).expect_success();
            let asked = application.wait_for_path(&format!("{path}/fallback"));
            assert_eq!(asked.parameter("ErrorCode"), Some("11200"), "{path}");
            assert_eq!(asked.parameter("ErrorUrl"), Some(&*url), "{path}");
            let told = application.wait_for_path(&format!("{path}/status"));
            assert_eq!(told.parameter("CallStatus"), Some("busy"), "{path}");
        }
    }
}

/// Makes a domain, a number, or a number with an application; what a caller dials to reach it.
fn target(gateway: &Gateway, pointer: &str, prefix: &str, urls: &[(&str, &str)]) -> String {
    if pointer == "domain" {
        let name = format!("kind{}", &prefix[1..]);
        let domain = gateway.domain(&name, urls);
        gateway.allow_address(&domain, "127.0.0.1");
        return format!("sip:1000@{name}.sip.sidetone.test");
    }
    let number = format!("{prefix}{}", pointer.len());
    let mut form = vec![("PhoneNumber", number.as_str())];
    let application;
    if pointer == "application" {
        application = gateway.create("Applications.json", urls).text("sid");
        form.push(("VoiceApplicationSid", &application));
    } else {
        form.extend(urls);
    }
    gateway.create("IncomingPhoneNumbers.json", &form);
    format!("sip:{number}@desk.sip.sidetone.test")
}

/// What each of the four handlers is called in a voice URL.
const HANDLERS: &str = "urls = ['https://handler.twilio.com/twiml/EH' + 32 * 'a', \
    'https://webhooks.twilio.com/v1/Accounts/AC' + 32 * 'a' + '/Flows/FW' + 32 * 'b', \
    'https://hello-1234.twil.io/welcome', 'https://twimlets.com/message?Message%5B0%5D=a']\n";

#[test]
fn domains_numbers_and_applications_take_the_url_of_each_kind_by_both_sdks() {
    let gateway = Gateway::start("");
    let printed = sdk::python(
        &gateway,
        &format!(
            "{HANDLERS}for n, url in enumerate(urls):\n    \
             made = [client.sip.domains.create(domain_name=f'd{{n}}.sip.sidetone.test', voice_url=url),\n        \
             client.applications.create(friendly_name=f'a{{n}}', voice_url=url),\n        \
             client.incoming_phone_numbers.create(phone_number=f'+1500555000{{n}}', voice_url=url)]\n    \
             print([one.fetch().voice_url for one in made] == [url, url, url])\n"
        ),
    );
    assert_eq!(printed, "True\n".repeat(4));
    let printed = sdk::node(
        &gateway,
        "const domains = await client.sip.domains.list();\n\
         for (const domain of domains.reverse()) {\n\
         const changed = await client.sip.domains(domain.sid).update({ voiceUrl: domain.voiceUrl + '#rc=1' });\n\
         console.log(changed.voiceUrl); }",
    );
    assert_eq!(printed.lines().filter(|line| line.ends_with("#rc=1")).count(), 4, "{printed}");
}
