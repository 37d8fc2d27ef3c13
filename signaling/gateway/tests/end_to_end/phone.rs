//! Phones that others wrote, as fixtures: pjsua2, which does what a script tells it, and baresip, which has a folder of
//! settings. Both play from and record to WAV files.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::gateway::Gateway;
use crate::lan::Lan;
use crate::program::Program;
use crate::{sdk, tls, wav};

/// Where the phones of most tests are at home, and the password of their users.
pub const DOMAIN: &str = "desk.sip.sidetone.test";
pub const PASSWORD: &str = "Secret-Passw0rd";

/// pjsua2 as alice, for one call.
pub struct Caller {
    target: String,
    codec: &'static str,
    environment: Vec<(&'static str, String)>,
}

/// A call that has ended: its log and its audio.
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

    /// Calls this user instead of 1000.
    pub fn to(self, user: &str) -> Self {
        Self { target: self.target.replacen("1000", user, 1), ..self }
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

/// pjsua2 that registers, answers by itself, plays a tone and hangs up after three seconds.
pub struct Registering<'a> {
    folder: &'a Path,
    registrar: SocketAddr,
    user: &'a str,
    transport: &'a str,
    /// The address that it binds, and the one that it believes to have.
    at: (&'a str, &'a str),
    environment: Vec<(&'static str, String)>,
    lan: Option<&'a Lan>,
}

impl<'a> Registering<'a> {
    /// Registers where the gateway listens for that transport. What it hears goes to `heard.wav` in the folder.
    pub fn new(folder: &'a Path, gateway: &Gateway, user: &'a str, transport: &'a str) -> Self {
        let mut environment = Vec::new();
        if transport == "tls" {
            environment.push(("TLS_CA", tls::authorities(gateway).display().to_string()));
        }
        let registrar = server(gateway, transport);
        let at = ("127.0.0.1", "127.0.0.1");
        Self { folder, registrar, user, transport, at, environment, lan: None }
    }

    pub fn registrar(self, registrar: SocketAddr) -> Self {
        Self { registrar, ..self }
    }

    /// Inside this network, where there is one; `at` is to name its address.
    pub fn on(self, lan: Option<&'a Lan>) -> Self {
        Self { lan, ..self }
    }

    pub fn at(self, here: &'a str, believed: &'a str) -> Self {
        Self { at: (here, believed), ..self }
    }

    /// SRTP and nothing else.
    pub fn secure(mut self) -> Self {
        self.environment.push(("SRTP", "1".to_owned()));
        self
    }

    pub fn start(self) -> Program {
        let (registrar, wav) = (self.registrar.to_string(), self.folder.join("heard.wav"));
        let (wav, (here, believed)) = (wav.display().to_string(), self.at);
        let arguments =
            [&registrar, self.transport, self.user, PASSWORD, DOMAIN, &wav, "30", here, believed];
        let mut command = sdk::python_file("pjsua_register.py", &arguments);
        command.envs(self.environment);
        let mut command = match self.lan {
            Some(lan) => lan.inside(&command),
            None => command,
        };
        Program::start(&mut command)
    }
}

/// The listener of the gateway for that transport.
pub fn server(gateway: &Gateway, transport: &str) -> SocketAddr {
    if transport == "tls" { gateway.tls() } else { gateway.sip_udp }
}

/// pjsua2 that listens for TLS or TCP and answers, and its port.
pub struct Callee {
    program: Program,
    pub port: u16,
}

impl Callee {
    /// Listens for TLS with this certificate.
    pub fn start(certificate: &Path, key: &Path) -> Self {
        let files = [certificate, key].map(|path| path.display().to_string());
        Self::start_with(&["30", "tls", files[0].as_str(), files[1].as_str()])
    }

    pub fn start_for_tcp() -> Self {
        Self::start_with(&["30", "tcp"])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let mut program = Program::start(&mut sdk::python_file("pjsua_answer.py", arguments));
        let first = program.wait_for("listening ");
        let port = first.rsplit(' ').next().and_then(|port| port.parse().ok()).expect("a port");
        Self { program, port }
    }

    #[track_caller]
    pub fn wait_for(&mut self, what: &str) -> String {
        self.program.wait_for(what)
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

    /// As [`Baresip::start`], inside this network.
    pub fn start_on(self, lan: &Lan, seconds: u32) -> Program {
        let folder = self.write(&format!("{}:0", lan.phones));
        Program::start(&mut lan.inside(&command(&folder, seconds, &["-v"])))
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
