//! `<Dial><Queue>`: this call takes the call at the front of a queue. Sans-IO.
//!
//! `Asking` until a call is ready, then `Connected` until one of the two leaves. A queued call that hangs up
//! before it is connected is skipped: the server asks again, and its `timeout` goes on.

use std::mem;
use std::time::Duration;

use shared::{CallSid, Instant, Now, RecordingSid};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::CallEffect;
use crate::form::Form;
use crate::queue::QueueInput;
use crate::setup::Webhook;
use crate::status::CallStatus;
use crate::twiml::verb::Dial;
use crate::twiml::verb::enqueue::QueueNoun;

/// A call that serves a queue.
#[derive(Debug)]
pub(crate) struct Serving {
    spec: Dial,
    queue: String,
    whisper: Option<Webhook>,
    connected: Option<(CallSid, Now)>,
    /// The end of `timeout`, then of `timeLimit`.
    until: Instant,
    recording: Option<RecordingSid>,
}

impl Call {
    pub(crate) fn serve_queue(&mut self, now: Now, spec: Dial, noun: QueueNoun) {
        let whisper = match noun.whisper.as_ref().map(|link| self.webhook_of(link)).transpose() {
            Ok(whisper) => whisper,
            Err(finding) => return self.fatal(now, finding),
        };
        self.answer(now);
        let until = now.mono + Duration::from_secs(u64::from(spec.timeout_s));
        let queue = noun.queue;
        let serving =
            Box::new(Serving { spec, queue, whisper, connected: None, until, recording: None });
        self.timeline("queue", format_args!("serves `{}`", serving.queue));
        serving.ask(self);
        self.activity = Activity::Serving(serving);
    }

    /// News for a call that waits in a queue or serves one.
    pub(crate) fn queue_input(&mut self, now: Now, input: QueueInput) {
        match mem::take(&mut self.activity) {
            Activity::Queued(queued) => self.queued_input(now, queued, input),
            Activity::Serving(serving) => self.serving_input(now, serving, input),
            other => {
                // It has left since; the party that counts on it must not wait.
                if let QueueInput::Taken { by: peer, .. } | QueueInput::Ready { call: peer } = input
                {
                    self.effect(CallEffect::PeerEnds { sid: peer });
                }
                self.activity = other;
            }
        }
    }

    fn serving_input(&mut self, now: Now, mut serving: Box<Serving>, input: QueueInput) {
        match input {
            QueueInput::Ready { call } if serving.connected.is_none() => {
                let limit_s = serving.spec.time_limit_s.min(self.setup.settings.call_s_max);
                serving.until = now.mono + Duration::from_secs(u64::from(limit_s));
                serving.connected = Some((call, now));
                self.effect(CallEffect::Bridge { child: call });
                self.timeline("queue", format_args!("connected with {call}"));
                if let Some(record) = serving.spec.record.take() {
                    serving.recording = Some(self.record_dial_leg(now, record));
                }
                self.activity = Activity::Serving(serving);
            }
            QueueInput::Missing => {
                let message = format!("there is no queue `{}`", serving.queue);
                self.timeline("error", &message);
                self.serving_over(now, serving, CallStatus::Failed);
            }
            _ => self.activity = Activity::Serving(serving),
        }
    }

    /// The queued call is gone.
    pub(crate) fn queued_gone(&mut self, now: Now, serving: Box<Serving>, queued: CallSid) {
        match serving.connected {
            Some((call, _)) if call == queued => {
                self.serving_over(now, serving, CallStatus::Completed);
            }
            Some(_) => self.activity = Activity::Serving(serving),
            None => {
                serving.ask(self);
                self.activity = Activity::Serving(serving);
            }
        }
    }

    fn serving_over(&mut self, now: Now, serving: Box<Serving>, status: CallStatus) {
        if let Some(recording) = serving.recording {
            self.stop_recording(now, recording);
        }
        self.timeline("verb", format_args!("<Dial> ended: {status}"));
        match &serving.spec.action {
            Some(action) => {
                let form = self.serving_result(now, &serving, status);
                self.follow(now, action, form);
            }
            None => self.next_verb(now),
        }
    }

    fn serving_result(&self, now: Now, serving: &Serving, status: CallStatus) -> Form {
        let mut form = Form::new();
        form.push("DialCallStatus", status.as_str());
        form.push("DialBridged", serving.connected.is_some());
        if let Some((call, since)) = serving.connected {
            form.push("DialCallSid", call);
            form.push("DialCallDuration", now.mono.since(since.mono).as_millis().div_ceil(1_000));
        }
        if let Some(recording) = serving.recording {
            self.recording_parameters(now, recording, &mut form);
        }
        form
    }
}

impl Serving {
    fn ask(&self, call: &mut Call) {
        let (queue, whisper) = (self.queue.clone(), self.whisper.clone());
        call.effect(CallEffect::ServeQueue { queue, whisper });
    }

    /// Leaves the queued call, or stops to wait for one.
    fn part(&self, call: &mut Call) {
        match self.connected {
            Some((queued, _)) => {
                call.effect(CallEffect::Unbridge { child: queued });
                call.effect(CallEffect::PeerEnds { sid: queued });
            }
            None => call.effect(CallEffect::LeaveQueue),
        }
    }

    fn leave(&mut self, call: &mut Call, now: Now, status: CallStatus) -> Still {
        self.part(call);
        let left = Self {
            spec: self.spec.clone(),
            queue: String::new(),
            whisper: None,
            connected: None,
            until: self.until,
            recording: None,
        };
        let serving = Box::new(mem::replace(self, left));
        call.serving_over(now, serving, status);
        Still::Over
    }
}

impl Waits for Serving {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        Some((self.until, "call dial limit"))
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        let is_connected = self.connected.is_some();
        let status = if is_connected { CallStatus::Completed } else { CallStatus::NoAnswer };
        self.leave(call, now, status)
    }

    fn on_digit(&mut self, call: &mut Call, now: Now, digit: u8) -> Still {
        match digit == b'*' && self.spec.hangup_on_star && self.connected.is_some() {
            true => self.leave(call, now, CallStatus::Completed),
            false => Still::Waiting,
        }
    }

    fn abort(&mut self, call: &mut Call, now: Now) {
        self.part(call);
        if let Some(recording) = self.recording {
            call.stop_recording(now, recording);
        }
    }

    fn on_leg_over(mut self, call: &mut Call, now: Now) -> Option<Activity> {
        self.part(call);
        let is_connected = self.connected.is_some();
        let status = if is_connected { CallStatus::Completed } else { CallStatus::Canceled };
        // The application gets the result; its answer is not executed.
        if let Some(action) = self.spec.action.take()
            && let Ok(url) = call.resolve(&action.url)
        {
            let form = call.serving_result(now, &self, status);
            call.report_action(url, action.method, form);
        }
        None
    }
}
