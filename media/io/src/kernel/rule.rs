//! What the program does with the packets of one leg, as a value. Sans-IO.

use std::net::{IpAddr, SocketAddr};

use plane::RelayRule;
use shared::Codec;

/// How to relay the audio of one party to its peer: an affine map of the numbers, fixed addresses, one payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where the party sends from: the source that the leg is locked to.
    pub source: SocketAddr,
    /// The local address that it sends to. The port is that of the leg.
    pub local: IpAddr,
    /// The local address and port that the peer knows.
    pub out_source: SocketAddr,
    /// The peer's address.
    pub out_destination: SocketAddr,
    /// Index of the interface that leads to the peer.
    pub interface: u32,
    /// Neighbour on that interface to send to. `None`: the kernel looks up a route for each packet, which costs 0.1 to
    /// 0.6 µs; on loopback there is no other way.
    pub next_hop: Option<IpAddr>,
    /// Its link-layer address, for the XDP hook; at the tc hook the kernel finds it. All zero: not known, and the packets
    /// take the tc hook.
    pub link_address: [u8; 6],
    /// SSRC of the party's stream.
    pub ssrc: u32,
    /// SSRC of the stream that the peer gets.
    pub out_ssrc: u32,
    /// Payload type of the party's audio. Packets with any other go up.
    pub payload_type: u8,
    /// Payload type that the peer gets.
    pub out_payload_type: u8,
    /// Codec of the party's audio.
    pub codec: Codec,
    /// Codec of the peer's audio.
    pub out_codec: Codec,
    /// Added to each sequence number.
    pub delta_sequence: u16,
    /// Added to each timestamp.
    pub delta_timestamp: u32,
    /// Differentiated services code point of what leaves, 0 to 63.
    pub dscp: u8,
    /// What becomes of packets from another source than `source`.
    pub forged: Excluded,
    /// What becomes of audio with another SSRC than `ssrc`.
    pub other_ssrc: Excluded,
}

/// Where a packet goes that the rule excludes. It is counted in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// To the gateway's socket, where the leg's latch decides.
    Up,
    /// Nowhere.
    Dropped,
}

/// Reasons that a rule cannot run in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// The program keeps the IP header's length.
    #[error("one side has IPv4 and the other IPv6")]
    MixedFamilies,
    /// The numbers of a stream follow from those of the party by one constant.
    #[error("the party's newest packet is not the last that was sent by this map")]
    Numbers,
    /// No packet has it: payload types have seven bits.
    #[error("payload type {0} is above 127")]
    PayloadType(u8),
}

/// What the plane does not know of a leg's packets: addresses behind its ports, the way out, the marking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The local address that the party sends to. Never unspecified.
    pub local: IpAddr,
    /// The local address that the peer knows. Never unspecified.
    pub out_local: IpAddr,
    /// Index of the interface that leads to the peer.
    pub interface: u32,
    /// Neighbour on that interface to send to; `None` on loopback.
    pub next_hop: Option<IpAddr>,
    /// Its link-layer address; all zero where none is known or needed.
    pub link_address: [u8; 6],
    /// Differentiated services code point.
    pub dscp: u8,
}

impl Rule {
    /// The plane's rule on its route. The restart of a stream is the plane's to decide, and the latch while it may move.
    pub fn of(rule: &RelayRule, route: &Route) -> Self {
        Self {
            source: rule.source,
            local: route.local,
            out_source: SocketAddr::new(route.out_local, rule.out_port.rtp),
            out_destination: rule.out_destination,
            interface: route.interface,
            next_hop: route.next_hop,
            link_address: route.link_address,
            ssrc: rule.ssrc,
            out_ssrc: rule.out_ssrc,
            payload_type: rule.payload_type,
            out_payload_type: rule.out_payload_type,
            codec: rule.codec,
            out_codec: rule.out_codec,
            delta_sequence: rule.delta_sequence,
            delta_timestamp: rule.delta_timestamp,
            dscp: route.dscp,
            forged: if rule.others_go_up { Excluded::Up } else { Excluded::Dropped },
            other_ssrc: Excluded::Up,
        }
    }

    /// The IP version of all addresses.
    ///
    /// # Errors
    /// [`Ineligible::MixedFamilies`] when they differ.
    pub fn family(&self) -> Result<Family, Ineligible> {
        let next_hop = self.next_hop.map(|address| address.to_canonical());
        let [family, ..] = self.addresses().map(Family::of);
        let mut all = self.addresses().into_iter().chain(next_hop).map(Family::of);
        if all.all(|other| other == family) { Ok(family) } else { Err(Ineligible::MixedFamilies) }
    }

    /// Source, local address, and both of what leaves. IPv4 in the guise of IPv6 is IPv4, as on the wire.
    pub(super) fn addresses(&self) -> [IpAddr; 4] {
        [self.source.ip(), self.local, self.out_source.ip(), self.out_destination.ip()]
            .map(|address| address.to_canonical())
    }

    pub(super) fn check(&self) -> Result<Family, Ineligible> {
        for payload_type in [self.payload_type, self.out_payload_type] {
            if payload_type > 127 {
                return Err(Ineligible::PayloadType(payload_type));
            }
        }
        self.family()
    }
}

/// IP version of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    pub(super) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use plane::RelayStream;
    use shared::MediaPort;

    use super::*;

    fn planes_rule() -> RelayRule {
        let stream = RelayStream { next: 1, highest: 2, timestamp: 3, transit: 4, jitter_16: 5 };
        RelayRule {
            port: MediaPort { address: 0, rtp: 10_010 },
            source: "192.0.2.7:4000".parse().unwrap(),
            others_go_up: false,
            ssrc: 6,
            payload_type: 0,
            codec: Codec::Pcmu,
            out_port: MediaPort { address: 1, rtp: 10_020 },
            out_destination: "198.51.100.7:5000".parse().unwrap(),
            out_ssrc: 7,
            out_payload_type: 8,
            out_codec: Codec::Pcma,
            delta_sequence: 9,
            delta_timestamp: 10,
            stream,
        }
    }

    fn route(local: &str, out_local: &str) -> Route {
        let [local, out_local] = [local, out_local].map(|address| address.parse().unwrap());
        Route { local, out_local, interface: 3, next_hop: None, link_address: [0; 6], dscp: 46 }
    }

    #[test]
    fn the_planes_rule_gets_its_addresses_and_drops_other_sources_unless_the_latch_may_move() {
        let rule = Rule::of(&planes_rule(), &route("192.0.2.1", "198.51.100.1"));
        assert_eq!(rule.out_source, "198.51.100.1:10020".parse().unwrap());
        assert_eq!((rule.source, rule.dscp, rule.interface), (planes_rule().source, 46, 3));
        assert_eq!((rule.forged, rule.other_ssrc), (Excluded::Dropped, Excluded::Up));
        let moving = RelayRule { others_go_up: true, ..planes_rule() };
        let rule = Rule::of(&moving, &route("192.0.2.1", "198.51.100.1"));
        assert_eq!((rule.forged, rule.other_ssrc), (Excluded::Up, Excluded::Up));
        assert_eq!(rule.check(), Ok(Family::V4));
    }

    #[test]
    fn sides_of_two_families_and_wide_payload_types_are_not_eligible() {
        let rule = Rule::of(&planes_rule(), &route("192.0.2.1", "2001:db8::1"));
        assert_eq!(rule.check(), Err(Ineligible::MixedFamilies));
        let mapped = Rule::of(&planes_rule(), &route("::ffff:192.0.2.1", "198.51.100.1"));
        assert_eq!(mapped.check(), Ok(Family::V4), "IPv4 in the guise of IPv6");
        let hop = Rule { next_hop: Some("fe80::1".parse().unwrap()), ..mapped };
        assert_eq!(hop.check(), Err(Ineligible::MixedFamilies));
        let wide = Rule { out_payload_type: 128, ..mapped };
        assert_eq!(wide.check(), Err(Ineligible::PayloadType(128)));
    }
}
