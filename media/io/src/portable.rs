//! The portable backend: epoll, then all receptions, then all sends. The reference for io_uring and
//! the fallback where that is denied.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use plane::{Received, SocketId};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use shared::{CoreId, Instant, MediaPort};

use crate::config::IoConfig;
use crate::driver::{BUFFER_BYTES, Driver, DriverCounts, PacketHandler, Sender, TURN_PACKETS};
use crate::ports::{Opened, Room, open_share};
use crate::report::StartError;
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
    epoll: OwnedFd,
    /// Deadlines: an absolute timer, because `epoll_wait` itself counts whole milliseconds.
    timer: OwnedFd,
    armed: Option<Instant>,
    doorbell: Arc<Doorbell>,
    /// Ready sockets of the last wait; handed out by the next `receive`.
    ready: Vec<epoll::Event>,
    /// One buffer for each packet of a turn, as all are received before the first is sent.
    buffers: Box<[[u8; BUFFER_BYTES]]>,
    forwards: Vec<ForwardPacket>,
}

pub(crate) struct PortableSender {
    sockets: Vec<OwnedFd>,
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
        // Edge-triggered: a deadline that has passed is told once and need not be read.
        let data = epoll::EventData::new_u64(TIMER);
        epoll::add(&epoll, &timer, data, epoll::EventFlags::IN | epoll::EventFlags::ET)
            .map_err(system("epoll_ctl"))?;
        let mut sockets = Vec::with_capacity(share.len() * 2);
        let room = Room { pairs_max: pairs_max(files_max, cores), seconds_max: 0 };
        let opened = open_share(core, share, config, files_max, room, |index, pair| {
            for (socket, number) in [(pair.rtp, index * 2), (pair.rtcp, index * 2 + 1)] {
                let data = epoll::EventData::new_u64(number as u64);
                epoll::add(&epoll, &socket, data, epoll::EventFlags::IN)?;
                sockets.push(socket.into());
            }
            Ok(())
        })?;
        let driver = Self {
            sender: PortableSender { sockets, counts: DriverCounts::default() },
            epoll,
            timer,
            armed: None,
            doorbell,
            ready: Vec::with_capacity(TURN_PACKETS),
            buffers: vec![[0; BUFFER_BYTES]; TURN_PACKETS].into_boxed_slice(),
            forwards: Vec::with_capacity(TURN_PACKETS),
        };
        Ok((driver, opened))
    }

    /// Lets the timer end a wait at `deadline`; the one call is spared while it stays the same.
    fn arm(&mut self, deadline: Instant) {
        if self.armed == Some(deadline) {
            return;
        }
        let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        // The process clock is CLOCK_MONOTONIC as it is; 0 would disarm.
        let at = timespec(deadline.since(Instant::ZERO).max(Duration::from_nanos(1)));
        let timer = Itimerspec { it_interval: interval, it_value: at };
        let is_armed = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &timer).is_ok();
        self.armed = is_armed.then_some(deadline);
    }

    fn answer_bell(&self) {
        let mut count = [0; 8];
        // EAGAIN means that somebody rang and the count is read already.
        let _ = rustix::io::read(&self.doorbell, &mut count);
    }
}

/// RTP ports of one core when `files_max` files may be open in all.
fn pairs_max(files_max: u64, cores: usize) -> usize {
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
            let number = event.data.u64();
            let Some(socket) =
                usize::try_from(number).ok().and_then(|n| self.sender.sockets.get(n))
            else {
                continue;
            };
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let Ok((_, len, source)) = recvfrom(socket, &mut bytes[..], flags) else { continue };
            packets += 1;
            self.sender.counts.received += 1;
            let source = source.and_then(|source| SocketAddr::try_from(source).ok());
            let (Some(packet), Some(source)) = (bytes.get_mut(..len), source) else {
                self.sender.counts.too_long += 1;
                continue;
            };
            let socket = SocketId(number as u32);
            match handler.packet(socket, source, packet, &mut self.sender) {
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
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut self.ready), timeout);
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

impl Sender for PortableSender {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        self.counts.sent += 1;
        let sent = match self.sockets.get(socket.0 as usize) {
            Some(fd) => sendto(fd, packet, SendFlags::DONTWAIT | SendFlags::NOSIGNAL, &to),
            None => Err(Errno::BADF),
        };
        if sent != Ok(packet.len()) {
            self.counts.send_failed += 1;
        }
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
        assert_eq!(pairs_max(1_024, 1), 384);
        assert_eq!(pairs_max(20_000, 1), 7_952);
        assert_eq!(pairs_max(20_000, 2), 3_976);
        assert_eq!(pairs_max(0, 4), 1);
    }
}
