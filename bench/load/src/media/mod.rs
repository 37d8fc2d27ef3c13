//! Relayed and transcoded packets: our media core on each backend beside userspace rtpengine, in
//! alternating rounds. Shell.

mod bencode;
mod generator;
mod own;
mod payload;
mod relay;
mod round;
mod rtpengine;
mod tally;

use std::time::{Duration, Instant};

use io::{BackendChoice, WaitSettings};
use shared::Codec;

use crate::report::Section;
use crate::scheduling::Cpus;
use generator::{Generator, Pace, WINDOW, parties_socket};
use own::Own;
use payload::Reference;
use relay::{Relay, Setup, SetupError, tried};
use round::Figures;
use rtpengine::Rtpengine;
use tally::{Tally, Verdict};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds of each contender in each scenario.
    pub rounds: usize,
    /// Length of a burst; with its warm-up below 0.9 s (see `scheduling::make_fifo`).
    pub burst: Duration,
    /// Whether only the scenarios that tell most are run.
    pub quick: bool,
    /// When to stop beginning new rounds.
    pub deadline: Instant,
    /// Whether a missing rtpengine is installed.
    pub may_install: bool,
}

/// A load under which relays are compared.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    codecs: [Codec; 2],
    streams: usize,
    pace: Pace,
    quick: bool,
}

const RELAY: [Codec; 2] = [Codec::Pcmu, Codec::Pcmu];
const TRANSCODE: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// 50 packets a second a stream is what calls send; at 2,000 streams that is 1,000 calls.
const SCENARIOS: &[Scenario] = &[
    Scenario { codecs: RELAY, streams: 500, pace: Pace::Saturated, quick: true },
    Scenario { codecs: RELAY, streams: 2_000, pace: Pace::Saturated, quick: true },
    Scenario { codecs: TRANSCODE, streams: 500, pace: Pace::Saturated, quick: true },
    Scenario { codecs: TRANSCODE, streams: 2_000, pace: Pace::Saturated, quick: false },
    Scenario { codecs: RELAY, streams: 500, pace: Pace::PacketsASecond(25_000), quick: false },
    Scenario { codecs: RELAY, streams: 2_000, pace: Pace::PacketsASecond(100_000), quick: true },
    Scenario { codecs: TRANSCODE, streams: 500, pace: Pace::PacketsASecond(25_000), quick: false },
];

impl Scenario {
    fn title(&self) -> String {
        let what = if self.codecs == RELAY { "PCMU relay" } else { "PCMU and PCMA transcoded" };
        let pace = match self.pace {
            Pace::Saturated => format!("saturated, {WINDOW} packets under way"),
            Pace::PacketsASecond(rate) => format!("paced at {rate} packets/s"),
        };
        format!("{what}, {} streams ({} calls), {pace}", self.streams, self.streams / 2)
    }

    /// Waking for each packet is a policy of its own only where the core sleeps between packets.
    fn contenders(&self) -> &'static [Contender] {
        match self.pace {
            Pace::Saturated => &[Contender::IoUring, Contender::Portable, Contender::Rtpengine],
            Pace::PacketsASecond(_) => &[
                Contender::IoUring,
                Contender::IoUringOneByOne,
                Contender::Portable,
                Contender::Rtpengine,
            ],
        }
    }
}

/// A relay to measure, with the way it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Our core on io_uring as it is by default: batches where it is woken often.
    IoUring,
    /// The same, woken for each packet.
    IoUringOneByOne,
    /// Our core on epoll.
    Portable,
    /// The peer.
    Rtpengine,
}

impl Contender {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::IoUring => "sidetone io_uring, adaptive wait",
            Self::IoUringOneByOne => "sidetone io_uring, wake on 1",
            Self::Portable => "sidetone portable (epoll)",
            Self::Rtpengine => "rtpengine, userspace, 1 thread",
        }
    }

    fn start_own(self, setup: &Setup) -> Result<Own, SetupError> {
        let one_by_one = WaitSettings { batch_packets: 1, ..WaitSettings::default() };
        match self {
            Self::IoUring => Own::start(BackendChoice::IoUring, WaitSettings::default(), setup),
            Self::IoUringOneByOne => Own::start(BackendChoice::IoUring, one_by_one, setup),
            Self::Portable => Own::start(BackendChoice::Portable, one_by_one, setup),
            Self::Rtpengine => Err("rtpengine is no core of ours".into()),
        }
    }
}

/// What all scenarios came to.
pub(crate) struct Measured {
    /// One for each scenario, after one that says the conditions.
    pub sections: Vec<Section>,
    /// The version of rtpengine, or why there is none.
    pub rtpengine: Result<String, String>,
    /// A relay of ours broke a promise: bytes changed or packets unaccounted for.
    pub is_broken: bool,
}

/// Runs all scenarios.
pub(crate) fn measure(effort: &Effort) -> Measured {
    let cpus = Cpus::choose();
    let rtpengine = rtpengine::find_or_install(effort.may_install);
    let mut tallies = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.quick || !effort.quick) {
        eprintln!("load: {}", scenario.title());
        tallies.push((scenario, run(scenario, cpus, effort, rtpengine.is_ok())));
    }
    let is_fifo = tallies.iter().all(|(_, tally)| tally.is_fifo());
    let mut sections = vec![conditions(cpus, effort, is_fifo)];
    let mut is_broken = false;
    for (scenario, tally) in &tallies {
        is_broken |= tally.verdict() == Verdict::Broken;
        let missing = rtpengine.as_ref().err().map(String::as_str);
        sections.push(tally.section(&scenario.title(), missing));
    }
    Measured { sections, rtpengine, is_broken }
}

/// All rounds of a scenario: contenders take turns, so that a neighbour's load falls on all alike.
fn run(scenario: &Scenario, cpus: Cpus, effort: &Effort, has_peer: bool) -> Tally {
    let mut tally = Tally::new(scenario.contenders());
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
        for &contender in scenario.contenders() {
            let figures = match (contender, &mut peer) {
                (Contender::Rtpengine, None) => continue,
                (Contender::Rtpengine, Some((relay, generator))) => {
                    round::run(relay, generator, scenario.pace, effort.burst, cpus)
                }
                (own, _) => run_own(own, scenario, cpus, effort.burst),
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
    let generator = Generator::new(socket, relay.targets(), scenario.codecs, reference);
    Ok((relay, generator))
}

/// Our core is started anew each round: one that idles with calls up sends silence.
fn run_own(
    contender: Contender,
    scenario: &Scenario,
    cpus: Cpus,
    burst: Duration,
) -> Result<Figures, SetupError> {
    let socket = parties_socket().map_err(tried("opening the parties' socket"))?;
    let setup = scenario.setup(&socket, cpus)?;
    let relay = contender.start_own(&setup)?;
    let mut generator = Generator::new(socket, relay.targets(), scenario.codecs, Reference::Tables);
    let figures = round::run(&relay, &mut generator, scenario.pace, burst, cpus)?;
    relay.conserve()?;
    Ok(figures)
}

impl Scenario {
    fn setup(&self, socket: &std::net::UdpSocket, cpus: Cpus) -> Result<Setup, SetupError> {
        let parties = socket.local_addr().map_err(tried("reading the parties' address"))?;
        Ok(Setup { streams: self.streams, codecs: self.codecs, parties, cpu: cpus.relay })
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
        "Rates and delays come from rounds in which the generator had its CPU for at least 97 % \
         and no packet took longer than 20 ms, where there are such rounds.",
    );
    section.note(
        "Every payload byte of every packet that came back was checked. Legs are bridged by media \
         commands, with the plane's policy and statistics on; rtpengine's calls are set up over ng.",
    );
    section
}
