//! Memory of a call with a stream. The application's server is a process of its own, so that its end is not counted. Shell.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;

use super::server::Server;
use super::{Bench, Ears};
use crate::endpoint::Trouble;
use crate::scheduling::Cpus;

/// Measures by how much a process grows for legs, and for their streams, and says it in a sentence.
///
/// # Errors
/// A stream does not open, or a process does not start.
pub(super) fn measure(is_quick: bool) -> Result<String, Trouble> {
    let (first, last) = if is_quick { (50, 200) } else { (100, 1_000) };
    let mut least = [f64::MAX; 2];
    for _ in 0..PROCESSES {
        let output = Command::new(std::env::current_exe()?)
            .args(["stream-memory", &first.to_string(), &last.to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let (leg, stream) = text.trim().split_once(' ').ok_or("a process measured nothing")?;
        for (least, bytes) in least.iter_mut().zip([leg, stream]) {
            *least = least.min(bytes.parse::<f64>()? / 1_024.0 / f64::from(last - first));
        }
    }
    let [leg, stream] = least;
    Ok(format!(
        "Memory, from {first} to {last} calls: the process grows by {leg:.1} KiB a leg that talks, and by {stream:.1} KiB more for \
         its two-way stream, the least of {PROCESSES} processes: buffers that a stall filled keep their size. The server \
         has a process of its own; the kernel's sockets are not counted."
    ))
}

/// Prints what this process, which has done nothing else, grows by: bytes of legs and of streams.
///
/// # Errors
/// A stream does not open, or the server does not start.
pub(crate) fn print(first: u16, last: u16) -> Result<(), Trouble> {
    let [legs, streams] = grown(first, last, Cpus::choose())?;
    println!("{legs} {streams}");
    Ok(())
}

/// Bytes from the first legs to the last, and from the first streams to the last.
fn grown(first: u16, last: u16, cpus: Cpus) -> Result<[u64; 2], Trouble> {
    let apart = Apart::start()?;
    let at = (apart.address, apart.certificate.clone());
    let mut bench = Bench::start(last, cpus, Ears::of(last), at)?;
    let mut legs_at = |calls| {
        bench.start_legs(calls)?;
        bench.resident_after_talk()
    };
    let legs = [legs_at(first)?, legs_at(last)?];
    let mut streams_at = |calls| {
        bench.open_to(calls)?;
        bench.resident_after_talk()
    };
    let streams = [streams_at(first)?, streams_at(last)?];
    let counts = bench.streams.meters().snapshot();
    let echoed = TALK.as_secs() * 50 * u64::from(first + last);
    if counts.failed > 0 || counts.dropped > 0 || counts.received < echoed * 9 / 10 {
        return Err(format!("the streams did not run: {counts:?}").into());
    }
    // Before the streams, whose ends it would report.
    drop(apart);
    Ok([legs, streams].map(|[before, after]| after.saturating_sub(before)))
}

impl Bench {
    fn resident_after_talk(&mut self) -> Result<u64, Trouble> {
        self.talk_for(TALK)?;
        resident()
    }
}

/// Processes that measure, one after the other.
const PROCESSES: u32 = 3;
/// How long the parties talk before memory is read.
const TALK: Duration = Duration::from_secs(2);

/// The application's server in a process of its own.
struct Apart {
    child: Child,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Apart {
    fn start() -> Result<Self, Trouble> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("stream-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let (port, certificate) = line.trim().split_once(' ').ok_or("the server did not start")?;
        let address = (Ipv4Addr::LOCALHOST, port.parse::<u16>()?).into();
        let certificate = STANDARD.decode(certificate)?.into();
        Ok(Self { child, address, certificate })
    }
}

impl Drop for Apart {
    /// The server ends with its standard input.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The server's process: prints port and certificate, echoes every stream until standard input ends.
///
/// # Errors
/// A connection fails.
pub(crate) fn serve() -> Result<(), Trouble> {
    let (mut server, certificate) = Server::start(1)?;
    println!("{} {}", server.address()?.port(), STANDARD.encode(&certificate));
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    server.is_echoing = true;
    server.listen_in_turns()?;
    loop {
        server.turn(Duration::from_secs(1))?;
        server.heard.clear();
    }
}

/// Resident memory of this process, bytes.
fn resident() -> Result<u64, Trouble> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).ok_or("statm holds no number")?.parse()?;
    Ok(pages * 4_096)
}
