//! The io_uring backend: one ring a core, multishot RECVMSG into a provided buffer ring, sends that
//! complete inside the submission, one wait for packets, deadlines and the doorbell.
//!
//! What was measured to pay: deferred task work (5 % over no flags), fixed files (3 %), no completion
//! for sends that succeed (0 to 8 %), and above all waiting for many packets at once (a third of all CPU
//! at 100,000 packets a second). What was measured not to: zero-copy sends (22 % worse for 172 bytes),
//! a submission thread on the same core (85 % worse), multishot timeouts (they drift), a second socket a port,
//! connected to the party (3 % at most, for twice the kernel's memory; the first one cannot be connected, or the
//! kernel would answer packets of other sources, which we have to count).
#![allow(unsafe_code)]

mod address;
mod arena;
mod buffers;
#[cfg(test)]
mod interleavings;
mod ledger;
mod memory;
mod message;
mod probe;

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use io_uring::types::{Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use plane::{Received, SocketId};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use shared::{CoreId, MediaPort};
use socket2::Socket;

use crate::backend::driver::{
    BUFFER_BYTES, Driver, DriverCounts, PacketHandler, Sender, TURN_PACKETS,
};
use crate::clock;
use crate::config::IoConfig;
use crate::ports::{Opened, open_share};
use crate::report::StartError;
use crate::rtcp::{self, RtcpSockets};
use crate::sleeper::Doorbell;
use crate::wait::Wait;

use arena::{Arena, Parcel};
use buffers::{Buffers, Filled, GROUP};
pub(crate) use probe::probe;

/// Submissions of one turn go to the kernel in one call.
const SUBMISSIONS: u32 = 4_096;
/// Completions that fit before the kernel has to set some aside.
const COMPLETIONS: u32 = 8_192;

/// The ring of one core with its sockets. Made, used and dropped on the core's own thread
/// (`IORING_SETUP_SINGLE_ISSUER`).
pub(crate) struct Uring {
    /// First field: closed before the memory below is freed.
    ring: IoUring,
    buffers: Buffers,
    arena: Arena,
    /// The request of every RECVMSG. The kernel copies it at each arming.
    request: Box<libc::msghdr>,
    doorbell: Arc<Doorbell>,
    /// Target of the doorbell's READ. Only the kernel writes it, nothing reads it.
    bell_count: Box<[u8; 8]>,
    bell_is_armed: bool,
    rtcp: RtcpSockets,
    /// Epoll set of the RTCP sockets; the ring waits for it as for one socket.
    rtcp_epoll: OwnedFd,
    rtcp_is_awaited: bool,
    rtcp_ready: Vec<epoll::Event>,
    rtcp_bytes: Box<[u8]>,
    /// First sockets in the ring's table: one a port.
    sockets: u32,
    /// Sockets whose reception has ended and restarts at the next turn, without repeats.
    rearm: Vec<u32>,
    counts: DriverCounts,
}

/// Subject of a completion, from its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    /// From this place of the table.
    Receive(u32),
    Send,
    Bell,
    /// An RTCP socket is ready.
    Rtcp,
    /// An operation whose result is ignored.
    Ignored,
}

impl Tag {
    const KIND_SHIFT: u32 = 32;

    fn encode(self) -> u64 {
        let tag = |kind: u64, data: u32| kind << Self::KIND_SHIFT | u64::from(data);
        match self {
            Self::Receive(place) => tag(0, place),
            Self::Send => tag(1, 0),
            Self::Bell => tag(2, 0),
            Self::Rtcp => tag(3, 0),
            Self::Ignored => tag(4, 0),
        }
    }

    fn decode(data: u64) -> Self {
        match data >> Self::KIND_SHIFT {
            0 => Self::Receive(data as u32),
            1 => Self::Send,
            2 => Self::Bell,
            3 => Self::Rtcp,
            _ => Self::Ignored,
        }
    }
}

impl Uring {
    /// Makes the ring, opens the share of one core into its table and starts receiving.
    ///
    /// Each socket is bound, put into the ring's own table and closed again, so that the limit of
    /// open files bounds a core's sockets and not the process's.
    pub fn open(
        core: CoreId,
        cores: usize,
        share: &[MediaPort],
        config: &IoConfig,
        files_max: u64,
        doorbell: Arc<Doorbell>,
    ) -> Result<(Self, Opened), StartError> {
        let system = |what| move |source| StartError::System { core, what, source };
        let ring = build_ring(SUBMISSIONS, COMPLETIONS).map_err(system("io_uring_setup"))?;
        let files_max_here = usize::try_from(files_max).unwrap_or(usize::MAX);
        let ports_max = share.len().min(files_max_here).clamp(1, usize::from(u16::MAX));
        let slots = u32::try_from(ports_max).unwrap_or(u32::MAX);
        ring.submitter().register_files_sparse(slots).map_err(system("a table of sockets"))?;
        let buffers = Buffers::new();
        buffers.register(&ring.submitter()).map_err(system("a ring of buffers"))?;
        let opened = open_share(core, share, config, files_max, ports_max, |index, socket| {
            install(&ring, index, &socket)
        })?;
        let sockets = opened.ports.len() as u32;
        let rtcp_epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|error| system("epoll_create")(error.into()))?;
        let mut uring = Self {
            ring,
            buffers,
            arena: Arena::new(),
            request: receive_request(),
            doorbell,
            bell_count: Box::new([0; 8]),
            bell_is_armed: false,
            rtcp: RtcpSockets::new(&opened.ports, config, rtcp::sockets_max(files_max, cores)),
            rtcp_epoll,
            rtcp_is_awaited: false,
            rtcp_ready: Vec::with_capacity(RTCP_TURN),
            rtcp_bytes: vec![0; BUFFER_BYTES].into_boxed_slice(),
            sockets,
            rearm: Vec::new(),
            counts: DriverCounts::default(),
        };
        uring.rearm = (0..sockets).collect();
        uring.begin_receptions();
        uring.submit();
        uring.counts.rearmed = 0;
        Ok((uring, opened))
    }

    /// (Re)arms every socket on the list.
    fn begin_receptions(&mut self) {
        while let Some(place) = self.rearm.pop() {
            let entry = opcode::RecvMsgMulti::new(Fixed(place), &raw const *self.request, GROUP)
                .build()
                .user_data(Tag::Receive(place).encode());
            // SAFETY: `request` lives as long as the ring and is never changed; the buffers belong to
            // the registered group.
            if !unsafe { self.push(&entry) } {
                self.rearm.push(place);
                return;
            }
        }
    }

    /// The doorbell is read by the ring: its completion ends a wait.
    fn arm_bell(&mut self) {
        if self.bell_is_armed {
            return;
        }
        let bell = Fd(self.doorbell.as_fd().as_raw_fd());
        let entry = opcode::Read::new(bell, self.bell_count.as_mut_ptr(), 8)
            .build()
            .user_data(Tag::Bell.encode());
        // SAFETY: the eventfd is kept open by `doorbell` and the 8 bytes by `bell_count`, both for the
        // life of the ring; one READ is under way at a time.
        self.bell_is_armed = unsafe { self.push(&entry) };
    }

    /// Waits for RTCP. A socket that still has something ends this wait at once.
    fn await_rtcp(&mut self) {
        if self.rtcp_is_awaited {
            return;
        }
        let entry = opcode::PollAdd::new(Fd(self.rtcp_epoll.as_raw_fd()), libc::POLLIN as u32)
            .build()
            .user_data(Tag::Rtcp.encode());
        // SAFETY: the entry points to nothing; the epoll set is kept open for the life of the ring.
        self.rtcp_is_awaited = unsafe { self.push(&entry) };
    }

    /// Receives one datagram of each ready RTCP socket.
    fn receive_rtcp(&mut self, handler: &mut impl PacketHandler) -> usize {
        let only_look = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut ready = std::mem::take(&mut self.rtcp_ready);
        let mut bytes = std::mem::take(&mut self.rtcp_bytes);
        ready.clear();
        let _ = epoll::wait(&self.rtcp_epoll, spare_capacity(&mut ready), Some(&only_look));
        let mut packets = 0;
        for event in &ready {
            let Ok(number) = u32::try_from(event.data.u64()) else { continue };
            let Some(socket) = self.rtcp.get(SocketId(number)) else { continue };
            let Some((len, source)) = rtcp::receive(socket, &mut bytes) else { continue };
            packets += 1;
            self.counts.received += 1;
            let (Some(packet), Some(source)) = (bytes.get_mut(..len), source) else {
                self.counts.too_long += 1;
                continue;
            };
            match handler.packet(SocketId(number), source, packet, self) {
                Received::Consumed | Received::Dropped(_) => {}
                Received::Forward { socket, to, len } => {
                    self.send(socket, to, bytes.get(..len).unwrap_or_default());
                }
            }
        }
        (self.rtcp_ready, self.rtcp_bytes) = (ready, bytes);
        packets
    }

    /// Queues an entry, submitting first where the queue is full. `false` when the kernel takes none.
    ///
    /// # Safety
    /// Memory that the entry points to must stay until the kernel is done with it.
    unsafe fn push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: by the caller.
        if unsafe { self.ring.submission().push(entry) }.is_ok() {
            return true;
        }
        // No memory is freed here: the entry may point to memory that was reserved for it.
        check(self.ring.submit());
        // SAFETY: by the caller.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }

    /// Passes everything queued to the kernel, without waiting, and reclaims the memory of sends.
    fn submit(&mut self) {
        let result = self.ring.submit();
        self.submitted(result);
    }

    /// A send with MSG_DONTWAIT is carried out inside the submission: it is sent or refused, never
    /// kept. So when the kernel has taken over all entries, the memory of all sends is free.
    fn submitted(&mut self, result: io::Result<usize>) {
        check(result);
        if self.ring.submission().is_empty() {
            self.buffers.all_sent();
            self.arena.clear();
        }
        self.buffers.publish();
    }

    /// Queues one datagram. The parcel's memory must stay until [`Uring::submitted`] frees it.
    fn queue_send(&mut self, socket: SocketId, parcel: Parcel) -> bool {
        let place = Fixed(socket.port_index() as u32);
        let entry = opcode::Send::new(place, parcel.payload, parcel.payload_len)
            .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            .dest_addr(parcel.address.cast())
            .dest_addr_len(parcel.address_len)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Tag::Send.encode());
        self.counts.sent += 1;
        // SAFETY: the parcel lies in the arena or in a buffer that is held for sends; both are only
        // reused once `submitted` has seen an empty queue.
        let is_queued = unsafe { self.push(&entry) };
        self.counts.send_failed += u64::from(!is_queued);
        is_queued
    }

    /// Sends the first `len` bytes of the datagram in `filled` from where they are. Its front, where
    /// the source stood, now holds the destination.
    fn forward(&mut self, mut filled: Filled, socket: SocketId, to: SocketAddr, len: usize) {
        let Some(parcel) = address_parcel(filled.bytes(), to, len) else {
            self.counts.sent += 1;
            self.counts.send_failed += 1;
            self.buffers.give_back(filled);
            return;
        };
        if self.queue_send(socket, parcel) {
            self.buffers.lend_to_send(filled);
        } else {
            self.buffers.give_back(filled);
        }
    }

    fn received(
        &mut self,
        place: u32,
        result: i32,
        flags: u32,
        handler: &mut impl PacketHandler,
    ) -> bool {
        if !cqueue::more(flags) {
            self.reception_ended(place, result);
        }
        let buffer = cqueue::buffer_select(flags);
        let (Ok(len), Some(buffer)) = (usize::try_from(result), buffer) else { return false };
        let Some(mut filled) = self.buffers.take(buffer, len) else { return false };
        self.counts.received += 1;
        let Some(message) = message::parse(filled.bytes()) else {
            self.counts.too_long += 1;
            self.buffers.give_back(filled);
            return true;
        };
        let packet = filled.bytes().get_mut(message::PAYLOAD_OFFSET..).unwrap_or(&mut []);
        let socket = SocketId::rtp(place as usize);
        match handler.packet(socket, message.source, packet, self) {
            Received::Consumed | Received::Dropped(_) => self.buffers.give_back(filled),
            Received::Forward { socket, to, len } => self.forward(filled, socket, to, len),
        }
        true
    }

    fn reception_ended(&mut self, place: u32, result: i32) {
        if result == -libc::ENOBUFS {
            self.counts.buffer_shortages += 1;
        } else {
            self.counts.rearmed += 1;
        }
        if self.rearm.len() < self.rearm.capacity() {
            self.rearm.push(place);
        }
    }

    /// Cancels every reception, each by its own name: cancelling all at once has the kernel look
    /// through all of them for each. A cancelled reception holds its socket until its end is worked off.
    fn end_receptions(&mut self) {
        let places: Vec<u32> = (0..self.sockets).collect();
        for places in places.chunks(CANCELS) {
            for place in places {
                let entry = opcode::AsyncCancel::new(Tag::Receive(*place).encode())
                    .build()
                    .flags(squeue::Flags::SKIP_SUCCESS)
                    .user_data(Tag::Ignored.encode());
                // SAFETY: the entry points to nothing.
                let _ = unsafe { self.push(&entry) };
            }
            for _ in 0..=places.len() {
                let _ = self.ring.submit();
                let has_work = self.ring.submission().taskrun();
                let has_ended = self.ring.completion().count() > 0;
                if !has_work && !has_ended {
                    break;
                }
            }
        }
    }
}

impl Driver for Uring {
    type Sender = Self;

    fn sender(&mut self) -> &mut Self {
        self
    }

    fn receive(&mut self, handler: &mut impl PacketHandler) -> usize {
        let mut room = [const { MaybeUninit::uninit() }; TURN_PACKETS];
        let completions = self.ring.completion().fill(&mut room);
        let (mut packets, mut has_rtcp) = (0, false);
        for completion in completions {
            match Tag::decode(completion.user_data()) {
                Tag::Receive(place) => {
                    let (result, flags) = (completion.result(), completion.flags());
                    packets += usize::from(self.received(place, result, flags, handler));
                }
                // Only failures complete visibly (SKIP_SUCCESS).
                Tag::Send => self.counts.send_failed += 1,
                Tag::Bell => self.bell_is_armed = false,
                Tag::Rtcp => has_rtcp = true,
                Tag::Ignored => {}
            }
        }
        if has_rtcp {
            self.rtcp_is_awaited = false;
            packets += self.receive_rtcp(handler);
        }
        packets
    }

    fn wait(&mut self, wait: Option<Wait>) {
        self.buffers.publish();
        self.begin_receptions();
        self.await_rtcp();
        let Some(wait) = wait else { return self.submit() };
        self.arm_bell();
        self.counts.wakes += 1;
        let submitter = self.ring.submitter();
        let result = match wait.until {
            None => submitter.submit_and_wait(wait.packets as usize),
            Some(until) => {
                let timeout = timespec(until.since(clock::now()));
                let args = SubmitArgs::new().timespec(&timeout);
                submitter.submit_with_args(wait.packets as usize, &args)
            }
        };
        self.submitted(result);
    }

    fn has_packets(&mut self) -> bool {
        !self.ring.completion().is_empty()
    }

    fn counts(&self) -> &DriverCounts {
        &self.counts
    }
}

impl Sender for Uring {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        if socket.is_rtcp() {
            let is_sent = rtcp::send(self.rtcp.get(socket), to, packet);
            self.counts.sent += 1;
            self.counts.send_failed += u64::from(!is_sent);
            return;
        }
        let mut parcel = self.arena.put(to, packet);
        if parcel.is_none() {
            self.submit();
            parcel = self.arena.put(to, packet);
        }
        match parcel {
            Some(parcel) => {
                self.queue_send(socket, parcel);
            }
            None => {
                self.counts.sent += 1;
                self.counts.send_failed += 1;
            }
        }
    }

    fn listen_for_rtcp(&mut self, port_index: usize, listens: bool) {
        self.rtcp.listen(&self.rtcp_epoll, port_index, listens, &mut self.counts);
    }
}

impl Drop for Uring {
    /// Takes everything back from the kernel before the memory is freed, and frees the ports before
    /// the thread is joined (closing a ring alone frees them some time later).
    fn drop(&mut self) {
        self.end_receptions();
        let _ = self.ring.submitter().unregister_files();
        let _ = self.ring.submitter().unregister_buf_ring(GROUP);
    }
}

/// RTCP sockets that are served in one turn.
const RTCP_TURN: usize = 32;

/// Receptions that are cancelled before their ends are worked off; they fit into the completion queue
/// together with the answers.
const CANCELS: usize = 2_048;
const _: () = assert!(CANCELS * 2 <= COMPLETIONS as usize);

/// A ring with the flags that pay: one thread submits, and completions are worked off only when it
/// asks for them, in its own time.
fn build_ring(submissions: u32, completions: u32) -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_coop_taskrun()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_cqsize(completions)
        .build(submissions)
}

/// Puts a socket into the table; dropping it then closes only its number in the process.
fn install(ring: &IoUring, index: usize, socket: &Socket) -> io::Result<()> {
    let index = u32::try_from(index).map_err(io::Error::other)?;
    ring.submitter().register_files_update(index, &[socket.as_raw_fd()]).map(drop)
}

fn receive_request() -> Box<libc::msghdr> {
    // SAFETY: all zeroes is a valid `msghdr`: no name, no vectors, no control data.
    let mut request: libc::msghdr = unsafe { std::mem::zeroed() };
    request.msg_namelen = message::NAME_BYTES as u32;
    Box::new(request)
}

/// Writes the destination over the source and points to both. `None` when `len` is not all inside.
fn address_parcel(bytes: &mut [u8], to: SocketAddr, len: usize) -> Option<Parcel> {
    let (name, address_len) = arena::encoded(to);
    let place = bytes.get_mut(message::NAME_OFFSET..)?.first_chunk_mut()?;
    *place = name;
    let address = place.as_ptr();
    let payload = bytes.get(message::PAYLOAD_OFFSET..)?.get(..len)?;
    Some(Parcel {
        address,
        address_len,
        payload: payload.as_ptr(),
        payload_len: u32::try_from(len).ok()?,
    })
}

/// # Panics
/// Where the kernel refuses the ring itself: the core restarts.
fn check(result: io::Result<usize>) {
    if let Err(error) = result {
        assert!(is_passing(&error), "io_uring_enter: {error}");
    }
}

/// Errors that pass by themselves: the deadline, a signal, unread completions, memory.
fn is_passing(error: &io::Error) -> bool {
    let passing = [libc::ETIME, libc::EINTR, libc::EBUSY, libc::EAGAIN, libc::ENOMEM];
    error.raw_os_error().is_some_and(|number| passing.contains(&number))
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::from(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_back_as_written() {
        let received = [Tag::Receive(0), Tag::Receive(u32::MAX)];
        for tag in received.into_iter().chain([Tag::Send, Tag::Bell, Tag::Rtcp, Tag::Ignored]) {
            assert_eq!(Tag::decode(tag.encode()), tag);
        }
    }

    #[test]
    fn a_forward_writes_its_destination_where_the_source_stood() {
        let mut bytes = vec![9; message::PAYLOAD_OFFSET + 20];
        let to = "192.0.2.1:4000".parse().expect("a literal");
        let parcel = address_parcel(&mut bytes, to, 20).expect("20 bytes are there");
        assert_eq!((parcel.address_len, parcel.payload_len), (16, 20));
        assert_eq!(address::decode(&bytes[message::NAME_OFFSET..]), Some(to));
        assert!(bytes[message::PAYLOAD_OFFSET..].iter().all(|byte| *byte == 9));
        assert!(address_parcel(&mut bytes, to, 21).is_none());
    }
}
