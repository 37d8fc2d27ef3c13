//! The contract's rules for texts and limits, each with its code and sentence. Sans-IO.
//!
//! Values that differ by kind come from the descriptions; here are the sentences and the checks.

use shared::Code;
use shared::limits::{PASSWORD_CHARACTERS_MIN, USERNAME_CHARACTERS_MAX};

use crate::kind::ResourceKind;
use crate::parameter::{Form, Parameter};
use crate::patch::Patch;
use crate::secret::Secret;
use crate::write::WriteError;

pub(crate) fn limit_reached(kind: ResourceKind) -> WriteError {
    let (limit, (code, what)) = (kind.description().limit, kind.description().limit_reached);
    WriteError::invalid(code, format!("The limit of {limit} {what} is reached"))
}

pub(crate) fn name_taken(kind: ResourceKind) -> WriteError {
    let (code, message) = kind.description().name_taken;
    WriteError::invalid(code, message)
}

pub(crate) fn in_use(kind: ResourceKind) -> WriteError {
    let (code, message) = kind.description().in_use;
    WriteError::invalid(code, message)
}

pub(crate) fn already_mapped() -> WriteError {
    WriteError::invalid(Code::DOMAIN_PARAMETER, "The list is already mapped to this domain")
}

pub(crate) fn required(parameter: &Parameter) -> WriteError {
    WriteError::invalid(parameter.code, format!("{} is required", parameter.name))
}

/// A friendly name: not empty, not too long, no control characters. The kind's parameter decides code and length.
pub(crate) fn friendly_name(kind: ResourceKind, name: &str) -> Result<(), WriteError> {
    let parameter = kind.description().parameter("FriendlyName");
    let Some(&Parameter { form: Form::Name(most), code, .. }) = parameter else {
        debug_assert!(false, "{kind:?} has no FriendlyName");
        return Ok(());
    };
    if name.is_empty() {
        return Err(WriteError::invalid(code, "FriendlyName is required"));
    }
    // Characters and not bytes: the contract counts what people read.
    if name.chars().count() > most {
        return Err(WriteError::invalid(
            code,
            format!("FriendlyName may have at most {most} characters"),
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(WriteError::invalid(code, "FriendlyName may not hold control characters"));
    }
    Ok(())
}

/// Changes a friendly name, where the request has one.
pub(crate) fn rename(
    kind: ResourceKind,
    name: &mut String,
    given: &Patch<String>,
) -> Result<(), WriteError> {
    if let Some(new) = given.value() {
        friendly_name(kind, new)?;
        // Reuses the memory of the old name.
        name.clone_from(new);
    }
    Ok(())
}

/// A fallback URL is fetched where the URL fails, so a request that sets one alone is a mistake.
pub(crate) fn fallback_has_url(fallback: &Patch<String>, has_url: bool) -> Result<(), WriteError> {
    if fallback.value().is_none() || has_url {
        return Ok(());
    }
    let message = "VoiceFallbackUrl needs a VoiceUrl: it is fetched where that one fails";
    Err(WriteError::invalid(Code::FALLBACK_ALONE, message))
}

/// A SIP user name: 1 to 32 characters that need no quoting or escaping in a digest header.
pub(crate) fn username(name: &str) -> Result<(), WriteError> {
    if name.is_empty() {
        return Err(WriteError::invalid(Code::CREDENTIAL_LIST, "Username is required"));
    }
    if name.chars().count() > USERNAME_CHARACTERS_MAX {
        return Err(WriteError::invalid(
            Code::CREDENTIAL_LIST,
            format!("Username may have at most {USERNAME_CHARACTERS_MAX} characters"),
        ));
    }
    // `:` would make user:realm:password ambiguous; quotes and controls break the header.
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '"' | '\\' | '@');
    if name.chars().any(bad) {
        return Err(WriteError::invalid(
            Code::CREDENTIAL_LIST,
            "Username may not hold blanks, control characters, `:`, `@`, `\"` or `\\`",
        ));
    }
    Ok(())
}

/// A password: at least 12 characters, an upper- and a lower-case letter, a digit.
pub(crate) fn password(password: &Secret) -> Result<(), WriteError> {
    let text = password.expose_secret();
    if text.is_empty() {
        return Err(WriteError::invalid(Code::CREDENTIAL_LIST, "Password is required"));
    }
    // The contract's own rule (rest.md 5.3): a short password is found by trying on one digest that
    // somebody captured.
    let strong = text.chars().count() >= PASSWORD_CHARACTERS_MIN
        && text.chars().any(char::is_uppercase)
        && text.chars().any(char::is_lowercase)
        && text.chars().any(|c| c.is_ascii_digit());
    if !strong {
        return Err(WriteError::invalid(
            Code::CREDENTIAL_LIST,
            format!(
                "Password must have at least {PASSWORD_CHARACTERS_MIN} characters, among them an \
                 upper-case letter, a lower-case letter and a digit"
            ),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(WriteError::invalid(
            Code::CREDENTIAL_LIST,
            "Password may not hold control characters",
        ));
    }
    Ok(())
}
