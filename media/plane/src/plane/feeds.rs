//! The feed of a leg: opened and closed by commands, filled by items of the ring, emptied by the beat. Sans-IO.
//!
//! A leg has at most one, in a place of the core's slab. While it is open it fills every beat that neither a
//! prompt nor digits fill; those play over it, and its time passes meanwhile. Each frame that the ring brought is
//! in exactly one counter ([`crate::PlaneMeters::feed_balance`]).

use shared::feed::FeedEnd;
use shared::{Codec, FRAME_SAMPLES, FeedId, FeedItem, FeedPart, Instant, LegId, MediaEvent};

use crate::clock;
use crate::feed::FeedBuffer;
use crate::output::Output;
use crate::relay::Feed;

use super::Plane;

impl Plane {
    pub(super) fn start_feed(
        &mut self,
        leg: LegId,
        feed: FeedId,
        codec: Codec,
        out: &mut impl Output,
    ) {
        if !self.open_feed(leg, feed, codec, out) {
            self.meters.commands_refused += 1;
            out.event(MediaEvent::FeedEnded { leg, feed, cause: FeedEnd::Refused });
        }
    }

    /// `false` when the leg is not there or there is no room.
    fn open_feed(&mut self, leg: LegId, feed: FeedId, codec: Codec, out: &mut impl Output) -> bool {
        let Some(slot) = self.slot_of(leg) else { return false };
        self.end_feed(slot, FeedEnd::Replaced, out);
        if self.meters.feeds as usize >= self.feeds_max {
            return false;
        }
        let Some(up) = self.legs.leg_mut(slot) else { return false };
        up.feed = Some(self.feeds.put(FeedBuffer::new(feed, codec)));
        self.tones.free(up.tones.take());
        self.meters.feeds += 1;
        let outbound = self.legs.outbound_mut(slot);
        outbound.playing = true;
        if outbound.numbers.feed != Feed::LOCAL {
            outbound.make_due();
        }
        self.assert_consistent(slot);
        true
    }

    pub(super) fn stop_feed(&mut self, slot: usize, feed: FeedId, out: &mut impl Output) {
        let place = self.legs.leg(slot).and_then(|leg| leg.feed);
        if self.feeds.at(place).is_some_and(|buffer| buffer.id == feed) {
            self.end_feed(slot, FeedEnd::Stopped, out);
        }
    }

    /// Ends the feed of a leg, if it has one.
    pub(super) fn end_feed(&mut self, slot: usize, cause: FeedEnd, out: &mut impl Output) {
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        let place = leg.feed.take();
        let Some(buffer) = self.feeds.at(place) else { return };
        let (leg, feed) = (leg.id, buffer.id);
        let dropped = buffer.clear();
        self.feeds.free(place);
        self.meters.feeds -= 1;
        self.meters.feed_frames_cleared += dropped;
        self.meters.feed_frames_waiting -= dropped;
        self.legs.outbound_mut(slot).playing = self.legs.leg(slot).is_some_and(|leg| leg.plays());
        self.assert_consistent(slot);
        out.event(MediaEvent::FeedEnded { leg, feed, cause });
    }

    pub(super) fn take_feed_item(&mut self, now: Instant, item: &FeedItem) {
        let is_audio = matches!(item.part, FeedPart::Audio(_));
        self.meters.feed_frames += u64::from(is_audio);
        let slot = self.slot_of(item.leg);
        let place = slot.and_then(|slot| self.legs.leg(slot)?.feed);
        let buffer = self.feeds.at(place).filter(|buffer| buffer.id == item.feed);
        let Some(buffer) = buffer else {
            self.meters.feed_frames_unknown += u64::from(is_audio);
            return;
        };
        match &item.part {
            FeedPart::Audio(samples) if buffer.push(clock::samples(now), samples) => {
                self.meters.feed_frames_waiting += 1;
            }
            FeedPart::Audio(_) => self.meters.feed_frames_full += 1,
            FeedPart::Clear => {
                let dropped = buffer.clear();
                self.meters.feed_frames_cleared += dropped;
                self.meters.feed_frames_waiting -= dropped;
            }
        }
    }

    /// Fills the samples of a packet with the leg's feed; answers whether they hold any of its audio.
    pub(super) fn fill_from_feed(
        &mut self,
        slot: usize,
        now_samples: u32,
        packet: &mut [u8],
    ) -> bool {
        let place = self.legs.leg(slot).and_then(|leg| leg.feed);
        let Some(buffer) = self.feeds.at(place) else { return false };
        let fed = buffer.fill(now_samples, self.legs.outbound(slot).codec, packet);
        self.meters.feed_frames_played += fed.frames;
        self.meters.feed_frames_waiting -= fed.frames;
        self.meters.feed_underruns += u64::from(fed.ran_dry);
        fed.is_audio
    }

    /// 20 ms of a feed pass unheard, because a prompt or digits play over it.
    pub(super) fn pass_feed(&mut self, slot: usize) {
        let Some(leg) = self.legs.leg(slot) else { return };
        if leg.playing.is_none() {
            return;
        }
        let place = leg.feed;
        let Some(buffer) = self.feeds.at(place) else { return };
        let passed = buffer.pass(FRAME_SAMPLES);
        self.meters.feed_frames_played += passed;
        self.meters.feed_frames_waiting -= passed;
    }
}
