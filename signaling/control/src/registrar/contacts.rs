//! The contacts that a call to a registered user rings. Sans-IO.
//!
//! A call reaches users of its own account and of its parent account. The contacts that remain are those of
//! the edge in the host, and for a secure call those over TLS. Each filter that leaves none has its own
//! refusal, so that the caller learns which one it was.

use call::SipTarget;
use shared::{CallSid, Code, LatchMode, Transport};
use sip::Uri;
use sip::registrar::{AddressOfRecord, Binding};

use crate::control::Control;
use crate::outgoing::NoWay;

impl Control {
    /// Whether a host is one of our names: calls to it ring contacts and never ask DNS.
    pub(crate) fn is_own_host(&self, host: &str) -> bool {
        self.snapshot.suffix().host(host).is_some()
    }

    /// The contacts of the user that a URI names, or why there is none to ring.
    pub(super) fn contacts(&self, sid: CallSid, target: &SipTarget) -> Result<Vec<Binding>, NoWay> {
        let host = self.snapshot.suffix().host(&target.host);
        let host = host.ok_or_else(|| unknown_domain(&target.host))?;
        let domain = self.snapshot.domain_by_labels(host.labels.as_str());
        let domain = domain.ok_or_else(|| unknown_domain(&target.host))?;
        let account = self.calls.get(&sid).map(|entry| entry.account);
        let parent = account.and_then(|sid| self.snapshot.account(sid)?.parent);
        // A sub-account may call the phones of its parent (sip.md 7), never the other way round.
        if account != Some(domain.account) && parent != Some(domain.account) {
            let sentence = format!("{} belongs to another account.", domain.domain_name);
            return Err(no_way(Code::FOREIGN_DOMAIN, 403, sentence));
        }
        let edge = match host.edge.as_deref() {
            None => None,
            Some(label @ ("us1" | "us1-ix")) => Some(shared::edge::canonical(label)),
            Some(label) => {
                let sentence = format!(
                    "A registered user is called without an edge in the host: leave `{label}` out of \
                     {}.",
                    target.host
                );
                return Err(no_way(Code::REGISTERED_URI_WITH_EDGE, 404, sentence));
            }
        };
        let user = user_of(target).ok_or_else(|| no_user(&domain.domain_name))?;
        let of = AddressOfRecord { domain: domain.sid, user: user.into() };
        let all = self.registrar.bindings(&of);
        if all.is_empty() {
            let sentence =
                format!("Nobody is registered as {} at {}.", of.user, domain.domain_name);
            return Err(no_way(Code::USER_NOT_REGISTERED, 480, sentence));
        }
        self.may_still_be_registered(domain, &of)?;
        let by_edge = |binding: &&Binding| edge.is_none_or(|edge| &*binding.edge == edge);
        let there: Vec<Binding> = all.iter().filter(by_edge).cloned().collect();
        if there.is_empty() {
            let edge = edge.unwrap_or_default();
            let sentence = format!("{} is registered, but not through the edge {edge}.", of.user);
            return Err(no_way(Code::NOT_REGISTERED_ON_EDGE, 480, sentence));
        }
        let secure = self.rings_securely(target);
        let is_fit = |binding: &Binding| !secure || binding.flow.transport == Transport::Tls;
        let fit: Vec<Binding> = there.into_iter().filter(is_fit).collect();
        if fit.is_empty() {
            let sentence = format!("{} is registered, but none of its contacts over TLS.", of.user);
            return Err(no_way(Code::TLS_REQUIRED, 480, sentence));
        }
        Ok(fit)
    }

    /// Contacts stay until they expire, but ring only while their user could register again: the domain takes
    /// registrations, and a list that is mapped for them has the user.
    fn may_still_be_registered(
        &self,
        domain: &store::Domain,
        of: &AddressOfRecord,
    ) -> Result<(), NoWay> {
        let name = &domain.domain_name;
        if !domain.sip_registration {
            let sentence = format!("Registration is off for {name}: its contacts do not ring.");
            return Err(no_way(Code::USER_NOT_REGISTERED, 480, sentence));
        }
        let found = self.snapshot.admission_by_labels(domain.labels.as_str());
        // The password is not checked again, only that a list still has the user.
        let is_known = found.is_some_and(|found| {
            found.account_is_active() && found.registration_credentials(&of.user).next().is_some()
        });
        if !is_known {
            let sentence = format!(
                "{} may not register at {name} any more: its contacts do not ring.",
                of.user
            );
            return Err(no_way(Code::USER_NOT_REGISTERED, 480, sentence));
        }
        Ok(())
    }

    /// Whether only contacts over TLS ring, with SRTP: the domain is `Secure`, or the URI says so.
    pub(super) fn rings_securely(&self, target: &SipTarget) -> bool {
        let host = self.snapshot.suffix().host(&target.host);
        let domain = host.and_then(|host| self.snapshot.domain_by_labels(host.labels.as_str()));
        target.secure || domain.is_some_and(|domain| domain.secure)
    }

    /// The latch of the domain of this host; `None`: it has no setting of its own.
    pub(super) fn latch_of_host(&self, host: &str) -> Option<LatchMode> {
        let found = self.snapshot.admission(host)?;
        self.settings.domain_latches.get(found.domain.labels.as_str()).copied()
    }
}

/// The user part of a target, with its escapes decoded.
fn user_of(target: &SipTarget) -> Option<String> {
    crate::admission::user_of(&Uri::parse(&target.uri).ok()?)
}

fn no_way(code: Code, status: u16, sentence: String) -> NoWay {
    NoWay { code: Some(code), status: Some(status), sentence: sentence.into() }
}

fn unknown_domain(host: &str) -> NoWay {
    no_way(
        Code::DIALLED_DOMAIN_UNKNOWN,
        404,
        format!("{host} is not a SIP domain of this gateway."),
    )
}

fn no_user(domain: &str) -> NoWay {
    let sentence = format!(
        "The URI names no user of {domain}, and a domain itself cannot be called from here."
    );
    no_way(Code::URI_WITHOUT_USER, 404, sentence)
}
