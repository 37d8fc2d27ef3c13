//! The rules of admission for REGISTER, in their order. Sans-IO.
//!
//! Domain, account and source are checked as for calls (`crate::admission`); then the domain takes
//! registrations, a credential list is mapped for them, the digest is right, and its user is the user of
//! To.

use shared::{AccountSid, Code, Refusal, Transport};
use sip::digest::Verdict;
use sip::registrar::AddressOfRecord;
use sip::{NameAddr, Uri};
use store::{Admission, Snapshot};

use crate::admission::{
    Policy, Refused, Request, Unproven, check_source, check_verdict, find, user_of,
};

/// The verdict about a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Its sender has proved to be this user.
    Admit(Registrant),
    /// Ask for credentials.
    Challenge { stale: bool },
    /// Refuse; a refusal without a status is silent.
    Refuse(Refused),
    /// This user failed too often from this source: no response.
    LockedOut,
}

/// The user whose contacts the REGISTER may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registrant {
    pub account: AccountSid,
    pub of: AddressOfRecord,
}

/// Applies the rules to a REGISTER. `verify` checks its digest against the lists that are mapped for
/// registrations, at most once. It returns `None` when the pair of user and source is locked out.
pub(crate) fn decide(
    snapshot: &Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
    to: &NameAddr,
    verify: impl FnOnce(&Admission<'_>) -> Option<Verdict>,
) -> Decision {
    let found = match find(snapshot, policy, request) {
        Ok(found) => found,
        Err(refused) => return Decision::Refuse(refused),
    };
    let account = Some(found.account.sid);
    // What SIP has against the request comes after the rules that may end in silence, as for calls.
    let before = check_place(&found, policy, request).and_then(|()| match request.objection {
        None => Ok(()),
        Some(objection) => Err(objection.clone()),
    });
    if let Err(refusal) = before {
        return refuse(refusal, account, request.is_vouched);
    }
    let user = match verify(&found) {
        None => return Decision::LockedOut,
        Some(verdict) => match check_verdict(verdict) {
            Ok(user) => user,
            Err(Unproven::Ask { stale }) => return Decision::Challenge { stale },
            Err(Unproven::Wrong(refusal)) => return refuse(refusal, account, request.is_vouched),
        },
    };
    if let Err(refusal) = check_user(snapshot, policy, request, to, (&found, &user)) {
        return refuse(refusal, account, true);
    }
    let of = AddressOfRecord { domain: found.domain.sid, user: user.into() };
    Decision::Admit(Registrant { account: found.account.sid, of })
}

/// The rules that need no credentials.
fn check_place(
    found: &Admission<'_>,
    policy: Policy<'_>,
    request: Request<'_>,
) -> Result<(), Refusal> {
    if !found.account_is_active() {
        return Err(crate::admission::account_inactive());
    }
    check_source(found, policy, request.flow)?;
    if !found.domain.sip_registration {
        let sentence = "Registration is off for the domain. Set SipRegistration=true on it.";
        return Err(Refusal::new("registration_off", 403, sentence).code(Code::REGISTRATION_OFF));
    }
    if !found.registration_auth() {
        let sentence = "The domain has no credential list mapped for registrations, so nobody can \
                        register there. Map one.";
        return Err(Refusal::new("registration_without_credentials", 403, sentence)
            .code(Code::REGISTRATION_WITHOUT_LIST));
    }
    Ok(())
}

/// The rules whose refusals only an authenticated user may read.
fn check_user(
    snapshot: &Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
    to: &NameAddr,
    (found, user): (&Admission<'_>, &str),
) -> Result<(), Refusal> {
    // To names the user, the Request-URI only the registrar (RFC 3261 §10.2): the lists of one
    // domain must not prove a user of another.
    let of_to = find(snapshot, policy, Request { target: &to.uri, objection: None, ..request });
    if !of_to.is_ok_and(|other| other.domain.sid == found.domain.sid) {
        let sentence = "To and Request-URI name different domains.";
        return Err(Refusal::new("register_other_domain", 404, sentence));
    }
    if user_of(&to.uri).as_deref() != Some(user) {
        let sentence = "A user registers contacts for itself alone: the digest user must equal the \
                        user of the To URI.";
        return Err(Refusal::new("register_other_user", 403, sentence).code(Code::USER_MISMATCH));
    }
    // Last, so that only users learn whether a domain is secure.
    if found.domain.secure && request.flow.transport != Transport::Tls {
        let sentence = "The domain is marked secure: phones register over TLS there.";
        return Err(Refusal::new("secure_domain_needs_tls", 403, sentence).code(Code::TLS_REQUIRED));
    }
    Ok(())
}

fn refuse(refusal: Refusal, account: Option<AccountSid>, trusted: bool) -> Decision {
    Decision::Refuse(Refused { refusal, account, trusted })
}

/// The edge that the host of a Request-URI names, in lower case.
pub(crate) fn edge_of(snapshot: &Snapshot, target: &Uri) -> Option<Box<str>> {
    let host = crate::admission::host_of(target)?;
    snapshot.suffix().host(&host)?.edge
}
