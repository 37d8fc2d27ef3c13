//! The gateway under load: the release binary as a process with a data folder of its own. Shell.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use shared::Transport;
use tempfile::TempDir;

use crate::endpoint::Trouble;
use crate::schedstat::{self, Thread};

/// AccountSid of the bench.
pub(crate) const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
/// Its AuthToken. It is no secret: the gateway listens on loopback and ends with the bench.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Builds the release binary where it is not up to date, and returns its path.
///
/// # Errors
/// The build fails.
pub(crate) fn build() -> Result<PathBuf, Trouble> {
    eprintln!("load: building the gateway");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "-p", "gateway"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    let own = std::env::current_exe()?;
    let binary = own.with_file_name("sidetone");
    match status.success() && binary.is_file() {
        true => Ok(binary),
        false => Err("the gateway did not build: see the lines of cargo above".into()),
    }
}

/// A running gateway; ended when dropped, its folder removed.
pub(crate) struct Gateway {
    child: Child,
    folder: TempDir,
    pub sip: SocketAddr,
    pub sip_tcp: SocketAddr,
    pub sip_tls: SocketAddr,
    pub http: SocketAddr,
    /// Backend and number of media cores, from its ready line.
    pub media: String,
}

impl Gateway {
    /// Starts it on that address of loopback and waits until it takes calls. `media`: more lines of the
    /// section `[media]`.
    ///
    /// # Errors
    /// It does not start; says the end of its log.
    pub fn start(binary: &Path, address: Ipv4Addr, media: &str) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir()?;
        let settings = settings_text(folder.path(), address, media);
        Self::start_in(folder, binary, &settings)
    }

    /// Stops the process by SIGTERM, as an operator would, and starts the binary again in the same folder,
    /// on the same addresses.
    ///
    /// # Errors
    /// It does not end, or does not start again; says the end of its log.
    pub fn restart(mut self, binary: &Path) -> Result<Self, Trouble> {
        self.terminate()?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the gateway ended with {status}: {}", self.log_end()).into());
        }
        let text = fs::read_to_string(self.folder.path().join(SETTINGS))?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (key, address) in [("udp", self.sip), ("tcp", self.sip_tcp), ("tls", self.sip_tls)] {
            let setting = format!("{key} = ");
            let line = lines.iter_mut().find(|line| line.starts_with(&setting));
            *line.ok_or("a setting is missing")? = format!("{setting}[\"{address}\"]");
        }
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir()?);
        Self::start_in(folder, binary, &lines.join("\n"))
    }

    fn start_in(folder: TempDir, binary: &Path, settings: &str) -> Result<Self, Trouble> {
        let file = folder.path().join(SETTINGS);
        fs::write(&file, settings)?;
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&file)
            .env("SIDETONE_ACCOUNT_SID", ACCOUNT)
            .env("SIDETONE_AUTH_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join(LOG))?)
            .spawn()?;
        let ready = wait_ready(&mut child);
        let mut gateway = Self {
            child,
            folder,
            sip: UNKNOWN,
            sip_tcp: UNKNOWN,
            sip_tls: UNKNOWN,
            http: UNKNOWN,
            media: String::new(),
        };
        let Some(line) = ready else {
            return Err(format!("the gateway did not start: {}", gateway.log_end()).into());
        };
        let word = |key| line.split_whitespace().find_map(|word| word.strip_prefix(key));
        gateway.sip = address_of(word("sip="), "udp").ok_or("no SIP address in the ready line")?;
        gateway.sip_tcp =
            address_of(word("sip="), "tcp").ok_or("no TCP address in the ready line")?;
        gateway.sip_tls =
            address_of(word("tls="), "tls").ok_or("no TLS address in the ready line")?;
        gateway.http =
            address_of(word("http="), "http").ok_or("no HTTP address in the ready line")?;
        gateway.media = word("media=").unwrap_or("unknown").to_owned();
        Ok(gateway)
    }

    /// The address on which it listens for a transport.
    pub fn sip_by(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Udp => self.sip,
            Transport::Tcp => self.sip_tcp,
            Transport::Tls => self.sip_tls,
        }
    }

    /// File of the authorities to trust.
    pub fn authorities(&self) -> PathBuf {
        self.folder.path().join("data/tls/ca.pem")
    }

    /// Resident memory of its process, in bytes.
    ///
    /// # Errors
    /// It ended.
    pub fn resident_bytes(&self) -> std::io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1_024).ok_or_else(|| std::io::Error::other("no VmRSS"))
    }

    /// Threads of its process.
    ///
    /// # Errors
    /// It ended.
    pub fn threads(&self) -> std::io::Result<Vec<Thread>> {
        schedstat::threads(self.child.id())
    }

    /// Threads of the worker processes that it has now.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn workers(&self) -> std::io::Result<Vec<Thread>> {
        schedstat::children(self.child.id())
    }

    fn terminate(&self) -> std::io::Result<()> {
        let id = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::kill_process(id, rustix::process::Signal::TERM)?)
    }

    /// Whether it ends within that time.
    fn ends_within(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
                Ok(status) => return status.is_some(),
                Err(_) => return false,
            }
        }
    }

    /// The last lines of its log.
    pub fn log_end(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(LOG_LINES).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

/// A kill would leave its program attached to the machine's interfaces, where every later packet pays for it.
impl Drop for Gateway {
    fn drop(&mut self) {
        // The first signal waits for live calls, the second ends them.
        for patience in [DRAIN_WAIT, END_WAIT] {
            if self.terminate().is_ok() && self.ends_within(patience) {
                return;
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const UNKNOWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const LOG: &str = "log";
const SETTINGS: &str = "sidetone.toml";
const LOG_LINES: usize = 5;
const START_MAX: Duration = Duration::from_secs(30);
const DRAIN_WAIT: Duration = Duration::from_millis(300);
const END_WAIT: Duration = Duration::from_secs(5);

/// All defaults but loopback, free ports and the folder.
fn settings_text(folder: &Path, address: Ipv4Addr, media: &str) -> String {
    let data = folder.join("data");
    format!(
        "[node]\ndata_dir = {data:?}\n[sip]\nudp = [\"{address}:0\"]\ntcp = [\"{address}:0\"]\ntls = [\"{address}:0\"]\n\
         [http]\nlisten = [\"127.0.0.1:0\"]\n[media]\naddresses = [\"{address}\"]\n{media}"
    )
}

fn wait_ready(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    // Reads to the end, so that the gateway never writes into a closed pipe.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    loop {
        let line = receiver.recv_timeout(START_MAX).ok()?;
        if line.starts_with("sidetone ready ") {
            return Some(line);
        }
    }
}

/// The address of a transport in a word like `udp:127.0.0.1:5060,tcp:127.0.0.1:5070`; one without a
/// name is of every transport.
fn address_of(word: Option<&str>, transport: &str) -> Option<SocketAddr> {
    word?.split(',').find_map(|part| match part.parse() {
        Ok(address) => Some(address),
        Err(_) => part.strip_prefix(transport)?.strip_prefix(':')?.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_ready_line_are_read_with_and_without_transport() {
        let (udp, tcp) = ("127.0.0.1:5060".parse().ok(), "127.0.0.1:1".parse().ok());
        assert_eq!(address_of(Some("127.0.0.1:5060"), "udp"), udp);
        assert_eq!(address_of(Some("udp:127.0.0.1:5060,tcp:127.0.0.1:1"), "udp"), udp);
        assert_eq!(address_of(Some("udp:127.0.0.1:5060,tcp:127.0.0.1:1"), "tcp"), tcp);
        assert_eq!(address_of(Some("off"), "udp"), None);
        assert_eq!(address_of(None, "udp"), None);
    }
}
