//! Basic authentication (RFC 7617) by account and auth token, or by API key and secret.

use std::sync::Arc;

use base64::Engine as _;
use shared::{AccountSid, Code, Instant, KeySid};
use store::{Account, AccountStatus, Key, Reader, WriteError};

use crate::guard::Guard;
use crate::request::Request;

/// Longest `Authorization` value that is read.
const AUTHORIZATION_BYTES_MAX: usize = 1_024;

/// The owner of good credentials.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub account: Arc<Account>,
    /// An API key was used. It opens neither accounts nor keys nor sub-accounts; an auth token opens all.
    pub by_key: bool,
}

/// Checks the credentials. The lock is checked first, so that a locked pair learns nothing from its tries.
pub(crate) fn login(
    request: &Request<'_>,
    now: Instant,
    reader: &dyn Reader,
    guard: &Guard,
) -> Result<Login, WriteError> {
    let Some((user, password)) = request.authorization.and_then(basic) else {
        return Err(unauthorized());
    };
    if guard.is_locked(request.source, &user, now) {
        return Err(WriteError::new(
            429,
            Code::TOO_MANY_REQUESTS,
            "Too many failed logins. Wait a minute before you try again.",
        ));
    }
    // An unknown user counts and reads like a wrong password, so that users cannot be found by trying.
    let Some(login) = find(&user, &password, reader)? else {
        guard.count_failure(request.source, &user, now);
        return Err(unauthorized());
    };
    // Before the state of the account is looked at: the password was right.
    guard.forgive(request.source, &user);
    // Only the owner of good credentials learns that the account is suspended.
    must_be_active(&login.account, reader)?;
    Ok(login)
}

/// The account of the path: the login's own or, with an auth token, one of its sub-accounts. Any other account is
/// not found, so that its existence does not leak.
pub(crate) fn path_account(
    login: &Login,
    sid: AccountSid,
    reader: &dyn Reader,
) -> Result<Arc<Account>, WriteError> {
    if login.account.sid == sid {
        return Ok(Arc::clone(&login.account));
    }
    let account = reader.account(sid).map_err(unreadable)?;
    account
        .map(Arc::new)
        // One step up is enough: sub-accounts have none of their own (rest.md 4).
        .filter(|account| !login.by_key && account.parent == Some(login.account.sid))
        .ok_or_else(WriteError::not_found)
}

/// Code 20003: credentials are absent, wrong or insufficient.
pub(crate) fn unauthorized() -> WriteError {
    WriteError::new(401, Code::AUTHENTICATE, "Authenticate")
}

/// Code 20005: the account or its parent is suspended or closed.
pub(crate) fn not_active() -> WriteError {
    WriteError::new(403, Code::ACCOUNT_NOT_ACTIVE, "The account is not active")
}

// The cause is the operator's: the driver has logged it, and a customer could do nothing with it.
/// Code 20503: the store cannot be read, and the client may try again.
pub(crate) fn unreadable(_: store::StoreError) -> WriteError {
    WriteError::new(503, Code::UNAVAILABLE, "The store cannot be read right now")
}

fn find(user: &str, password: &str, reader: &dyn Reader) -> Result<Option<Login>, WriteError> {
    if let Ok(sid) = user.parse::<AccountSid>() {
        let account = reader.account(sid).map_err(unreadable)?;
        return Ok(account
            .filter(|account| account.auth_token.matches(password))
            .map(|account| Login { account: Arc::new(account), by_key: false }));
    }
    let Ok(sid) = user.parse::<KeySid>() else { return Ok(None) };
    // Read without an account: the key itself says which account it belongs to.
    let key = reader.resource::<Key>(None, sid.0).map_err(unreadable)?;
    let Some(key) = key.filter(|key| key.secret_hash.matches(password)) else { return Ok(None) };
    let account = reader.account(key.account).map_err(unreadable)?;
    Ok(account.map(|account| Login { account: Arc::new(account), by_key: true }))
}

fn must_be_active(account: &Account, reader: &dyn Reader) -> Result<(), WriteError> {
    // Read each time and not kept with the login: a suspension by the parent binds the next request.
    let parent = match account.parent {
        None => None,
        Some(parent) => reader.account(parent).map_err(unreadable)?,
    };
    let active = |account: &Account| account.status == AccountStatus::Active;
    if active(account) && parent.as_ref().is_none_or(active) { Ok(()) } else { Err(not_active()) }
}

/// User and password of a Basic value (RFC 7617). The password may hold colons.
fn basic(value: &str) -> Option<(String, String)> {
    if value.len() > AUTHORIZATION_BYTES_MAX {
        return None;
    }
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let mut user = String::from_utf8(bytes).ok()?;
    // At the first colon: RFC 7617 §2 allows colons in the password only.
    let colon = user.find(':')?;
    let password = user.split_off(colon + 1);
    user.truncate(colon);
    Some((user, password))
}
