//! Relayed and transcoded packets: the gateway on each backend and in the kernel, its calls set up by SIP, beside
//! userspace rtpengine, in alternating rounds. Shell.

mod bencode;
mod curve;
mod direct;
mod generator;
mod memory;
mod own;
mod parties;
mod payload;
mod plot;
mod product;
mod relay;
mod round;
mod rtpengine;
mod tally;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use io::{BackendChoice, WaitSettings};
use shared::Codec;

use crate::endpoint::Trouble;
use crate::report::Section;
use crate::scheduling::Cpus;
use direct::Direct;
pub(crate) use generator::parties_socket;
use generator::{Generator, Pace, WINDOW};
use own::Own;
use payload::Reference;
pub(crate) use product::{Product, Tiers};
pub(crate) use relay::Setup;
use relay::{Relay, SetupError, tried};
use round::Figures;
use rtpengine::Rtpengine;
use tally::{Tally, Verdict};

/// Extent of the measurement.
#[derive(Clone, Debug)]
pub(crate) struct Effort {
    /// Rounds of each contender in each scenario.
    pub rounds: usize,
    /// Length of a burst; with its warm-up below 0.9 s (see `scheduling::make_fifo`).
    pub burst: Duration,
    /// Whether only the most informative scenarios run.
    pub quick: bool,
    /// No round begins after this instant.
    pub deadline: Instant,
    /// Whether a missing rtpengine is installed.
    pub may_install: bool,
    /// Folder of the plots.
    pub plots: PathBuf,
}

/// A load on which relays are compared.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    codecs: [Codec; 2],
    /// Whether callers speak SRTP; callees never do.
    is_secured: bool,
    streams: usize,
    pace: Pace,
    quick: bool,
}

const RELAY: [Codec; 2] = [Codec::Pcmu, Codec::Pcmu];
const TRANSCODE: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

const fn saturated(codecs: [Codec; 2], streams: usize, quick: bool) -> Scenario {
    Scenario { codecs, is_secured: false, streams, pace: Pace::Saturated, quick }
}

/// A call sends 50 packets a second on each stream; 2,000 streams are 1,000 calls.
const fn paced(codecs: [Codec; 2], streams: u32, quick: bool) -> Scenario {
    let pace = Pace::PacketsASecond(streams * 50);
    Scenario { codecs, is_secured: false, streams: streams as usize, pace, quick }
}

/// A scenario with callers that speak SRTP.
const fn secured(scenario: Scenario) -> Scenario {
    Scenario { is_secured: true, ..scenario }
}

/// The most informative scenarios first: where time runs out, points of the curves are missing.
const SCENARIOS: &[Scenario] = &[
    saturated(RELAY, 2_000, true),
    paced(RELAY, 2_000, true),
    saturated(TRANSCODE, 500, true),
    saturated(RELAY, 500, true),
    secured(saturated(RELAY, 500, true)),
    saturated(RELAY, 100, false),
    saturated(RELAY, 5_000, false),
    saturated(RELAY, 1_000, false),
    saturated(TRANSCODE, 2_000, false),
    paced(RELAY, 500, false),
    paced(TRANSCODE, 500, false),
    secured(paced(RELAY, 500, false)),
    paced(RELAY, 100, false),
    paced(RELAY, 1_000, false),
    paced(RELAY, 4_000, false),
];

impl Scenario {
    fn title(&self) -> String {
        let what = match (self.codecs == RELAY, self.is_secured) {
            (true, false) => "PCMU relay",
            (true, true) => "PCMU relay, SRTP to RTP",
            (false, false) => "PCMU and PCMA transcoded",
            (false, true) => "PCMU and PCMA transcoded, SRTP to RTP",
        };
        let pace = match self.pace {
            Pace::Saturated => format!("saturated, {WINDOW} packets under way"),
            Pace::PacketsASecond(rate) => format!("paced at {rate} packets/s"),
        };
        format!("{what}, {} streams ({} calls), {pace}", self.streams, self.streams / 2)
    }

    /// Waking for each packet differs from adaptive waiting only where the core sleeps between packets.
    /// The kernel relays no SRTP.
    fn contenders(&self) -> Vec<Contender> {
        let is_asleep = matches!(self.pace, Pace::PacketsASecond(_));
        let all = [
            (Contender::NoRelay, !self.is_secured),
            (Contender::Tc, !self.is_secured),
            (Contender::IoUring, true),
            (Contender::IoUringOneByOne, is_asleep),
            (Contender::Portable, true),
            (Contender::Rtpengine, true),
        ];
        all.into_iter().filter(|(_, runs)| *runs).map(|(contender, _)| contender).collect()
    }
}

/// A relay to measure, with its wait policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Parties send to each other: the cost without a relay.
    NoRelay,
    /// Our program at the tc hook, on legs that a core on io_uring gave to it.
    Tc,
    /// Our core on io_uring by default: it waits for batches where it is woken often.
    IoUring,
    /// Our core on io_uring, woken for each packet.
    IoUringOneByOne,
    /// Our core on epoll.
    Portable,
    /// The peer.
    Rtpengine,
}

impl Contender {
    /// All that relay.
    pub(crate) const RELAYS: [Self; 5] =
        [Self::Tc, Self::IoUring, Self::Rtpengine, Self::Portable, Self::IoUringOneByOne];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoRelay => "no relay",
            Self::Tc => "sidetone kernel, tc",
            Self::IoUring => "sidetone io_uring, adaptive wait",
            Self::IoUringOneByOne => "sidetone io_uring, wake on 1",
            Self::Portable => "sidetone portable (epoll)",
            Self::Rtpengine => "rtpengine, userspace, 1 thread",
        }
    }
}

/// Results of all scenarios.
pub(crate) struct Measured {
    /// The conditions first, then one section a scenario.
    pub sections: Vec<Section>,
    /// The version of rtpengine, or why it is missing.
    pub rtpengine: Result<String, String>,
    /// One of our relays broke a promise: bytes changed or packets are unaccounted for.
    pub is_broken: bool,
}

/// Runs all scenarios against a gateway binary, or reports why it is missing.
pub(crate) fn measure(binary: Result<&Path, &Trouble>, effort: &Effort) -> Measured {
    let cpus = Cpus::choose();
    let rtpengine = rtpengine::find_or_install(effort.may_install);
    eprintln!("load: memory of a relayed call");
    let memory = memory::measure(cpus.relay);
    let mut gateways = Gateways::start(binary, cpus.relay);
    let mut tallies = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.quick || !effort.quick) {
        eprintln!("load: {}", scenario.title());
        tallies.push((scenario, run(scenario, cpus, effort, rtpengine.is_ok(), &mut gateways)));
    }
    drop(gateways);
    let is_fifo = tallies.iter().all(|(_, tally)| tally.is_fifo());
    let mut sections = vec![conditions(cpus, effort, is_fifo)];
    let mut is_broken = false;
    for (scenario, tally) in &tallies {
        is_broken |= tally.verdict() == Verdict::Broken;
        let missing = rtpengine.as_ref().err().map(String::as_str);
        sections.push(tally.section(&scenario.title(), missing));
    }
    sections.push(curve::section(&tallies));
    sections.push(memory);
    sections.push(plot::draw(&tallies, &effort.plots));
    Measured { sections, rtpengine, is_broken }
}

/// Addresses of loopback, so that each relay has the whole range of ports.
const IO_URING: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PORTABLE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// The program is attached where an interface has the media address, and loopback has this one alone.
const TC: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The gateway on each backend, without the fast path; where it does not start, every scenario states the reason.
///
/// The gateway with the fast path runs in its own rounds only: its program sees every packet of loopback, which
/// would make all others slower.
struct Gateways {
    binary: Result<PathBuf, String>,
    cpu: usize,
    io_uring: Result<Product, String>,
    portable: Result<Product, String>,
}

impl Gateways {
    fn start(binary: Result<&Path, &Trouble>, cpu: usize) -> Self {
        let binary = binary.map(Path::to_path_buf).map_err(ToString::to_string);
        let start = |backend, address| {
            let tiers = Tiers { backend, fast_path: "off" };
            Product::start(binary.as_ref()?, tiers, address, Some(cpu))
                .map_err(|error| error.to_string())
        };
        let (io_uring, portable) = (start("io_uring", IO_URING), start("portable", PORTABLE));
        Self { io_uring, portable, binary, cpu }
    }

    fn start_below(&self) -> Result<Product, SetupError> {
        let binary = self.binary.as_ref().map_err(Clone::clone)?;
        let tiers = Tiers { backend: "io_uring", fast_path: "tc" };
        Product::start(binary, tiers, TC, Some(self.cpu))
    }

    fn of(&mut self, contender: Contender) -> Result<&mut Product, SetupError> {
        let gateway = match contender {
            Contender::IoUring => &mut self.io_uring,
            Contender::Portable => &mut self.portable,
            Contender::NoRelay
            | Contender::Tc
            | Contender::IoUringOneByOne
            | Contender::Rtpengine => {
                return Err(format!("{} is no gateway", contender.name()).into());
            }
        };
        gateway.as_mut().map_err(|error| error.clone().into())
    }
}

/// All rounds of a scenario: contenders take turns, so that a neighbour's load falls on all alike.
fn run(
    scenario: &Scenario,
    cpus: Cpus,
    effort: &Effort,
    has_peer: bool,
    gateways: &mut Gateways,
) -> Tally {
    let contenders = scenario.contenders();
    let mut tally = Tally::new(&contenders, scenario.pace);
    let mut peer = None;
    if has_peer {
        match start_peer(scenario, cpus) {
            Ok(started) => peer = Some(started),
            Err(error) => tally.fail(Contender::Rtpengine, error.to_string()),
        }
    }
    for round in 1..=effort.rounds {
        if Instant::now() > effort.deadline {
            tally.cut_short(round - 1);
            break;
        }
        for &contender in &contenders {
            let figures = match (contender, &mut peer) {
                (Contender::Rtpengine, None) => continue,
                (Contender::Rtpengine, Some((relay, generator))) => {
                    round::run(relay, generator, scenario.pace, effort.burst, cpus)
                }
                (Contender::NoRelay, _) => run_direct(scenario, cpus, effort.burst),
                (Contender::Tc, _) => gateways.start_below().and_then(|mut product| {
                    run_product(&mut product, scenario, cpus, effort.burst)
                }),
                (Contender::IoUringOneByOne, _) => run_core(scenario, cpus, effort.burst),
                (Contender::IoUring | Contender::Portable, _) => gateways
                    .of(contender)
                    .and_then(|product| run_product(product, scenario, cpus, effort.burst)),
            };
            match figures {
                Ok(figures) => tally.add(round, contender, &figures),
                Err(error) => tally.fail(contender, error.to_string()),
            }
        }
        eprintln!("load:   round {round} of {}", effort.rounds);
    }
    tally
}

fn start_peer(scenario: &Scenario, cpus: Cpus) -> Result<(Rtpengine, Generator), SetupError> {
    let socket = parties_socket().map_err(tried("opening the parties' socket"))?;
    let setup = scenario.setup(&socket, cpus)?;
    let relay = Rtpengine::start(&setup)?;
    // G.711 leaves ties to the implementation: rtpengine's tables may differ in places.
    let reference = if scenario.codecs == RELAY { Reference::Tables } else { Reference::Learned };
    let generator = Generator::new(socket, &relay, scenario.codecs, reference);
    Ok((relay, generator))
}

/// Brings the calls up anew each round, because a gateway sends silence on idle calls.
fn run_product(
    product: &mut Product,
    scenario: &Scenario,
    cpus: Cpus,
    burst: Duration,
) -> Result<Figures, SetupError> {
    let socket = parties_socket().map_err(tried("opening the parties' socket"))?;
    let setup = scenario.setup(&socket, cpus)?;
    let figures = product.bring_up(&setup).and_then(|()| {
        let mut generator = Generator::new(socket, product, scenario.codecs, Reference::Tables);
        round::run(product, &mut generator, scenario.pace, burst, cpus)
    });
    product.hang_up()?;
    let figures = figures?;
    product.conserve()?;
    Ok(figures)
}

fn run_direct(scenario: &Scenario, cpus: Cpus, burst: Duration) -> Result<Figures, SetupError> {
    let socket = parties_socket().map_err(tried("opening the parties' socket"))?;
    let relay = Direct::new(&scenario.setup(&socket, cpus)?);
    // Each party hears itself, so both speak one codec.
    let mut generator = Generator::new(socket, &relay, RELAY, Reference::Tables);
    round::run(&relay, &mut generator, scenario.pace, burst, cpus)
}

/// The media core alone, in this process, woken for each packet: a wait that no setting of the gateway
/// asks for, shown for comparison.
fn run_core(scenario: &Scenario, cpus: Cpus, burst: Duration) -> Result<Figures, SetupError> {
    let socket = parties_socket().map_err(tried("opening the parties' socket"))?;
    let setup = scenario.setup(&socket, cpus)?;
    let wait = WaitSettings { batch_packets: 1, ..WaitSettings::default() };
    let relay = Own::start(BackendChoice::IoUring, wait, &setup)?;
    let mut generator = Generator::new(socket, &relay, scenario.codecs, Reference::Tables);
    let figures = round::run(&relay, &mut generator, scenario.pace, burst, cpus)?;
    relay.conserve()?;
    Ok(figures)
}

impl Scenario {
    fn setup(&self, socket: &std::net::UdpSocket, cpus: Cpus) -> Result<Setup, SetupError> {
        let parties = socket.local_addr().map_err(tried("reading the parties' address"))?;
        Ok(Setup {
            streams: self.streams,
            codecs: self.codecs,
            is_secured: self.is_secured,
            parties,
            cpu: cpus.relay,
        })
    }
}

fn conditions(cpus: Cpus, effort: &Effort, is_fifo: bool) -> Section {
    let mut section = Section::new("Media: how it was measured", &[]);
    section.note(format!(
        "Relay on CPU {}, generator on CPU {}{}; loopback, 172-byte RTP packets (G.711, 20 ms), IPv4.",
        cpus.relay,
        cpus.generator,
        if cpus.are_apart() { "" } else { " (ONE CPU FOR BOTH: rates are not a core's)" }
    ));
    section.note(format!(
        "{} rounds of {} ms a relay after a warm-up, relays in turn, medians; ratios are \
         medians of the ratio within a round; {}.",
        effort.rounds,
        effort.burst.as_millis(),
        if is_fifo {
            "relay and generator under SCHED_FIFO"
        } else {
            "ORDINARY SCHEDULING (SCHED_FIFO was refused): neighbours disturb"
        }
    ));
    section.note(
        "ns/packet is CPU time of the relay's threads (schedstat) for a packet received once and \
         sent once; it includes the receive stack of the generator's socket, because loopback runs \
         it inside the send.",
    );
    section.note(
        "Machine ns is CPU time of relay, generator and the kernel's packet threads for such a packet, without the \
         generator's looks for packets in vain. \"Added\" is that less the row \"no relay\", in which parties send \
         to their own socket: the whole cost of the relay, whoever's thread the kernel charges. \"Else\" is what \
         /proc/stat counts beyond these threads, other processes included: in a quiet round nothing is left out.",
    );
    section.note(
        "Rates and delays come from rounds in which the generator had its CPU for at least 97 % \
         and no packet took longer than 20 ms, where there are such rounds.",
    );
    section.note(
        "SRTP to RTP: the caller of each call speaks AES_CM_128_HMAC_SHA1_80 with keys by SDES, so that \
         every packet is opened or sealed once. The generator seals and opens on its own CPU; where \
         \"core %\" is well below 100 in a saturated row, it was the limit: read the paced one.",
    );
    section.note(
        "Every payload byte of every packet that came back was checked. Our calls are set up by SIP \
         through the gateway (digest, webhook, <Dial>), with policy and statistics on; rtpengine's over ng. \
         \"Wake on 1\" is the media core alone in this process, its legs bridged by commands.",
    );
    section
}
