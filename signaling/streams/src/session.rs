//! The protocol that a connection speaks: a media stream, or a relay.

use call::relay::{Making, RelaySession};
use call::stream::{StreamOpening, StreamSession};
use shared::FRAME_SAMPLES;

use crate::port::Port;

/// The machine of one connection.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are media streams, which need no box")]
pub(crate) enum Session {
    /// Audio both ways.
    Media(StreamSession),
    /// Text both ways.
    Relay(Box<RelaySession>),
}

impl Session {
    pub fn new(mut opening: StreamOpening) -> Self {
        match opening.relay.take() {
            None => Self::Media(StreamSession::new(opening)),
            Some(terms) => Self::Relay(Box::new(RelaySession::new(opening, *terms))),
        }
    }

    pub fn begin(&mut self, port: &mut Port<'_>) {
        match self {
            Self::Media(session) => session.begin(port),
            Self::Relay(session) => session.begin(port),
        }
    }

    /// 20 ms of the tracks in mu-law.
    pub fn frame(
        &mut self,
        index: u32,
        tracks: [Option<&[u8; FRAME_SAMPLES]>; 2],
        passed: u32,
        port: &mut Port<'_>,
    ) {
        let [inbound, outbound] = tracks;
        match self {
            Self::Media(session) => session.frame(index, inbound, outbound, passed, port),
            Self::Relay(session) => session.frame(inbound, passed, port),
        }
    }

    pub fn digit(&mut self, digit: u8, port: &mut Port<'_>) {
        match self {
            Self::Media(session) => session.digit(digit, port),
            Self::Relay(session) => session.digit(digit, port),
        }
    }

    pub fn text(&mut self, text: &str, port: &mut Port<'_>) {
        match self {
            Self::Media(session) => session.text(text, port),
            Self::Relay(session) => session.text(text, port),
        }
    }

    pub fn binary(&mut self, port: &mut Port<'_>) {
        match self {
            Self::Media(session) => session.binary(port),
            Self::Relay(session) => session.binary(port),
        }
    }

    /// The last message. A relay has none.
    pub fn stop(&mut self, port: &mut Port<'_>) {
        if let Self::Media(session) = self {
            session.stop(port);
        }
    }

    /// Audio for a relay.
    pub fn making(&mut self, number: u64, making: Making, port: &mut Port<'_>) {
        if let Self::Relay(session) = self {
            session.making(number, making, port);
        }
    }

    /// What the party said to a relay.
    pub fn understood(&mut self, text: &str, last: bool, port: &mut Port<'_>) {
        if let Self::Relay(session) = self {
            session.understood(text, last, port);
        }
    }

    /// Bytes of memory that audio and text of the application take.
    pub fn held(&self) -> usize {
        match self {
            Self::Media(session) => session.held(),
            Self::Relay(session) => session.held(),
        }
    }

    pub const fn opening(&self) -> &StreamOpening {
        match self {
            Self::Media(session) => session.opening(),
            Self::Relay(session) => session.opening(),
        }
    }
}
