//! Calls that were answered and have no media yet. Sans-IO.
//!
//! An INVITE without SDP has its offer in our 200, and the answer comes with the ACK (RFC 3261 §13.2.1). The call's machine
//! goes on at its own answer, so the orders that need a leg wait here, in their order, until the ACK brings the leg up.
//! When the call ends first, they are carried out without a leg: each then gives the call the answer that it
//! waits for.

use call::CallEffect;
use shared::limits::DEFERRED_EFFECTS_MAX;
use shared::{CallSid, Now};

use crate::control::Control;
use crate::state::session::Session;

impl Control {
    /// Keeps an effect of a call that has no media yet. Returns it where it is to be carried out now.
    pub(crate) fn defer(&mut self, sid: CallSid, effect: CallEffect) -> Option<CallEffect> {
        let other = match &effect {
            CallEffect::Bridge { child } => Some(*child),
            _ => None,
        };
        let waits = |sid: &CallSid| self.waits_for_media(*sid);
        let call =
            needs_media(&effect).then(|| [Some(sid), other].into_iter().flatten().find(waits));
        let Some(entry) = call.flatten().and_then(|sid| self.calls.get_mut(&sid)) else {
            return Some(effect);
        };
        // A document cannot order so many before it waits for one. REST can, by one redirect after another.
        if entry.deferred.len() >= DEFERRED_EFFECTS_MAX {
            return Some(effect);
        }
        entry.deferred.push((sid, effect));
        None
    }

    /// Whether the call was answered by an offer of ours, and its answer is on its way.
    fn waits_for_media(&self, sid: CallSid) -> bool {
        let Some(entry) = self.calls.get(&sid) else { return false };
        let is_incoming = entry.call.setup().leg.is_none() && entry.call.has_answered();
        let leg = entry.leg.as_ref().filter(|leg| leg.plan.is_none() && !leg.stopping);
        is_incoming && leg.is_some() && matches!(entry.session, Session::Live { .. })
    }

    /// The leg of a call is up, or never will be: carries out what waited for it.
    pub(crate) fn carry_out_deferred(&mut self, now: Now, sid: CallSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        for (of, effect) in std::mem::take(&mut entry.deferred) {
            self.on_call_effect(now, of, effect);
        }
    }
}

/// Whether an effect is about the leg of its call.
const fn needs_media(effect: &CallEffect) -> bool {
    matches!(
        effect,
        CallEffect::Play { .. }
            | CallEffect::StopPlay
            | CallEffect::SendDigits { .. }
            | CallEffect::Detect(_)
            | CallEffect::StopDetection
            | CallEffect::Echo { .. }
            | CallEffect::StartRecording(_)
            | CallEffect::PauseRecording { .. }
            | CallEffect::StopRecording { .. }
            | CallEffect::StartRecognition(_)
            | CallEffect::StopRecognition { .. }
            | CallEffect::Bridge { .. }
            | CallEffect::Unbridge { .. }
            | CallEffect::EnterConference(_)
            | CallEffect::LeaveConference { .. }
    )
}
