//! The way between parties and relays: loopback, or a veth pair between two network namespaces. Shell.
//!
//! ```text
//!   loopback   parties -- lo -- relay
//!   veth       [parties] p -- gw [relay, its SIP and its webhooks]
//! ```
//!
//! A packet crosses the pair twice, once each way. All work is done inside the relay's namespace (see [`Site::run`]);
//! the parties' socket alone is in the other one. The pair is new in each run of the bench, because one on which XDP was
//! attached and detached may pass nothing afterwards.

use std::net::{Ipv4Addr, UdpSocket};

use super::generator::parties_socket;
use super::relay::{SetupError, tried};
use crate::endpoint::Trouble;
use crate::namespace::Namespace;

/// Where a scenario is measured.
pub(crate) enum Site {
    /// One namespace, that of the bench.
    Loopback,
    /// Two namespaces that the bench made.
    Veth(Pair),
}

/// Both ends of a veth pair.
pub(crate) struct Pair {
    pub(super) relay: Namespace,
    pub(super) parties: Namespace,
}

/// Local addresses of relays. Each gateway that stays up has one of its own and so the whole range of ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub parties: Ipv4Addr,
    pub io_uring: Ipv4Addr,
    pub portable: Ipv4Addr,
    /// Relays that run in their own rounds only. The gateway with the fast path has its program attached where an
    /// interface has this address; on loopback that is 127.0.0.1 alone.
    pub passing: Ipv4Addr,
    /// Those of legs without a gateway. More addresses are more ports.
    pub given: &'static [Ipv4Addr],
}

const LOOPBACK: Addresses = Addresses {
    parties: Ipv4Addr::LOCALHOST,
    given: &[Ipv4Addr::LOCALHOST],
    io_uring: Ipv4Addr::new(127, 0, 0, 2),
    portable: Ipv4Addr::new(127, 0, 0, 3),
    passing: Ipv4Addr::LOCALHOST,
};

const VETH: Addresses = Addresses {
    parties: Ipv4Addr::new(10, 79, 0, 2),
    given: &[
        Ipv4Addr::new(10, 79, 0, 1),
        Ipv4Addr::new(10, 79, 0, 5),
        Ipv4Addr::new(10, 79, 0, 6),
        Ipv4Addr::new(10, 79, 0, 7),
    ],
    io_uring: Ipv4Addr::new(10, 79, 0, 3),
    portable: Ipv4Addr::new(10, 79, 0, 4),
    passing: Ipv4Addr::new(10, 79, 0, 1),
};

impl Site {
    /// Makes the namespaces and the pair.
    ///
    /// # Errors
    /// This process may not, or iproute2 is missing.
    pub fn veth() -> Result<Self, Trouble> {
        let pair = Pair::new()?;
        let Addresses { given, io_uring, portable, .. } = VETH;
        for address in given.iter().chain([&io_uring, &portable]) {
            pair.relay.ip(&format!("addr add {address}/24 dev {GATEWAY}"))?;
        }
        pair.parties.ip(&format!("addr add {}/24 dev {PARTIES}", VETH.parties))?;
        Ok(Self::Veth(pair))
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Veth(_) => "veth",
        }
    }

    /// The interface by which packets reach relays.
    pub(super) const fn interface(&self) -> &'static str {
        match self {
            Self::Loopback => "lo",
            Self::Veth(_) => GATEWAY,
        }
    }

    pub(super) const fn addresses(&self) -> Addresses {
        match self {
            Self::Loopback => LOOPBACK,
            Self::Veth(_) => VETH,
        }
    }

    /// Runs a job where relays run.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    pub fn run<R: Send>(&self, job: impl FnOnce() -> R + Send) -> Result<R, Trouble> {
        match self {
            Self::Loopback => Ok(job()),
            Self::Veth(pair) => pair.relay.run(job),
        }
    }

    /// The socket of all parties.
    ///
    /// # Errors
    /// The system refuses it.
    pub(super) fn parties_socket(&self) -> Result<UdpSocket, SetupError> {
        let address = self.addresses().parties;
        let socket = match self {
            Self::Loopback => parties_socket(address),
            Self::Veth(pair) => pair.parties.run(|| parties_socket(address))?,
        };
        socket.map_err(tried("opening the parties' socket"))
    }

    /// A socket at the relay's end of the way; `None` where that is the parties' own end.
    ///
    /// # Errors
    /// The system refuses it.
    pub(super) fn far_socket(&self) -> Result<Option<UdpSocket>, SetupError> {
        match self {
            Self::Loopback => Ok(None),
            Self::Veth(pair) => {
                let socket = pair.relay.run(|| parties_socket(VETH.passing))?;
                Ok(Some(socket.map_err(tried("opening a socket at the relay's end"))?))
            }
        }
    }
}

impl Pair {
    /// Makes the namespaces and the pair, without addresses.
    ///
    /// # Errors
    /// This process may not, or iproute2 is missing.
    pub(super) fn new() -> Result<Self, Trouble> {
        let (relay, parties) = (Namespace::new()?, Namespace::new()?);
        relay.join(GATEWAY, PARTIES, &parties)?;
        Ok(Self { relay, parties })
    }
}

/// Names of the two interfaces.
pub(super) const GATEWAY: &str = "gw";
pub(super) const PARTIES: &str = "p";
