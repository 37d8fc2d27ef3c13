//! Media ports: their division among cores, the overlap with ephemeral ports, and opening them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shared::{CoreId, MediaPort};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::IoConfig;
use crate::report::{StartError, StartNote};

/// Options of media sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marking {
    dscp: u8,
    receive_buffer_bytes: usize,
}

impl Marking {
    pub const fn of(config: &IoConfig) -> Self {
        Self { dscp: config.dscp, receive_buffer_bytes: config.receive_buffer_bytes }
    }
}

/// Result of opening one core's share.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The ports, in the order in which their sockets were installed.
    pub ports: Vec<MediaPort>,
    pub notes: Vec<StartNote>,
}

/// Divides the range: core `i` of `cores` gets a block of neighbouring ports on every address.
pub(crate) fn share(
    ports: &RangeInclusive<u16>,
    addresses: usize,
    cores: usize,
) -> Vec<Vec<MediaPort>> {
    let first_even = u32::from(*ports.start()).next_multiple_of(2);
    let last_odd = u32::from(*ports.end());
    let even: Vec<u16> =
        (first_even..last_odd).step_by(2).filter_map(|p| p.try_into().ok()).collect();
    let block = even.len().div_ceil(cores.max(1)).max(1);
    let mut shares = vec![Vec::new(); cores];
    for (share, block) in shares.iter_mut().zip(even.chunks(block)) {
        for address in (0..addresses).filter_map(|index| u8::try_from(index).ok()) {
            share.extend(block.iter().map(|&rtp| MediaPort { address, rtp }));
        }
        share.truncate(PORTS_MAX);
    }
    shares
}

/// Refuses a range that the kernel assigns to outgoing connections, unless all of it is reserved.
pub(crate) fn check_ephemeral(ports: &RangeInclusive<u16>) -> Result<(), StartError> {
    let read = |name| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    overlap(ports, &read("ip_local_port_range"), &read("ip_local_reserved_ports"))
}

/// As [`check_ephemeral`], on the texts of the two kernel settings. Texts that do not parse count as no
/// overlap.
fn overlap(ports: &RangeInclusive<u16>, ephemeral: &str, reserved: &str) -> Result<(), StartError> {
    let mut bounds = ephemeral.split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(low)), Some(Ok(high))) = (bounds.next(), bounds.next()) else { return Ok(()) };
    let reserved: Vec<RangeInclusive<u16>> = reserved.split(',').filter_map(parse_range).collect();
    let first = *ports.start().max(&low);
    let last = *ports.end().min(&high);
    let all_reserved =
        (first..=last).all(|port| reserved.iter().any(|range| range.contains(&port)));
    if all_reserved {
        return Ok(());
    }
    Err(StartError::EphemeralOverlap { first: *ports.start(), last: *ports.end(), low, high })
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
}

/// RTP ports that one core can number.
const PORTS_MAX: usize = 65_000;

/// Raises the soft limit of open files to the hard one; answers the limit that then holds.
pub(crate) fn raise_files_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Opens a core's share, port by port, and passes each RTP socket to `install` with its index. Skips busy
/// ports and stops at the limit of open files, each with a note.
///
/// # Errors
/// An address that this machine does not have, a port that may not be bound, or no port at all.
pub(crate) fn open_share(
    core: CoreId,
    share: &[MediaPort],
    config: &IoConfig,
    files_max: u64,
    ports_max: usize,
    mut install: impl FnMut(usize, Socket) -> io::Result<()>,
) -> Result<Opened, StartError> {
    let mut opened = Opened { ports: Vec::with_capacity(share.len()), notes: Vec::new() };
    let mut busy: Vec<u16> = Vec::new();
    let mut out_of_files = false;
    // All checks come before the first socket that stays: the kernel frees closed sockets some time later, and
    // memory pages shared between lasting and passing sockets would stay half used.
    let looks: Vec<io::Result<()>> = share.iter().map(|port| look_at_rtcp(*port, config)).collect();
    for (&port, look) in share.iter().zip(looks) {
        if opened.ports.len() == ports_max || out_of_files {
            out_of_files = true;
            break;
        }
        let Some(&address) = config.addresses.get(usize::from(port.address)) else { continue };
        let rtp = SocketAddr::new(address, port.rtp);
        match look.and_then(|()| open_socket(rtp, Marking::of(config))) {
            Ok(socket) => {
                install(opened.ports.len(), socket).map_err(|source| StartError::System {
                    core,
                    what: "installing a socket",
                    source,
                })?;
                opened.ports.push(port);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::AddrInUse => busy.push(port.rtp),
                io::ErrorKind::AddrNotAvailable => {
                    return Err(StartError::AddressUnavailable { address, source: error });
                }
                _ if is_file_limit(&error) => out_of_files = true,
                _ => return Err(StartError::Bind { address, port: port.rtp, source: error }),
            },
        }
    }
    note_what_is_missing(core, share.len(), files_max, &busy, out_of_files, &mut opened);
    if opened.ports.is_empty() {
        let (first, last) = (*config.ports.start(), *config.ports.end());
        return Err(StartError::AllPortsBusy { first, last });
    }
    Ok(opened)
}

fn note_what_is_missing(
    core: CoreId,
    wanted: usize,
    files_max: u64,
    busy: &[u16],
    out_of_files: bool,
    opened: &mut Opened,
) {
    if let Some(&first) = busy.first() {
        opened.notes.push(StartNote::PortsBusy { core, count: busy.len(), first });
    }
    if out_of_files {
        let opened_count = opened.ports.len();
        let note = StartNote::FewerPorts { core, opened: opened_count, wanted, files_max };
        opened.notes.push(note);
    }
}

fn is_file_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Opens and closes the RTCP socket of a port, to check that a leg can open it: see `rtcp.rs`.
fn look_at_rtcp(port: MediaPort, config: &IoConfig) -> io::Result<()> {
    let Some(&address) = config.addresses.get(usize::from(port.address)) else { return Ok(()) };
    let rtcp_port = port.rtp.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
    open_socket(SocketAddr::new(address, rtcp_port), Marking::of(config)).map(drop)
}

/// A bound socket with the port to itself.
pub(crate) fn open_socket(address: SocketAddr, marking: Marking) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let class = u32::from(marking.dscp.min(63)) << 2;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        // The mark is optional: calls work where a kernel or a sandbox refuses it.
        let _ = socket.set_tclass_v6(class);
    } else {
        let _ = socket.set_tos_v4(class);
        // Audio packets are never long enough to be fragmented. Allowing it would cost each datagram an identification
        // from a shared table (RFC 6864 §4.1); a packet too long for the link is refused instead, and counted.
        let _ = set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE);
    }
    let _ = socket.set_recv_buffer_size(marking.receive_buffer_bytes);
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::ip_mtu_discover;

    use super::*;

    #[test]
    fn every_socket_marks_what_it_sends_and_has_it_whole() {
        for dscp in [46, 0, 10] {
            let marking = Marking::of(&IoConfig { dscp, ..IoConfig::default() });
            let address = SocketAddr::from(([127, 0, 0, 1], 0));
            let socket = open_socket(address, marking).expect("a free port");
            assert_eq!(socket.tos_v4().expect("it can be read"), u32::from(dscp) << 2);
            assert_eq!(ip_mtu_discover(&socket), Ok(Ipv4PathMtuDiscovery::PROBE));
            let address = (std::net::Ipv6Addr::LOCALHOST, 0).into();
            let Ok(socket) = open_socket(address, marking) else {
                eprintln!("this machine has no IPv6 loopback: not tested");
                continue;
            };
            assert_eq!(socket.tclass_v6().expect("it can be read"), u32::from(dscp) << 2);
        }
    }

    #[test]
    fn ports_are_shared_out_without_overlap_and_every_rtcp_port_is_inside() {
        let shares = share(&(10_001..=10_020), 2, 3);
        let mut all: Vec<MediaPort> = shares.iter().flatten().copied().collect();
        assert!(all.iter().all(|port| port.rtp % 2 == 0 && (10_002..=10_019).contains(&port.rtp)));
        let count = all.len();
        all.sort_by_key(|port| (port.address, port.rtp));
        all.dedup();
        assert_eq!((count, all.len()), (18, 18));
        assert!(shares.iter().all(|share| share.len() == 6));
    }

    #[test]
    fn the_last_port_of_all_is_no_rtp_port() {
        assert_eq!(share(&(65_534..=65_535), 1, 1)[0].len(), 1);
        assert!(share(&(65_535..=65_535), 1, 1)[0].is_empty());
        assert!(share(&(10..=10), 1, 1)[0].is_empty());
    }

    #[test]
    fn a_range_inside_the_ephemeral_ports_is_refused_unless_reserved() {
        let range = 40_000..=40_009;
        assert!(overlap(&range, "32768\t60999\n", "\n").is_err());
        assert!(overlap(&range, "32768\t60999\n", "40000-40009\n").is_ok());
        assert!(overlap(&range, "32768\t60999\n", "5060,40000-40004,40005-40009").is_ok());
        assert!(overlap(&range, "32768\t60999\n", "40000-40008").is_err());
    }

    #[test]
    fn a_range_outside_the_ephemeral_ports_is_taken() {
        assert!(overlap(&(10_000..=19_999), "32768 60999", "").is_ok());
        assert!(overlap(&(61_000..=65_535), "32768 60999", "").is_ok());
        assert!(overlap(&(10_000..=19_999), "", "").is_ok());
    }
}
