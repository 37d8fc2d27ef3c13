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
    /// The carrier at the request's source. It is trusted: whatever it sends gets a response.
    pub carrier: Option<Carrier<'a>>,
}

/// The `[[trunk]]` that a source address belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Carrier<'a> {
    /// Its name in the settings.
    pub name: &'a str,
    /// Labels of the domain that takes its calls, where the settings name one.
    pub domain: Option<&'a str>,
}

impl Policy<'_> {
    /// Whether a domain is the one that takes the calls of the carrier at the request's source.
    pub(crate) fn is_of_carrier(&self, found: &Admission<'_>) -> bool {
        let domain = self.carrier.and_then(|carrier| carrier.domain);
        domain == Some(found.domain.labels.as_str())
    }

    /// Whether a refusal is answered where others would get silence.
    const fn answers(&self) -> bool {
        self.answer_strangers || self.carrier.is_some()
    }
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
        Err(refused) => return Decision::Refuse(refused),
    };
    let account = Some(found.account.sid);
    let is_trunk = policy.is_of_carrier(&found);
    let is_vouched = request.is_vouched || policy.carrier.is_some();
    if let Err(refusal) = check_place(&found, policy, request.flow, is_trunk) {
        return refuse(objection_first(refusal, request), account, is_vouched);
    }
    let is_vouched = is_vouched || is_listed(&found, request.flow);
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
/// The refusal for an unknown domain, for a source outside of its IP lists, or what SIP has against
/// the request.
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

/// With IP lists mapped, nothing from another source is answered, whatever it asks: a domain does not
/// show itself to scanners. The carrier of the domain's trunk is listed by the settings.
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

/// The same for a request that belongs to no dialog although it says so: one to an address of ours
/// is heard, for a dialog's requests name our Contact.
///
/// # Errors
/// As [`check_source`], and whose domain it is.
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

/// The domain of a request: the one that its Request-URI names, else that of the carrier it comes
/// from, whatever it names (its own realm, a number, a private address of ours), else the default
/// domain where it names our address.
///
/// # Errors
/// The refusal where there is none.
pub(crate) fn find<'s>(
    snapshot: &'s Snapshot,
    policy: Policy<'_>,
    request: Request<'_>,
) -> Result<Admission<'s>, Refused> {
    let flow = request.flow;
    let host = host_of(request.target);
    let by_labels = |labels: Option<&str>| snapshot.admission_by_labels(labels?);
    let by_carrier = || by_labels(policy.carrier?.domain);
    // Over TLS a bare address is refused: no certificate proves it.
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

/// The account that hears of what concerns no other: a carrier is the operator's own.
fn operator(snapshot: &Snapshot) -> Option<AccountSid> {
    snapshot.accounts().find(|account| account.parent.is_none()).map(|account| account.sid)
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
    check_source(found, policy, flow)
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

/// It may call us, and nobody takes its calls.
fn carrier_without_domain(carrier: Carrier<'_>) -> Refusal {
    let sentence = format!(
        "The carrier {} sends a request, and its [[trunk]] names no SIP domain that there is: set \
         domain to the one that takes its calls.",
        carrier.name
    );
    Refusal::new("carrier_without_domain", 404, sentence).code(32002)
}

fn not_listed(policy: Policy<'_>) -> Refusal {
    let sentence = "Authentication failure - source IP Address not in ACL";
    let refusal = if policy.answers() {
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
