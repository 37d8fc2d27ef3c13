//! Phones that people use: pjsua2 and baresip.

use std::process::{Command, Stdio};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::sdk;

const PASSWORD: &str = "Secret-Passw0rd";

pub fn pjsua(gateway: &Gateway, codec: &str, steps: &[&str]) -> (String, Vec<i16>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wav = folder.path().join("heard.wav");
    let target = format!("sip:1000@127.0.0.1:{}", gateway.sip_udp.port());
    let wav_text = wav.display().to_string();
    let mut arguments = vec![target.as_str(), "alice", PASSWORD, codec, wav_text.as_str()];
    arguments.extend_from_slice(steps);
    let output = sdk::python_file("pjsua_call.py", &arguments).output().expect("pjsua2 runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(printed.contains("\nover"), "{printed}\n{errors}");
    let bytes = std::fs::read(&wav).unwrap_or_default();
    let samples = bytes.get(44..).unwrap_or_default().chunks_exact(2);
    (printed, samples.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

pub fn loud(samples: &[i16]) -> usize {
    samples.iter().filter(|sample| sample.unsigned_abs() > 500).count()
}

#[test]
fn pjsua_hears_speech_presses_a_key_holds_and_resumes() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Gather numDigits=\"1\" timeout=\"20\" action=\"/pressed\"><Say>Press a key, please.</Say></Gather>",
        ),
        _ => Answer::twiml("<Say>Thank you very much. Goodbye.</Say>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let steps = ["wait=1", "hold", "wait=1", "resume", "wait=1", "press=5"];
    let (printed, heard) = pjsua(&gateway, "PCMA", &steps);
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("5"), "{printed}");
    assert!(printed.contains("CONFIRMED 200"), "{printed}");
    assert!(loud(&heard) > 4_000, "{} loud samples of {}\n{printed}", loud(&heard), heard.len());
}

#[test]
fn baresip_calls_with_digest_and_hears_speech() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application =
        Application::start(|_| Answer::twiml("<Say>Hello from the gateway.</Say><Hangup/>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wav = folder.path().join("silence.wav");
    std::fs::write(&wav, silent_wav(8_000)).expect("writable");
    let config = format!(
        "sip_listen 127.0.0.1:0\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\n\
         module aufile.so\nmodule_app account.so\nmodule_app menu.so\n\
         audio_player nil\naudio_source aufile,{}\n",
        wav.display(),
    );
    std::fs::write(folder.path().join("config"), config).expect("writable");
    let account = format!("<sip:alice@127.0.0.1>;auth_user=alice;auth_pass={PASSWORD};regint=0\n");
    std::fs::write(folder.path().join("accounts"), account).expect("writable");
    std::fs::write(folder.path().join("contacts"), "").expect("writable");
    let output = Command::new("baresip")
        .args(["-f"])
        .arg(folder.path())
        .args(["-t", "8", "-e"])
        .arg(format!("/dial sip:1000@127.0.0.1:{}", gateway.sip_udp.port()))
        .stdin(Stdio::null())
        .output()
        .expect("baresip is installed (make clients)");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("SipUsername"), Some("alice"));
    assert!(printed.contains("Call established"), "{printed}");
    assert!(printed.contains("terminated") || printed.contains("closed"), "{printed}");
}

/// A WAV file of silence: 16 bit, 8,000 Hz, mono.
pub fn silent_wav(samples: u32) -> Vec<u8> {
    let data = samples * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend_from_slice(&(36 + data).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    for word in [16u32, 0x0001_0001, 8_000, 16_000, 0x0010_0002] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&data.to_le_bytes());
    bytes.resize(bytes.len() + data as usize, 0);
    bytes
}
