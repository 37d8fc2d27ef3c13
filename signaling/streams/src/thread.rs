//! The thread of the streams: sockets by mio, frames by the rings of the cores.
//!
//! A turn: commands, frames, sockets, sockets that have more, and twice a second the timers. Frames come first,
//! because they cannot wait; one stream takes at most 64 messages before the next has its turn.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::io::FeedWriter;
use ::io::Sleeper;
use call::relay::Making;
use call::{StreamEnd, StreamEvent};
use mio::{Events, Poll, Token};
use plane::g711;
use rtrb::Consumer;
use rustls::ClientConfig;
use shared::{
    Code, Codec, FRAME_SAMPLES, FeedId, FeedItem, FeedPart, Instant, LegId, StreamSid, TapFrame,
    TapId,
};
use shell::{Clock, Doorbell, Sender, bounded};
use slab::Slab;

use crate::connection::{Around, Connection, Step};
use crate::fault;
use crate::meters::{StreamMeters, add};
use crate::order::{Attachment, Command, Feed, OpenStream, StreamReport};
use crate::port::Outcome;

/// Bounds of the streams.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// Bytes of audio and marks that wait for their parties, of all streams together (`streams.buffer`).
    pub buffer_bytes: usize,
    /// Streams at once. Past it a stream is refused.
    pub streams_max: usize,
}

/// What the thread is made of.
pub struct StreamsParts {
    /// TLS towards the servers.
    pub tls: Arc<ClientConfig>,
    /// The rings of the cores' taps for streams.
    pub rings: Vec<Consumer<TapFrame>>,
    /// The writing ends of the cores' rings of feeds, by the number of the core.
    pub feeds: Vec<Option<FeedWriter>>,
    /// Shows the cores whether the thread sleeps.
    pub sleeper: Arc<Sleeper>,
    /// Takes the reports; called on the thread.
    pub on_report: Arc<dyn Fn(StreamReport) + Send + Sync>,
}

/// The handle of the thread. Dropping it ends all streams.
pub struct Streams {
    commands: Sender<Command>,
    doorbell: Doorbell,
    meters: Arc<StreamMeters>,
    settings: StreamSettings,
    poll: Option<(Poll, Receiver<Command>)>,
    thread: Option<JoinHandle<()>>,
}

impl Streams {
    /// The thread's queue and doorbell, before the cores that ring it are started.
    ///
    /// # Errors
    /// The system gives no epoll.
    pub fn prepare(settings: StreamSettings) -> io::Result<Self> {
        let poll = Poll::new()?;
        let doorbell = Doorbell::new(&poll, DOORBELL)?;
        let (commands, queue) = bounded(COMMANDS_MAX, &doorbell);
        Ok(Self {
            commands,
            doorbell,
            meters: Arc::new(StreamMeters::default()),
            settings,
            poll: Some((poll, queue)),
            thread: None,
        })
    }

    /// Wakes the thread: for the cores.
    pub fn doorbell(&self) -> Doorbell {
        self.doorbell.clone()
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, parts: StreamsParts) -> io::Result<()> {
        let Some((poll, commands)) = self.poll.take() else { return Ok(()) };
        let desk = Desk {
            poll,
            commands,
            doorbell: self.doorbell.clone(),
            settings: self.settings.clone(),
            parts,
            meters: Arc::clone(&self.meters),
            connections: Slab::new(),
            by_sid: HashMap::new(),
            by_tap: HashMap::new(),
            more: VecDeque::new(),
            held: 0,
            stopping: false,
        };
        let thread = thread::Builder::new().name("streams".to_owned()).spawn(move || desk.run())?;
        self.thread = Some(thread);
        Ok(())
    }

    /// Opens a stream over a connected socket. `Err` gives it back: the queue is full.
    ///
    /// # Errors
    /// The thread is behind by its whole queue, or has ended.
    pub fn open(&self, order: Box<OpenStream>) -> Result<(), Box<OpenStream>> {
        self.commands.send(Command::Open(order)).map_err(|command| match command {
            Command::Open(order) => order,
            _ => unreachable!("a queue gives back what it got"),
        })
    }

    /// A handle for other threads that open streams.
    pub fn opener(&self) -> StreamOpener {
        StreamOpener { commands: self.commands.clone() }
    }

    /// Gives a stream that is open its media.
    pub fn attach(&self, stream: StreamSid, attachment: Attachment) {
        self.order(Command::Attach(stream, attachment));
    }

    /// Copies what the party of a tap says and hears into feeds, until [`Streams::stop_copy`].
    pub fn copy(
        &self,
        tap: TapId,
        inbound: Option<(LegId, FeedId)>,
        outbound: Option<(LegId, FeedId)>,
    ) {
        let feeds = [inbound, outbound].map(|to| to.map(|(leg, feed)| Feed { leg, feed }));
        self.order(Command::Copy(tap, feeds));
    }

    /// Ends a copy.
    pub fn stop_copy(&self, tap: TapId) {
        self.order(Command::StopCopy(tap));
    }

    /// Tells the application of a key.
    pub fn digit(&self, stream: StreamSid, digit: u8) {
        self.order(Command::Digit(stream, digit));
    }

    /// Tells a relay what its party said, or with `last` false a guess.
    pub fn understood(&self, stream: StreamSid, text: String, last: bool) {
        self.order(Command::Understood(stream, text, last));
    }

    /// Ends a stream.
    pub fn close(&self, stream: StreamSid) {
        self.order(Command::Close(stream));
    }

    /// The counters.
    pub fn meters(&self) -> Arc<StreamMeters> {
        Arc::clone(&self.meters)
    }

    fn order(&self, command: Command) {
        if let Err(command) = self.commands.send(command) {
            tracing::error!(?command, "the thread of the streams is behind: an order is lost");
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.commands.send_patiently(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the streams has panicked");
        }
    }
}

/// Opens streams and brings audio to relays, from any thread.
#[derive(Clone, Debug)]
pub struct StreamOpener {
    commands: Sender<Command>,
}

impl StreamOpener {
    /// As [`Streams::open`].
    ///
    /// # Errors
    /// The thread is behind by its whole queue, or has ended.
    pub fn open(&self, order: Box<OpenStream>) -> Result<(), Box<OpenStream>> {
        self.commands.send(Command::Open(order)).map_err(|command| match command {
            Command::Open(order) => order,
            _ => unreachable!("a queue gives back what it got"),
        })
    }

    /// Audio for the piece of a relay that has this number.
    ///
    /// # Errors
    /// The thread is behind by its whole queue, or has ended: what it did not take.
    pub fn making(&self, stream: StreamSid, number: u64, making: Making) -> Result<(), Making> {
        let command = Command::Making(stream, number, making);
        self.commands.send(command).map_err(|command| match command {
            Command::Making(_, _, making) => making,
            _ => unreachable!("a queue gives back what it got"),
        })
    }
}

struct Desk {
    poll: Poll,
    commands: Receiver<Command>,
    doorbell: Doorbell,
    settings: StreamSettings,
    parts: StreamsParts,
    meters: Arc<StreamMeters>,
    connections: Slab<Connection>,
    by_sid: HashMap<StreamSid, usize>,
    by_tap: HashMap<TapId, Reader>,
    /// Connections with more to read than one turn took.
    more: VecDeque<usize>,
    /// Bytes that all sessions hold.
    held: usize,
    stopping: bool,
}

impl Desk {
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_A_TURN);
        let mut tick_at = Clock.mono() + TICK;
        while !self.stopping {
            self.wait(&mut events, tick_at);
            self.parts.sleeper.awake();
            self.doorbell.answer();
            let now = Clock.mono();
            self.take_commands(now);
            self.take_frames(now);
            let again = self.more.len();
            let ready: Vec<Token> = events.iter().map(|event| event.token()).collect();
            for token in ready.into_iter().filter(|token| *token != DOORBELL) {
                // One that has more anyway is read below: each is read once a turn, however much it sends.
                if !self.connections.get(token.0).is_some_and(|connection| connection.has_more) {
                    self.ready(now, token.0);
                }
            }
            for _ in 0..again {
                let Some(index) = self.more.pop_front() else { break };
                if let Some(connection) = self.connections.get_mut(index) {
                    connection.has_more = false;
                }
                self.ready(now, index);
            }
            if now >= tick_at {
                self.tick(now);
                tick_at = now + TICK;
            }
            self.publish();
        }
        let now = Clock.mono();
        let all: Vec<usize> = self.connections.iter().map(|(index, _)| index).collect();
        for index in all {
            self.act(now, index, |connection, around, outcome| connection.close(around, outcome));
            self.end(index, StreamEnd::Stopped);
        }
        self.publish();
    }

    fn wait(&mut self, events: &mut Events, tick_at: Instant) {
        self.parts.sleeper.announce();
        let has_frames = self.parts.rings.iter().any(|ring| !ring.is_empty());
        let until = tick_at.since(Clock.mono());
        let timeout = if has_frames || !self.more.is_empty() { Duration::ZERO } else { until };
        match self.poll.poll(events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => {
                tracing::error!(%error, "the sockets of the streams cannot be waited for");
                events.clear();
            }
        }
    }

    fn take_commands(&mut self, now: Instant) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Open(order)) => self.open(now, *order),
                Ok(Command::Attach(stream, attachment)) => self.attach(stream, attachment),
                Ok(Command::Copy(tap, feeds)) => {
                    self.by_tap.insert(tap, Reader::Feeds(feeds));
                }
                Ok(Command::StopCopy(tap)) => {
                    self.by_tap.remove(&tap);
                }
                Ok(Command::Digit(stream, digit)) => {
                    self.of(now, stream, |c, around, outcome| c.digit(digit, around, outcome))
                }
                Ok(Command::Making(stream, number, making)) => {
                    self.of(now, stream, |c, around, outcome| {
                        c.making(number, making, around, outcome)
                    });
                }
                Ok(Command::Understood(stream, text, last)) => {
                    self.of(now, stream, |c, around, outcome| {
                        c.understood(&text, last, around, outcome)
                    });
                }
                Ok(Command::Close(stream)) => {
                    self.of(now, stream, |c, around, outcome| c.close(around, outcome));
                }
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn open(&mut self, now: Instant, order: OpenStream) {
        let (call, stream) = (order.opening.call, order.opening.stream);
        if self.connections.len() >= self.settings.streams_max {
            let most = self.settings.streams_max;
            let sentence = format!("the gateway has {most} streams at once already");
            let code = Code::STREAM_INTERNAL;
            add(&self.meters.failed, 1);
            return (self.parts.on_report)(StreamReport::failed(call, stream, code, sentence));
        }
        let entry = self.connections.vacant_entry();
        let index = entry.key();
        let registry = self.poll.registry();
        match Connection::begin(now, order, &self.parts.tls, registry, Token(index)) {
            Ok(connection) => {
                entry.insert(connection);
                self.by_sid.insert(stream, index);
            }
            Err(end) => {
                add(&self.meters.failed, 1);
                let event = StreamEvent::Ended(end);
                (self.parts.on_report)(StreamReport { call, stream, event });
            }
        }
    }

    fn attach(&mut self, stream: StreamSid, attachment: Attachment) {
        // A stream that has ended meanwhile: its end is under way to the call, which takes the tap back.
        let Some(index) = self.by_sid.get(&stream).copied() else { return };
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.attachment = Some(attachment);
        self.by_tap.insert(attachment.tap, Reader::Connection(index));
    }

    fn take_frames(&mut self, now: Instant) {
        for ring in 0..self.parts.rings.len() {
            for _ in 0..FRAMES_A_TURN {
                let Some(frame) = self.parts.rings.get_mut(ring).and_then(|ring| ring.pop().ok())
                else {
                    break;
                };
                self.take_frame(now, frame);
            }
        }
    }

    fn take_frame(&mut self, now: Instant, mut frame: TapFrame) {
        if !self.by_tap.contains_key(&frame.tap) {
            // The order to attach precedes the tap, so its command is in the queue by now.
            self.take_commands(now);
        }
        let Some(reader) = self.by_tap.get(&frame.tap).copied() else {
            add(&self.meters.unknown_frames, 1);
            return;
        };
        // Control closes the stream of a tap that ends.
        if frame.last {
            return;
        }
        let tracks = [frame.inbound.take(), frame.outbound.take()]
            .map(|track| track.map(|samples| mulaw(frame.codec, samples)));
        let index = match reader {
            Reader::Connection(index) => index,
            Reader::Feeds(feeds) => return self.copy_frame(feeds, tracks),
        };
        self.act(now, index, |connection, around, outcome| {
            let [inbound, outbound] = &tracks;
            connection.frame(&frame, [inbound.as_ref(), outbound.as_ref()], around, outcome)
        });
    }

    /// The feeds are on the clock of the tap, so no pace is needed. What their core has no room for is lost there, too.
    fn copy_frame(&mut self, feeds: [Option<Feed>; 2], tracks: [Option<[u8; FRAME_SAMPLES]>; 2]) {
        for (feed, track) in feeds.into_iter().zip(tracks) {
            let Some((Feed { leg, feed }, samples)) = feed.zip(track) else { continue };
            let writer = self.parts.feeds.get_mut(usize::from(leg.core.0));
            let Some(writer) = writer.and_then(Option::as_mut) else { continue };
            let part = FeedPart::Audio(samples);
            let taken = writer.send(&FeedItem { leg, feed, part });
            add(&self.meters.copied, u64::from(taken));
            add(&self.meters.copies_lost, u64::from(!taken));
            writer.ring();
        }
    }

    fn of(
        &mut self,
        now: Instant,
        stream: StreamSid,
        act: impl FnOnce(&mut Connection, &mut Around<'_>, &mut Outcome) -> Step,
    ) {
        if let Some(index) = self.by_sid.get(&stream).copied() {
            self.act(now, index, act);
        }
    }

    fn ready(&mut self, now: Instant, index: usize) {
        self.act(now, index, |connection, around, outcome| connection.ready(around, outcome));
    }

    fn tick(&mut self, now: Instant) {
        let all: Vec<usize> = self.connections.iter().map(|(index, _)| index).collect();
        for index in all {
            self.act(now, index, |connection, _, _| connection.tick(now));
        }
    }

    /// One step of one connection, and what follows from it.
    fn act(
        &mut self,
        now: Instant,
        index: usize,
        step: impl FnOnce(&mut Connection, &mut Around<'_>, &mut Outcome) -> Step,
    ) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let before = connection.session.held();
        let room = self.settings.buffer_bytes.saturating_sub(self.held);
        let mut outcome = Outcome::default();
        let mut around = Around { now, feeds: &mut self.parts.feeds, room };
        // A fault in one stream, or in the library below it, ends that stream and no other.
        let step = catch_unwind(AssertUnwindSafe(|| step(connection, &mut around, &mut outcome)));
        let step = step.unwrap_or_else(|_| {
            tracing::error!("a media stream panicked and is ended: please report it with the log");
            let sentence = "the stream failed inside the gateway".to_owned();
            Step::Over(fault::failed(Code::STREAM_INTERNAL, sentence))
        });
        self.held = self.held - before + connection.session.held();
        let (call, stream) = {
            let opening = connection.session.opening();
            (opening.call, opening.stream)
        };
        add(&self.meters.sent, outcome.sent);
        add(&self.meters.dropped, outcome.dropped);
        add(&self.meters.received, outcome.received);
        let report = |event| (self.parts.on_report)(StreamReport { call, stream, event });
        if matches!(step, Step::Opened) {
            add(&self.meters.opened, 1);
            report(StreamEvent::Opened);
        }
        for (code, sentence) in outcome.warnings {
            report(StreamEvent::Warned { code, sentence });
        }
        outcome.events.into_iter().for_each(|event| report(StreamEvent::Relay(event)));
        if let Some(speaker) = &connection.speaker {
            outcome.orders.into_iter().for_each(|order| speaker.speak(order));
        }
        match step {
            Step::Stays => {}
            // What came behind the answer to the handshake was read with it: no event will tell.
            Step::Opened | Step::More if connection.has_more => {}
            Step::Opened | Step::More => {
                connection.has_more = true;
                self.more.push_back(index);
            }
            Step::Over(end) => self.end(index, end),
        }
    }

    fn end(&mut self, index: usize, end: StreamEnd) {
        let Some(connection) = self.connections.try_remove(index) else { return };
        self.held -= connection.session.held();
        self.more.retain(|waiting| *waiting != index);
        let opening = connection.session.opening();
        let (call, stream) = (opening.call, opening.stream);
        self.by_sid.remove(&stream);
        if let Some(attached) = connection.attachment {
            self.by_tap.remove(&attached.tap);
        }
        add(&self.meters.ended, 1);
        add(&self.meters.failed, u64::from(matches!(end, StreamEnd::Failed { .. })));
        (self.parts.on_report)(StreamReport { call, stream, event: StreamEvent::Ended(end) });
    }

    fn publish(&self) {
        self.meters.open.store(self.connections.len() as u64, Ordering::Relaxed);
        self.meters.buffered.store(self.held as u64, Ordering::Relaxed);
    }
}

fn mulaw(codec: Codec, mut samples: [u8; FRAME_SAMPLES]) -> [u8; FRAME_SAMPLES] {
    g711::translate(codec, Codec::Pcmu, &mut samples);
    samples
}

/// Who gets the frames of a tap.
#[derive(Clone, Copy)]
enum Reader {
    /// The connection of this index.
    Connection(usize),
    /// Feeds, one a track.
    Feeds([Option<Feed>; 2]),
}

const DOORBELL: Token = Token(usize::MAX);
const COMMANDS_MAX: usize = 8_192;
const EVENTS_A_TURN: usize = 256;
/// Frames of one core before the sockets' turn: 20 ms of as many streams as a thread serves.
const FRAMES_A_TURN: usize = 2_048;
/// Time between two looks at the timers.
const TICK: Duration = Duration::from_millis(500);
