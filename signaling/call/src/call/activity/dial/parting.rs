//! The end of a `<Dial>`: its outcome, the parameters of its action, and the wait for children that
//! outlive our leg. Sans-IO.
//!
//! When the caller hangs up, the action is still requested, with the final duration and status of the
//! child. These exist only when the child has ended, so the call stays in `Parting` until then. The
//! answer is not executed: there is no leg for it.

use std::time::Duration;

use shared::{CallSid, Instant, Now};

use super::{Child, Dialing};
use crate::call::Call;
use crate::call::activity::{Activity, Still, Waits};
use crate::call::headers::push_headers;
use crate::effect::CallEffect;
use crate::form::Form;
use crate::input::{ChildEnd, ChildEvent, ParentCommand};
use crate::status::CallStatus;
use crate::twiml::verb::Link;
use crate::twiml::verb::noun::NounKind;

/// A `<Dial>` whose own leg is over: the action is requested when the children have ended.
#[derive(Debug)]
pub(crate) struct Parting {
    dialing: Dialing,
    action: Link,
    /// When the action is requested without the children that have not ended.
    until: Instant,
}

/// The longest wait for the children's [`ChildEvent::Ended`]. They send it at once; this only bounds it.
const CHILDREN_END_TIMEOUT: Duration = Duration::from_secs(2);

impl Call {
    /// Parameters of the action.
    pub(super) fn dial_result(&self, now: Now, dialing: &Dialing, status: CallStatus) -> Form {
        let mut form = Form::new();
        form.push("DialCallStatus", status.as_str());
        form.push("DialBridged", if dialing.connected { "true" } else { "false" });
        if let Some((sid, kind, end)) = &dialing.last {
            form.push("DialCallSid", sid);
            if let Some(end) = end {
                child_parameters(*kind, end, &mut form);
            }
        }
        if let Some(recording) = dialing.recording {
            self.recording_parameters(now, recording, &mut form);
        }
        form
    }

    /// Our leg ended: stops the children. When there is an action, it has to wait for their end.
    pub(super) fn leave_children(&mut self, now: Now, mut dialing: Dialing) -> Option<Parting> {
        let children: Vec<(CallSid, Child)> =
            dialing.children.iter().map(|(sid, child)| (*sid, *child)).collect();
        for (sid, child) in children {
            self.cut(&mut dialing, sid);
            let command = match dialing.referred == Some(sid) {
                // The phone hung up after its REFER: the transfer of the other party goes on.
                true => ParentCommand::Release,
                false => child.stop(),
            };
            self.effect(CallEffect::ToChild { sid, command });
        }
        if let Some(referred) = dialing.referred {
            dialing.part_with(referred);
        }
        let action = dialing.spec.action.take()?;
        Some(Parting { dialing, action, until: now.mono + CHILDREN_END_TIMEOUT })
    }

    /// An event of a child while this leg is over.
    pub(super) fn parting_child(
        &mut self,
        now: Now,
        mut parting: Box<Parting>,
        sid: CallSid,
        event: ChildEvent,
    ) {
        if let ChildEvent::Ended(end) = event {
            parting.dialing.forget(sid, Some(end));
        }
        match parting.dialing.children.is_empty() {
            true => self.part(now, &parting),
            false => self.activity = Activity::Parting(parting),
        }
    }

    /// The children have ended, or took too long: requests the action, whose answer is not executed.
    fn part(&mut self, now: Now, parting: &Parting) {
        // The hang-up ended an unbridged dial, whatever status its children report.
        let status = match parting.dialing.connected {
            true => CallStatus::Completed,
            false => CallStatus::Canceled,
        };
        let form = self.dial_result(now, &parting.dialing, status);
        if let Ok(url) = self.resolve(&parting.action.url) {
            self.report_action(url, parting.action.method, form);
        }
        self.conclude(now);
    }
}

impl Waits for Parting {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        Some((self.until, "call parting"))
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        call.part(now, self);
        Still::Over
    }
}

impl Dialing {
    /// `DialCallStatus` when no child is left.
    pub(super) fn outcome(&self, last: CallStatus) -> CallStatus {
        if self.winner.is_some() || self.outcomes.len() == 1 {
            return last;
        }
        let any = |status| self.outcomes.contains(&status);
        // The order is that of twiml.md 2.6.
        if any(CallStatus::NoAnswer) {
            CallStatus::NoAnswer
        } else if any(CallStatus::Busy) {
            CallStatus::Busy
        } else if self.outcomes.iter().all(|status| *status == CallStatus::Canceled) {
            CallStatus::Canceled
        } else {
            CallStatus::Failed
        }
    }
}

fn child_parameters(kind: NounKind, end: &ChildEnd, form: &mut Form) {
    if let Some(duration_s) = end.duration_s {
        form.push("DialCallDuration", duration_s);
    }
    if kind == NounKind::Sip {
        if let Some(call_id) = &end.sip_call_id {
            form.push("DialSipCallId", call_id);
        }
        if let Some(status) = end.sip_status {
            form.push("DialSipResponseCode", status);
        }
        // All pass here: `Call::child_end` has picked the ones that may.
        push_headers(form, "DialSipHeader_", &end.headers, |_| true);
    }
    if let Some((code, sentence)) = &end.error {
        form.push("ErrorCode", code);
        form.push("ErrorMessage", sentence);
    }
}
