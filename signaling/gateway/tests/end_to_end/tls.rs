//! SIP over TLS with third-party peers: OpenSSL, baresip, pjsua2, curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::{Baresip, Callee, Caller, DOMAIN, PASSWORD};
use crate::wait::{self, Pace};
use crate::wav;

/// The gateway's authorities as a phone gets them, by HTTP.
pub fn authorities(gateway: &Gateway) -> PathBuf {
    let path = gateway.folder.path().join("ca.pem");
    let output = Command::new("curl")
        .args(["-sS", "--fail", &format!("http://{}/ca.pem", gateway.http), "-o"])
        .arg(&path)
        .output()
        .expect("curl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

/// `openssl s_client`, all it prints; the chain has to be believed.
pub fn s_client(address: SocketAddr, ca: &Path, more: &str) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string(), "-verify_return_error", "-CAfile"])
        .arg(ca)
        .args(more.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// The certificate that a client is shown: PEM, as `s_client` prints it.
fn shown(address: SocketAddr, ca: &Path, more: &str) -> String {
    let printed = s_client(address, ca, more);
    assert!(printed.contains("Verify return code: 0 (ok)"), "{printed}");
    let (_, rest) = printed.split_once("-----BEGIN CERTIFICATE-----").expect("a certificate");
    let (body, _) = rest.split_once("-----END CERTIFICATE-----").expect("its end");
    format!("-----BEGIN CERTIFICATE-----{body}-----END CERTIFICATE-----\n")
}

/// Whether a certificate is past its end.
fn has_expired(pem: &str) -> bool {
    let mut openssl = Command::new("openssl")
        .args(["x509", "-noout", "-checkend", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    openssl.stdin.take().expect("piped").write_all(pem.as_bytes()).expect("it reads");
    !openssl.wait().expect("it ends").success()
}

#[test]
fn certificates_of_our_own_are_renewed_before_they_expire_without_a_restart() {
    let gateway = Gateway::start_with_tls("tls_valid_s = 6\n", "");
    let (address, ca) = (gateway.tls(), authorities(&gateway));
    let name = format!("-servername {DOMAIN} -verify_hostname {DOMAIN}");
    for more in ["-noservername -verify_ip 127.0.0.1", &name] {
        let first = shown(address, &ca, more);
        wait::until("the first certificate has expired", || has_expired(&first));
        let second = shown(address, &ca, more);
        assert!(second != first && !has_expired(&second), "{more}");
    }
    gateway.wait_for_log("the gateway's own certificates were issued anew");
}

#[test]
fn openssl_gets_modern_versions_and_suites_only_and_a_certificate_for_the_name() {
    let gateway = Gateway::start_with_tls("", "");
    let (address, ca) = (gateway.tls(), authorities(&gateway));
    let ask = |more: &str| s_client(address, &ca, more);
    for (more, expected) in [
        ("-tls1_3", "TLSv1.3, Cipher is TLS_"),
        ("-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"),
        ("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "Cipher is ECDHE-RSA-AES128-GCM-SHA256"),
        ("-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", "Cipher is ECDHE-RSA-AES256-GCM-SHA384"),
        (
            "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256",
            "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        ("-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305", "Cipher is ECDHE-RSA-CHACHA20-POLY1305"),
    ] {
        let printed = ask(more);
        assert!(printed.contains(expected), "{more}: {printed}");
        assert!(printed.contains("Verify return code: 0 (ok)"), "{more}: {printed}");
    }
    for more in [
        "-tls1_1 -cipher ALL:@SECLEVEL=0",
        "-tls1 -cipher ALL:@SECLEVEL=0",
        "-tls1_2 -cipher AES128-SHA",
        "-tls1_2 -cipher AES256-GCM-SHA384",
        "-tls1_2 -cipher ECDHE-RSA-AES128-SHA256",
    ] {
        let printed = ask(more);
        assert!(printed.contains("Cipher is (NONE)"), "{more}: {printed}");
    }
    // The name itself, not only a wildcard, also on an edge and for a subdomain.
    for name in [DOMAIN, "desk.sip.sydney.sidetone.test", "a.desk.sip.sidetone.test"] {
        let printed = ask(&format!("-servername {name} -verify_hostname {name}"));
        assert!(printed.contains("Verify return code: 0 (ok)"), "{name}: {printed}");
        assert!(printed.contains(&format!("CN = {name}")), "{name}: {printed}");
    }
    let printed = ask("-noservername -verify_ip 127.0.0.1");
    assert!(printed.contains("Verify return code: 0 (ok)"), "{printed}");
    let metrics = gateway.metrics();
    let failed = |reason: &str| {
        metrics.value(&format!("transport_tls_handshakes_failed_total{{reason=\"{reason}\"}}"))
    };
    assert!(metrics.sum("transport_tls_handshakes_done_total", "version") >= 10);
    assert_eq!((failed("tls_old_version"), failed("tls_nothing_in_common")), (2, 3));
}

/// One SIP request by OpenSSL, and the response.
fn ask_by_openssl(gateway: &Gateway, request: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &gateway.tls().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(request.as_bytes()).expect("written");
    let mut stdout = child.stdout.take().expect("piped");
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    while !answer.ends_with(b"\r\n\r\n") {
        match stdout.read(&mut buffer) {
            Ok(count) if count > 0 => answer.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    String::from_utf8_lossy(&answer).into_owned()
}

fn invite(target: &str) -> String {
    format!(
        "INVITE {target} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bKt;rport\r\n\
         From: <sip:alice@127.0.0.1>;tag=1\r\nTo: <{target}>\r\nCall-ID: tls-{}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:alice@127.0.0.1:5061;transport=tls>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        target.len()
    )
}

#[test]
fn tls_to_an_address_or_an_unknown_domain_is_a_403_and_on_no_account() {
    let gateway = Gateway::start_with_tls("default_domain = \"desk\"\n", "");
    gateway.domain_with_user("desk", "http://127.0.0.1:9/", "alice", PASSWORD);
    for target in [
        format!("sip:1000@{}", gateway.tls()),
        "sip:1000@nobody.sip.sidetone.test".to_owned(),
        "sip:1000@www.example.com".to_owned(),
    ] {
        let answer = ask_by_openssl(&gateway, &invite(&target));
        assert!(answer.starts_with("SIP/2.0 403 "), "{target}: {answer}");
        assert!(!answer.contains("X-Twilio-Error"), "{target}: {answer}");
    }
    // Our domain challenges, `sips:` as well as `sip:`.
    for target in [format!("sip:1000@{DOMAIN}"), format!("sips:1000@{DOMAIN}")] {
        let answer = ask_by_openssl(&gateway, &invite(&target));
        assert!(answer.starts_with("SIP/2.0 407 "), "{target}: {answer}");
    }
    let notifications = gateway.fetch("Notifications.json").json();
    assert_eq!(notifications["notifications"], serde_json::json!([]), "{notifications}");
}

#[test]
fn pjsua_calls_over_tls_and_hears_speech() {
    let gateway = Gateway::start_with_tls("", "");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Gather numDigits=\"1\" timeout=\"20\" action=\"/pressed\"><Say>Press a key, please.</Say></Gather>",
        ),
        _ => Answer::twiml("<Say>Thank you very much. Goodbye.</Say>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let heard = Caller::over_tls(&gateway, DOMAIN).call(&["wait=1", "press=5"]);
    let printed = &heard.printed;
    assert!(printed.contains("CONFIRMED 200"), "{printed}");
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("5"), "{printed}");
    assert!(heard.loud() > 4_000, "{printed}");
}

#[test]
fn baresip_calls_over_tls_with_digest() {
    let gateway = Gateway::start_with_tls("", "");
    let application =
        Application::start(|_| Answer::twiml("<Say>Hello from the gateway.</Say><Hangup/>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let baresip = Baresip::new(folder.path(), "alice", format!("sip:alice@{DOMAIN};transport=tls"))
        .account(format!(";regint=0;outbound=\"sip:{};transport=tls\"", gateway.tls()))
        .trusting(&gateway)
        .saying(&wav::silence(8_000));
    let printed = baresip.dial(&format!("sip:1000@{DOMAIN};transport=tls"), 8);
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("SipUsername"), Some("alice"));
    assert!(printed.contains("Call established"), "{printed}");
}

#[test]
fn half_open_connections_and_a_flood_of_handshakes_delay_no_datagram() {
    let gateway = Gateway::start_with_tls("", "");
    gateway.domain_with_user("desk", "http://127.0.0.1:9/", "alice", PASSWORD);
    let address = gateway.tls();
    // Peers that say nothing at all: past twenty they are closed at once.
    let half_open: Vec<_> = (0..30).filter_map(|_| TcpStream::connect(address).ok()).collect();
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    udp.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    let flood = std::thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(2);
        let mut count = 0;
        while Instant::now() < end {
            // A new connection each, RSA: the dearest there is.
            let Ok(mut stream) = TcpStream::connect(address) else { continue };
            let _ = stream.write_all(&[0x16, 3, 1, 0, 200, 1, 0, 0]);
            count += 1;
        }
        count
    });
    let mut slowest = Duration::ZERO;
    let mut pace = Pace::every_ms(20);
    for number in 0..60 {
        let options = format!(
            "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKf{number};rport\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: f{number}\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            udp.local_addr().expect("bound")
        );
        let begun = Instant::now();
        udp.send_to(options.as_bytes(), gateway.sip_udp).expect("sent");
        let mut buffer = [0; 2_048];
        let count = udp.recv(&mut buffer).expect("answered");
        assert!(buffer[..count].starts_with(b"SIP/2.0 200 "));
        slowest = slowest.max(begun.elapsed());
        pace.tick();
    }
    let connections = flood.join().expect("the flood ends");
    assert!(connections > 100, "{connections}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    let closed = "transport_streams_closed_total{reason=\"handshakes_source_max\"}";
    assert!(gateway.metrics().value(closed) >= 10);
    drop(half_open);
}

/// A certificate for these names, by an authority of its own: the leaf's and key's files, and the authority's.
pub fn foreign_certificate(folder: &Path, names: &[&str]) -> [PathBuf; 3] {
    foreign_certificate_until(folder, names, 4_000)
}

/// The same, over at the end of that year.
pub fn foreign_certificate_until(folder: &Path, names: &[&str], year: i32) -> [PathBuf; 3] {
    let mut root = rcgen::CertificateParams::default();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let name = format!("authority of {}", folder.display());
    root.distinguished_name.push(rcgen::DnType::CommonName, name);
    let root_key = rcgen::KeyPair::generate().expect("a key");
    let root_certificate = root.self_signed(&root_key).expect("signed");
    let issuer = rcgen::Issuer::new(root, root_key);
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut leaf = rcgen::CertificateParams::new(names).expect("names");
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    leaf.not_after = rcgen::date_time_ymd(year, 12, 31);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = leaf.signed_by(&key, &issuer).expect("signed");
    let files = ["leaf.pem", "leaf.key", "authority.pem"].map(|name| folder.join(name));
    let texts = [certificate.pem(), key.serialize_pem(), root_certificate.pem()];
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, text).expect("writable");
    }
    files
}

#[test]
fn the_operators_files_are_read_again_and_no_connection_is_dropped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [certificate, key, authority] = foreign_certificate(folder.path(), &["pbx.example.com"]);
    let settings = format!("tls_certificate = {certificate:?}\ntls_key = {key:?}\n");
    let gateway = Gateway::start_with_tls(&settings, "");
    let verified = |name: &str| {
        let printed = s_client(
            gateway.tls(),
            &authority,
            &format!("-servername {name} -verify_hostname {name}"),
        );
        printed.contains("Verify return code: 0 (ok)")
    };
    assert!(verified("pbx.example.com"));
    let mut kept = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &gateway.tls().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let mut stdin = kept.stdin.take().expect("piped");
    let mut stdout = kept.stdout.take().expect("piped");
    let mut ping = || {
        stdin.write_all(b"\r\n\r\n").expect("written");
        let mut pong = [0; 2];
        stdout.read_exact(&mut pong).expect("the connection lives");
        assert_eq!(&pong, b"\r\n");
    };
    ping();

    std::fs::write(&certificate, "no certificate").expect("writable");
    gateway.signal("HUP");
    gateway.wait_for_log("stay as they are");
    gateway.wait_for_log("leaf.pem");
    assert!(verified("pbx.example.com"));

    let [_, _, authority_after] = foreign_certificate(folder.path(), &["new.example.com"]);
    assert_eq!(authority_after, authority);
    gateway.signal("HUP");
    gateway.wait_for_log("settings read again");
    assert!(verified("new.example.com"));
    ping();
    let _ = kept.kill();
    let _ = kept.wait();
}

#[test]
fn the_rest_api_is_served_over_https_with_the_same_certificate() {
    let gateway = Gateway::start_with_tls("", "");
    let ca = authorities(&gateway);
    drop(gateway);
    let gateway = Gateway::start_with_https();
    let url = format!("https://{}/readyz", gateway.listener("https"));
    let curl = |ca: &Path| {
        let output = Command::new("curl").args(["-sS", &url, "--cacert"]).arg(ca).output();
        let output = output.expect("curl is installed");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(curl(&authorities(&gateway)), (true, "ready\n".to_owned()));
    // Another gateway's authority is another one.
    assert!(!curl(&ca).0);
}

#[test]
fn a_call_out_over_tls_goes_to_a_peer_that_proves_its_name_and_to_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [certificate, key, authority] = foreign_certificate(folder.path(), &["127.0.0.1"]);
    let gateway = Gateway::start_with_tls(&format!("tls_ca = {authority:?}\n"), "");
    let application = Application::start(|_| Answer::status(204));
    let mut callee = Callee::start(&certificate, &key);
    let call = |to: &str| {
        gateway.create(
            "Calls.json",
            &[
                ("To", to),
                ("From", "alice"),
                ("Twiml", "<Response><Say>Hello.</Say></Response>"),
                ("StatusCallback", &application.url("/status")),
            ],
        );
    };
    // `sips:` is `sip:` over TLS.
    call(&format!("sips:bob@127.0.0.1:{}", callee.port));
    let invite = callee.wait_for("incoming");
    assert!(invite.contains("INVITE sip:bob@127.0.0.1"), "{invite}");
    assert!(invite.contains("transport=tls"), "{invite}");
    callee.wait_for("CONFIRMED");
    callee.wait_for("over");
    let status = application.wait_for_path("/status");
    assert_eq!(status.parameter("CallStatus"), Some("completed"));

    // The same peer by a name that its certificate does not carry: nothing of SIP leaves.
    let callee = Callee::start(&certificate, &key);
    call(&format!("sip:bob@localhost:{};transport=tls", callee.port));
    let failed = application.wait_for("a failed call", |asked| {
        asked.path == "/status" && asked.parameter("CallStatus") == Some("failed")
    });
    assert_eq!(failed.parameter("SipResponseCode"), Some("503"));
    let metric = "transport_tls_handshakes_failed_total{reason=\"tls_wrong_name\"}";
    assert!(gateway.metrics().value(metric) >= 1);
    gateway.wait_for_log("TLS towards a peer failed");
}

#[test]
fn our_own_phone_calls_over_tls_and_trusts_no_unknown_authority() {
    let gateway = Gateway::start_with_tls("", "");
    let application = Application::start(|_| Answer::twiml("<Say>Hello.</Say>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let ca = authorities(&gateway).display().to_string();
    let proxy = gateway.tls().to_string();
    let call = |more: &[&str]| {
        let target = format!("sips:1000@{DOMAIN}");
        let mut command = Command::new("timeout");
        command.arg("30").arg(crate::gateway::binary()).args(["phone", "call", &target]);
        command.args(["--proxy", &proxy, "--user", "alice", "--password", PASSWORD]).args(more);
        let output = command.stdin(Stdio::null()).output().expect("timeout is installed");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (was_up, printed) = call(&["--ca", &ca]);
    assert!(was_up && printed.contains("the other side hung up"), "{printed}");
    let to = application.wait_for_path("/voice");
    assert_eq!(to.parameter("To"), Some("sip:1000@desk.sip.sidetone.test;transport=tls"));
    let (was_up, printed) = call(&[]);
    assert!(!was_up, "{printed}");
}

#[test]
fn testssl_finds_nothing_that_is_weak() {
    let gateway = Gateway::start_with_tls("", "");
    let ca = authorities(&gateway);
    let report = gateway.folder.path().join("testssl.csv");
    let output = Command::new("testssl")
        .args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "min"])
        .args(["--protocols", "--server-defaults", "--server-preference", "--vulnerable"])
        .arg("--csvfile")
        .arg(&report)
        .arg("--add-ca")
        .arg(&ca)
        .arg(gateway.tls().to_string())
        .stdin(Stdio::null())
        .output()
        .expect("testssl.sh is installed (make clients)");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = std::fs::read_to_string(&report).unwrap_or_default();
    let weak: Vec<&str> = rows
        .lines()
        .filter(|row| {
            ["LOW", "MEDIUM", "HIGH", "CRITICAL"]
                .iter()
                .any(|it| row.contains(&format!("\"{it}\"")))
        })
        .filter(|row| !EXCUSED.iter().any(|excused| row.contains(excused)))
        .collect();
    assert!(rows.contains("\"TLS1_3\"") && rows.contains("\"ROBOT\""), "{printed}");
    assert!(weak.is_empty(), "{weak:#?}\n{printed}");
}

/// Findings of testssl.sh that are intended.
const EXCUSED: [&str; 1] = [
    // An authority of one gateway has no list of revoked leaves: they are issued anew at each start.
    "cert_revocation",
];
