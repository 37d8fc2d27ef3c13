//! The taps of a leg: a list through the core's slab of taps. Sans-IO.

use shared::media::{TapEnd, TapLimits, TapPause, TapTracks};
use shared::{Codec, LegId, MediaEvent, RoomEvent, Sink, TapFrame, TapId};

use crate::leg_table::LegParts;
use crate::output::Output;
use crate::tap::{Tap, TapCounts, TapOwner, TapState};

use super::Plane;

impl Plane {
    /// `false` when the leg is not there or its sink has all the taps that it may have.
    pub(super) fn start_tap(
        &mut self,
        leg: LegId,
        id: TapId,
        sink: Sink,
        tracks: TapTracks,
        limits: TapLimits,
    ) -> bool {
        let Some(slot) = self.slot_of(leg) else { return false };
        let Some(index) = self.take_tap(sink) else { return false };
        let Some(LegParts { leg: up, outbound, .. }) = self.legs.parts(slot) else { return false };
        let tap = &mut self.taps[usize::from(index)];
        tap.start(id, TapOwner::Leg(leg), sink, tracks, limits, outbound.codec);
        tap.next = up.first_tap.replace(index);
        self.mark_tapped(slot);
        self.assert_consistent(slot);
        true
    }

    /// A vacant tap for a sink, which counts as up from now on.
    pub(super) fn take_tap(&mut self, sink: Sink) -> Option<u16> {
        if self.meters.taps[sink] as usize >= self.taps_max[sink] {
            return None;
        }
        let index = self.taps_free.pop()?;
        self.meters.taps[sink] += 1;
        Some(index)
    }

    pub(super) fn pause_tap(&mut self, slot: usize, id: TapId, pause: Option<TapPause>) {
        self.each_tap(slot, |tap| {
            if tap.id == id {
                tap.pause(pause);
            }
        });
    }

    pub(super) fn stop_tap(&mut self, slot: usize, id: TapId, out: &mut impl Output) {
        let mut found = None;
        self.each_tap_index(slot, |taps, index| {
            if taps[usize::from(index)].id == id {
                found = Some(index);
            }
        });
        if let Some(index) = found {
            self.end_tap(slot, index, TapEnd::Stopped, out);
        }
    }

    pub(super) fn end_taps(&mut self, slot: usize, cause: TapEnd, out: &mut impl Output) {
        while let Some(index) = self.legs.leg(slot).and_then(|leg| leg.first_tap) {
            self.end_tap(slot, index, cause, out);
        }
    }

    pub(super) fn change_tap_codec(&mut self, slot: usize, codec: Codec) {
        self.each_tap(slot, |tap| tap.set_codec(codec));
    }

    pub(super) fn tap_inbound(&mut self, slot: usize, epoch: u16, timestamp: u32, samples: &[u8]) {
        self.each_tap(slot, |tap| tap.hear(epoch, timestamp, samples));
    }

    pub(super) fn tap_comfort_noise(&mut self, slot: usize) {
        self.each_tap(slot, |tap| tap.hear_comfort_noise());
    }

    /// The party sends something else than audio, or nothing.
    pub(super) fn tap_party_rests(&mut self, slot: usize) {
        self.each_tap(slot, Tap::party_rests);
    }

    /// We send something else than audio to the party, or nothing.
    pub(super) fn tap_we_rest(&mut self, slot: usize) {
        self.each_tap(slot, Tap::we_rest);
    }

    pub(super) fn tap_outbound(&mut self, slot: usize, timestamp: u32, samples: &[u8]) {
        self.each_tap(slot, |tap| tap.say(timestamp, samples));
    }

    /// 20 ms of every tap of a leg.
    pub(super) fn beat_taps(&mut self, slot: usize, out: &mut impl Output) {
        let Some(leg) = self.legs.leg(slot) else { return };
        let mut next = leg.first_tap;
        let feed_passed = self.feeds.at(leg.feed).map_or(0, |feed| feed.passed());
        while let Some(index) = next {
            let tap = &mut self.taps[usize::from(index)];
            next = tap.next;
            let sink = tap.sink;
            let (counts, ended) =
                tap.period(&mut |frame| out.deliver(sink, TapFrame { feed_passed, ..frame }));
            self.count_frames(sink, counts);
            if let Some(cause) = ended {
                self.end_tap(slot, index, cause, out);
            }
        }
    }

    /// Offers again the last frames that a sink's ring had no room for.
    pub(super) fn offer_last_frames(&mut self, out: &mut impl Output) {
        let mut at = 0;
        while let Some(index) = self.taps_ending.get(at).copied() {
            if self.complete_tap(index, out) {
                self.taps_ending.swap_remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn end_tap(&mut self, slot: usize, index: u16, cause: TapEnd, out: &mut impl Output) {
        self.unlink_tap(slot, index);
        self.finish_tap(index, cause, out);
        self.assert_consistent(slot);
    }

    /// Delivers what a tap still has, and its last frame.
    pub(super) fn finish_tap(&mut self, index: u16, cause: TapEnd, out: &mut impl Output) {
        let tap = &mut self.taps[usize::from(index)];
        let sink = tap.sink;
        let counts = tap.finish(cause, &mut |frame| out.deliver(sink, frame));
        self.count_frames(sink, counts);
        if !self.complete_tap(index, out) {
            debug_assert!(
                self.taps_ending.len() < self.taps_ending.capacity(),
                "I2: it would allocate"
            );
            self.taps_ending.push(index);
        }
    }

    /// `false` when the sink's ring is full.
    fn complete_tap(&mut self, index: u16, out: &mut impl Output) -> bool {
        let tap = &mut self.taps[usize::from(index)];
        let TapState::Ending { cause } = tap.state else { return true };
        let sink = tap.sink;
        if !out.deliver(sink, tap.last_frame()) {
            self.meters.tap_frames_lost[sink] += 1;
            return false;
        }
        tap.state = TapState::Free;
        let tap_id = tap.id;
        out.event(match tap.owner {
            TapOwner::Leg(leg) => MediaEvent::TapEnded { leg, tap: tap_id, cause },
            TapOwner::Room(room) => {
                let event = RoomEvent::TapEnded { tap: tap_id, cause };
                MediaEvent::Room { core: self.legs.core(), room, event }
            }
        });
        self.meters.tap_frames[sink] += 1;
        self.meters.taps[sink] -= 1;
        debug_assert!(self.taps_free.len() < self.taps_free.capacity(), "I2: it would allocate");
        self.taps_free.push(index);
        true
    }

    fn unlink_tap(&mut self, slot: usize, index: u16) {
        let after = self.taps[usize::from(index)].next.take();
        let mut before = None;
        self.each_tap_index(slot, |taps, other| {
            if taps[usize::from(other)].next == Some(index) {
                before = Some(other);
            }
        });
        match (before, self.legs.leg_mut(slot)) {
            (Some(before), _) => self.taps[usize::from(before)].next = after,
            (None, Some(leg)) if leg.first_tap == Some(index) => leg.first_tap = after,
            (None, _) => {}
        }
        self.mark_tapped(slot);
    }

    /// The hot lines hold one bit: whether any tap, or a detector, reads the samples.
    pub(super) fn mark_tapped(&mut self, slot: usize) {
        let tapped = self.legs.leg(slot).is_some_and(|leg| leg.first_tap.is_some());
        let listens = self.legs.leg(slot).is_some_and(|leg| leg.listens);
        let detects = self.legs.leg(slot).is_some_and(|leg| leg.answering.is_some());
        self.legs.inbound_mut(slot).tapped = tapped || listens || detects;
        self.legs.outbound_mut(slot).tapped = tapped;
    }

    pub(super) fn count_frames(&mut self, sink: Sink, counts: TapCounts) {
        self.meters.tap_frames[sink] += counts.taken;
        self.meters.tap_frames_lost[sink] += counts.lost;
    }

    fn each_tap(&mut self, slot: usize, mut act: impl FnMut(&mut Tap)) {
        self.each_tap_index(slot, |taps, index| act(&mut taps[usize::from(index)]));
    }

    fn each_tap_index(&mut self, slot: usize, mut act: impl FnMut(&mut [Tap], u16)) {
        let mut next = self.legs.leg(slot).and_then(|leg| leg.first_tap);
        while let Some(index) = next {
            act(&mut self.taps, index);
            next = self.taps[usize::from(index)].next;
        }
    }
}
