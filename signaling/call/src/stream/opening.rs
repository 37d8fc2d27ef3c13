//! What the application is told when a stream opens. Pure.

use shared::media::TapTracks;
use shared::{AccountSid, CallSid, StreamSid};

use crate::relay::RelayTerms;

/// The facts that `start` tells the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOpening {
    /// Its SID.
    pub stream: StreamSid,
    /// The account of the call.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// The audio that it gets.
    pub tracks: TapTracks,
    /// Whether the application may send audio (`<Connect><Stream>`).
    pub is_two_way: bool,
    /// `<Parameter>`s, by name.
    pub parameters: Vec<(String, String)>,
    /// `<Connect><ConversationRelay>`: text goes over the socket and not audio. `None`: a media stream.
    pub relay: Option<Box<RelayTerms>>,
}
