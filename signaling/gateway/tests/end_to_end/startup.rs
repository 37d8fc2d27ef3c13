//! Starting, stopping and the words of the command line: each refusal is a sentence with its remedy.

use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};

use crate::application::{Answer, Application};
use crate::gateway::{Gateway, binary, media_ports};
use crate::rtp::Party;
use crate::sipp::{self, Sipp};

/// `sidetone` with some words in an empty folder; it must end by itself.
fn sidetone(words: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("timeout");
    command.arg("30").arg(binary()).args(words).current_dir(folder.path());
    command.stdin(Stdio::null()).output().expect("the binary starts")
}

/// The same, expecting a refusal; what it says.
fn refused(words: &[&str]) -> String {
    let output = sidetone(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{words:?}: {}\n{said}", output.status);
    assert!(
        output.stdout.is_empty(),
        "{words:?} printed {}",
        String::from_utf8_lossy(&output.stdout)
    );
    said
}

/// Flags of a gateway that would start, were it not for one more.
fn serve_with(more: &[&str]) -> Vec<String> {
    let first = media_ports(100);
    let ports = format!("media.ports={first}-{}", first + 99);
    let fixed = [
        "sip.udp=127.0.0.1:0",
        "sip.tcp=127.0.0.1:0",
        "http.listen=127.0.0.1:0",
        "media.addresses=127.0.0.1",
        ports.as_str(),
    ];
    let set = fixed.into_iter().chain(more.iter().copied());
    let flags = set.flat_map(|setting| ["--set".to_owned(), setting.to_owned()]);
    std::iter::once("serve".to_owned()).chain(flags).collect()
}

fn start_refused(more: &[&str]) -> String {
    let words = serve_with(more);
    let said = refused(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("sidetone: "), "log lines come before the error: {said}");
    said
}

fn expect(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[test]
fn the_ready_line_and_the_health_pages_say_what_is_up() {
    let gateway = Gateway::start("");
    let words: Vec<&str> = gateway.ready_line.split(' ').collect();
    assert_eq!(words[..2], ["sidetone", "ready"]);
    let keys: Vec<&str> = words[2..].iter().filter_map(|word| word.split('=').next()).collect();
    assert_eq!(keys, ["sip", "tls", "http", "media"], "{}", gateway.ready_line);
    for page in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(gateway.get(page).status, 200, "{page}");
    }
    assert_eq!(gateway.get("/nothing-here").status, 404);
}

#[test]
fn two_starts_on_one_data_folder_are_refused() {
    let gateway = Gateway::start("");
    let data = gateway.folder.path().join("data").display().to_string();
    let mut words = serve_with(&[]);
    words.extend(["--data".to_owned(), data.clone()]);
    let said = refused(&words.iter().map(String::as_str).collect::<Vec<_>>());
    expect(&said, &["another sidetone", &data]);
    assert_eq!(gateway.get("/readyz").status, 200, "the first one goes on");
}

#[test]
fn a_busy_port_is_named_with_its_setting_and_a_remedy() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let said = start_refused(&[&format!("sip.udp={address}")]);
    expect(&said, &[&address, "sip.udp", "ss -lnp"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    expect(&start_refused(&[&format!("http.listen={address}")]), &[&address, "http.listen"]);
}

#[test]
fn an_address_that_is_not_here_is_named() {
    expect(&start_refused(&["sip.udp=192.0.2.1:5060"]), &["192.0.2.1:5060", "ip address"]);
    expect(&start_refused(&["media.addresses=192.0.2.1"]), &["192.0.2.1", "media.addresses"]);
}

#[test]
fn media_ports_inside_the_ephemeral_range_are_refused_with_the_remedy() {
    let said = start_refused(&["media.ports=40000-40099"]);
    expect(&said, &["40000", "net.ipv4.ip_local_reserved_ports=40000-40099"]);
}

#[test]
fn an_unknown_key_names_the_nearest_one_wherever_it_came_from() {
    expect(&start_refused(&["sip.upd=127.0.0.1:0"]), &["sip.upd", "sip.udp"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("s.toml");
    std::fs::write(&file, "[http]\nlisen = [\"127.0.0.1:0\"]\n[node]\nid = 70000\n")
        .expect("writable");
    let file = file.display().to_string();
    let said = refused(&["config", "check", "--config", &file]);
    expect(&said, &["http.lisen", "http.listen", "node.id"]);
    let output = Command::new(binary())
        .args(["config", "check"])
        .current_dir(folder.path())
        .env("SIDETONE_MEDIA__PORT", "20000-20099")
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    expect(&String::from_utf8_lossy(&output.stderr), &["SIDETONE_MEDIA__PORT", "media.ports"]);
}

#[test]
fn config_show_says_where_each_setting_came_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("s.toml");
    std::fs::write(&file, "[node]\nid = 3\n[sip]\ndefault_domain = \"desk\"\n").expect("writable");
    let output = Command::new(binary())
        .args(["config", "show", "--set", "node.id=5", "--config"])
        .arg(&file)
        .current_dir(folder.path())
        .env("SIDETONE_HTTP__LISTEN", "127.0.0.1:8089")
        .output()
        .expect("the binary starts");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    let origin = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    expect(origin("id = "), &["5", "--set node.id"]);
    expect(origin("listen = "), &["127.0.0.1:8089", "SIDETONE_HTTP__LISTEN"]);
    expect(origin("default_domain = "), &["desk", "s.toml"]);
    expect(origin("ports = "), &["10000-19999", "default"]);
    assert!(sidetone(&["config", "check"]).status.success());
}

#[test]
fn dns_prints_the_zone_of_the_settings() {
    let output = sidetone(&["dns", "--set", "node.public_address=192.0.2.7"]);
    let zone = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    let home = ["$ORIGIN sidetone.test.", "IN SOA", "IN NS", "$ORIGIN sip.sidetone.test."];
    expect(&zone, &home);
    expect(&zone, &["IN A     192.0.2.7", "_sip._udp                IN SRV   10 10 5060 sip."]);
    // A store that cannot be read is an error: it may hold domains.
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("sidetone.db"), "no database").expect("writable");
    let data = folder.path().display().to_string();
    expect(&refused(&["dns", "--data", &data]), &["key"]);
}

#[test]
fn words_that_are_not_built_yet_say_so() {
    for word in ["tune", "backup", "restore"] {
        expect(
            &refused(&[word, "anything"]),
            &[&format!("`sidetone {word}` is not in this version")],
        );
    }
    expect(&refused(&["servr"]), &["servr", "serve"]);
}

#[test]
fn former_names_of_settings_are_accepted_with_one_warning() {
    let gateway = Gateway::start_with_sip("streams_max = 50\n", "");
    let warning = "`sip.streams_max` is now named `sip.connections_max`: rename it";
    gateway.wait_for_log(warning);
    let log = gateway.log();
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    let output = sidetone(&["config", "show", "--set", "sip.streams_source_max=9"]);
    expect(&String::from_utf8_lossy(&output.stdout), &["connections_source_max = \"9\"  # --set"]);
}

#[test]
fn a_low_limit_of_open_files_means_fewer_ports_and_is_said() {
    let words = serve_with(&["media.backend=portable", "sip.connections_max=50"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    // 100 ports are 100 sockets: 120 files leave the gateway some of them and no more.
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 120; exec \"$0\" \"$@\""])
        .arg(binary())
        .args(&words)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh runs");
    let said = until_ready_or_refused(&mut child);
    let _ = child.kill();
    let _ = child.wait();
    expect(&said, &["open files", "120"]);
}

/// Standard output up to the ready line and what standard error said by then; or all of it where the
/// gateway refused to start.
fn until_ready_or_refused(child: &mut std::process::Child) -> String {
    use std::io::{BufRead, BufReader, Read};
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let ready = stdout.lines().map_while(Result::ok).any(|line| line.starts_with("sidetone ready"));
    if ready {
        child.kill().expect("it runs");
    }
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
    said
}

#[test]
fn the_portable_backend_serves_calls_where_it_is_chosen() {
    let gateway = Gateway::start("backend = \"portable\"\n");
    expect(&gateway.ready_line, &["media=portable/"]);
    let application = Application::start(|_| Answer::twiml("<Say>Hello.</Say>"));
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    call(scenario, &party).call(gateway.sip_udp, 1).expect_success();
    assert!(party.receive().is_some(), "speech was sent");
}

fn call(scenario: String, party: &Party) -> Sipp {
    Sipp::caller(&scenario, party.port())
}

#[test]
fn a_second_sigterm_ends_at_once_with_records_written() {
    let gateway = Gateway::start("");
    let application =
        Application::start(|_| Answer::twiml("<Say>Hello.</Say><Pause length=\"60\"/>"));
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let living = call(scenario, &party);
    let living = living.start(gateway.sip_udp);
    party.receive().expect("the call is up");
    gateway.signal("TERM");
    gateway.metrics_when("draining", |_| gateway.get("/readyz").status == 503);
    gateway.signal("TERM");
    let folder = std::sync::Arc::clone(&gateway.folder);
    let status = gateway.wait();
    assert!(status.success(), "{status}");
    drop(living.finish());

    let gateway = Gateway::start_in(folder, "");
    let calls = gateway.fetch("Calls.json").json();
    let status = calls["calls"][0]["status"].as_str().unwrap_or_default().to_owned();
    assert!(["completed", "failed", "canceled"].contains(&status.as_str()), "{calls}");
    assert!(!gateway.log().contains("a kill interrupted"), "{}", gateway.log());
}

#[test]
fn a_hangup_signal_reads_settings_again_and_a_bad_file_changes_nothing() {
    let gateway = Gateway::start("");
    let file = gateway.folder.path().join("sidetone.toml");
    let good = std::fs::read_to_string(&file).expect("our own file");
    std::fs::write(&file, format!("{good}\n[log]\nlevle = \"debug\"\n")).expect("writable");
    gateway.signal("HUP");
    gateway.wait_for_log("the settings stay as they are");
    expect(&gateway.log(), &["log.levle", "log.level"]);
    assert_eq!(gateway.get("/readyz").status, 200);
    for (section, told) in
        [("sip", "did you mean `node.edge`"), ("node", "`node.edge` must be an edge")]
    {
        let head = format!("[{section}]\n");
        let mars = good.replacen(&head, &format!("{head}edge = \"mars\"\n"), 1);
        std::fs::write(&file, mars).expect("writable");
        gateway.signal("HUP");
        gateway.wait_for_log(told);
    }
    std::fs::write(&file, format!("{good}\n[log]\nlevel = \"debug\"\n")).expect("writable");
    gateway.signal("HUP");
    gateway.wait_for_log("settings read again");
    expect(&gateway.log(), &["log.level"]);
}

#[test]
fn a_file_that_is_no_public_key_refuses_the_start_with_the_command_that_makes_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("key.pem");
    let setting = format!("recordings.encryption_key_file={file:?}");
    expect(&start_refused(&[&setting]), &["cannot read", "recordings.encryption_key_file"]);
    std::fs::write(&file, "-----BEGIN PUBLIC KEY-----\nbm8=\n-----END PUBLIC KEY-----\n")
        .expect("writable");
    let said = start_refused(&[&setting]);
    expect(&said, &["holds no RSA public key", "openssl rsa -in private_key.pem -pubout"]);
    std::fs::write(&file, "-----BEGIN RSA PRIVATE KEY-----\nbm8=\n").expect("writable");
    expect(&start_refused(&[&setting]), &["holds a private key", "Keep it away"]);
}
