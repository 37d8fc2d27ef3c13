//! Kinds of configuration resources. Sans-IO.

/// Kinds of configuration resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// An account.
    Account,
    /// An API key.
    Key,
    /// A SIP domain.
    Domain,
    /// A credential list.
    CredentialList,
    /// A credential.
    Credential,
    /// An IP access control list.
    IpAccessControlList,
    /// An address of one.
    IpAddress,
}
