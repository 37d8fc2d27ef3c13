//! The streams of a world: real [`call::stream::StreamSession`]s and [`call::relay::RelaySession`]s, and applications on
//! the virtual clock.
//!
//! ```text
//!   OpenStream ──10 ms──> open (session, attachment) ──close of either side──> gone, one Ended
//! ```
//!
//! The world carries: frames of taps go into a session, what a session plays goes to the core, and each message goes to
//! the application at once. What the application sends, and the audio that the voice of a relay makes, come back
//! later. Every message that the gateway sends is checked against streams.md 4 or relay.md 3 as it leaves.

use std::collections::BTreeMap;

use call::relay::Making;
use call::stream::StreamOpening;
use plane::g711;
use shared::{CallSid, Codec, FRAME_SAMPLES, FeedId, LegId, StreamSid, TapFrame, TapId};

use super::talk::{Outcome, Port, Talk};

/// One stream.
struct Live {
    talk: Talk,
    tap: Option<TapId>,
    feed: Option<(LegId, FeedId)>,
    is_open: bool,
}

/// All streams that have not ended.
#[derive(Default)]
pub struct Streams {
    live: BTreeMap<StreamSid, Live>,
    /// Marks that came back, of all streams.
    pub marks_returned: usize,
    /// Media messages of all streams.
    pub media_sent: u64,
    /// Messages `error` of all relays.
    pub errors_sent: usize,
}

impl Streams {
    /// Connects to a URL; `false`: nobody listens there.
    pub fn connect(&mut self, opening: StreamOpening, url: &str) -> bool {
        let sid = opening.stream;
        let Some(talk) = Talk::new(opening, url) else { return false };
        self.live.insert(sid, Live { talk, tap: None, feed: None, is_open: false });
        true
    }

    /// The call of a stream that has not ended.
    pub fn call_of(&self, sid: StreamSid) -> Option<CallSid> {
        self.live.get(&sid).map(|live| live.talk.opening().call)
    }

    /// The handshake is done.
    pub fn open(&mut self, sid: StreamSid) -> Outcome {
        if let Some(live) = self.live.get_mut(&sid) {
            live.is_open = true;
        }
        self.act(sid, |talk, port| talk.begin(port))
    }

    pub fn attach(&mut self, sid: StreamSid, tap: TapId, feed: Option<(LegId, FeedId)>) {
        if let Some(live) = self.live.get_mut(&sid) {
            (live.tap, live.feed) = (Some(tap), feed);
        }
    }

    pub fn digit(&mut self, sid: StreamSid, digit: u8) -> Outcome {
        self.act(sid, |talk, port| talk.digit(digit, port))
    }

    /// A frame of a tap, and the stream that it is of; frames of streams that are gone are dropped.
    pub fn frame(&mut self, frame: &TapFrame) -> Option<(StreamSid, Outcome)> {
        let (sid, _) = self.live.iter().find(|(_, live)| live.tap == Some(frame.tap))?;
        let sid = *sid;
        if frame.last {
            return None;
        }
        let mulaw = |track: Option<[u8; FRAME_SAMPLES]>| {
            track.map(|mut samples| {
                g711::translate(frame.codec, Codec::Pcmu, &mut samples);
                samples
            })
        };
        let (inbound, outbound) = (mulaw(frame.inbound), mulaw(frame.outbound));
        let tracks = [inbound.as_ref(), outbound.as_ref()];
        let outcome =
            self.act(sid, |talk, port| talk.frame(frame.index, tracks, frame.feed_passed, port));
        Some((sid, outcome))
    }

    /// A message of the application.
    pub fn text(&mut self, sid: StreamSid, text: &str) -> Outcome {
        self.act(sid, |talk, port| talk.text(text, port))
    }

    /// A binary message of the application.
    pub fn binary(&mut self, sid: StreamSid) -> Outcome {
        self.act(sid, Talk::binary)
    }

    /// The voice of a relay made audio.
    pub fn making(&mut self, sid: StreamSid, number: u64, making: Making) -> Outcome {
        self.act(sid, |talk, port| talk.making(number, making, port))
    }

    /// A recogniser understood the party of a relay.
    pub fn understood(&mut self, sid: StreamSid, text: &str, last: bool) -> Outcome {
        self.act(sid, |talk, port| talk.understood(text, last, port))
    }

    /// Ends a stream, with a good-bye where the end is ours; `None`: it was over before.
    pub fn end(&mut self, sid: StreamSid, is_ours: bool) -> Option<(CallSid, Outcome)> {
        let call = self.call_of(sid)?;
        let mut outcome = Outcome::default();
        if is_ours && self.live.get(&sid).is_some_and(|live| live.is_open) {
            outcome = self.act(sid, Talk::stop);
        }
        self.live.remove(&sid);
        Some((call, outcome))
    }

    pub fn len(&self) -> usize {
        self.live.len()
    }

    fn act(&mut self, sid: StreamSid, step: impl FnOnce(&mut Talk, &mut Port)) -> Outcome {
        let Some(live) = self.live.get_mut(&sid) else { return Outcome::default() };
        let mut port = Port::to(live.feed);
        step(&mut live.talk, &mut port);
        let outcome = live.talk.settle(port);
        self.media_sent += outcome.media_sent;
        self.marks_returned += outcome.marks_returned;
        self.errors_sent += outcome.errors_sent;
        outcome
    }
}
