//! The io_uring backend: one ring a core, multishot RECVMSG into a provided buffer ring, sends that
//! complete inside the submission, one wait for packets, deadlines and the doorbell.
//!
//! What was measured to pay: deferred task work (5 % over no flags), fixed files (3 %), no completion
//! for sends that succeed (0 to 8 %), and above all waiting for many packets at once (a third of all CPU
//! at 100,000 packets a second). What was measured not to: zero-copy sends (22 % worse for 172 bytes),
//! a submission thread on the same core (85 % worse), multishot timeouts (they drift).
#![allow(unsafe_code)]

mod address;
mod arena;
mod buffers;
mod ledger;
mod memory;
mod message;
mod probe;

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use plane::{Received, SocketId};
use shared::{CoreId, MediaPort};

use crate::clock;
use crate::config::IoConfig;
use crate::driver::{Driver, DriverCounts, PacketHandler, Sender, TURN_PACKETS};
use crate::ports::{Opened, Pair, open_share};
use crate::report::StartError;
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
    /// What every RECVMSG asks for. The kernel copies it at each arming.
    request: Box<libc::msghdr>,
    doorbell: Arc<Doorbell>,
    /// Where the doorbell's READ puts its count. Only the kernel writes it, nobody reads it.
    bell_count: Box<[u8; 8]>,
    bell_is_armed: bool,
    /// Sockets in the ring's table.
    sockets: u32,
    /// Sockets whose reception has ended and is to be begun again at the next turn, without repeats.
    rearm: Vec<u32>,
    counts: DriverCounts,
}

/// What a completion is about, in its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Receive(u32),
    Send,
    Bell,
}

impl Tag {
    const KIND_SHIFT: u32 = 32;

    fn encode(self) -> u64 {
        match self {
            Self::Receive(socket) => u64::from(socket),
            Self::Send => 1 << Self::KIND_SHIFT,
            Self::Bell => 2 << Self::KIND_SHIFT,
        }
    }

    fn decode(data: u64) -> Self {
        match data >> Self::KIND_SHIFT {
            0 => Self::Receive(data as u32),
            1 => Self::Send,
            _ => Self::Bell,
        }
    }
}

impl Uring {
    /// Makes the ring, opens the share of one core into its table and begins to receive.
    ///
    /// Each socket is bound, put into the ring's own table and closed again, so that the limit of
    /// open files bounds a core's sockets and not the process's.
    pub fn open(
        core: CoreId,
        share: &[MediaPort],
        config: &IoConfig,
        files_max: u64,
        doorbell: Arc<Doorbell>,
    ) -> Result<(Self, Opened), StartError> {
        let system = |what| move |source| StartError::System { core, what, source };
        let ring = build_ring(SUBMISSIONS, COMPLETIONS).map_err(system("io_uring_setup"))?;
        let pairs_max =
            share.len().min(usize::try_from(files_max / 2).unwrap_or(usize::MAX)).max(1);
        let slots = u32::try_from(pairs_max * 2).unwrap_or(u32::MAX);
        ring.submitter().register_files_sparse(slots).map_err(system("a table of sockets"))?;
        let buffers = Buffers::new();
        buffers.register(&ring.submitter()).map_err(system("a ring of buffers"))?;
        let opened = open_share(core, share, config, files_max, pairs_max, |index, pair| {
            install(&ring, index, &pair)
        })?;
        let sockets = opened.ports.len() as u32 * 2;
        let mut uring = Self {
            ring,
            buffers,
            arena: Arena::new(),
            request: receive_request(),
            doorbell,
            bell_count: Box::new([0; 8]),
            bell_is_armed: false,
            sockets,
            rearm: Vec::with_capacity(sockets as usize),
            counts: DriverCounts::default(),
        };
        uring.rearm.extend(0..sockets);
        uring.begin_receptions();
        uring.submit();
        uring.counts.rearmed = 0;
        Ok((uring, opened))
    }

    /// (Re)arms every socket on the list.
    fn begin_receptions(&mut self) {
        while let Some(socket) = self.rearm.pop() {
            let entry = opcode::RecvMsgMulti::new(Fixed(socket), &raw const *self.request, GROUP)
                .build()
                .user_data(Tag::Receive(socket).encode());
            // SAFETY: `request` lives as long as the ring and is never changed; the buffers belong to
            // the registered group.
            if !unsafe { self.push(&entry) } {
                self.rearm.push(socket);
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

    /// Queues an entry, submitting first where the queue is full. `false` when the kernel takes none.
    ///
    /// # Safety
    /// What the entry points to must stay until the kernel is done with it.
    unsafe fn push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: by the caller.
        if unsafe { self.ring.submission().push(entry) }.is_ok() {
            return true;
        }
        self.submit();
        // SAFETY: by the caller.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }

    /// Gives everything queued to the kernel, without waiting, and takes back the memory of sends.
    fn submit(&mut self) {
        let result = self.ring.submit();
        self.submitted(result);
    }

    /// A send with MSG_DONTWAIT is carried out inside the submission: it is sent or refused, never
    /// kept. So when the kernel has taken over all entries, the memory of all sends is free.
    fn submitted(&mut self, result: io::Result<usize>) {
        if let Err(error) = result {
            assert!(is_passing(&error), "io_uring_enter: {error}");
        }
        if self.ring.submission().is_empty() {
            self.buffers.all_sent();
            self.arena.clear();
        }
        self.buffers.publish();
    }

    /// Queues one datagram. The parcel's memory must stay until [`Uring::submitted`] frees it.
    fn queue_send(&mut self, socket: SocketId, parcel: Parcel) -> bool {
        let entry = opcode::Send::new(Fixed(socket.0), parcel.payload, parcel.payload_len)
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
        socket: u32,
        result: i32,
        flags: u32,
        handler: &mut impl PacketHandler,
    ) -> bool {
        if !cqueue::more(flags) {
            self.reception_ended(socket, result);
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
        match handler.packet(SocketId(socket), message.source, packet, self) {
            Received::Consumed | Received::Dropped(_) => self.buffers.give_back(filled),
            Received::Forward { socket, to, len } => self.forward(filled, socket, to, len),
        }
        true
    }

    fn reception_ended(&mut self, socket: u32, result: i32) {
        if result == -libc::ENOBUFS {
            self.counts.buffer_shortages += 1;
        } else {
            self.counts.rearmed += 1;
        }
        if socket < self.sockets {
            self.rearm.push(socket);
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
        let mut packets = 0;
        for completion in completions {
            match Tag::decode(completion.user_data()) {
                Tag::Receive(socket) => {
                    let (result, flags) = (completion.result(), completion.flags());
                    packets += usize::from(self.received(socket, result, flags, handler));
                }
                // Only failures complete visibly (SKIP_SUCCESS).
                Tag::Send => self.counts.send_failed += u64::from(completion.result() < 0),
                Tag::Bell => self.bell_is_armed = false,
            }
        }
        packets
    }

    fn wait(&mut self, wait: Option<Wait>) {
        self.buffers.publish();
        self.begin_receptions();
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
}

impl Drop for Uring {
    /// Takes everything back from the kernel before the memory is freed, and frees the ports before
    /// the thread is joined (closing a ring alone frees them some time later).
    fn drop(&mut self) {
        let submitter = self.ring.submitter();
        let _ = submitter.register_sync_cancel(Some(timespec(CANCEL_MAX)), CancelBuilder::any());
        // The cancelled receptions still hold their sockets; each lets go when its end is worked off.
        for _ in 0..=self.sockets {
            let _ = self.ring.submit();
            let has_work = self.ring.submission().taskrun();
            let has_ended = self.ring.completion().count() > 0;
            if !has_work && !has_ended {
                break;
            }
        }
        let _ = self.ring.submitter().unregister_files();
        let _ = self.ring.submitter().unregister_buf_ring(GROUP);
    }
}

/// Cancelling takes microseconds a socket; this is for a kernel in trouble.
const CANCEL_MAX: Duration = Duration::from_secs(2);

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

/// Puts a pair into the table; dropping the pair then closes only its numbers in the process.
fn install(ring: &IoUring, index: usize, pair: &Pair) -> io::Result<()> {
    let first = u32::try_from(index * 2).map_err(io::Error::other)?;
    let sockets = [pair.rtp.as_raw_fd(), pair.rtcp.as_raw_fd()];
    ring.submitter().register_files_update(first, &sockets).map(drop)
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

/// Errors that pass by themselves: the deadline, a signal, completions to be read first, memory.
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
        for tag in [Tag::Receive(0), Tag::Receive(u32::MAX), Tag::Send, Tag::Bell] {
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
