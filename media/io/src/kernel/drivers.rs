//! The XDP hook of media interfaces: which have it, and what their drivers can do at this moment.
//!
//! ```text
//!   tc attached --(basic, redirect)--> XDP attached --(ndo_xmit)--> in use <--> does not send
//!        ^                |                   |                        (a look each second, and at news)
//!        +-- the reason --+-------------------+
//! ```
//!
//! The tc hook stays below, so an interface without XDP, or one that stops to send, loses speed and no packet. Whether
//! a driver sends frames from this hook is looked at after it has the program: many switch it on with that. It is
//! looked at again and again, because a veth end stops when its peer loses its program or GRO, and would drop
//! every frame without a word.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use super::error::{KernelError, Step};
use super::fast_path::{FastPath, Hook, ethernet_index};
use super::layout::Interface;
use super::link::Links;
use super::netdev::{Features, Netdev};

/// The interfaces with the program at their XDP hook.
#[derive(Debug)]
pub(super) struct Drivers {
    /// `None` in generic mode, which needs nothing of a driver.
    netdev: Option<Netdev>,
    links: Links,
    hook: Hook,
    attached: BTreeMap<u32, OwnedFd>,
}

impl Drivers {
    /// For [`Hook::XdpNative`] or [`Hook::XdpGeneric`]. Loads the program.
    pub fn open(path: &mut FastPath, hook: Hook) -> Result<Self, KernelError> {
        let system = |source| KernelError::System { step: Step::Interface, source };
        let netdev = (hook == Hook::XdpNative).then(Netdev::open).transpose().map_err(system)?;
        let links = Links::open().map_err(system)?;
        path.load_xdp(hook)?;
        Ok(Self { netdev, links, hook, attached: BTreeMap::new() })
    }

    /// Where the program runs on the interfaces that have it.
    pub const fn hook(&self) -> Hook {
        self.hook
    }

    /// Attaches the program to the XDP hook of an interface, whose driver has to do all that the program needs.
    ///
    /// # Errors
    /// The reason that it cannot; the interface is then without XDP.
    pub fn attach(&mut self, path: &FastPath, name: &str) -> Result<(), KernelError> {
        let index = ethernet_index(name)?;
        let attached = self
            .require(index, name, &[(Features::BASIC, "basic"), (Features::REDIRECT, "redirect")])
            .and_then(|()| path.link(name, self.hook))
            .and_then(|link| {
                self.require(index, name, &[(Features::NDO_XMIT, "ndo_xmit")])?;
                self.enter(path, index, name)?;
                Ok(link)
            });
        match attached {
            Ok(link) => {
                self.attached.insert(index, link);
                Ok(())
            }
            Err(error) => {
                path.forget_link(index, self.hook);
                Err(error)
            }
        }
    }

    /// Forgets an interface that is gone.
    pub fn forget(&mut self, path: &FastPath, index: u32) {
        if self.attached.remove(&index).is_some() {
            path.forget_link(index, self.hook);
        }
    }

    /// Looks at every interface again.
    pub fn refresh(&mut self, path: &FastPath) {
        if let Some(netdev) = &self.netdev {
            netdev.drain();
        }
        let indexes: Vec<u32> = self.attached.keys().copied().collect();
        for index in indexes {
            if let Some(interface) = self.look(index) {
                // Its place is its own since it was entered.
                let _ = path.set_interface(&interface);
            } else {
                path.clear_interface(index);
            }
        }
    }

    /// Readable when a driver's abilities have changed.
    pub fn socket(&self) -> Option<&OwnedFd> {
        self.netdev.as_ref().and_then(Netdev::socket)
    }

    fn require(
        &mut self,
        index: u32,
        name: &str,
        wanted: &[(Features, &str)],
    ) -> Result<(), KernelError> {
        let Some(netdev) = &mut self.netdev else { return Ok(()) };
        let found = netdev.features(index);
        let found =
            found.map_err(|source| KernelError::System { step: Step::Interface, source })?;
        let missing: Vec<&str> = wanted
            .iter()
            .filter(|(feature, _)| !found.has(*feature))
            .map(|(_, word)| *word)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(KernelError::NoXdpFeatures { name: name.to_owned(), missing: missing.join(", ") })
    }

    /// Tells the program about an interface.
    pub(super) fn enter(
        &mut self,
        path: &FastPath,
        index: u32,
        name: &str,
    ) -> Result<(), KernelError> {
        let missing = || KernelError::NoInterface { name: name.to_owned() };
        let interface = self.look(index).ok_or_else(missing)?;
        if path.set_interface(&interface) {
            return Ok(());
        }
        Err(KernelError::NoXdpPlace { name: name.to_owned(), index })
    }

    fn look(&mut self, index: u32) -> Option<Interface> {
        let link = self.links.find(index)?;
        let sends = match &mut self.netdev {
            Some(netdev) => netdev.features(index).ok()?.has(Features::NDO_XMIT),
            None => true,
        };
        Some(Interface { index, link: link.address, mtu: link.mtu, sends })
    }
}
