//! Parties that change address, port, codec and key, hold and resume, in every phase of a call; SIP and
//! media by Python, OpenSSL and libsrtp2.

use crate::application::{Answer, Application};
use crate::gateway::{Gateway, fast_path_is_denied};
use crate::phone::DOMAIN;
use crate::{sdk, sipp, tls};

/// The parties that use TLS and SRTP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secure {
    Nobody,
    Caller,
    Both,
}

/// Plays `media_changes.py`.
fn play(gateway: &Gateway, secure: Secure, files: &[String]) {
    let callee_port = sipp::free_port();
    let more = if secure == Secure::Both { ";secure=true" } else { "" };
    let application = Application::start(move |asked| {
        let to = asked.parameter("To").unwrap_or_default();
        match asked.path.as_str() {
            "/voice" if to.contains("onbridge") => Answer::twiml(&format!(
                "<Dial answerOnBridge=\"true\"><Sip>sip:bob@127.0.0.1:{callee_port}{more}</Sip></Dial>"
            )),
            "/voice" if to.contains("bob") => Answer::twiml(&format!(
                "<Dial><Sip>sip:bob@127.0.0.1:{callee_port}{more}</Sip></Dial>"
            )),
            "/voice" if to.contains("gather") => Answer::twiml(
                "<Gather numDigits=\"1\" action=\"/pressed\"><Play loop=\"0\">/level.wav</Play></Gather>",
            ),
            "/voice" => Answer::twiml("<Play loop=\"0\">/level.wav</Play>"),
            "/level.wav" => Answer::file("audio/wav", level_wav()),
            _ => Answer::twiml("<Hangup/>"),
        }
    });
    let is_secure = if secure == Secure::Nobody { "false" } else { "true" };
    let voice = application.url("/voice");
    let domain = gateway.domain("desk", &[("VoiceUrl", &voice), ("Secure", is_secure)]);
    gateway.allow_address(&domain, "127.0.0.1");
    let address = gateway.sip_tls.unwrap_or(gateway.sip_udp).to_string();
    let port = callee_port.to_string();
    let mut arguments = vec![address.as_str(), DOMAIN, port.as_str()];
    arguments.extend(files.iter().map(String::as_str));
    arguments.extend((secure == Secure::Caller).then_some("mixed"));
    let output = sdk::python_file("media_changes.py", &arguments).output().expect("Python runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(printed.contains("\nover"), "{printed}\n{errors}");
    if secure != Secure::Caller {
        assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("5"));
    }
}

#[test]
fn either_party_changes_and_holds_its_media_in_every_phase() {
    let gateway = Gateway::start_with_sip("extensions = [\"all\"]\n", "");
    play(&gateway, Secure::Nobody, &[]);
    gateway.settled();
}

#[test]
fn either_party_changes_and_holds_its_media_while_the_kernel_relays_it() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start_with_sip("extensions = [\"all\"]\n", "fast_path = \"tc\"\n");
    play(&gateway, Secure::Nobody, &[]);
    let metrics = gateway.settled();
    assert!(metrics.sum("media_fast_path_packets_total", "") > 100, "{metrics:#?}");
}

#[test]
fn either_party_changes_and_holds_its_media_over_tls_with_srtp() {
    play_over_tls(Secure::Both);
}

#[test]
fn either_party_changes_and_holds_its_media_where_one_is_in_the_clear() {
    play_over_tls(Secure::Caller);
}

fn play_over_tls(secure: Secure) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [certificate, key, authority] = tls::foreign_certificate(folder.path(), &["127.0.0.1"]);
    let more = format!("extensions = [\"all\"]\ntls_ca = {authority:?}\n");
    let gateway = Gateway::start_with_tls(&more, "");
    let files = [tls::authorities(&gateway), certificate, key];
    play(&gateway, secure, &files.map(|path| path.display().to_string()));
    let metrics = gateway.settled();
    assert_eq!(metrics.sum("media_packets_dropped_total", "srtp_replayed"), 0, "{metrics:#?}");
}

/// Half a second of one level: 16 bit, 8,000 Hz, mono.
fn level_wav() -> Vec<u8> {
    let data = 4_000 * 2u32;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend_from_slice(&(36 + data).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    for word in [16u32, 0x0001_0001, 8_000, 16_000, 0x0010_0002] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&data.to_le_bytes());
    (0..4_000).for_each(|_| bytes.extend_from_slice(&8_000i16.to_le_bytes()));
    bytes
}
