//! Checks the address to which a peer's description sends our media: never nowhere, never back to
//! us. Sans-IO.
//!
//! RTP goes where SDP says before anything has come from there, so a description alone could aim a
//! flood of packets. Two descriptions that name each other's ports on this gateway would make a
//! packet loop for ever.

use std::net::SocketAddr;
use std::sync::Arc;

use shared::OwnSockets;
use shared::address::{AddressClass, classify};

use crate::sdp::SdpRefusal;

/// Addresses that this peer may not name, besides those that no peer may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaTargets {
    /// Our own media sockets; empty for a test phone.
    pub own: Arc<OwnSockets>,
    /// The peer's SIP comes from another machine: a loopback address in its description means that machine.
    pub peer_is_remote: bool,
}

impl MediaTargets {
    /// Whether media may be sent there.
    ///
    /// # Errors
    /// 488 with the rule that the address breaks.
    pub(super) fn check(&self, target: SocketAddr) -> Result<(), SdpRefusal> {
        match classify(target.ip()) {
            AddressClass::Never("multicast" | "broadcast") => return Err(MULTICAST),
            AddressClass::Never("link-local") => return Err(LINK_LOCAL),
            AddressClass::Never(_) | AddressClass::Reserved => return Err(RESERVED),
            AddressClass::Loopback if self.peer_is_remote => return Err(LOOPBACK),
            AddressClass::Loopback | AddressClass::Private | AddressClass::Global => {}
        }
        if target.port() < UNPRIVILEGED_FROM {
            return Err(LOW_PORT);
        }
        if self.own.contains(target) { Err(OWN_SOCKET) } else { Ok(()) }
    }
}

/// End of the well-known ports (RFC 6335 §6). No phone receives media there, but services that
/// answer any datagram do.
const UNPRIVILEGED_FROM: u16 = 1_024;

const MULTICAST: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_multicast", "the c= line has a multicast or broadcast address");
const LINK_LOCAL: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_link_local", "the c= line has a link-local address");
const RESERVED: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_reserved_address",
    "the c= line has an address of 0.0.0.0/8 or 240.0.0.0/4, where nobody is",
);
const LOOPBACK: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_loopback",
    "the c= line has a loopback address, and the SIP peer is on another machine",
);
const LOW_PORT: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_low_port", "the media port is below 1024");
const OWN_SOCKET: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_own_address",
    "the SDP names an address and port of this gateway as the peer's own",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(targets: &MediaTargets, text: &str) -> Option<&'static str> {
        let target = text.parse().expect("a literal");
        targets.check(target).err().map(|refusal| refusal.rule)
    }

    #[test]
    fn addresses_where_no_peer_can_be_are_refused_in_every_spelling() {
        let targets = MediaTargets::default();
        for (address, expected) in [
            ("169.254.1.1", "sdp_link_local"),
            ("0.1.2.3", "sdp_reserved_address"),
            ("240.0.0.1", "sdp_reserved_address"),
            ("224.0.0.1", "sdp_multicast"),
            ("239.255.255.255", "sdp_multicast"),
            ("255.255.255.255", "sdp_multicast"),
        ] {
            for target in [
                format!("{address}:4000"),
                format!("[::ffff:{address}]:4000"),
                format!("[64:ff9b::{address}]:4000"),
            ] {
                assert_eq!(rule(&targets, &target), Some(expected), "{target}");
            }
        }
        assert_eq!(rule(&targets, "[fe80::1]:4000"), Some("sdp_link_local"));
        assert_eq!(rule(&targets, "[ff02::1]:4000"), Some("sdp_multicast"));
        for target in ["192.168.1.2:4000", "198.51.100.9:65535", "[2001:db8::9]:1024"] {
            assert_eq!(rule(&targets, target), None, "{target}");
        }
    }

    #[test]
    fn loopback_is_for_peers_on_this_machine_and_low_ports_are_refused() {
        let near = MediaTargets::default();
        let far = MediaTargets { peer_is_remote: true, ..MediaTargets::default() };
        for target in ["127.0.0.1:4000", "127.9.9.9:4000", "[::1]:4000", "[::ffff:127.0.0.1]:4000"]
        {
            assert_eq!(rule(&near, target), None, "{target}");
            assert_eq!(rule(&far, target), Some("sdp_loopback"), "{target}");
        }
        assert_eq!(rule(&near, "192.0.2.9:1023"), Some("sdp_low_port"));
        assert_eq!(rule(&near, "192.0.2.9:53"), Some("sdp_low_port"));
    }

    #[test]
    fn our_own_ports_are_refused_and_their_neighbours_are_not() {
        let mut own = OwnSockets::new([]);
        own.add([192, 0, 2, 1].into(), 10_000..=10_003);
        let targets = MediaTargets { own: Arc::new(own), ..MediaTargets::default() };
        assert_eq!(rule(&targets, "192.0.2.1:10001"), Some("sdp_own_address"));
        assert_eq!(rule(&targets, "192.0.2.1:10004"), None);
        assert_eq!(rule(&targets, "192.0.2.2:10001"), None);
    }
}
