//! What a leg is joined to, and the route that its party's packets take. Sans-IO.
//!
//! ```text
//! Nobody <--(Join)--> Party(own leg)      an echo: the leg's inbound line routes to its own outbound line
//!        <--(Join)--> Party(other leg)    a bridge, once the other leg is joined back
//!        --(Join)---> Room                refused: there is no mixer
//! ```
//!
//! A bridge is two values, one at each leg, because the legs may be on two cores and each core knows its
//! own legs only. On one core the route opens when both values agree, and closes when either changes: a
//! packet pays one look at the hot line of the leg that received it. Across cores the receiving leg sends
//! every packet to the mesh, and the core of the sending leg decides. So a packet that was under way when a
//! join ended is dropped there (`not_bridged`) and never reaches the next party.

use shared::{Joined, LegId};

/// Destination of the party's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Nowhere,
    /// A leg of this core that is joined back to us, or our own.
    Local {
        slot: u16,
    },
    /// A leg of another core (named in the cold part).
    Mesh,
}

impl Route {
    /// The route of a leg that is joined so. `is_joined_back` says whether a leg of the same core is up and
    /// joined to this one.
    pub fn of(leg: LegId, joined: Joined, is_joined_back: impl FnOnce(LegId) -> bool) -> Self {
        match joined {
            Joined::Party(other) if other.core != leg.core => Self::Mesh,
            Joined::Party(other) if is_joined_back(other) => Self::Local { slot: other.slot },
            Joined::Nobody | Joined::Party(_) | Joined::Room(_) => Self::Nowhere,
        }
    }
}
