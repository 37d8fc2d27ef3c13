//! One round: a burst of packets through one relay, and what it cost. Shell.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::generator::{Generator, Outcome, Pace};
use super::relay::{Relay, SetupError, tried};
use crate::machine_time::Moment;
use crate::schedstat::{self, Thread};
use crate::scheduling::{self, Cpus};

/// Results of a round.
pub(crate) struct Figures {
    pub outcome: Outcome,
    /// CPU time of the relay's threads during the burst.
    pub relay_cpu_ns: u64,
    /// CPU time of relay, generator and the kernel's packet threads, without the generator's looks for packets
    /// in vain. Threads are added up because `/proc/stat` holds every neighbour.
    pub machine_ns: u64,
    /// CPU time of the machine beyond that of these threads, as a fraction of the burst's length.
    pub else_share: f64,
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

/// Runs a burst on a thread of its own, pinned to the generator's CPU, once the relay has settled.
///
/// # Errors
/// A socket or `/proc` failed, or the relay does not settle.
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
    let settled = &AtomicBool::new(false);
    let work = move || -> Result<Figures, SetupError> {
        scheduling::pin_self(cpus.generator).map_err(tried("pinning the generator"))?;
        let is_fifo = is_fifo && scheduling::make_fifo(scheduling::own_thread_id());
        warm_up(generator, pace, settled)?;
        Ok(Figures { is_fifo, ..measure(generator, pace, burst, &relay_threads)? })
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(GENERATOR.to_owned()).spawn_scoped(scope, work);
        let thread = thread.map_err(tried("starting the generator"))?;
        let state = wait_until_settled(relay).and_then(|()| Ok(relay.packets_below()?));
        settled.store(true, Ordering::Release);
        let figures = thread.join().unwrap_or_else(|_| Err("the generator panicked".into()));
        let (before, figures) = (state?, figures?);
        check_below(relay, before, figures.outcome.returned)?;
        Ok(figures)
    })
}

/// Sends until the relay has settled, at least once. Pauses between bursts, because threads under SCHED_FIFO
/// may not run all the time; too short for a party to count as silent.
fn warm_up(generator: &mut Generator, pace: Pace, settled: &AtomicBool) -> Result<(), SetupError> {
    loop {
        // Read first: a burst follows the moment at which the relay had settled.
        let is_settled = settled.load(Ordering::Acquire);
        generator.burst(pace, WARM_UP).map_err(tried("the generator's socket"))?;
        if is_settled {
            return Ok(());
        }
        thread::sleep(WARM_UP_PAUSE);
    }
}

fn wait_until_settled(relay: &impl Relay) -> Result<(), SetupError> {
    let end = Instant::now() + SETTLE_MAX;
    while !relay.is_settled()? {
        if Instant::now() > end {
            return Err("the relay did not take all legs in time".into());
        }
        thread::sleep(WARM_UP_PAUSE);
    }
    Ok(())
}

/// A leg that counts as given says nothing about its packets, so they are counted: the kernel must have relayed
/// the burst, and more, since the count began in the warm-up.
fn check_below(relay: &impl Relay, before: Option<u64>, returned: u64) -> Result<(), SetupError> {
    let Some(before) = before else { return Ok(()) };
    let end = Instant::now() + SETTLE_MAX;
    loop {
        let below = relay.packets_below()?.unwrap_or(0).saturating_sub(before);
        if below >= returned {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("the kernel relayed only {below} of {returned} packets").into());
        }
        thread::sleep(WARM_UP_PAUSE);
    }
}

fn measure(
    generator: &mut Generator,
    pace: Pace,
    burst: Duration,
    relay: &[Thread],
) -> Result<Figures, SetupError> {
    let kernel = schedstat::packet_threads().map_err(tried("reading /proc"))?;
    let [relay_before, kernel_before] = [relay, &kernel[..]].map(schedstat::cpu_ns);
    let own_before = schedstat::own_cpu_ns();
    let before = Moment::now().map_err(tried("reading /proc/stat"))?;
    let outcome = generator.burst(pace, burst).map_err(tried("the generator's socket"))?;
    let own_cpu_ns = schedstat::own_cpu_ns().saturating_sub(own_before);
    let busy_ns = Moment::now().map_err(tried("reading /proc/stat"))?.busy_ns_since(&before);
    let relay_cpu_ns = schedstat::cpu_ns(relay).saturating_sub(relay_before);
    let kernel_ns = schedstat::cpu_ns(&kernel).saturating_sub(kernel_before);
    let elapsed_ns = outcome.elapsed.as_nanos() as f64;
    let machine_ns = own_cpu_ns + relay_cpu_ns + kernel_ns;
    Ok(Figures {
        relay_cpu_ns,
        machine_ns: machine_ns.saturating_sub(outcome.waiting.as_nanos() as u64),
        else_share: busy_ns.saturating_sub(machine_ns) as f64 / elapsed_ns,
        generator_share: own_cpu_ns as f64 / elapsed_ns,
        is_fifo: true,
        outcome,
    })
}

const GENERATOR: &str = "generator";
/// Long enough for caches, latches and the wait policy to settle.
const WARM_UP: Duration = Duration::from_millis(100);
const WARM_UP_PAUSE: Duration = Duration::from_millis(10);
/// The kernel gets a leg within 100 ms of its first relayed packet.
const SETTLE_MAX: Duration = Duration::from_secs(5);
