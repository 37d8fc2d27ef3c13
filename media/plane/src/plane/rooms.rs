//! Legs in rooms ([`crate::room`]): commands, members that come and go, the beat of a room. Sans-IO.
//!
//! A member's leg is in no phase of the wheel: the room beats, mixes, and then runs the beat of each member's leg
//! as the wheel would. Whatever else fills a beat (a prompt, digits, a feed) takes the place of the room for that
//! party; only where nothing does, the mix is sent. The numbers of a leg continue through all of this (I8), because
//! the frame of a room leaves as any audio of our own does.

use std::sync::Arc;

use shared::media::{PlayEnd, Prompt, TapEnd};
use shared::{
    Codec, CommandRefusal, CoreId, FRAME_SAMPLES, Instant, Joined, LegId, MediaEvent, Member,
    PlayId, RoomCommand, RoomEvent, RoomId,
};

use crate::clock;
use crate::leg_table::LegParts;
use crate::mesh::{Carried, MeshFrame, RoomFrame};
use crate::meters::PlaneMeters;
use crate::outbound::SAMPLES_MAX;
use crate::output::Output;
use crate::player::Player;
use crate::relay::{Feed, Incoming};
use crate::room::{FrameFate, TickOutput, phase_of, tick_at};

use super::Plane;
use super::beat::Origin;

impl Plane {
    /// Carries out a command about a room.
    pub(super) fn room_command(
        &mut self,
        now: Instant,
        core: CoreId,
        room: RoomId,
        command: RoomCommand,
        out: &mut impl Output,
    ) {
        let place = self.rooms.place_of(room);
        let is_done = match (command, place) {
            (RoomCommand::Span { cores }, _) => match self.rooms.span(room, cores) {
                Ok(opened) => {
                    if let Some(place) = opened {
                        self.wheel.insert_room(now, place, phase_of(room));
                    }
                    Ok(())
                }
                Err(reason) => Err(reason),
            },
            (RoomCommand::Play { play, prompt, repeat }, place) => {
                self.play_to_room(core, room, place, Player::new(play, prompt, repeat), out);
                Ok(())
            }
            (RoomCommand::StartTap { tap, sink, limits }, place) => {
                if !place.is_some_and(|place| self.start_room_tap(place, room, tap, sink, limits)) {
                    self.meters.commands_refused += 1;
                    let event = RoomEvent::TapEnded { tap, cause: TapEnd::Refused };
                    out.event(MediaEvent::Room { core, room, event });
                }
                Ok(())
            }
            (_, None) => Err(CommandRefusal::NoRoom),
            (RoomCommand::Close, Some(place)) => {
                self.close_room(now, core, room, place, out);
                Ok(())
            }
            (RoomCommand::StopPlay { play }, Some(place)) => {
                let stopped = self.rooms.room_mut(place).and_then(|open| open.stop_play(play));
                if let Some(player) = stopped {
                    out.event(play_ended(core, room, player, PlayEnd::Stopped));
                }
                Ok(())
            }
            (RoomCommand::PauseTap { tap, pause }, Some(place)) => {
                self.pause_room_tap(place, tap, pause);
                Ok(())
            }
            (RoomCommand::StopTap { tap }, Some(place)) => {
                self.stop_room_tap(place, tap, out);
                Ok(())
            }
        };
        if let Err(reason) = is_done {
            self.meters.commands_refused += 1;
            let event = RoomEvent::Refused { reason };
            out.event(MediaEvent::Room { core, room, event });
        }
        (self.meters.rooms, self.meters.room_members) = self.rooms.figures();
    }

    /// Joins the leg in a slot to a room, as a member that says and hears nothing yet.
    ///
    /// # Errors
    /// The leg then keeps the other end that it has.
    pub(super) fn check_room(&self, slot: usize, room: RoomId) -> Result<u16, CommandRefusal> {
        let place = self.rooms.place_of(room).ok_or(CommandRefusal::NoRoom)?;
        if !self.rooms.has_room_for(slot) {
            return Err(CommandRefusal::RoomsFull);
        }
        Ok(place)
    }

    /// Makes a leg a member of a room, and lets it beat with it.
    pub(super) fn enter_room(&mut self, now: Instant, slot: usize, room: RoomId, place: u16) {
        let Some(LegParts { leg, outbound, .. }) = self.legs.parts(slot) else { return };
        let (id, codec, half_beats) = (leg.id, outbound.codec, outbound.wants_half_beats());
        let entry = self.wheel.leave_for(now, id.slot, phase_of(room));
        if entry.has_passed && outbound.numbers.feed == Feed::LOCAL {
            outbound.numbers.pass(FRAME_SAMPLES as u16, clock::samples(now));
        }
        self.rooms.join(id, place, codec);
        self.rooms.set_media(slot, codec, half_beats);
        let member = self.rooms.member_at(slot);
        if let Some(member) = self.rooms.member_mut(member) {
            member.first_ms = entry.first_ms;
        }
        (self.meters.rooms, self.meters.room_members) = self.rooms.figures();
    }

    /// Ends the membership of a leg, if it is in a room: it beats in its own phase again.
    pub(super) fn leave_room(&mut self, now: Instant, slot: usize) {
        let place = self.rooms.member_at(slot);
        let Some(member) = self.rooms.member_mut(place) else { return };
        let (leg, first_ms) = (member.leg, member.first_ms);
        let Some(Joined::Room(room)) = self.legs.leg(slot).map(|leg| leg.joined) else { return };
        self.rooms.leave(slot);
        let half_beats = self.legs.outbound(slot).wants_half_beats();
        self.wheel.return_from(now, leg.slot, half_beats, phase_of(room), first_ms);
        (self.meters.rooms, self.meters.room_members) = self.rooms.figures();
    }

    pub(super) fn set_member(&mut self, leg: LegId, member: Member) -> Result<(), CommandRefusal> {
        let slot = self.slot_of(leg).ok_or(CommandRefusal::NoLeg)?;
        if self.rooms.set_role(slot, member) { Ok(()) } else { Err(CommandRefusal::NoRoom) }
    }

    /// Takes the audio of a member.
    pub(super) fn hear_in_room(
        &mut self,
        now: Instant,
        slot: usize,
        incoming: Incoming,
        codes: &[u8],
    ) {
        let Some(Joined::Room(room)) = self.legs.leg(slot).map(|leg| leg.joined) else { return };
        let place = self.rooms.member_at(slot);
        let next_ms = self.wheel.next_at(phase_of(room)).saturating_sub(now.as_millis()) as u32;
        let Some(member) = self.rooms.member_mut(place) else { return };
        let is_in_time = member.hear(incoming.epoch, incoming.timestamp, codes, next_ms);
        self.meters.room_packets_late += u64::from(!is_in_time);
    }

    /// Takes the sum of another core, or the voice of a coach there.
    pub(super) fn take_room_frame(&mut self, frame: &RoomFrame) {
        let wheel = &self.wheel;
        match self.rooms.take_frame(frame, |phase| tick_at(wheel.next_at(phase) - phase)) {
            FrameFate::Taken => self.meters.room_sums_received += 1,
            FrameFate::Late | FrameFate::NoRoom => self.meters.room_sums_late += 1,
        }
    }

    /// The beat of a room: it mixes, and each member's leg beats.
    pub(super) fn beat_room(&mut self, at: Instant, place: u16, half: bool, out: &mut impl Output) {
        if half && !self.rooms.has_half_beats(place) {
            return;
        }
        if !half {
            self.mix_room(at, place, out);
        }
        let mut next = self.rooms.first(place);
        while let Some(member) = self.rooms.member_mut(next) {
            let leg = member.leg;
            let rests = at.as_millis() < member.first_ms || half && !member.half_beats;
            next = member.next;
            if rests {
                continue;
            }
            self.beat(at, leg.slot, half, out);
        }
    }

    /// What a member hears, where nothing else plays to it. Answers `false` when the leg is in no room.
    pub(super) fn beat_member(
        &mut self,
        slot: usize,
        at: Instant,
        half: bool,
        now_samples: u32,
        out: &mut impl Output,
    ) -> bool {
        let Some(place) = self.rooms.member_at(slot) else { return false };
        let outbound = self.legs.outbound_mut(slot);
        if !outbound.can_send() {
            outbound.numbers.feed = Feed::NONE;
            return true;
        }
        let (codec, ptime_tens) = (outbound.codec, outbound.ptime_tens);
        let mut frame = [0; FRAME_SAMPLES];
        let is_audio = !half && self.rooms.fill(place, codec, &mut frame);
        if ptime_tens == FRAME_TENS {
            let origin = if is_audio { Origin::Room } else { Origin::Silence };
            self.send_samples(slot, now_samples, &frame, origin, out);
            return true;
        }
        let Some(member) = self.rooms.member_mut(Some(place)) else { return true };
        if !half {
            member.packing.push(tick_at(at.as_millis()), &frame);
        }
        let len = self.legs.outbound_mut(slot).beat();
        let packet = &mut [0; SAMPLES_MAX][..len];
        if len > 0 && !member.packing.take(packet) {
            // The frames for it come with the next beats.
            self.legs.outbound_mut(slot).make_due();
        } else if len > 0 {
            self.send_samples(slot, now_samples, packet, Origin::Room, out);
        }
        true
    }

    fn mix_room(&mut self, at: Instant, place: u16, out: &mut impl Output) {
        let core = self.legs.core();
        let Some(room) = self.rooms.room_mut(place).map(|room| room.id) else { return };
        let tick = tick_at(at.as_millis() - phase_of(room));
        let mut events = RoomEvents { core, room, out, meters: &mut self.meters };
        let counts = self.rooms.mix(place, tick, &mut events);
        self.meters.room_frames_lost += counts.pulled.gaps;
        self.meters.room_frames_left_out += counts.pulled.left_out;
        self.meters.room_sums_lost += counts.sums_missing;
        self.meters.room_sums_unsent += counts.sums_unsent;
        self.meters.room_coaches_left_out += counts.coaches_left_out;
        self.beat_room_taps(place, tick, out);
    }

    fn play_to_room(
        &mut self,
        core: CoreId,
        room: RoomId,
        place: Option<u16>,
        player: Player,
        out: &mut impl Output,
    ) {
        let open = place.and_then(|place| self.rooms.room_mut(place));
        let refused = match open {
            Some(open) => open.play(player).err(),
            None => Some(player),
        };
        if let Some(player) = refused {
            self.meters.commands_refused += 1;
            out.event(play_ended(core, room, player, PlayEnd::Stopped));
        }
    }

    /// Ends a room: its members stay up, joined to nobody.
    fn close_room(
        &mut self,
        now: Instant,
        core: CoreId,
        room: RoomId,
        place: u16,
        out: &mut impl Output,
    ) {
        while let Some(first) = self.rooms.first(place) {
            let Some(leg) = self.rooms.member_mut(Some(first)).map(|member| member.leg) else {
                break;
            };
            let slot = usize::from(leg.slot);
            self.leave_room(now, slot);
            self.legs.join(slot, Joined::Nobody);
            self.assert_consistent(slot);
        }
        while let Some(player) = self.rooms.room_mut(place).and_then(|open| open.take_play()) {
            out.event(play_ended(core, room, player, PlayEnd::Stopped));
        }
        self.end_room_taps(place, out);
        self.rooms.close(place);
        self.wheel.remove_room(place, phase_of(room));
    }
}

/// Where a tick of a room leaves its events and frames.
struct RoomEvents<'p, O> {
    core: CoreId,
    room: RoomId,
    out: &'p mut O,
    meters: &'p mut PlaneMeters,
}

impl<O: Output> TickOutput for RoomEvents<'_, O> {
    fn talking(&mut self, leg: LegId, is_talking: bool) -> bool {
        // Speech comes from outside at any rate, so it must not take the room of events that cannot wait.
        let has_room = self.out.has_room_for_speech();
        if has_room {
            self.out.event(MediaEvent::Talking { leg, is_talking });
        }
        has_room
    }

    fn send(&mut self, core: CoreId, frame: RoomFrame) -> bool {
        let is_sent = self.out.mesh(core, &MeshFrame(Carried::Room(frame)));
        self.meters.room_sums_sent += u64::from(is_sent);
        is_sent
    }

    fn played(&mut self, player: Player) {
        self.out.event(play_ended(self.core, self.room, player, PlayEnd::Finished));
    }
}

fn play_ended(core: CoreId, room: RoomId, player: Player, cause: PlayEnd) -> MediaEvent {
    let (play, prompt): (PlayId, Arc<Prompt>) = player.into_prompt();
    MediaEvent::Room { core, room, event: RoomEvent::PlayEnded { play, cause, prompt } }
}

/// Codec of what a tap of a room copies.
pub(super) const ROOM_TAP_CODEC: Codec = Codec::Pcmu;
/// A packet of one frame, in tens of milliseconds.
const FRAME_TENS: u8 = 2;
