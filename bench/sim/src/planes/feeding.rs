//! The thread of the story that feeds audio to the legs: at its pace, in bursts, with gaps and clears.

use shared::{Codec, FeedId, FeedItem, FeedPart, Instant, MediaCommand};

use super::fed::Fed;
use super::{PARTIES, Story, payload};

/// A feed that is open, as its writer knows it.
pub struct Feeding {
    feed: FeedId,
    frames: u32,
}

impl Story {
    pub(super) fn start_feed(&mut self, index: usize) {
        self.next_feed += 1;
        let (leg, feed) = (self.leg(index), FeedId(self.next_feed));
        self.command(MediaCommand::StartFeed { leg, feed, codec: Codec::Pcmu });
        self.reference.feeds(index, feed);
        self.parties[index].feeding = Some(Feeding { feed, frames: 0 });
    }

    pub(super) fn stop_feed(&mut self, index: usize) {
        let Some(Feeding { feed, .. }) = self.parties[index].feeding.take() else { return };
        self.command(MediaCommand::StopFeed { leg: self.leg(index), feed });
    }

    /// 20 ms of the writer of a leg's feed, if there is one.
    pub(super) fn feed(&mut self, index: usize) {
        if self.parties[index].feeding.is_none() || self.rng.permille(100) {
            return;
        }
        let frames = if self.rng.permille(30) { 1 + self.rng.below(13) } else { 1 };
        for _ in 0..frames {
            self.feed_frame(index);
        }
        if self.rng.permille(15) {
            self.reference.fed(index, Fed::clear);
            self.give(index, FeedPart::Clear);
        }
    }

    fn feed_frame(&mut self, index: usize) {
        let Some(feeding) = &mut self.parties[index].feeding else { return };
        feeding.frames += 1;
        let number = feeding.frames;
        // Voices that no party has.
        let samples = payload(PARTIES + index, number as u16);
        let frame = samples.as_slice().try_into().expect("160 samples");
        let now_ms = self.now_ms;
        self.reference.fed(index, |fed| fed.frame(now_ms, samples));
        self.give(index, FeedPart::Audio(frame));
    }

    fn give(&mut self, index: usize, part: FeedPart) {
        let Some(Feeding { feed, .. }) = self.parties[index].feeding else { return };
        let item = FeedItem { leg: self.leg(index), feed, part };
        let core = self.core_of(index);
        self.cores[core].0.feed(Instant::from_millis(self.now_ms), &item);
    }
}
