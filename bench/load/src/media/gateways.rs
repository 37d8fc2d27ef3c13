//! The gateways of a comparison, one on each backend. Shell.

use std::path::{Path, PathBuf};

use super::contender::Contender;
use super::product::{Place, Product, Tiers};
use super::relay::SetupError;
use super::site::Addresses;
use crate::endpoint::Trouble;

/// The gateway on each backend, without the fast path; where it does not start, every scenario states the reason.
///
/// The gateway with the fast path runs in its own rounds only: its program sees every packet of the
/// interface, which would make all others slower.
pub(super) struct Gateways {
    binary: Result<PathBuf, String>,
    cpu: usize,
    addresses: Addresses,
    io_uring: Result<Product, String>,
    portable: Result<Product, String>,
}

impl Gateways {
    pub fn start(binary: Result<&Path, &Trouble>, cpu: usize, addresses: Addresses) -> Self {
        let binary = binary.map(Path::to_path_buf).map_err(ToString::to_string);
        let start = |backend, address| {
            let tiers = Tiers { backend, fast_path: "off" };
            Product::start(binary.as_ref()?, tiers, Place { address, cpu: Some(cpu) })
                .map_err(|error| error.to_string())
        };
        let io_uring = start("io_uring", addresses.io_uring);
        let portable = start("portable", addresses.portable);
        Self { io_uring, portable, binary, cpu, addresses }
    }

    /// The gateway with the fast path.
    pub fn start_below(&self) -> Result<Product, SetupError> {
        let binary = self.binary.as_ref().map_err(Clone::clone)?;
        let tiers = Tiers { backend: "io_uring", fast_path: "tc" };
        let place = Place { address: self.addresses.passing, cpu: Some(self.cpu) };
        Product::start(binary, tiers, place)
    }

    pub fn of(&mut self, contender: Contender) -> Result<&mut Product, SetupError> {
        let gateway = match contender {
            Contender::IoUring => &mut self.io_uring,
            Contender::Portable => &mut self.portable,
            Contender::NoRelay
            | Contender::BareLoop
            | Contender::Tc
            | Contender::TcGiven
            | Contender::IoUringOneByOne
            | Contender::Rtpengine => {
                return Err(format!("{} is no gateway", contender.name()).into());
            }
        };
        gateway.as_mut().map_err(|error| error.clone().into())
    }
}
