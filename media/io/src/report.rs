//! Messages of the start: errors that stop it, and notes on parts that run with less than asked. Each is a
//! sentence with its remedy.

use std::fmt;
use std::io;
use std::net::IpAddr;

use shared::CoreId;

/// Reasons that the media side did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No local address.
    #[error("media.addresses is empty: name at least one local address, or 0.0.0.0 for all")]
    NoAddress,
    /// More addresses than a [`shared::MediaPort`] can name.
    #[error("media.addresses has {count} entries, more than 256: name fewer")]
    TooManyAddresses {
        /// Entries of the setting.
        count: usize,
    },
    /// No even port with its odd neighbour in the range.
    #[error(
        "media.ports {first}-{last} holds no even port followed by its odd neighbour for each of \
         {cores} media cores: widen it, for example to 10000-19999"
    )]
    NoPorts {
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
        /// Media cores that need ports.
        cores: usize,
    },
    /// The kernel could give these ports to any outgoing connection.
    #[error(
        "media.ports {first}-{last} overlaps the kernel's ephemeral ports {low}-{high}: any outgoing \
         connection could take a call's port. Choose a range outside, or reserve it: \
         sysctl -w net.ipv4.ip_local_reserved_ports={first}-{last}"
    )]
    EphemeralOverlap {
        /// First port of the setting.
        first: u16,
        /// Last port of the setting.
        last: u16,
        /// First ephemeral port.
        low: u16,
        /// Last ephemeral port.
        high: u16,
    },
    /// An address of the settings is not on this machine.
    #[error("media.addresses names {address}, which is not an address of this machine: {source}")]
    AddressUnavailable {
        /// The address.
        address: IpAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// A port could not be bound for another reason than being taken.
    #[error(
        "cannot open UDP port {port} on {address} ({source}): ports below 1024 need \
         CAP_NET_BIND_SERVICE; choose media.ports above 1023"
    )]
    Bind {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// What the kernel said.
        source: io::Error,
    },
    /// Other processes hold every port of a core's share.
    #[error(
        "all ports of media.ports {first}-{last} are taken by other processes: another gateway may \
         be running (ss -ulpn shows it); stop it or choose another range"
    )]
    AllPortsBusy {
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
    },
    /// io_uring was asked for and does not work here.
    #[error("media.backend is io_uring, but {reason}; or set media.backend to auto or portable")]
    IoUringDenied {
        /// The fault and its remedy.
        reason: String,
    },
    /// `media.fast_path` requires the fast path, which does not work here.
    #[error("media.fast_path is {choice}, but {reason}; or set media.fast_path to auto or off")]
    FastPathDenied {
        /// The setting.
        choice: &'static str,
        /// The fault and its remedy.
        reason: String,
    },
    /// More cores than one process can have.
    #[error(
        "{wanted} media cores are more than the {max} that one process can have: list fewer in media.cores"
    )]
    TooManyCores {
        /// Cores asked for.
        wanted: usize,
        /// Maximum.
        max: usize,
    },
    /// The kernel refused something a core needs.
    #[error("media core {core}: {what}: {source}", core = core.0)]
    System {
        /// The core.
        core: CoreId,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A core ended while it started.
    #[error("media core {core} ended while it started: this is a fault of the gateway, please report it", core = core.0)]
    CoreDied {
        /// The core.
        core: CoreId,
    },
}

/// A part that was started with less than asked. Prints as a sentence with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartNote {
    /// io_uring does not work here.
    Portable {
        /// The fault and its remedy.
        reason: String,
    },
    /// Bridged legs stay in user space.
    NoFastPath {
        /// The fault and its remedy.
        reason: String,
    },
    /// A core runs unpinned, on any CPU.
    Unpinned {
        /// The core.
        core: CoreId,
        /// The CPU of the setting.
        cpu: usize,
    },
    /// Other processes hold some ports, which are left out.
    PortsBusy {
        /// The core that missed them.
        core: CoreId,
        /// Number of RTP ports.
        count: usize,
        /// The first of them.
        first: u16,
    },
    /// The limit of open files lets a core have fewer ports.
    FewerPorts {
        /// The core.
        core: CoreId,
        /// RTP ports it has.
        opened: usize,
        /// RTP ports in its share of the range.
        wanted: usize,
        /// The limit that stopped it.
        files_max: u64,
    },
}

impl fmt::Display for StartNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Portable { reason } => {
                write!(f, "media runs on the portable backend (epoll): {reason}")
            }
            Self::NoFastPath { reason } => {
                write!(f, "bridged calls are relayed in user space: {reason}")
            }
            Self::Unpinned { core, cpu } => write!(
                f,
                "media core {} is not pinned: CPU {cpu} is not one this process may use; \
                 list others in media.cores, or allow it (taskset, cpuset, CAP_SYS_NICE)",
                core.0
            ),
            Self::PortsBusy { core, count, first } => write!(
                f,
                "media core {} leaves out {count} RTP port(s) that other processes hold, {first} \
                 the first (ss -ulpn shows who); free them or move media.ports",
                core.0
            ),
            Self::FewerPorts { core, opened, wanted, files_max } => write!(
                f,
                "media core {} has {opened} of {wanted} ports: the limit of open files is \
                 {files_max}; raise it (ulimit -Hn, LimitNOFILE=) or narrow media.ports",
                core.0
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_names_the_command_that_repairs_it() {
        let error =
            StartError::EphemeralOverlap { first: 40_000, last: 40_999, low: 32_768, high: 60_999 };
        assert!(error.to_string().contains("net.ipv4.ip_local_reserved_ports=40000-40999"));
    }
}
