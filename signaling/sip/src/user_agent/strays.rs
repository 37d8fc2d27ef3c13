//! What strangers may make the user agent say by itself: little. Sans-IO.
//!
//! Requests that begin something go up, and the layer above counts them. What the user agent answers
//! on its own (400 to broken ones, 481 to dialogs that it does not know) is counted here, from the
//! same budget: nobody gets an answer to everything, and no forged source is flooded with answers.

use super::UserAgent;
use super::core::Core;
use super::event::UaEvent;
use crate::flow::{CloseReason, Flow};
use crate::random::Origin64;
use crate::strangers::Budget;

impl Core {
    /// Whether an answer may leave that nobody but the user agent decided on; counts it.
    pub(super) fn may_answer_stray(&mut self, flow: Flow) -> bool {
        if !self.config.meets_strangers {
            return true;
        }
        match self.strangers.take(self.at, flow.remote.ip()) {
            Budget::Within => true,
            Budget::ChallengeOnly | Budget::HeldFromNow | Budget::Held => {
                self.meters.strays_dropped += 1;
                self.emit(UaEvent::Unheard { rule: RULE });
                false
            }
        }
    }

    /// Whether there is room for a server transaction of that source.
    pub(super) fn has_room_for(&self, flow: Flow) -> bool {
        let source = flow.remote.ip();
        let is_bound = self.config.meets_strangers && self.servers.is_full_of(source);
        !self.servers.is_full() && (!is_bound || self.strangers.is_vouched(self.at, source))
    }
}

impl UserAgent {
    /// Whether a message is left unread: its source asked too much a moment ago, and it is neither a
    /// response nor does it name a dialog of ours.
    pub(super) fn is_unheard(&mut self, flow: Flow, bytes: &[u8]) -> bool {
        let core = &mut self.core;
        let is_held =
            core.config.meets_strangers && core.strangers.is_held(core.at, flow.remote.ip());
        let is_unheard =
            is_held && !is_response(bytes) && !names_tag_of(core.config.origin.into(), bytes);
        if is_unheard {
            core.meters.held_dropped += 1;
            core.emit(UaEvent::Unheard { rule: RULE });
            // Nothing of it will be heard: the peer's own system holds it back then.
            core.close_connection(flow.id, CloseReason::Flood);
        }
        is_unheard
    }
}

/// The rule of the layer above that bounds strangers: what is dropped here counts as its.
const RULE: &str = "stranger_rate";

fn is_response(bytes: &[u8]) -> bool {
    bytes.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/"))
}

/// Whether a tag of this origin stands anywhere; a closer look is the parser's.
fn names_tag_of(origin: Origin64, bytes: &[u8]) -> bool {
    let tag = format!("tag={origin}");
    memchr::memmem::find(bytes, tag.as_bytes()).is_some()
}
