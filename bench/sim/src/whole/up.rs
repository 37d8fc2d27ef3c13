//! A call that is up, as the model knows it.

use shared::{CallSid, Instant};
use sip::SessionId;

/// A call that is up, as the model knows it.
#[derive(Clone, Copy, Debug)]
pub struct Up {
    pub caller: (usize, SessionId),
    pub callee: (usize, SessionId),
    /// The document answered when the called party did.
    pub on_bridge: bool,
    /// An attended transfer made it.
    pub is_joined: bool,
    /// Of the caller, where the call is as it began; `None` after a transfer.
    pub sid: Option<CallSid>,
    /// When the called party answered.
    pub at: Instant,
}

impl Up {
    pub fn parties(&self) -> [(usize, SessionId); 2] {
        [self.caller, self.callee]
    }
}
