//! Feeds: audio that a thread gives to a media core, which sends it as the audio of a leg.
//!
//! Signaling opens a feed with `MediaCommand::StartFeed` and then gives its name to the thread that has the
//! audio. That thread writes [`FeedItem`]s to the one ring that leads down to the core. The core keeps at
//! most `limits::FEED_FRAMES_MAX` frames of a feed and sends one every 20 ms, so a deeper queue, and the pace at
//! which it is emptied, are the thread's. How far the party has heard stands in each frame of a tap of the leg
//! (`TapFrame::feed_passed`), so a writer has one beside its feed.
//!
//! Everything about a feed but its start and its end travels on this ring, so that audio and clears stay in the
//! order in which they were written.

use crate::codec::FRAME_SAMPLES;
use crate::ids::{FeedId, LegId};

/// One item on the ring from a thread to a core. It is dropped and counted where the leg or the feed is not
/// there, or is no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedItem {
    /// The leg that sends the audio.
    pub leg: LegId,
    /// The feed, as `StartFeed` named it.
    pub feed: FeedId,
    /// What to do.
    pub part: FeedPart,
}

/// The content of a [`FeedItem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedPart {
    /// 20 ms of audio in the codec of the feed, behind the audio that waits. Dropped and counted where
    /// `limits::FEED_FRAMES_MAX` frames wait.
    Audio([u8; FRAME_SAMPLES]),
    /// Drop the audio that waits.
    Clear,
}

/// Why a feed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedEnd {
    /// By `MediaCommand::StopFeed`.
    Stopped,
    /// Another feed took its place.
    Replaced,
    /// The leg went away.
    LegStopped,
    /// It never began: the core has no room for another feed, or the leg is not there.
    Refused,
}
