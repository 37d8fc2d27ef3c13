//! linphone's command-line client: it registers, calls and hears, is called and heard.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::{DOMAIN, PASSWORD, Registering, server};
use crate::sdk;
use crate::tls;
use crate::wav;

/// A `linphonec` with files for a sound card; killed when dropped.
struct Linphone(Child, PathBuf);

impl Linphone {
    /// Registers alice over `transport`, will answer by itself, says a tone and records what it hears.
    fn start(folder: &Path, gateway: &Gateway, transport: &str) -> Self {
        // It keeps its contacts there and opens no socket without them.
        std::fs::create_dir_all(folder.join(".local/share/linphone")).expect("writable");
        let tone = folder.join("tone.wav");
        std::fs::write(&tone, wav::tone(64_000)).expect("writable");
        let settings = folder.join("settings");
        std::fs::write(&settings, settings_text(gateway, transport)).expect("writable");
        let child = Command::new("linphonec")
            .args(["-a", "-d", "6", "-l"])
            .arg(folder.join("log"))
            .arg("-c")
            .arg(settings)
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("linphonec is installed (make clients)");
        let mut phone = Self(child, folder.join("log"));
        phone.command("soundcard use files");
        phone.command(&format!("record {}", folder.join("heard.wav").display()));
        phone.command(&format!("play {}", tone.display()));
        phone
    }

    fn command(&mut self, line: &str) {
        let stdin = self.0.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").expect("it reads");
    }

    /// Lets it unregister and end; all that it printed.
    fn quit(mut self) -> String {
        self.command("quit");
        let mut printed = String::new();
        self.0.stdout.take().expect("piped").read_to_string(&mut printed).expect("text");
        printed
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        if std::thread::panicking() {
            let log = std::fs::read(&self.1).unwrap_or_default();
            eprintln!("--- linphone's log ---\n{}", String::from_utf8_lossy(&log));
        }
    }
}

fn settings_text(gateway: &Gateway, transport: &str) -> String {
    let ports = |name: &str| if name == transport { -1 } else { 0 };
    let port = server(gateway, transport).port();
    format!(
        "[sip]\nsip_port={}\nsip_tcp_port={}\nsip_tls_port={}\nipv6_migration_done=1\nuse_ipv6=0\n\
         {}default_proxy=0\n[rtp]\naudio_rtp_port=-1\n\
         [auth_info_0]\nusername=alice\npasswd={PASSWORD}\nrealm={DOMAIN}\n\
         [proxy_0]\nreg_proxy=<sip:localhost:{port};transport={transport}>\n\
         reg_route=<sip:localhost:{port};transport={transport};lr>\n\
         reg_identity=<sip:alice@{DOMAIN}>\nreg_expires=600\nreg_sendregister=1\n",
        ports("udp"),
        ports("tcp"),
        ports("tls"),
        match transport {
            "tls" => format!("root_ca={}\n", tls::authorities(gateway).display()),
            _ => String::new(),
        },
    )
}

fn linphone_registers_calls_and_is_called(transport: &str) {
    let gateway = match transport {
        "tls" => Gateway::start_with_tls("", ""),
        _ => Gateway::start(""),
    };
    let application =
        Application::start(|_| Answer::twiml("<Say>Hello from the gateway.</Say><Hangup/>"));
    let domain = gateway.domain_to_register(&application.url("/voice"), &["bob"]);
    let (a, b) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut alice = Linphone::start(a.path(), &gateway, transport);
    let rows = gateway.wait_registered(&domain, 1);
    assert_eq!(rows[0]["transport"], transport, "{rows:#?}");

    alice.command(&format!("call sip:1000@{DOMAIN}"));
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("SipUsername"), Some("alice"));
    let timeline = gateway.wait_for_timeline(asked.parameter("CallSid").expect("a SID"));
    let heard = wav::loud(&wav::read(&a.path().join("heard.wav")));
    assert!(heard > 4_000, "linphone heard {heard} loud samples\n{timeline}");

    let mut bob = Registering::new(b.path(), &gateway, "bob", transport).start();
    gateway.wait_registered(&domain, 2);
    let twiml = format!("<Response><Dial><Sip>sip:alice@{DOMAIN}</Sip></Dial></Response>");
    let sid = sdk::python(
        &gateway,
        &format!(
            "print(client.calls.create(to='sip:bob@{DOMAIN}', from_='1000', twiml='{twiml}').sid)"
        ),
    );
    bob.wait_for("over");
    let timeline = gateway.wait_for_timeline(sid.trim());
    let heard = wav::loud(&wav::read(&b.path().join("heard.wav")));
    assert!(heard > 8_000, "bob heard {heard} loud samples\n{timeline}");
    let printed = alice.quit();
    assert!(printed.contains("Call 2"), "{printed}");
    gateway.wait_registered(&domain, 0);
}

#[test]
fn linphone_registers_calls_and_is_called_over_udp() {
    linphone_registers_calls_and_is_called("udp");
}

#[test]
fn linphone_registers_calls_and_is_called_over_tls() {
    linphone_registers_calls_and_is_called("tls");
}
