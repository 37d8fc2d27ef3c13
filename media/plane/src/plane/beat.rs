//! The beat of a leg, every 20 ms: prompts, digits, a feed, tones, silence, taps, deadlines. Sans-IO.
//!
//! Legs beat in 20 phases of 1 ms ([`crate::wheel`]), so that a core's work is spread evenly. One thing at a
//! time fills the beat: a prompt or digits, else a feed, else the bridged party's keys as tones, else the bridged party
//! itself or the room, else silence. Silence is sent because a stopped stream looks like a dead call to the party
//! and its NAT. Checks that are seldom due (RTCP, media timeout, pending keys) share one deadline a slot.

use shared::media::PlayEnd;
use shared::{Instant, MediaEvent};

use crate::clock;
use crate::g711;
use crate::leg_table::LegParts;
use crate::outbound::SAMPLES_MAX;
use crate::output::{Output, SocketId};
use crate::player::Playing;
use crate::relay::{Feed, Stamp};
use crate::rtp::{self, HEADER_BYTES};
use crate::srtp::SRTP_OVERHEAD_MAX;
use crate::telephone_event::{DigitStep, EVENT_BYTES};

use super::Plane;

/// Origin of the samples that we send, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Prompt,
    Feed,
    Room,
    Silence,
    Tone,
}

impl Plane {
    /// One beat of one leg. A leg that is relayed to is left in two comparisons, one that rests in one.
    pub(super) fn beat(&mut self, at: Instant, slot: u16, half: bool, out: &mut impl Output) {
        let slot = usize::from(slot);
        let (now_ms, now_samples) = (clock::millis(at), clock::samples(at));
        if self.below.rests.has(slot) {
            return;
        }
        if !self.legs.outbound(slot).playing || !self.beat_playing(slot, half, now_samples, out) {
            self.beat_idle(slot, at, half, now_samples, out);
        }
        if half {
            return;
        }
        if self.legs.outbound(slot).playing {
            self.pass_feed(slot);
        }
        if self.legs.outbound(slot).tapped {
            self.beat_taps(slot, out);
        }
        if self.below.has_tier() {
            self.beat_below(slot, at, out);
        }
        if clock::is_due(now_ms, self.legs.check_ms(slot)) {
            self.check(slot, at, out);
        }
    }

    /// After a stall the skipped time still counts in timestamps and recordings.
    pub(super) fn leave_out(&mut self, skipped_ms: u64) {
        for outbound in self.legs.outbounds_mut() {
            if outbound.numbers.feed == Feed::LOCAL {
                outbound.numbers.feed = Feed::NONE;
            }
        }
        let periods = u32::try_from(skipped_ms / BEAT_MS).unwrap_or(u32::MAX);
        for tap in &mut self.taps {
            self.meters.tap_frames_lost[tap.sink] += tap.skip(periods);
        }
    }

    /// Nothing plays: sends what the room says, or silence, unless the bridged party's packets arrive.
    fn beat_idle(
        &mut self,
        slot: usize,
        at: Instant,
        half: bool,
        now_samples: u32,
        out: &mut impl Output,
    ) {
        let outbound = self.legs.outbound_mut(slot);
        if outbound.numbers.relayed_within(RELAY_GAP_SAMPLES, now_samples) {
            return;
        }
        if outbound.numbers.feed.is_relay() {
            if self.below.has_tier() {
                if self.is_relayed_below(slot, RELAY_GAP_SAMPLES, now_samples, out) {
                    return;
                }
                self.take_back_towards(at, slot, out);
            }
            let outbound = self.legs.outbound_mut(slot);
            if outbound.numbers.relayed_within(RELAY_GAP_SAMPLES, now_samples) {
                return;
            }
            outbound.make_due();
        }
        if self.beat_member(slot, at, half, now_samples, out) {
            return;
        }
        let outbound = self.legs.outbound_mut(slot);
        if !outbound.can_send() {
            outbound.numbers.feed = Feed::NONE;
            return;
        }
        let len = outbound.beat();
        if len > 0 {
            let frame = [outbound.codec.silence(); SAMPLES_MAX];
            self.send_samples(slot, now_samples, &frame[..len], Origin::Silence, out);
        }
    }

    /// `false` when the playback has ended and the beat is still empty.
    fn beat_playing(
        &mut self,
        slot: usize,
        half: bool,
        now_samples: u32,
        out: &mut impl Output,
    ) -> bool {
        let Some(LegParts { leg, outbound, .. }) = self.legs.parts(slot) else { return false };
        match &mut leg.playing {
            Some(Playing::Prompt(player)) => {
                let len = outbound.beat();
                let frame = &mut [0; SAMPLES_MAX][..len];
                let ended = len > 0 && player.fill(outbound.codec, frame);
                self.send_or_pass(slot, now_samples, frame, Origin::Prompt, out);
                if ended {
                    self.end_playing(slot, PlayEnd::Finished, out);
                }
                true
            }
            Some(Playing::Digits(sender)) => {
                if half {
                    return true;
                }
                match sender.step() {
                    DigitStep::Event { .. } if !outbound.takes_events() => {
                        let frame = sender.tone(outbound.codec);
                        self.send_or_pass(slot, now_samples, &frame, Origin::Tone, out);
                        true
                    }
                    step => self.beat_digits(slot, step, now_samples, out),
                }
            }
            None if leg.feed.is_some() => {
                self.beat_feed(slot, now_samples, out);
                true
            }
            None if self.tones.at(leg.tones).is_some_and(|tones| tones.is_active()) => {
                if !half {
                    self.beat_tones(slot, now_samples, out);
                }
                true
            }
            None => false,
        }
    }

    /// The samples that are due, from the feed.
    fn beat_feed(&mut self, slot: usize, now_samples: u32, out: &mut impl Output) {
        let len = self.legs.outbound_mut(slot).beat();
        if len == 0 {
            return;
        }
        let packet = &mut [0; SAMPLES_MAX][..len];
        let is_audio = self.fill_from_feed(slot, now_samples, packet);
        let origin = if is_audio { Origin::Feed } else { Origin::Silence };
        self.send_or_pass(slot, now_samples, packet, origin, out);
    }

    /// 20 ms of the bridged party's keys as tones; after them its packets are relayed again.
    fn beat_tones(&mut self, slot: usize, now_samples: u32, out: &mut impl Output) {
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        let mut samples = [0; DIGIT_STEP_SAMPLES];
        let Some(tones) = self.tones.at(leg.tones) else { return };
        tones.fill(now_samples, &mut samples);
        let outbound = self.legs.outbound_mut(slot);
        let frame = samples.map(|sample| g711::encode(outbound.codec, sample));
        if !tones.is_active() {
            outbound.playing = false;
            outbound.make_due();
        }
        self.send_or_pass(slot, now_samples, &frame, Origin::Tone, out);
    }

    /// One step of digits, always 20 ms whatever the packet time.
    fn beat_digits(
        &mut self,
        slot: usize,
        step: DigitStep,
        now_samples: u32,
        out: &mut impl Output,
    ) -> bool {
        match step {
            DigitStep::Event { payload, first } => {
                self.send_event(slot, now_samples, payload, first, out);
                true
            }
            DigitStep::Silence => {
                let frame = [self.legs.outbound(slot).codec.silence(); DIGIT_STEP_SAMPLES];
                self.send_or_pass(slot, now_samples, &frame, Origin::Silence, out);
                true
            }
            DigitStep::Ended => {
                self.legs.outbound_mut(slot).make_due();
                self.end_playing(slot, PlayEnd::Finished, out);
                false
            }
        }
    }

    /// Playback advances in time while the party is held, without packets.
    fn send_or_pass(
        &mut self,
        slot: usize,
        now_samples: u32,
        samples: &[u8],
        origin: Origin,
        out: &mut impl Output,
    ) {
        if !self.legs.outbound(slot).can_send() {
            self.legs.outbound_mut(slot).numbers.feed = Feed::NONE;
        } else if !samples.is_empty() {
            self.send_samples(slot, now_samples, samples, origin, out);
        }
    }

    pub(super) fn send_samples(
        &mut self,
        slot: usize,
        now_samples: u32,
        samples: &[u8],
        origin: Origin,
        out: &mut impl Output,
    ) {
        let outbound = self.legs.outbound_mut(slot);
        let stamp = outbound.numbers.local(samples.len() as u16, now_samples);
        let payload_type = outbound.payload_type;
        self.send_local(slot, stamp, payload_type, samples, out);
        match origin {
            Origin::Prompt => self.meters.sent_prompt += 1,
            Origin::Feed => self.meters.sent_feed += 1,
            Origin::Room => self.meters.sent_room += 1,
            Origin::Silence => self.meters.sent_silence += 1,
            Origin::Tone => self.meters.sent_tones += 1,
        }
        if self.legs.outbound(slot).tapped {
            self.tap_outbound(slot, stamp.timestamp, samples);
        }
    }

    /// An event keeps its timestamp while media time advances; no audio is sent meanwhile, so the next
    /// packet of audio begins a talk spurt.
    fn send_event(
        &mut self,
        slot: usize,
        now_samples: u32,
        payload: [u8; EVENT_BYTES],
        first: bool,
        out: &mut impl Output,
    ) {
        let Some(LegParts { leg, outbound, .. }) = self.legs.parts(slot) else { return };
        if outbound.payload_type_for(crate::relay::Content::Event).is_err() {
            if first {
                // What can be sent of it later carries the time at which it began.
                leg.event_timestamp = outbound.numbers.next_timestamp(now_samples);
            }
            outbound.numbers.feed = Feed::NONE;
            return;
        }
        let stamp = if first {
            let stamp = outbound.numbers.local(DIGIT_STEP_SAMPLES as u16, now_samples);
            leg.event_timestamp = stamp.timestamp;
            Stamp { starts: true, ..stamp }
        } else {
            outbound.numbers.pass(DIGIT_STEP_SAMPLES as u16, now_samples);
            let sequence = outbound.numbers.take_sequence();
            Stamp { sequence, timestamp: leg.event_timestamp, starts: false }
        };
        outbound.numbers.feed = Feed::NONE;
        let payload_type = outbound.event_payload_type;
        self.send_local(slot, stamp, payload_type, &payload, out);
        self.meters.sent_events += 1;
        if self.legs.outbound(slot).tapped {
            self.tap_we_rest(slot);
        }
    }

    fn send_local(
        &mut self,
        slot: usize,
        stamp: Stamp,
        payload_type: u8,
        payload: &[u8],
        out: &mut impl Output,
    ) {
        let outbound = self.legs.outbound_mut(slot);
        let mut buffer = [0; HEADER_BYTES + SAMPLES_MAX + SRTP_OVERHEAD_MAX];
        let len = HEADER_BYTES + payload.len();
        let packet = &mut buffer[..len];
        if let Some((head, body)) = packet.split_first_chunk_mut::<HEADER_BYTES>() {
            let Stamp { sequence, timestamp, starts } = stamp;
            rtp::write_header(head, starts, payload_type, sequence, timestamp, outbound.ssrc);
            body.copy_from_slice(payload);
        }
        outbound.count(payload.len());
        let (port, to) = (outbound.port, outbound.destination);
        // Our own numbers are never used twice, so this is always sealed.
        let Ok(len) = self.seal(slot, &mut buffer, len) else { return };
        let socket = SocketId::rtp(usize::from(port));
        out.send(socket, to.socket_addr(), &buffer[..len]);
    }

    /// Does everything that is seldom due, and sets the time of the next check.
    fn check(&mut self, slot: usize, at: Instant, out: &mut impl Output) {
        let now_ms = clock::millis(at);
        if self.below.has_tier() {
            self.read_leg_below(slot, out);
        }
        self.expire_keys(slot, clock::samples(at), out);
        let report_ms = self.check_report(slot, at, out);
        let media_ms = self.check_media(slot, now_ms, out);
        let detects = self.check_detection(slot, now_ms, out);
        let Some(leg) = self.legs.leg(slot) else { return };
        let mut next_ms = report_ms;
        if let Some(media_ms) = media_ms {
            next_ms = clock::sooner(now_ms, next_ms, media_ms);
        }
        if leg.is_pressed() || detects {
            next_ms = now_ms;
        }
        self.legs.set_check(slot, next_ms);
    }

    /// Reports a silence that lasts too long, on hold too; answers when to check again.
    fn check_media(&mut self, slot: usize, now_ms: u32, out: &mut impl Output) -> Option<u32> {
        let LegParts { leg, inbound, .. } = self.legs.parts(slot)?;
        let timeout_ms = leg.plan.media_timeout_ms;
        if timeout_ms == 0 {
            return None;
        }
        let last_ms = inbound.reception.has_started().then_some(inbound.reception.last_ms);
        let (is_due, again) = leg.watch.check(now_ms, last_ms, timeout_ms);
        if is_due {
            out.event(MediaEvent::MediaTimeout { leg: leg.id });
        }
        Some(again)
    }
}

/// After this long without a packet of the bridged party we send silence, until its next packet. Shorter
/// gaps are loss: they stay holes in the numbers (I8).
const RELAY_GAP_SAMPLES: u32 = 200 * clock::SAMPLES_A_MS;
const BEAT_MS: u64 = 20;
const DIGIT_STEP_SAMPLES: usize = 160;
