//! Requests that come in, outside of dialogs. Sans-IO.
//!
//! The order keeps unauthenticated sources cheap: first the budget of the source and the load, without
//! a look at the store; then admission, which challenges or refuses without state; only then a
//! transaction, a place on a core, and a call.

pub(crate) mod digest;
mod invite;
mod refusals;
mod setup;
mod sources;
mod take_over;

use shared::{Now, Refusal};
use sip::user_agent::Incoming;
use sip::{Command, Method};

use crate::admission::{self, Refused};
use crate::control::Control;
use refusals::{draining, nobodys, overload};

impl Control {
    /// A request outside of dialogs that the user agent could parse.
    pub(crate) fn on_incoming(&mut self, now: Now, incoming: Box<Incoming>) {
        if !self.has_budget(now, &incoming) || self.is_overloaded_for(now, &incoming) {
            return;
        }
        match incoming.method() {
            Method::Invite => self.on_invite(now, incoming),
            Method::Options => self.on_options(now, incoming),
            Method::Register => self.on_register(now, incoming),
            _ => self.on_other(now, incoming),
        }
    }

    /// OPTIONS: a known domain answers without credentials, so that peers may use it as a ping.
    fn on_options(&mut self, now: Now, incoming: Box<Incoming>) {
        let refused = match self.known(now, &incoming) {
            // A peer that pings by OPTIONS sends its calls elsewhere when the ping fails.
            Ok(()) if self.draining => nobodys(draining(self.random.between(5, 30))),
            Ok(()) if self.overload.is_of(incoming.flow.transport) => {
                nobodys(overload(self.random.between(5, 30)))
            }
            Ok(()) => {
                return self.command(Command::Respond {
                    incoming,
                    status: 200,
                    headers: Vec::new(),
                    // A copy is answered anew: that costs less than a transaction, and the source
                    // has not authenticated (ARCHITECTURE.md, I7).
                    remember: false,
                });
            }
            Err(refused) => refused,
        };
        self.refuse(now, incoming, refused);
    }

    /// A method that is not served.
    fn on_other(&mut self, now: Now, incoming: Box<Incoming>) {
        let refused = self.known(now, &incoming).err().unwrap_or_else(|| {
            nobodys(Refusal::new("method_not_allowed", 405, "The method is not handled."))
        });
        self.refuse(now, incoming, refused);
    }

    /// A request for a dialog or a transaction that does not exist: 481 (RFC 3261 §12.2.2, §9.2), if its
    /// source gets responses at all.
    pub(crate) fn on_stray(&mut self, now: Now, incoming: Box<Incoming>) {
        let policy = self.policy_for(&incoming);
        let (flow, target) = (&incoming.flow, &incoming.request.uri);
        match admission::check_stray(&self.snapshot, policy, flow, target) {
            Err(refused) => self.refuse(now, incoming, refused),
            Ok(()) => self.command(Command::Respond {
                incoming,
                status: 481,
                headers: Vec::new(),
                remember: false,
            }),
        }
    }

    /// Whether the request names a domain that its source may see.
    fn known(&self, now: Now, incoming: &Incoming) -> Result<(), Refused> {
        let request = self.facts(now, incoming);
        admission::known(&self.snapshot, self.policy_for(incoming), request).map(drop)
    }

    /// The facts of a request that admission looks at.
    pub(crate) fn facts<'a>(&self, now: Now, incoming: &'a Incoming) -> admission::Request<'a> {
        admission::Request {
            flow: &incoming.flow,
            target: &incoming.request.uri,
            objection: incoming.objection.as_ref().map(|objection| &objection.refusal),
            is_vouched: self.is_vouched(now, incoming.flow.remote.ip()),
        }
    }
}
