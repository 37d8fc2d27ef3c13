//! The generator: one thread and one socket play all parties, send on the streams in turn and check
//! every packet that comes back. Shell.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use plane::rtp;
use plane::srtp::{SRTP_OVERHEAD_MAX, SrtpReceiver, SrtpSender};
use shared::{Codec, SrtpKeys};
use socket2::SockRef;

use super::payload::{Name, PAYLOAD_BYTES, Payloads, Reference};
use super::relay::Relay;

/// How fast packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as they come back, with [`WINDOW`] of them under way: the relay is saturated.
    Saturated,
    /// This number of packets a second over all streams, whatever comes back.
    PacketsASecond(u32),
}

/// Packets under way when saturated.
pub(crate) const WINDOW: u64 = 256;

/// Results of a burst. Packets are RTP test packets.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub sent: u64,
    pub returned: u64,
    /// Packets with a wrong byte, or of a stream that was never sent.
    pub corrupt: u64,
    /// Packets that arrived after a later one of their stream, or twice.
    pub disordered: u64,
    pub elapsed: Duration,
    /// Of it, time that this thread spent looking for packets in vain.
    pub waiting: Duration,
    /// From send to return, in microseconds.
    pub delay_us: Histogram<u64>,
}

impl Outcome {
    pub const fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.returned)
    }

    pub fn packets_a_second(&self) -> f64 {
        self.returned as f64 / self.elapsed.as_secs_f64()
    }
}

/// All parties. Streams `2n` and `2n + 1` are the two directions of one call.
pub(crate) struct Generator {
    socket: UdpSocket,
    /// Where packets arrive; `None`: at the socket that sent them.
    receiver: Option<UdpSocket>,
    streams: Vec<Stream>,
    /// The party that a relay's port sends to. Needed where some speak SRTP, since all parties share one socket.
    stream_of_port: BTreeMap<u16, usize>,
    payloads: Payloads,
    reference: Reference,
    next: usize,
    epoch: Instant,
}

struct Stream {
    /// The relay's port for this party.
    target: SocketAddr,
    /// Codec of this party.
    codec: Codec,
    /// Codec of the other party.
    heard: Codec,
    /// SRTP contexts of this party; `None` in the clear.
    srtp: Option<Box<(SrtpSender, SrtpReceiver)>>,
    sent: u32,
    /// Number of the newest packet that came back, plus one.
    returned: u32,
    /// Microseconds since the epoch, of the newest packets.
    sent_at: [u32; SEND_TIMES],
}

/// A packet that is older than this many of its stream has no delay: 0.64 s of real time.
const SEND_TIMES: usize = 32;

/// Opens a socket of all parties, before the relay, which must know its address.
///
/// # Errors
/// The system refuses a socket.
pub(crate) fn parties_socket(address: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    Ok(socket)
}

const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

impl Generator {
    /// `targets[i]` is where the party of stream `i` sends and what its packets come from; parties speak
    /// `codecs` in turn, those with `keys` over SRTP.
    pub fn new(
        socket: UdpSocket,
        relay: &impl Relay,
        codecs: [Codec; 2],
        reference: Reference,
    ) -> Self {
        let (targets, keys) = (relay.targets(), relay.keys());
        let srtp = |keys: SrtpKeys| {
            Box::new((SrtpSender::new(keys.send), SrtpReceiver::new(keys.receive)))
        };
        let ports = targets.iter().enumerate().map(|(index, target)| (target.port(), index));
        let stream = |(index, target): (usize, &SocketAddr)| Stream {
            target: *target,
            codec: codecs[index % 2],
            heard: codecs[(index + 1) % 2],
            srtp: keys.get(index).copied().flatten().map(srtp),
            sent: 0,
            returned: 0,
            sent_at: [0; SEND_TIMES],
        };
        Self {
            socket,
            receiver: None,
            stream_of_port: if keys.is_empty() { BTreeMap::new() } else { ports.collect() },
            streams: targets.iter().enumerate().map(stream).collect(),
            payloads: Payloads::new(),
            reference,
            next: 0,
            epoch: Instant::now(),
        }
    }

    /// Takes packets from another socket than the one that sends them.
    pub fn receiving_at(self, receiver: Option<UdpSocket>) -> Self {
        Self { receiver, ..self }
    }

    /// Sends for `duration`, then waits for packets under way. Spins: it occupies its CPU.
    ///
    /// # Errors
    /// The socket fails.
    pub fn burst(&mut self, pace: Pace, duration: Duration) -> io::Result<Outcome> {
        let start = Instant::now();
        let mut outcome = Outcome::empty();
        let mut under_way = 0_u64;
        let mut last_return = start;
        let mut looks = Looks::default();
        let mut turn = Duration::ZERO;
        while turn < duration {
            let allowed = match pace {
                Pace::Saturated => WINDOW.saturating_sub(under_way),
                Pace::PacketsASecond(rate) => {
                    let due = turn.as_nanos() * u128::from(rate) / 1_000_000_000;
                    u64::try_from(due).unwrap_or(u64::MAX).saturating_sub(outcome.sent)
                }
            };
            let sends = allowed.min(BURST);
            for _ in 0..sends {
                self.send_one()?;
                outcome.sent += 1;
                under_way += 1;
            }
            let mut returned = 0;
            while returned < BURST && self.take_one(&mut outcome)? {
                returned += 1;
            }
            under_way = under_way.saturating_sub(returned);
            if returned > 0 {
                last_return = Instant::now();
            } else if last_return.elapsed() > GIVE_UP {
                // Packets under way are lost; begin again so that the loop never stops.
                under_way = 0;
                last_return = Instant::now();
            }
            let now = start.elapsed();
            looks.note(sends + returned > 0, returned < BURST, now.saturating_sub(turn));
            turn = now;
        }
        outcome.elapsed = start.elapsed();
        outcome.waiting = looks.in_vain();
        self.wait_for_the_rest(&mut outcome)?;
        Ok(outcome)
    }

    fn wait_for_the_rest(&mut self, outcome: &mut Outcome) -> io::Result<()> {
        let mut last_return = Instant::now();
        while outcome.returned < outcome.sent && last_return.elapsed() < GIVE_UP {
            if self.take_one(outcome)? {
                last_return = Instant::now();
            } else {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }

    fn send_one(&mut self) -> io::Result<()> {
        let index = self.next;
        self.next = (index + 1) % self.streams.len();
        let stream = &mut self.streams[index];
        let name = Name { stream: index as u16, number: stream.sent };
        let mut sealed = [0; PACKET_BYTES + SRTP_OVERHEAD_MAX];
        let packet: &mut [u8; PACKET_BYTES] =
            sealed.first_chunk_mut().expect("a packet is shorter than a sealed one");
        let (header, payload) = packet.split_first_chunk_mut().expect("a header is shorter");
        write_header(header, stream.codec, name);
        let payload = payload.try_into().expect("a packet is a header and a payload");
        self.payloads.write(stream.codec, name, payload);
        stream.sent_at[name.number as usize % SEND_TIMES] = self.epoch.elapsed().as_micros() as u32;
        stream.sent = stream.sent.wrapping_add(1);
        let len = match &mut stream.srtp {
            None => PACKET_BYTES,
            Some(srtp) => {
                srtp.0.protect_rtp(&mut sealed, PACKET_BYTES).map_err(io::Error::other)?
            }
        };
        match self.socket.send_to(sealed.get(..len).unwrap_or_default(), stream.target) {
            Ok(_) => Ok(()),
            // The relay's port is closed or its buffer full: the packet counts as lost.
            Err(error) if is_loss(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads one datagram; `true` where it is a test packet.
    fn take_one(&mut self, outcome: &mut Outcome) -> io::Result<bool> {
        let mut bytes = [0_u8; 2_048];
        loop {
            let receiver = self.receiver.as_ref().unwrap_or(&self.socket);
            let (len, source) = match receiver.recv_from(&mut bytes) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if is_loss(&error) => continue,
                Err(error) => return Err(error),
            };
            let len = match self.open(source, &mut bytes[..len]) {
                Ok(len) => len,
                Err(Unopened) => {
                    outcome.corrupt += 1;
                    continue;
                }
            };
            if self.account(&bytes[..len], outcome) {
                return Ok(true);
            }
        }
    }

    /// Opens a packet for a party that speaks SRTP and returns its length then. RTCP stays as it is.
    fn open(&mut self, source: SocketAddr, packet: &mut [u8]) -> Result<usize, Unopened> {
        let stream = self.stream_of_port.get(&source.port());
        let stream = stream.and_then(|index| self.streams.get_mut(*index));
        let is_rtcp = packet.get(1).is_some_and(|kind| (RTCP_FIRST..=RTCP_LAST).contains(kind));
        match stream.and_then(|stream| stream.srtp.as_mut()) {
            Some(srtp) if !is_rtcp => srtp.1.unprotect_rtp(packet).map_err(|_| Unopened),
            Some(_) | None => Ok(packet.len()),
        }
    }

    /// Silence and reports that the relay makes by itself are not test packets.
    fn account(&mut self, packet: &[u8], outcome: &mut Outcome) -> bool {
        let Ok(packet) = <&[u8; PACKET_BYTES]>::try_from(packet) else { return false };
        let (_, payload) = packet.split_last_chunk().expect("a header and a payload");
        let received = match packet[1] & 0x7F {
            0 => Codec::Pcmu,
            8 => Codec::Pcma,
            _ => return false,
        };
        let Some(name) = self.payloads.name(received, payload) else { return false };
        outcome.returned += 1;
        let Some(stream) = self.streams.get_mut(usize::from(name.stream)) else {
            outcome.corrupt += 1;
            return true;
        };
        let codec = stream.codec;
        let intact = self.payloads.is_intact(codec, received, self.reference, name, payload);
        if !intact || received != stream.heard || name.number >= stream.sent {
            outcome.corrupt += 1;
            return true;
        }
        if name.number < stream.returned {
            outcome.disordered += 1;
        }
        stream.returned = stream.returned.max(name.number + 1);
        if stream.sent - name.number <= SEND_TIMES as u32 {
            let now = self.epoch.elapsed().as_micros() as u32;
            let delay = now.wrapping_sub(stream.sent_at[name.number as usize % SEND_TIMES]);
            outcome.delay_us.saturating_record(u64::from(delay));
        }
        true
    }
}

/// The turns of a burst that found nothing.
///
/// A slow relay makes the generator look often. Those looks are not the cost of a packet, so they
/// are taken off the machine's time: whole turns without a packet as measured, and the last look of each other
/// turn, which found the socket empty as well, at the mean of those. In a turn that took long another process
/// ran, whose time is not this thread's either.
#[derive(Default)]
struct Looks {
    idle: Duration,
    idle_turns: u32,
    /// Looks in vain that were not measured: behind packets, and interrupted ones.
    unmeasured: u32,
}

impl Looks {
    fn note(&mut self, had_packets: bool, found_end: bool, took: Duration) {
        if had_packets || took > IDLE_TURN_MAX {
            self.unmeasured += u32::from(found_end);
        } else {
            self.idle += took;
            self.idle_turns += 1;
        }
    }

    fn in_vain(&self) -> Duration {
        let mean = self.idle.checked_div(self.idle_turns).unwrap_or_default();
        self.idle + mean * self.unmeasured
    }
}

/// A hundred times what a turn without packets takes.
const IDLE_TURN_MAX: Duration = Duration::from_micros(50);

/// In the clear, or sealed with another key than agreed, or twice.
struct Unopened;

/// Payload types of RTCP on a shared port (RFC 5761 §4).
const RTCP_FIRST: u8 = 192;
const RTCP_LAST: u8 = 223;

impl Outcome {
    fn empty() -> Self {
        let delay_us = Histogram::new_with_bounds(1, DELAY_MAX_US, 3).expect("bounds above");
        let (elapsed, waiting) = (Duration::ZERO, Duration::ZERO);
        Self { sent: 0, returned: 0, corrupt: 0, disordered: 0, elapsed, waiting, delay_us }
    }
}

const DELAY_MAX_US: u64 = 10_000_000;
/// Packets sent before returned packets are read.
const BURST: u64 = 32;
/// After this time without a packet, packets under way are lost.
const GIVE_UP: Duration = Duration::from_millis(60);
/// Without CSRCs and extension (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;
const PACKET_BYTES: usize = HEADER_BYTES + PAYLOAD_BYTES;

/// The first header of a stream. Starts differ by stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl First {
    pub const fn of(stream: usize) -> Self {
        let start = (stream as u32).wrapping_mul(0x9E37_79B9);
        Self { sequence: start as u16, timestamp: start, ssrc: start | 1 }
    }
}

/// An ordinary G.711 stream: numbers rise by one, timestamps by 160 (RFC 3551).
fn write_header(header: &mut [u8; HEADER_BYTES], codec: Codec, name: Name) {
    let first = First::of(usize::from(name.stream));
    let sequence = first.sequence.wrapping_add(name.number as u16);
    let timestamp = first.timestamp.wrapping_add(name.number.wrapping_mul(PAYLOAD_BYTES as u32));
    let payload_type = codec.static_payload_type();
    rtp::write_header(header, name.number == 0, payload_type, sequence, timestamp, first.ssrc);
}

fn is_loss(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_vain_are_whole_turns_and_the_last_look_of_others() {
        let mut looks = Looks::default();
        let turn = Duration::from_nanos(300);
        looks.note(true, true, turn * 9);
        assert_eq!(looks.in_vain(), Duration::ZERO, "no turn shows what a look costs");
        looks.note(false, true, turn);
        looks.note(false, true, turn * 3);
        looks.note(true, false, turn * 9);
        assert_eq!(looks.in_vain(), turn * 4 + turn * 2);
        looks.note(false, true, Duration::from_millis(3));
        assert_eq!(looks.in_vain(), turn * 4 + turn * 4, "interrupted");
    }
}
