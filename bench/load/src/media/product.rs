//! The whole gateway as a relay to measure: the release binary as a process, calls set up by SIP through
//! digest, webhook and `<Dial>`. Shell.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use shared::SrtpKeys;

use super::parties::Parties;
use super::relay::{Relay, Setup, SetupError, tried};
use crate::calls::application::Application;
use crate::calls::gateway::Gateway;
use crate::calls::rest::{self, Login};
use crate::calls::samples::Samples;
use crate::schedstat::Thread;

/// Words of `media.backend` and `media.fast_path`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiers {
    pub backend: &'static str,
    pub fast_path: &'static str,
}

/// Where a gateway runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// A local address of its own, so that it has the whole range of ports.
    pub address: Ipv4Addr,
    /// CPU of its one media core (`None`: the default).
    pub cpu: Option<usize>,
}

impl Tiers {
    /// As an operator gets them without a setting.
    pub const DEFAULT: Self = Self { backend: "auto", fast_path: "auto" };
}

/// A gateway whose calls are up; hung up by [`Product::hang_up`].
pub(crate) struct Product {
    gateway: Gateway,
    parties: Parties,
    targets: Vec<SocketAddr>,
    keys: Vec<Option<SrtpKeys>>,
    threads: Vec<Thread>,
    /// Whether the kernel must relay every leg.
    is_below: bool,
    /// Kept alive while the domain calls it.
    _application: Application,
}

impl Product {
    /// Starts a gateway.
    ///
    /// # Errors
    /// It does not start, or refuses the domain.
    pub fn start(binary: &Path, tiers: Tiers, place: Place) -> Result<Self, SetupError> {
        let cores = place.cpu.map_or_else(String::new, |cpu| format!("cores = [{cpu}]\n"));
        let Tiers { backend, fast_path } = tiers;
        let media = format!(
            "{cores}backend = \"{backend}\"\nfast_path = \"{fast_path}\"\nports = \"{PORTS}\"\nsrtp = \"offered\"\n"
        );
        let gateway = Gateway::start(binary, place.address, &media)?;
        let parties = Parties::open()?;
        let document = format!(
            "<Dial answerOnBridge=\"true\"><Sip>sip:callee@{}</Sip></Dial>",
            parties.address()
        );
        let application = Application::start(vec![("/dial".to_owned(), document)])?;
        rest::make_domain(&gateway, DOMAIN, &application.url("/dial"), Login::Digest)?;
        let mut threads = gateway.threads().map_err(tried("reading /proc"))?;
        threads.retain(|thread| thread.name == CORE_THREAD);
        if threads.is_empty() {
            return Err("the gateway has no thread of a media core".into());
        }
        Ok(Self {
            gateway,
            parties,
            targets: Vec::new(),
            keys: Vec::new(),
            threads,
            is_below: fast_path == "tc",
            _application: application,
        })
    }

    /// Brings the calls of a round up.
    ///
    /// # Errors
    /// A call does not come up.
    pub fn bring_up(&mut self, setup: &Setup) -> Result<(), SetupError> {
        let domain = format!("{DOMAIN}.sip.sidetone.test");
        let ends = self.parties.bring_up(self.gateway.sip, &domain, setup)?;
        self.targets = ends.iter().map(|end| end.target).collect();
        // Without keys nobody needs to tell parties apart.
        self.keys = match setup.is_secured {
            true => ends.iter().map(|end| end.keys).collect(),
            false => Vec::new(),
        };
        Ok(())
    }

    /// Memory of the gateway's process, in bytes.
    ///
    /// # Errors
    /// It ended.
    pub fn resident_bytes(&self) -> std::io::Result<u64> {
        self.gateway.resident_bytes()
    }

    /// Ends the calls of a round.
    ///
    /// # Errors
    /// They do not end.
    pub fn hang_up(&mut self) -> Result<(), SetupError> {
        self.targets.clear();
        self.keys.clear();
        self.parties.hang_up()
    }
}

const DOMAIN: &str = "bench";
/// Two ports a stream for 5,000 streams, and spare ones, because others may hold some.
const PORTS: &str = "8000-19999";
/// Name of the first media core's thread.
const CORE_THREAD: &str = "media-0";

impl Relay for Product {
    fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    fn keys(&self) -> &[Option<SrtpKeys>] {
        &self.keys
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn is_settled(&self) -> Result<bool, String> {
        if !self.is_below {
            return Ok(true);
        }
        let samples = Samples::of(&self.gateway).map_err(|error| format!("/metrics: {error}"))?;
        Ok(samples.sum("media_fast_path_legs") == self.targets.len() as u64)
    }

    fn packets_below(&self) -> Result<Option<u64>, String> {
        if !self.is_below {
            return Ok(None);
        }
        let samples = Samples::of(&self.gateway).map_err(|error| format!("/metrics: {error}"))?;
        Ok(Some(samples.sum("media_fast_path_packets_total")))
    }

    fn conserve(&self) -> Result<(), String> {
        let end = Instant::now() + SETTLE_MAX;
        loop {
            // Cores publish their counters several times a second.
            match self.balance() {
                Ok(()) => return Ok(()),
                Err(difference) if Instant::now() > end => return Err(difference),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Product {
    fn balance(&self) -> Result<(), String> {
        let samples = Samples::of(&self.gateway).map_err(|error| format!("/metrics: {error}"))?;
        let received = samples.sum("media_packets_received_total");
        let accounted: u64 = ["forwarded", "to_mesh", "consumed", "dropped"]
            .iter()
            .map(|what| samples.sum(&format!("media_packets_{what}_total")))
            .sum();
        let (lost, legs) = (samples.sum("media_events_lost_total"), samples.sum("media_legs"));
        if received == accounted && lost == 0 && legs == 0 {
            return Ok(());
        }
        Err(format!(
            "{received} packets received, {accounted} accounted for; {lost} events lost; {legs} legs left"
        ))
    }
}

const SETTLE_MAX: Duration = Duration::from_secs(5);
