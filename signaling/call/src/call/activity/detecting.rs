//! Answering-machine detection after the answer of an outgoing call. Sans-IO.
//!
//! The core listens and decides ([`CallEffect::Detect`], [`crate::CallInput::Detected`]). Synchronously the call waits
//! with its first document, which then has the result; asynchronously the document runs at once and the result goes
//! to a callback. A deadline of the call itself ends the wait where no core reports.

use std::time::Duration;

use shared::{AnsweredBy, Instant, Now};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::CallEffect;
use crate::form::Form;
use crate::setup::AnswerDetection;
use crate::webhook::{HttpKind, WebUrl};

/// A call that waits for the result with its first document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detecting {
    until: Instant,
}

/// Time past the detection's own, after which no result will come.
const GRACE: Duration = Duration::from_secs(2);

impl Call {
    /// Starts the detection that the call was set up with. Returns whether the first document waits for it.
    pub(crate) fn start_detection(&mut self, now: Now) -> bool {
        let Some(AnswerDetection { detection, is_async, .. }) = self.detection() else {
            return false;
        };
        let (detection, is_async) = (*detection, *is_async);
        self.effect(CallEffect::Detect(detection));
        self.timeline("detection", "listens for a machine");
        if is_async {
            return false;
        }
        let limit = Duration::from_millis(u64::from(detection.timeout_ms)) + GRACE;
        self.activity = Activity::Detecting(Detecting { until: now.mono + limit });
        true
    }

    fn detection(&self) -> Option<&AnswerDetection> {
        self.setup.leg.as_ref()?.detection.as_ref()
    }

    /// The core has decided.
    pub(crate) fn detected(&mut self, now: Now, answered_by: AnsweredBy, after_ms: u32) {
        if self.is_over() || self.facts.answered_by.is_some() {
            return;
        }
        self.facts.answered_by = Some((answered_by, after_ms));
        self.timeline("detection", format_args!("{} after {after_ms} ms", answered_by.as_str()));
        self.effect(CallEffect::AnsweredBy(answered_by));
        if let Activity::Detecting(_) = self.activity {
            self.activity = Activity::Idle;
            return self.first_document(now);
        }
        self.report_detection(answered_by, after_ms);
    }

    /// Sends the callback of an asynchronous detection, once a call (webhooks.md 5.11).
    fn report_detection(&mut self, answered_by: AnsweredBy, after_ms: u32) {
        let Some(callback) = self.detection().and_then(|detection| detection.callback.clone())
        else {
            return;
        };
        let mut form = Form::new();
        form.push("AccountSid", self.setup.account);
        form.push("CallSid", self.setup.sid);
        form.push("AnsweredBy", answered_by.as_str());
        form.push("MachineDetectionDuration", after_ms);
        self.callback(HttpKind::SideCallback, WebUrl::parse(&callback.url), callback.method, form);
    }

    /// Parameters of the first TwiML request after a synchronous detection.
    pub(crate) fn detection_parameters(&mut self, form: &mut Form) {
        if let Some((answered_by, after_ms)) = self.facts.answered_by
            && self.is_first_document()
            && !self.detection().is_none_or(|detection| detection.is_async)
        {
            form.push("AnsweredBy", answered_by.as_str());
            form.push("MachineDetectionDuration", after_ms);
        }
    }
}

impl Waits for Detecting {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        Some((self.until, "call machine detection"))
    }

    /// The core was lost or never heard of it: the call goes on, as nothing may block it.
    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        call.facts.answered_by = Some((AnsweredBy::Unknown, 0));
        call.effect(CallEffect::AnsweredBy(AnsweredBy::Unknown));
        call.first_document(now);
        Still::Over
    }

    fn abort(&mut self, call: &mut Call, _now: Now) {
        call.effect(CallEffect::StopDetection);
    }
}
