//! The path of one packet, from its socket to the peer's (ARCHITECTURE.md, "One packet"). Sans-IO.
//!
//! In this order, cheapest check first: socket → leg, first byte, length, SRTP, header, payload type,
//! source (latch), sequence and jitter, direction, digits and taps, route. A packet that fails a check is
//! dropped with that reason, so nothing behind a check sees it: only authentic packets reach the latch, and
//! only packets of the party count as received. Relay rewrites the packet in place; a packet for a leg of
//! another core is copied into mesh frames.

use std::net::SocketAddr;

use shared::limits::{RTCP_BYTES_MAX, RTP_BYTES_MAX};
use shared::{Instant, LatchMode, LegId, MediaEvent};

use crate::address::PackedAddress;
use crate::clock;
use crate::dtmf::ToneNote;
use crate::g711;
use crate::inbound::{Heard, Latch, LatchStep, Route, accepts_ip};
use crate::leg_table::LegParts;
use crate::mesh::{Carried, MESH_PAYLOAD_BYTES, MeshFrame, MeshHeader, PacketFrame};
use crate::meters::DropReason;
use crate::outbound::Speech;
use crate::output::{Output, Received, SocketId};
use crate::reception::{Arrival, Continuity};
use crate::relay::{Content, Incoming};
use crate::rtp::{self, HEADER_BYTES, RtpHeader};
use crate::srtp::SRTP_OVERHEAD_MAX;
use crate::telephone_event::Press;

use super::Plane;
use super::command::destination;

/// Outcome of a packet that was not dropped.
pub(super) enum Fate {
    Consumed,
    ToMesh,
    /// It was sent from a copy with room for an SRTP tag.
    Copied,
    /// To be sent by the leg in slot `peer`. Its address is read at the very end, not carried through.
    Forward {
        peer: u16,
        len: u16,
    },
}

/// A relayed packet with the peer's numbers.
pub(super) struct Mapped {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
}

impl Plane {
    pub(super) fn take_packet(
        &mut self,
        now: Instant,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Received {
        let slot = self.ports.slot_at(socket);
        let fate = match slot {
            Some(slot) => self.take_for_leg(now, usize::from(slot), socket, source, packet, out),
            None => Err(DropReason::NoLeg),
        };
        match fate {
            Ok(Fate::Consumed) => {
                self.meters.packets_consumed += 1;
                Received::Consumed
            }
            Ok(Fate::ToMesh) => {
                self.meters.packets_to_mesh += 1;
                Received::Consumed
            }
            Ok(Fate::Copied) => {
                self.meters.packets_forwarded += 1;
                Received::Consumed
            }
            Ok(Fate::Forward { peer, len }) => {
                self.meters.packets_forwarded += 1;
                let outbound = self.legs.outbound(usize::from(peer));
                Received::Forward {
                    socket: SocketId::rtp(usize::from(outbound.port)),
                    to: outbound.destination.socket_addr(),
                    len: usize::from(len),
                }
            }
            Err(reason) => {
                self.meters.packets_dropped.add(reason);
                self.count_drop(slot.map(usize::from));
                Received::Dropped(reason)
            }
        }
    }

    fn take_for_leg(
        &mut self,
        now: Instant,
        slot: usize,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Result<Fate, DropReason> {
        match packet.first() {
            Some(RTP_FIRST_BYTE_MIN..=RTP_FIRST_BYTE_MAX) => {}
            Some(first) => return Err(rtp::foreign_protocol(*first)),
            None => return Err(DropReason::TooShort),
        }
        if rtp::is_rtcp(packet) {
            if packet.len() > RTCP_BYTES_MAX {
                return Err(DropReason::RtcpTooLong);
            }
            self.take_report(now, slot, socket, source, packet, out)?;
            return Ok(Fate::Consumed);
        }
        if socket.is_rtcp() {
            return Err(DropReason::WrongPort);
        }
        if packet.len() > RTP_BYTES_MAX {
            return Err(DropReason::TooLong);
        }
        self.take_media(now, slot, source, packet, out)
    }

    /// The hot path: a relayed packet of a locked source takes no branch to the cold part.
    fn take_media(
        &mut self,
        now: Instant,
        slot: usize,
        source: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Result<Fate, DropReason> {
        let opened = match self.legs.inbound(slot).secured {
            true => self.open_media(now, slot, source, packet)?,
            false => packet.len(),
        };
        let header = RtpHeader::parse(packet.get(..opened).unwrap_or_default())?;
        let heard = match self.legs.inbound(slot).hear(header.payload_type) {
            Ok(heard) => heard,
            Err(reason) => self.hear_under_own_number(slot, header.payload_type).ok_or(reason)?,
        };
        if !self.legs.inbound(slot).is_locked_to(source) {
            self.admit_source(now, slot, source, out)?;
        }
        self.count_arrival(now, slot, &header, heard)?;
        let inbound = self.legs.inbound(slot);
        if !inbound.receives {
            return Err(DropReason::NotReceiving);
        }
        let epoch = inbound.epoch;
        let payload = packet.get(header.payload.clone()).unwrap_or_default();
        let mut note = ToneNote::Voice;
        let content = match heard {
            Heard::ComfortNoise => {
                self.tap_comfort_noise(slot);
                self.rooms.hear_comfort_noise(slot, payload.first().copied());
                return Ok(Fate::Consumed);
            }
            Heard::Media(Content::Event) => {
                if inbound.tapped {
                    self.tap_party_rests(slot);
                }
                self.hear_keys(now, slot, &header, payload, out);
                Content::Event
            }
            Heard::Media(audio) => {
                if inbound.tapped {
                    self.tap_inbound(slot, epoch, header.timestamp, payload);
                    self.detect(now, slot, payload, out);
                    note = self.listen(now, slot, header.timestamp, payload, out);
                }
                audio
            }
        };
        if header.payload.is_empty() {
            // A keep-alive (RFC 6263 §4.6) holds a path open and carries no audio.
            return Ok(Fate::Consumed);
        }
        let len = match content {
            Content::Audio(_) => header.payload.len() as u16,
            Content::Event => 0,
        };
        let (sequence, timestamp) = (header.sequence, header.timestamp);
        let incoming = Incoming { epoch, sequence, timestamp, content, len, note };
        match self.legs.inbound(slot).route {
            Route::Nowhere => Ok(Fate::Consumed),
            Route::Room => {
                if let Content::Audio(_) = content {
                    let payload = packet.get(header.payload.clone()).unwrap_or_default();
                    self.hear_in_room(now, slot, incoming, payload);
                }
                Ok(Fate::Consumed)
            }
            Route::Local { slot: peer } => self.forward(now, peer, incoming, &header, packet, out),
            Route::Mesh => self.send_to_mesh(slot, incoming, &header, packet, out),
        }
    }

    /// Accepts telephone events under the payload type that we send them with: RFC 3264 §5.1 asks the party
    /// to use ours, and many use their own all the same.
    #[cold]
    fn hear_under_own_number(&self, slot: usize, payload_type: u8) -> Option<Heard> {
        let media = self.legs.leg(slot).as_ref()?.plan.media;
        let is_event = media.event_payload_type_receive.is_some()
            && media.event_payload_type_send == Some(payload_type);
        is_event.then_some(Heard::Media(Content::Event))
    }

    /// Decides about a source that is not the locked one. Our own sockets are refused here and therefore never
    /// locked, so packets of a locked source need no such check. The other leg of a link is one of our own
    /// sockets: it is never locked either, so that each of its packets is counted here.
    #[cold]
    fn admit_source(
        &mut self,
        now: Instant,
        slot: usize,
        source: SocketAddr,
        out: &mut impl Output,
    ) -> Result<(), DropReason> {
        let parts = self.legs.parts(slot).ok_or(DropReason::NoLeg)?;
        let LegParts { leg, inbound, outbound, .. } = parts;
        let now_ms = clock::millis(now);
        if leg.plan.latch == LatchMode::Link {
            return leg.admit_linked(source, now_ms);
        }
        if self.own.contains(source) {
            return Err(DropReason::OwnSocket);
        }
        if leg.has_left(source, now_ms) {
            return Err(DropReason::Stranger);
        }
        if inbound.latch == Latch::Locked
            && leg.may_move(now_ms, inbound.reception.last_ms)
            && accepts_ip(&leg.plan, source.ip())
        {
            inbound.latch = Latch::Open;
            leg.reports.source = PackedAddress::NONE;
        }
        let step = inbound.admit(&leg.plan, source)?;
        if step == LatchStep::Lock {
            out.event(MediaEvent::Latched { leg: leg.id, source });
        }
        if step != LatchStep::Unchanged {
            outbound.destination = destination(&leg.plan, inbound);
            self.take_back_towards(now, slot, out);
        }
        Ok(())
    }

    fn count_arrival(
        &mut self,
        now: Instant,
        slot: usize,
        header: &RtpHeader,
        heard: Heard,
    ) -> Result<(), DropReason> {
        let is_audio = matches!(heard, Heard::Media(Content::Audio(_)));
        let arrival = Arrival {
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            samples: if is_audio { header.payload.len() as u16 } else { 0 },
            is_audio,
            now_samples: clock::samples(now),
            now_ms: clock::millis(now),
        };
        let (inbound, past) = self.legs.reception_mut(slot);
        match inbound.reception.arrive(past, arrival)? {
            Continuity::Continued => {}
            Continuity::Restarted => {
                inbound.next_epoch();
                if let Some(leg) = self.legs.leg_mut(slot) {
                    let first_ms = now.since(leg.started_at).as_millis() as u32;
                    leg.first_packet_ms.get_or_insert(first_ms);
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn hear_keys(
        &mut self,
        now: Instant,
        slot: usize,
        header: &RtpHeader,
        payload: &[u8],
        out: &mut impl Output,
    ) {
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        let (id, digits) = (leg.id, &mut self.meters.digits_received);
        let now_samples = clock::samples(now);
        leg.keys.receive(header.ssrc, header.timestamp, payload, now_samples, |press| {
            *digits += 1;
            out.event(digit(id, press));
        });
        if leg.keys.is_waiting() {
            self.legs.set_check(slot, clock::millis(now));
        }
    }

    /// Reports the key presses whose packets stopped.
    pub(super) fn expire_keys(&mut self, slot: usize, now_samples: u32, out: &mut impl Output) {
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        let presses = [leg.keys.expire(now_samples), leg.in_band.expire(now_samples)];
        for press in presses.into_iter().flatten() {
            self.meters.digits_received += 1;
            out.event(digit(leg.id, press));
        }
    }

    /// Reports every pending key press, as if a minute had passed.
    pub(super) fn finish_keys(&mut self, slot: usize, now: Instant, out: &mut impl Output) {
        let later = clock::samples(now).wrapping_add(60_000 * clock::SAMPLES_A_MS);
        self.expire_keys(slot, later, out);
    }

    /// Rewrites the packet for the peer, in place.
    #[inline]
    fn forward(
        &mut self,
        now: Instant,
        peer: u16,
        incoming: Incoming,
        header: &RtpHeader,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Result<Fate, DropReason> {
        let slot = usize::from(peer);
        if incoming.content == Content::Event && !self.legs.outbound(slot).takes_events() {
            let payload = packet.get(header.payload.clone()).unwrap_or_default();
            return self.play_key(now, slot, incoming, payload).map(|()| Fate::Consumed);
        }
        let Some(mapped) = self.map(now, slot, incoming, header.marker)? else {
            return Ok(Fate::Consumed);
        };
        if header.payload.start != HEADER_BYTES {
            // Our header has neither CSRCs nor an extension, so the payload moves up.
            packet.copy_within(header.payload.clone(), HEADER_BYTES);
        }
        let len = HEADER_BYTES + header.payload.len();
        let plain = packet.get_mut(..len).ok_or(DropReason::Malformed)?;
        let len = self.finish_packet(slot, mapped, incoming, plain)?;
        if self.legs.outbound(slot).speech == Speech::Secured {
            return self.forward_sealed(peer, packet, len, out);
        }
        self.legs.outbound_mut(slot).count(len - HEADER_BYTES);
        Ok(Fate::Forward { peer, len: len as u16 })
    }

    /// The peer's numbers for a packet; `None` when our own audio to the peer takes precedence.
    #[inline]
    fn map(
        &mut self,
        now: Instant,
        peer: usize,
        incoming: Incoming,
        marker: bool,
    ) -> Result<Option<Mapped>, DropReason> {
        let outbound = self.legs.outbound_mut(peer);
        if outbound.playing {
            return Ok(None);
        }
        let payload_type = outbound.payload_type_for(incoming.content)?;
        let stamp = outbound.numbers.relay(incoming, clock::samples(now))?;
        let is_audio = incoming.content != Content::Event;
        Ok(Some(Mapped {
            marker: marker || stamp.starts && is_audio,
            payload_type,
            sequence: stamp.sequence,
            timestamp: stamp.timestamp,
        }))
    }

    /// Writes header and samples as the peer negotiated them; the payload already lies behind 12 bytes.
    /// Answers the length of the packet.
    #[inline]
    fn finish_packet(
        &mut self,
        peer: usize,
        mapped: Mapped,
        incoming: Incoming,
        packet: &mut [u8],
    ) -> Result<usize, DropReason> {
        let (content, mapped, packet) = match incoming.note {
            ToneNote::Voice => (incoming.content, mapped, packet),
            ToneNote::Mute | ToneNote::Key(_) => {
                self.keep_tone_from(peer, mapped, incoming, packet)
            }
        };
        let outbound = self.legs.outbound_mut(peer);
        let (head, payload) =
            packet.split_first_chunk_mut::<HEADER_BYTES>().ok_or(DropReason::Malformed)?;
        let Mapped { marker, payload_type, sequence, timestamp } = mapped;
        rtp::write_header(head, marker, payload_type, sequence, timestamp, outbound.ssrc);
        let len = HEADER_BYTES + payload.len();
        if let Content::Audio(codec) = content {
            g711::translate(codec, outbound.codec, payload);
            if outbound.tapped {
                self.tap_outbound(peer, timestamp, payload);
            }
        } else if outbound.tapped {
            self.tap_we_rest(peer);
        }
        Ok(len)
    }

    /// Sends a packet to the peer's core, in as many frames as it needs.
    fn send_to_mesh(
        &mut self,
        slot: usize,
        incoming: Incoming,
        header: &RtpHeader,
        packet: &[u8],
        out: &mut impl Output,
    ) -> Result<Fate, DropReason> {
        let leg = self.legs.leg(slot).ok_or(DropReason::NoLeg)?;
        let to = leg.joined.party().ok_or(DropReason::NotBridged)?;
        let payload = packet.get(header.payload.clone()).unwrap_or_default();
        let parts = payload.chunks(MESH_PAYLOAD_BYTES);
        let parts_max = parts.len();
        for (index, part) in parts.enumerate() {
            let place = MeshHeader {
                timestamp: incoming.timestamp,
                sequence: incoming.sequence,
                epoch: incoming.epoch,
                content: incoming.content,
                note: incoming.note,
                marker: header.marker,
                part: index as u8,
                last: index + 1 == parts_max,
                len: part.len() as u8,
            };
            let frame = PacketFrame::new(to, leg.id, place, part);
            if !out.mesh(to.core, &MeshFrame(Carried::Packet(frame))) {
                return Err(DropReason::MeshFull);
            }
        }
        Ok(Fate::ToMesh)
    }

    pub(super) fn take_frame(&mut self, now: Instant, frame: &PacketFrame, out: &mut impl Output) {
        let part = frame.payload();
        if frame.is_whole() {
            self.take_from_mesh(now, frame, part, out);
            return;
        }
        self.meters.mesh_frames_incomplete += self.assemblies.push(frame);
        // Taken out and put back, so that the packet is not copied once more.
        let Some(assembly) = self.assemblies.take_whole(frame) else { return };
        self.take_from_mesh(now, frame, assembly.packet(), out);
        self.assemblies.put_back(frame, assembly);
    }

    fn take_from_mesh(
        &mut self,
        now: Instant,
        frame: &PacketFrame,
        payload: &[u8],
        out: &mut impl Output,
    ) {
        self.meters.mesh_received += 1;
        match self.send_from_mesh(now, frame, payload, out) {
            Ok(true) => self.meters.mesh_forwarded += 1,
            Ok(false) => self.meters.mesh_consumed += 1,
            Err(reason) => {
                self.meters.mesh_dropped.add(reason);
                self.count_drop(self.slot_of(frame.to));
            }
        }
    }

    /// `false` when our own audio to the party takes precedence.
    fn send_from_mesh(
        &mut self,
        now: Instant,
        frame: &PacketFrame,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<bool, DropReason> {
        let slot = self.legs.slot_joined_to(frame.to, frame.from).ok_or(DropReason::NotBridged)?;
        let incoming = frame.incoming(payload.len());
        if incoming.content == Content::Event && !self.legs.outbound(slot).takes_events() {
            return self.play_key(now, slot, incoming, payload).map(|()| false);
        }
        let Some(mapped) = self.map(now, slot, incoming, frame.header.marker)? else {
            return Ok(false);
        };
        if frame.is_whole() {
            let buffer = &mut [0; HEADER_BYTES + MESH_PAYLOAD_BYTES + SRTP_OVERHEAD_MAX];
            self.send_copy(slot, mapped, incoming, payload, buffer, out)?;
        } else {
            let buffer = &mut [0; RTP_BYTES_MAX];
            self.send_copy(slot, mapped, incoming, payload, buffer, out)?;
        }
        Ok(true)
    }

    fn send_copy(
        &mut self,
        slot: usize,
        mapped: Mapped,
        incoming: Incoming,
        payload: &[u8],
        buffer: &mut [u8],
        out: &mut impl Output,
    ) -> Result<(), DropReason> {
        let len = HEADER_BYTES + payload.len();
        let packet = buffer.get_mut(..len).ok_or(DropReason::TooLong)?;
        packet[HEADER_BYTES..].copy_from_slice(payload);
        let len = self.finish_packet(slot, mapped, incoming, packet)?;
        let sealed = self.seal(slot, buffer, len)?;
        let outbound = self.legs.outbound_mut(slot);
        outbound.count(len - HEADER_BYTES);
        let socket = SocketId::rtp(usize::from(outbound.port));
        let packet = buffer.get(..sealed).unwrap_or_default();
        out.send(socket, outbound.destination.socket_addr(), packet);
        Ok(())
    }

    #[cold]
    fn count_drop(&mut self, slot: Option<usize>) {
        if let Some(leg) = slot.and_then(|slot| self.legs.leg_mut(slot)) {
            leg.dropped += 1;
        }
    }
}

pub(super) const fn digit(leg: LegId, press: Press) -> MediaEvent {
    MediaEvent::Digit { leg, digit: press.digit, duration_ms: press.duration_ms }
}

/// RFC 7983 §7: RTP and RTCP begin with 128..=191.
const RTP_FIRST_BYTE_MIN: u8 = 128;
const RTP_FIRST_BYTE_MAX: u8 = 191;
