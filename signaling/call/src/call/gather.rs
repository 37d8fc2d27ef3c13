//! `<Gather>`: prompts and digits (contract twiml.md 2.4). Sans-IO.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use shared::{Instant, Now, PlayId, limits};

use super::script::url_error;
use super::{Activity, Call};
use crate::effect::{CallEffect, PromptSource};
use crate::form::Form;
use crate::ids::PromptId;
use crate::input::PromptFailure;
use crate::twiml::Position;
use crate::twiml::verb::Gather;
use crate::twiml::verb::gather::GatherPrompt;

/// A `<Gather>` that runs.
#[derive(Debug)]
pub(super) struct Gathering {
    spec: Gather,
    digits: String,
    /// Prompts that are not played yet.
    queue: VecDeque<Item>,
    /// Prompts that are not ready yet: nothing is played before all are.
    loading: BTreeSet<PromptId>,
    stage: Stage,
    /// The timer of keys; runs once the prompts are over or the first key came.
    silence_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Prompt { prompt: PromptId, repeat: u32 },
    Pause(Duration),
}

/// What the party hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Loading,
    Playing(PlayId),
    Pausing { until: Instant },
    Silent,
}

impl Gathering {
    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Pausing { until } => Some(self.silence_until.map_or(until, |at| at.min(until))),
            Stage::Loading | Stage::Playing(_) | Stage::Silent => self.silence_until,
        }
    }

    fn restart_timer(&mut self, now: Now) {
        let timeout = Duration::from_secs(u64::from(self.spec.timeout_s));
        self.silence_until = Some(now.mono + timeout);
    }
}

impl Call {
    pub(super) fn gather(&mut self, now: Now, spec: Gather, position: Position) {
        if let Err(fault) = self.resolve(&spec.action.url) {
            return self.fatal(now, url_error(fault, Some(position)));
        }
        let sources = match self.gather_sources(&spec) {
            Ok(sources) => sources,
            Err(finding) => return self.fatal(now, finding),
        };
        self.answer(now);
        let mut gathering = Gathering {
            spec,
            digits: String::new(),
            queue: VecDeque::new(),
            loading: BTreeSet::new(),
            stage: Stage::Loading,
            silence_until: None,
        };
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
        self.gather_on(now, Box::new(gathering));
    }

    /// What has to be loaded, or how long to wait, in order. Every URL is checked before any is asked for.
    #[expect(clippy::type_complexity, reason = "a list of either, used once")]
    fn gather_sources(
        &mut self,
        spec: &Gather,
    ) -> Result<Vec<Result<(PromptSource, u32), Duration>>, crate::twiml::Finding> {
        let mut sources = Vec::new();
        for prompt in &spec.prompts {
            sources.push(match prompt {
                GatherPrompt::Say(say) => Ok((self.say_source(say.clone()), say.repeat)),
                GatherPrompt::Play { url, repeat, position } => match self.resolve(url) {
                    Ok(url) => Ok((PromptSource::Url(url), *repeat)),
                    Err(fault) => return Err(url_error(fault, Some(*position))),
                },
                GatherPrompt::Pause(pause) => Err(Duration::from_secs(u64::from(pause.length_s))),
            });
        }
        Ok(sources)
    }

    /// Plays what is next, or lets the timer run when there is nothing more.
    fn gather_on(&mut self, now: Now, mut gathering: Box<Gathering>) {
        if gathering.loading.is_empty() {
            gathering.stage = match gathering.queue.pop_front() {
                Some(Item::Prompt { prompt, repeat }) => Stage::Playing(self.play(prompt, repeat)),
                Some(Item::Pause(pause)) => Stage::Pausing { until: now.mono + pause },
                None => Stage::Silent,
            };
            if gathering.stage == Stage::Silent && gathering.silence_until.is_none() {
                gathering.restart_timer(now);
            }
        }
        self.activity = Activity::Gathering(gathering);
    }

    pub(super) fn gather_ready(
        &mut self,
        now: Now,
        mut gathering: Box<Gathering>,
        prompt: PromptId,
        result: Result<(), PromptFailure>,
    ) {
        if !gathering.loading.remove(&prompt) {
            self.activity = Activity::Gathering(gathering);
            return;
        }
        match result {
            Ok(()) => self.gather_on(now, gathering),
            Err(failure) => {
                let failed =
                    |item: &Item| matches!(item, Item::Prompt { prompt: p, .. } if *p == prompt);
                gathering.queue.retain(|item| !failed(item));
                self.stop_prompts(*gathering);
                // Inside of <Gather> a bad content type has its own code (contract twiml.md 2.2).
                let code = if failure.code == 13420 { 13325 } else { failure.code };
                self.prompt_failed(now, prompt, code, failure.sentence);
            }
        }
    }

    pub(super) fn gather_play_ended(&mut self, now: Now, gathering: Box<Gathering>, play: PlayId) {
        match gathering.stage {
            Stage::Playing(playing) if playing == play => self.gather_on(now, gathering),
            Stage::Loading | Stage::Playing(_) | Stage::Pausing { .. } | Stage::Silent => {
                self.activity = Activity::Gathering(gathering);
            }
        }
    }

    pub(super) fn gather_digit(&mut self, now: Now, mut gathering: Box<Gathering>, digit: u8) {
        if gathering.spec.finish_on_key == Some(digit) {
            return self.gather_ended(now, gathering, Some(digit));
        }
        if gathering.digits.len() < limits::DIGITS_QUEUED_MAX {
            gathering.digits.push(char::from(digit));
        }
        let wanted = gathering.spec.num_digits.and_then(|number| usize::try_from(number).ok());
        if wanted.is_some_and(|wanted| gathering.digits.len() >= wanted) {
            return self.gather_ended(now, gathering, None);
        }
        gathering.restart_timer(now);
        if gathering.spec.barge_in {
            self.silence(&mut gathering);
        }
        self.activity = Activity::Gathering(gathering);
    }

    pub(super) fn gather_timeout(&mut self, now: Now, gathering: Box<Gathering>) {
        match (gathering.stage, gathering.silence_until) {
            (_, Some(at)) if at <= now.mono => self.gather_ended(now, gathering, None),
            (Stage::Pausing { .. }, _) => self.gather_on(now, gathering),
            (Stage::Loading | Stage::Playing(_) | Stage::Silent, _) => {
                self.activity = Activity::Gathering(gathering);
            }
        }
    }

    fn gather_ended(&mut self, now: Now, mut gathering: Box<Gathering>, key: Option<u8>) {
        self.silence(&mut gathering);
        let Gathering { spec, digits, .. } = *gathering;
        if digits.is_empty() && !spec.action_on_empty_result {
            return self.next_verb(now);
        }
        let mut form = Form::new();
        form.push("Digits", digits);
        form.push("FinishedOnKey", key.map(|key| char::from(key).to_string()).unwrap_or_default());
        self.follow(now, &spec.action, form);
    }

    /// Stops the prompts without ending the verb.
    fn silence(&mut self, gathering: &mut Gathering) {
        if matches!(gathering.stage, Stage::Playing(_)) {
            self.effect(CallEffect::StopPlay);
        }
        gathering.stage = Stage::Silent;
        gathering.loading.clear();
        for item in gathering.queue.drain(..) {
            if let Item::Prompt { prompt, .. } = item {
                self.effects.push_back(CallEffect::ForgetPrompt { prompt });
            }
        }
    }

    pub(super) fn stop_prompts(&mut self, mut gathering: Gathering) {
        self.silence(&mut gathering);
    }
}
