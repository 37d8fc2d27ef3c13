//! The resources, one file each, and which path leads to which.

pub(crate) mod accounts;
pub(crate) mod alerts;
pub(crate) mod billing;
pub(crate) mod call_commands;
pub(crate) mod calls;
pub(crate) mod credential_lists;
pub(crate) mod credentials;
pub(crate) mod domains;
pub(crate) mod events;
pub(crate) mod ip_access_control_lists;
pub(crate) mod ip_addresses;
pub(crate) mod keys;
pub(crate) mod mappings;
pub(crate) mod notifications;
pub(crate) mod recordings;
pub(crate) mod registrations;
pub(crate) mod timeline;

use std::str::FromStr;

use serde_json::Value;
use store::{MappingKind, Reply, WriteError};

use crate::handle::{Answered, Context, Rendering};
use crate::response::not_built;

/// Everything below an account.
pub(crate) fn below_account(context: &Context<'_>, path: &[&str]) -> Answered {
    match path {
        ["Keys" | "SigningKeys"] => keys::collection(context),
        ["Keys" | "SigningKeys", sid] => keys::instance(context, sid),
        ["SIP", rest @ ..] => sip(context, rest),
        ["Calls"] => calls::collection(context),
        ["Calls", sid] => calls::instance(context, sid),
        ["Calls", sid, rest @ ..] => below_call(context, sid, rest),
        ["Recordings"] => recordings::collection(context, None),
        ["Recordings", sid] => recordings::instance_or_media(context, sid),
        ["Recordings", _, name @ ("Transcriptions" | "AddOnResults"), ..] => {
            Err(not_built(&format!("Recordings/{name}")))
        }
        ["Notifications"] => notifications::collection(context, None),
        ["Notifications", sid] => notifications::instance(context, None, sid),
        ["Balance"] => billing::balance(context),
        ["OutgoingCallerIds"] => billing::outgoing_caller_ids(context),
        ["OutgoingCallerIds", _] => Err(not_built("Validation of OutgoingCallerIds")),
        ["Usage", rest @ ..] => billing::usage(context, rest),
        [name, ..] if NOT_BUILT.contains(name) => Err(not_built(name)),
        _ => Err(WriteError::not_found()),
    }
}

/// Resources of the contract that come later (rest-coverage.md).
const NOT_BUILT: &[&str] = &[
    "Addresses",
    "Applications",
    "AuthorizedConnectApps",
    "AvailablePhoneNumbers",
    "Conferences",
    "ConnectApps",
    "IncomingPhoneNumbers",
    "Messages",
    "Queues",
    "Tokens",
    "Transcriptions",
];

fn sip(context: &Context<'_>, path: &[&str]) -> Answered {
    match path {
        ["Domains"] => domains::collection(context),
        ["Domains", sid] => domains::instance(context, sid),
        ["Domains", sid, "Registrations"] => registrations::collection(context, sid),
        ["Domains", sid, "Registrations", binding] => {
            registrations::instance(context, sid, binding)
        }
        ["Domains", sid, rest @ ..] => below_domain(context, sid, rest),
        ["CredentialLists"] => credential_lists::collection(context),
        ["CredentialLists", list] => credential_lists::instance(context, list),
        ["CredentialLists", list, "Credentials"] => credentials::collection(context, list),
        ["CredentialLists", list, "Credentials", sid] => credentials::instance(context, list, sid),
        ["IpAccessControlLists"] => ip_access_control_lists::collection(context),
        ["IpAccessControlLists", list] => ip_access_control_lists::instance(context, list),
        ["IpAccessControlLists", list, "IpAddresses" | "Addresses"] => {
            ip_addresses::collection(context, list)
        }
        ["IpAccessControlLists", list, "IpAddresses" | "Addresses", sid] => {
            ip_addresses::instance(context, list, sid)
        }
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
        [
            name @ ("Streams"
            | "Siprec"
            | "Transcriptions"
            | "Payments"
            | "UserDefinedMessages"
            | "UserDefinedMessageSubscriptions"),
            ..,
        ] => Err(not_built(&format!("Calls/{name}"))),
        _ => Err(WriteError::not_found()),
    }
}

/// What a reply looks like.
pub(crate) fn reply_json(rendering: &Rendering, reply: &Reply) -> Value {
    match reply {
        Reply::Account(row) => accounts::json(row),
        Reply::Key { key, secret } => keys::json(key, secret.as_ref()),
        Reply::Domain { domain, auth } => domains::json(domain, *auth),
        Reply::Mapping(view) => mappings::json(view, rendering.legacy_mapping),
        Reply::CredentialList(row) => credential_lists::json(row),
        Reply::Credential(row) => credentials::json(row),
        Reply::IpAccessControlList(row) => ip_access_control_lists::json(row),
        Reply::IpAddress(row) => ip_addresses::json(row),
        Reply::Call(row) => calls::json(row),
        Reply::Recording(row) => recordings::json_of_call(row, &rendering.frame.base),
        Reply::Timeline(json) => timeline::json(json.as_deref().unwrap_or("{}")),
        Reply::Deleted => Value::Null,
    }
}

/// Reads a SID of the path; anything else is not found.
pub(crate) fn sid<S: FromStr>(text: &str) -> Result<S, WriteError> {
    text.parse().map_err(|_| WriteError::not_found())
}

/// What is not there is not found.
pub(crate) fn found<T>(read: Result<Option<T>, store::ReadError>) -> Result<T, WriteError> {
    read.map_err(crate::auth::unreadable)?.ok_or_else(WriteError::not_found)
}

/// The path of an account's resource.
pub(crate) fn uri(account: shared::AccountSid, rest: &str) -> String {
    format!("/2010-04-01/Accounts/{account}/{rest}")
}
