//! Sources of requests: who vouches for one, and what one without a voucher may still ask. Sans-IO.

use std::net::IpAddr;
use std::time::Duration;

use shared::config::Trunk;
use shared::{Now, Refusal, Transport};
use sip::digest::ChallengeKind;
use sip::source_limits::Budget;
use sip::user_agent::Incoming;
use sip::{Command, Flow, Method};

use super::refusals::method_label;
use crate::admission::Policy;
use crate::control::Control;
use crate::effect::{Effect, Observation};

impl Control {
    /// Whether the request is within the budget of its source. Carriers and addresses with a registered
    /// contact have no budget.
    pub(super) fn has_budget(&mut self, now: Now, incoming: &Incoming) -> bool {
        let source = incoming.flow.remote;
        // An office of phones, or a carrier, sends from one address more than any unknown source
        // may.
        if self.registrar.vouches_for(source.ip()) || self.carrier_at(source.ip()).is_some() {
            return true;
        }
        match self.ua.source_limits().take(now.mono, source.ip()) {
            Budget::Within => true,
            Budget::ChallengeOnly => {
                self.challenge_only(now, incoming);
                false
            }
            // Counted and not logged: a flood would fill the log. `HeldFromNow` logs once for each
            // hold.
            Budget::Held => {
                self.observe(Observation::Dropped { rule: "stranger_rate" });
                false
            }
            Budget::HeldFromNow => {
                let sentence = "Too many requests from an unauthenticated source: its requests are \
                                ignored for 10 seconds.";
                let refusal = Refusal::silent("stranger_rate", sentence);
                let method = method_label(incoming.method());
                self.observe(Observation::Refused { refusal, method, source, account: None });
                false
            }
        }
    }

    /// A source past its burst gets a challenge, where the method has one, and no further look: it is cheap.
    fn challenge_only(&mut self, now: Now, incoming: &Incoming) {
        self.observe(Observation::Dropped { rule: "stranger_challenged_only" });
        let kind = match incoming.method() {
            Method::Invite => ChallengeKind::Proxy,
            Method::Register => ChallengeKind::Www,
            _ => return,
        };
        if self.known(now, incoming).is_ok() {
            // A copy for a rare case: only a source that is past its burst comes here.
            let incoming = Box::new(incoming.clone());
            self.command(Command::Challenge { incoming, kind, stale: false });
        }
    }

    /// Whether the request is dropped because of overload. Requests in a dialog do not come by here, and
    /// vouched sources get 503 with Retry-After instead.
    pub(super) fn is_overloaded_for(&mut self, now: Now, incoming: &Incoming) -> bool {
        let source = incoming.flow.remote.ip();
        let is_overloaded = self.overload.is_of(incoming.flow.transport);
        let is_dropped = is_overloaded && !self.is_vouched(now, source);
        if is_dropped {
            self.observe(Observation::Dropped { rule: "overload" });
        }
        is_dropped
    }

    /// The settings that apply to the source of a request.
    pub(crate) fn policy_for(&self, incoming: &Incoming) -> Policy<'_> {
        let source = incoming.flow.remote.ip();
        self.settings.policy(source, self.registrations.trunk_at(source))
    }

    /// The carrier at a source: a trunk that lists the address, or whose registrar has it.
    pub(crate) fn carrier_at(&self, source: IpAddr) -> Option<&Trunk> {
        self.settings.trunk_at(source, self.registrations.trunk_at(source))
    }

    /// Whether an IP list, a recent digest, a registration or a trunk vouches for the source.
    pub(super) fn is_vouched(&self, now: Now, source: IpAddr) -> bool {
        self.ua.is_vouched(now.mono, source)
            || self.registrar.vouches_for(source)
            || self.carrier_at(source).is_some()
    }

    /// Vouches for the source of an admitted request, for at least this time.
    pub(crate) fn vouch(&mut self, now: Now, flow: Flow, at_least: Duration) {
        let source = flow.remote.ip();
        self.ua.source_limits().vouch(now.mono, source, at_least);
        // The effect lifts the limit on connections, and UDP has none.
        if flow.transport != Transport::Udp {
            self.push(Effect::Vouch { source, until: now.mono + at_least });
        }
    }
}
