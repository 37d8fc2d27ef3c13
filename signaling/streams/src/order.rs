//! What the thread is told, and what it reports.

use std::net::TcpStream;
use std::time::Duration;

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
