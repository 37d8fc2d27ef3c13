//! Media of phones that people use, off the beaten track: IPv6, long packets, silence that is not sent.
//!
//! pjsua2 from PyPI is built without IPv6, so that is baresip's part.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::impairment;
use crate::registrar;
use crate::rtp::{Party, Talker};
use crate::sdk;
use crate::sipp;
use crate::transfers;

const PASSWORD: &str = "Secret-Passw0rd";

/// The figures of the only call.
fn quality(gateway: &Gateway) -> Value {
    let calls = gateway.fetch("Calls.json").json();
    let [call] = &calls["calls"].as_array().expect("a list")[..] else { panic!("{calls:#}") };
    impairment::quality(gateway, call["sid"].as_str().expect("a SID"))
}

fn number(quality: &Value, name: &str) -> f64 {
    quality[name].as_f64().unwrap_or_else(|| panic!("no {name} in {quality:#}"))
}

#[test]
fn silence_that_a_phone_does_not_send_is_no_loss_and_keeps_its_length_in_a_recording() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Record maxLength=\"6\" timeout=\"30\" playBeep=\"false\" action=\"/recorded\"/>",
        ),
        _ => Answer::twiml("<Hangup/>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("spurts.wav");
    std::fs::write(&says, spurts()).expect("writable");
    let target = format!("sip:1000@{}", gateway.sip_udp);
    let heard = folder.path().join("heard.wav").display().to_string();
    let arguments = [&*target, "alice", PASSWORD, "PCMU", &heard, "wait=10"];
    let mut pjsua = sdk::python_file("pjsua_call.py", &arguments);
    let output = pjsua.env("SAYS", &says).output().expect("pjsua2 runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let recorded = application.wait_for_path("/recorded");
    assert_eq!(recorded.parameter("RecordingDuration"), Some("6"), "{printed}");
    let quality = quality(&gateway);
    assert_eq!(number(&quality, "packets_lost"), 0.0, "{quality:#}");
    let received = number(&quality, "packets_received");
    assert!((40.0..240.0).contains(&received), "of 300 in six seconds: {quality:#}");
    assert_eq!(number(&quality, "stream_restarts"), 0.0, "{quality:#}");
    assert!(number(&quality, "r_factor") > 85.0, "{quality:#}");
}

#[test]
fn an_echo_returns_a_phones_own_voice_to_it() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application = Application::start(|_| Answer::twiml("<Echo length=\"6\"/><Hangup/>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("spurts.wav");
    std::fs::write(&says, spurts()).expect("writable");
    let target = format!("sip:1000@{}", gateway.sip_udp);
    let wav = folder.path().join("heard.wav");
    let path = wav.display().to_string();
    let arguments = [&*target, "alice", PASSWORD, "PCMA", &path, "wait=10"];
    let mut pjsua = sdk::python_file("pjsua_call.py", &arguments);
    let output = pjsua.env("SAYS", &says).output().expect("pjsua2 runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("over"), "{printed}");
    // Six seconds: of the half-second spurts at least two, at the 16,000 Hz that pjsua2 records with.
    let heard = registrar::loud(&wav);
    assert!((8_000..60_000).contains(&heard), "the phone heard {heard} loud samples\n{printed}");
    let quality = quality(&gateway);
    assert_eq!(number(&quality, "packets_dropped"), 0.0, "{quality:#}");
    assert!(number(&quality, "r_factor") > 85.0, "{quality:#}");
}

#[test]
fn a_phone_that_sends_no_silence_and_one_with_packets_of_60_ms_hear_each_other() {
    let gateway = Gateway::start_with_default_domain("desk");
    let port = sipp::free_port();
    let application = Application::start(move |_| {
        Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>"))
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let bob = Party::new();
    let callee = transfers::callee(port, &bob, None);
    let bob = Talker::start(bob, 0xB0, 60);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("spurts.wav");
    std::fs::write(&says, spurts()).expect("writable");
    let target = format!("sip:1000@{}", gateway.sip_udp);
    let wav = folder.path().join("heard.wav");
    let path = wav.display().to_string();
    let arguments = [&*target, "alice", PASSWORD, "PCMU", &path, "wait=4", "hangup"];
    let mut pjsua = sdk::python_file("pjsua_call.py", &arguments);
    let output = pjsua.env("SAYS", &says).output().expect("pjsua2 runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    callee.finish().expect_success();
    // Four seconds: of alice's half-second spurts one or two, each of 25 packets; of bob all, at
    // the 16,000 Hz that pjsua2 records with.
    let spurts = bob.loud();
    assert!((15..100).contains(&spurts), "bob heard {spurts} loud packets\n{printed}");
    let heard = registrar::loud(&wav);
    assert!(heard > 52_000, "alice heard {heard} loud samples\n{printed}");
    let calls = gateway.fetch("Calls.json").json();
    let calls = calls["calls"].as_array().expect("a list");
    let of = |direction: &str| {
        let call = calls.iter().find(|call| call["direction"] == direction).expect("that call");
        impairment::quality(&gateway, call["sid"].as_str().expect("a SID"))
    };
    let (alice, bob) = (of("inbound"), of("outbound-dial"));
    assert_eq!(number(&bob, "packet_ms"), 60.0, "{bob:#}");
    assert_eq!(number(&alice, "packet_ms"), 20.0, "{alice:#}");
    for quality in [&alice, &bob] {
        assert_eq!(number(quality, "packets_lost"), 0.0, "{quality:#}");
        assert_eq!(number(quality, "packets_dropped"), 0.0, "{quality:#}");
    }
}

/// Half a second of noise and two seconds of silence, over and over: 16 bit, 8,000 Hz, mono.
fn spurts() -> Vec<u8> {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as i16) / 4
    };
    let samples = (0..60_000).map(|at| if at % 20_000 < 4_000 { noise() } else { 0 });
    wav(&samples.collect::<Vec<i16>>())
}

fn wav(samples: &[i16]) -> Vec<u8> {
    let data = samples.len() as u32 * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend_from_slice(&(36 + data).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    for word in [16u32, 0x0001_0001, 8_000, 16_000, 0x0010_0002] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&data.to_le_bytes());
    samples.iter().for_each(|sample| bytes.extend_from_slice(&sample.to_le_bytes()));
    bytes
}

#[test]
fn baresip_talks_over_ipv6_and_hears_the_packets_of_40_ms_that_it_asks_for() {
    let gateway = Gateway::start_on_ipv6_with_default_domain("desk");
    // baresip reports every 5 s; what it sends in the first millisecond may come before our port is open.
    let application = Application::start(|_| {
        Answer::twiml("<Say>Hello from the gateway.</Say><Pause length=\"5\"/><Hangup/>")
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let printed = baresip(&gateway, folder.path());
    assert!(printed.contains("Call established"), "{printed}");
    let quality = quality(&gateway);
    let (sent, received) = (number(&quality, "packets_sent"), number(&quality, "packets_received"));
    // Our answer asks for 20 ms, baresip's offer for 40.
    assert_eq!(number(&quality, "packet_ms"), 20.0, "{quality:#}\n{printed}");
    assert!(received > 100.0 && (1.5..2.5).contains(&(received / sent)), "{quality:#}\n{printed}");
    assert_eq!(number(&quality, "packets_lost"), 0.0, "{quality:#}");
    assert_eq!(number(&quality, "packets_dropped"), 0.0, "{quality:#}");
    // Its SDP names another address than it speaks from: reports find their way back all the same.
    assert!(number(&quality, "rtcp_received") > 0.0, "{quality:#}");
    assert!(number(&quality, "rtcp_sent") > 0.0, "{quality:#}");
}

/// One call of baresip over IPv6: what it printed.
fn baresip(gateway: &Gateway, folder: &Path) -> String {
    std::fs::write(folder.join("says.wav"), spurts()).expect("writable");
    let config = format!(
        "sip_listen [::1]:0\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\n\
         module aufile.so\nmodule_app account.so\nmodule_app menu.so\n\
         audio_player nil\naudio_source aufile,{}\n",
        folder.join("says.wav").display(),
    );
    std::fs::write(folder.join("config"), config).expect("writable");
    let account =
        format!("<sip:alice@[::1]>;auth_user=alice;auth_pass={PASSWORD};regint=0;ptime=40\n");
    std::fs::write(folder.join("accounts"), account).expect("writable");
    std::fs::write(folder.join("contacts"), "").expect("writable");
    let output = Command::new("baresip")
        .args(["-6", "-f"])
        .arg(folder)
        .args(["-t", "8", "-e"])
        .arg(format!("/dial sip:1000@{}", gateway.sip_udp))
        .stdin(Stdio::null())
        .output()
        .expect("baresip is installed (make clients)");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
