//! Names that the layer above gives to sessions and requests. Sans-IO.
//!
//! They stand below every machine: transactions keep the session that they work for, and the user
//! agent finds it again by the same name.

/// One INVITE and the dialogs it made; chosen by the caller of the machine, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One request of ours outside of dialogs; chosen by the caller of the machine, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);
