//! Paths to resources and back. A malformed SID, an unknown one and one of another account all answer 404/20404, so
//! that the existence of a resource does not leak.

use std::fmt::{self, Display};
use std::str::FromStr;

use shared::AccountSid;
use shared::ids::parse_sid;
use store::{StoreError, WriteError};

use crate::auth::unreadable;
use crate::text::Text;

/// Reads a SID of the path; not found for any other text.
pub(crate) fn sid<S: FromStr>(text: &str) -> Result<S, WriteError> {
    // Not 400: a path that is no SID names nothing, as one of another account does.
    text.parse().map_err(|_| WriteError::not_found())
}

/// Reads a SID of the path by its prefix; not found for any other text.
pub(crate) fn sid_bits(text: &str, prefix: &'static str) -> Result<u128, WriteError> {
    parse_sid(text, prefix).map_err(|_| WriteError::not_found())
}

/// The row that was read; not found without one.
pub(crate) fn found<T>(read: Result<Option<T>, StoreError>) -> Result<T, WriteError> {
    read.map_err(unreadable)?.ok_or_else(WriteError::not_found)
}

/// The path of an account's resource.
pub(crate) fn uri(account: AccountSid, rest: impl Display) -> Text<impl Display> {
    Text(fmt::from_fn(move |f| write!(f, "/2010-04-01/Accounts/{account}/{rest}")))
}
