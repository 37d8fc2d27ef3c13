//! The fast path of a process, from start to stop: opened, attached to the interfaces that carry media, and kept
//! (`keeper.rs`) until it is dropped. Legs of an earlier process whose lease is over are taken back before the first
//! renewal: it would let them be relayed once more.
//!
//! Every such interface gets the tc hook. Where the settings ask for XDP, each also gets the XDP hook below it, if its
//! driver can; if not, the reason stands in the log line, in `/metrics` and in `sidetone media`.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};
use shared::MediaInterface;

use super::attachments::{Attachments, InterfaceMeters};
use super::drivers::Drivers;
use super::error::{KernelError, Step};
use super::fast_path::{FastPath, FastPathConfig, Found};
use super::hook::Hook;
use super::keeper::{Adopted, Keeper, LEASE, Watches};
use super::neighbour::Changes;
use super::tier::Shared;
use crate::clock;
use crate::config::{FastPathChoice, IoConfig};
use crate::interfaces;

/// The running fast path. Dropping it ends the lease and detaches the programs; drop the cores first.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    /// Interfaces that had the program at the start, sorted by name.
    pub interfaces: Vec<MediaInterface>,
    /// Interfaces that carried media then and cannot have it, with the reason.
    pub left_out: Vec<String>,
    /// What was found of an earlier process.
    pub found: Found,
    /// Whether the lease of that process was over.
    was_over: bool,
    /// Interfaces now.
    meters: Arc<InterfaceMeters>,
}

impl Service {
    /// Opens the fast path on every interface that has a media address.
    ///
    /// # Errors
    /// [`KernelError`]; nothing is left attached.
    pub(crate) fn start(config: &IoConfig) -> Result<Self, KernelError> {
        let watches = Watches::open().map_err(system(Step::Interface))?;
        let mut left_out = Vec::new();
        let mut path = open(config, &mut left_out)?;
        let found = path.found();
        let attachments = match attach(&mut path, config, &mut left_out) {
            Ok(attachments) => attachments,
            Err(error) => {
                let _ = path.close();
                return Err(error);
            }
        };
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
            neighbours: Changes::default(),
        });
        let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| error.into());
        let stop = Arc::new(stop.map_err(system(Step::ShareMemory))?);
        shared.path.renew(clock::now() + LEASE);
        let (interfaces, meters) = (attachments.interfaces(), attachments.meters());
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            stop: Arc::clone(&stop),
            watches,
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

    /// What runs, and why not more, for the log.
    pub fn sentence(&self) -> String {
        let mut sentence = "bridged calls are relayed in the kernel".to_owned();
        for (hook, what) in [
            (Hook::XdpNative, "at the XDP hook of"),
            (Hook::XdpGeneric, "at the generic XDP hook of"),
            (Hook::Tc, "at the tc hook of"),
        ] {
            let at = self.interfaces.iter().filter(|interface| interface.hook == hook.name());
            let names: Vec<&str> = at.map(|interface| interface.name.as_str()).collect();
            if !names.is_empty() {
                sentence.push_str(&format!(", {what} {}", names.join(", ")));
            }
        }
        let of_xdp = self.interfaces.iter().filter_map(|interface| interface.why_not_xdp.as_ref());
        for reason in of_xdp.chain(&self.left_out) {
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

fn open(config: &IoConfig, left_out: &mut Vec<String>) -> Result<FastPath, KernelError> {
    let path_config = FastPathConfig {
        addresses: config.addresses.clone(),
        ports: config.ports.clone(),
        pins: config.pins.clone(),
    };
    match FastPath::open(&path_config) {
        // Without pins all works but the survival of a kill.
        Err(error @ (KernelError::NoBpffs { .. } | KernelError::PinsDenied { .. })) => {
            left_out.push(error.to_string());
            FastPath::open(&FastPathConfig { pins: None, ..path_config })
        }
        path => path,
    }
}

/// Attaches the programs to every interface that carries media.
fn attach(
    path: &mut FastPath,
    config: &IoConfig,
    left_out: &mut Vec<String>,
) -> Result<Attachments, KernelError> {
    let xdp = xdp_hook(config.fast_path);
    keep_links(path, config, xdp)?;
    let drivers = xdp.map(|hook| Drivers::open(path, hook));
    let mut attachments = Attachments::new(config.addresses.clone(), drivers);
    attachments.follow(path)?;
    left_out.extend(attachments.reasons().map(str::to_owned));
    if attachments.interfaces().is_empty() {
        if left_out.is_empty() {
            left_out.push("none lists one of them".to_owned());
        }
        return Err(KernelError::NowhereAttached { reasons: left_out.join("; ") });
    }
    Ok(attachments)
}

/// The hook below tc that the settings ask for.
const fn xdp_hook(choice: FastPathChoice) -> Option<Hook> {
    match choice {
        FastPathChoice::Xdp => Some(Hook::XdpNative),
        FastPathChoice::XdpGeneric => Some(Hook::XdpGeneric),
        FastPathChoice::Auto | FastPathChoice::Tc | FastPathChoice::Off => None,
    }
}

/// Removes links of an earlier process that this one will not have.
fn keep_links(path: &FastPath, config: &IoConfig, xdp: Option<Hook>) -> Result<(), KernelError> {
    let present = interfaces::carrying(&config.addresses).map_err(system(Step::Interface))?;
    let hooks = [Some(Hook::Tc), xdp].into_iter().flatten();
    let wanted: Vec<(u32, Hook)> =
        hooks.flat_map(|hook| present.keys().map(move |index| (*index, hook))).collect();
    path.keep_links(&wanted);
    Ok(())
}

fn system(step: Step) -> impl Fn(io::Error) -> KernelError {
    move |source| KernelError::System { step, source }
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
