//! What the world carries for recording sessions: SIP and audio to the [`super::RecordingServer`], and frames of taps
//! into feeds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use plane::g711;
use shared::{Codec, FRAME_SAMPLES, FeedId, FeedItem, FeedPart, LegId, TapFrame, TapId};

use super::recording_server::{ServerAct, ServerOutcome};
use super::{GATEWAY, Later, SERVER, SIP_PORT, World};

/// A leg's feed; `None`: the track goes nowhere.
type Feed = Option<(LegId, FeedId)>;

/// The taps that are copied into feeds, as the thread of the streams does it.
#[derive(Default)]
pub struct Copies(BTreeMap<TapId, [Feed; 2]>);

impl Copies {
    pub fn start(&mut self, tap: TapId, feeds: [Feed; 2]) {
        self.0.insert(tap, feeds);
    }

    pub fn stop(&mut self, tap: TapId) {
        self.0.remove(&tap);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What a frame feeds; `None`: it is of no copy.
    fn items(&self, frame: &TapFrame) -> Option<Vec<FeedItem>> {
        let feeds = self.0.get(&frame.tap)?;
        let tracks = [frame.inbound, frame.outbound];
        let item = |(feed, track): (&Feed, Option<[u8; FRAME_SAMPLES]>)| {
            let ((leg, feed), mut samples) = feed.zip(track)?;
            g711::translate(frame.codec, Codec::Pcmu, &mut samples);
            Some(FeedItem { leg, feed, part: FeedPart::Audio(samples) })
        };
        Some(feeds.iter().zip(tracks).filter_map(item).collect())
    }
}

impl World {
    /// A frame of the streams' sink; `false`: no recording session has its tap.
    pub(super) fn copy_frame(&mut self, frame: &TapFrame) -> bool {
        let Some(items) = self.copies.items(frame) else { return false };
        for item in items.iter().filter(|_| !frame.last) {
            self.cores.feed(self.now.mono, item);
        }
        true
    }

    /// A datagram reaches the recording server.
    pub(super) fn reach_server(&mut self, port: u16, bytes: &[u8]) {
        if port == SIP_PORT {
            let outcome = self.server.receive(bytes);
            return self.carry_server(outcome);
        }
        self.server.hear(port, bytes);
    }

    pub(super) fn happen_at_server(&mut self, act: ServerAct) {
        let outcome = self.server.act(act);
        self.carry_server(outcome);
    }

    fn carry_server(&mut self, outcome: ServerOutcome) {
        let (from, to) = (SocketAddr::new(SERVER, SIP_PORT), SocketAddr::new(GATEWAY, SIP_PORT));
        for bytes in outcome.datagrams {
            self.transmit(from, to, bytes);
        }
        for (after, act) in outcome.acts {
            self.after(after, Later::Server(act));
        }
        self.faults.append(&mut self.server.wrong);
    }
}
