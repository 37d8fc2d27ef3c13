//! `<Gather>`: prompts, digits and speech. Sans-IO.
//!
//! All prompts are loaded before the first is played, so that a file that fails stops the verb before it
//! has spoken half a sentence. The timer of `timeout` starts when the prompts are over or at the first key,
//! whichever comes first, and again at each key. With `bargeIn` a key stops the prompts, and so does speech.
//!
//! Keys and speech exclude each other (twiml.md 2.4): the first key cancels the recognition, and the first recognised
//! word makes keys without effect. `speech` has the half that listens.

mod speech;

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::time::Duration;

use shared::{Code, Instant, Now, PlayId, limits};

use self::speech::Speaking;
use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::{CallEffect, PromptSource};
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::ids::{PromptId, RecognitionId};
use crate::input::PromptFailure;
use crate::recognition::RecognitionEvent;
use crate::twiml::verb::Gather;
use crate::twiml::verb::gather::GatherPrompt;

/// A `<Gather>` that runs.
#[derive(Debug)]
pub(crate) struct Gathering {
    spec: Gather,
    digits: String,
    /// Prompts and pauses that are still to come.
    queue: VecDeque<Item>,
    /// Prompts that are not ready yet; until it is empty nothing is played.
    loading: BTreeSet<PromptId>,
    stage: Stage,
    /// The recognition that listens; `None`: none is wanted, or none can be had.
    speech: Option<Speaking>,
    /// When the wait for the next key is over; `None` until the prompts are over or a key came.
    silence_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Prompt { prompt: PromptId, repeat: u32 },
    Pause(Duration),
}

/// The prompt at the front: being loaded, played, a pause, or none left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Loading,
    Playing(PlayId),
    Pausing { until: Instant },
    Silent,
}

impl Call {
    pub(crate) fn gather(&mut self, now: Now, mut spec: Gather, position: Position) {
        if let Err(fault) = self.resolve(&spec.action.url) {
            return self.fatal(now, Finding::from(fault).at(position));
        }
        if let Err(finding) = self.check_speech(&mut spec, position) {
            return self.fatal(now, finding);
        }
        let sources = match self.gather_sources(mem::take(&mut spec.prompts)) {
            Ok(sources) => sources,
            Err(finding) => return self.fatal(now, finding),
        };
        // After the checks: with a bad URL the fallback document decides whether to answer.
        self.answer(now);
        let mut gathering = Gathering {
            spec,
            digits: String::new(),
            queue: VecDeque::new(),
            loading: BTreeSet::new(),
            stage: Stage::Loading,
            speech: None,
            silence_until: None,
        };
        // From the first frame on, as for keys.
        if gathering.spec.barge_in {
            gathering.listen(self);
        }
        for source in sources {
            let item = match source {
                Ok((source, repeat)) => {
                    let prompt = self.load(source);
                    gathering.loading.insert(prompt);
                    Item::Prompt { prompt, repeat }
                }
                Err(pause) => Item::Pause(pause),
            };
            gathering.queue.push_back(item);
        }
        // Where no prompt loads, no input would start the first pause or the timer.
        gathering.go_on(self, now);
        self.activity = Activity::Gathering(Box::new(gathering));
    }

    /// Prompts with their repetitions (`Ok`) and pauses (`Err`), in order. Checks every URL before the first
    /// prompt is loaded.
    #[expect(clippy::type_complexity, reason = "a list of either, used once")]
    fn gather_sources(
        &mut self,
        prompts: Vec<GatherPrompt>,
    ) -> Result<Vec<Result<(PromptSource, u32), Duration>>, Finding> {
        let mut sources = Vec::new();
        for prompt in prompts {
            sources.push(match prompt {
                GatherPrompt::Say(say) => {
                    let repeat = say.repeat;
                    Ok((self.say_source(say), repeat))
                }
                GatherPrompt::Play { url, repeat, position } => match self.resolve(&url) {
                    Ok(url) => Ok((PromptSource::Url(url), repeat)),
                    Err(fault) => return Err(Finding::from(fault).at(position)),
                },
                GatherPrompt::Pause(pause) => Err(Duration::from_secs(u64::from(pause.length_s))),
            });
        }
        Ok(sources)
    }
}

impl Gathering {
    fn restart_timer(&mut self, now: Now) {
        let timeout = Duration::from_secs(u64::from(self.spec.timeout_s));
        self.silence_until = Some(now.mono + timeout);
    }

    /// Plays the next prompt, once all are loaded; after the last one the timer starts.
    fn go_on(&mut self, call: &mut Call, now: Now) {
        if !self.loading.is_empty() {
            return;
        }
        self.stage = match self.queue.pop_front() {
            Some(Item::Prompt { prompt, repeat }) => Stage::Playing(call.play(prompt, repeat)),
            Some(Item::Pause(pause)) => Stage::Pausing { until: now.mono + pause },
            None => Stage::Silent,
        };
        // A key during the prompts has started the timer already (twiml.md 2.4, rule 3).
        if self.stage == Stage::Silent && self.silence_until.is_none() {
            self.restart_timer(now);
            if !self.spec.barge_in && self.digits.is_empty() {
                self.listen(call);
            }
        }
    }

    /// Stops the prompts; the verb may go on.
    fn silence(&mut self, call: &mut Call) {
        if matches!(self.stage, Stage::Playing(_)) {
            call.effect(CallEffect::StopPlay);
        }
        self.stage = Stage::Silent;
        // Their results may still arrive, and `on_prompt` ignores the ones that it does not know.
        self.loading.clear();
        for item in self.queue.drain(..) {
            if let Item::Prompt { prompt, .. } = item {
                call.effect(CallEffect::ForgetPrompt { prompt });
            }
        }
    }

    /// Ends the verb with the digits so far. `key` is the finishing key, if one was pressed.
    fn finish(&mut self, call: &mut Call, now: Now, key: Option<u8>) -> Still {
        // With `bargeIn="false"` the last key may come while a prompt still plays.
        self.silence(call);
        self.stop_listening(call);
        if self.digits.is_empty() && !self.spec.action_on_empty_result {
            call.next_verb(now);
            return Still::Over;
        }
        let mut form = Form::new();
        // An empty result has the parameter of each kind that was waited for.
        if self.digits.is_empty() && self.spec.speech.is_some() {
            form.push("SpeechResult", "");
        }
        if !self.spec.takes_digits {
            call.follow(now, &self.spec.action, form);
            return Still::Over;
        }
        form.push("Digits", mem::take(&mut self.digits));
        // Present and empty where a timeout or `numDigits` ended the input.
        match key {
            Some(key) => form.push("FinishedOnKey", char::from(key)),
            None => form.push("FinishedOnKey", ""),
        }
        call.follow(now, &self.spec.action, form);
        Still::Over
    }
}

impl Waits for Gathering {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        let until = match self.stage {
            Stage::Pausing { until } => Some(self.silence_until.map_or(until, |at| at.min(until))),
            Stage::Loading | Stage::Playing(_) | Stage::Silent => self.silence_until,
        };
        until.map(|at| (at, "call gather"))
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        match (self.stage, self.silence_until) {
            // The end of the input goes before the end of a pause at the same instant.
            (_, Some(at)) if at <= now.mono => return self.finish(call, now, None),
            (Stage::Pausing { .. }, _) => self.go_on(call, now),
            (Stage::Loading | Stage::Playing(_) | Stage::Silent, _) => {}
        }
        Still::Waiting
    }

    fn on_digit(&mut self, call: &mut Call, now: Now, digit: u8) -> Still {
        if !self.spec.takes_digits || self.has_words() {
            return Still::Waiting;
        }
        self.stop_listening(call);
        // Before the count: the finishing key is not one of the digits (twiml.md 2.4, rule 4).
        if self.spec.finish_on_key == Some(digit) {
            return self.finish(call, now, Some(digit));
        }
        // Without `numDigits` only this bound limits what a party can send.
        if self.digits.len() < limits::DIGITS_QUEUED_MAX {
            self.digits.push(char::from(digit));
        }
        let wanted = self.spec.num_digits.and_then(|number| usize::try_from(number).ok());
        if wanted.is_some_and(|wanted| self.digits.len() >= wanted) {
            return self.finish(call, now, None);
        }
        self.restart_timer(now);
        if self.spec.barge_in {
            self.silence(call);
        }
        Still::Waiting
    }

    fn on_prompt(
        &mut self,
        call: &mut Call,
        now: Now,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) -> Still {
        if !self.loading.remove(&prompt) {
            return Still::Waiting;
        }
        let Err(failure) = result else {
            self.go_on(call, now);
            return Still::Waiting;
        };
        let failed = |item: &Item| matches!(item, Item::Prompt { prompt: p, .. } if *p == prompt);
        // A prompt that failed is not loaded; the others are dropped by name below.
        self.queue.retain(|item| !failed(item));
        self.silence(call);
        self.stop_listening(call);
        // Inside of <Gather> a bad content type has its own code.
        let code = if failure.code == Code::PLAY_CONTENT_TYPE {
            Code::GATHER_PLAY_CONTENT_TYPE
        } else {
            failure.code
        };
        call.prompt_failed(now, prompt, code, &failure.sentence);
        Still::Over
    }

    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        if self.stage == Stage::Playing(play) {
            self.go_on(call, now);
        }
        Still::Waiting
    }

    fn on_recognition(
        &mut self,
        call: &mut Call,
        now: Now,
        recognition: RecognitionId,
        event: &RecognitionEvent,
    ) -> Still {
        self.heard(call, now, recognition, event)
    }

    fn abort(&mut self, call: &mut Call, _now: Now) {
        self.silence(call);
        self.stop_listening(call);
    }

    fn on_leg_over(mut self, call: &mut Call, _now: Now) -> Option<Activity> {
        // A hang-up requests nothing (twiml.md 2.4).
        self.stop_listening(call);
        None
    }
}
