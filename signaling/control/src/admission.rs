//! The rules of admission for calls, in their order. Sans-IO.
//!
//! 0. A carrier calls a registered phone number: rules 2 and 5 apply, and no other.
//! 1. The Request-URI names a domain, or the source is a carrier whose trunk has one.
//! 2. The account of the domain is active.
//! 3. The domain has IP lists or credential lists mapped for calls.
//! 4. With IP lists, the source is in one.
//! 5. SIP has nothing against the request (`sip::Objection`).
//! 6. With credential lists, the digest is right.
//! 7. A secure domain is called over TLS.
//!
//! The rules that may end in silence come first, so that a malformed request learns nothing that a sound
//! one would not. What may depend on a password comes last.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use shared::{AccountSid, Code, DomainSid, IncomingPhoneNumberSid, Refusal, Transport};
use sip::digest::{Algorithm, Ha1, Verdict};
use sip::{Flow, Host, Uri};
use store::{Admission, Credential, Snapshot};

/// The verdict about an INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may become a call.
    Admit(Admitted),
    /// Ask for credentials.
    Challenge {
        /// The password was right but the nonce too old.
        stale: bool,
    },
    /// Refuse; a refusal without a status is silent.
    Refuse(Refused),
    /// This user failed too often from this source: no response.
    LockedOut,
}

/// An INVITE that may become a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The account that pays.
    pub account: AccountSid,
    /// The domain that was called, or the number.
    pub called: Called,
    /// The digest user, where credentials were asked for.
    pub username: Option<String>,
    /// It comes from a carrier: webhooks report numbers, and none of its headers.
    pub is_trunk: bool,
}

/// What an admitted INVITE called: its URLs answer the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// A SIP domain.
    Domain(DomainSid),
    /// A registered phone number, which its carrier delivered.
    Number(IncomingPhoneNumberSid),
}

impl Called {
    /// The domain; `None` of a number, which has none.
    pub const fn domain(self) -> Option<DomainSid> {
        match self {
            Self::Domain(domain) => Some(domain),
            Self::Number(_) => None,
        }
    }
}

/// A refused request, and who may know the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Rule, status, code and sentence.
    pub refusal: Refusal,
    /// The account that gets a notification; `None`: none does.
    pub account: Option<AccountSid>,
    /// Whether the peer is authenticated and may read code and sentence.
    pub trusted: bool,
}

/// What the node's settings say about the source of a request.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Labels of the domain that serves Request-URIs with our own address.
    pub default_domain: Option<&'a str>,
    /// Unauthenticated sources get 403 instead of silence.
    pub answer_unauthenticated: bool,
    /// The carrier at the request's source. It is trusted: all its requests get a response.
    pub carrier: Option<Carrier<'a>>,
}

/// The `[[trunk]]` that a source address belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Carrier<'a> {
    /// Its name in the settings.
    pub name: &'a str,
    /// Labels of the domain that takes its calls; `None`: the settings name none.
    pub domain: Option<&'a str>,
}

impl Policy<'_> {
    /// Whether the domain takes the calls of the carrier at the request's source.
    pub(crate) fn is_of_carrier(&self, found: &Admission<'_>) -> bool {
        let domain = self.carrier.and_then(|carrier| carrier.domain);
        domain == Some(found.domain.labels.as_str())
    }

    /// Whether a refusal gets a response where others would get silence.
    const fn answers(&self) -> bool {
        self.answer_unauthenticated || self.carrier.is_some()
    }
}

/// The facts of a request that the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The flow that it came by.
    pub flow: &'a Flow,
    /// The Request-URI, whose host names the domain.
    pub target: &'a Uri,
    /// The refusal that SIP itself demands (a missing header, an unknown extension …).
    pub objection: Option<&'a Refusal>,
    /// Whether its source authenticated recently.
    pub is_vouched: bool,
}

/// Applies the rules to an INVITE.
///
/// `verify` checks the request's digest against the stored hashes of a user. It is called at most once,
/// and only after the IP list has passed. It returns `None` when the pair of user and source is locked
/// out.
pub fn decide(
    snapshot: &Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
    verify: impl FnOnce(&Admission<'_>) -> Option<Verdict>,
) -> Decision {
    let found = match find(snapshot, policy, request) {
        Ok(found) => found,
        Err(refused) => return Decision::Refuse(refused),
    };
    let account = Some(found.account.sid);
    let is_trunk = policy.is_of_carrier(&found);
    let is_vouched = request.is_vouched || policy.carrier.is_some();
    if let Err(refusal) = check_place(&found, policy, request.flow, is_trunk) {
        return refuse(objection_first(refusal, request), account, is_vouched);
    }
    let is_vouched = is_vouched || is_listed(&found, request.flow);
    // Before the digest: a request that SIP itself refuses needs no challenge.
    if let Some(objection) = request.objection {
        return refuse(objection.clone(), account, is_vouched);
    }
    // A carrier is known by its source address and answers no challenge.
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
    // Trusted: whoever comes this far has passed every list of the domain.
    if found.domain.secure && request.flow.transport != Transport::Tls {
        return refuse(secure_needs_tls(), account, true);
    }
    let (account, called) = (found.account.sid, Called::Domain(found.domain.sid));
    Decision::Admit(Admitted { account, called, username, is_trunk })
}

/// Applies the rules to an INVITE of a carrier to a phone number. `None`: no registered number answers it, so that
/// [`decide`] applies.
///
/// The number comes before the domain of the trunk: it is what the customer registered, and it may belong to another
/// account than the domain. One that has nothing of its own to answer calls is left to the domain, since a number may
/// be registered as a caller id alone.
pub fn decide_number(
    snapshot: &Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
    digits: &str,
) -> Option<Decision> {
    // A caller that is not a carrier could write any number into To.
    policy.carrier?;
    let number = snapshot.phone_number(digits)?;
    snapshot.voice_urls(number)?;
    let account = number.account;
    if !snapshot.account_is_active(account) {
        let refusal = objection_first(account_inactive(), request);
        return Some(refuse(refusal, Some(account), true));
    }
    if let Some(objection) = request.objection {
        return Some(refuse(objection.clone(), Some(account), true));
    }
    let called = Called::Number(number.sid);
    Some(Decision::Admit(Admitted { account, called, username: None, is_trunk: true }))
}

/// The domain that a request names, for a method that needs no credentials (OPTIONS).
///
/// # Errors
/// The refusal for an unknown domain, for a source outside its IP lists, or the one that SIP demands.
pub fn known<'s>(
    snapshot: &'s Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
) -> Result<Admission<'s>, Refused> {
    let found = find(snapshot, policy, request)?;
    let refused = |refusal| Refused {
        refusal,
        account: Some(found.account.sid),
        trusted: request.is_vouched || policy.carrier.is_some(),
    };
    check_source(&found, policy, request.flow).map_err(refused)?;
    request.objection.map_or(Ok(found), |objection| Err(refused(objection.clone())))
}

/// With IP lists mapped, no request from another source gets a response: a domain does not show itself to
/// scanners. The settings list the carrier of the domain's trunk.
///
/// # Errors
/// The refusal, silent unless the settings say otherwise.
pub(crate) fn check_source(
    found: &Admission<'_>,
    policy: Policy<'_>,
    flow: &Flow,
) -> Result<(), Refusal> {
    let is_bound = found.call_auth().ip_access_control_list && !policy.is_of_carrier(found);
    if is_bound && !found.source_is_listed(flow.remote.ip()) {
        return Err(not_listed(policy));
    }
    Ok(())
}

/// [`check_source`] for a request that claims a dialog which does not exist. One whose Request-URI is our
/// own address passes: requests in a dialog name our Contact.
///
/// # Errors
/// As [`check_source`], with the account of the domain.
pub(crate) fn check_stray(
    snapshot: &Snapshot,
    policy: Policy<'_>,
    flow: &Flow,
    target: &Uri,
) -> Result<(), Refused> {
    let Some(found) = host_of(target).and_then(|host| snapshot.admission(&host)) else {
        return Ok(());
    };
    check_source(&found, policy, flow).map_err(|refusal| Refused {
        refusal,
        account: Some(found.account.sid),
        trusted: policy.carrier.is_some(),
    })
}

/// Whether the domain has IP lists for calls and the source is in one.
pub fn is_listed(found: &Admission<'_>, flow: &Flow) -> bool {
    found.call_auth().ip_access_control_list && found.source_is_listed(flow.remote.ip())
}

/// The stored hashes of a user in the lists that are mapped for calls: one for each list that has it.
pub fn stored_hashes(found: &Admission<'_>, user: &str, algorithm: Algorithm) -> Vec<Ha1> {
    hashes_of(found.call_credentials(user), algorithm)
}

/// The hashes of these credentials for one algorithm (RFC 7616 §3.4.2).
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
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}"); // a String takes all
    }
    Ha1::from_hex(&hex)
}

fn refuse(refusal: Refusal, account: Option<AccountSid>, trusted: bool) -> Decision {
    Decision::Refuse(Refused { refusal, account, trusted })
}

/// The refusal that SIP demands comes before one with a status; silence comes before both.
fn objection_first(refusal: Refusal, request: Request<'_>) -> Refusal {
    match request.objection {
        Some(objection) if refusal.status.is_some() => objection.clone(),
        _ => refusal,
    }
}

/// The domain of a request: the one that its Request-URI names; else that of the carrier it comes from,
/// which may name its own realm, a number, or one of our private addresses; else the default domain, when
/// the Request-URI names our address.
///
/// # Errors
/// The refusal when there is none of these.
pub(crate) fn find<'s>(
    snapshot: &'s Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
) -> Result<Admission<'s>, Refused> {
    let flow = request.flow;
    let host = host_of(request.target);
    let by_labels = |labels: Option<&str>| snapshot.admission_by_labels(labels?);
    let by_carrier = || by_labels(policy.carrier?.domain);
    // Over TLS a bare address is refused: no certificate can prove it.
    let own_address = flow.transport != Transport::Tls
        && host.as_deref().is_some_and(|host| names_own_address(host, flow));
    let by_default = || by_labels(policy.default_domain.filter(|_| own_address));
    let named = host.as_deref().and_then(|host| snapshot.admission(host));
    if let Some(found) = named.or_else(by_carrier).or_else(by_default) {
        return Ok(found);
    }
    let (refusal, account) = match policy.carrier {
        Some(carrier) => (carrier_without_domain(carrier), operator(snapshot)),
        None => (unknown_domain(policy, flow), None),
    };
    let trusted = policy.carrier.is_some();
    Err(Refused { refusal: objection_first(refusal, request), account, trusted })
}

/// The account that is alerted when no other is concerned: the carriers are the operator's.
fn operator(snapshot: &Snapshot) -> Option<AccountSid> {
    snapshot.accounts().find(|account| account.parent.is_none()).map(|account| account.sid)
}

/// Rules 2, 3 and 4, which need no credentials.
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
        // The settings list the carrier's addresses, so its domain needs no list of its own.
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
        .code(Code::SIP_NO_PERMISSION));
    }
    check_source(found, policy, flow)
}

pub(crate) fn account_inactive() -> Refusal {
    let sentence = "The account of this domain is suspended or closed. Its parent can activate it.";
    Refusal::new("account_inactive", 603, sentence).code(Code::ACCOUNT_INACTIVE)
}

/// A digest that does not prove its user.
pub(crate) enum Unproven {
    Ask { stale: bool },
    Wrong(Refusal),
}

/// Rule 6: the authenticated user.
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
            Err(Unproven::Wrong(
                Refusal::new("credentials_broken", 400, sentence).code(Code::SIP_BAD_CREDENTIALS),
            ))
        }
    }
}

fn unknown_domain(policy: Policy<'_>, flow: &Flow) -> Refusal {
    let sentence = "The host of the Request-URI is not a SIP domain of this gateway.";
    // Over TLS an unknown name gets 403 (sip.md 2): a peer that has completed a handshake knows
    // that we are here.
    if flow.transport == Transport::Tls || policy.answer_unauthenticated {
        Refusal::new("unknown_domain", 403, sentence)
    } else {
        Refusal::silent("unknown_domain", sentence)
    }
}

/// A carrier whose trunk names no domain to take its calls.
fn carrier_without_domain(carrier: Carrier<'_>) -> Refusal {
    let sentence = format!(
        "The carrier {} sends a request, and its [[trunk]] names a SIP domain that does not \
         exist, or none: set domain to the one that takes its calls.",
        carrier.name
    );
    Refusal::new("carrier_without_domain", 404, sentence).code(Code::DIALLED_DOMAIN_UNKNOWN)
}

fn not_listed(policy: Policy<'_>) -> Refusal {
    let sentence = "Authentication failure - source IP Address not in ACL";
    let refusal = if policy.answers() {
        Refusal::new("source_not_listed", 403, sentence)
    } else {
        Refusal::silent("source_not_listed", sentence)
    };
    refusal.code(Code::SIP_SOURCE_NOT_LISTED)
}

/// One refusal for unknown users and wrong passwords, so that an attacker cannot probe for users.
fn wrong_credentials() -> Refusal {
    let sentence = "User or password are wrong for the credential lists mapped to this domain.";
    Refusal::new("wrong_credentials", 403, sentence).code(Code::SIP_BAD_CREDENTIALS)
}

/// Rule 7. It comes after the credentials, so that only users learn whether a domain is secure.
fn secure_needs_tls() -> Refusal {
    Refusal::new(
        "secure_domain_needs_tls",
        403,
        "The domain is Secure: it takes calls over TLS with SRTP only. Call over TLS, or set \
         Secure=false on the domain.",
    )
    .code(Code::TLS_REQUIRED)
}

/// A call needs an application that says what to do with it.
///
/// # Errors
/// The refusal when the domain has no voice URL.
pub fn document(voice_url: &Option<String>) -> Result<(), Refusal> {
    if voice_url.is_some() {
        return Ok(());
    }
    let sentence = "The domain has no voice URL, so nobody can say what to do with the call. \
                    Set VoiceUrl.";
    Err(Refusal::new("no_voice_url", 404, sentence).code(Code::URL_INVALID))
}

/// The host of a SIP URI as text, IPv6 without brackets.
pub fn host_of(target: &Uri) -> Option<Cow<'_, str>> {
    match target {
        Uri::Sip(uri) => Some(match &uri.host {
            Host::Name(name) => name.as_str().into(),
            Host::V4(address) => address.to_string().into(),
            Host::V6(address) => address.to_string().into(),
        }),
        Uri::Tel(_) | Uri::Other(_) => None,
    }
}

/// The user part of a SIP URI with its escapes decoded; `None`: there is none.
pub(crate) fn user_of(uri: &Uri) -> Option<String> {
    uri.as_sip().map(sip::SipUri::user_lossy).filter(|user| !user.is_empty())
}

fn names_own_address(host: &str, flow: &Flow) -> bool {
    // For a remote peer `localhost` is the peer itself, not this machine.
    if host.eq_ignore_ascii_case("localhost") {
        return flow.remote.ip().is_loopback();
    }
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical() == flow.local.ip().to_canonical())
}
