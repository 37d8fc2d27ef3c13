//! Commands of signaling. Sans-IO.
//!
//! A command names a leg; one that is not up here is refused with an event, never ignored, because the
//! heap value of the command must return in any case (ARCHITECTURE.md, I2). A leg is a value in several
//! arrays, so each command ends with a check that they agree (`consistency.rs`).

use std::sync::Arc;

use shared::feed::FeedEnd;
use shared::leg::LegQuality;
use shared::media::{PlayEnd, PlayedValue, Prompt, TapEnd};
use shared::{CommandRefusal, Instant, LegId, LegPlan, MediaCommand, MediaEvent, PlayId};

use crate::address::PackedAddress;
use crate::clock;
use crate::inbound::{Inbound, Latch};
use crate::leg::Leg;
use crate::leg_table::LegParts;
use crate::outbound::Outbound;
use crate::output::Output;
use crate::player::{Player, Playing};
use crate::relay::{Feed, Numbers};
use crate::telephone_event::DigitSender;

use super::Plane;

impl Plane {
    pub(super) fn carry_out(&mut self, now: Instant, command: MediaCommand, out: &mut impl Output) {
        // A description must not disturb what it describes.
        let disturbs = !matches!(command, MediaCommand::Describe { .. });
        if let Some(leg) = command.leg().filter(|_| disturbs) {
            self.take_back_leg(now, leg, out);
        }
        match command {
            MediaCommand::StartLeg { leg, plan } => {
                if !self.start_leg(now, leg, &plan, out) {
                    self.refuse_for(leg, CommandRefusal::Taken, out);
                }
                out.event(MediaEvent::PlanReturned(plan));
            }
            MediaCommand::UpdateLeg { leg, plan } => {
                match self.slot_of(leg) {
                    Some(slot) => self.update_leg(now, slot, &plan, out),
                    None => self.refuse(leg, out),
                }
                out.event(MediaEvent::PlanReturned(plan));
            }
            MediaCommand::StopLeg { leg, mut quality } => {
                if let Some(slot) = self.slot_of(leg) {
                    self.stop_leg(now, slot, &mut quality, out);
                }
                out.event(MediaEvent::LegStopped { leg, quality });
            }
            MediaCommand::Join { leg, joined } => {
                let slot = self.slot_of(leg).ok_or(CommandRefusal::NoLeg);
                if let Err(reason) = slot.and_then(|slot| self.join(now, slot, joined)) {
                    self.refuse_for(leg, reason, out);
                }
            }
            MediaCommand::Play { leg, play, prompt, repeat } => {
                self.play(leg, play, prompt, repeat, out);
            }
            MediaCommand::SendDigits { leg, play, digits } => {
                self.send_digits(leg, play, digits, out);
            }
            MediaCommand::StopPlay { leg } => match self.slot_of(leg) {
                Some(slot) => self.end_playing(slot, PlayEnd::Stopped, out),
                None => self.refuse(leg, out),
            },
            MediaCommand::StartTap { leg, tap, sink, tracks, limits } => {
                if !self.start_tap(leg, tap, sink, tracks, limits) {
                    self.meters.commands_refused += 1;
                    out.event(MediaEvent::TapEnded { leg, tap, cause: TapEnd::Refused });
                }
            }
            MediaCommand::PauseTap { leg, tap, pause } => match self.slot_of(leg) {
                Some(slot) => self.pause_tap(slot, tap, pause),
                None => self.refuse(leg, out),
            },
            MediaCommand::StopTap { leg, tap } => match self.slot_of(leg) {
                Some(slot) => self.stop_tap(slot, tap, out),
                None => self.refuse(leg, out),
            },
            MediaCommand::StartFeed { leg, feed, codec } => self.start_feed(leg, feed, codec, out),
            MediaCommand::StopFeed { leg, feed } => match self.slot_of(leg) {
                Some(slot) => self.stop_feed(slot, feed, out),
                None => self.refuse(leg, out),
            },
            MediaCommand::StartDetection { leg, detection } => {
                if !self.start_detection(now, leg, detection) {
                    self.refuse(leg, out);
                }
            }
            MediaCommand::StopDetection { leg } => match self.slot_of(leg) {
                Some(slot) => self.end_detection(slot),
                None => self.refuse(leg, out),
            },
            MediaCommand::SetMember { leg, member } => {
                if let Err(reason) = self.set_member(leg, member) {
                    self.refuse_for(leg, reason, out);
                }
            }
            MediaCommand::Room { core, room, command } => {
                self.room_command(now, core, room, command, out);
            }
            MediaCommand::Describe { leg, mut description } => {
                *description = self.slot_of(leg).and_then(|slot| self.describe(slot, out));
                out.event(MediaEvent::Described { leg, description });
            }
        }
    }

    /// `false` when the slot or the port is not free, or does not belong to this core.
    fn start_leg(
        &mut self,
        now: Instant,
        leg: LegId,
        plan: &LegPlan,
        out: &mut impl Output,
    ) -> bool {
        let slot = usize::from(leg.slot);
        let Some(port) = self.ports.free_index(plan.port) else { return false };
        if !self.legs.has_room_for(leg) {
            return false;
        }
        // RFC 3711 §3.3.1: far from the wrap, or a peer that misses the first packets guesses wrong.
        let secured_mask = if plan.media.srtp.is_some() { 0x7FFF } else { u16::MAX };
        let first_sequence = plan.first_sequence & secured_mask;
        let first = Numbers::starting_at(first_sequence, plan.first_timestamp, clock::samples(now));
        let mut outbound = Outbound { port, numbers: first, ..Outbound::vacant() };
        outbound.apply(plan);
        outbound.destination = PackedAddress::from_option(plan.media.remote_rtp);
        let mut inbound = Inbound::vacant();
        inbound.apply(plan);
        self.legs.start(Leg::new(leg, *plan, now, self.seed), inbound, outbound);
        self.legs.set_check(slot, clock::millis(now));
        self.secure_leg(now, slot);
        self.ports.take(port, leg.slot);
        self.wheel.insert(now, leg.slot, self.legs.outbound(slot).wants_half_beats());
        self.choose_listening(slot);
        if !plan.media.rtcp_mux {
            out.listen_for_rtcp(usize::from(port), true);
        }
        self.meters.legs += 1;
        self.assert_consistent(slot);
        true
    }

    fn update_leg(&mut self, now: Instant, slot: usize, plan: &LegPlan, out: &mut impl Output) {
        // A key that is held was pressed under the old plan.
        self.finish_in_band(slot, out);
        let Some(LegParts { leg, inbound, outbound, .. }) = self.legs.parts(slot) else { return };
        let old = leg.plan;
        // A leg keeps port and SSRC for life.
        leg.plan = LegPlan { port: old.port, ssrc: old.ssrc, ..*plan };
        let plan = leg.plan;
        let moved = plan.media.remote_rtp.is_some() && plan.media.remote_rtp != leg.remote;
        if moved || plan.latch != old.latch {
            leg.remote = plan.media.remote_rtp.or(leg.remote);
            leg.reports.source = PackedAddress::NONE;
            leg.leave_source(inbound.source, clock::millis(now));
            inbound.latch = Latch::Open;
            inbound.source = PackedAddress::NONE;
        } else {
            leg.let_move(clock::millis(now));
        }
        leg.watch.restart(clock::millis(now));
        inbound.apply(&plan);
        let had_half_beats = outbound.wants_half_beats();
        outbound.apply(&plan);
        outbound.destination = destination(&plan, inbound);
        let with_half_beats = outbound.wants_half_beats();
        if self.rooms.member_at(slot).is_some() {
            self.rooms.set_media(slot, plan.media.codec, with_half_beats);
            if !plan.media.direction.receives() {
                self.rooms.rest(slot);
            }
        } else if with_half_beats != had_half_beats {
            self.wheel.remove(leg.id.slot);
            self.wheel.insert(now, leg.id.slot, with_half_beats);
        }
        self.legs.set_check(slot, clock::millis(now));
        self.secure_leg(now, slot);
        if plan.media.rtcp_mux != old.media.rtcp_mux {
            let port = usize::from(self.legs.outbound(slot).port);
            out.listen_for_rtcp(port, !plan.media.rtcp_mux);
        }
        if plan.media.codec != old.media.codec {
            self.change_tap_codec(slot, plan.media.codec);
        }
        // The party may be on hold from here on, or send from elsewhere.
        self.tap_party_rests(slot);
        self.tap_we_rest(slot);
        self.choose_listening(slot);
        self.assert_consistent(slot);
    }

    /// Detects digits in the audio where the party negotiated no telephone events.
    fn choose_listening(&mut self, slot: usize) {
        let Some(LegParts { leg, outbound, .. }) = self.legs.parts(slot) else { return };
        leg.listens = self.inband_digits && leg.plan.media.event_payload_type_receive.is_none();
        if outbound.takes_events() {
            self.tones.free(leg.tones.take());
            outbound.playing = leg.plays();
        }
        self.mark_tapped(slot);
    }

    fn stop_leg(
        &mut self,
        now: Instant,
        slot: usize,
        quality: &mut LegQuality,
        out: &mut impl Output,
    ) {
        self.finish_keys(slot, now, out);
        self.end_playing(slot, PlayEnd::LegStopped, out);
        self.end_feed(slot, FeedEnd::LegStopped, out);
        self.end_taps(slot, TapEnd::LegStopped, out);
        self.end_detection(slot);
        self.send_goodbye(now, slot, out);
        self.leave_room(now, slot);
        let Some(leg) = self.legs.leg(slot) else { return };
        let (id, has_rtcp_socket) = (leg.id, !leg.plan.media.rtcp_mux);
        self.srtp.free(leg.srtp.or(leg.srtp_resting));
        self.tones.free(leg.tones);
        *quality = self.quality(slot, leg);
        let port = self.legs.outbound(slot).port;
        self.ports.release(port);
        if has_rtcp_socket {
            out.listen_for_rtcp(usize::from(port), false);
        }
        self.legs.stop(slot);
        self.wheel.remove(id.slot);
        self.meters.legs -= 1;
        self.assert_consistent(slot);
    }

    fn quality(&self, slot: usize, leg: &Leg) -> LegQuality {
        let reception = &self.legs.inbound(slot).reception;
        let totals = reception.totals(self.legs.past(slot));
        LegQuality {
            received: totals.received,
            sent: u64::from(self.legs.outbound(slot).packets),
            lost: totals.losses.lost,
            losses: totals.losses,
            duplicates: totals.duplicates,
            reordered: totals.reordered,
            restarts: totals.restarts,
            dropped: leg.dropped,
            jitter_rtp_units: reception.jitter(),
            jitter_max_rtp_units: reception.jitter_max(),
            packet_ms: u32::from(totals.packet_samples) / clock::SAMPLES_A_MS,
            round_trip_us: leg.reports.round_trip_us,
            round_trip_max_us: leg.reports.round_trip_max_us,
            first_packet_ms: leg.first_packet_ms,
            rtcp_received: leg.reports.received,
            rtcp_sent: leg.reports.sent,
            remote: leg.reports.remote,
            intervals: leg.quality_watch.intervals,
            intervals_bad: leg.quality_watch.intervals_bad,
            worst_r_tenths: leg.quality_watch.worst_r_tenths,
        }
    }

    fn play(
        &mut self,
        leg: LegId,
        play: PlayId,
        prompt: Arc<Prompt>,
        repeat: u32,
        out: &mut impl Output,
    ) {
        match self.slot_of(leg) {
            Some(slot) => {
                self.begin_playing(slot, Playing::Prompt(Player::new(play, prompt, repeat)), out);
            }
            None => {
                self.refuse(leg, out);
                let value = PlayedValue::Prompt(prompt);
                out.event(MediaEvent::PlayEnded { leg, play, cause: PlayEnd::LegStopped, value });
            }
        }
    }

    fn send_digits(&mut self, leg: LegId, play: PlayId, digits: Arc<str>, out: &mut impl Output) {
        match self.slot_of(leg) {
            Some(slot) => {
                self.begin_playing(slot, Playing::Digits(DigitSender::new(play, digits)), out);
            }
            None => {
                self.refuse(leg, out);
                let value = PlayedValue::Digits(digits);
                out.event(MediaEvent::PlayEnded { leg, play, cause: PlayEnd::LegStopped, value });
            }
        }
    }

    fn begin_playing(&mut self, slot: usize, playing: Playing, out: &mut impl Output) {
        self.end_playing(slot, PlayEnd::Replaced, out);
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        leg.playing = Some(playing);
        self.tones.free(leg.tones.take());
        let outbound = self.legs.outbound_mut(slot);
        outbound.playing = true;
        if outbound.numbers.feed != Feed::LOCAL {
            outbound.make_due();
        }
        self.assert_consistent(slot);
    }

    /// Ends the prompt or the digits that play, if any.
    pub(super) fn end_playing(&mut self, slot: usize, cause: PlayEnd, out: &mut impl Output) {
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        let Some(playing) = leg.playing.take() else { return };
        let id = leg.id;
        self.legs.outbound_mut(slot).playing = leg.plays();
        self.assert_consistent(slot);
        let (play, value) = playing.into_parts();
        out.event(MediaEvent::PlayEnded { leg: id, play, cause, value });
    }

    /// Refuses a command for a leg that is not up.
    fn refuse(&mut self, leg: LegId, out: &mut impl Output) {
        self.refuse_for(leg, CommandRefusal::NoLeg, out);
    }

    fn refuse_for(&mut self, leg: LegId, reason: CommandRefusal, out: &mut impl Output) {
        self.meters.commands_refused += 1;
        out.event(MediaEvent::Refused { leg, reason });
    }
}

/// Destination of a leg's packets: none while the SDP names no address, else the source that is followed or
/// locked, else the address of the SDP.
pub(super) fn destination(plan: &LegPlan, inbound: &Inbound) -> PackedAddress {
    match (plan.media.remote_rtp, inbound.latch) {
        (None, _) => PackedAddress::NONE,
        (Some(remote), Latch::Open) => PackedAddress::new(remote),
        (Some(_), Latch::Deciding { .. } | Latch::Locked) => inbound.source,
    }
}
