//! How much unauthenticated sources may make the user agent answer by itself. Sans-IO.
//!
//! The layer above counts the requests that go up to it. Answers of the user agent itself (400 to
//! broken messages, 481 to unknown dialogs) are counted here, against the same budget. So no source
//! gets an answer to everything, and no forged source is flooded with answers.

use super::UserAgent;
use super::core::Core;
use super::event::UaEvent;
use crate::flow::{CloseReason, Flow};
use crate::source_limits::Budget;

impl Core {
    /// Counts an answer of the user agent itself; `false`: its source is past its budget.
    pub(super) fn may_answer_stray(&mut self, flow: Flow) -> bool {
        if !self.config.limits_sources {
            return true;
        }
        match self.source_limits.take(self.at, flow.remote.ip()) {
            Budget::Within => true,
            Budget::ChallengeOnly | Budget::HeldFromNow | Budget::Held => {
                self.meters.strays_dropped += 1;
                self.outbox.emit(UaEvent::Unheard { rule: RULE });
                false
            }
        }
    }

    /// Whether a server transaction of this source has room.
    pub(super) fn has_room_for(&self, flow: Flow) -> bool {
        let source = flow.remote.ip();
        let is_bound = self.config.limits_sources && self.servers.is_full_of(source);
        !self.servers.is_full() && (!is_bound || self.source_limits.is_vouched(self.at, source))
    }
}

impl UserAgent {
    /// Whether to leave a message unread: its source is blocked for a while, and the message is
    /// neither a response nor names one of our dialogs.
    pub(super) fn is_unheard(&mut self, flow: Flow, bytes: &[u8]) -> bool {
        let core = &mut self.core;
        let is_held =
            core.config.limits_sources && core.source_limits.is_held(core.at, flow.remote.ip());
        let is_unheard = is_held && !is_response(bytes) && !core.tokens.stand_in(bytes);
        if is_unheard {
            core.meters.held_dropped += 1;
            core.outbox.emit(UaEvent::Unheard { rule: RULE });
            // Nothing on it will be read, so close it: the peer's system stops sending then.
            core.close_connection(flow.id, CloseReason::Flood);
        }
        is_unheard
    }
}

/// The rule of the layer above that limits unauthenticated sources; what is dropped here counts
/// under it.
const RULE: &str = "stranger_rate";

fn is_response(bytes: &[u8]) -> bool {
    bytes.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/"))
}
