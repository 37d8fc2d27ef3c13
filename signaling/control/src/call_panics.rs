//! Calls whose machine panicked: that call ends, and nothing else does. Sans-IO.
//!
//! The panicked machine is in no known state, so a fresh one takes its place (`Call::successor`). It gets
//! a hang-up as its first input, which makes it write the record and the callbacks of a failed call. If
//! it panics as well, it is not driven any more and only the record is written.

use std::sync::Arc;

use call::{CallInput, CallSetup, HangupCause, ParentCommand};
use shared::{CallSid, Now};
use store::Change;

use crate::control::Control;
use crate::effect::Observation;
use crate::records;
use crate::state::live_call::LiveCall;
use crate::state::timeline::Kind;

impl Control {
    /// Ends a call that panicked: its session with BYE or 500, its children too. A successor reports the
    /// failure: callback, event to the parent, record.
    pub(crate) fn on_call_panic(&mut self, now: Now, sid: CallSid) {
        let sentence = format!("Call {sid} panicked and was ended; please report it with the log.");
        self.observe(Observation::Fault { place: "call", sentence });
        let seed = self.random.bytes();
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        entry.timeline.add(now.unix_ms, Kind::Refusal, "The call failed inside the gateway.");
        entry.panics = entry.panics.saturating_add(1);
        if entry.panics > 1 {
            return self.give_up_on(now, sid);
        }
        // The successor counts from the start of the call, so that its record has the real duration.
        let unix_ms = entry.record.start_ms.unwrap_or(entry.record.created_ms);
        let started = Now { mono: now.mono, unix_ms };
        // A fresh seed: from the first one the successor would mint the SIDs that the panicked
        // machine has given out.
        let setup = CallSetup { seed, ..entry.call.setup().clone() };
        entry.call = call::Call::successor(setup, started);
        // Answers to requests and prompts of the panicked machine mean nothing to the successor.
        entry.requests.clear();
        entry.prompts.clear();
        entry.plays.clear();
        self.leave_conference(now, sid, call::conference::Departure::HungUp);
        self.leave_queue(sid);
        self.end_leg_of_broken(sid);
        // The successor knows no children; nothing else would end them.
        for child in self.children_of(sid) {
            self.tell(child, CallInput::Parent(ParentCommand::Hangup));
        }
        let sentence = "The call failed inside the gateway.".to_owned();
        let cause = HangupCause::Failure { code: None, sentence };
        let hungup = CallInput::Hungup { cause, headers: Vec::new() };
        self.drive_call(now, sid, |call| call.handle(now, hungup));
    }

    /// The successor panicked as well: only the record can be saved.
    fn give_up_on(&mut self, now: Now, sid: CallSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        entry.finished = true;
        // The machine is lost, so Control itself makes the record final. Without that, REST would
        // show the call as live until the next start.
        records::fail(Arc::make_mut(&mut entry.record), now.unix_ms);
        let change = Change::PutCall(Arc::clone(&entry.record));
        self.disarm(sid);
        self.commit(None, change);
        self.end_leg_of_broken(sid);
        self.forget_if_over(sid);
    }

    fn end_leg_of_broken(&mut self, sid: CallSid) {
        let rings_here = |entry: &LiveCall| {
            entry.record.direction == store::CallDirection::Inbound
                && entry.record.status == store::CallStatus::Ringing
        };
        // The callee must not send BYE on an early dialog (RFC 3261 §15): a call that rings here
        // ends by a final response.
        if self.calls.get(&sid).is_some_and(rings_here) {
            self.reject(sid, 500);
        } else {
            self.end_session(sid);
        }
        self.stop_leg(sid);
    }
}
