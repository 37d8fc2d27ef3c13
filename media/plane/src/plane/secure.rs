//! SRTP of a leg: packets opened, packets sealed, keys replaced (RFC 3711). Sans-IO.

use std::net::SocketAddr;

use shared::Instant;
use shared::limits::RTP_BYTES_MAX;

use crate::address::PackedAddress;
use crate::clock;
use crate::inbound::Latch;
use crate::leg_table::LegParts;
use crate::mesh::MESH_PAYLOAD_BYTES;
use crate::meters::DropReason;
use crate::outbound::Speech;
use crate::output::{Output, SocketId};
use crate::rtp::HEADER_BYTES;
use crate::srtp::{SRTP_OVERHEAD_MAX, SrtpError, SrtpSession};

use super::Plane;
use super::packet::Fate;

impl Plane {
    /// Makes the SRTP state follow the leg's plan: none, a new one, or the old one with the plan's keys.
    pub(super) fn secure_leg(&mut self, now: Instant, slot: usize) {
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        let state = leg.srtp.take().or(leg.srtp_resting.take());
        match (leg.plan.media.srtp, state) {
            // A fresh state with the same key would repeat the key stream (RFC 3711 §9.1).
            (None, state) => leg.srtp_resting = state,
            (Some(keys), Some(place)) => {
                leg.srtp = Some(place);
                if let Some(session) = self.srtp.at(leg.srtp) {
                    session.update(&keys, clock::millis(now));
                }
            }
            (Some(keys), None) => {
                leg.srtp = Some(self.srtp.put(SrtpSession::new(&keys)));
            }
        }
    }

    /// Opens a packet of media in place; answers its length then. Only authentic packets get past here, so
    /// only they move the latch: one from another source than the locked one after a silence, one from
    /// the address in the SDP at any time.
    pub(super) fn open_media(
        &mut self,
        now: Instant,
        slot: usize,
        source: SocketAddr,
        packet: &mut [u8],
    ) -> Result<usize, DropReason> {
        let now_ms = clock::millis(now);
        let parts = self.legs.parts(slot).ok_or(DropReason::NoLeg)?;
        let LegParts { leg, inbound, .. } = parts;
        let elsewhere = inbound.latch == Latch::Locked && !inbound.source.is(source);
        let last_ms = inbound.reception.last_ms;
        let silent_since = last_ms.wrapping_add(RELATCH_SILENCE_MS);
        let is_named = PackedAddress::from_option(leg.plan.media.remote_rtp).is(source);
        let may_move = clock::is_due(now_ms, silent_since) || leg.may_move(now_ms, last_ms);
        if elsewhere && !is_named && !may_move {
            // Before the cipher: an unacceptable source costs no more than on any other leg.
            return Err(DropReason::Stranger);
        }
        let session = self.srtp.at(leg.srtp);
        let len = session.ok_or(DropReason::NoLeg)?.open_rtp(now_ms, packet)?;
        if elsewhere {
            inbound.latch = Latch::Open;
            inbound.source = PackedAddress::NONE;
            leg.reports.source = PackedAddress::NONE;
        }
        Ok(len)
    }

    /// Seals the RTP packet in the first `len` bytes where the leg has SRTP; answers the length to send.
    #[inline]
    pub(super) fn seal(
        &mut self,
        slot: usize,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, SrtpError> {
        if self.legs.outbound(slot).speech != Speech::Secured {
            return Ok(len);
        }
        match self.session(slot) {
            Some(session) => session.sender.protect_rtp(buffer, len),
            // Never in the clear, whatever else is wrong.
            None => Err(SrtpError::Exhausted),
        }
    }

    /// As [`Plane::seal`], for RTCP.
    pub(super) fn seal_report(
        &mut self,
        slot: usize,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, SrtpError> {
        match self.session(slot) {
            Some(session) => session.sender.protect_rtcp(buffer, len),
            None => Ok(len),
        }
    }

    /// Forwards the first `len` bytes, sealed: in place where the received datagram was long enough for the
    /// tag, else from a copy.
    #[inline(never)]
    pub(super) fn forward_sealed(
        &mut self,
        peer: u16,
        packet: &mut [u8],
        len: usize,
        out: &mut impl Output,
    ) -> Result<Fate, DropReason> {
        let slot = usize::from(peer);
        match self.seal(slot, packet, len) {
            Ok(sealed) => {
                self.legs.outbound_mut(slot).count(len - HEADER_BYTES);
                return Ok(Fate::Forward { peer, len: sealed as u16 });
            }
            Err(SrtpError::NoRoom) => {}
            Err(error) => return Err(error.into()),
        }
        let plain = packet.get(..len).unwrap_or_default();
        if len <= HEADER_BYTES + MESH_PAYLOAD_BYTES {
            let buffer = &mut [0; HEADER_BYTES + MESH_PAYLOAD_BYTES + SRTP_OVERHEAD_MAX];
            self.send_sealed(slot, plain, buffer, out)?;
        } else {
            self.send_sealed(slot, plain, &mut [0; RTP_BYTES_MAX], out)?;
        }
        Ok(Fate::Copied)
    }

    fn send_sealed(
        &mut self,
        slot: usize,
        plain: &[u8],
        buffer: &mut [u8],
        out: &mut impl Output,
    ) -> Result<(), DropReason> {
        let len = plain.len();
        buffer.get_mut(..len).ok_or(DropReason::TooLong)?.copy_from_slice(plain);
        let sealed = self.seal(slot, buffer, len)?;
        let outbound = self.legs.outbound_mut(slot);
        outbound.count(len - HEADER_BYTES);
        let socket = SocketId::rtp(usize::from(outbound.port));
        let packet = buffer.get(..sealed).unwrap_or_default();
        out.send(socket, outbound.destination.socket_addr(), packet);
        Ok(())
    }

    fn session(&mut self, slot: usize) -> Option<&mut SrtpSession> {
        self.srtp.at(self.legs.leg(slot)?.srtp)
    }
}

/// Silence of the locked source of a leg with SRTP after which an authentic packet from another source is
/// followed: a phone that changed networks is found again, one packet from elsewhere moves nothing.
const RELATCH_SILENCE_MS: u32 = 2_000;
