//! The interfaces with the program: those that carry media when the gateway starts, and those that come later.
//!
//! ```text
//!   not there --(it has a media address)--> attached --(it goes)--> not there
//!       |                                                              ^
//!       +--(it carries no Ethernet, or the kernel refuses)--> left out-+
//! ```
//!
//! The thread of the lease looks at all interfaces when links or addresses have changed, at most ten times a second,
//! and at the kernel's own word for each link: an index or a name may have come again. An interface that loses its
//! address keeps the program, which lets packets to other addresses pass. Where the settings ask for the XDP hook, each
//! interface that is attached gets it too, if its driver can ([`super::drivers`]).

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use shared::MediaInterface;

use super::drivers::Drivers;
use super::error::{KernelError, Step};
use super::fast_path::FastPath;
use super::hook::Hook;
use super::syscall;
use crate::interfaces;

/// Interfaces of one process.
#[derive(Debug)]
pub(super) struct Attachments {
    addresses: Vec<IpAddr>,
    attached: BTreeMap<u32, Attached>,
    left_out: BTreeMap<u32, String>,
    /// The XDP hook, where the settings ask for it, or why no interface can have it.
    drivers: Option<Result<Drivers, KernelError>>,
    meters: Arc<InterfaceMeters>,
}

/// One interface with the program.
#[derive(Debug)]
struct Attached {
    interface: MediaInterface,
    link: OwnedFd,
}

/// Interfaces that carry media now.
#[derive(Debug, Default)]
pub struct InterfaceMeters {
    /// With the program.
    pub attached: AtomicU32,
    /// Without it: their calls stay in user space.
    pub left_out: AtomicU32,
}

impl Attachments {
    pub fn new(addresses: Vec<IpAddr>, drivers: Option<Result<Drivers, KernelError>>) -> Self {
        let (attached, left_out) = (BTreeMap::new(), BTreeMap::new());
        Self { addresses, attached, left_out, drivers, meters: Arc::default() }
    }

    /// The XDP hook of the interfaces, where there is one.
    pub fn drivers(&mut self) -> Option<&mut Drivers> {
        self.drivers.as_mut()?.as_mut().ok()
    }

    pub fn meters(&self) -> Arc<InterfaceMeters> {
        Arc::clone(&self.meters)
    }

    /// The interfaces with the program, sorted by name.
    pub fn interfaces(&self) -> Vec<MediaInterface> {
        let all = self.attached.values().map(|one| one.interface.clone());
        let mut interfaces: Vec<MediaInterface> = all.collect();
        interfaces.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        interfaces
    }

    /// Why interfaces that carry media go without.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        self.left_out.values().map(String::as_str)
    }

    /// Attaches the program to interfaces that have come, and forgets those that are gone.
    ///
    /// # Errors
    /// The last refusal of the kernel that is not about one interface. All interfaces were tried.
    pub fn follow(&mut self, path: &FastPath) -> Result<(), KernelError> {
        let named = |source: io::Error| KernelError::System { step: Step::Interface, source };
        let present = interfaces::carrying(&self.addresses).map_err(named)?;
        self.forget_gone(path, &present);
        let mut refusal = None;
        for (index, name) in present {
            if self.attached.contains_key(&index) || self.left_out.contains_key(&index) {
                continue;
            }
            if self.attached.len() >= INTERFACES_MAX {
                self.leave_out(
                    index,
                    format!("{name} is one interface more than {INTERFACES_MAX}"),
                );
                continue;
            }
            match path.link(&name, Hook::Tc) {
                Ok(link) => {
                    let interface = self.drive(path, name);
                    self.attached.insert(index, Attached { interface, link });
                }
                Err(error) => {
                    self.leave_out(index, error.to_string());
                    let is_its_own = matches!(
                        error,
                        KernelError::NotEthernet { .. } | KernelError::NoInterface { .. }
                    );
                    refusal = if is_its_own { refusal } else { Some(error) };
                }
            }
        }
        self.meters.attached.store(self.attached.len() as u32, Relaxed);
        self.meters.left_out.store(self.left_out.len() as u32, Relaxed);
        refusal.map_or(Ok(()), Err)
    }

    /// Attaches the XDP hook to an interface that has the tc hook, where the settings ask for it and the driver can.
    fn drive(&mut self, path: &FastPath, name: String) -> MediaInterface {
        let (hook, why_not_xdp) = match &mut self.drivers {
            None => (Hook::Tc, None),
            Some(Err(error)) => (Hook::Tc, Some(error.to_string())),
            Some(Ok(drivers)) => match drivers.attach(path, &name) {
                Ok(()) => (drivers.hook(), None),
                Err(error) => (Hook::Tc, Some(error.to_string())),
            },
        };
        MediaInterface { name, hook: hook.name(), why_not_xdp }
    }

    fn forget_gone(&mut self, path: &FastPath, present: &BTreeMap<u32, String>) {
        self.left_out.retain(|index, _| present.contains_key(index));
        let Self { attached, drivers, .. } = self;
        let mut drivers = drivers.as_mut().and_then(|drivers| drivers.as_mut().ok());
        attached.retain(|index, attached| {
            let is_there = syscall::link_interface(&attached.link).is_ok_and(|on| on == *index);
            if !is_there {
                path.forget_link(*index, Hook::Tc);
                if let Some(drivers) = drivers.as_deref_mut() {
                    drivers.forget(path, *index);
                }
            }
            is_there
        });
    }

    /// What was left out is bounded by what the kernel lists.
    fn leave_out(&mut self, index: u32, reason: String) {
        self.left_out.insert(index, reason);
    }
}

/// Interfaces with the program; each is an open file and a link in the kernel.
const INTERFACES_MAX: usize = 256;
