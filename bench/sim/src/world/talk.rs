//! The protocol on one stream of a world: the gateway's machine, and the application at the other end.

use std::time::Duration;

use call::StreamEvent;
use call::relay::{Making, RelayEvent, RelayPort, RelaySession, SpeakOrder};
use call::stream::{StreamOpening, StreamPort, StreamSession};
use serde_json::Value;
use shared::{Code, FRAME_SAMPLES, FeedId, FeedItem, FeedPart, LegId};

use super::act::Act;
use super::media_application::MediaApplication;
use super::relay_application::RelayApplication;
use super::voice;

/// Both ends of a stream.
#[expect(clippy::large_enum_variant, reason = "a world has few")]
pub(super) enum Talk {
    Media(StreamSession, MediaApplication),
    Relay(Box<RelaySession>, RelayApplication),
}

impl Talk {
    /// `None`: nobody listens at this URL.
    pub fn new(mut opening: StreamOpening, url: &str) -> Option<Self> {
        match opening.relay.take() {
            None => {
                let application = MediaApplication::at(url, opening.stream)?;
                Some(Self::Media(StreamSession::new(opening), application))
            }
            Some(terms) => {
                let application = RelayApplication::at(url, opening.stream, &terms)?;
                Some(Self::Relay(Box::new(RelaySession::new(opening, *terms)), application))
            }
        }
    }

    pub const fn opening(&self) -> &StreamOpening {
        match self {
            Self::Media(session, _) => session.opening(),
            Self::Relay(session, _) => session.opening(),
        }
    }

    pub fn begin(&mut self, port: &mut Port) {
        match self {
            Self::Media(session, _) => session.begin(port),
            Self::Relay(session, _) => session.begin(port),
        }
    }

    pub fn digit(&mut self, digit: u8, port: &mut Port) {
        match self {
            Self::Media(session, _) => session.digit(digit, port),
            Self::Relay(session, _) => session.digit(digit, port),
        }
    }

    /// 20 ms of the tracks in mu-law.
    pub fn frame(
        &mut self,
        index: u32,
        tracks: [Option<&[u8; FRAME_SAMPLES]>; 2],
        passed: u32,
        port: &mut Port,
    ) {
        let [inbound, outbound] = tracks;
        match self {
            Self::Media(session, _) => session.frame(index, inbound, outbound, passed, port),
            Self::Relay(session, _) => session.frame(inbound, passed, port),
        }
    }

    pub fn text(&mut self, text: &str, port: &mut Port) {
        match self {
            Self::Media(session, application) => {
                application.sent(text);
                session.text(text, port);
            }
            Self::Relay(session, application) => {
                application.sent(text);
                session.text(text, port);
            }
        }
    }

    pub fn binary(&mut self, port: &mut Port) {
        match self {
            Self::Media(session, _) => session.binary(port),
            Self::Relay(session, _) => session.binary(port),
        }
    }

    pub fn making(&mut self, number: u64, making: Making, port: &mut Port) {
        if let Self::Relay(session, _) = self {
            session.making(number, making, port);
        }
    }

    pub fn understood(&mut self, text: &str, last: bool, port: &mut Port) {
        if let Self::Relay(session, _) = self {
            session.understood(text, last, port);
        }
    }

    /// Our good-bye. A relay has none.
    pub fn stop(&mut self, port: &mut Port) {
        if let Self::Media(session, _) = self {
            session.stop(port);
        }
    }

    /// Hands the application what a step sent, and collects what it and the voice do later.
    pub fn settle(&mut self, port: Port) -> Outcome {
        let Port { sent, items, mut wrong, orders, events, warned, .. } = port;
        let mut outcome = Outcome { items, ..Outcome::default() };
        orders.into_iter().for_each(|order| voice::speak(order, &mut outcome.acts));
        let messages = sent.iter().map(|text| {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            value
        });
        match self {
            Self::Media(session, application) => {
                let sid = session.opening().stream;
                for message in messages {
                    outcome.media_sent += u64::from(message["event"] == "media");
                    outcome.marks_returned += usize::from(message["event"] == "mark");
                    application.got(&message, &mut outcome.acts);
                }
                wrong.append(&mut application.wrong);
                let warned =
                    warned.iter().map(|(code, text)| format!("{sid} warns: {code} {text}"));
                wrong.extend(warned);
            }
            Self::Relay(_, application) => {
                for message in messages {
                    outcome.errors_sent += usize::from(message["type"] == "error");
                    application.got(&message, &mut outcome.acts);
                }
                wrong.append(&mut application.wrong);
                outcome.events.extend(events.into_iter().map(StreamEvent::Relay));
                let warned = warned.into_iter();
                let warned = warned.map(|(code, sentence)| StreamEvent::Warned { code, sentence });
                outcome.events.extend(warned);
            }
        }
        outcome.wrong = wrong;
        outcome
    }
}

/// What a step of a stream leads to.
#[derive(Default)]
pub struct Outcome {
    /// For the core.
    pub items: Vec<FeedItem>,
    /// For the clock of application and voice.
    pub acts: Vec<(Duration, Act)>,
    /// For the call.
    pub events: Vec<StreamEvent>,
    pub wrong: Vec<String>,
    pub media_sent: u64,
    pub marks_returned: usize,
    pub errors_sent: usize,
}

/// Collects what a session does.
#[derive(Default)]
pub(super) struct Port {
    feed: Option<(LegId, FeedId)>,
    sent: Vec<String>,
    items: Vec<FeedItem>,
    wrong: Vec<String>,
    warned: Vec<(Code, String)>,
    orders: Vec<SpeakOrder>,
    events: Vec<RelayEvent>,
}

impl Port {
    /// With the feed that sound goes to; `None`: it is not open yet.
    pub fn to(feed: Option<(LegId, FeedId)>) -> Self {
        Self { feed, ..Self::default() }
    }
}

impl StreamPort for Port {
    fn send(&mut self, message: &str) {
        self.sent.push(message.to_owned());
    }

    fn has_feed_room(&self) -> bool {
        self.feed.is_some()
    }

    fn play(&mut self, part: FeedPart) -> bool {
        let Some((leg, feed)) = self.feed else { return false };
        self.items.push(FeedItem { leg, feed, part });
        true
    }

    fn room(&self) -> usize {
        1 << 24
    }

    fn warn(&mut self, code: Code, sentence: String) {
        self.warned.push((code, sentence));
    }
}

impl RelayPort for Port {
    fn speak(&mut self, order: SpeakOrder) {
        if self.orders.iter().any(|earlier| earlier.number >= order.number) {
            self.wrong.push(format!("order {} is not a later one", order.number));
        }
        self.orders.push(order);
    }

    fn tell(&mut self, event: RelayEvent) {
        self.events.push(event);
    }
}
