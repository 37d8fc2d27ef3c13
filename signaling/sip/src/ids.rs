//! Names that the layer above gives to sessions and requests. Sans-IO.
//!
//! They stand below every machine: transactions keep the session that they work for, and the user
//! agent finds it again by the same name.

/// Names one INVITE and its dialogs. The layer above chooses it and never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Names one of our requests outside of dialogs. The layer above chooses it and never uses one
/// twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);
