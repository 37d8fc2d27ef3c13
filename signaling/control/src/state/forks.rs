//! The contacts of a registered user that ring for one call, and the failure that stands for all of them.

use std::net::{IpAddr, SocketAddr};

use shared::Header;
use sip::SessionId;
use sip::offer_answer::MediaSecurity;

/// The contacts that ring for one call. A contact leaves when it fails; the first 2xx, or the failure of
/// the last one, ends the whole.
#[derive(Debug)]
pub(crate) struct Forks {
    ringing: Vec<Branch>,
    total: usize,
    /// The best failure so far (RFC 3261 §16.7 step 6).
    best: Option<Failure>,
}

/// One contact that rings.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub session: SessionId,
    /// Counted from 1, for the timeline.
    pub number: usize,
    /// The address that its SDP shows.
    pub address: IpAddr,
    /// Each contact gets a key of its own: what one learns opens nothing of another's.
    pub security: MediaSecurity,
    /// Where its INVITE goes.
    pub peer: IpAddr,
}

/// How a contact failed.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    pub status: u16,
    /// Empty until `contact_failed` fills it in.
    pub call_id: String,
    /// Headers of its final response; `None`: no response came.
    pub headers: Option<Vec<Header>>,
    /// Why its 2xx cannot be used.
    pub sentence: Option<String>,
    /// Where its INVITE went.
    pub peer: Option<SocketAddr>,
}

impl Failure {
    /// The lowest rank is reported to the caller: a refusal for all contacts, then a person's decision,
    /// then the rest.
    const fn rank(&self) -> u8 {
        match self.status {
            600.. => 0,
            // 486 and 480 are a person's decision or a setting of the phone; 487 ends an INVITE
            // that was canceled.
            486 | 480 | 487 => 1,
            // A status without headers is our own timer or a failed connection. It says less than
            // any response.
            400..=499 if self.headers.is_some() => 2,
            500..=599 if self.headers.is_some() => 3,
            300..=399 => 4,
            _ => 5,
        }
    }
}

impl Forks {
    /// All contacts ring.
    pub const fn new(ringing: Vec<Branch>) -> Self {
        debug_assert!(!ringing.is_empty(), "a call to a user rings a contact");
        Self { total: ringing.len(), ringing, best: None }
    }

    /// Number of contacts that rang at the beginning.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Whether this session is a contact that still rings.
    pub fn rings(&self, session: SessionId) -> bool {
        self.ringing.iter().any(|branch| branch.session == session)
    }

    /// The contacts that still ring.
    pub fn ringing(&self) -> &[Branch] {
        &self.ringing
    }

    /// Takes a contact out, and keeps its failure if no better one came before. Returns its number (0: it
    /// did not ring).
    pub fn fail(&mut self, session: SessionId, failure: Failure) -> usize {
        let at = self.ringing.iter().position(|branch| branch.session == session);
        let number = at.map_or(0, |at| self.ringing.remove(at).number);
        // Strictly lower: of two failures with one rank the earlier stands.
        if self.best.as_ref().is_none_or(|best| failure.rank() < best.rank()) {
            self.best = Some(failure);
        }
        number
    }

    /// The contacts that still ring, and the best failure.
    pub fn into_parts(self) -> (Vec<Branch>, Option<Failure>) {
        (self.ringing, self.best)
    }
}
