//! The bare loop: what any relay in user space pays to the kernel. Shell.
//!
//! A thread waits for readable sockets, receives one packet from each and sends it by the socket of the other party.
//! Every socket is connected, so that neither call looks up an address. Nothing reads the packet. A relay that does all
//! that a relay has to do cannot be much cheaper, so its cost divided by this one is the share of its own code.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use socket2::SockRef;

use super::relay::{Relay, Setup, SetupError, tried};
use crate::schedstat::{self, Thread};
use crate::scheduling;

/// The running loop; ended when dropped.
pub(super) struct Bare {
    targets: Vec<SocketAddr>,
    threads: Vec<Thread>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// Opens a socket for each stream and starts the loop.
    ///
    /// # Errors
    /// The system refuses a socket, usually for the number of open files.
    pub fn start(setup: &Setup) -> Result<Self, SetupError> {
        let open = |_| open(setup).map_err(tried("opening the sockets of the bare loop"));
        let sockets: Vec<UdpSocket> =
            (0..setup.streams).map(open).collect::<Result<_, SetupError>>()?;
        let targets = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>();
        let targets = targets.map_err(tried("reading an address"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let started = Arc::new(Barrier::new(2));
        let (cpu, ends, starts) = (setup.cpu, Arc::clone(&stop), Arc::clone(&started));
        let work = move || {
            starts.wait();
            // A socket that fails ends the loop; the generator then counts its packets as lost.
            let _ = scheduling::pin_self(cpu).and_then(|()| relay(&sockets, &ends));
        };
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(work);
        let thread = Some(thread.map_err(tried("starting the bare loop"))?);
        let mut bare = Self { targets, threads: Vec::new(), stop, thread };
        // A thread gives itself its name before it runs.
        started.wait();
        bare.threads = schedstat::own_threads(THREAD).map_err(tried("reading /proc"))?;
        Ok(bare)
    }
}

impl Relay for Bare {
    fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// With the receive buffer of one of our legs.
fn open(setup: &Setup) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((setup.relay, 0))?;
    socket.connect(setup.parties)?;
    socket.set_nonblocking(true)?;
    SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    Ok(socket)
}

fn relay(sockets: &[UdpSocket], stop: &AtomicBool) -> io::Result<()> {
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    for (index, socket) in sockets.iter().enumerate() {
        epoll::add(&poll, socket, EventData::new_u64(index as u64), EventFlags::IN)?;
    }
    let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS];
    let mut bytes = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        let ready = epoll::wait(&poll, &mut events[..], Some(&LOOK))?;
        for event in &events[..ready] {
            let index = event.data.u64() as usize;
            let (Some(from), Some(to)) = (sockets.get(index), sockets.get(index ^ 1)) else {
                continue;
            };
            if let Ok(len) = from.recv(&mut bytes) {
                // A full buffer loses the packet, and the generator counts it.
                let _ = to.send(&bytes[..len]);
            }
        }
    }
    Ok(())
}

const THREAD: &str = "bare-loop";
const RECEIVE_BUFFER_BYTES: usize = 64 * 1_024;
const EVENTS: usize = 256;
/// How soon the end is noticed.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
