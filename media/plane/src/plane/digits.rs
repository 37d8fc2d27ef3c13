//! Digits between a party that sends tones and one that takes telephone events: tones detected, tones
//! suppressed, tones generated (ITU-T Q.24, RFC 4733). Sans-IO.

use shared::{Instant, LegId};

use crate::clock;
use crate::dtmf::{Spoken, ToneNote, ToneRelay};
use crate::leg_table::LegParts;
use crate::meters::DropReason;
use crate::output::Output;
use crate::player::Playing;
use crate::relay::{Content, Incoming};
use crate::rtp::HEADER_BYTES;
use crate::telephone_event::Press;

use super::Plane;
use super::packet::{Mapped, digit};

impl Plane {
    /// Detects digits in one packet, where the leg has no telephone events.
    pub(super) fn listen(
        &mut self,
        now: Instant,
        slot: usize,
        timestamp: u32,
        samples: &[u8],
        out: &mut impl Output,
    ) -> ToneNote {
        let Some(LegParts { leg, inbound, .. }) = self.legs.parts(slot) else {
            return ToneNote::Voice;
        };
        if !leg.listens || samples.is_empty() {
            return ToneNote::Voice;
        }
        let (id, digits) = (leg.id, &mut self.meters.digits_received);
        let mut report = |press| report(id, press, digits, out);
        let plays_keys = self.tones.at(leg.tones).is_some_and(|tones| tones.is_active());
        if plays_keys || matches!(leg.playing, Some(Playing::Digits(_))) {
            // Tones in it now are the echo of our own.
            leg.in_band.reset().into_iter().for_each(report);
            return ToneNote::Voice;
        }
        let (epoch, codec) = (inbound.epoch, inbound.codec);
        let packet = Spoken { codec, epoch, timestamp, samples };
        let note = leg.in_band.hear(packet, clock::samples(now), &mut report);
        if leg.in_band.is_waiting() {
            self.legs.set_check(slot, clock::millis(now));
        }
        note
    }

    /// Ends the key that is held in the audio, if one is.
    pub(super) fn finish_in_band(&mut self, slot: usize, out: &mut impl Output) {
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        let (id, digits) = (leg.id, &mut self.meters.digits_received);
        leg.in_band.reset().into_iter().for_each(|press| report(id, press, digits, out));
    }

    /// Takes a telephone event for a party that negotiated none: its beat plays the tone. A playing prompt
    /// takes precedence.
    #[cold]
    pub(super) fn play_key(
        &mut self,
        now: Instant,
        slot: usize,
        incoming: Incoming,
        payload: &[u8],
    ) -> Result<(), DropReason> {
        let parts = self.legs.parts(slot).ok_or(DropReason::NoLeg)?;
        let LegParts { leg, outbound, .. } = parts;
        match outbound.payload_type_for(Content::Event) {
            Ok(_) | Err(DropReason::NoTelephoneEvents) => {}
            Err(reason) => return Err(reason),
        }
        if leg.plays() {
            return Ok(());
        }
        let Incoming { epoch, timestamp, .. } = incoming;
        let place = *leg.tones.get_or_insert_with(|| self.tones.put(ToneRelay::default()));
        let tones = self.tones.at(Some(place)).ok_or(DropReason::NoLeg)?;
        if !tones.hear(epoch, timestamp, payload, clock::samples(now)) {
            return Err(DropReason::NoTelephoneEvents);
        }
        if tones.is_active() && !outbound.playing {
            outbound.playing = true;
            outbound.make_due();
        }
        Ok(())
    }

    /// Keeps a tone from a party that takes events: the packet becomes the event, or silence while the key
    /// is not certain. Numbers continue as for a relayed packet.
    #[cold]
    pub(super) fn keep_tone_from<'a>(
        &mut self,
        peer: usize,
        mapped: Mapped,
        incoming: Incoming,
        packet: &'a mut [u8],
    ) -> (Content, Mapped, &'a mut [u8]) {
        let outbound = self.legs.outbound(peer);
        let Content::Audio(codec) = incoming.content else {
            return (incoming.content, mapped, packet);
        };
        let ToneNote::Key(key) = incoming.note else {
            if outbound.takes_events() {
                silence(packet, codec.silence());
            }
            return (incoming.content, mapped, packet);
        };
        if !outbound.takes_events() {
            return (incoming.content, mapped, packet);
        }
        let payload = key.payload();
        let len = HEADER_BYTES + payload.len();
        if packet.len() < len {
            // Half a millisecond of audio: no room for the event.
            silence(packet, codec.silence());
            return (incoming.content, mapped, packet);
        }
        let packet = &mut packet[..len];
        packet[HEADER_BYTES..].copy_from_slice(&payload);
        let since = incoming.timestamp.wrapping_sub(key.start);
        let event = Mapped {
            marker: key.first,
            payload_type: outbound.event_payload_type,
            sequence: mapped.sequence,
            timestamp: mapped.timestamp.wrapping_sub(since),
        };
        (Content::Event, event, packet)
    }
}

fn report(leg: LegId, press: Press, digits: &mut u64, out: &mut impl Output) {
    *digits += 1;
    out.event(digit(leg, press));
}

fn silence(packet: &mut [u8], code: u8) {
    packet.iter_mut().skip(HEADER_BYTES).for_each(|sample| *sample = code);
}

#[cfg(test)]
mod tests;
