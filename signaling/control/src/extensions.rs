//! SIP extensions of domains and trunks, and digits by INFO. Sans-IO.

use std::sync::Arc;

use call::{CallInput, Target};
use shared::ids::PlayId;
use shared::{CallSid, Extensions, MediaCommand, Now};
use sip::{Incoming, SessionId};

use crate::admission::Admitted;
use crate::control::Control;
use crate::state::leg::DigitsBy;
use crate::state::session::PendingInvite;
use crate::state::timeline::Kind;

impl Control {
    /// Extensions of an incoming call: those of its carrier, else of its domain, else of all domains.
    pub(crate) fn extensions_of_incoming(
        &self,
        incoming: &Incoming,
        admitted: &Admitted,
    ) -> Extensions {
        let trunk = self.carrier_at(incoming.flow.remote.ip());
        // A carrier that calls a domain other than its trunk's is a caller there as any other.
        if let Some(trunk) = trunk.filter(|_| admitted.is_trunk) {
            return trunk.extensions;
        }
        let domain = admitted.called.domain().and_then(|domain| self.snapshot.domain(domain));
        self.extensions_of_domain(domain.map(|domain| &**domain))
    }

    /// Extensions that a refused request may read of: those of the carrier at its source, else of the domain
    /// that it names.
    pub(crate) fn extensions_of_refused(&self, incoming: &Incoming) -> Extensions {
        match self.carrier_at(incoming.flow.remote.ip()) {
            Some(trunk) => trunk.extensions,
            None => {
                let host = crate::admission::host_of(&incoming.request.uri).unwrap_or_default();
                self.extensions_of_host(&host)
            }
        }
    }

    /// Extensions of a call to phones that registered at the domain of this host.
    pub(crate) fn extensions_of_host(&self, host: &str) -> Extensions {
        self.extensions_of_domain(self.snapshot.admission(host).map(|found| &**found.domain))
    }

    fn extensions_of_domain(&self, domain: Option<&store::Domain>) -> Extensions {
        let own =
            domain.and_then(|domain| self.settings.domain_extensions.get(domain.labels.as_str()));
        own.copied().unwrap_or(self.settings.extensions)
    }

    /// Extensions of an outgoing call: those of its trunk, else of all domains.
    pub(crate) fn extensions_of(&self, invite: &PendingInvite) -> Extensions {
        let trunk = match invite.leg.target {
            Target::Number(_) => {
                invite.trunk.and_then(|(trunk, _)| self.settings.trunks.get(trunk))
            }
            Target::Sip(_)
            | Target::Client(_)
            | Target::Application(_)
            | Target::Impossible { .. } => None,
        };
        trunk.map_or(self.settings.extensions, |trunk| trunk.extensions)
    }

    /// Whether a digit that came this way counts: the first way to bring one wins.
    pub(crate) fn takes_digit(&mut self, sid: CallSid, by: DigitsBy) -> bool {
        let leg = self.calls.get_mut(&sid).and_then(|entry| entry.leg.as_mut());
        leg.is_some_and(|leg| *leg.digits_by.get_or_insert(by) == by)
    }

    /// A digit by INFO acts like a telephone event: the call gets it, and so does the party on the other side
    /// of the bridge.
    pub(crate) fn on_info_digit(
        &mut self,
        now: Now,
        session: SessionId,
        digit: u8,
        duration_ms: u32,
    ) {
        let Some(sid) = self.call_of(session) else { return };
        if !self.takes_digit(sid, DigitsBy::Info) {
            return self.note(now, sid, Kind::Sip, "a digit by INFO came by media as well");
        }
        self.note(now, sid, Kind::Sip, format_args!("a digit by INFO, {duration_ms} ms"));
        self.tell(sid, CallInput::Digit(digit));
        let peer = self.calls.get(&sid).and_then(|entry| entry.leg.as_ref()?.peer);
        // INFO ends at our user agent, and the core relays telephone events only. Without this, the
        // other party would miss the digit.
        if let Some(peer) = peer {
            let digits: Arc<str> = Arc::from(&*char::from(digit).encode_utf8(&mut [0; 2]));
            let play = RELAYED_DIGIT;
            self.media(peer, |leg| MediaCommand::SendDigits { leg, play, digits });
        }
    }
}

/// Names the sending of a relayed digit, whose end no call waits for. Calls count their own from 1.
const RELAYED_DIGIT: PlayId = PlayId(u32::MAX);
