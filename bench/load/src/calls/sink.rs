//! The RTP sink of all callers: a socket whose thread counts and drops the packets. Shell.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

/// The socket and its thread; both end when dropped.
pub(crate) struct MediaSink {
    pub port: u16,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MediaSink {
    /// Opens a free port on loopback.
    ///
    /// # Errors
    /// The system refuses a socket or a thread.
    pub fn open() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        let port = socket.local_addr()?.port();
        let received = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, ends) = (Arc::clone(&received), Arc::clone(&stop));
        let thread = thread::Builder::new().name("media-sink".to_owned()).spawn(move || {
            let mut bytes = [0; 2_048];
            while !ends.load(Ordering::Relaxed) {
                if socket.recv(&mut bytes).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        })?;
        Ok(Self { port, received, stop, thread: Some(thread) })
    }

    /// Packets received so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Packets that the kernel dropped because the socket was full, so far: this side was too slow.
    pub fn dropped(&self) -> u64 {
        let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
        drops(&table, self.port).unwrap_or(0)
    }
}

impl Drop for MediaSink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// The drops of a local port: the last column of its line in the kernel's table of UDP sockets.
fn drops(table: &str, port: u16) -> Option<u64> {
    let ending = format!(":{port:04X}");
    let line = table.lines().find(|line| {
        line.split_ascii_whitespace().nth(1).is_some_and(|local| local.ends_with(&ending))
    })?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_of_a_port_are_in_the_last_column() {
        let table = "  sl  local_address rem_address   st drops\n\
            1: 0100007F:0FA0 00000000:0000 07 2 0000 0\n\
            2: 0100007F:C350 00000000:0000 07 2 0000 17\n";
        assert_eq!(drops(table, 50_000), Some(17));
        assert_eq!(drops(table, 4_000), Some(0));
        assert_eq!(drops(table, 1), None);
    }
}
