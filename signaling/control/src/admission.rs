//! Who may call: the rules of contract sip-interface.md §2, in their order. Sans-IO.

use std::net::IpAddr;

use shared::{AccountSid, DomainSid, Refusal};
use sip::digest::{Ha1, Verdict};
use sip::flow::Transport;
use sip::{Flow, Host, Uri};
use store::{Admission, Credential, Snapshot};

/// What admission says about an INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may become a call.
    Admit(Admitted),
    /// Ask for credentials.
    Challenge {
        /// The nonce was too old, the password right.
        stale: bool,
    },
    /// Refuse; a refusal without a status leaves in silence.
    Refuse {
        /// The whole truth.
        refusal: Refusal,
        /// Whose notification it becomes; `None`: nobody's.
        account: Option<AccountSid>,
    },
    /// This user failed too often from this source: nothing is answered.
    LockedOut,
}

/// An INVITE that may become a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The account that pays.
    pub account: AccountSid,
    /// The domain that was called.
    pub domain: DomainSid,
    /// The digest user, where credentials were asked for.
    pub username: Option<String>,
}

/// What the node's settings say about strangers.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Labels of the domain that serves our own address.
    pub default_domain: Option<&'a str>,
    /// 403 instead of silence.
    pub answer_strangers: bool,
}

/// Applies the rules. `verify` checks the request's digest against the stored hash of a user; it is
/// called at most once, and only after the IP list has passed; `None`: the pair of user and source is
/// locked out.
pub fn decide(
    snapshot: &Snapshot,
    policy: Policy<'_>,
    flow: &Flow,
    target: &Uri,
    verify: impl FnOnce(&Admission<'_>) -> Option<Verdict>,
) -> Decision {
    let found = match find_domain(snapshot, policy, flow, target) {
        Ok(found) => found,
        Err(refusal) => return Decision::Refuse { refusal, account: None },
    };
    let account = Some(found.account.sid);
    if let Err(refusal) = check_place(&found, policy, flow) {
        return Decision::Refuse { refusal, account };
    }
    let admitted = |username| {
        let (account, domain) = (found.account.sid, found.domain.sid);
        Decision::Admit(Admitted { account, domain, username })
    };
    if !found.call_auth().credential_list {
        return admitted(None);
    }
    match verify(&found) {
        None => Decision::LockedOut,
        Some(Verdict::Ok { user }) => admitted(Some(user)),
        Some(Verdict::Missing) => Decision::Challenge { stale: false },
        Some(Verdict::Stale) => Decision::Challenge { stale: true },
        Some(
            Verdict::WrongUser { .. }
            | Verdict::WrongPassword { .. }
            | Verdict::WrongUri { .. }
            | Verdict::Broken(_),
        ) => Decision::Refuse { refusal: wrong_credentials(), account },
    }
}

/// Whether a Request-URI names a domain of ours at all.
///
/// # Errors
/// The refusal for an unknown domain.
pub fn known(
    snapshot: &Snapshot,
    policy: Policy<'_>,
    flow: &Flow,
    target: &Uri,
) -> Result<DomainSid, Refusal> {
    find_domain(snapshot, policy, flow, target).map(|found| found.domain.sid)
}

/// The stored hash of a user of the lists that are mapped for calls.
pub fn stored_hash(found: &Admission<'_>, user: &str) -> Option<Ha1> {
    found.call_credentials(user).next().and_then(|credential| hash_of(credential))
}

fn hash_of(credential: &Credential) -> Option<Ha1> {
    let hex: String = credential.ha1.md5.iter().map(|byte| format!("{byte:02x}")).collect();
    Ha1::from_hex(&hex)
}

fn find_domain<'s>(
    snapshot: &'s Snapshot,
    policy: Policy<'_>,
    flow: &Flow,
    target: &Uri,
) -> Result<Admission<'s>, Refusal> {
    let host = host_of(target);
    let named = host.as_deref().and_then(|host| snapshot.admission(host));
    let own_address = flow.transport != Transport::Tls
        && host.as_deref().is_some_and(|host| names_own_address(host, flow));
    let by_default = || match (own_address, policy.default_domain) {
        (true, Some(labels)) => snapshot.admission_by_labels(labels),
        _ => None,
    };
    named.or_else(by_default).ok_or_else(|| unknown_domain(policy, flow))
}

/// Rules 3, 4, 5 and 8: what needs no credentials to be known.
fn check_place(found: &Admission<'_>, policy: Policy<'_>, flow: &Flow) -> Result<(), Refusal> {
    if !found.account_is_active() {
        return Err(Refusal::new(
            "account_inactive",
            603,
            "The account of this domain is suspended or closed. Its parent can activate it.",
        )
        .code(10001));
    }
    let auth = found.call_auth();
    if !auth.ip_access_control_list && !auth.credential_list {
        return Err(Refusal::new(
            "domain_without_authentication",
            403,
            "The domain has neither an IP access control list nor a credential list mapped for \
             calls, so it refuses every call. Map one.",
        )
        .code(32200));
    }
    if auth.ip_access_control_list && !found.source_is_listed(flow.remote.ip()) {
        return Err(not_listed(policy));
    }
    if found.domain.secure {
        return Err(Refusal::new(
            "secure_domain_needs_tls",
            403,
            "The domain is marked secure: it takes calls over TLS with SRTP only, and SIP over TLS \
             is not in this version. Set Secure=false on the domain.",
        )
        .code(32209));
    }
    Ok(())
}

fn unknown_domain(policy: Policy<'_>, flow: &Flow) -> Refusal {
    let sentence = "The host of the Request-URI is no SIP domain of this gateway.";
    if flow.transport == Transport::Tls || policy.answer_strangers {
        Refusal::new("unknown_domain", 403, sentence)
    } else {
        Refusal::silent("unknown_domain", sentence)
    }
}

fn not_listed(policy: Policy<'_>) -> Refusal {
    let sentence = "Authentication failure - source IP Address not in ACL";
    let refusal = if policy.answer_strangers {
        Refusal::new("source_not_listed", 403, sentence)
    } else {
        Refusal::silent("source_not_listed", sentence)
    };
    refusal.code(32201)
}

/// One refusal for unknown users and wrong passwords: a stranger cannot tell them apart.
fn wrong_credentials() -> Refusal {
    let sentence = "User or password are wrong for the credential lists mapped to this domain.";
    Refusal::new("wrong_credentials", 403, sentence).code(32202)
}

/// The host of a SIP URI as text, IPv6 without brackets.
pub fn host_of(target: &Uri) -> Option<String> {
    match target {
        Uri::Sip(uri) => Some(match &uri.host {
            Host::Name(name) => name.as_str().to_owned(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        }),
        _ => None,
    }
}

fn names_own_address(host: &str, flow: &Flow) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return flow.remote.ip().is_loopback();
    }
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical() == flow.local.ip().to_canonical())
}
