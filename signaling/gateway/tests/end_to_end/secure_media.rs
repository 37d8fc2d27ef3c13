//! SRTP with phones that others wrote: pjsua2 and baresip, and a peer made of libsrtp2.

use std::collections::BTreeSet;
use std::f64::consts::TAU;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::{Baresip, Caller, PASSWORD};
use crate::rtp::{Packet, Party};
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::wav;

#[test]
fn pjsua_with_srtp_hears_speech_presses_a_key_holds_and_resumes() {
    let gateway = Gateway::start_with_srtp("desk");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Gather numDigits=\"1\" timeout=\"20\" action=\"/pressed\"><Say>Press a key, please.</Say></Gather>",
        ),
        _ => Answer::twiml("<Say>Thank you very much. Goodbye.</Say>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let steps = ["srtp", "wait=1", "hold", "wait=1", "resume", "wait=1", "press=5"];
    let heard = Caller::new(&gateway).call(&steps);
    let printed = &heard.printed;
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("5"), "{printed}");
    assert!(printed.contains("CONFIRMED 200"), "{printed}");
    assert!(heard.loud() > 4_000, "{} loud samples\n{printed}", heard.loud());
    let metrics = gateway.settled();
    assert_eq!(metrics.sum("media_packets_dropped_total", "srtp"), 0, "{metrics:#?}");
}

#[test]
fn baresip_with_srtp_is_recorded() {
    let gateway = Gateway::start_with_srtp("desk");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Record maxLength=\"2\" playBeep=\"false\" timeout=\"0\" action=\"/recorded\"/>",
        ),
        _ => Answer::twiml("<Hangup/>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let printed = baresip(&gateway, ";mediaenc=srtp-mand");
    let asked = application.wait_for_path("/recorded");
    let url = asked.parameter("RecordingUrl").expect("a recording");
    let path = url.split_once("/2010").map(|(_, path)| format!("/2010{path}")).expect("our API");
    let file = gateway.get(&path).body;
    let samples = wav::samples(&file);
    assert!(samples.len() > 12_000, "{} samples\n{printed}", samples.len());
    let share = tone_share(&samples[samples.len() - 8_000..], 8_000.0);
    assert!(share > 0.9, "the tone is {share} of what was recorded\n{printed}");
    let metrics = gateway.settled();
    assert_eq!(metrics.sum("media_packets_dropped_total", "srtp"), 0, "{metrics:#?}");
}

#[test]
fn a_caller_with_srtp_and_a_callee_in_the_clear_hear_each_other() {
    let gateway = Gateway::start_with_srtp("desk");
    let callee_port = sipp::free_port();
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(&format!(
            "<Dial action=\"/done\"><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"
        )),
        _ => Answer::twiml("<Hangup/>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let bob = Party::new();
    let _callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    // Silence in the clear is one byte over and over; what is still ciphered is all bytes.
    let talking = std::thread::spawn(move || {
        let (_, to) = bob.receive().expect("the bridge, or silence before it");
        let mut silent = 0;
        for number in 0..150u16 {
            let payload = tone(number).to_vec();
            let timestamp = u32::from(number) * 160;
            let (marker, ssrc) = (number == 0, 0xB0B);
            let packet =
                Packet { payload_type: 0, marker, sequence: number, timestamp, ssrc, payload };
            bob.send(to, &packet);
            if let Some((packet, _)) = bob.receive() {
                silent += u32::from(packet.payload.iter().all(|byte| byte & 0x7F >= 0x7E));
            }
        }
        silent
    });
    let heard = Caller::new(&gateway).call(&["srtp", "wait=4", "hangup"]);
    let printed = &heard.printed;
    let silent = talking.join().expect("no panic");
    assert!(silent > 100, "{silent} packets of silence\n{printed}");
    let share =
        heard.samples.chunks(3_200).map(|part| tone_share(part, PJSUA_HZ)).fold(0.0, f64::max);
    assert!(share > 0.9, "the tone is {share} of what was heard\n{printed}");
}

#[test]
fn srtp_of_libsrtp_goes_on_past_the_wrap_with_offers_of_the_same_key_and_of_a_new_one() {
    const PACKETS: u32 = 12_000;
    let gateway = Gateway::start_with_srtp("desk");
    let callee_port = sipp::free_port();
    let application = Application::start(move |_| {
        Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"))
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let (address, port) = (gateway.sip_udp.to_string(), callee_port.to_string());
    let (packets, name) = (PACKETS.to_string(), "desk.sip.sidetone.test");
    let output = sdk::python_file("srtp_peer.py", &[&address, name, &port, &packets])
        .output()
        .expect("pylibsrtp is installed (make clients)");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = format!("over sent {PACKETS} compared {PACKETS} reports True wraps ");
    let wraps = printed.split_once(&last).and_then(|(_, wraps)| wraps.trim().parse::<u32>().ok());
    assert!(wraps.is_some_and(|wraps| wraps >= 1), "{printed}\n{errors}");
    let metrics = gateway.settled();
    // The one that came with the old key when its second was over.
    assert_eq!(metrics.sum("media_packets_dropped_total", "srtp_unauthentic"), 1, "{metrics:#?}");
    assert_eq!(metrics.sum("media_packets_dropped_total", "srtp"), 1, "{metrics:#?}");
}

#[test]
fn an_offer_of_srtp_is_refused_where_the_domain_does_not_allow_it() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application = Application::start(|_| Answer::twiml("<Say>Hello.</Say>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let printed = baresip(&gateway, ";mediaenc=srtp-mand");
    assert!(printed.contains("488"), "{printed}");
    assert!(application.asked().is_empty());
    let told = gateway.fetch("Notifications.json").json().to_string();
    assert!(told.contains("32207"), "{told}");
}

#[test]
fn a_secure_domain_serves_pjsua_over_tls_with_srtp_and_refuses_less() {
    let gateway = Gateway::start_with_tls("default_domain = \"desk\"\n", "");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Gather numDigits=\"1\" timeout=\"20\" action=\"/pressed\"><Say>Press a key, please.</Say></Gather>",
        ),
        _ => Answer::twiml("<Say>Thank you very much. Goodbye.</Say>"),
    });
    let domain = gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    gateway.create(&format!("SIP/Domains/{domain}.json"), &[("Secure", "true")]);
    let phone = Caller::over_tls(&gateway, "desk.sip.sidetone.test");
    // Its media begins anew, on another port with another key, before it presses.
    let steps = ["hold", "wait=0.5", "resume", "wait=0.5", "reinit", "wait=1", "press=5"];
    let heard = phone.call(&[&["srtp", "wait=0.5"][..], &steps].concat());
    let printed = &heard.printed;
    assert!(printed.contains("CONFIRMED 200"), "{printed}");
    let at: BTreeSet<&str> =
        printed.lines().filter_map(|line| line.strip_prefix("media at ")).collect();
    assert!(at.len() >= 2, "{printed}");
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("5"), "{printed}");
    assert!(heard.loud() > 4_000, "{} loud samples\n{printed}", heard.loud());

    // Over TLS in the clear, then SRTP without TLS.
    let printed = phone.call(&["wait=1"]).printed;
    assert!(printed.contains(" 488"), "{printed}");
    let printed = baresip(&gateway, ";mediaenc=srtp-mand");
    assert!(printed.contains("403"), "{printed}");
    let told = gateway.fetch("Notifications.json").json().to_string();
    assert!(told.contains("32208") && told.contains("32209"), "{told}");
    assert_eq!(gateway.settled().sum("media_packets_dropped_total", "srtp"), 0);
}

/// baresip calls, plays the tone, and is gone after some seconds: what it printed.
fn baresip(gateway: &Gateway, account: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let baresip = Baresip::new(folder.path(), "alice", "sip:alice@127.0.0.1")
        .account(format!(";regint=0{account}"))
        .saying(&wav::file((0..5 * 8_000).map(wave)));
    baresip.dial(&format!("sip:1000@{}", gateway.sip_udp), 5)
}

/// Hertz: whole periods in 20 ms.
const TONE_HZ: f64 = 500.0;
/// Sampling rate of pjsua2's recordings.
const PJSUA_HZ: f64 = 16_000.0;

fn wave(sample: usize) -> i16 {
    (8_000.0 * (TAU * TONE_HZ * sample as f64 / 8_000.0).sin()) as i16
}

/// 20 ms of the tone, mu-law; every packet is the same.
fn tone(_number: u16) -> [u8; 160] {
    std::array::from_fn(|sample| plane::g711::encode(shared::Codec::Pcmu, wave(sample)))
}

/// The share of the energy that is the tone (Goertzel); 0 for silence.
fn tone_share(samples: &[i16], rate_hz: f64) -> f64 {
    let (mut real, mut imaginary, mut energy) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let (phase, sample) = (TAU * TONE_HZ * at as f64 / rate_hz, f64::from(*sample));
        real += sample * phase.cos();
        imaginary += sample * phase.sin();
        energy += sample * sample;
    }
    if energy < 1e6 {
        0.0
    } else {
        2.0 * (real * real + imaginary * imaginary) / (energy * samples.len() as f64)
    }
}
