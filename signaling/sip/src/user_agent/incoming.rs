//! A request from outside of any dialog, as the layer above decides on it. Sans-IO.

use shared::{Extensions, Refusal};

use super::extensions::{self, REQUIRED};
use super::objection::sdp_of;
use super::timer;
use crate::flow::Flow;
use crate::message::{Method, Request};
use crate::objection::Objection;
use crate::offer_answer::{LocalMedia, MediaSession};
use crate::refer_to::Replaces;
use crate::sdp::SdpRefusal;

/// A request outside of any dialog that passed the parser. Nothing is kept of it: a
/// retransmission comes as another `Incoming` until it is admitted.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Where it came by.
    pub flow: Flow,
    /// The request. Its top Via carries `received` and `rport` already.
    pub request: Request,
    /// What SIP itself has against it (RFC 3261 §8.2): the caller may stay silent or refuse for a
    /// reason of its own first. `Command::Admit` answers with it instead of making a session.
    pub objection: Option<Objection>,
    /// What its session gets beyond the contract's own methods: none, unless
    /// [`Incoming::choose_extensions`] says otherwise before `Command::Admit`.
    pub extensions: Extensions,
}

impl Incoming {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// Whether an answer with `local` could come of the request's offer; one without a body leaves
    /// the offer to us. To be asked before the call rings, since afterwards only a 200 tells.
    ///
    /// # Errors
    /// What `Command::Answer` would refuse with: 400 or 415 for what cannot be read, 488 for what
    /// cannot be served.
    pub fn check_offer(&self, local: &LocalMedia) -> Result<(), Refusal> {
        let sdp = sdp_of(&self.request.headers, &self.request.body);
        let Some(offer) = sdp.map_err(SdpRefusal::refusal)? else { return Ok(()) };
        let mut trial = MediaSession::new(1);
        trial.answer(offer, local).map(drop).map_err(SdpRefusal::refusal)
    }

    /// Chooses the extensions of this INVITE's session, and finds out whether it can begin with
    /// them: to be asked before the call rings.
    ///
    /// # Errors
    /// 420 for an extension that it requires and does not get, 422 for a session timer that is too
    /// short. `Command::Admit` and `Command::RejectStateless` answer with the headers that belong to it.
    pub fn choose_extensions(&mut self, extensions: Extensions) -> Result<(), Refusal> {
        self.extensions = extensions;
        // One that nobody serves was found before: now it is known which others are missing too.
        let is_open = |objection: &Objection| objection.refusal.rule == REQUIRED;
        if self.objection.as_ref().is_none_or(is_open) {
            self.objection = extensions::objection(extensions, &self.request)
                .or_else(|| timer::objection(extensions, &self.request));
        }
        self.objection.as_ref().map_or(Ok(()), |objection| Err(objection.refusal.clone()))
    }

    /// The dialog that the request is to take the place of (RFC 3891 §3). One that cannot be read is an
    /// objection.
    pub fn replaces(&self) -> Option<Replaces> {
        Replaces::parse(self.request.headers.get("Replaces")?.as_bytes())
    }

    /// Whether the request brings an offer.
    pub fn has_offer(&self) -> bool {
        let sdp = sdp_of(&self.request.headers, &self.request.body);
        !matches!(sdp, Ok(None))
    }
}
