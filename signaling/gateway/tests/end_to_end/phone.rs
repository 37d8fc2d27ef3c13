//! Phones that others wrote, as fixtures: pjsua2, which does what a script tells it, and baresip, which has a folder of
//! settings. Both play from and record to WAV files.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::gateway::Gateway;
use crate::program::Program;
use crate::{sdk, tls, wav};

pub const PASSWORD: &str = "Secret-Passw0rd";

/// pjsua2 as alice, for one call.
pub struct Caller {
    target: String,
    codec: &'static str,
    environment: Vec<(&'static str, String)>,
}

/// What came of a call.
pub struct Heard {
    pub printed: String,
    /// 16,000 Hz.
    pub samples: Vec<i16>,
}

impl Heard {
    pub fn loud(&self) -> usize {
        wav::loud(&self.samples)
    }
}

impl Caller {
    /// Calls 1000 at the gateway's address over UDP.
    pub fn new(gateway: &Gateway) -> Self {
        let target = format!("sip:1000@{}", gateway.sip_udp);
        Self { target, codec: "PCMU", environment: Vec::new() }
    }

    /// Calls 1000 at a domain over TLS.
    pub fn over_tls(gateway: &Gateway, domain: &str) -> Self {
        let environment = vec![
            ("TLS_CA", tls::authorities(gateway).display().to_string()),
            ("TLS_PROXY", gateway.tls().to_string()),
        ];
        Self { target: format!("sip:1000@{domain};transport=tls"), codec: "PCMU", environment }
    }

    pub fn codec(self, codec: &'static str) -> Self {
        Self { codec, ..self }
    }

    /// Says this file over and over, and sends nothing in its pauses.
    pub fn saying(mut self, file: &Path) -> Self {
        self.environment.push(("SAYS", file.display().to_string()));
        self
    }

    /// Calls, takes these steps of `pjsua_call.py`, and waits for the end of the call.
    pub fn call(&self, steps: &[&str]) -> Heard {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wav = folder.path().join("heard.wav");
        let path = wav.display().to_string();
        let arguments = [&[&self.target, "alice", PASSWORD, self.codec, &path][..], steps].concat();
        let mut command = sdk::python_file("pjsua_call.py", &arguments);
        let command = command.envs(self.environment.iter().cloned());
        let output = command.output().expect("pjsua2 runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(printed.contains("\nover"), "{printed}\n{errors}");
        Heard { printed, samples: wav::read(&wav) }
    }
}

/// The settings of a baresip without a sound card.
pub struct Baresip {
    folder: PathBuf,
    config: String,
    account: String,
}

impl Baresip {
    /// Its files go into the folder. `address` is what its account is called, such as `sip:alice@127.0.0.1`.
    pub fn new(folder: &Path, user: &str, address: impl Display) -> Self {
        let config = "module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule srtp.so\n\
            module aufile.so\nmodule_app account.so\nmodule_app menu.so\naudio_player nil\n";
        let account = format!("<{address}>;auth_user={user};auth_pass={PASSWORD}");
        Self { folder: folder.to_owned(), config: config.to_owned(), account }
    }

    /// Says this file once, then silence.
    pub fn saying(self, file: &[u8]) -> Self {
        let path = self.folder.join("says.wav");
        std::fs::write(&path, file).expect("writable");
        self.config(format!("audio_source aufile,{}", path.display()))
    }

    /// Another line of its settings.
    pub fn config(mut self, line: impl Display) -> Self {
        self.config += &format!("{line}\n");
        self
    }

    /// Believes the authorities of this gateway.
    pub fn trusting(self, gateway: &Gateway) -> Self {
        self.config(format!("sip_cafile {}", tls::authorities(gateway).display()))
    }

    /// More parameters of its account, each with its `;`.
    pub fn account(mut self, parameters: impl Display) -> Self {
        self.account += &parameters.to_string();
        self
    }

    /// Writes its files. `listen` is the address for SIP; its port is chosen by the system.
    pub fn write(self, listen: &str) -> PathBuf {
        let file = |name, text: String| std::fs::write(self.folder.join(name), text);
        file("config", format!("sip_listen {listen}\n{}", self.config)).expect("writable");
        file("accounts", self.account + "\n").expect("writable");
        file("contacts", String::new()).expect("writable");
        self.folder
    }

    /// Starts it for that many seconds.
    pub fn start(self, seconds: u32) -> Program {
        Program::start(&mut command(&self.write("127.0.0.1:0"), seconds, &["-v"]))
    }

    /// Calls, and is gone after that many seconds: what it printed.
    pub fn dial(self, target: &str, seconds: u32) -> String {
        dial(&self.write("127.0.0.1:0"), target, seconds, &[])
    }

    /// As [`Baresip::dial`], by IPv6.
    pub fn dial_by_ipv6(self, target: &str, seconds: u32) -> String {
        dial(&self.write("[::1]:0"), target, seconds, &["-6"])
    }
}

fn command(folder: &Path, seconds: u32, flags: &[&str]) -> Command {
    let mut command = Command::new("baresip");
    command.args(flags).arg("-f").arg(folder).args(["-t", &seconds.to_string()]);
    command
}

fn dial(folder: &Path, target: &str, seconds: u32, flags: &[&str]) -> String {
    let mut command = command(folder, seconds, flags);
    let command = command.arg("-e").arg(format!("/dial {target}")).stdin(Stdio::null());
    let output = command.output().expect("baresip is installed (make clients)");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
