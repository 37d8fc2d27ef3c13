//! A call that is up, as the model knows it.

use shared::{CallSid, Instant};
use sip::SessionId;

/// A call that is up: its two parties and how it came to be.
#[derive(Clone, Copy, Debug)]
pub struct Up {
    pub caller: (usize, SessionId),
    pub callee: (usize, SessionId),
    /// Whether the document uses `answerOnBridge`: the caller was answered when the called party was.
    pub on_bridge: bool,
    /// Whether an attended transfer made it.
    pub is_joined: bool,
    /// CallSid of the caller; `None` after a transfer.
    pub sid: Option<CallSid>,
    /// When the called party answered.
    pub at: Instant,
}

impl Up {
    pub fn parties(&self) -> [(usize, SessionId); 2] {
        [self.caller, self.callee]
    }
}
