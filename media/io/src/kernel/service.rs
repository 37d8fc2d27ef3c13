//! The fast path of a process, from start to stop: opened, attached, and its lease renewed by a thread.
//!
//! The thread sleeps between two renewals. When routes or interfaces change it wakes, raises the generation by which cores
//! look up routes, and follows the interfaces ([`super::attachments`]). Legs of an earlier
//! process, found in its pins, go on until its lease would have ended; then the thread takes back those that no
//! core has taken over, because nobody reads their figures or hears their BYE. Where that lease is over at the start,
//! they are taken back before the first renewal: it would let them be relayed once more.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use shared::{Instant, MediaPort};

use super::attachments::{Attachments, InterfaceMeters};
use super::error::{KernelError, Step};
use super::fast_path::{FastPath, FastPathConfig, Found, Hook};
use super::route::RouteWatch;
use super::tier::Shared;
use crate::clock;
use crate::config::IoConfig;

/// The running fast path. Dropping it ends the lease and detaches the programs; drop the cores first.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    /// Interfaces that had the program at the start, sorted.
    pub interfaces: Vec<String>,
    /// Interfaces that carried media then and cannot have it, with the reason.
    pub left_out: Vec<String>,
    /// What was found of an earlier process.
    pub found: Found,
    /// Whether the lease of that process was over.
    was_over: bool,
    /// Interfaces now.
    meters: Arc<InterfaceMeters>,
}

/// Time that the programs may relay without a sign of life of the process.
pub const LEASE: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(1);
/// Least time between two looks at the interfaces.
const FOLLOW_MIN: Duration = Duration::from_millis(100);

impl Service {
    /// Opens the fast path at the tc hook, on every interface that has a media address.
    ///
    /// # Errors
    /// [`KernelError`]; nothing is left attached.
    pub(crate) fn start(config: &IoConfig) -> Result<Self, KernelError> {
        let path_config = FastPathConfig {
            addresses: config.addresses.clone(),
            ports: config.ports.clone(),
            pins: config.pins.clone(),
        };
        let system = |step| move |source: io::Error| KernelError::System { step, source };
        let watch = RouteWatch::open().map_err(system(Step::Interface))?;
        let mut left_out = Vec::new();
        let path = match FastPath::open(&path_config) {
            // Without pins all works but the survival of a kill.
            Err(error @ (KernelError::NoBpffs { .. } | KernelError::PinsDenied { .. })) => {
                left_out.push(error.to_string());
                FastPath::open(&FastPathConfig { pins: None, ..path_config })?
            }
            path => path?,
        };
        let found = path.found();
        let mut attachments = Attachments::new(config.addresses.clone());
        if let Err(error) = attachments.follow(&path) {
            let _ = path.close();
            return Err(error);
        }
        let interfaces = attachments.names();
        left_out.extend(attachments.reasons().map(str::to_owned));
        if interfaces.is_empty() {
            let _ = path.close();
            if left_out.is_empty() {
                left_out.push("none lists one of them".to_owned());
            }
            return Err(KernelError::NowhereAttached { reasons: left_out.join("; ") });
        }
        let mut adopted = Adopted::of(&path, config);
        let was_over = adopted.until <= clock::now();
        if was_over {
            adopted.end(&path);
        }
        let shared = Arc::new(Shared {
            path,
            addresses: config.addresses.clone(),
            dscp: config.dscp,
            generation: AtomicU64::new(0),
        });
        let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| error.into());
        let stop = Arc::new(stop.map_err(system(Step::ShareMemory))?);
        shared.path.renew(clock::now() + LEASE);
        let meters = attachments.meters();
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            stop: Arc::clone(&stop),
            watch,
            adopted,
            attachments,
            followed: clock::now(),
        };
        let thread = std::thread::Builder::new().name("fast-path".into());
        let thread = thread.spawn(move || keeper.run()).map_err(system(Step::ShareMemory))?;
        Ok(Self {
            shared,
            stop,
            thread: Some(thread),
            interfaces,
            left_out,
            found,
            was_over,
            meters,
        })
    }

    /// What runs, for the log.
    pub fn sentence(&self) -> String {
        let mut sentence = format!(
            "bridged calls are relayed in the kernel, at the tc hook of {}",
            if self.interfaces.is_empty() {
                "no interface".to_owned()
            } else {
                self.interfaces.join(", ")
            }
        );
        for reason in &self.left_out {
            sentence.push_str("; ");
            sentence.push_str(reason);
        }
        sentence.push_str(match (self.found, self.was_over) {
            (Found::Nothing, _) => "",
            (Found::Legs, false) => {
                "; calls of the process before are relayed until its lease ends"
            }
            (Found::Legs, true) => "; calls of the process before have ended with its lease",
            (Found::Strange, _) => "; pins of another version or for other ports were removed",
        });
        sentence
    }

    /// Interfaces with and without the program, kept up to date.
    pub fn meters(&self) -> Arc<InterfaceMeters> {
        Arc::clone(&self.meters)
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // An event counter that is not read takes this write.
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // A pin that stays is found and removed by the next start; the lease is over in any case.
        let _ = self.shared.path.close();
    }
}

/// The state of the thread.
struct Keeper {
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    watch: RouteWatch,
    adopted: Adopted,
    attachments: Attachments,
    /// When it looked at the interfaces last.
    followed: Instant,
}

impl Keeper {
    fn run(mut self) {
        let mut has_changed = false;
        while !self.is_stopped(if has_changed { FOLLOW_MIN } else { RENEW }) {
            if self.watch.has_changed() {
                self.shared.generation.fetch_add(1, Ordering::Relaxed);
                has_changed = true;
            }
            let now = clock::now();
            self.shared.path.renew(now + LEASE);
            if self.adopted.until <= now {
                self.adopted.end(&self.shared.path);
            }
            // A host that makes and removes containers all the time must not keep the thread busy.
            if has_changed && now.since(self.followed) >= FOLLOW_MIN {
                // What is refused is counted as left out; its calls stay in user space.
                let _ = self.attachments.follow(&self.shared.path);
                self.followed = now;
                has_changed = false;
            }
        }
    }

    /// Sleeps until this time is over, routes or interfaces change, or the stop.
    fn is_stopped(&self, sleep: Duration) -> bool {
        let mut waits = [
            PollFd::new(&*self.stop, PollFlags::IN),
            PollFd::new(self.watch.socket(), PollFlags::IN),
        ];
        let timeout =
            Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: sleep.subsec_nanos().into() };
        let _ = poll(&mut waits, Some(&timeout));
        waits[0].revents().contains(PollFlags::IN)
    }
}

/// Legs that an earlier process gave.
struct Adopted {
    /// The end of its lease.
    until: Instant,
    /// Each with the word's generation at that time: a core that gives the leg anew raises it.
    legs: Vec<(MediaPort, u16)>,
}

impl Adopted {
    fn of(path: &FastPath, config: &IoConfig) -> Self {
        let mut legs = Vec::new();
        for address in 0..config.addresses.len() {
            for rtp in config.ports.clone().filter(|port| port.is_multiple_of(2)) {
                let port = MediaPort { address: address as u8, rtp };
                let generation = path.entry(port).and_then(|entry| entry.generation_on());
                legs.extend(generation.map(|generation| (port, generation)));
            }
        }
        Self { until: path.valid_until(), legs }
    }

    fn end(&mut self, path: &FastPath) {
        for (port, generation) in self.legs.drain(..) {
            if let Some(entry) = path.entry(port) {
                entry.end(generation);
            }
        }
    }
}

/// Whether the fast path works for this process on loopback: opens it there, and ends it.
///
/// # Errors
/// [`KernelError`], as a start would get it.
pub fn probe() -> Result<(), KernelError> {
    let addresses = vec![IpAddr::from([127, 0, 0, 1])];
    let mut path = FastPath::open(&FastPathConfig { addresses, ports: 9_000..=9_001, pins: None })?;
    path.attach("lo", Hook::Tc)
}

/// Folder of the pins of one gateway in the usual BPF file system: named by its data folder, so that two
/// gateways on one machine do not meet.
pub fn pins_for(data: &std::path::Path) -> PathBuf {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in data.as_os_str().as_encoded_bytes() {
        // FNV-1a: the next process must find the same name.
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
    }
    PathBuf::from(format!("/sys/fs/bpf/sidetone-{hash:016x}"))
}
