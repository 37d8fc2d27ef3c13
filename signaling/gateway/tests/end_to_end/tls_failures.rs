//! TLS that does not come about, with pjsua2 and OpenSSL on the other side: the account learns why.

use std::path::Path;
use std::process::Command;

use crate::gateway::Gateway;
use crate::phone::{Callee, DOMAIN};
use crate::program::Program;
use crate::sipp;
use crate::tls::{authorities, foreign_certificate, foreign_certificate_until, s_client};
use crate::wait;

impl Gateway {
    /// Calls `to` by REST; returns the code of the notification with this text.
    fn told_of_call(&self, to: &str, words: &str) -> String {
        let twiml = "<Response><Hangup/></Response>";
        let call = self.create("Calls.json", &[("To", to), ("From", "1000"), ("Twiml", twiml)]);
        let sid = call.text("sid");
        let code = self.told(&format!("Calls/{sid}/Notifications.json"), words);
        let timeline = self.wait_for_timeline(&sid);
        assert!(timeline.contains("TLS with"), "{timeline}");
        code
    }

    /// The code of the only notification that has these words.
    fn told(&self, path: &str, words: &str) -> String {
        wait::found(words, || {
            let rows = self.fetch(path).json()["notifications"].clone();
            let of = |row: &serde_json::Value, key: &str| {
                row[key].as_str().unwrap_or_default().to_owned()
            };
            let all = rows.as_array().cloned().unwrap_or_default();
            let told: Vec<_> =
                all.iter().filter(|row| of(row, "message_text").contains(words)).collect();
            match told.as_slice() {
                [row] => Ok(of(row, "error_code")),
                _ => Err(format!("not once: {rows}")),
            }
        })
    }
}

/// OpenSSL as a peer that speaks TLS 1.1 at most.
struct OldPeer {
    port: u16,
    _program: Program,
}

impl OldPeer {
    fn start(certificate: &Path, key: &Path) -> Self {
        let port = sipp::free_port();
        let mut command = Command::new("openssl");
        command
            .args(["s_server", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-cert")
            .arg(certificate)
            .arg("-key")
            .arg(key);
        let mut program = Program::start(&mut command);
        program.wait_for("ACCEPT");
        Self { port, _program: program }
    }
}

#[test]
fn a_callee_whose_tls_cannot_be_used_is_named_to_the_account_with_the_reason() {
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let [believed, expired, unknown] = &folders;
    let [certificate, key, authority] = foreign_certificate(believed.path(), &["127.0.0.1"]);
    let [old_certificate, old_key, old_authority] =
        foreign_certificate_until(expired.path(), &["127.0.0.1"], 2_020);
    let [other_certificate, other_key, _] = foreign_certificate(unknown.path(), &["127.0.0.1"]);
    let both = believed.path().join("both.pem");
    let texts = [&authority, &old_authority].map(|path| std::fs::read(path).expect("written"));
    std::fs::write(&both, texts.concat()).expect("writable");
    let gateway = Gateway::start_with_tls(&format!("tls_ca = {both:?}\n"), "");
    let reason = |to: &str, code: &str, rule: &str, words: &str| {
        assert_eq!(gateway.told_of_call(to, words), code, "{to}");
        let metric = format!("transport_tls_handshakes_failed_total{{reason=\"{rule}\"}}");
        assert_eq!(gateway.metrics().value(&metric), 1, "{rule}");
        gateway.wait_for_log(rule);
    };
    let uri = |host: &str, port: u16| format!("sip:bob@{host}:{port};transport=tls");
    let callee = Callee::start(&other_certificate, &other_key);
    let to = uri("127.0.0.1", callee.port);
    reason(&to, "32011", "tls_unknown_authority", "No authority that this gateway trusts");
    let callee = Callee::start(&old_certificate, &old_key);
    reason(&uri("127.0.0.1", callee.port), "32011", "tls_wrong_date", "has expired");
    let callee = Callee::start(&certificate, &key);
    reason(&uri("localhost", callee.port), "32011", "tls_wrong_name", "for another name");
    let peer = OldPeer::start(&certificate, &key);
    reason(&uri("127.0.0.1", peer.port), "32222", "tls_old_version", "TLS 1.1 or older");
}

#[test]
fn a_phone_that_speaks_tls_1_1_at_most_is_named_to_the_account_of_its_domain() {
    let gateway = Gateway::start_with_tls("", "");
    gateway.domain_to_register("http://127.0.0.1:9/voice", &[]);
    let ca = authorities(&gateway);
    for version in ["-tls1_1", "-tls1"] {
        let name = DOMAIN;
        let more = format!("{version} -cipher ALL:@SECLEVEL=0 -servername {name}");
        let printed = s_client(gateway.tls(), &ca, &more);
        assert!(printed.contains("alert protocol version"), "{version}: {printed}");
    }
    // Both came within the time in which an account hears of the same once.
    assert_eq!(gateway.told("Notifications.json", "TLS 1.1 or older"), "32222");
    let metric = "signaling_refusals_requests_total{rule=\"tls_old_version\"}";
    assert_eq!(gateway.metrics().value(metric), 2);
}
