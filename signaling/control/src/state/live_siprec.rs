//! A recording session with an outside server as Control holds it.

use std::net::IpAddr;

use call::SiprecPlan;
use shared::{Code, FeedId, LegId, LegPlan, TapId};
use sip::SessionId;
use sip::offer_answer::MediaSecurity;

use crate::placement::Place;

/// A recording session, from the order to begin it until nothing of it is left.
#[derive(Debug)]
pub(crate) struct LiveSiprec {
    pub plan: Box<SiprecPlan>,
    pub phase: Phase,
    /// One for each track, in the order of the media descriptions.
    pub legs: Vec<SiprecLeg>,
    /// The tap of the call's leg, once the server has answered and until the tap ends.
    pub tap: Option<TapId>,
    /// The address that our SDP shows; `None` before the INVITE.
    pub address: Option<IpAddr>,
    /// The address of the server: of the INVITE, then of its answer.
    pub peer: Option<IpAddr>,
    /// The server hung up.
    pub is_closed_by_server: bool,
    /// Why it fails.
    pub failure: Option<(Code, String)>,
    /// The call has heard its end.
    pub is_told: bool,
    /// Milliseconds since 1970 at its last change.
    pub updated_ms: i64,
}

/// How far a recording session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The addresses of the server are looked up.
    Resolving(SessionId),
    /// The INVITE is out.
    Inviting(SessionId),
    /// The server has answered.
    Recording(SessionId),
    /// We have ended it, by BYE or CANCEL.
    Ending(SessionId),
    /// Its session is gone; legs may be left.
    Over,
}

impl Phase {
    /// The session that the user agent has, or will have.
    pub const fn session(self) -> Option<SessionId> {
        match self {
            Self::Resolving(id) | Self::Inviting(id) | Self::Recording(id) | Self::Ending(id) => {
                Some(id)
            }
            Self::Over => None,
        }
    }
}

/// The leg that sends one track to the server.
#[derive(Debug)]
pub(crate) struct SiprecLeg {
    pub place: Place,
    pub security: MediaSecurity,
    /// The plan that the core has; `None` before the answer.
    pub plan: Option<LegPlan>,
    /// `StopLeg` was sent.
    pub is_stopping: bool,
    /// What the leg sends, while it does.
    pub feed: Option<FeedId>,
}

impl SiprecLeg {
    /// A leg that no core knows of yet.
    pub const fn new(place: Place, security: MediaSecurity) -> Self {
        Self { place, security, plan: None, is_stopping: false, feed: None }
    }

    pub const fn id(&self) -> LegId {
        self.place.leg
    }
}
