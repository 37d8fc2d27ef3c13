//! The gateway under test: the real binary with a data folder of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::lan::Lan;
use crate::program::Output;
use crate::wire::Wire;

pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A running gateway; killed when dropped.
pub struct Gateway {
    child: Child,
    pub folder: Arc<TempDir>,
    pub sip_udp: SocketAddr,
    pub sip_tcp: SocketAddr,
    pub sip_tls: Option<SocketAddr>,
    pub http: SocketAddr,
    pub ready_line: String,
    log: Output,
}

impl Gateway {
    /// Starts with defaults for tests and `more` settings as TOML appended.
    pub fn start(more: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::start_in(folder, more)
    }

    /// The same, serving Request-URIs that name its own address as domain `name`.
    pub fn start_with_default_domain(name: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::start_as(folder, &format!("default_domain = \"{name}\"\n"), MEDIA_PORTS, "")
    }

    /// The same, taking SRTP from whoever offers it.
    pub fn start_with_srtp(name: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let sip = format!("default_domain = \"{name}\"\n");
        Self::start_as(folder, &sip, MEDIA_PORTS, "srtp = \"offered\"\n")
    }

    /// Starts with `sip` appended to its section and `media` to the next.
    pub fn start_with_sip(sip: &str, media: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::start_as(folder, sip, MEDIA_PORTS, media)
    }

    /// As above, with this number of media ports: most tests need few.
    pub fn start_with_media_ports(ports: u16, more: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::start_as(folder, "", ports, more)
    }

    /// As above, in a folder that is there.
    pub fn start_with_ports_in(folder: Arc<TempDir>, ports: u16, more: &str) -> Self {
        Self::start_as(folder, "", ports, more)
    }

    /// Starts in a folder that an earlier gateway left.
    pub fn start_in(folder: Arc<TempDir>, more: &str) -> Self {
        Self::start_as(folder, "", MEDIA_PORTS, more)
    }

    /// Starts with a TLS listener; `sip` are lines for its `[sip]` section.
    pub fn start_with_tls(sip: &str, more: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::start_with_tls_as(folder, sip, more)
    }

    /// The same in a folder that an earlier gateway left.
    pub fn start_with_tls_in(folder: Arc<TempDir>) -> Self {
        Self::start_with_tls_as(folder, "", "")
    }

    fn start_with_tls_as(folder: Arc<TempDir>, sip: &str, more: &str) -> Self {
        let text = settings_text(&folder, sip, MEDIA_PORTS, more);
        let text = text.replace("tls = []", "tls = [\"127.0.0.1:0\"]");
        Self::start_with(folder, &text)
    }

    /// Starts with UDP and TCP at one port and TLS at another, for those who have to know them before.
    pub fn start_at(port: u16, tls: u16, more: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", MEDIA_PORTS, more);
        let text = text.replace("p = [\"127.0.0.1:0\"]", &format!("p = [\"127.0.0.1:{port}\"]"));
        let text = text.replace("tls = []", &format!("tls = [\"127.0.0.1:{tls}\"]"));
        Self::start_with(folder, &text)
    }

    /// Starts with an HTTPS listener beside the HTTP one.
    pub fn start_with_https() -> Self {
        Self::start_with_http("https = [\"127.0.0.1:0\"]\n")
    }

    /// Starts with a proxy listener beside the HTTP one.
    pub fn start_with_proxy() -> Self {
        Self::start_with_http("proxy = [\"127.0.0.1:0\"]\n")
    }

    /// Starts with these lines in its `[http]` section.
    fn start_with_http(http: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", MEDIA_PORTS, "");
        let text = text.replace("[http]\n", &format!("[http]\n{http}"));
        Self::start_with(folder, &text)
    }

    /// The address behind `kind:` in the ready line.
    pub fn listener(&self, kind: &str) -> SocketAddr {
        let rest = self.ready_line.split(&format!("{kind}:")).nth(1);
        let address = rest.and_then(|rest| rest.split([' ', ',']).next());
        address.expect("it listens").parse().expect("an address")
    }

    /// Starts with an authority that webhooks and streams trust.
    pub fn start_trusting(authority: &std::path::Path, more: &str) -> Self {
        Self::start_trusting_with_media_ports(authority, MEDIA_PORTS, more)
    }

    /// As above, with this number of media ports.
    pub fn start_trusting_with_media_ports(
        authority: &std::path::Path,
        ports: u16,
        more: &str,
    ) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", ports, more);
        let mut command = Command::new(binary());
        command.env("SSL_CERT_FILE", authority);
        Self::start_by(command, folder, &text, &[])
    }

    /// Waits for a line of its log.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        self.log.wait_for(text);
    }

    /// Its TLS listener.
    pub fn tls(&self) -> SocketAddr {
        self.sip_tls.expect("started with TLS")
    }

    /// Starts with SIP and media on the IPv6 loopback address.
    pub fn start_on_ipv6() -> Self {
        Self::start_on_ipv6_with("")
    }

    /// The same, serving Request-URIs that name its own address as domain `name`.
    pub fn start_on_ipv6_with_default_domain(name: &str) -> Self {
        Self::start_on_ipv6_with(&format!("default_domain = \"{name}\"\n"))
    }

    fn start_on_ipv6_with(sip: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, sip, MEDIA_PORTS, "");
        let text = text.replace("p = [\"127.0.0.1:0\"]", "p = [\"[::1]:0\"]");
        let text = text.replace("addresses = [\"127.0.0.1\"]", "addresses = [\"::1\"]");
        Self::start_with(folder, &text)
    }

    /// Starts with SIP and media on both loopback addresses.
    pub fn start_on_both_versions() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", MEDIA_PORTS, "");
        let text = text.replace("udp = [\"127.0.0.1:0\"]", "udp = [\"127.0.0.1:0\", \"[::1]:0\"]");
        let text = text.replace("= [\"127.0.0.1\"]", "= [\"127.0.0.1\", \"::1\"]");
        Self::start_with(folder, &text)
    }

    /// Starts where the kernel denies io_uring, as the seccomp profiles of containers do.
    pub fn start_without_io_uring() -> Self {
        Self::start_denied("io_uring_setup", "")
    }

    /// Starts where the kernel denies a system call although the capabilities are there.
    pub fn start_denied(call: &str, more: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", MEDIA_PORTS, more);
        let mut denied = Command::new("strace");
        // The gateway stays our child (-D), and only the denied call is looked at.
        denied.args("-D -f --seccomp-bpf -qq -o /dev/null".split(' '));
        denied.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error=EPERM")]);
        denied.arg(binary());
        Self::start_by(denied, folder, &text, &[])
    }

    /// Starts without any capability, as an ordinary user.
    pub fn start_without_capabilities(more: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", MEDIA_PORTS, more);
        let mut denied = Command::new("setpriv");
        denied.args(["--bounding-set=-all", "--inh-caps=-all", "--"]).arg(binary());
        Self::start_by(denied, folder, &text, &[])
    }

    /// Starts where a BPF file system is mounted; in a folder that an earlier gateway left, with its settings.
    pub fn start_on(bpffs: &Bpffs, folder: Arc<TempDir>, ports: u16, more: &str) -> Self {
        let text = std::fs::read_to_string(folder.path().join("sidetone.toml"))
            .unwrap_or_else(|_| settings_text(&folder, "", ports, more));
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--mount=/proc/{}/ns/mnt", bpffs.holder.id()));
        // nsenter goes to the root folder otherwise.
        inside.arg(format!("--wd={}", folder.path().display())).arg("--").arg(binary());
        Self::start_by(inside, folder, &text, &[])
    }

    /// Starts with SIP over UDP and media on the address of a network of phones.
    pub fn start_on_lan(lan: &Lan, more: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", MEDIA_PORTS, more);
        let text =
            text.replace("udp = [\"127.0.0.1:0\"]", &format!("udp = [\"{}:0\"]", lan.gateway));
        let addresses = format!("addresses = [\"{}\"]", lan.gateway);
        let text = text.replace("addresses = [\"127.0.0.1\"]", &addresses);
        Self::start_with(folder, &text)
    }

    /// Starts on a BPF file system with its media on that wire, to be relayed in its driver.
    pub fn start_at_wire(bpffs: &Bpffs, wire: &Wire) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", MEDIA_PORTS, "fast_path = \"xdp\"\n");
        let media = format!("addresses = [\"{}\"]", wire.host(1));
        let text = text.replace("addresses = [\"127.0.0.1\"]", &media);
        std::fs::write(folder.path().join("sidetone.toml"), text).expect("writable");
        Self::start_on(bpffs, folder, MEDIA_PORTS, "")
    }

    /// Starts with a name server of its own.
    pub fn start_asking(names: SocketAddr) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings_text(&folder, "", MEDIA_PORTS, "");
        let text = text.replacen("[node]\n", &format!("[node]\ndns = [\"{names}\"]\n"), 1);
        Self::start_with(folder, &text)
    }

    fn start_as(folder: Arc<TempDir>, sip: &str, ports: u16, more: &str) -> Self {
        let text = settings_text(&folder, sip, ports, more);
        Self::start_with(folder, &text)
    }

    /// Starts with a new store in the folder of one that is gone.
    pub fn start_anew_in(folder: Arc<TempDir>) -> Self {
        let text = settings_text(&folder, "", MEDIA_PORTS, "");
        Self::start_by(Command::new(binary()), folder, &text, &["--new-store"])
    }

    /// Starts in a folder where it must refuse to; what it says.
    pub fn start_refused_in(folder: &TempDir) -> String {
        let settings = folder.path().join("sidetone.toml");
        std::fs::write(&settings, settings_text(folder, "", MEDIA_PORTS, "")).expect("writable");
        let mut command = Command::new("timeout");
        command.arg("30").arg(binary()).args(["serve", "--config"]).arg(settings);
        let output = command.stdin(Stdio::null()).output().expect("the binary starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }

    fn start_with(folder: Arc<TempDir>, text: &str) -> Self {
        Self::start_by(Command::new(binary()), folder, text, &[])
    }

    fn start_by(mut command: Command, folder: Arc<TempDir>, text: &str, flags: &[&str]) -> Self {
        let settings = folder.path().join("sidetone.toml");
        std::fs::write(&settings, text).expect("writable");
        let mut child = command
            .args(["serve", "--config"])
            .arg(&settings)
            .args(flags)
            .env("SIDETONE_ACCOUNT_SID", ACCOUNT)
            .env("SIDETONE_AUTH_TOKEN", TOKEN)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Output::of(child.stderr.take().expect("piped"));
        let stdout = Output::of(child.stdout.take().expect("piped"));
        // Should it not start, its log is shown with the panic.
        let starting = Starting(&mut child, &log);
        let ready_line = stdout.wait_for("sidetone ready ");
        std::mem::forget(starting);
        let sip = addresses(&ready_line, "sip=");
        let http = addresses(&ready_line, "http=");
        Self {
            child,
            folder,
            sip_udp: *sip.first().expect("a SIP address"),
            sip_tcp: *sip.last().expect("a SIP address"),
            sip_tls: addresses(&ready_line, "tls=").first().copied(),
            http: *http.first().expect("an HTTP address"),
            ready_line,
            log,
        }
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// SIGKILL, then its folder for the next start.
    pub fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
        Arc::clone(&self.folder)
    }

    /// SIGTERM, and waits for the exit.
    pub fn terminate(mut self) -> (std::process::ExitStatus, Arc<TempDir>) {
        self.signal("TERM");
        let status = self.child.wait().expect("it is our child");
        (status, Arc::clone(&self.folder))
    }

    /// Waits for its exit.
    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it is our child")
    }

    /// The media port that is handed out last.
    pub fn last_media_port(&self) -> SocketAddr {
        let text = std::fs::read_to_string(self.folder.path().join("sidetone.toml"));
        let text = text.expect("our own file");
        let ports = text.lines().find_map(|line| line.strip_prefix("ports = \"")).expect("a range");
        let last: u16 = ports
            .trim_end_matches('"')
            .split('-')
            .next_back()
            .expect("two")
            .parse()
            .expect("a port");
        SocketAddr::from(([127, 0, 0, 1], last & !1))
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }
}

/// A gateway that is not ready yet: dropped where it does not become so.
struct Starting<'a>(&'a mut Child, &'a Output);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        eprintln!("--- the gateway's log ---\n{}", self.1.text());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if Arc::strong_count(&self.folder) == 1 {
            remove_pins(&self.folder);
        }
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ---\n{}", self.log());
        }
    }
}

/// Whether the kernel refuses its fast path to this process. Then a gateway that asks for it must not start, and say
/// what is missing: that is all that can be tested here.
pub fn fast_path_is_denied() -> bool {
    let Err(missing) = ::io::kernel::probe() else { return false };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = folder.path().join("sidetone.toml");
    let text = settings_text(&folder, "", MEDIA_PORTS, "fast_path = \"tc\"\n");
    std::fs::write(&settings, text).expect("writable");
    let output = Command::new(binary()).args(["serve", "--config"]).arg(&settings).output();
    let output = output.expect("the binary starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains(&missing.to_string()), "{errors}");
    true
}

/// A BPF file system at the usual place, seen by the gateways that start on it, and gone with this value.
pub struct Bpffs {
    holder: Child,
}

impl Bpffs {
    pub fn mount() -> Self {
        let mut command = Command::new("unshare");
        let script = "mount -t bpf bpf /sys/fs/bpf && exec cat";
        command.args(["--mount", "--propagation=private", "sh", "-c", script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("unshare runs");
        // `cat` runs once the mount is there, and then repeats its input.
        let stdin = holder.stdin.as_mut().expect("piped");
        stdin.write_all(b"mounted\n").expect("it reads");
        Output::of(holder.stdout.take().expect("piped")).wait_for("mounted");
        Self { holder }
    }

    /// Whether the fast path of a gateway with this folder has left something.
    pub fn has_pins_of(&self, folder: &TempDir) -> bool {
        let pins = pins(folder);
        let pins = pins.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(pins).exists()
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The folder in which a fast path outlives a kill.
fn pins(folder: &TempDir) -> PathBuf {
    ::io::kernel::pins_for(&folder.path().join("data"))
}

/// What a gateway that was killed leaves in the kernel, where the machine has a BPF file system.
fn remove_pins(folder: &TempDir) {
    let pins = pins(folder);
    for pin in std::fs::read_dir(&pins).into_iter().flatten().flatten() {
        let _ = std::fs::remove_file(pin.path());
    }
    let _ = std::fs::remove_dir(pins);
}

/// The binary under test: the one just built, or another one that `SIDETONE_BINARY` names.
pub fn binary() -> PathBuf {
    std::env::var_os("SIDETONE_BINARY")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_sidetone").into())
        .into()
}

fn settings_text(folder: &TempDir, sip: &str, ports: u16, more: &str) -> String {
    let first = media_ports(ports);
    let data = folder.path().join("data");
    // The kernel would take every bridge of every test. Those that want that say so, and `make soak` says it for all.
    let of_all = std::env::var("SIDETONE_FAST_PATH").unwrap_or_else(|_| "off".to_owned());
    let fast_path = match more.contains("fast_path") {
        true => String::new(),
        false => format!("fast_path = {of_all:?}\n"),
    };
    format!(
        "[node]\ndata_dir = {data:?}\n[sip]\nudp = [\"127.0.0.1:0\"]\ntcp = [\"127.0.0.1:0\"]\ntls = []\n{sip}\
         [http]\nlisten = [\"127.0.0.1:0\"]\n[media]\n{fast_path}addresses = [\"127.0.0.1\"]\nports = \"{}-{}\"\n{more}",
        first,
        first + ports - 1,
    )
}

const MEDIA_PORTS: u16 = 400;

/// So many ports below the ephemeral range, the first and last of them free. The gateway leaves out
/// single busy ports by itself.
pub fn media_ports(ports: u16) -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
    let slots_count = u32::from(12_000 / ports);
    let slots = (0..slots_count).map(|step| 20_000 + ((start + step) % slots_count) as u16 * ports);
    let is_free = |port: u16| std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok();
    slots
        .into_iter()
        .find(|first| is_free(*first) && is_free(first + ports - 1))
        .expect("free ports")
}

/// The socket addresses in one word of the ready line: `sip=udp:127.0.0.1:5060,tcp:…`.
fn addresses(line: &str, key: &str) -> Vec<SocketAddr> {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix(key)).expect("the word");
    word.split(',')
        .filter_map(|part| {
            let text = part.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '/');
            text.trim_start_matches(':').trim_start_matches("//").parse().ok()
        })
        .collect()
}
