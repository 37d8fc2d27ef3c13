//! One round: a burst of packets through one relay, and what it cost. Shell.

use std::thread;
use std::time::Duration;

use super::generator::{Generator, Outcome, Pace};
use super::relay::{Relay, SetupError, tried};
use crate::schedstat;
use crate::scheduling::{self, Cpus};

/// Results of a round.
pub(crate) struct Figures {
    pub outcome: Outcome,
    /// CPU time of the relay's threads during the burst.
    pub relay_cpu_ns: u64,
    /// CPU time of the generator's thread as a fraction of the burst's length. Below 1, another process
    /// took its CPU.
    pub generator_share: f64,
    /// Whether relay and generator ran under SCHED_FIFO.
    pub is_fifo: bool,
}

impl Figures {
    /// Whether another process disturbed the round: the generator lost its CPU, or a packet took 20 ms.
    pub fn is_disturbed(&self) -> bool {
        self.generator_share < 0.97 || self.outcome.delay_us.max() > 20_000
    }
}

/// Runs a burst on a thread of its own, pinned to the generator's CPU.
///
/// # Errors
/// A socket or `/proc` failed.
pub(crate) fn run(
    relay: &impl Relay,
    generator: &mut Generator,
    pace: Pace,
    burst: Duration,
    cpus: Cpus,
) -> Result<Figures, SetupError> {
    let mut is_fifo = true;
    for thread in relay.threads() {
        is_fifo &= scheduling::make_fifo(thread.id);
    }
    let relay_threads = relay.threads().to_vec();
    let work = move || -> Result<Figures, SetupError> {
        scheduling::pin_self(cpus.generator).map_err(tried("pinning the generator"))?;
        let is_fifo = is_fifo && scheduling::make_fifo(scheduling::own_thread_id());
        let own = schedstat::own_threads(GENERATOR).map_err(tried("reading /proc"))?;
        generator.burst(pace, WARM_UP).map_err(tried("the generator's socket"))?;
        let own_before = schedstat::cpu_ns(&own);
        let relay_before = schedstat::cpu_ns(&relay_threads);
        let outcome = generator.burst(pace, burst).map_err(tried("the generator's socket"))?;
        let relay_cpu_ns = schedstat::cpu_ns(&relay_threads).saturating_sub(relay_before);
        let own_cpu_ns = schedstat::cpu_ns(&own).saturating_sub(own_before);
        let generator_share = own_cpu_ns as f64 / outcome.elapsed.as_nanos() as f64;
        Ok(Figures { outcome, relay_cpu_ns, generator_share, is_fifo })
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(GENERATOR.to_owned()).spawn_scoped(scope, work);
        let thread = thread.map_err(tried("starting the generator"))?;
        thread.join().unwrap_or_else(|_| Err("the generator panicked".into()))
    })
}

const GENERATOR: &str = "generator";
/// Long enough for caches, latches and the wait policy to settle.
const WARM_UP: Duration = Duration::from_millis(100);
