//! `<Refer>`: our REFER, the NOTIFYs that report on it, the action (RFC 3515). Sans-IO.
//!
//! The verb is over when the phone has refused the REFER, or has both accepted it and sent a final status
//! by NOTIFY. The two may arrive in either order, because a NOTIFY can overtake the 202 (RFC 3515 §2.4.4).

use std::time::Duration;

use shared::{Code, Instant, Now};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::CallEffect;
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::setup::Target;
use crate::status::{CallStatus, status_of_final_response};
use crate::twiml::verb::{Link, Refer};

/// A `<Refer>` that runs.
#[derive(Debug)]
pub(crate) struct Referring {
    action: Option<Link>,
    /// Final response to the REFER.
    response: Option<u16>,
    /// Status of the last NOTIFY that carried one.
    notified: Option<u16>,
    /// When the verb is over without a final NOTIFY.
    until: Instant,
}

/// How long a phone may take until its final NOTIFY.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(60);

impl Call {
    pub(crate) fn refer_away(&mut self, now: Now, refer: Refer, position: Position) {
        if !self.is_sip() {
            let message = "<Refer> works on SIP legs only: this one comes over a carrier";
            return self.fatal(now, Finding::error(Code::REFER_NOT_SIP, message).at(position));
        }
        // The REFER goes out in the dialog of this call, which an unanswered call does not have
        // yet.
        self.answer(now);
        let Refer { action, target } = refer;
        let until = now.mono + NOTIFY_TIMEOUT;
        let referring = Referring { action, response: None, notified: None, until };
        self.activity = Activity::Referring(Box::new(referring));
        self.effect(CallEffect::Refer { target });
    }

    /// The final response to our REFER.
    pub(crate) fn refer_answered(&mut self, now: Now, status: u16) {
        let Activity::Referring(referring) = &mut self.activity else { return };
        referring.response = Some(status);
        let is_over = status >= 300 || referring.notified.is_some_and(is_final);
        self.timeline("sip", format_args!("the REFER ended with {status}"));
        if is_over {
            self.refer_over(now);
        }
    }

    /// A NOTIFY about our REFER; `is_over` when it ends the subscription.
    pub(crate) fn refer_progress(&mut self, now: Now, status: Option<u16>, is_over: bool) {
        let Activity::Referring(referring) = &mut self.activity else { return };
        // A NOTIFY that only ends the subscription does not take back the status before it.
        referring.notified = status.or(referring.notified);
        let ends = is_over || status.is_some_and(is_final);
        // The action reports the response to the REFER as well.
        let ends = ends && referring.response.is_some();
        if let Some(status) = status {
            self.timeline("sip", format_args!("the transfer is at {status}"));
        }
        if ends {
            self.refer_over(now);
        }
    }

    fn refer_over(&mut self, now: Now) {
        self.on_activity(|activity, call| match activity {
            Activity::Referring(referring) => referring.finish(call, now),
            _ => Still::Waiting,
        });
    }

    /// Whether the leg is SIP between the party and us, not a carrier's.
    fn is_sip(&self) -> bool {
        match &self.setup.leg {
            // `SipFacts` come with INVITEs to a SIP domain; a carrier's call has none.
            None => self.setup.sip.is_some(),
            Some(leg) => matches!(leg.target, Target::Sip(_)),
        }
    }
}

impl Waits for Referring {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        Some((self.until, "call refer"))
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        self.finish(call, now)
    }

    // No `abort`: a REFER that the phone has accepted cannot be taken back.
    /// Requests the action; its answer is not executed.
    fn on_leg_over(self, call: &mut Call, _now: Now) -> Option<Activity> {
        if let Some(action) = &self.action
            && let Ok(url) = call.resolve(&action.url)
        {
            call.report_action(url, action.method, self.result(true));
        }
        None
    }
}

impl Referring {
    fn finish(&self, call: &mut Call, now: Now) -> Still {
        match &self.action {
            Some(action) => call.follow(now, action, self.result(false)),
            None => call.next_verb(now),
        }
        Still::Over
    }

    /// Parameters of the action.
    fn result(&self, hung_up: bool) -> Form {
        let mut form = Form::new();
        let notified = self.notified.filter(|status| is_final(*status));
        let status = match (self.response, notified) {
            // A refusal counts before any NOTIFY: the phone never tried (twiml.md 2.10).
            (Some(300..), _) => Some(CallStatus::Failed),
            (_, Some(200..=299)) => Some(CallStatus::InProgress),
            (_, Some(status)) => Some(status_of_final_response(status)),
            (_, None) if hung_up => Some(CallStatus::Canceled),
            (_, None) => None,
        };
        if let Some(status) = status {
            form.push("ReferCallStatus", status.as_str());
        }
        if let Some(response) = self.response {
            form.push("ReferSipResponseCode", response);
        }
        if let Some(notified) = self.notified {
            form.push("NotifySipResponseCode", notified);
        }
        form
    }
}

const fn is_final(status: u16) -> bool {
    status >= 200
}
