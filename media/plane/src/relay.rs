//! Relay.
use shared::Codec;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Samples of this codec.
    Audio(Codec),
    /// Telephone events (RFC 4733).
    Event,
}
