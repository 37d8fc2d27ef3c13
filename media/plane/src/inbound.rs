//! The hot line of a leg for packets from its party: latch, payload types, statistics, route. Sans-IO.
//!
//! The latch decides which source is the party. SDP names an address, but a NAT may change it, and anybody
//! may send to our port:
//!
//! ```text
//! Open --(the address of the SDP)------------------------------------> Locked
//! Open --(another acceptable source)--> Deciding --(LATCH_PACKETS)---> Locked
//! Deciding, Locked --(the address of the SDP)------------------------> Locked to it
//! any --(an offer moves the address, or a silent source may move)----> Open
//! ```
//!
//! The address of the SDP always wins: any other source was a guess. Media is sent to the source as soon as
//! it is followed, not only when it is locked, so that the first word reaches a party behind a NAT.

use std::net::{IpAddr, SocketAddr};

use shared::limits::LATCH_PACKETS;
use shared::{Codec, LatchMode, LegPlan};

use crate::address::PackedAddress;
use crate::meters::DropReason;
use crate::reception::Reception;
use crate::relay::{Content, FIRST_EPOCH};

/// One cache line; with the peer's [`crate::outbound::Outbound`] it is all that a relayed packet touches.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Inbound {
    /// The source that is locked, or may be.
    pub source: PackedAddress,
    pub latch: Latch,
    pub payload_type: u8,
    pub event_payload_type: u8,
    pub codec: Codec,
    /// Whether the direction lets the party send.
    pub receives: bool,
    /// Whether a tap or the digit detector reads the samples.
    pub tapped: bool,
    /// Whether packets are SRTP; its state lies with the cold part.
    pub secured: bool,
    pub route: Route,
    /// Raised at each restart of the party's numbers; see [`crate::relay`].
    pub epoch: u16,
    pub reception: Reception,
}

const _: () = assert!(size_of::<Inbound>() == 64);

/// State of the latch; see the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Latch {
    /// Any acceptable source may come.
    Open,
    /// Packets are taken from `source` only; `left` more of them lock it.
    Deciding { left: u8 },
    /// Packets are taken from `source` only, and from the address of the SDP.
    Locked,
}

/// Destination of the party's packets; [`crate::join`] sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Nowhere,
    /// A leg of this core that is joined back to us, or our own.
    Local {
        slot: u16,
    },
    /// A leg of another core (named in the cold part).
    Mesh,
    /// The room that the leg is a member of.
    Room,
}

/// Effect of a valid packet on the latch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LatchStep {
    /// None.
    Unchanged,
    /// The leg now takes media from this source and sends to it.
    Follow,
    /// As `Follow`, and the source is locked.
    Lock,
}

/// Meaning of a received payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Media(Content),
    /// RFC 3389: the party is silent and sends nothing more until it speaks.
    ComfortNoise,
}

impl Inbound {
    /// A slot without a leg.
    pub fn vacant() -> Self {
        Self {
            source: PackedAddress::NONE,
            latch: Latch::Open,
            payload_type: NO_PAYLOAD_TYPE,
            event_payload_type: NO_PAYLOAD_TYPE,
            codec: Codec::Pcmu,
            receives: false,
            tapped: false,
            secured: false,
            route: Route::Nowhere,
            epoch: FIRST_EPOCH,
            reception: Reception::default(),
        }
    }

    /// Applies the outcome of an offer/answer; latch and statistics stay.
    pub fn apply(&mut self, plan: &LegPlan) {
        let media = &plan.media;
        self.payload_type = media.payload_type_receive;
        self.event_payload_type = media.event_payload_type_receive.unwrap_or(NO_PAYLOAD_TYPE);
        self.codec = media.codec;
        self.receives = media.direction.receives();
        self.secured = media.srtp.is_some();
    }

    /// The meaning of a payload type; an error when it was not negotiated.
    #[inline]
    pub fn hear(&self, payload_type: u8) -> Result<Heard, DropReason> {
        if payload_type == self.payload_type {
            Ok(Heard::Media(Content::Audio(self.codec)))
        } else if payload_type == self.event_payload_type {
            Ok(Heard::Media(Content::Event))
        } else if payload_type == COMFORT_NOISE {
            Ok(Heard::ComfortNoise)
        } else {
            Err(DropReason::PayloadType)
        }
    }

    /// Whether the source is the locked one: the only check that most packets need.
    #[inline]
    pub fn is_locked_to(&self, source: SocketAddr) -> bool {
        self.latch == Latch::Locked && self.source.is(source)
    }

    /// Decides about the source of a valid packet that is not the locked one. The address of the SDP locks
    /// at once and replaces any other source. Another acceptable source is followed at once and locked
    /// after `limits::LATCH_PACKETS`.
    ///
    /// # Errors
    /// [`DropReason::Stranger`]: the source is not acceptable, or another one has the leg.
    #[cold]
    pub fn admit(&mut self, plan: &LegPlan, source: SocketAddr) -> Result<LatchStep, DropReason> {
        let packed = PackedAddress::new(source);
        let is_exact = plan.media.remote_rtp.map(PackedAddress::new) == Some(packed);
        let step = match self.latch {
            Latch::Open | Latch::Deciding { .. } | Latch::Locked if is_exact => {
                self.latch = Latch::Locked;
                LatchStep::Lock
            }
            Latch::Open if accepts_ip(plan, source.ip()) => {
                self.latch = Latch::Deciding { left: LATCH_PACKETS - 1 };
                LatchStep::Follow
            }
            Latch::Deciding { left } if packed == self.source => {
                if left <= 1 {
                    self.latch = Latch::Locked;
                    LatchStep::Lock
                } else {
                    self.latch = Latch::Deciding { left: left - 1 };
                    LatchStep::Unchanged
                }
            }
            Latch::Open | Latch::Deciding { .. } | Latch::Locked => {
                return Err(DropReason::Stranger);
            }
        };
        self.source = packed;
        Ok(step)
    }

    /// The party's numbers restart.
    pub fn next_epoch(&mut self) {
        self.epoch = self.epoch.checked_add(1).unwrap_or(FIRST_EPOCH);
    }
}

/// Whether a source at this IP address is acceptable although the SDP names another address or port.
pub(crate) fn accepts_ip(plan: &LegPlan, ip: IpAddr) -> bool {
    match plan.latch {
        LatchMode::Sdp | LatchMode::Link => false,
        LatchMode::Peer => {
            let ip = ip.to_canonical();
            let named = plan.media.remote_rtp.map(|address| address.ip().to_canonical());
            let signaling = plan.signaling_peer.map(|address| address.to_canonical());
            named == Some(ip) || signaling == Some(ip)
        }
        LatchMode::Any => true,
    }
}

/// A value that no packet carries: payload types have seven bits.
pub(crate) const NO_PAYLOAD_TYPE: u8 = 0xFF;
/// RFC 3389.
const COMFORT_NOISE: u8 = 13;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;

    fn admit(inbound: &mut Inbound, plan: &LegPlan, source: &str) -> Result<LatchStep, DropReason> {
        inbound.admit(plan, source.parse().unwrap())
    }

    #[test]
    fn the_address_of_the_sdp_locks_at_once() {
        for latch in [LatchMode::Sdp, LatchMode::Peer, LatchMode::Any] {
            let plan = LegPlan { latch, ..plan(0) };
            let mut inbound = Inbound::vacant();
            let exact = plan.media.remote_rtp.unwrap().to_string();
            assert_eq!(admit(&mut inbound, &plan, &exact), Ok(LatchStep::Lock));
            let other = admit(&mut inbound, &plan, "198.51.100.9:9");
            assert_eq!(other, Err(DropReason::Stranger));
        }
    }

    #[test]
    fn another_port_of_the_peer_is_followed_and_locked_after_five_packets() {
        let plan = LegPlan { signaling_peer: Some([203, 0, 113, 7].into()), ..plan(0) };
        let mut inbound = Inbound::vacant();
        assert_eq!(admit(&mut inbound, &plan, "203.0.113.7:9"), Ok(LatchStep::Follow));
        assert_eq!(admit(&mut inbound, &plan, "203.0.113.7:8"), Err(DropReason::Stranger));
        for _ in 0..3 {
            assert_eq!(admit(&mut inbound, &plan, "203.0.113.7:9"), Ok(LatchStep::Unchanged));
        }
        assert_eq!(admit(&mut inbound, &plan, "203.0.113.7:9"), Ok(LatchStep::Lock));
    }

    #[test]
    fn the_address_of_the_sdp_takes_over_while_it_is_undecided() {
        let plan = LegPlan { latch: LatchMode::Any, ..plan(0) };
        let mut inbound = Inbound::vacant();
        assert_eq!(admit(&mut inbound, &plan, "198.51.100.9:9"), Ok(LatchStep::Follow));
        let exact = plan.media.remote_rtp.unwrap().to_string();
        assert_eq!(admit(&mut inbound, &plan, &exact), Ok(LatchStep::Lock));
        assert_eq!(admit(&mut inbound, &plan, "198.51.100.9:9"), Err(DropReason::Stranger));
    }

    #[test]
    fn the_address_of_the_sdp_replaces_a_lock_that_a_guess_got_and_nothing_replaces_its_own() {
        for latch in [LatchMode::Peer, LatchMode::Any] {
            let plan = LegPlan { latch, ..plan(0) };
            let exact = plan.media.remote_rtp.unwrap();
            let guess = SocketAddr::new(exact.ip(), exact.port() + 20).to_string();
            let mut inbound = Inbound::vacant();
            let steps = [(); 5].map(|()| admit(&mut inbound, &plan, &guess));
            assert_eq!(steps[4], Ok(LatchStep::Lock));
            assert_eq!(admit(&mut inbound, &plan, &exact.to_string()), Ok(LatchStep::Lock));
            assert!(inbound.is_locked_to(exact));
            assert_eq!(admit(&mut inbound, &plan, &guess), Err(DropReason::Stranger));
        }
    }

    #[test]
    fn sdp_mode_takes_no_other_port() {
        let plan = LegPlan { latch: LatchMode::Sdp, ..plan(0) };
        let mut other = plan.media.remote_rtp.unwrap();
        other.set_port(other.port() + 2);
        let step = admit(&mut Inbound::vacant(), &plan, &other.to_string());
        assert_eq!(step, Err(DropReason::Stranger));
    }
}
