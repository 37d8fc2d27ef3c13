//! SIPVicious scans us: it learns nothing, and the counters tell.

use std::process::{Command, Stdio};

use crate::gateway::Gateway;
use crate::phone::PASSWORD;

#[test]
fn a_scan_for_devices_by_address_finds_no_device() {
    let gateway = Gateway::start("");
    gateway.domain_with_user("desk", "http://127.0.0.1:9/voice", "alice", PASSWORD);
    let said = scan(&["svmap", "-p", &gateway.sip_udp.port().to_string(), "127.0.0.1"]);
    assert!(said.contains("found nothing"), "{said}");
    let metrics = gateway.metrics();
    assert!(metrics.value("signaling_refusals_requests_total{rule=\"unknown_domain\"}") > 0);
}

#[test]
fn a_scan_for_users_cannot_tell_one_that_is_there() {
    let gateway = Gateway::start("");
    gateway.domain_to_register("http://127.0.0.1:9/voice", &[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dictionary = words(&folder, "user", 30, "alice");
    let target = format!("udp://127.0.0.1:{}", gateway.sip_udp.port());
    let arguments = ["svwar", "--force", DOMAIN, "--maximumtime=3", "-d", &dictionary, &target];
    let said = scan(&arguments);
    assert!(!said.contains("alice") && said.contains("found nothing"), "alice stands out: {said}");
    let metrics = gateway.metrics();
    assert!(metrics.value("signaling_challenges_sent_total") > 0);
    assert_eq!(
        metrics.value("signaling_server_transactions"),
        0,
        "no state for unauthenticated sources"
    );
}

#[test]
fn a_guesser_of_passwords_is_locked_out_before_it_finds_the_right_one() {
    let gateway = Gateway::start("");
    gateway.domain_to_register("http://127.0.0.1:9/voice", &[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dictionary = words(&folder, "guess", 60, PASSWORD);
    let target = format!("udp://127.0.0.1:{}", gateway.sip_udp.port());
    let arguments =
        ["svcrack", DOMAIN, "--maximumtime=2", "-u", "alice", "-d", &dictionary, &target];
    let said = scan(&arguments);
    assert!(!said.contains(PASSWORD), "it was found: {said}");
    let metrics = gateway.metrics();
    let rule = |rule: &str| {
        metrics.value(&format!("signaling_refusals_requests_total{{rule=\"{rule}\"}}"))
    };
    let (wrong, locked) = (rule("wrong_credentials"), rule("digest_locked_out"));
    assert!(wrong == 20 && locked > 0, "{wrong} wrong, {locked} not heard\n{said}");
}

/// A file with this number of wrong words, then the right one.
fn words(folder: &tempfile::TempDir, stem: &str, count: usize, last: &str) -> String {
    let path = folder.path().join("words");
    let words: Vec<String> = (0..count).map(|number| format!("{stem}{number}")).collect();
    std::fs::write(&path, format!("{}\n{last}\n", words.join("\n"))).expect("writable");
    path.display().to_string()
}

const DOMAIN: &str = "--domain=desk.sip.sidetone.test";

/// The output of a scanner, with its colour codes.
fn scan(words: &[&str]) -> String {
    let (program, arguments) = words.split_first().expect("a program");
    let output = Command::new("timeout")
        .args(["20", program])
        .args(arguments)
        .stdin(Stdio::null())
        .env("HOME", std::env::temp_dir())
        .output()
        .expect("SIPVicious is installed (make clients)");
    let (out, err) = (output.stdout, output.stderr);
    format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err))
}
