//! `<Enqueue>`: this call waits in a queue, and talks with the party that takes it. Sans-IO.
//!
//! ```text
//! Entering --(Waits)--> Waiting --(Taken)--> Whispering --(document over)--> Connected --(party gone)--> over
//!     \--(Refused)--> over    \--(<Leave>)--> over  ^--(server gone: back to the front)
//! ```
//!
//! The wait document runs again and again, each time with the present place in the queue; so its request waits
//! for the figures that Control answers. The action is requested when the call leaves the queue, or when the
//! two parties part.

use std::mem;

use shared::{CallSid, Code, Instant, Now, PlayId, QueueSid};

use super::wait::{WaitScript, Waited};
use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::conference::Music;
use crate::effect::CallEffect;
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::ids::{HttpId, PromptId};
use crate::input::{HttpAnswer, HttpFailure, PromptFailure};
use crate::queue::{QueueFacts, QueueInput};
use crate::setup::{DocumentSource, Webhook};
use crate::twiml::verb::{Enqueue, Link};

/// A call in a queue.
#[derive(Debug)]
pub(crate) struct Queued {
    spec: Enqueue,
    music: Music,
    stage: Stage,
    /// The latest figures; `None` until the call waits.
    facts: Option<QueueFacts>,
    /// `None` until the call waits.
    stay: Option<Stay>,
    script: Option<WaitScript>,
}

/// The time of a call in its queue. The figures above are as old as the request for the wait document, which may
/// play for ever, so that they cannot tell it.
#[derive(Clone, Copy, Debug)]
struct Stay {
    queue: QueueSid,
    since: Instant,
    /// Of a call that a server has taken: the seconds until then.
    taken_after_s: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Entering,
    Waiting,
    Whispering { by: CallSid },
    Connected { by: CallSid },
}

impl Call {
    pub(crate) fn enqueue(&mut self, now: Now, spec: Enqueue, position: Position) {
        // Checked before the call waits: the result has to have a receiver.
        if let Some(Err(fault)) = spec.action.as_ref().map(|action| self.resolve(&action.url)) {
            return self.fatal(now, Finding::from(fault).at(position));
        }
        let music = match self.music(spec.wait.as_ref()) {
            Ok(music) => music,
            Err(finding) => return self.fatal(now, finding.at(position)),
        };
        self.answer(now);
        self.timeline("queue", format_args!("waits in `{}`", spec.queue));
        self.effect(CallEffect::EnterQueue {
            queue: spec.queue.clone(),
            max_size: spec.max_size,
            is_back: false,
        });
        let queued =
            Queued { spec, music, stage: Stage::Entering, facts: None, stay: None, script: None };
        self.activity = Activity::Queued(Box::new(queued));
    }

    /// What a party hears that waits, by `waitUrl`.
    pub(crate) fn music(&self, wait: Option<&Link>) -> Result<Music, Finding> {
        Ok(match wait {
            None => Music::Standard,
            Some(link) if link.url.is_empty() => Music::Silence,
            Some(link) => Music::Document(self.webhook_of(link)?),
        })
    }

    /// News for the call that waits.
    pub(crate) fn queued_input(&mut self, now: Now, mut queued: Box<Queued>, input: QueueInput) {
        match input {
            QueueInput::Waits(facts) => {
                queued.facts = Some(facts);
                let entry = Stay { queue: facts.queue, since: now.mono, taken_after_s: None };
                queued.stay.get_or_insert(entry);
                if queued.stage == Stage::Entering {
                    queued.stage = Stage::Waiting;
                }
                if queued.stage == Stage::Waiting && queued.script.is_none() {
                    return self.play_wait(now, queued);
                }
            }
            QueueInput::Refused { code, sentence, .. } => {
                let full = code == Code::QUEUE_FULL;
                let result = if full { "queue-full" } else { "system-error" };
                self.notify(Finding::warning(code, &*sentence), None);
                return self.queue_over(now, queued, result);
            }
            QueueInput::Taken { by, whisper, queue, queue_time_s } => {
                queued.stop(self);
                queued.stage = Stage::Whispering { by };
                let since = queued.stay.map_or(now.mono, |stay| stay.since);
                queued.stay = Some(Stay { queue, since, taken_after_s: Some(queue_time_s) });
                self.timeline("queue", format_args!("taken by {by}"));
                return self.whisper(now, queued, by, whisper);
            }
            QueueInput::Dequeued(webhook) => {
                self.activity = Activity::Queued(queued);
                return self.redirect(now, DocumentSource::Url(webhook));
            }
            QueueInput::Ready { .. } | QueueInput::Missing => {}
        }
        self.activity = Activity::Queued(queued);
    }

    /// Starts the wait document from its begin, with the present figures.
    fn play_wait(&mut self, now: Now, mut queued: Box<Queued>) {
        let extra = queued.facts.map_or_else(Form::new, wait_parameters);
        match WaitScript::start(self, &queued.music, extra) {
            Ok(script) => {
                queued.script = Some(script);
                self.activity = Activity::Queued(queued);
            }
            Err(finding) => self.cannot_wait_in_queue(now, queued, finding),
        }
    }

    /// Runs the document of the server's noun on this call.
    fn whisper(
        &mut self,
        now: Now,
        mut queued: Box<Queued>,
        by: CallSid,
        whisper: Option<Webhook>,
    ) {
        let Some(webhook) = whisper else { return self.ready_for(queued, by) };
        let mut extra = Form::new();
        queued.push_stay(now, &mut extra);
        // The spelling is that of the API (webhooks.md 5.8).
        extra.push("DequeingCallSid", by);
        match WaitScript::start(self, &Music::Document(webhook), extra) {
            Ok(script) => {
                queued.script = Some(script);
                self.activity = Activity::Queued(queued);
            }
            Err(finding) => self.cannot_wait_in_queue(now, queued, finding),
        }
    }

    fn ready_for(&mut self, mut queued: Box<Queued>, by: CallSid) {
        queued.stop(self);
        queued.stage = Stage::Connected { by };
        self.effect(CallEffect::QueueReady { by });
        self.activity = Activity::Queued(queued);
    }

    fn cannot_wait_in_queue(&mut self, now: Now, queued: Box<Queued>, finding: Finding) {
        self.notify(finding, None);
        if let Stage::Whispering { by } = queued.stage {
            self.effect(CallEffect::PeerEnds { sid: by });
        }
        self.effect(CallEffect::LeaveQueue);
        self.queue_over(now, queued, "error");
    }

    /// The server is gone.
    pub(crate) fn server_gone(&mut self, now: Now, mut queued: Box<Queued>, server: CallSid) {
        match queued.stage {
            Stage::Connected { by } if by == server => self.queue_over(now, queued, "bridged"),
            // It was not connected yet: nobody that came later may overtake it.
            Stage::Whispering { by } if by == server => {
                queued.stop(self);
                queued.stage = Stage::Entering;
                if let Some(stay) = &mut queued.stay {
                    stay.taken_after_s = None;
                }
                self.effect(CallEffect::EnterQueue {
                    queue: queued.spec.queue.clone(),
                    max_size: None,
                    is_back: true,
                });
                self.activity = Activity::Queued(queued);
            }
            _ => self.activity = Activity::Queued(queued),
        }
    }

    /// The verb is over and our leg is not: requests the action or runs the next verb.
    fn queue_over(&mut self, now: Now, mut queued: Box<Queued>, result: &str) {
        queued.stop(self);
        self.timeline("verb", format_args!("<Enqueue> ended: {result}"));
        match &queued.spec.action {
            Some(action) => {
                let form = queued.result(now, result);
                self.follow(now, action, form);
            }
            None => self.next_verb(now),
        }
    }
}

impl Queued {
    fn stop(&mut self, call: &mut Call) {
        if let Some(mut script) = self.script.take() {
            script.stop(call);
        }
    }

    fn result(&self, now: Now, result: &str) -> Form {
        let mut form = Form::new();
        form.push("QueueResult", result);
        self.push_stay(now, &mut form);
        form
    }

    /// Nothing where the call has not entered the queue (twiml.md 2.7).
    fn push_stay(&self, now: Now, form: &mut Form) {
        let Some(Stay { queue, since, taken_after_s }) = self.stay else { return };
        form.push("QueueSid", queue);
        form.push("QueueTime", taken_after_s.map_or(now.mono.since(since).as_secs(), u64::from));
    }

    fn step(
        &mut self,
        call: &mut Call,
        now: Now,
        input: impl FnOnce(&mut WaitScript, &mut Call) -> Waited,
    ) -> Still {
        let Some(script) = &mut self.script else { return Still::Waiting };
        let waited = input(script, call);
        match waited {
            Waited::On => return Still::Waiting,
            Waited::Exhausted => self.script = None,
            Waited::Leaves | Waited::Failed(_) => {}
        }
        match (waited, self.stage) {
            // For ever (twiml.md 2.7); the answer starts it again.
            (Waited::Exhausted, Stage::Waiting) => {
                call.effect(CallEffect::AskQueue);
                Still::Waiting
            }
            (Waited::Exhausted, Stage::Whispering { by }) => {
                call.ready_for(self.handed_on(), by);
                Still::Over
            }
            (Waited::Leaves, Stage::Waiting) => {
                call.effect(CallEffect::LeaveQueue);
                call.queue_over(now, self.handed_on(), "leave");
                Still::Over
            }
            (Waited::Leaves, _) => {
                let message = "<Leave> is not allowed in the document of a <Queue>";
                let finding = Finding::error(Code::WAIT_VERB, message);
                call.cannot_wait_in_queue(now, self.handed_on(), finding);
                Still::Over
            }
            (Waited::Failed(finding), _) => {
                call.cannot_wait_in_queue(now, self.handed_on(), finding);
                Still::Over
            }
            _ => Still::Waiting,
        }
    }

    /// The state, to be handed on; what is left here is over.
    fn handed_on(&mut self) -> Box<Self> {
        let left = Self {
            spec: self.spec.clone(),
            music: Music::Silence,
            stage: Stage::Entering,
            facts: None,
            stay: None,
            script: None,
        };
        Box::new(mem::replace(self, left))
    }

    /// Leaves the queue, or the party that took the call.
    fn part(&self, call: &mut Call) {
        match self.stage {
            Stage::Entering | Stage::Waiting => {}
            Stage::Whispering { by } => call.effect(CallEffect::PeerEnds { sid: by }),
            Stage::Connected { by } => {
                call.effect(CallEffect::Unbridge { child: by });
                call.effect(CallEffect::PeerEnds { sid: by });
            }
        }
        call.effect(CallEffect::LeaveQueue);
    }

    /// Reports the action; its answer is not executed.
    fn report(&mut self, call: &mut Call, now: Now, result: &str) {
        if let Some(action) = self.spec.action.take()
            && let Ok(url) = call.resolve(&action.url)
        {
            let form = self.result(now, result);
            call.report_action(url, action.method, form);
        }
    }
}

impl Waits for Queued {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        Some((self.script.as_ref()?.deadline()?, "call wait document"))
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        self.step(call, now, |script, call| script.on_timeout(call, now))
    }

    fn on_prompt(
        &mut self,
        call: &mut Call,
        now: Now,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) -> Still {
        self.step(call, now, |script, call| script.on_prompt(call, now, prompt, result))
    }

    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        self.step(call, now, |script, call| script.on_play_ended(call, now, play))
    }

    fn on_document(
        &mut self,
        call: &mut Call,
        now: Now,
        request: HttpId,
        result: Result<HttpAnswer, HttpFailure>,
    ) -> Still {
        self.step(call, now, |script, call| script.on_document(call, now, request, result))
    }

    fn abort(&mut self, call: &mut Call, now: Now) {
        self.stop(call);
        self.part(call);
        let is_bridged = matches!(self.stage, Stage::Connected { .. });
        self.report(call, now, if is_bridged { "redirected-from-bridged" } else { "redirected" });
    }

    fn on_leg_over(mut self, call: &mut Call, now: Now) -> Option<Activity> {
        self.stop(call);
        self.part(call);
        let is_bridged = matches!(self.stage, Stage::Connected { .. });
        self.report(call, now, if is_bridged { "bridged" } else { "hangup" });
        None
    }
}

/// Parameters of a request for the wait document (webhooks.md 5.8).
fn wait_parameters(facts: QueueFacts) -> Form {
    let mut form = Form::new();
    form.push("QueuePosition", facts.position);
    form.push("QueueSid", facts.queue);
    form.push("QueueTime", facts.queue_time_s);
    form.push("AvgQueueTime", facts.average_s);
    form.push("CurrentQueueSize", facts.current_size);
    form.push("MaxQueueSize", facts.max_size);
    form
}
