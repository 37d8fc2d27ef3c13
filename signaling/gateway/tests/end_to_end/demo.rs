//! The demo and the built-in phone, as a newcomer meets them.

use std::io::BufRead as _;
use std::process::{Command, Output, Stdio};

use crate::application::{Answer, Application};
use crate::gateway::{Gateway, binary};
use crate::phone::PASSWORD;

/// Runs `demo --call` in an empty folder; `around` is what it is run by, such as `unshare -n`.
fn demo_call(around: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut words: Vec<String> = around.iter().map(|word| (*word).to_owned()).collect();
    words.push(binary().display().to_string());
    words.extend(["demo", "--call"].map(str::to_owned));
    let mut command = Command::new("timeout");
    command.arg("60").args(&words).current_dir(folder.path()).stdin(Stdio::null());
    command.output().expect("timeout (coreutils) is installed")
}

fn expect_passed(output: &Output) {
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{printed}\n{errors}", output.status);
    let passed = printed.lines().filter(|line| line.starts_with("PASS  ")).count();
    assert!(passed >= 6, "{printed}");
    assert!(!printed.contains("FAIL"), "{printed}");
    let last = printed.lines().last().unwrap_or_default();
    assert!(last.starts_with("PASS  all of it, in "), "{printed}");
}

#[test]
fn the_demo_calls_itself_and_every_check_passes() {
    expect_passed(&demo_call(&[]));
}

#[test]
fn the_demo_calls_itself_on_a_machine_without_any_network() {
    // A network namespace of its own has nothing but a loopback interface.
    let can = Command::new("unshare").args(["-n", "true"]).output().expect("unshare runs");
    let why = String::from_utf8_lossy(&can.stderr);
    assert!(
        can.status.success(),
        "a namespace without a network cannot be made, so nothing is proved: {why}\
         run as root, or in a container with --cap-add=SYS_ADMIN"
    );
    let up = "ip link set lo up && exec \"$0\" \"$@\"";
    expect_passed(&demo_call(&["unshare", "-n", "sh", "-c", up]));
}

#[test]
fn the_built_in_phone_calls_with_digest_presses_keys_and_records() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Gather numDigits=\"2\" action=\"/pressed\"><Say>Hello from the gateway.</Say></Gather>",
        ),
        _ => Answer::twiml("<Say>Goodbye.</Say>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new("timeout")
        .arg("30")
        .arg(binary())
        .args(["phone", "call", &format!("sip:1000@{}", gateway.sip_udp)])
        .args([
            "--user",
            "alice",
            "--password",
            PASSWORD,
            "--press",
            "ww42",
            "--record",
            "heard.wav",
        ])
        .args(["--header", "X-Order: 17"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("timeout (coreutils) is installed");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{printed}\n{errors}", output.status);
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("SipHeader_X-Order"), Some("17"));
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("42"), "{printed}");
    let heard = std::fs::read(folder.path().join("heard.wav")).expect("a recording");
    assert_eq!(&heard[..4], b"RIFF");
    assert!(heard.len() > 16_000, "{} bytes were heard\n{printed}", heard.len());
}

#[test]
fn the_demo_prints_a_bin_that_renders_the_number_that_is_called() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ports = crate::gateway::media_ports(20);
    let mut command = Command::new(binary());
    command.args(["demo", "--set", "sip.udp=[\"127.0.0.1:0\"]", "--set", "sip.tcp=[]"]);
    command.args(["--set", "sip.tls=[]", "--set", "http.listen=[\"127.0.0.1:0\"]"]);
    command.args(["--set", &format!("media.ports=\"{ports}-{}\"", ports + 19)]);
    let mut demo = command
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the demo starts");
    let printed = std::io::BufReader::new(demo.stdout.take().expect("a pipe"));
    let line = printed.lines().map_while(Result::ok).find(|line| line.contains("/twiml/EH"));
    let line = line.expect("the line of the bin").trim().to_owned();
    let shown = Command::new("sh").args(["-c", &format!("{line} -sS")]).output();
    demo.kill().and_then(|()| demo.wait().map(drop)).expect("it is our child");
    let document = String::from_utf8(shown.expect("sh runs").stdout).expect("UTF-8");
    assert!(document.contains("<Dial callerId=\"+15550100\">+15550123</Dial>"), "{document}");
}
