//! The portable backend: epoll, then all receptions, then all sends. The reference for the io_uring backend
//! and the fallback where io_uring is denied.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use plane::{Received, SocketId};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use shared::{CoreId, Instant, MediaPort};

use crate::backend::driver::{
    BUFFER_BYTES, Driver, DriverCounts, PacketHandler, Sender, TURN_PACKETS,
};
use crate::config::IoConfig;
use crate::ports::{Opened, open_share};
use crate::report::StartError;
use crate::rtcp::{self, RtcpSockets};
use crate::sleeper::Doorbell;
use crate::wait::Wait;

/// The epoll data of the doorbell; sockets have their number.
const BELL: u64 = u64::MAX;
/// The epoll data of the timer.
const TIMER: u64 = u64::MAX - 1;

/// Open files that a process needs besides media sockets: SIP and HTTP connections, files.
const FILES_FOR_OTHERS_MAX: u64 = 4_096;

/// One epoll set with the sockets of one core.
pub(crate) struct Portable {
    sender: PortableSender,
    /// Deadlines: an absolute timer, because `epoll_wait` itself counts whole milliseconds.
    timer: OwnedFd,
    armed: Option<Instant>,
    doorbell: Arc<Doorbell>,
    /// Ready sockets of the last wait, read by the next `receive`.
    ready: Vec<epoll::Event>,
    /// One buffer for each packet of a turn, as all are received before the first is sent.
    buffers: Box<[[u8; BUFFER_BYTES]]>,
    forwards: Vec<ForwardPacket>,
}

pub(crate) struct PortableSender {
    epoll: OwnedFd,
    /// RTP sockets, by the index of the port.
    sockets: Vec<OwnedFd>,
    rtcp: RtcpSockets,
    counts: DriverCounts,
}

struct ForwardPacket {
    buffer: usize,
    len: usize,
    socket: SocketId,
    to: SocketAddr,
}

impl Portable {
    /// Opens the share of one core.
    pub fn open(
        core: CoreId,
        cores: usize,
        share: &[MediaPort],
        config: &IoConfig,
        files_max: u64,
        doorbell: Arc<Doorbell>,
    ) -> Result<(Self, Opened), StartError> {
        let system =
            |what| move |source: Errno| StartError::System { core, what, source: source.into() };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(system("epoll_create"))?;
        let bell = epoll::EventData::new_u64(BELL);
        epoll::add(&epoll, doorbell.as_fd(), bell, epoll::EventFlags::IN)
            .map_err(system("epoll_ctl"))?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, flags).map_err(system("timerfd_create"))?;
        // Edge-triggered: a passed deadline is reported once and need not be read.
        let data = epoll::EventData::new_u64(TIMER);
        epoll::add(&epoll, &timer, data, epoll::EventFlags::IN | epoll::EventFlags::ET)
            .map_err(system("epoll_ctl"))?;
        let mut sockets: Vec<OwnedFd> = Vec::with_capacity(share.len());
        let ports_max = ports_max(files_max, cores);
        let opened = open_share(core, share, config, files_max, ports_max, |index, socket| {
            let data = epoll::EventData::new_u64(u64::from(SocketId::rtp(index).0));
            epoll::add(&epoll, &socket, data, epoll::EventFlags::IN)?;
            sockets.push(socket.into());
            Ok(())
        })?;
        let rtcp = RtcpSockets::new(&opened.ports, config, ports_max);
        let driver = Self {
            sender: PortableSender { epoll, sockets, rtcp, counts: DriverCounts::default() },
            timer,
            armed: None,
            doorbell,
            ready: Vec::with_capacity(TURN_PACKETS),
            buffers: vec![[0; BUFFER_BYTES]; TURN_PACKETS].into_boxed_slice(),
            forwards: Vec::with_capacity(TURN_PACKETS),
        };
        Ok((driver, opened))
    }

    /// Sets the timer that ends a wait at `deadline`; without a system call while it stays the same.
    fn arm(&mut self, deadline: Instant) {
        if self.armed == Some(deadline) {
            return;
        }
        let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        // The process clock is CLOCK_MONOTONIC; 0 would disarm the timer.
        let at = timespec(deadline.since(Instant::ZERO).max(Duration::from_nanos(1)));
        let timer = Itimerspec { it_interval: interval, it_value: at };
        let is_armed = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &timer).is_ok();
        self.armed = is_armed.then_some(deadline);
    }

    fn answer_bell(&self) {
        let mut count = [0; 8];
        // EAGAIN: the count was read already.
        let _ = rustix::io::read(&self.doorbell, &mut count);
    }
}

/// RTP ports of one core when `files_max` files may be open in all: each may have an RTCP socket too.
fn ports_max(files_max: u64, cores: usize) -> usize {
    let for_others = (files_max / 4).min(FILES_FOR_OTHERS_MAX);
    let for_media = usize::try_from(files_max - for_others).unwrap_or(usize::MAX);
    (for_media / 2 / cores.max(1)).max(1)
}

impl Driver for Portable {
    type Sender = PortableSender;

    fn sender(&mut self) -> &mut PortableSender {
        &mut self.sender
    }

    fn receive(&mut self, handler: &mut impl PacketHandler) -> usize {
        let mut packets = 0;
        for (buffer, (event, bytes)) in self.ready.iter().zip(&mut self.buffers).enumerate() {
            let Ok(number) = u32::try_from(event.data.u64()) else { continue };
            let number = SocketId(number);
            // The RTCP socket may have been closed since.
            let Some(socket) = self.sender.socket(number) else { continue };
            let Some((len, source)) = rtcp::receive(socket, &mut bytes[..]) else { continue };
            packets += 1;
            self.sender.counts.received += 1;
            let (Some(packet), Some(source)) = (bytes.get_mut(..len), source) else {
                self.sender.counts.too_long += 1;
                continue;
            };
            match handler.packet(number, source, packet, &mut self.sender) {
                Received::Consumed | Received::Dropped(_) => {}
                Received::Forward { socket, to, len } => {
                    self.forwards.push(ForwardPacket { buffer, len, socket, to });
                }
            }
        }
        self.ready.clear();
        for forward in self.forwards.drain(..) {
            let packet =
                self.buffers.get(forward.buffer).and_then(|bytes| bytes.get(..forward.len));
            self.sender.send(forward.socket, forward.to, packet.unwrap_or(&[]));
        }
        packets
    }

    fn wait(&mut self, wait: Option<Wait>) {
        let only_look = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = wait.is_none().then_some(&only_look);
        if let Some(deadline) = wait.and_then(|wait| wait.until) {
            self.arm(deadline);
        }
        self.ready.clear();
        // An error is EINTR: then nothing is ready, and the next turn waits again.
        let _ = epoll::wait(&self.sender.epoll, spare_capacity(&mut self.ready), timeout);
        self.sender.counts.wakes += u64::from(wait.is_some());
        if self.ready.iter().any(|event| event.data.u64() == BELL) {
            self.answer_bell();
        }
    }

    fn has_packets(&mut self) -> bool {
        // One packet was taken from each ready socket; only the kernel knows whether there are more.
        false
    }

    fn counts(&self) -> &DriverCounts {
        &self.sender.counts
    }
}

impl PortableSender {
    fn socket(&self, socket: SocketId) -> Option<&OwnedFd> {
        match socket.is_rtcp() {
            true => self.rtcp.get(socket),
            false => self.sockets.get(socket.port_index()),
        }
    }
}

impl Sender for PortableSender {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        let is_sent = rtcp::send(self.socket(socket), to, packet);
        self.counts.sent += 1;
        self.counts.send_failed += u64::from(!is_sent);
    }

    fn listen_for_rtcp(&mut self, port_index: usize, listens: bool) {
        self.rtcp.listen(&self.epoll, port_index, listens, &mut self.counts);
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_open_files_is_left_to_others() {
        assert_eq!(ports_max(1_024, 1), 384);
        assert_eq!(ports_max(20_000, 1), 7_952);
        assert_eq!(ports_max(20_000, 2), 3_976);
        assert_eq!(ports_max(0, 4), 1);
    }
}
