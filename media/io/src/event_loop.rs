//! The event loop of one media core: commands, feeds, mesh, deadlines, packets, then one wait. Takes no lock,
//! allocates nothing and blocks nowhere else (ARCHITECTURE.md, I2).
//!
//! A turn takes a bounded number of inputs from each source in a fixed order, so that no source starves
//! another: commands first, because they change where packets go; packets last, because the wait that
//! follows is mostly for them. Readers of the rings are woken at most once a turn. The thread owns
//! everything here ([`Ends`] outlives a panic, the machine and its driver do not); others reach it only through
//! rings, the doorbell and the published counters.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use plane::{
    DropReason, MeshFrame, Output, Plane, PlaneMeters, Received, RelayRule, RelayedCounts, SocketId,
};
use rtrb::{Consumer, Producer};
use shared::{BySink, CoreId, FeedItem, Instant, MediaCommand, MediaEvent, Sink, TapFrame};

use crate::backend::driver::{Driver, PacketHandler, Sender};
use crate::clock;
use crate::kernel::tier::CoreTier;
use crate::meters::{CoreFigures, CoreMeters};
use crate::sleeper::{Doorbell, Sleeper, Wake};
use crate::wait::WaitPolicy;

/// The sans-IO part that a core drives: [`Plane`], or a test's own.
pub(crate) trait Machine {
    fn command(&mut self, now: Instant, command: MediaCommand, out: &mut impl Output);
    fn receive(
        &mut self,
        now: Instant,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Received;
    fn mesh_receive(&mut self, now: Instant, frame: &MeshFrame, out: &mut impl Output);
    fn feed(&mut self, now: Instant, item: &FeedItem);
    fn tick(&mut self, now: Instant, out: &mut impl Output);
    fn poll_timeout(&self) -> Option<Instant>;
    fn meters(&self) -> &PlaneMeters;
}

/// All that a core's thread owns besides its driver and machine.
pub(crate) struct Ends {
    pub commands: Consumer<MediaCommand>,
    /// From the thread that feeds legs; without slots where the core may have no feed.
    pub feed: Consumer<FeedItem>,
    pub uplink: Uplink,
    /// From every other core.
    pub mesh: Vec<Consumer<MeshFrame>>,
    pub doorbell: Arc<Doorbell>,
    pub meters: Arc<CoreMeters>,
    pub policy: WaitPolicy,
    /// Restarts of the core after a panic.
    pub restarts: u64,
}

/// The rings that a core writes to, and the readers to wake after a turn.
pub(crate) struct Uplink {
    pub events: Producer<MediaEvent>,
    pub sinks: BySink<SinkEnd>,
    /// By the number of the receiving core; `None` for the core itself.
    pub mesh: Vec<Option<MeshEnd>>,
    pub signaling: Reader,
    /// The fast path, where it runs.
    pub tier: Option<CoreTier>,
    sent: u64,
    dropped: u64,
    lost: u64,
}

/// The reader of a ring, and whether this turn wrote to its ring.
pub(crate) struct Reader {
    pub sleeper: Arc<Sleeper>,
    pub wake: Wake,
    pub is_owed: bool,
}

/// The ring to a sink of taps. It has no slots where the core may have no tap for that sink.
pub(crate) struct SinkEnd {
    pub frames: Producer<TapFrame>,
    pub reader: Reader,
}

/// The ring to another core.
pub(crate) struct MeshEnd {
    pub frames: Producer<MeshFrame>,
    pub doorbell: Arc<Doorbell>,
    pub is_owed: bool,
}

/// Drives one machine on one driver until the doorbell says stop.
pub(crate) struct EventLoop<'a, M, D> {
    machine: M,
    driver: D,
    ends: &'a mut Ends,
    figures: CoreFigures,
    /// Lateness of ticks, in microseconds.
    lateness: Histogram<u64>,
    lateness_published: Instant,
    /// The driver's count of wake-ups at that time.
    wakes_published: u64,
    /// Whether the last wait slept: only then does its end count as a wake-up.
    slept: bool,
}

/// The machine's output during a packet, a command or a tick.
struct Outlet<'a, S> {
    sender: &'a mut S,
    uplink: &'a mut Uplink,
}

/// Commands taken in one turn.
const TURN_COMMANDS: usize = 256;

/// Items of feeds taken in one turn.
const TURN_FEED_ITEMS: usize = 256;

/// Frames taken from one other core in one turn.
const TURN_MESH_FRAMES: usize = 256;

/// A core that sleeps no longer than this is not woken for commands and mesh frames: it finds them at
/// its next turn. Waking a core costs the waker 15 us; call set-up does not notice 20 ms. A core with a
/// bridge to another core is ticked at least every 20 ms, so frames wait no longer either, which is jitter
/// below one packet time to the receiver.
const UNRUNG_WAIT_MAX: Duration = Duration::from_millis(20);

/// Time between two computations of percentiles; each costs some microseconds.
const LATENESS_PERIOD: Duration = Duration::from_secs(1);

/// Lateness is recorded up to 10 s, to two digits. The histogram's memory is fixed by this.
const LATENESS_US_MAX: u64 = 10_000_000;

impl<'a, M: Machine, D: Driver> EventLoop<'a, M, D> {
    pub fn new(machine: M, driver: D, ends: &'a mut Ends) -> Self {
        let lateness =
            Histogram::new_with_bounds(1, LATENESS_US_MAX, 2).expect("the bounds are valid");
        let figures = CoreFigures::default();
        let lateness_published = Instant::ZERO;
        Self {
            machine,
            driver,
            ends,
            figures,
            lateness,
            lateness_published,
            wakes_published: 0,
            slept: false,
        }
    }

    /// Runs until the doorbell says stop.
    pub fn run(&mut self) {
        // A reader that the first turn wakes must find figures of this life.
        let now = clock::now();
        self.publish(now, Some(now));
        while !self.ends.doorbell.is_stopped() {
            self.turn();
        }
    }

    fn turn(&mut self) {
        let now = clock::now();
        // Counted before the commands are read: the command that opened a feed was sent before its first item,
        // so the items counted here find their feed open.
        let fed = self.ends.feed.slots();
        let mut is_busy = self.take_commands(now);
        is_busy |= self.take_feed(now, fed);
        is_busy |= self.take_mesh(now);
        self.tick(now);
        let packets = self.receive();
        self.ring();
        self.figures.turns += 1;
        self.ends.policy.turned(now, packets, self.slept);
        self.wait(is_busy);
    }

    /// Carries out commands; `true` when more may be waiting. Stops while signaling is far behind with
    /// events, because commands cause events that must not be lost.
    fn take_commands(&mut self, now: Instant) -> bool {
        for _ in 0..TURN_COMMANDS {
            if !self.ends.uplink.has_room_for_commands() {
                return false;
            }
            let Ok(command) = self.ends.commands.pop() else { return false };
            let mut out = Outlet { sender: self.driver.sender(), uplink: &mut self.ends.uplink };
            self.machine.command(now, command, &mut out);
            self.figures.commands += 1;
        }
        true
    }

    /// Takes the `waiting` items of the ring of feeds; `true` when more may be left.
    fn take_feed(&mut self, now: Instant, waiting: usize) -> bool {
        for _ in 0..waiting.min(TURN_FEED_ITEMS) {
            let Ok(item) = self.ends.feed.pop() else { return false };
            self.machine.feed(now, &item);
        }
        waiting > TURN_FEED_ITEMS
    }

    fn take_mesh(&mut self, now: Instant) -> bool {
        let mut is_busy = false;
        for ring in &mut self.ends.mesh {
            let mut taken = 0;
            while taken < TURN_MESH_FRAMES
                && let Ok(frame) = ring.pop()
            {
                let mut out =
                    Outlet { sender: self.driver.sender(), uplink: &mut self.ends.uplink };
                self.machine.mesh_receive(now, &frame, &mut out);
                taken += 1;
            }
            is_busy |= taken == TURN_MESH_FRAMES;
        }
        is_busy
    }

    fn tick(&mut self, now: Instant) {
        let Some(due) = self.machine.poll_timeout().filter(|due| *due <= now) else { return };
        let late_us = u64::try_from(now.since(due).as_micros()).unwrap_or(u64::MAX);
        self.lateness.saturating_record(late_us.max(1));
        let mut out = Outlet { sender: self.driver.sender(), uplink: &mut self.ends.uplink };
        self.machine.tick(now, &mut out);
    }

    fn receive(&mut self) -> usize {
        let mut packets = Packets {
            now: clock::now(),
            machine: &mut self.machine,
            uplink: &mut self.ends.uplink,
        };
        self.driver.receive(&mut packets)
    }

    /// Wakes each sleeping reader whose ring was written to, at most once a turn.
    fn ring(&mut self) {
        let uplink = &mut self.ends.uplink;
        uplink.signaling.ring();
        uplink.sinks.values_mut().for_each(|end| end.reader.ring());
        for end in uplink.mesh.iter_mut().flatten() {
            if std::mem::take(&mut end.is_owed) {
                end.doorbell.ring_if_asleep();
            }
        }
    }

    fn wait(&mut self, is_busy: bool) {
        let now = clock::now();
        let deadline = self.next_deadline(now);
        let is_due = deadline.is_some_and(|deadline| deadline <= now);
        self.slept = !(is_busy || is_due || self.driver.has_packets());
        if !self.slept {
            self.publish(now, Some(now));
            self.driver.wait(None);
            return;
        }
        let wait = self.ends.policy.wait(now, deadline);
        self.publish(now, wait.until);
        let is_long = wait.until.is_none_or(|until| until.since(now) > UNRUNG_WAIT_MAX);
        // Packets that the kernel relays wake nobody, so a command for such a leg would wait for the next beat.
        let relays_below = self.machine.meters().legs_below > 0;
        if !is_long && !relays_below {
            self.driver.wait(Some(wait));
            return;
        }
        self.ends.doorbell.sleeper().announce();
        self.slept = !self.ends.has_input();
        self.driver.wait(self.slept.then_some(wait));
        self.ends.doorbell.sleeper().awake();
    }

    /// The machine's deadline; while commands are held back also the time of the next check for room,
    /// because signaling does not ring when it reads events.
    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let due = self.machine.poll_timeout();
        if self.ends.uplink.has_room_for_commands() {
            return due;
        }
        let retry = now + UNRUNG_WAIT_MAX;
        Some(due.map_or(retry, |due| due.min(retry)))
    }

    fn publish(&mut self, now: Instant, next_turn: Option<Instant>) {
        let driver = *self.driver.counts();
        let uplink = &self.ends.uplink;
        let figures = &mut self.figures;
        figures.take_plane(self.machine.meters());
        let below = figures.packets_below + figures.packets_dropped_below;
        figures.packets_received = driver.received + below;
        figures.dropped[DropReason::TooLong as usize] += driver.too_long;
        figures.packets_sent = driver.sent + figures.packets_below;
        figures.send_failed = driver.send_failed;
        figures.buffer_shortages = driver.buffer_shortages;
        figures.receive_rearmed = driver.rearmed;
        figures.wakes = driver.wakes;
        figures.rtcp_unopened = driver.rtcp_unopened;
        figures.events = uplink.sent;
        figures.events_dropped = uplink.dropped;
        figures.events_lost = uplink.lost;
        figures.restarts = self.ends.restarts;
        figures.last_turn_ns = now.as_nanos();
        figures.next_turn_ns = next_turn.map_or(u64::MAX, Instant::as_nanos);
        if now.since(self.lateness_published) >= LATENESS_PERIOD {
            figures.tick_late_p50_us = self.lateness.value_at_quantile(0.5);
            figures.tick_late_p99_us = self.lateness.value_at_quantile(0.99);
            figures.tick_late_max_us = self.lateness.max();
            let wakes = driver.wakes.saturating_sub(self.wakes_published);
            let elapsed_ms = now.since(self.lateness_published).as_millis() as u64;
            figures.wakes_per_second = wakes.saturating_mul(1_000) / elapsed_ms.max(1);
            self.lateness_published = now;
            self.wakes_published = driver.wakes;
        }
        self.ends.meters.publish(figures);
    }
}

impl Ends {
    /// After a panic: wakes signaling, and counts from 0 like the new plane.
    pub fn restart(&mut self) {
        self.restarts += 1;
        let uplink = &mut self.uplink;
        (uplink.sent, uplink.dropped, uplink.lost) = (0, 0, 0);
        uplink.signaling.is_owed = true;
        // The plane that had these legs is gone; so are its calls.
        if let Some(tier) = &mut uplink.tier {
            tier.take_all();
        }
    }

    /// Whether the rings hold input.
    fn has_input(&self) -> bool {
        let has_command = !self.commands.is_empty() && self.uplink.has_room_for_commands();
        has_command
            || !self.feed.is_empty()
            || self.mesh.iter().any(|ring| !ring.is_empty())
            || self.doorbell.is_stopped()
    }
}

impl Uplink {
    pub fn new(
        events: Producer<MediaEvent>,
        sinks: BySink<SinkEnd>,
        mesh: Vec<Option<MeshEnd>>,
        signaling: Reader,
    ) -> Self {
        Self { events, sinks, mesh, signaling, tier: None, sent: 0, dropped: 0, lost: 0 }
    }

    /// The upper half of the event ring is reserved for events that earlier commands still cause: the end of a
    /// playback, of a tap, of a feed and of a leg, each at most once a leg between two commands for it
    /// (`EVENT_SLOTS` is eight for each leg).
    fn has_room_for_commands(&self) -> bool {
        self.events.slots() > self.events.buffer().capacity() / 2
    }

    fn send_event(&mut self, event: MediaEvent) {
        if is_informative(&event) && self.events.slots() <= self.events.buffer().capacity() / 4 {
            self.dropped += 1;
            return;
        }
        match self.events.push(event) {
            Ok(()) => {
                self.sent += 1;
                self.signaling.is_owed = true;
            }
            Err(_full) => {
                // `has_room_for_commands` keeps room for every event that signaling waits for.
                debug_assert!(false, "an event found no room");
                self.lost += 1;
            }
        }
    }
}

/// Whether this event may be dropped when signaling does not keep up.
fn is_informative(event: &MediaEvent) -> bool {
    match event {
        MediaEvent::Latched { .. }
        | MediaEvent::Digit { .. }
        | MediaEvent::QualityChanged { .. }
        | MediaEvent::Talking { .. }
        | MediaEvent::RtcpBye { .. } => true,
        MediaEvent::PlanReturned(_)
        | MediaEvent::Refused { .. }
        | MediaEvent::LegStopped { .. }
        | MediaEvent::PlayEnded { .. }
        | MediaEvent::TapEnded { .. }
        | MediaEvent::FeedEnded { .. }
        | MediaEvent::MediaTimeout { .. }
        | MediaEvent::Detected { .. }
        | MediaEvent::Room { .. }
        | MediaEvent::Described { .. } => false,
    }
}

impl Reader {
    pub fn new(sleeper: Arc<Sleeper>, wake: Wake) -> Self {
        Self { sleeper, wake, is_owed: false }
    }

    fn ring(&mut self) {
        if std::mem::take(&mut self.is_owed) && self.sleeper.must_ring() {
            (self.wake)();
        }
    }
}

impl<S: Sender> Output for Outlet<'_, S> {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        self.sender.send(socket, to, packet);
    }

    fn listen_for_rtcp(&mut self, port_index: usize, listens: bool) {
        self.sender.listen_for_rtcp(port_index, listens);
    }

    fn event(&mut self, event: MediaEvent) {
        self.uplink.send_event(event);
    }

    fn has_room_for_speech(&self) -> bool {
        self.uplink.has_room_for_commands()
    }

    fn deliver(&mut self, sink: Sink, frame: TapFrame) -> bool {
        let end = &mut self.uplink.sinks[sink];
        let is_taken = end.frames.push(frame).is_ok();
        end.reader.is_owed |= is_taken;
        is_taken
    }

    fn give(&mut self, port_index: usize, rule: &RelayRule) -> bool {
        let tier = self.uplink.tier.as_mut();
        tier.is_some_and(|tier| tier.give(port_index, rule))
    }

    fn take_back(&mut self, port_index: usize) -> RelayedCounts {
        let tier = self.uplink.tier.as_mut();
        tier.map_or_else(RelayedCounts::default, |tier| tier.take_back(port_index))
    }

    fn relayed(&mut self, port_index: usize) -> RelayedCounts {
        let tier = self.uplink.tier.as_mut();
        tier.map_or_else(RelayedCounts::default, |tier| tier.relayed(port_index))
    }

    fn relayed_at(&mut self, port_index: usize) -> Option<u32> {
        self.uplink.tier.as_mut()?.relayed_at(port_index)
    }

    fn mesh(&mut self, core: CoreId, frame: &MeshFrame) -> bool {
        let end = self.uplink.mesh.get_mut(usize::from(core.0)).and_then(Option::as_mut);
        let Some(end) = end else { return false };
        let is_taken = end.frames.push(frame.clone()).is_ok();
        end.is_owed |= is_taken;
        is_taken
    }
}

/// Passes the packets of one turn to the machine.
struct Packets<'a, M> {
    now: Instant,
    machine: &'a mut M,
    uplink: &'a mut Uplink,
}

impl<M: Machine> PacketHandler for Packets<'_, M> {
    fn packet(
        &mut self,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        sender: &mut impl Sender,
    ) -> Received {
        let mut out = Outlet { sender, uplink: self.uplink };
        self.machine.receive(self.now, socket, source, packet, &mut out)
    }
}

impl Machine for Plane {
    fn command(&mut self, now: Instant, command: MediaCommand, out: &mut impl Output) {
        Self::command(self, now, command, out);
    }

    fn receive(
        &mut self,
        now: Instant,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Received {
        Self::receive(self, now, socket, source, packet, out)
    }

    fn mesh_receive(&mut self, now: Instant, frame: &MeshFrame, out: &mut impl Output) {
        Self::mesh_receive(self, now, frame, out);
    }

    fn feed(&mut self, now: Instant, item: &FeedItem) {
        Self::feed(self, now, item);
    }

    fn tick(&mut self, now: Instant, out: &mut impl Output) {
        Self::tick(self, now, out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Self::poll_timeout(self).map(|(deadline, _)| deadline)
    }

    fn meters(&self) -> &PlaneMeters {
        Self::meters(self)
    }
}
