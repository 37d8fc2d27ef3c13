//! From the text of a path to what it names, and back. A bad SID, an unknown one and one of another account
//! all answer 404/20404, so that existence does not leak.

use std::str::FromStr;

use shared::AccountSid;
use store::{ReadError, WriteError};

use crate::auth::unreadable;

/// Reads a SID of the path; anything else is not found.
pub(crate) fn sid<S: FromStr>(text: &str) -> Result<S, WriteError> {
    text.parse().map_err(|_| WriteError::not_found())
}

/// What is not there is not found.
pub(crate) fn found<T>(read: Result<Option<T>, ReadError>) -> Result<T, WriteError> {
    read.map_err(unreadable)?.ok_or_else(WriteError::not_found)
}

/// The path of an account's resource.
pub(crate) fn uri(account: AccountSid, rest: &str) -> String {
    uri_of(&account.to_string(), rest)
}

/// As [`uri`], of an account that is text already.
pub(crate) fn uri_of(account: &str, rest: &str) -> String {
    format!("/2010-04-01/Accounts/{account}/{rest}")
}
