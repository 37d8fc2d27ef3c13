//! Clients that send OPTIONS over UDP all the time and measure the latency of the answers. Shell.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::DOMAIN;
use crate::endpoint::Trouble;

/// Clients that send until [`Probe::finish`].
pub(super) struct Probe {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Tally, Trouble>>>,
}

/// Requests sent and the latency of their answers.
pub(super) struct Tally {
    pub asked: u32,
    unanswered: u32,
    latency_us: Histogram<u64>,
}

impl Tally {
    fn new() -> Result<Self, Trouble> {
        Ok(Self { asked: 0, unanswered: 0, latency_us: Histogram::new(3)? })
    }

    pub fn answered(&self) -> u32 {
        self.asked - self.unanswered
    }

    /// In milliseconds; a request without an answer counts as [`LOST`].
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

impl Probe {
    /// Starts to send.
    ///
    /// # Errors
    /// The system gives no socket or thread.
    pub fn start(gateway: SocketAddr) -> Result<Self, Trouble> {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |address| {
            let socket = UdpSocket::bind((address, 0))?;
            socket.connect(gateway)?;
            let ends = Arc::clone(&stop);
            let asker = thread::Builder::new().name("probe".to_owned());
            Ok(asker.spawn(move || ask(&socket, &ends))?)
        };
        let threads = ADDRESSES.map(start).into_iter().collect::<Result<Vec<_>, Trouble>>()?;
        Ok(Self { stop, threads })
    }

    /// Stops sending, and waits for answers under way.
    ///
    /// # Errors
    /// The socket failed.
    pub fn finish(self) -> Result<Tally, Trouble> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::new()?;
        for thread in self.threads {
            let tally = thread.join().unwrap_or_else(|_| Err("the prober panicked".into()))?;
            sum.asked += tally.asked;
            sum.unanswered += tally.unanswered;
            sum.latency_us.add(&tally.latency_us)?;
        }
        Ok(sum)
    }
}

fn ask(socket: &UdpSocket, ends: &AtomicBool) -> Result<Tally, Trouble> {
    let local = socket.local_addr()?;
    let begun = Instant::now();
    let mut tally = Tally::new()?;
    let mut waiting: Vec<(u32, Instant)> = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let is_over = ends.load(Ordering::Relaxed) || begun.elapsed() > LONGEST;
        if is_over && waiting.is_empty() {
            return Ok(tally);
        }
        let due = begun + GAP * tally.asked;
        if !is_over && Instant::now() >= due {
            socket.send(options(tally.asked, local).as_bytes())?;
            waiting.push((tally.asked, Instant::now()));
            tally.asked += 1;
        }
        let left = due.saturating_duration_since(Instant::now()).min(GAP);
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match socket.recv(&mut buffer) {
            Ok(count) => {
                let number = number(buffer.get(..count).unwrap_or_default());
                let asked = waiting.iter().position(|(of, _)| Some(*of) == number);
                if let Some((_, at)) = asked.map(|asked| waiting.swap_remove(asked)) {
                    tally.latency_us.record(u64::try_from(at.elapsed().as_micros())?)?;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // The gateway is down: this request is lost.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error.into()),
        }
        let before = waiting.len();
        waiting.retain(|(_, at)| at.elapsed() < LOST);
        for _ in waiting.len()..before {
            tally.unanswered += 1;
            tally.latency_us.record(u64::try_from(LOST.as_micros())?)?;
        }
    }
}

fn options(number: u32, local: SocketAddr) -> String {
    format!(
        "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bKp{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:probe@{local}>;tag=p\r\nTo: <sip:{DOMAIN}>\r\n\
         Call-ID: p{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Number of the request of [`options`] that a 200 answers.
fn number(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    let call_id = text.lines().find_map(|line| line.strip_prefix("Call-ID: p"))?;
    text.starts_with("SIP/2.0 200 ").then(|| call_id.trim().parse().ok())?
}

/// None of the phones' addresses.
const ADDRESSES: [Ipv4Addr; 4] = [
    Ipv4Addr::new(127, 200, 0, 1),
    Ipv4Addr::new(127, 200, 0, 2),
    Ipv4Addr::new(127, 200, 0, 3),
    Ipv4Addr::new(127, 200, 0, 4),
];
/// Below the rate limit of an unauthenticated source.
const GAP: Duration = Duration::from_millis(25);
/// An answer that takes longer is lost.
const LOST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_200_names_the_request_that_it_answers() {
        let answer = |status: &str| format!("SIP/2.0 {status}\r\nCall-ID: p17\r\n\r\n");
        assert_eq!(number(answer("200 OK").as_bytes()), Some(17));
        assert_eq!(number(answer("503 Service Unavailable").as_bytes()), None);
        assert_eq!(number(b"SIP/2.0 200 OK\r\nCall-ID: q17\r\n\r\n"), None);
    }
}
