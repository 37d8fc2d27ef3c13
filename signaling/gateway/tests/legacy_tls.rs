//! The older cipher suites of the feature `legacy-tls`: ten suites of the contract, by OpenSSL's client.

#[path = "end_to_end/gateway.rs"]
#[expect(dead_code, reason = "shared with the other end-to-end tests")]
mod gateway;
#[path = "end_to_end/lan.rs"]
#[expect(dead_code, reason = "shared with the other end-to-end tests")]
mod lan;
#[path = "end_to_end/program.rs"]
#[expect(dead_code, reason = "shared with the other end-to-end tests")]
mod program;
#[path = "end_to_end/rtp.rs"]
#[expect(dead_code, reason = "shared with the other end-to-end tests")]
mod rtp;
#[path = "end_to_end/wait.rs"]
#[expect(dead_code, reason = "shared with the other end-to-end tests")]
mod wait;
#[path = "end_to_end/wire.rs"]
#[expect(dead_code, reason = "shared with the other end-to-end tests")]
mod wire;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use gateway::Gateway;

/// The ten TLS 1.2 suites of the contract (signaling/contract/sip.md 11).
const SUITES: [&str; 10] = [
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
];

fn start() -> Gateway {
    Gateway::start_with_tls("legacy_tls = true\n", "")
}

fn s_client(gateway: &Gateway, more: &str) -> String {
    let ca = gateway.folder.path().join("data/tls/ca.pem");
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &gateway.tls().to_string(), "-verify_return_error"])
        .arg("-CAfile")
        .arg(ca)
        .args(more.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn all_ten_suites_are_spoken_on_one_port_and_nothing_older() {
    let gateway = start();
    for suite in SUITES {
        let printed = s_client(&gateway, &format!("-tls1_2 -cipher {suite}"));
        assert!(printed.contains(&format!("Cipher is {suite}")), "{suite}: {printed}");
        assert!(printed.contains("Verify return code: 0 (ok)"), "{suite}: {printed}");
    }
    assert!(s_client(&gateway, "-tls1_3").contains("TLSv1.3, Cipher is TLS_"));
    for more in ["-tls1_1 -cipher ALL:@SECLEVEL=0", "-tls1_2 -cipher DHE-RSA-AES128-SHA"] {
        let printed = s_client(&gateway, more);
        assert!(printed.contains("Cipher is (NONE)"), "{more}: {printed}");
    }
}

#[test]
fn sip_goes_both_ways_over_an_older_suite_and_the_connection_stays() {
    let gateway = start();
    let mut child = Command::new("openssl")
        .args(["s_client", "-quiet", "-tls1_2", "-cipher", "AES128-SHA", "-connect"])
        .arg(gateway.tls().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let (mut to, mut from) =
        (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    for number in 0..3 {
        // Longer than one read of a socket, so that records come in parts.
        let long = "x".repeat(20_000);
        let request = format!(
            "OPTIONS sip:nobody.sip.sidetone.test SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK{number}\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{long}",
            long.len()
        );
        to.write_all(request.as_bytes()).expect("written");
        let mut answer = Vec::new();
        let mut buffer = [0; 4_096];
        while !answer.ends_with(b"\r\n\r\n") {
            let count = from.read(&mut buffer).expect("readable");
            assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&buffer[..count]);
        }
        assert!(answer.starts_with(b"SIP/2.0 403 "), "{}", String::from_utf8_lossy(&answer));
    }
    let _ = child.kill();
    let _ = child.wait();
}
