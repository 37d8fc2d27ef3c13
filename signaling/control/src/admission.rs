//! Who may call: the rules of contract sip-interface.md §2, in their order. Sans-IO.

use std::net::IpAddr;

use shared::{AccountSid, DomainSid, Refusal};
use sip::digest::{Algorithm, Ha1, Verdict};
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
    Refuse(Refused),
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
    /// It is a carrier's: numbers, and no headers for the application (contract §21).
    pub is_trunk: bool,
}

/// A request that is refused, and who may know why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The whole truth.
    pub refusal: Refusal,
    /// Whose notification it becomes; `None`: nobody's.
    pub account: Option<AccountSid>,
    /// The peer has authenticated and may read code and sentence.
    pub trusted: bool,
}

/// What the node's settings say about strangers.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Labels of the domain that serves our own address.
    pub default_domain: Option<&'a str>,
    /// 403 instead of silence.
    pub answer_strangers: bool,
    /// Labels of the domain that takes the calls of the carrier at the request's source.
    pub trunk_domain: Option<&'a str>,
}

/// The facts of a request that the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where it came by.
    pub flow: &'a Flow,
    /// Its Request-URI.
    pub target: &'a Uri,
    /// What SIP itself has against it.
    pub objection: Option<&'a Refusal>,
    /// Its source has authenticated a little while ago.
    pub is_vouched: bool,
}

/// Applies the rules to an INVITE. Silence comes first, so that a malformed request finds out nothing
/// that a sound one would not; then what SIP has against it, then the other rules.
///
/// `verify` checks the request's digest against the stored hashes of a user; it is called at most
/// once, and only after the IP list has passed; `None`: the pair of user and source is locked out.
pub fn decide(
    snapshot: &Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
    verify: impl FnOnce(&Admission<'_>) -> Option<Verdict>,
) -> Decision {
    let found = match find(snapshot, policy, request) {
        Ok(found) => found,
        Err(refusal) => return refuse(refusal, None, false),
    };
    let account = Some(found.account.sid);
    let is_trunk = policy.trunk_domain == Some(found.domain.labels.as_str());
    let is_listed = is_trunk || is_listed(&found, request.flow);
    if let Err(refusal) = check_place(&found, policy, request.flow, is_trunk) {
        return refuse(objection_first(refusal, request), account, request.is_vouched);
    }
    let is_vouched = request.is_vouched || is_listed;
    if let Some(objection) = request.objection {
        return refuse(objection.clone(), account, is_vouched);
    }
    let username = if found.call_auth().credential_list && !is_trunk {
        match verify(&found) {
            None => return Decision::LockedOut,
            Some(verdict) => match check_verdict(verdict) {
                Ok(user) => Some(user),
                Err(Unproven::Ask { stale }) => return Decision::Challenge { stale },
                Err(Unproven::Wrong(refusal)) => return refuse(refusal, account, is_vouched),
            },
        }
    } else {
        None
    };
    if found.domain.secure && request.flow.transport != Transport::Tls {
        return refuse(secure_needs_tls(), account, true);
    }
    let (account, domain) = (found.account.sid, found.domain.sid);
    Decision::Admit(Admitted { account, domain, username, is_trunk })
}

/// The domain that a request names, for a method that needs no credentials (OPTIONS) or gets none.
///
/// # Errors
/// The refusal for an unknown domain, or what SIP has against the request.
pub fn known<'s>(
    snapshot: &'s Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
) -> Result<Admission<'s>, Refusal> {
    let found = find(snapshot, policy, request)?;
    request.objection.map_or(Ok(found), |objection| Err(objection.clone()))
}

/// Whether the domain has IP lists for calls and the source is in one.
pub fn is_listed(found: &Admission<'_>, flow: &Flow) -> bool {
    found.call_auth().ip_access_control_list && found.source_is_listed(flow.remote.ip())
}

/// The stored hashes of a user of the lists that are mapped for calls: two lists may each have one.
pub fn stored_hashes(found: &Admission<'_>, user: &str, algorithm: Algorithm) -> Vec<Ha1> {
    hashes_of(found.call_credentials(user), algorithm)
}

/// What digest authentication needs of credentials.
pub(crate) fn hashes_of<'c>(
    credentials: impl Iterator<Item = &'c std::sync::Arc<Credential>>,
    algorithm: Algorithm,
) -> Vec<Ha1> {
    credentials.filter_map(|credential| hash_of(credential, algorithm)).collect()
}

fn hash_of(credential: &Credential, algorithm: Algorithm) -> Option<Ha1> {
    let bytes: &[u8] = match algorithm {
        Algorithm::Md5 => &credential.ha1.md5,
        Algorithm::Sha256 => &credential.ha1.sha256,
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ha1::from_hex(&hex)
}

fn refuse(refusal: Refusal, account: Option<AccountSid>, trusted: bool) -> Decision {
    Decision::Refuse(Refused { refusal, account, trusted })
}

/// A refusal that would be answered gives way to what SIP has against the request; silence does not.
fn objection_first(refusal: Refusal, request: Request<'_>) -> Refusal {
    match request.objection {
        Some(objection) if refusal.status.is_some() => objection.clone(),
        _ => refusal,
    }
}

pub(crate) fn find<'s>(
    snapshot: &'s Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
) -> Result<Admission<'s>, Refusal> {
    let flow = request.flow;
    let host = host_of(request.target);
    let named = host.as_deref().and_then(|host| snapshot.admission(host));
    let own_address = flow.transport != Transport::Tls
        && host.as_deref().is_some_and(|host| names_own_address(host, flow));
    let is_ours = own_address && policy.trunk_domain.is_some();
    let by_trunk = || {
        snapshot.admission_by_labels(policy.trunk_domain.filter(|_| is_ours).unwrap_or_default())
    };
    let by_default = || match (own_address, policy.default_domain) {
        (true, Some(labels)) => snapshot.admission_by_labels(labels),
        _ => None,
    };
    named
        .or_else(by_trunk)
        .or_else(by_default)
        .ok_or_else(|| objection_first(unknown_domain(policy, flow), request))
}

/// Rules 3, 4 and 5: what needs no credentials to be known.
fn check_place(
    found: &Admission<'_>,
    policy: Policy<'_>,
    flow: &Flow,
    is_trunk: bool,
) -> Result<(), Refusal> {
    if !found.account_is_active() {
        return Err(account_inactive());
    }
    if is_trunk {
        return Ok(());
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
    Ok(())
}

pub(crate) fn account_inactive() -> Refusal {
    let sentence = "The account of this domain is suspended or closed. Its parent can activate it.";
    Refusal::new("account_inactive", 603, sentence).code(10001)
}

/// Why the digest does not prove who asks.
pub(crate) enum Unproven {
    Ask { stale: bool },
    Wrong(Refusal),
}

/// Rule 6: the user, or why not.
pub(crate) fn check_verdict(verdict: Verdict) -> Result<String, Unproven> {
    match verdict {
        Verdict::Ok { user } => Ok(user),
        Verdict::Missing => Err(Unproven::Ask { stale: false }),
        Verdict::Stale => Err(Unproven::Ask { stale: true }),
        Verdict::WrongUser { .. } | Verdict::WrongPassword { .. } | Verdict::WrongUri { .. } => {
            Err(Unproven::Wrong(wrong_credentials()))
        }
        Verdict::Broken(error) => {
            let sentence = format!("The digest credentials cannot be read: {error}.");
            Err(Unproven::Wrong(Refusal::new("credentials_broken", 400, sentence).code(32202)))
        }
    }
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

/// Rule 8. It comes after the credentials: whether a domain is secure is no stranger's business.
fn secure_needs_tls() -> Refusal {
    Refusal::new(
        "secure_domain_needs_tls",
        403,
        "The domain is Secure: it takes calls over TLS with SRTP only. Call over TLS, or set \
         Secure=false on the domain.",
    )
    .code(32209)
}

/// A call needs somebody who says what to do with it.
///
/// # Errors
/// The refusal where the domain names nobody.
pub fn document(voice_url: &Option<String>) -> Result<(), Refusal> {
    if voice_url.is_some() {
        return Ok(());
    }
    let sentence = "The domain has no voice URL, so nobody can say what to do with the call. \
                    Set VoiceUrl.";
    Err(Refusal::new("no_voice_url", 404, sentence).code(11100))
}

/// The host of a SIP URI as text, IPv6 without brackets.
pub fn host_of(target: &Uri) -> Option<String> {
    match target {
        Uri::Sip(uri) => Some(match &uri.host {
            Host::Name(name) => name.as_str().to_owned(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        }),
        Uri::Tel(_) | Uri::Other(_) => None,
    }
}

/// The user part of a SIP URI, escapes read.
pub(crate) fn user_of(uri: &Uri) -> Option<String> {
    uri.as_sip().map(sip::SipUri::user_lossy).filter(|user| !user.is_empty())
}

fn names_own_address(host: &str, flow: &Flow) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return flow.remote.ip().is_loopback();
    }
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical() == flow.local.ip().to_canonical())
}
