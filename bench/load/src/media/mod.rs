//! Relayed and transcoded packets: the gateway on each backend and in the kernel, its calls set up by SIP, beside
//! userspace rtpengine and a bare loop, in alternating rounds, on loopback or on a veth pair. Shell.

mod bare;
mod bencode;
mod conditions;
mod contender;
mod curve;
mod direct;
mod fast_path;
mod frames;
mod gateways;
mod generator;
mod given;
mod memory;
mod own;
mod parties;
mod payload;
mod plot;
mod product;
mod relay;
mod round;
mod rtpengine;
mod scenario;
mod site;
mod tally;

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use io::{BackendChoice, WaitSettings};

use crate::endpoint::Trouble;
use crate::report::Section;
use crate::scheduling::Cpus;
use bare::Bare;
use contender::Contender;
use direct::Direct;
use gateways::Gateways;
use generator::Generator;
pub(crate) use generator::parties_socket;
use given::Given;
use own::Own;
use payload::Reference;
pub(crate) use product::{Place, Product, Tiers};
pub(crate) use relay::Setup;
use relay::{Relay as _, SetupError, tried};
use round::Figures;
use rtpengine::Rtpengine;
use scenario::{RELAY, Scenario};
pub(crate) use site::Site;
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
    /// Only scenarios with this number of streams, in whatever form.
    pub streams: Option<usize>,
    /// No round begins after this instant.
    pub deadline: Instant,
    /// Folder of the plots.
    pub plots: PathBuf,
}

/// Results of all scenarios.
pub(crate) struct Measured {
    /// The conditions first, then one section a scenario.
    pub sections: Vec<Section>,
    /// One of our relays broke a promise: bytes changed or packets are unaccounted for.
    pub is_broken: bool,
}

/// The version of rtpengine, installed first where it is missing and may be; or the reason why it is missing.
pub(crate) fn find_peer(may_install: bool) -> Result<String, String> {
    rtpengine::find_or_install(may_install)
}

/// Memory of a relayed call in the media plane.
pub(crate) fn memory_of_a_call() -> Section {
    eprintln!("load: memory of a relayed call");
    memory::measure(Cpus::choose().relay)
}

/// What the fast path costs in memory, and per frame at the XDP hook. `true` where a promise is broken.
pub(crate) fn below(rounds: usize) -> (Vec<Section>, bool) {
    eprintln!("load: frames at the XDP hook");
    let memory = fast_path::memory();
    let (frames, is_broken) = frames::measure(rounds);
    (vec![frames, memory], is_broken)
}

/// What the rounds of a site have in common.
struct Bench<'b> {
    site: &'b Site,
    cpus: Cpus,
    effort: &'b Effort,
    has_peer: bool,
}

/// Runs all scenarios of a site against a gateway binary, or reports why it is missing. Call it inside the site.
pub(crate) fn measure(
    site: &Site,
    binary: Result<&Path, &Trouble>,
    peer: &Result<String, String>,
    effort: &Effort,
) -> Measured {
    let cpus = Cpus::choose();
    let bench = Bench { site, cpus, effort, has_peer: peer.is_ok() };
    let mut gateways = Gateways::start(binary, cpus.relay, site.addresses());
    let mut tallies = Vec::new();
    let runs = |scenario: &&Scenario| match effort.streams {
        Some(streams) => scenario.streams == streams,
        None => scenario.quick || !effort.quick,
    };
    for scenario in Scenario::on(site).iter().filter(runs) {
        eprintln!("load: {}", scenario.title(site));
        tallies.push((scenario, bench.run(scenario, &mut gateways)));
    }
    drop(gateways);
    let is_fifo = tallies.iter().all(|(_, tally)| tally.is_fifo());
    let mut sections = vec![conditions::section(site, cpus, effort, is_fifo)];
    let mut is_broken = false;
    for (scenario, tally) in &tallies {
        is_broken |= tally.verdict() == Verdict::Broken;
        let missing = peer.as_ref().err().map(String::as_str);
        sections.push(tally.section(&scenario.title(site), missing));
    }
    sections.push(curve::section(&tallies, site));
    sections.push(plot::draw(&tallies, site, &effort.plots));
    Measured { sections, is_broken }
}

impl Bench<'_> {
    /// All rounds of a scenario: contenders take turns, so that a neighbour's load falls on all alike.
    fn run(&self, scenario: &Scenario, gateways: &mut Gateways) -> Tally {
        let contenders = scenario.contenders();
        let mut tally = Tally::new(&contenders, scenario.pace);
        let mut peer = None;
        if self.has_peer && contenders.contains(&Contender::Rtpengine) {
            match self.start_peer(scenario) {
                Ok(started) => peer = Some(started),
                Err(error) => tally.fail(Contender::Rtpengine, error.to_string()),
            }
        }
        for round in 1..=self.effort.rounds {
            if Instant::now() > self.effort.deadline {
                tally.cut_short(round - 1);
                break;
            }
            for &contender in &contenders {
                let figures = match (contender, &mut peer) {
                    (Contender::Rtpengine, None) => continue,
                    (Contender::Rtpengine, Some((relay, generator))) => {
                        let burst = self.effort.burst;
                        round::run(relay, generator, scenario.pace, burst, self.cpus)
                    }
                    _ => self.run_ours(contender, scenario, gateways),
                };
                match figures {
                    Ok(figures) => tally.add(round, contender, &figures),
                    Err(error) => tally.fail(contender, error.to_string()),
                }
            }
            eprintln!("load:   round {round} of {}", self.effort.rounds);
        }
        tally
    }

    fn run_ours(
        &self,
        contender: Contender,
        scenario: &Scenario,
        gateways: &mut Gateways,
    ) -> Result<Figures, SetupError> {
        match contender {
            Contender::NoRelay => self.run_direct(scenario),
            Contender::BareLoop => self.run_bare(scenario),
            Contender::Tc => {
                let mut product = gateways.start_below()?;
                self.run_product(&mut product, scenario)
            }
            Contender::TcGiven => self.run_given(scenario),
            Contender::IoUringOneByOne => self.run_core(scenario),
            Contender::IoUring | Contender::Portable => {
                self.run_product(gateways.of(contender)?, scenario)
            }
            Contender::Rtpengine => unreachable!("the peer stays up between rounds"),
        }
    }

    fn start_peer(&self, scenario: &Scenario) -> Result<(Rtpengine, Generator), SetupError> {
        let (socket, setup) = self.setup(scenario)?;
        let relay = Rtpengine::start(&setup)?;
        // G.711 leaves ties to the implementation: rtpengine's tables may differ in places.
        let is_plain = scenario.codecs == RELAY;
        let reference = if is_plain { Reference::Tables } else { Reference::Learned };
        let generator = Generator::new(socket, &relay, scenario.codecs, reference);
        Ok((relay, generator))
    }

    /// Brings the calls up anew each round, because a gateway sends silence on idle calls.
    fn run_product(
        &self,
        product: &mut Product,
        scenario: &Scenario,
    ) -> Result<Figures, SetupError> {
        let (socket, setup) = self.setup(scenario)?;
        let figures = product.bring_up(&setup).and_then(|()| {
            let mut generator = Generator::new(socket, product, scenario.codecs, Reference::Tables);
            round::run(product, &mut generator, scenario.pace, self.effort.burst, self.cpus)
        });
        product.hang_up()?;
        let figures = figures?;
        product.conserve()?;
        Ok(figures)
    }

    fn run_direct(&self, scenario: &Scenario) -> Result<Figures, SetupError> {
        let (socket, setup) = self.setup(scenario)?;
        let far = self.site.far_socket()?;
        let to = far.as_ref().map_or(Ok(setup.parties), UdpSocket::local_addr);
        let relay = Direct::new(to.map_err(tried("reading an address"))?, scenario.streams);
        // Each party hears itself, so both speak one codec.
        let generator = Generator::new(socket, &relay, RELAY, Reference::Tables);
        let mut generator = generator.receiving_at(far);
        round::run(&relay, &mut generator, scenario.pace, self.effort.burst, self.cpus)
    }

    fn run_bare(&self, scenario: &Scenario) -> Result<Figures, SetupError> {
        let (socket, setup) = self.setup(scenario)?;
        let relay = Bare::start(&setup)?;
        let mut generator = Generator::new(socket, &relay, scenario.codecs, Reference::Tables);
        round::run(&relay, &mut generator, scenario.pace, self.effort.burst, self.cpus)
    }

    fn run_given(&self, scenario: &Scenario) -> Result<Figures, SetupError> {
        let (socket, setup) = self.setup(scenario)?;
        let relay = Given::start(self.site, &setup)?;
        let mut generator = Generator::new(socket, &relay, scenario.codecs, Reference::Tables);
        round::run(&relay, &mut generator, scenario.pace, self.effort.burst, self.cpus)
    }

    /// The media core alone, in this process, woken for each packet: a wait that no setting of the gateway
    /// asks for, shown for comparison.
    fn run_core(&self, scenario: &Scenario) -> Result<Figures, SetupError> {
        let (socket, setup) = self.setup(scenario)?;
        let wait = WaitSettings { batch_packets: 1, ..WaitSettings::default() };
        let relay = Own::start(BackendChoice::IoUring, wait, &setup)?;
        let mut generator = Generator::new(socket, &relay, scenario.codecs, Reference::Tables);
        let burst = self.effort.burst;
        let figures = round::run(&relay, &mut generator, scenario.pace, burst, self.cpus)?;
        relay.conserve()?;
        Ok(figures)
    }

    /// A new socket of all parties, and the calls that a relay is set up for.
    fn setup(&self, scenario: &Scenario) -> Result<(UdpSocket, Setup), SetupError> {
        let socket = self.site.parties_socket()?;
        let parties = socket.local_addr().map_err(tried("reading the parties' address"))?;
        let setup = Setup {
            streams: scenario.streams,
            codecs: scenario.codecs,
            is_secured: scenario.is_secured,
            parties,
            relay: self.site.addresses().passing.into(),
            cpu: self.cpus.relay,
        };
        Ok((socket, setup))
    }
}
