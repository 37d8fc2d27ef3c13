//! The taps of a room: a list through the core's slab of taps, as a leg has one. Sans-IO.
//!
//! A tap of a room hears the whole mix, coaches left out, as the inbound track of a recording. The mix has no gaps
//! and no order to restore, but the tap is the machine that legs use, so that limits, pauses and last frames are
//! alike.

use shared::media::{TapEnd, TapLimits, TapPause, TapTracks};
use shared::{FRAME_SAMPLES, RoomId, Sink, TapId};

use crate::output::Output;
use crate::tap::TapOwner;

use super::Plane;
use super::rooms::ROOM_TAP_CODEC;

impl Plane {
    /// `false` when the sink has all the taps that it may have.
    pub(super) fn start_room_tap(
        &mut self,
        place: u16,
        room: RoomId,
        id: TapId,
        sink: Sink,
        limits: TapLimits,
    ) -> bool {
        let Some(index) = self.take_tap(sink) else { return false };
        let Some(open) = self.rooms.room_mut(place) else { return false };
        let tap = &mut self.taps[usize::from(index)];
        let (owner, tracks) = (TapOwner::Room(room), TapTracks::Inbound);
        tap.start(id, owner, sink, tracks, limits, ROOM_TAP_CODEC);
        tap.next = open.first_tap.replace(index);
        true
    }

    pub(super) fn pause_room_tap(&mut self, place: u16, id: TapId, pause: Option<TapPause>) {
        if let Some(index) = self.find_room_tap(place, id) {
            self.taps[usize::from(index)].pause(pause);
        }
    }

    pub(super) fn stop_room_tap(&mut self, place: u16, id: TapId, out: &mut impl Output) {
        if let Some(index) = self.find_room_tap(place, id) {
            self.end_room_tap(place, index, TapEnd::Stopped, out);
        }
    }

    pub(super) fn end_room_taps(&mut self, place: u16, out: &mut impl Output) {
        while let Some(index) = self.rooms.room_mut(place).and_then(|open| open.first_tap) {
            self.end_room_tap(place, index, TapEnd::Stopped, out);
        }
    }

    /// 20 ms of every tap of a room, right behind its mix.
    pub(super) fn beat_room_taps(&mut self, place: u16, tick: u32, out: &mut impl Output) {
        let mut next = self.rooms.room_mut(place).and_then(|open| open.first_tap);
        if next.is_none() {
            return;
        }
        let mut frame = [0; FRAME_SAMPLES];
        self.rooms.fill_for_all(ROOM_TAP_CODEC, &mut frame);
        while let Some(index) = next {
            let tap = &mut self.taps[usize::from(index)];
            next = tap.next;
            let sink = tap.sink;
            tap.hear(0, tick.wrapping_mul(FRAME_SAMPLES as u32), &frame);
            let (counts, ended) = tap.period(&mut |frame| out.deliver(sink, frame));
            self.count_frames(sink, counts);
            if let Some(cause) = ended {
                self.end_room_tap(place, index, cause, out);
            }
        }
    }

    fn end_room_tap(&mut self, place: u16, index: u16, cause: TapEnd, out: &mut impl Output) {
        let after = self.taps[usize::from(index)].next.take();
        let Some(open) = self.rooms.room_mut(place) else { return };
        if open.first_tap == Some(index) {
            open.first_tap = after;
        } else if let Some(before) = self.taps.iter_mut().find(|tap| tap.next == Some(index)) {
            before.next = after;
        }
        self.finish_tap(index, cause, out);
    }

    fn find_room_tap(&mut self, place: u16, id: TapId) -> Option<u16> {
        let mut next = self.rooms.room_mut(place).and_then(|open| open.first_tap);
        while let Some(index) = next {
            let tap = &self.taps[usize::from(index)];
            if tap.id == id {
                break;
            }
            next = tap.next;
        }
        next
    }
}
