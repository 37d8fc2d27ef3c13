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
    /// The socket or connection that it came by, and its source.
    pub flow: Flow,
    /// The request. Its top Via carries `received` and `rport` already.
    pub request: Request,
    /// The first rule of RFC 3261 §8.2 that the request breaks. The layer above may stay silent or
    /// refuse for a reason of its own first; `Command::Admit` answers with this instead of making a
    /// session.
    pub objection: Option<Objection>,
    /// Extensions that its session may use: none, unless [`Incoming::choose_extensions`] sets them
    /// before `Command::Admit`.
    pub extensions: Extensions,
}

impl Incoming {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// Checks that `local` can answer the request's offer; without a body there is nothing to
    /// check. Call it before the call rings: afterwards only the 200 would reveal the failure.
    ///
    /// # Errors
    /// The refusal that `Command::Answer` would send: 400 or 415 for a body that cannot be read,
    /// 488 for an offer that cannot be served.
    pub fn check_offer(&self, local: &LocalMedia) -> Result<(), Refusal> {
        let sdp = sdp_of(&self.request.headers, &self.request.body);
        let Some(offer) = sdp.map_err(SdpRefusal::refusal)? else { return Ok(()) };
        MediaSession::check_first_offer(offer, local).map_err(SdpRefusal::refusal)
    }

    /// Sets the extensions of this INVITE's session, and checks that the session can begin with
    /// them. Call it before the call rings.
    ///
    /// # Errors
    /// 420 for an extension that it requires and that is off, 422 for a session timer that is too
    /// short. `Command::Admit` and `Command::RejectStateless` answer with the headers that belong
    /// to it.
    pub fn choose_extensions(&mut self, extensions: Extensions) -> Result<(), Refusal> {
        self.extensions = extensions;
        // An extension that is never served was found before; with the switches known, list all
        // that are missing.
        let is_open = |objection: &Objection| objection.refusal.rule == REQUIRED;
        if self.objection.as_ref().is_none_or(is_open) {
            self.objection = extensions::objection(extensions, &self.request)
                .or_else(|| timer::objection(extensions, &self.request));
        }
        self.objection.as_ref().map_or(Ok(()), |objection| Err(objection.refusal.clone()))
    }

    /// The dialog that the request replaces (RFC 3891 §3). A header that cannot be read is an
    /// objection.
    pub fn replaces(&self) -> Option<Replaces> {
        Replaces::parse(self.request.headers.get("Replaces")?.as_bytes())
    }

    /// Whether the request carries an offer.
    pub fn has_offer(&self) -> bool {
        let sdp = sdp_of(&self.request.headers, &self.request.body);
        !matches!(sdp, Ok(None))
    }
}
