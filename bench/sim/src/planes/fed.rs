//! The feed of a leg in the reference: a list of frames, without a buffer or a clock.
//!
//! What passes unheard, on hold or under a prompt, it does not reckon: until the party hears a frame again it only
//! knows that frames may have passed.

use std::collections::VecDeque;

use plane::g711;
use shared::limits::FEED_FRAMES_MAX;
use shared::{Codec, FeedId};

pub struct Fed {
    pub id: FeedId,
    waiting: VecDeque<Frame>,
    /// Whether frames may have passed unheard.
    may_have_passed: bool,
    /// Whether the feed has been silent since its begin, a clear, or the end of its frames.
    is_dry: bool,
}

struct Frame {
    came_ms: u64,
    samples: Vec<u8>,
    /// Whether the core may have had no room for it.
    may_be_dropped: bool,
}

impl Fed {
    pub fn new(id: FeedId) -> Self {
        Self { id, waiting: VecDeque::new(), may_have_passed: false, is_dry: true }
    }

    /// Nothing is heard of the feed for a while.
    pub fn passes(&mut self) {
        self.may_have_passed = true;
    }

    pub fn frame(&mut self, now_ms: u64, samples: Vec<u8>) {
        let may_be_dropped = self.waiting.len() >= FEED_FRAMES_MAX;
        let is_certain =
            !self.may_have_passed && self.waiting.iter().all(|frame| !frame.may_be_dropped);
        if !may_be_dropped || !is_certain {
            self.waiting.push_back(Frame { came_ms: now_ms, samples, may_be_dropped });
        }
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
        self.is_dry = true;
    }

    /// The party hears a packet in this codec; the finding.
    pub fn hears(&mut self, now_ms: u64, codec: Codec, payload: &[u8]) -> Result<(), String> {
        if payload.iter().all(|sample| *sample == codec.silence()) {
            let was_dry = std::mem::replace(&mut self.is_dry, true);
            let certain: Vec<_> =
                self.waiting.iter().filter(|frame| !frame.may_be_dropped).collect();
            let is_old = certain.first().is_some_and(|frame| frame.is_old(now_ms));
            let is_due = is_old || certain.len() >= 2 || !was_dry && !certain.is_empty();
            let is_wrong = is_due && !self.may_have_passed;
            return if is_wrong { Err("silence before a frame".to_owned()) } else { Ok(()) };
        }
        let is_this = |frame: &Frame| {
            let mut samples = frame.samples.clone();
            g711::translate(Codec::Pcmu, codec, &mut samples);
            samples == payload
        };
        let Some(place) = self.waiting.iter().position(is_this) else {
            return Err("a frame that does not wait".to_owned());
        };
        let was_dry = std::mem::replace(&mut self.is_dry, false);
        let is_early = was_dry && self.waiting.len() < 2 && !self.waiting[0].is_old(now_ms);
        let missed = self.waiting.drain(..=place).take(place);
        let missed = missed.filter(|frame| !frame.may_be_dropped).count();
        let may_have_passed = std::mem::replace(&mut self.may_have_passed, false);
        if missed > 0 && !may_have_passed {
            return Err(format!("{missed} frames are missing"));
        }
        if is_early && !may_have_passed {
            return Err("a single frame that waited for less than 10 ms".to_owned());
        }
        Ok(())
    }
}

impl Frame {
    /// Whether it plays although no other frame waits.
    fn is_old(&self, now_ms: u64) -> bool {
        now_ms - self.came_ms >= 10
    }
}
