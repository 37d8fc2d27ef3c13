//! `<Refer>`: our REFER, what the phone tells of it, the action (contract twiml.md 2.10). Sans-IO.

use std::mem;
use std::time::Duration;

use shared::{Instant, Now};

use super::leg::error;
use super::script::Flow;
use super::{Activity, Call};
use crate::effect::CallEffect;
use crate::form::Form;
use crate::setup::Target;
use crate::status::{CallStatus, status_of_final_response};
use crate::twiml::Position;
use crate::twiml::verb::{Link, Refer};

/// A `<Refer>` that runs.
#[derive(Debug)]
pub(super) struct Referring {
    action: Option<Link>,
    /// Final response to the REFER.
    response: Option<u16>,
    /// Last status that the phone told.
    notified: Option<u16>,
    /// Then nothing more is waited for.
    pub(super) until: Instant,
}

/// How long NOTIFYs are waited for (contract sip-interface.md 16.2).
const PATIENCE: Duration = Duration::from_secs(60);

impl Call {
    pub(super) fn refer_away(&mut self, now: Now, refer: Refer, position: Position) -> Flow {
        if !self.is_sip() {
            let message = "<Refer> works on SIP legs only: this one comes over a carrier";
            let mut finding = error(13801, message.to_owned());
            finding.position = Some(position);
            self.fatal(now, finding);
            return Flow::Waits;
        }
        self.answer(now);
        let Refer { action, target } = refer;
        let until = now.mono + PATIENCE;
        let referring = Referring { action, response: None, notified: None, until };
        self.activity = Activity::Referring(Box::new(referring));
        self.effect(CallEffect::Refer { target });
        Flow::Waits
    }

    pub(super) fn refer_answered(&mut self, now: Now, status: u16) {
        let Activity::Referring(referring) = &mut self.activity else { return };
        referring.response = Some(status);
        let is_over = status >= 300 || referring.notified.is_some_and(is_final);
        self.timeline("sip", format!("the REFER ended with {status}"));
        if is_over {
            self.refer_over(now);
        }
    }

    pub(super) fn refer_progress(&mut self, now: Now, status: Option<u16>, is_over: bool) {
        let Activity::Referring(referring) = &mut self.activity else { return };
        referring.notified = status.or(referring.notified);
        let ends = is_over || status.is_some_and(is_final);
        // A NOTIFY may overtake the 202; the action tells both.
        let ends = ends && referring.response.is_some();
        if let Some(status) = status {
            self.timeline("sip", format!("the transfer is at {status}"));
        }
        if ends {
            self.refer_over(now);
        }
    }

    /// The phone said its last word, refused, or was waited for long enough.
    pub(super) fn refer_over(&mut self, now: Now) {
        match mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Referring(referring) => match &referring.action {
                Some(action) => self.follow(now, action, referring.result(false)),
                None => self.next_verb(now),
            },
            other => self.activity = other,
        }
    }

    /// The caller hung up before the end: the action is told, its answer is not executed.
    pub(super) fn refer_aftermath(&mut self, referring: &Referring) {
        let Some(action) = &referring.action else { return };
        if let Ok(url) = self.resolve(&action.url) {
            self.report_action(url, action.method, referring.result(true));
        }
    }

    /// Whether the leg is SIP between the party and us, not a carrier's.
    fn is_sip(&self) -> bool {
        match &self.setup.leg {
            None => self.setup.sip.is_some(),
            Some(leg) => matches!(leg.target, Target::Sip(_)),
        }
    }
}

impl Referring {
    fn result(&self, hung_up: bool) -> Form {
        let mut form = Form::new();
        let notified = self.notified.filter(|status| is_final(*status));
        let status = match (self.response, notified) {
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
            form.push("ReferSipResponseCode", response.to_string());
        }
        if let Some(notified) = self.notified {
            form.push("NotifySipResponseCode", notified.to_string());
        }
        form
    }
}

const fn is_final(status: u16) -> bool {
    status >= 200
}
