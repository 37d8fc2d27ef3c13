//! The contract's rules for texts and limits, each with its code and sentence (rest.md §2, §12). Sans-IO.

use shared::limits::{
    CREDENTIAL_LISTS_ACCOUNT_MAX, CREDENTIALS_LIST_MAX, DOMAINS_ACCOUNT_MAX,
    FRIENDLY_NAME_CHARACTERS_MAX, FRIENDLY_NAME_LONG_CHARACTERS_MAX,
    IP_ACCESS_CONTROL_LISTS_ACCOUNT_MAX, IP_ADDRESSES_LIST_MAX, KEYS_ACCOUNT_MAX,
    PASSWORD_CHARACTERS_MIN, SUB_ACCOUNTS_MAX, USERNAME_CHARACTERS_MAX,
};

use crate::kind::ResourceKind;
use crate::secret::Secret;
use crate::write::WriteError;

/// How many of a kind one owner (an account, or a list) may have (rest.md §12).
pub const fn limit(kind: ResourceKind) -> usize {
    match kind {
        ResourceKind::Account => SUB_ACCOUNTS_MAX,
        ResourceKind::Key => KEYS_ACCOUNT_MAX,
        ResourceKind::Domain => DOMAINS_ACCOUNT_MAX,
        ResourceKind::CredentialList => CREDENTIAL_LISTS_ACCOUNT_MAX,
        ResourceKind::Credential => CREDENTIALS_LIST_MAX,
        ResourceKind::IpAccessControlList => IP_ACCESS_CONTROL_LISTS_ACCOUNT_MAX,
        ResourceKind::IpAddress => IP_ADDRESSES_LIST_MAX,
    }
}

pub(crate) fn limit_reached(kind: ResourceKind) -> WriteError {
    let (code, what) = match kind {
        ResourceKind::Account => (21480, "subaccounts of an account"),
        ResourceKind::Key => (20422, "API keys of an account"),
        ResourceKind::Domain => (21230, "SIP domains of an account"),
        ResourceKind::CredentialList => (21239, "credential lists of an account"),
        ResourceKind::Credential => (21242, "credentials of a credential list"),
        ResourceKind::IpAccessControlList => (21255, "IP access control lists of an account"),
        ResourceKind::IpAddress => (21237, "addresses of an IP access control list"),
    };
    WriteError::invalid(code, format!("The limit of {} {what} is reached", limit(kind)))
}

pub(crate) fn name_taken(kind: ResourceKind) -> WriteError {
    let (code, message) = match kind {
        ResourceKind::Domain => (21232, "This DomainName is already taken"),
        ResourceKind::CredentialList => {
            (21240, "A credential list with this FriendlyName already exists")
        }
        ResourceKind::Credential => {
            (21240, "A credential with this Username already exists in the credential list")
        }
        ResourceKind::IpAccessControlList => {
            (21235, "An IP access control list with this FriendlyName already exists")
        }
        ResourceKind::IpAddress => {
            (21235, "This FriendlyName or IpAddress already exists in the IP access control list")
        }
        ResourceKind::Account | ResourceKind::Key => (20409, "This SID is already taken"),
    };
    WriteError::invalid(code, message)
}

pub(crate) fn in_use(kind: ResourceKind) -> WriteError {
    let (code, message) = match kind {
        ResourceKind::Domain => (21233, "The SIP domain still has subdomains"),
        ResourceKind::CredentialList => (21241, "The credential list is still mapped to a domain"),
        ResourceKind::IpAccessControlList => {
            (21236, "The IP access control list is still mapped to a domain")
        }
        ResourceKind::Account
        | ResourceKind::Key
        | ResourceKind::Credential
        | ResourceKind::IpAddress => (20409, "The resource is in use"),
    };
    WriteError::invalid(code, message)
}

pub(crate) fn already_mapped() -> WriteError {
    WriteError::invalid(21231, "The list is already mapped to this domain")
}

/// A friendly name: not empty, not too long, no control characters. The kind decides code and length.
pub(crate) fn friendly_name(kind: ResourceKind, name: &str) -> Result<(), WriteError> {
    let (code, most) = match kind {
        ResourceKind::Account | ResourceKind::Key => (20002, FRIENDLY_NAME_CHARACTERS_MAX),
        ResourceKind::Domain => (21231, FRIENDLY_NAME_CHARACTERS_MAX),
        ResourceKind::CredentialList | ResourceKind::Credential => {
            (21240, FRIENDLY_NAME_CHARACTERS_MAX)
        }
        ResourceKind::IpAccessControlList | ResourceKind::IpAddress => {
            (21235, FRIENDLY_NAME_LONG_CHARACTERS_MAX)
        }
    };
    if name.is_empty() {
        return Err(WriteError::invalid(code, "FriendlyName is required"));
    }
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

/// A SIP user name: 1 to 32 characters that need no quoting or escaping in a digest header.
pub(crate) fn username(name: &str) -> Result<(), WriteError> {
    if name.is_empty() {
        return Err(WriteError::invalid(21240, "Username is required"));
    }
    if name.chars().count() > USERNAME_CHARACTERS_MAX {
        return Err(WriteError::invalid(
            21240,
            format!("Username may have at most {USERNAME_CHARACTERS_MAX} characters"),
        ));
    }
    // `:` would make user:realm:password ambiguous; quotes and controls break the header.
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '"' | '\\' | '@');
    if name.chars().any(bad) {
        return Err(WriteError::invalid(
            21240,
            "Username may not hold blanks, control characters, `:`, `@`, `\"` or `\\`",
        ));
    }
    Ok(())
}

/// A password: at least 12 characters, an upper- and a lower-case letter, a digit.
pub(crate) fn password(password: &Secret) -> Result<(), WriteError> {
    let text = password.expose_secret();
    if text.is_empty() {
        return Err(WriteError::invalid(21240, "Password is required"));
    }
    let strong = text.chars().count() >= PASSWORD_CHARACTERS_MIN
        && text.chars().any(char::is_uppercase)
        && text.chars().any(char::is_lowercase)
        && text.chars().any(|c| c.is_ascii_digit());
    if !strong {
        return Err(WriteError::invalid(
            21240,
            format!(
                "Password must have at least {PASSWORD_CHARACTERS_MIN} characters, among them an \
                 upper-case letter, a lower-case letter and a digit"
            ),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(WriteError::invalid(21240, "Password may not hold control characters"));
    }
    Ok(())
}
