//! What the thread is told, and what it reports.

use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use call::relay::{Making, SpeakOrder};
use call::stream::{StreamOpening, StreamUrl};
use call::{StreamEnd, StreamEvent};
use shared::{CallSid, Code, CoreId, FeedId, LegId, StreamSid, TapId};

/// A stream whose server is connected.
#[derive(Debug)]
pub struct OpenStream {
    /// What the `start` message carries.
    pub opening: StreamOpening,
    /// The server.
    pub url: StreamUrl,
    /// `X-Twilio-Signature` of the handshake.
    pub signature: String,
    /// `User-Agent` of the handshake.
    pub user_agent: String,
    /// Connected to an address that may be connected to.
    pub socket: TcpStream,
    /// Time that is left for TLS and handshake.
    pub within: Duration,
    /// Makes audio for a relay; `None` for a media stream.
    pub speaker: Option<Speaker>,
}

/// Has audio made for one relay, without waiting. [`crate::StreamOpener::making`] takes it.
#[derive(Clone)]
pub struct Speaker(Arc<dyn Fn(SpeakOrder) + Send + Sync>);

impl Speaker {
    /// What to do with an order; called on the thread of the streams.
    pub fn new(speak: impl Fn(SpeakOrder) + Send + Sync + 'static) -> Self {
        Self(Arc::new(speak))
    }

    pub(crate) fn speak(&self, order: SpeakOrder) {
        (self.0)(order);
    }
}

/// It holds the account's token.
impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker").finish_non_exhaustive()
    }
}

/// The media of a stream that is open.
#[derive(Clone, Copy, Debug)]
pub struct Attachment {
    /// The name of its frames.
    pub tap: TapId,
    /// Where the application's audio goes; `None`: nowhere.
    pub feed: Option<(LegId, FeedId)>,
}

/// An event of a stream, for its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// The call.
    pub call: CallSid,
    /// The stream.
    pub stream: StreamSid,
    /// What happened.
    pub event: StreamEvent,
}

impl StreamReport {
    /// The stream cannot be opened.
    pub const fn failed(call: CallSid, stream: StreamSid, code: Code, sentence: String) -> Self {
        let end = StreamEnd::Failed { code, sentence, answer: None };
        Self { call, stream, event: StreamEvent::Ended(end) }
    }
}

/// Into the thread.
#[derive(Debug)]
pub(crate) enum Command {
    Open(Box<OpenStream>),
    Attach(StreamSid, Attachment),
    /// Copy the tracks of a tap, the party's first, into feeds.
    Copy(TapId, [Option<Feed>; 2]),
    StopCopy(TapId),
    Digit(StreamSid, u8),
    /// Audio for the piece of a relay that has this number.
    Making(StreamSid, u64, Making),
    /// What the party of a relay said, or with `false` a guess.
    Understood(StreamSid, String, bool),
    Close(StreamSid),
    Stop,
}

/// The feed of a stream, with the core that has its ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed {
    pub leg: LegId,
    pub feed: FeedId,
}

impl Feed {
    pub const fn core(self) -> CoreId {
        self.leg.core
    }
}
