//! `sidetone explain`: which rule decides a hypothetical request, by the rules themselves. Sans-IO.
//!
//! The verdict is the one of [`admission::decide`]; the steps only describe what it looked at.

use std::borrow::Cow;
use std::net::SocketAddr;

use shared::{Refusal, Transport};
use sip::digest::{Algorithm, Ha1, Verdict};
use sip::{Flow, FlowId, Method, NameAddr, Uri};
use store::{Admission, Snapshot};

use crate::admission::{self, Decision, Policy, Refused};
use crate::identity;
use crate::registrar::admission as registrar;
use crate::settings::ControlSettings;

/// A hypothetical request.
#[derive(Clone, Debug)]
pub struct Question {
    /// INVITE, REGISTER or OPTIONS.
    pub method: Method,
    /// The Request-URI; for REGISTER the address of record.
    pub target: Uri,
    /// The source address of the packet.
    pub source: SocketAddr,
    /// Our address that it comes to: matters when the Request-URI names it.
    pub local: SocketAddr,
    /// The transport that it comes by.
    pub transport: Transport,
    /// Its digest user; `None`: no credentials yet.
    pub user: Option<String>,
    /// The password that it uses; `None`: the right one.
    pub password: Option<String>,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rules in their order, up to the one that decides.
    pub steps: Vec<Step>,
    /// The outcome of the last step.
    pub outcome: Outcome,
}

/// One rule of admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// The fact that the rule looked at, for people.
    pub found: Cow<'static, str>,
    /// Whether the request gets past it.
    pub passed: bool,
}

/// What happens to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is served; how, for people.
    Served(Cow<'static, str>),
    /// It is challenged for credentials.
    Challenged {
        /// 401 for REGISTER, 407 for INVITE.
        status: u16,
    },
    /// It is refused. An unauthenticated peer reads the generic phrase of the status alone.
    Refused {
        /// Status, code, rule and sentence.
        refusal: Refusal,
        /// Whether the peer reads code and sentence.
        is_trusted: bool,
        /// Whether an account gets a notification.
        is_alerted: bool,
    },
}

/// Follows a request through the rules, with the present content of the store. It assumes that nothing else
/// is in the way: no overload, no drain, no source past its rate, no user locked out.
pub fn explain(
    snapshot: &Snapshot,
    settings: &ControlSettings,
    question: &Question,
) -> Explanation {
    // No trunk by its registrar: only the running process knows which carriers hold our binding.
    let policy = settings.policy(question.source.ip(), None);
    let (id, transport) = (FlowId(0), question.transport);
    let flow = Flow { id, transport, local: question.local, remote: question.source };
    let request = admission::Request {
        flow: &flow,
        target: &question.target,
        // The request is hypothetical, and taken as well-formed.
        objection: None,
        is_vouched: false,
    };
    if question.method == Method::Invite
        && let Some(digits) = identity::number_of(&question.target)
        && let Some(decision) = admission::decide_number(snapshot, policy, request, &digits)
    {
        return of_number(snapshot, &digits, decision);
    }
    let found = admission::find(snapshot, policy, request).ok();
    let outcome = match question.method {
        Method::Invite => {
            let decision = admission::decide(snapshot, policy, request, |found| {
                Some(verdict(
                    snapshot,
                    question,
                    admission::stored_hashes(found, user(question), Algorithm::Md5),
                ))
            });
            // MD5 stands for both algorithms here: each credential has both hashes, made of one
            // password.
            of_invite(decision, found.as_ref())
        }
        Method::Register => {
            let to = NameAddr::new(question.target.clone());
            let decision = registrar::decide(snapshot, policy, request, &to, |found| {
                let credentials = found.registration_credentials(user(question));
                let stored = admission::hashes_of(credentials, Algorithm::Md5);
                Some(verdict(snapshot, question, stored))
            });
            of_register(decision)
        }
        _ => of_options(admission::known(snapshot, policy, request).map(drop)),
    };
    Explanation { steps: steps(question, policy, found.as_ref(), &outcome), outcome }
}

/// The one step of a carrier's call to a registered number.
fn of_number(snapshot: &Snapshot, digits: &str, decision: Decision) -> Explanation {
    let number = snapshot.phone_number(digits);
    let document = number.and_then(|number| snapshot.voice_urls(number)?.0.document);
    let account = number.map(|number| number.account.to_string()).unwrap_or_default();
    let outcome = match decision {
        Decision::Refuse(refused) => refused_outcome(refused),
        _ => {
            let url = document.map(|webhook| webhook.url).unwrap_or_default();
            Outcome::Served(format!("{BY_TRUNK}, then {url} says what to do").into())
        }
    };
    let passed = matches!(outcome, Outcome::Served(_));
    let found = format!("a carrier calls {digits}, a phone number of {account}").into();
    Explanation { steps: vec![Step { name: "number", found, passed }], outcome }
}

fn user(question: &Question) -> &str {
    question.user.as_deref().unwrap_or_default()
}

/// The verdict about the digest that the question describes.
fn verdict(snapshot: &Snapshot, question: &Question, stored: Vec<Ha1>) -> Verdict {
    let Some(user) = question.user.clone() else { return Verdict::Missing };
    if stored.is_empty() {
        return Verdict::WrongUser { user };
    }
    let realm = snapshot.realm();
    let is_right = question.password.as_ref().is_none_or(|password| {
        let (user, realm) = (user.as_bytes(), realm.as_bytes());
        let given = Ha1::new(Algorithm::Md5, user, realm, password.as_bytes());
        stored.contains(&given)
    });
    if is_right { Verdict::Ok { user } } else { Verdict::WrongPassword { user } }
}

fn of_invite(decision: Decision, found: Option<&Admission<'_>>) -> Outcome {
    match decision {
        Decision::Admit(admitted) => match found
            .map(|found| admission::document(&found.domain.voice_url))
        {
            Some(Err(refusal)) => Outcome::Refused { refusal, is_trusted: true, is_alerted: true },
            _ => {
                let url = found.and_then(|found| found.domain.voice_url.as_deref());
                let url = url.unwrap_or_default();
                let way = if admitted.is_trunk { BY_TRUNK } else { "180 Ringing" };
                Outcome::Served(format!("{way}, then {url} says what to do").into())
            }
        },
        Decision::Challenge { .. } => Outcome::Challenged { status: 407 },
        Decision::Refuse(refused) => refused_outcome(refused),
        // `verdict` locks nobody out, so this arm only completes the match.
        Decision::LockedOut => Outcome::Challenged { status: 407 },
    }
}

fn of_register(decision: registrar::Decision) -> Outcome {
    match decision {
        registrar::Decision::Admit(registrant) => {
            let text = format!("200 OK, with every contact of {}", registrant.of.user);
            Outcome::Served(text.into())
        }
        registrar::Decision::Challenge { .. } | registrar::Decision::LockedOut => {
            Outcome::Challenged { status: 401 }
        }
        registrar::Decision::Refuse(refused) => refused_outcome(refused),
    }
}

fn refused_outcome(refused: Refused) -> Outcome {
    Outcome::Refused {
        is_alerted: refused.account.is_some() && refused.refusal.code.is_some(),
        refusal: refused.refusal,
        is_trusted: refused.trusted,
    }
}

fn of_options(known: Result<(), Refused>) -> Outcome {
    match known {
        Ok(()) => Outcome::Served("200 OK: OPTIONS needs no credentials".into()),
        Err(refused) => refused_outcome(refused),
    }
}

/// The steps, up to the one whose rule decided.
fn steps(
    question: &Question,
    policy: Policy<'_>,
    found: Option<&Admission<'_>>,
    outcome: &Outcome,
) -> Vec<Step> {
    // Without a domain there is no account and no list to look at: one step tells all.
    let Some(found) = found else {
        let host = admission::host_of(&question.target).unwrap_or_default();
        let text = match policy.carrier {
            Some(carrier) => {
                format!(
                    "the [[trunk]] {} names a SIP domain that does not exist, or none",
                    carrier.name
                )
            }
            None => format!("`{host}` is not a SIP domain of this gateway"),
        };
        return vec![Step { name: "domain", found: text.into(), passed: false }];
    };
    let rule = match outcome {
        Outcome::Served(_) => None,
        // A challenge ends at the step of the credentials, as a wrong password does.
        Outcome::Challenged { .. } => Some("wrong_credentials"),
        Outcome::Refused { refusal, .. } => Some(refusal.rule),
    };
    let is_trunk = policy.is_of_carrier(found);
    let all = match question.method {
        Method::Invite if is_trunk => carrier_steps(question, found),
        Method::Invite => invite_steps(question, found),
        Method::Register => register_steps(question, found, is_trunk),
        _ => vec![domain_step(found), source_step(question, found, is_trunk)],
    };
    let mut steps = Vec::new();
    for (rules, name, text) in all {
        let passed = rule.is_none_or(|rule| !rules.contains(&rule));
        steps.push(Step { name, found: text, passed });
        if !passed {
            break;
        }
    }
    steps
}

/// The rules that a step may refuse by, its name, the fact it looked at.
type Looked = (&'static [&'static str], &'static str, Cow<'static, str>);

fn domain_step(found: &Admission<'_>) -> Looked {
    let domain = found.domain;
    let text = format!("{} ({}) of account {}", domain.domain_name, domain.sid, found.account.sid);
    (&["unknown_domain"], "domain", text.into())
}

/// The fact about a request without credentials.
const UNPROVEN: &str = "the request has none: it is challenged, as every first one is";

/// The first response to a carrier's call.
const BY_TRUNK: &str = "180 Ringing to the carrier of a [[trunk]]";

fn carrier_steps(question: &Question, found: &Admission<'_>) -> Vec<Looked> {
    vec![
        domain_step(found),
        account_step(found),
        source_step(question, found, true),
        security_step(question, found),
        document_step(found),
    ]
}

fn account_step(found: &Admission<'_>) -> Looked {
    let account = if found.account_is_active() { "active" } else { "suspended or closed" };
    (&["account_inactive"], "account", account.into())
}

fn source_step(question: &Question, found: &Admission<'_>, is_trunk: bool) -> Looked {
    let source = question.source.ip();
    let is_bound = found.call_auth().ip_access_control_list;
    let text = match (is_trunk, is_bound, found.source_is_listed(source)) {
        (true, ..) => format!("{source} is an address of a [[trunk]] with this domain").into(),
        (_, false, _) => "no list is mapped: any address may ask".into(),
        (_, true, true) => format!("{source} is in a mapped list").into(),
        (_, true, false) => format!("{source} is in none of the mapped lists").into(),
    };
    (&["source_not_listed"], "source address", text)
}

fn security_step(question: &Question, found: &Admission<'_>) -> Looked {
    let transport = question.transport.via_name();
    let secure = match found.domain.secure {
        true => format!("the domain is secure: TLS and SRTP only; this came by {transport}"),
        false => format!("the domain takes any transport; this came by {transport}"),
    };
    (&["secure_domain_needs_tls", "secure_domain_needs_srtp"], "security", secure.into())
}

fn document_step(found: &Admission<'_>) -> Looked {
    let document = found.domain.voice_url.clone().map_or("no VoiceUrl".into(), Cow::Owned);
    (&["no_voice_url"], "document", document)
}

fn invite_steps(question: &Question, found: &Admission<'_>) -> Vec<Looked> {
    let auth = found.call_auth();
    let mapped = match (auth.ip_access_control_list, auth.credential_list) {
        (false, false) => "nothing is mapped for calls",
        (true, false) => "IP access control lists are mapped for calls",
        (false, true) => "credential lists are mapped for calls",
        (true, true) => "IP access control lists and credential lists are mapped: both must pass",
    };
    vec![
        domain_step(found),
        account_step(found),
        (&["domain_without_authentication"], "authentication", mapped.into()),
        source_step(question, found, false),
        (
            &["wrong_credentials", "credentials_broken", "digest_locked_out"],
            "credentials",
            credentials(question, found),
        ),
        security_step(question, found),
        document_step(found),
    ]
}

fn register_steps(question: &Question, found: &Admission<'_>, is_trunk: bool) -> Vec<Looked> {
    let switch = if found.domain.sip_registration { "on" } else { "off" };
    let mapped = match found.registration_auth() {
        true => "credential lists are mapped for registrations",
        false => "no credential list is mapped for registrations",
    };
    let known = |user: &str| {
        let credentials = found.registration_credentials(user);
        match admission::hashes_of(credentials, Algorithm::Md5).is_empty() {
            true => Cow::from(format!("`{user}` is in none of the mapped lists")),
            false => format!("`{user}` is in a mapped list").into(),
        }
    };
    let none = || UNPROVEN.into();
    let of = admission::user_of(&question.target).unwrap_or_default();
    let text = format!("contacts of `{of}` are registered by the digest user `{}`", user(question));
    let transport = question.transport.via_name();
    let secure =
        if found.domain.secure { "the domain is secure" } else { "any transport is taken" };
    vec![
        domain_step(found),
        account_step(found),
        source_step(question, found, is_trunk),
        (&["registration_off"], "registration", format!("SipRegistration is {switch}").into()),
        (&["registration_without_credentials"], "authentication", mapped.into()),
        (
            &["wrong_credentials", "credentials_broken"],
            "credentials",
            question.user.as_deref().map_or_else(none, known),
        ),
        (&["register_other_user", "register_other_domain"], "user", text.into()),
        (
            &["secure_domain_needs_tls"],
            "security",
            format!("{secure}; this came by {transport}").into(),
        ),
    ]
}

fn credentials(question: &Question, found: &Admission<'_>) -> Cow<'static, str> {
    if !found.call_auth().credential_list {
        return "no credential list is mapped: no password is needed".into();
    }
    let Some(user) = &question.user else {
        return UNPROVEN.into();
    };
    let lists = admission::stored_hashes(found, user, Algorithm::Md5).len();
    match (lists, &question.password) {
        (0, _) => format!("`{user}` is in none of the mapped lists").into(),
        (_, None) => {
            format!("`{user}` is in {lists} of the mapped lists; the password is taken as right")
                .into()
        }
        (_, Some(_)) => {
            format!("`{user}` is in {lists} of the mapped lists; the given password is tried")
                .into()
        }
    }
}
