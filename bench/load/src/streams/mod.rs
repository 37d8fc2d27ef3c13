//! Calls with a two-way stream each: what the core and the thread of the streams take, and the delay. Shell.
//!
//! The media core and the thread of the streams share one CPU, as on a node with one core for media; parties and
//! the application's server share the other. Every party says 50 packets a second, every packet goes to the server as
//! a TLS message, every message comes back, and its audio goes to the party. On loopback a send runs the network stack
//! of the receiver, too.

mod clears;
mod delays;
mod memory;
mod server;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use ::io::{CoreFigures, IoConfig, Media};
use ::streams::{Attachment, OpenStream, StreamReport, StreamSettings, Streams, StreamsParts};
use call::StreamEvent;
use call::stream::{StreamOpening, StreamUrl};
use plane::rtp;
use rustls::pki_types::CertificateDer;
use shared::media::{TapLimits, TapTracks};
use shared::{
    AccountSid, BySink, CallSid, Codec, CoreId, FeedId, LegId, MediaCommand, MediaPort, Sink,
    StreamSid, TapId,
};

use self::clears::{Act, CLEARED, CLEARED_BYTES, Clears};
use self::delays::{Delays, percentiles};
pub(crate) use self::memory::{print as print_memory, serve};
use self::server::{Server, trust};
use crate::endpoint::Trouble;
use crate::leg::plan;
use crate::report::Section;
use crate::rounds::Rounds;
use crate::schedstat::{self, Thread};
use crate::scheduling::{self, Cpus};

/// Measures streams; whether messages were lost.
pub(crate) fn measure(is_quick: bool) -> (Section, bool) {
    let columns = [
        "calls",
        "core, ns a call and 20 ms",
        "streams thread",
        "together",
        "calls a core",
        "mouth to socket p50 / p99, ms",
        "socket to mouth",
        "silence after clear, p50 / p99, ms",
        "feeds run dry, a call and minute",
        "core late p99 / max, ms",
        "generator idle, %",
    ];
    let mut section = Section::new("Calls with a two-way stream over TLS", &columns);
    let mut is_broken = false;
    // Before a thread is pinned: that one sees its own CPU only.
    let cpus = Cpus::choose();
    let memory = memory::measure(is_quick).unwrap_or_else(|error| {
        is_broken = true;
        format!("Memory: {error}.")
    });
    let (counts, rounds) = if is_quick { (&[50, 200][..], 2) } else { (&[100, 500, 1_000][..], 5) };
    for calls in counts {
        let run = || run(*calls, rounds, cpus).map_err(|error| error.to_string());
        let measured = std::thread::scope(|scope| scope.spawn(run).join());
        match measured.unwrap_or_else(|_| Err("it panicked".to_owned())) {
            Ok(cells) => section.row(cells),
            Err(error) => {
                is_broken = true;
                section.note(format!("{calls} calls: {error}."));
            }
        }
    }
    section.note(format!(
        "CPU time of the two threads, medians of {rounds} rounds of {} s; \"calls a core\" is 20 ms by their sum. Delays \
         are of up to {LISTENED} calls; silence after clear is from the server's message to the first packet without \
         the audio. {}",
        ROUND.as_secs(),
        if cpus.are_apart() { "" } else { "ONE CPU for all." }
    ));
    section.note(memory);
    (section, is_broken)
}

fn run(calls: u16, rounds: usize, cpus: Cpus) -> Result<[String; 11], Trouble> {
    let ears = Ears::of(calls);
    let (server, certificate) = Server::start(ears.every)?;
    let at = (server.address()?, certificate);
    let mut bench = Bench::start(calls, cpus, ears, at)?;
    bench.server = Some(server);
    bench.open_to(calls)?;
    bench.talk_for(Duration::from_secs(1))?;
    bench.echo(true);
    bench.talk_for(Duration::from_secs(1))?;
    let (mut core, mut thread) = (Rounds::default(), Rounds::default());
    let mut trouble = Disturbance::default();
    bench.ears.delays.forget();
    for _ in 0..rounds {
        bench.pause()?;
        let before = (bench.core.cpu_ns()?, bench.thread.cpu_ns()?);
        let (figures, idle) = (bench.figures(), bench.idle);
        let frames = bench.talk_for(ROUND)?;
        trouble.add(&figures, &bench.figures(), bench.idle - idle);
        let a_call = f64::from(frames) * f64::from(calls);
        core.push((bench.core.cpu_ns()? - before.0) as f64 / a_call);
        thread.push((bench.thread.cpu_ns()? - before.1) as f64 / a_call);
    }
    let [to_socket, to_mouth] = bench.ears.delays.figures();
    bench.pause()?;
    bench.is_clearing = true;
    bench.talk_for(Duration::from_secs(CLEARING_S))?;
    bench.is_clearing = false;
    bench.talk_for(Duration::from_secs(1))?;
    bench.ears.check()?;
    let counts = bench.streams.meters().snapshot();
    if counts.dropped > 0 || counts.failed > 0 {
        return Err(format!(
            "{} messages dropped, {} streams failed",
            counts.dropped, counts.failed
        )
        .into());
    }
    let under_way = counts
        .sent
        .abs_diff(bench.server.as_ref().map_or(0, |server| server.received) + 2 * u64::from(calls));
    if under_way > 8 * u64::from(calls) {
        return Err(format!("{under_way} messages are missing at the server").into());
    }
    let minutes = ROUND.as_secs_f64() * rounds as f64 / 60.0;
    let (core, thread) = (core.median().unwrap_or_default(), thread.median().unwrap_or_default());
    Ok([
        calls.to_string(),
        format!("{core:.0}"),
        format!("{thread:.0}"),
        format!("{:.0}", core + thread),
        format!("{:.0}", 20e6 / (core + thread)),
        to_socket,
        to_mouth,
        percentiles(bench.ears.clears.times()),
        format!("{:.1}", trouble.ran_dry as f64 / f64::from(calls) / minutes),
        format!(
            "{:.1} / {:.1}",
            trouble.late_p99_us as f64 / 1e3,
            trouble.late_max_us as f64 / 1e3
        ),
        format!("{:.0}", trouble.idle.as_secs_f64() / 60.0 / minutes * 100.0),
    ])
}

/// How much the machine and the bench itself disturbed the rounds. A stall of the guest looks like a late core.
#[derive(Default)]
struct Disturbance {
    /// Feeds that ran out behind audio.
    ran_dry: u64,
    late_p99_us: u64,
    late_max_us: u64,
    /// Time in which the generator had nothing to do.
    idle: Duration,
}

impl Disturbance {
    /// Adds a round, by the core's figures before and after it.
    fn add(&mut self, before: &CoreFigures, after: &CoreFigures, idle: Duration) {
        self.ran_dry += after.feed_underruns - before.feed_underruns;
        // Both are of the core's whole life.
        self.late_p99_us = after.tick_late_p99_us;
        self.late_max_us = after.tick_late_max_us;
        self.idle += idle;
    }
}

struct Bench {
    // Before the cores, whose rings it reads.
    streams: Streams,
    media: Media,
    core: Thread,
    thread: Thread,
    /// Where the application's server is.
    address: SocketAddr,
    /// That server, unless another process has it.
    server: Option<Server>,
    reported: Receiver<StreamReport>,
    /// Calls whose leg runs.
    legs: u16,
    /// Of those: calls whose stream is open.
    opened: u16,
    socket: UdpSocket,
    ports: Vec<MediaPort>,
    /// Packets of each party.
    number: u32,
    ears: Ears,
    is_clearing: bool,
    /// Time in which the generator had nothing to do.
    idle: Duration,
}

/// What is noted of the calls that are listened to.
struct Ears {
    /// Every call whose number is a multiple of this.
    every: usize,
    delays: Delays,
    clears: Clears,
}

impl Ears {
    fn of(calls: u16) -> Self {
        let every = usize::from(calls).div_ceil(LISTENED);
        let parties = usize::from(calls).div_ceil(every);
        Self { every, delays: Delays::of(parties), clears: Clears::of(parties) }
    }

    /// The number of a call among those that are listened to.
    fn party(&self, call: usize) -> Option<usize> {
        call.is_multiple_of(self.every).then_some(call / self.every)
    }

    /// Whether each trial was one: the party heard the audio before its clear, and silence after it.
    fn check(&self) -> Result<(), Trouble> {
        let (ended, deaf) = (self.clears.count(), self.clears.deaf);
        if deaf == 0 && ended + 1 >= CLEARING_S as usize * 50 - 10 {
            return Ok(());
        }
        Err(format!("{ended} clears silenced a party, {deaf} parties heard no audio before").into())
    }
}

impl Bench {
    /// A core and a thread with room for `calls`, and no call yet.
    fn start(
        calls: u16,
        cpus: Cpus,
        ears: Ears,
        (address, certificate): (SocketAddr, CertificateDer<'static>),
    ) -> Result<Self, Trouble> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
        let legs = usize::from(calls);
        let settings = StreamSettings { buffer_bytes: 64 << 20, streams_max: legs };
        let mut streams = Streams::prepare(settings)?;
        let mut media = start_core(legs, cpus.relay, &streams)?;
        let core = media.cores.first_mut().ok_or("no media core")?;
        let ports: Vec<MediaPort> = core.ports.iter().copied().take(legs).collect();
        let (reports, reported) = mpsc::channel();
        let parts = StreamsParts {
            tls: trust(certificate)?,
            rings: core.take_frames(Sink::Stream).into_iter().collect(),
            feeds: vec![core.take_feed()],
            sleeper: Arc::clone(&media.sinks[Sink::Stream]),
            on_report: Arc::new(move |report| drop(reports.send(report))),
        };
        // The thread takes over the CPU of who starts it.
        let _ = scheduling::pin_self(cpus.relay);
        streams.start(parts)?;
        let _ = scheduling::pin_self(cpus.generator);
        let thread_of = |name| schedstat::own_threads(name).map(|mut found| found.pop());
        let core_thread = thread_of("media-0")?.ok_or("the core has no thread")?;
        let thread = thread_of("streams")?.ok_or("the streams have no thread")?;
        Ok(Self {
            streams,
            media,
            core: core_thread,
            thread,
            address,
            server: None,
            reported,
            legs: 0,
            opened: 0,
            socket,
            ports,
            number: 0,
            ears,
            is_clearing: false,
            idle: Duration::ZERO,
        })
    }

    /// Starts legs until there are this many, without streams.
    fn start_legs(&mut self, calls: u16) -> Result<(), Trouble> {
        let party = self.socket.local_addr()?;
        for slot in self.legs..calls {
            let port = *self.ports.get(usize::from(slot)).ok_or("too few ports are free")?;
            let plan = Box::new(plan(slot, port, party));
            self.order([MediaCommand::StartLeg { leg: leg(slot), plan }])?;
        }
        self.legs = self.legs.max(calls);
        Ok(())
    }

    /// Opens streams, each with its leg, until there are this many.
    fn open_to(&mut self, calls: u16) -> Result<(), Trouble> {
        self.start_legs(calls)?;
        for slot in self.opened..calls {
            self.open(slot)?;
            self.attach(slot)?;
        }
        self.opened = calls;
        Ok(())
    }

    /// Starts feed and tap of a call's stream.
    fn attach(&mut self, slot: u16) -> Result<(), Trouble> {
        let leg = leg(slot);
        let (tap, feed) = (TapId(slot.into()), FeedId(slot.into()));
        let (sink, tracks, limits) = (Sink::Stream, TapTracks::Inbound, TapLimits::default());
        let attachment = Attachment { tap, feed: Some((leg, feed)) };
        self.streams.attach(StreamSid(slot.into()), attachment);
        self.order([
            MediaCommand::StartFeed { leg, feed, codec: Codec::Pcmu },
            MediaCommand::StartTap { leg, tap, sink, tracks, limits },
        ])
    }

    fn order<const N: usize>(&mut self, commands: [MediaCommand; N]) -> Result<(), Trouble> {
        let core = self.media.cores.first_mut().ok_or("no media core")?;
        for command in commands {
            core.send(command).map_err(|_| "the core does not take its commands")?;
        }
        core.ring();
        while core.poll_event().is_some() {}
        Ok(())
    }

    /// Opens the stream of a call, up to the report that it is open.
    fn open(&mut self, slot: u16) -> Result<(), Trouble> {
        let url = format!("wss://localhost:{}/", self.address.port());
        let url = StreamUrl::read(&url, None, false).map_err(|(_, sentence)| sentence)?;
        let opening = StreamOpening {
            stream: StreamSid(slot.into()),
            account: AccountSid(1),
            call: CallSid(slot.into()),
            tracks: TapTracks::Inbound,
            is_two_way: true,
            parameters: Vec::new(),
            relay: None,
        };
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        let order = OpenStream {
            opening,
            url,
            signature: "bench".to_owned(),
            user_agent: "bench".to_owned(),
            socket,
            within: Duration::from_secs(10),
            speaker: None,
        };
        self.streams.open(Box::new(order)).map_err(|_| "the thread of the streams is behind")?;
        if let Some(server) = &mut self.server {
            server.accept()?;
        }
        match self.reported.recv_timeout(Duration::from_secs(10))?.event {
            StreamEvent::Opened => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    }

    /// Whether the application says back what it hears from now on.
    fn echo(&mut self, is_echoing: bool) {
        if let Some(server) = &mut self.server {
            server.is_echoing = is_echoing;
        }
    }

    /// The application keeps quiet for a moment, as between two sentences: what came late once no longer waits.
    fn pause(&mut self) -> Result<(), Trouble> {
        self.echo(false);
        self.talk_for(PAUSE)?;
        self.echo(true);
        Ok(())
    }

    /// Says the packets of each 20 ms, spread over them, hears and echoes what comes; answers the packets of a party.
    fn talk_for(&mut self, time: Duration) -> Result<u32, Trouble> {
        let start = Instant::now();
        let frames = (time.as_millis() / 20) as u32;
        for frame in 0..frames {
            for slot in 0..self.legs {
                let due = Duration::from_millis(20) * frame
                    + Duration::from_millis(20) * u32::from(slot) / u32::from(self.legs);
                self.work_until(start + due)?;
                self.say(slot)?;
                self.turn_clears(slot)?;
            }
            self.number += 1;
        }
        Ok(frames)
    }

    fn work_until(&mut self, due: Instant) -> Result<(), Trouble> {
        let mut now = Instant::now();
        while now < due {
            let is_idle = !self.hear()? && !self.serve()?;
            let next = Instant::now();
            self.idle += if is_idle { next - now } else { Duration::ZERO };
            now = next;
        }
        Ok(())
    }

    /// The core's figures.
    fn figures(&self) -> CoreFigures {
        self.media.cores.first().map(|core| core.meters.figures()).unwrap_or_default()
    }

    /// A turn of the server; `false` where nothing had come.
    fn serve(&mut self) -> Result<bool, Trouble> {
        let Some(server) = &mut self.server else { return Ok(false) };
        let is_busy = server.turn(Duration::ZERO)?;
        for (call, sample, at) in server.heard.drain(..) {
            if let Some(party) = self.ears.party(call) {
                self.ears.delays.came(party, sample, at);
            }
        }
        Ok(is_busy)
    }

    fn say(&mut self, slot: u16) -> io::Result<()> {
        let sample = Delays::sample(self.number);
        let mut packet = [sample; 172];
        if let Some(head) = packet.first_chunk_mut() {
            let timestamp = self.number.wrapping_mul(160);
            rtp::write_header(head, false, 0, self.number as u16, timestamp, slot.into());
        }
        if let Some(party) = self.ears.party(slot.into()) {
            self.ears.delays.said(party, sample, Instant::now());
        }
        let to = (Ipv4Addr::LOCALHOST, self.ports[usize::from(slot)].rtp);
        match self.socket.send_to(&packet, to) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Hears a packet; `false` where there is none.
    fn hear(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 2_048];
        match self.socket.recv(&mut bytes) {
            Ok(len) => {
                if let (172, Some(call)) = (len, bytes[8..].first_chunk()) {
                    let call = u32::from_be_bytes(*call) as usize;
                    self.note_heard(call, bytes[12], Instant::now());
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn note_heard(&mut self, call: usize, sample: u8, at: Instant) {
        let Some(party) = self.ears.party(call) else { return };
        if sample != CLEARED {
            self.ears.delays.heard(party, sample, at);
        }
        let was_busy = self.ears.clears.is_busy(party);
        self.ears.clears.heard(party, sample, at);
        if was_busy
            && !self.ears.clears.is_busy(party)
            && let Some(server) = &mut self.server
        {
            server.go_on(call);
        }
    }

    /// The next step of the trial of a call, if it has one.
    fn turn_clears(&mut self, slot: u16) -> Result<(), Trouble> {
        let call = usize::from(slot);
        let Some(party) = self.ears.party(call).filter(|_| self.is_clearing) else {
            return Ok(());
        };
        let Some(server) = &mut self.server else { return Ok(()) };
        match self.ears.clears.turn(party, self.number) {
            Some(Act::Play) => server.play(call, &[CLEARED; CLEARED_BYTES]),
            Some(Act::Clear) => {
                server.clear(call)?;
                self.ears.clears.cleared(party, Instant::now());
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn start_core(legs: usize, cpu: usize, streams: &Streams) -> Result<Media, Trouble> {
    let config = IoConfig {
        cpus: ::io::Cpus::List(vec![cpu]),
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ports: FIRST_PORT..=FIRST_PORT + 2 * legs as u16 + SPARE_PORTS,
        legs_max: legs,
        taps_max: BySink::only(Sink::Stream, legs),
        feeds_max: legs,
        ..IoConfig::default()
    };
    let bell = streams.doorbell();
    let wakes = BySink::from_fn(|sink| -> ::io::Wake {
        let bell = bell.clone();
        match sink {
            Sink::Stream => Arc::new(move || bell.ring()),
            Sink::Recorder | Sink::Recognition => Arc::new(|| {}),
        }
    });
    Ok(::io::start(&config, Arc::new(|| {}), &wakes)?)
}

const fn leg(slot: u16) -> LegId {
    LegId { core: CoreId(0), slot, generation: 0 }
}

/// Most calls whose delays are measured.
const LISTENED: usize = 100;
/// Time of one round.
const ROUND: Duration = Duration::from_secs(2);
/// The application's pause before each round: its audio has passed by then.
const PAUSE: Duration = Duration::from_millis(300);
/// Seconds in which parties have their audio cleared.
const CLEARING_S: u64 = 5;
/// Below the ephemeral ports of an ordinary kernel.
const FIRST_PORT: u16 = 10_000;
/// Spare ports, because others may hold some.
const SPARE_PORTS: u16 = 400;
