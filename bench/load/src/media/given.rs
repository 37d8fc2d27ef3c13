//! The kernel's tier without a gateway: legs that the bench itself gives to the program at the tc hook. Shell.
//!
//! A leg of the program needs no socket, so that their number is bounded by memory alone: a gateway has 8,192 legs a core
//! at most, and a process as many sockets as it may open files. Program, entries and rules are those of the gateway;
//! nothing latches, nothing reads figures, and what the program does not relay is lost.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use io::kernel::{Excluded, FastPath, FastPathConfig, Hook, Rule};
use plane::RelayStream;
use rustix::net::netdevice::name_to_index;
use shared::{Instant, MediaPort};

use super::generator::First;
use super::relay::{Relay, Setup, SetupError, tried};
use super::site::Site;
use crate::schedstat::Thread;

/// The program with all legs given; detached when dropped.
pub(super) struct Given {
    path: FastPath,
    ports: Vec<MediaPort>,
    targets: Vec<SocketAddr>,
}

impl Given {
    /// Attaches the program to the site's interface and gives a leg for each stream.
    ///
    /// # Errors
    /// The kernel refuses the program, or there are too few ports.
    pub fn start(site: &Site, setup: &Setup) -> Result<Self, SetupError> {
        let addresses: Vec<IpAddr> =
            site.addresses().given.iter().map(|address| IpAddr::V4(*address)).collect();
        let config = FastPathConfig { addresses: addresses.clone(), ports: PORTS, pins: None };
        let mut path = FastPath::open(&config)?;
        path.attach(site.interface(), Hook::Tc)?;
        path.renew(Instant::from_nanos(u64::MAX));
        let address_of =
            |port: &MediaPort| SocketAddr::new(addresses[usize::from(port.address)], port.rtp);
        let ports = ports(setup.streams, addresses.len()).ok_or("too few ports")?;
        let targets: Vec<SocketAddr> = ports.iter().map(address_of).collect();
        let given = Self { path, ports, targets };
        let interface = interface_index(site)?;
        for stream in 0..setup.streams {
            let (rule, numbers) = given.rule(stream, setup, interface);
            given.entry(stream)?.give(&rule, &numbers)?;
        }
        Ok(given)
    }

    /// Everything is mapped by 0, since nothing else sends as a leg.
    fn rule(&self, stream: usize, setup: &Setup, interface: u32) -> (Rule, RelayStream) {
        let first = First::of(stream);
        let next = 0x1_0000 + u32::from(first.sequence);
        let [codec, out_codec] = [setup.codecs[stream % 2], setup.codecs[(stream + 1) % 2]];
        let is_on_loopback = setup.parties.ip().is_loopback();
        let rule = Rule {
            source: setup.parties,
            local: self.targets[stream].ip(),
            out_source: self.targets[stream ^ 1],
            out_destination: setup.parties,
            interface,
            next_hop: (!is_on_loopback).then(|| setup.parties.ip()),
            link_address: [0; 6],
            ssrc: first.ssrc,
            out_ssrc: first.ssrc ^ u32::MAX,
            payload_type: codec.static_payload_type(),
            out_payload_type: out_codec.static_payload_type(),
            codec,
            out_codec,
            delta_sequence: 0,
            delta_timestamp: 0,
            dscp: 46,
            forged: Excluded::Dropped,
            other_ssrc: Excluded::Up,
        };
        let timestamp = first.timestamp;
        let numbers = RelayStream { next, highest: next - 1, timestamp, transit: 0, jitter_16: 0 };
        (rule, numbers)
    }

    fn entry(&self, stream: usize) -> Result<io::kernel::Entry<'_>, SetupError> {
        let port = self.ports.get(stream).ok_or("too few ports")?;
        Ok(self.path.entry(*port).ok_or("a port has no leg")?)
    }
}

impl Relay for Given {
    fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    fn threads(&self) -> &[Thread] {
        &[]
    }

    fn packets_below(&self) -> Result<Option<u64>, String> {
        let packets = |stream| self.entry(stream).map(|entry| u64::from(entry.figures().packets));
        let sum = (0..self.ports.len()).map(packets).sum::<Result<u64, SetupError>>();
        sum.map(Some).map_err(|error| error.to_string())
    }
}

/// As those of the gateways.
const PORTS: RangeInclusive<u16> = 8_000..=19_999;

/// Ports of the streams, address by address.
fn ports(streams: usize, addresses: usize) -> Option<Vec<MediaPort>> {
    let all = (0..addresses)
        .filter_map(|address| u8::try_from(address).ok())
        .flat_map(|address| PORTS.step_by(2).map(move |rtp| MediaPort { address, rtp }));
    let ports: Vec<MediaPort> = all.take(streams).collect();
    (ports.len() == streams).then_some(ports)
}

fn interface_index(site: &Site) -> Result<u32, SetupError> {
    let socket = std::net::UdpSocket::bind((site.addresses().passing, 0));
    let socket = socket.map_err(tried("opening a socket"))?;
    Ok(name_to_index(&socket, site.interface())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_full_before_the_next_begins() {
        let ports = ports(6_001, 2).expect("enough");
        assert_eq!(ports[5_999], MediaPort { address: 0, rtp: 19_998 });
        assert_eq!(ports[6_000], MediaPort { address: 1, rtp: 8_000 });
        assert_eq!(super::ports(12_001, 2), None);
    }
}
