//! What a session acts on: its WebSocket, and the ring of its core.

use call::relay::{RelayEvent, RelayPort, SpeakOrder};
use call::stream::StreamPort;
use io::FeedWriter;
use shared::{Code, FeedItem, FeedPart};
use tungstenite::{Error, Message, WebSocket};

use crate::order::Feed;
use crate::socket::Socket;

/// The port of one session during one input.
pub(crate) struct Port<'a> {
    pub socket: &'a mut WebSocket<Socket>,
    /// Where the application's audio goes, with the writer of that core's ring.
    pub feed: Option<(Feed, &'a mut FeedWriter)>,
    /// Bytes that are left of the buffer of all streams.
    pub room: usize,
    pub outcome: &'a mut Outcome,
}

/// What happened at a port.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub sent: u64,
    pub received: u64,
    /// Messages for which the socket had no room.
    pub dropped: u64,
    pub fed: bool,
    pub warnings: Vec<(Code, String)>,
    /// Audio to be made for a relay.
    pub orders: Vec<SpeakOrder>,
    pub events: Vec<RelayEvent>,
    pub error: Option<Error>,
}

impl StreamPort for Port<'_> {
    fn send(&mut self, message: &str) {
        if self.outcome.error.is_some() {
            return;
        }
        match self.socket.write(Message::text(message)) {
            Ok(()) => self.outcome.sent += 1,
            // Taken; the socket is full for the moment.
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.outcome.sent += 1;
            }
            Err(Error::WriteBufferFull(_)) => self.outcome.dropped += 1,
            Err(error) => self.outcome.error = Some(error),
        }
    }

    fn has_feed_room(&self) -> bool {
        self.feed.as_ref().is_some_and(|(_, writer)| writer.has_room())
    }

    fn play(&mut self, part: FeedPart) -> bool {
        let Some((Feed { leg, feed }, writer)) = &mut self.feed else { return false };
        let taken = writer.send(&FeedItem { leg: *leg, feed: *feed, part });
        self.outcome.fed |= taken;
        taken
    }

    fn room(&self) -> usize {
        self.room
    }

    fn warn(&mut self, code: Code, sentence: String) {
        self.outcome.warnings.push((code, sentence));
    }
}

impl RelayPort for Port<'_> {
    fn speak(&mut self, order: SpeakOrder) {
        self.outcome.orders.push(order);
    }

    fn tell(&mut self, event: RelayEvent) {
        self.outcome.events.push(event);
    }
}
