//! Our media core as a relay to measure: package `io` in this process, its pinned thread. Shell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use io::{BackendChoice, Core, IoConfig, Media, WaitSettings};
use shared::{
    BySink, Codec, CoreId, Direction, Joined, LatchMode, LegId, LegPlan, MediaCommand, MediaPort,
    NegotiatedMedia, Sink, SrtpKeys,
};

use super::relay::{Relay, Setup, SetupError, party_key, tried};
use crate::schedstat::{self, Thread};

/// One media core with calls up.
pub(crate) struct Own {
    media: Media,
    /// The setup that the legs follow.
    ports: Vec<MediaPort>,
    targets: Vec<SocketAddr>,
    keys: Vec<Option<SrtpKeys>>,
    threads: Vec<Thread>,
}

impl Own {
    /// Starts a core and bridges the legs of every call, as the gateway does after an answer.
    ///
    /// # Errors
    /// The core does not start, or does not carry out its commands.
    pub fn start(
        backend: BackendChoice,
        wait: WaitSettings,
        setup: &Setup,
    ) -> Result<Self, SetupError> {
        let mut own = Self::open(backend, wait, setup)?;
        own.bring_up(setup, true)?;
        Ok(own)
    }

    /// Starts a core whose legs are not up.
    ///
    /// # Errors
    /// It does not start, or has too few ports.
    pub fn open(
        backend: BackendChoice,
        wait: WaitSettings,
        setup: &Setup,
    ) -> Result<Self, SetupError> {
        let last = FIRST_PORT + u16::try_from(setup.streams * 2 + SPARE_PORTS)?;
        let config = IoConfig {
            cpus: io::Cpus::List(vec![setup.cpu]),
            backend,
            wait,
            addresses: vec![setup.relay],
            ports: FIRST_PORT..=last,
            legs_max: setup.streams,
            taps_max: BySink::only(Sink::Recorder, 1),
            ..IoConfig::default()
        };
        let media =
            io::start(&config, Arc::new(|| {}), &BySink::from_fn(|_| Arc::new(|| {}) as io::Wake))?;
        let core = media.cores.first().ok_or("no media core")?;
        let ports: Vec<MediaPort> = core.ports.iter().copied().take(setup.streams).collect();
        if ports.len() < setup.streams {
            return Err(format!("{} of {} ports are free", ports.len(), setup.streams).into());
        }
        let targets = ports.iter().map(|port| (setup.relay, port.rtp).into()).collect();
        let mut threads = schedstat::own_threads(CORE_THREAD).map_err(tried("reading /proc"))?;
        // A core of the round before may still be ending; it has the lower id.
        threads.drain(..threads.len().saturating_sub(1));
        let keys = (0..setup.streams).map(|stream| party_keys(setup, stream)).collect();
        Ok(Self { media, ports, targets, keys, threads })
    }

    /// Bridges the legs of every call.
    ///
    /// # Errors
    /// The core does not carry out its commands.
    pub fn bring_up(&mut self, setup: &Setup, rtcp_mux: bool) -> Result<(), SetupError> {
        let core = self.media.cores.first_mut().ok_or("no media core")?;
        bring_up(core, &self.ports, setup, rtcp_mux)
    }

    /// Open RTP ports, with or without a leg.
    pub fn ports(&self) -> usize {
        self.media.cores.iter().map(|core| core.ports.len()).sum()
    }
}

/// Below the ephemeral ports of an ordinary kernel, above the ports of the test clients.
const FIRST_PORT: u16 = 10_000;
/// Spare ports, because others may hold some.
const SPARE_PORTS: usize = 400;
/// The name that package `io` gives the thread of its first core.
const CORE_THREAD: &str = "media-0";

impl Relay for Own {
    fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    fn keys(&self) -> &[Option<SrtpKeys>] {
        &self.keys
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn conserve(&self) -> Result<(), String> {
        for core in &self.media.cores {
            let figures = core.meters.figures();
            let (balance, lost) = (figures.received_balance(), figures.events_lost);
            if balance != 0 || lost != 0 || figures.restarts != 0 {
                let restarts = figures.restarts;
                return Err(format!(
                    "{balance} packets unaccounted for, {lost} events lost, {restarts} restarts"
                ));
            }
        }
        Ok(())
    }
}

fn bring_up(
    core: &mut Core,
    ports: &[MediaPort],
    setup: &Setup,
    rtcp_mux: bool,
) -> Result<(), SetupError> {
    let legs: Vec<LegId> = (0..u16::try_from(ports.len())?).map(leg).collect();
    let mut commands = Vec::new();
    for (index, (leg, port)) in legs.iter().zip(ports).enumerate() {
        let mut plan = plan(*port, setup.codecs[index % 2], setup.parties);
        plan.media.rtcp_mux = rtcp_mux;
        let keys = party_keys(setup, index);
        // The leg's keys mirror those of its party.
        plan.media.srtp = keys.map(|keys| SrtpKeys { send: keys.receive, receive: keys.send });
        let plan = Box::new(plan);
        commands.push(MediaCommand::StartLeg { leg: *leg, plan });
    }
    for pair in legs.chunks_exact(2) {
        for (leg, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            commands.push(MediaCommand::Join { leg, joined: Joined::Party(other) });
        }
    }
    let count = commands.len() as u64;
    for command in commands {
        core.send(command).map_err(|_| "the command ring is full")?;
    }
    core.ring();
    let start = Instant::now();
    while core.meters.figures().commands < count {
        while core.poll_event().is_some() {}
        if start.elapsed() > BRING_UP_MAX {
            return Err("the core did not take its commands".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    while core.poll_event().is_some() {}
    let refused = core.meters.figures().commands_refused;
    if refused > 0 { Err(format!("{refused} commands were refused").into()) } else { Ok(()) }
}

/// Callers have keys where the setup says so, streams of even number.
fn party_keys(setup: &Setup, stream: usize) -> Option<SrtpKeys> {
    let is_caller = stream.is_multiple_of(2);
    let keys = || SrtpKeys { send: party_key(stream), receive: party_key(stream + 1) };
    (setup.is_secured && is_caller).then(keys)
}

const BRING_UP_MAX: Duration = Duration::from_secs(5);

fn leg(slot: u16) -> LegId {
    LegId { core: CoreId(0), slot, generation: 0 }
}

fn plan(port: MediaPort, codec: Codec, party: SocketAddr) -> LegPlan {
    LegPlan {
        port,
        media: NegotiatedMedia {
            remote_rtp: Some(party),
            remote_rtcp: Some(party),
            rtcp_mux: true,
            codec,
            payload_type_send: codec.static_payload_type(),
            payload_type_receive: codec.static_payload_type(),
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            srtp: None,
        },
        latch: LatchMode::Peer,
        signaling_peer: Some(party.ip()),
        ssrc: u32::from(port.rtp) << 8,
        first_sequence: port.rtp,
        first_timestamp: u32::from(port.rtp),
        media_timeout_ms: 60_000,
    }
}
