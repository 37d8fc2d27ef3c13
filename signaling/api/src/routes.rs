//! Routes: from the segments of a path to the resource.
//!
//! A described resource is found by the path in its description, so it adds nothing here. Any other adds a line here
//! and one to `reply.rs`; no other file imports resources.

use std::sync::Arc;

use shared::{Code, Now};
use store::{AccountStatus, MappingKind, Reader, SideKind, WriteError};

use crate::auth::{self, Login};
use crate::context::{Answered, Context};
use crate::described;
use crate::form::Form;
use crate::lookup::sid;
use crate::request::{Method, Request, segments, split_suffix};
use crate::resources::{
    alerts, billing, calls, conferences, events, live_transcriptions, mappings, members,
    notifications, participants, recordings, registrations, sides, siprec, streams, studio,
    timeline, transcriptions, validation,
};
use crate::response::{Frame, not_built};

pub(crate) fn dispatch(
    request: &Request<'_>,
    frame: &Frame,
    login: Login,
    now: Now,
    reader: &dyn Reader,
) -> Answered {
    let (path, suffix) = split_suffix(request.path);
    let segments = segments(path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (version, path) = segments.split_first().ok_or_else(WriteError::not_found)?;
    // HEAD is answered as GET; the gateway leaves the body out.
    let reads = matches!(request.method, Method::Get | Method::Head);
    // Refused by name: read as a form, it would be a request without any parameter. A GET may have any type
    // (rest.md 1).
    if !reads && request.content_type.is_some_and(is_json) {
        return Err(WriteError::new(
            415,
            Code::UNSUPPORTED_MEDIA_TYPE,
            "Send parameters as application/x-www-form-urlencoded: JSON bodies are not part of this API",
        ));
    }
    let form = Form::parse(if reads { request.query.as_bytes() } else { request.body });
    let method = if reads { Method::Get } else { request.method };
    let account = Arc::clone(&login.account);
    // The login's account stands until a path names another.
    let mut context = Context { method, form, suffix, now, reader, frame, login, account };
    if *version == "v1" {
        // No account in these paths: they show that of the login.
        return v1(&context, path);
    }
    if *version == "v2" {
        return studio::below(&context, path);
    }
    match path {
        ["Accounts"] => {
            context.must_be_main_credentials()?;
            context.must_be_json()?;
            described(&context, path)
        }
        ["Accounts", sid, rest @ ..] => {
            let sid = sid.parse().map_err(|_| WriteError::not_found())?;
            // Before anything below is routed: a path below another account is not found, whether it exists
            // or not.
            context.account = auth::path_account(&context.login, sid, reader)?;
            account_tree(&context, path, rest)
        }
        _ => Err(WriteError::not_found()),
    }
}

/// `/2010-04-01/Accounts/{sid}` and everything below; `rest` is the part below.
fn account_tree(context: &Context<'_>, path: &[&str], rest: &[&str]) -> Answered {
    if rest.is_empty() {
        context.must_be_main_credentials()?;
        context.must_be_json()?;
        return described(context, path);
    }
    let writes = context.method != Method::Get;
    // The parent may still read what a suspended sub-account has, and wake it: that is the account's own
    // path.
    if writes && context.account.status != AccountStatus::Active {
        return Err(auth::not_active());
    }
    // A recording's own path without a suffix is its audio; everything else is JSON.
    let is_media = matches!(rest, ["Recordings", _]);
    if !is_media {
        context.must_be_json()?;
    }
    // Descriptions first, so that a new kind needs no line here.
    match described::answer(context, path) {
        Some(answered) => answered,
        None => below_account(context, rest),
    }
}

fn described(context: &Context<'_>, path: &[&str]) -> Answered {
    described::answer(context, path).unwrap_or_else(|| Err(WriteError::not_found()))
}

/// Everything below `/v1`: monitor.
fn v1(context: &Context<'_>, path: &[&str]) -> Answered {
    match path {
        ["Alerts"] => alerts::collection(context),
        ["Alerts", sid] => alerts::instance(context, sid),
        [name @ ("ByocTrunks" | "ConnectionPolicies" | "IpRecords" | "SourceIpMappings"), ..] => {
            Err(not_built(name))
        }
        _ => Err(WriteError::not_found()),
    }
}

/// Everything below an account that no description has.
fn below_account(context: &Context<'_>, path: &[&str]) -> Answered {
    match path {
        ["SIP", rest @ ..] => sip(context, rest),
        ["Calls"] => calls::collection(context),
        ["Calls", sid] => calls::instance(context, sid),
        ["Calls", sid, rest @ ..] => below_call(context, sid, rest),
        ["Conferences", rest @ ..] => below_conferences(context, rest),
        ["Queues", queue, "Members"] => members::collection(context, queue),
        ["Queues", queue, "Members", member] => members::instance(context, queue, member),
        ["Recordings"] => recordings::collection(context, None),
        ["Recordings", sid] => recordings::instance_or_media(context, sid),
        ["Recordings", recording, "Transcriptions"] => {
            transcriptions::collection(context, Some(recording))
        }
        ["Recordings", recording, "Transcriptions", sid] => {
            transcriptions::instance(context, Some(recording), sid)
        }
        ["Transcriptions"] => transcriptions::collection(context, None),
        ["Transcriptions", sid] => transcriptions::instance(context, None, sid),
        ["Recordings", _, "AddOnResults", ..] => Err(not_built("Recordings/AddOnResults")),
        ["Notifications"] => notifications::collection(context, None),
        ["Notifications", sid] => notifications::instance(context, None, sid),
        ["Balance"] => billing::balance(context),
        ["OutgoingCallerIds"] => validation::request(context),
        ["Usage", rest @ ..] => billing::usage(context, rest),
        // By name: a plain 404 would send the customer looking for a mistake in the path.
        [name, ..] if NOT_BUILT.contains(name) => Err(not_built(name)),
        _ => Err(WriteError::not_found()),
    }
}

/// Resources of the contract that are not built, by the first segment of their path; see
/// `signaling/contract/coverage.tsv`.
const NOT_BUILT: &[&str] = &[
    "Addresses",
    "AuthorizedConnectApps",
    "AvailablePhoneNumbers",
    "ConnectApps",
    "Messages",
    "Tokens",
];

fn below_conferences(context: &Context<'_>, path: &[&str]) -> Answered {
    match path {
        [] => conferences::collection(context),
        [conference] => conferences::instance(context, conference),
        [conference, "Participants"] => participants::collection(context, conference),
        [conference, "Participants", participant] => {
            participants::instance(context, conference, participant)
        }
        [conference, "Recordings"] => conferences::recordings(context, conference),
        [conference, "Recordings", recording] => {
            conferences::recording(context, conference, recording)
        }
        _ => Err(WriteError::not_found()),
    }
}

fn sip(context: &Context<'_>, path: &[&str]) -> Answered {
    match path {
        ["Domains", sid, "Registrations"] => registrations::collection(context, sid),
        ["Domains", sid, "Registrations", binding] => {
            registrations::instance(context, sid, binding)
        }
        ["Domains", sid, rest @ ..] => below_domain(context, sid, rest),
        _ => Err(WriteError::not_found()),
    }
}

fn below_domain(context: &Context<'_>, domain: &str, path: &[&str]) -> Answered {
    use MappingKind::{CallsCredentialList, CallsIpAccessControlList, RegistrationsCredentialList};
    let (kind, legacy, rest) = match path {
        ["Auth", "Calls", "CredentialListMappings", rest @ ..] => {
            (CallsCredentialList, false, rest)
        }
        ["Auth", "Calls", "IpAccessControlListMappings", rest @ ..] => {
            (CallsIpAccessControlList, false, rest)
        }
        ["Auth", "Registrations", "CredentialListMappings", rest @ ..] => {
            (RegistrationsCredentialList, false, rest)
        }
        ["CredentialListMappings", rest @ ..] => (CallsCredentialList, true, rest),
        ["IpAccessControlListMappings", rest @ ..] => (CallsIpAccessControlList, true, rest),
        _ => return Err(WriteError::not_found()),
    };
    let mappings = mappings::Mappings::new(context, domain, kind, legacy)?;
    match rest {
        [] => mappings.collection(),
        [sid] => mappings.instance(sid),
        _ => Err(WriteError::not_found()),
    }
}

fn below_call(context: &Context<'_>, call: &str, path: &[&str]) -> Answered {
    // Only its form: whether the call exists is asked where the answer depends on it.
    let sid = sid(call)?;
    match path {
        ["Recordings"] => recordings::collection(context, Some(sid)),
        ["Recordings", recording] => recordings::instance_of_call(context, sid, recording),
        ["Notifications"] => notifications::collection(context, Some(sid)),
        ["Notifications", notification] => {
            notifications::instance(context, Some(sid), notification)
        }
        ["Events"] => events::collection(context, sid),
        ["Timeline"] => timeline::fetch(context, sid),
        ["Siprec"] => sides::collection(context, sid, siprec::start),
        ["Siprec", name] => sides::instance(context, sid, SideKind::Siprec, name),
        ["Streams"] => sides::collection(context, sid, streams::start),
        ["Streams", name] => sides::instance(context, sid, SideKind::Stream, name),
        ["Transcriptions"] => sides::collection(context, sid, live_transcriptions::start),
        ["Transcriptions", name] => sides::instance(context, sid, SideKind::Transcription, name),
        [name @ ("Payments" | "UserDefinedMessages" | "UserDefinedMessageSubscriptions"), ..] => {
            Err(not_built(format_args!("Calls/{name}")))
        }
        _ => Err(WriteError::not_found()),
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("application/json")
}
