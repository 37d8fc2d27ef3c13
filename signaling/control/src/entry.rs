//! One live call as Control holds it: the machine, its SIP session, its leg, its records.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use call::{Call, HttpId, OutboundLeg, PromptId, RecordingPlan};
use shared::ids::{PlayId, TapId};
use shared::{
    AccountSid, CallSid, Codec, Direction, Instant, LatchMode, LegPlan, Prompt, RecordingSid,
    TlsFailure,
};
use sip::SessionId;
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use store::{CallRecord, HttpMethod};

use crate::extensions::DigitsBy;
use crate::placement::Place;
use crate::timeline::Timeline;

/// One live call.
pub(crate) struct Entry {
    pub call: Call,
    pub sid: CallSid,
    pub account: AccountSid,
    pub parent: Option<CallSid>,
    pub record: Arc<CallRecord>,
    pub timeline: Timeline,
    pub session: Session,
    /// Whom our INVITE goes to, for as long as another target may be tried.
    pub outgoing: Option<Box<PendingInvite>>,
    /// The contacts that ring, where a registered user is called and none has answered.
    pub forks: Option<crate::registrar::Forks>,
    pub leg: Option<Leg>,
    pub prompts: BTreeMap<PromptId, Arc<Prompt>>,
    pub plays: BTreeMap<PlayId, PromptId>,
    pub recordings: BTreeMap<RecordingSid, Recording>,
    pub requests: BTreeMap<HttpId, Request>,
    /// What [`Call::poll_timeout`] said last: the key in Control's index of deadlines.
    pub deadline: Option<Instant>,
    /// [`call::CallEffect::Finished`] came.
    pub finished: bool,
    /// How often its machine panicked: after the first time `call` is a successor, after the second
    /// it is not driven any more.
    pub panics: u8,
    /// A warning said that another voice speaks than was asked for.
    pub was_told_of_voice: bool,
    /// A REST request is being carried out and will be answered with its record.
    pub is_asked: bool,
}

/// Where the call stands in SIP.
#[derive(Debug)]
pub(crate) enum Session {
    /// Not yet, or REST asked and nothing is sent.
    None,
    /// The target is being resolved.
    Resolving { id: SessionId, invite: Box<PendingInvite> },
    /// The user agent has it.
    Live { id: SessionId, call_id: String, peer: Option<IpAddr> },
    /// It ended, or never came about.
    Over,
}

impl Session {
    /// The address that its SIP comes from, once it is known.
    pub const fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Live { peer, .. } => *peer,
            Self::None | Self::Resolving { .. } | Self::Over => None,
        }
    }

    /// Its id, while there is one.
    pub fn id(&self) -> Option<SessionId> {
        match self {
            Self::Resolving { id, .. } | Self::Live { id, .. } => Some(*id),
            Self::None | Self::Over => None,
        }
    }
}

/// An INVITE of ours: what is needed to send it, and to send it elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct PendingInvite {
    pub leg: OutboundLeg,
    /// Index of the trunk and of its target, for a telephone number.
    pub trunk: Option<(usize, usize)>,
    /// The peer sent us on by 3xx: that happens once.
    pub was_redirected: bool,
    /// Its `Max-Forwards`: the call's, less a redirect.
    pub max_forwards: u8,
    /// Why TLS with the peer that is tried now did not come about: set by the user agent just before it
    /// says that it gave the peer up.
    pub tls_failure: Option<TlsFailure>,
}

/// The call's media on its core.
#[derive(Debug)]
pub(crate) struct Leg {
    pub place: Place,
    /// What the core was told last; `None` before it was started.
    pub plan: Option<LegPlan>,
    /// The core was told to stop it and has not confirmed.
    pub stopping: bool,
    /// The call it is bridged with.
    pub peer: Option<CallSid>,
    /// How its digits come, once one has.
    pub digits_by: Option<DigitsBy>,
    /// Local address that SDP shows.
    pub address: IpAddr,
    /// Lines about its quality in the timeline.
    pub quality_notes: u8,
    /// Whether its media is protected, and our key for it: one for the life of the leg.
    pub security: MediaSecurity,
    /// Which sources its media is taken from, where its SIP domain says so.
    pub latch: Option<LatchMode>,
}

impl Leg {
    /// A place that no core knows of yet.
    pub const fn new(place: Place, address: IpAddr, security: MediaSecurity) -> Self {
        Self {
            place,
            plan: None,
            stopping: false,
            peer: None,
            digits_by: None,
            address,
            quality_notes: 0,
            security,
            latch: None,
        }
    }

    /// Whether the core has it and it may be used.
    pub const fn is_up(&self) -> bool {
        self.plan.is_some() && !self.stopping
    }

    /// Our side of the media: its port on the address that its peer can reach, and where that peer may have
    /// its own.
    pub fn local_media(&self, targets: MediaTargets) -> LocalMedia {
        LocalMedia {
            address: self.address,
            port: self.place.port.rtp,
            direction: Direction::SendRecv,
            codecs: [Codec::Pcmu, Codec::Pcma].into_iter().collect(),
            security: self.security,
            targets,
        }
    }
}

/// A recording of the call's leg.
#[derive(Debug)]
pub(crate) struct Recording {
    pub tap: TapId,
    pub plan: RecordingPlan,
    pub start_ms: i64,
}

/// A webhook that is under way.
#[derive(Debug)]
pub(crate) struct Request {
    pub method: HttpMethod,
    pub url: String,
    pub parameters: Vec<(String, String)>,
}
