//! Packets between cores: fixed frames of four cache lines, copied through a ring. Sans-IO.
//!
//! A bridge whose legs are on different cores sends what one leg receives as [`MeshFrame`]s to the
//! other leg's core, which maps and sends it as if it had been received there. The packet rides
//! inside the frame, so nothing is allocated and no buffer crosses cores. 20 ms of G.711 fit in one
//! frame; longer packets travel as a chain of frames, next to each other in the ring.
//!
//! A room that spans cores sends one [`RoomFrame`] a tick to each of the others: silence, the codes of its only
//! talker, or the sum of several as 16-bit samples, which takes two frames.

use shared::limits::RTP_BYTES_MAX;
use shared::{Codec, CoreId, FRAME_SAMPLES, LegId, RoomId};

use crate::dtmf::ToneNote;
use crate::relay::{Content, Incoming};

/// One frame on a ring from core to core; the ring keeps order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct MeshFrame(pub(crate) Carried);

/// Content of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// A packet of a bridged party, or a part of one.
    Packet(PacketFrame),
    /// 20 ms of a room.
    Room(RoomFrame),
}

/// A packet, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PacketFrame {
    /// The leg that sends it on.
    pub to: LegId,
    /// The leg that received it.
    pub from: LegId,
    pub(crate) header: MeshHeader,
    payload: [u8; MESH_PAYLOAD_BYTES],
}

/// Facts of the packet that the sending core knows, without the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MeshHeader {
    pub timestamp: u32,
    pub sequence: u16,
    pub epoch: u16,
    pub content: Content,
    pub note: ToneNote,
    pub marker: bool,
    /// Place in the chain, from 0, and whether the chain ends here.
    pub part: u8,
    pub last: bool,
    /// Payload bytes in this frame.
    pub len: u8,
}

/// What a core sends about a room in one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomFrame {
    pub room: RoomId,
    pub from: CoreId,
    /// Number of the tick, the same on every core.
    pub tick: u32,
    pub part: RoomPart,
    /// 160 codes, or half as many samples.
    pub payload: [u8; FRAME_SAMPLES],
}

/// Meaning of the payload of a [`RoomFrame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomPart {
    /// Nobody of the core speaks.
    Silence,
    /// The codes of its only talker.
    Codes(Codec),
    /// 10 ms of the sum of its talkers.
    Half { second: bool },
    /// The codes of a member that only this one hears.
    Coach { to: LegId, codec: Codec },
}

impl RoomFrame {
    pub fn new(room: RoomId, from: CoreId, tick: u32, part: RoomPart) -> Self {
        Self { room, from, tick, part, payload: [0; FRAME_SAMPLES] }
    }

    /// The samples of a half.
    pub fn samples(&self) -> impl Iterator<Item = i16> {
        self.payload.as_chunks().0.iter().map(|bytes| i16::from_ne_bytes(*bytes))
    }

    /// Sets the samples of a half, clipped to 16 bits.
    pub fn set_samples(&mut self, samples: &[i32; HALF_SAMPLES]) {
        for (bytes, sample) in self.payload.as_chunks_mut().0.iter_mut().zip(samples) {
            let sample = *sample;
            *bytes = (sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16).to_ne_bytes();
        }
    }
}

/// Samples of a sum in one frame: 10 ms.
pub(crate) const HALF_SAMPLES: usize = FRAME_SAMPLES / 2;

impl PacketFrame {
    pub(crate) fn new(to: LegId, from: LegId, header: MeshHeader, part: &[u8]) -> Self {
        let mut payload = [0; MESH_PAYLOAD_BYTES];
        payload[..part.len()].copy_from_slice(part);
        Self { to, from, header, payload }
    }

    /// Whether the packet is in this frame alone.
    pub(crate) const fn is_whole(&self) -> bool {
        self.header.part == 0 && self.header.last
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.payload.get(..usize::from(self.header.len)).unwrap_or_default()
    }

    pub(crate) fn incoming(&self, payload_bytes: usize) -> Incoming {
        let MeshHeader { timestamp, sequence, epoch, content, note, .. } = self.header;
        let len = match content {
            Content::Audio(_) => payload_bytes as u16,
            Content::Event => 0,
        };
        Incoming { epoch, sequence, timestamp, content, len, note }
    }
}

/// Packets that arrive in parts, one at a time from each core.
#[derive(Debug)]
pub(crate) struct Assemblies(Vec<Assembly>);

impl Assemblies {
    /// Memory for this many cores.
    pub fn new(cores: u8) -> Self {
        Self((0..cores).map(|_| Assembly::new()).collect())
    }

    /// Adds a part. Answers the number of frames that are given up: those of an incomplete packet before it, or
    /// this one.
    pub fn push(&mut self, frame: &PacketFrame) -> u64 {
        self.of(frame).map_or(1, |assembly| assembly.push(frame))
    }

    /// The packet that this frame completed, with its memory; [`Assemblies::put_back`] returns that.
    pub fn take_whole(&mut self, frame: &PacketFrame) -> Option<Assembly> {
        let assembly = self.of(frame)?;
        (frame.header.last && assembly.is_whole()).then(|| std::mem::take(assembly))
    }

    /// Returns the memory of a packet.
    pub fn put_back(&mut self, frame: &PacketFrame, assembly: Assembly) {
        if let Some(place) = self.of(frame) {
            *place = assembly.emptied();
        }
    }

    fn of(&mut self, frame: &PacketFrame) -> Option<&mut Assembly> {
        self.0.get_mut(usize::from(frame.from.core.0))
    }
}

/// A packet in parts, from one core; its memory is reused for every packet.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    packet: Vec<u8>,
    /// Identity of the packet: the leg that received it and its sequence number.
    of: Option<(LegId, u16)>,
    parts: u8,
}

impl Assembly {
    fn new() -> Self {
        Self { packet: Vec::with_capacity(RTP_BYTES_MAX), of: None, parts: 0 }
    }

    /// Adds a part; answers the number of frames of an incomplete packet that were given up for it, which
    /// happens when the ring filled up in the middle of a chain.
    fn push(&mut self, frame: &PacketFrame) -> u64 {
        let of = Some((frame.from, frame.header.sequence));
        let continues = self.of == of && self.parts == frame.header.part;
        let starts = frame.header.part == 0;
        let given_up = if continues && !starts { 0 } else { u64::from(self.parts) };
        if !continues && !starts || self.packet.len() + frame.payload().len() > RTP_BYTES_MAX {
            self.empty();
            return given_up + 1;
        }
        if starts {
            self.empty();
            self.of = of;
        }
        debug_assert!(self.packet.capacity() >= RTP_BYTES_MAX, "I2: it would allocate");
        self.packet.extend_from_slice(frame.payload());
        self.parts += 1;
        given_up
    }

    /// Whether a packet is being assembled (and, after its last frame, is whole).
    const fn is_whole(&self) -> bool {
        self.of.is_some()
    }

    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    fn emptied(mut self) -> Self {
        self.empty();
        self
    }

    fn empty(&mut self) {
        self.packet.clear();
        self.of = None;
        self.parts = 0;
    }
}

/// Payload bytes of one frame.
pub const MESH_PAYLOAD_BYTES: usize = 204;

const _: () = assert!(size_of::<MeshFrame>() == 256);
const _: () = assert!(MESH_PAYLOAD_BYTES <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(sequence: u16, bytes: usize) -> Vec<PacketFrame> {
        let leg = |core| LegId { core: CoreId(core), slot: 1, generation: 1 };
        let packet: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
        let parts = packet.chunks(MESH_PAYLOAD_BYTES);
        let count = parts.len();
        let header = |part: usize, len: usize| MeshHeader {
            timestamp: 0,
            sequence,
            epoch: 2,
            content: Content::Audio(Codec::Pcmu),
            note: ToneNote::Voice,
            marker: false,
            part: part as u8,
            last: part + 1 == count,
            len: len as u8,
        };
        let frame = |(at, part): (usize, &[u8])| {
            PacketFrame::new(leg(0), leg(1), header(at, part.len()), part)
        };
        parts.enumerate().map(frame).collect()
    }

    #[test]
    fn a_chain_is_put_together() {
        let mut assembly = Assembly::new();
        for frame in chain(1, 800) {
            assert_eq!(assembly.push(&frame), 0);
        }
        let whole: Vec<u8> = (0..800).map(|at| at as u8).collect();
        assert!(assembly.is_whole());
        assert_eq!(assembly.packet(), whole);
    }

    #[test]
    fn a_broken_chain_is_given_up_and_the_next_is_whole() {
        let mut assembly = Assembly::new();
        let broken = chain(1, 800);
        assert_eq!(assembly.push(&broken[0]) + assembly.push(&broken[1]), 0);
        let next = chain(2, 500);
        assert_eq!(assembly.push(&next[0]), 2);
        assert_eq!(assembly.push(&next[1]) + assembly.push(&next[2]), 0);
        assert_eq!(assembly.packet().len(), 500);
    }

    #[test]
    fn a_tail_without_its_head_is_given_up() {
        let mut assembly = Assembly::new();
        assert_eq!(assembly.push(&chain(1, 800)[2]), 1);
        assert!(!assembly.is_whole());
    }
}
