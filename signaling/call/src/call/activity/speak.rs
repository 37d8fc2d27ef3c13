//! `<Say>`, `<Play>` of a file, and the last prompt of a call. Sans-IO.
//!
//! A prompt is loaded first and played then; `play` tells the two apart. Loading never blocks the call: a
//! redirect or a hang-up aborts it, and a prompt that becomes ready later is ignored, because its id is
//! not that of the running activity. `Then` is the only difference between a verb and the last words of a
//! call.

use shared::{Code, Now, PlayId};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::call::exchange::Exchange;
use crate::effect::{CallEffect, PromptSource};
use crate::finding::{Finding, Position};
use crate::ids::PromptId;
use crate::input::PromptFailure;
use crate::twiml::verb::Say;

/// A prompt that is loading (`play` is `None`) or playing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speaking {
    prompt: PromptId,
    repeat: u32,
    play: Option<PlayId>,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    NextVerb,
    HangUp,
}

impl Call {
    pub(crate) fn say(&mut self, now: Now, say: Say) {
        // First: the 200 is on its way while the prompt is made.
        self.answer(now);
        let repeat = say.repeat;
        let source = self.say_source(say);
        self.speak(source, repeat, Then::NextVerb);
    }

    /// The prompt of a `<Say>`, with defaults filled in. Warns once a call that a voice is mapped.
    pub(crate) fn say_source(&mut self, say: Say) -> PromptSource {
        // Only names of providers have a dot (`Polly.Joanna`).
        let foreign = say.voice.as_deref().filter(|voice| voice.contains('.'));
        if let Some(voice) = foreign.filter(|_| !self.facts.voice_warned) {
            let message = format!("voice `{voice}` is spoken by the local voice of its language");
            self.facts.voice_warned = true;
            self.notify(Finding::warning(Code::SAY_VOICE, message), None);
        }
        let settings = &self.setup.settings;
        PromptSource::Say {
            speech: say.speech,
            voice: say.voice.unwrap_or_else(|| settings.voice.clone()),
            language: say.language.unwrap_or_else(|| settings.language.clone()),
        }
    }

    pub(crate) fn play_file(&mut self, now: Now, url: &str, repeat: u32, position: Position) {
        match self.resolve(url) {
            Ok(url) => {
                // After the check: with a bad URL the fallback document decides whether to answer.
                self.answer(now);
                self.speak(PromptSource::Url(url), repeat, Then::NextVerb);
            }
            Err(fault) => self.fatal(now, Finding::from(fault).at(position)),
        }
    }

    /// Plays a last prompt, then hangs up, even if the prompt cannot be played.
    pub(crate) fn speak_last(&mut self, source: PromptSource) {
        self.speak(source, 1, Then::HangUp);
    }

    fn speak(&mut self, source: PromptSource, repeat: u32, then: Then) {
        let prompt = self.load(source);
        self.activity = Activity::Speaking(Speaking { prompt, repeat, play: None, then });
    }

    /// Has a prompt made ready; [`Waits::on_prompt`] follows.
    pub(crate) fn load(&mut self, source: PromptSource) -> PromptId {
        let prompt = self.names.prompt();
        if let PromptSource::Url(url) = &source {
            self.warn_of_edges(url);
            // A failure names its prompt only, and the notification shows the URL.
            self.files.insert(prompt, url.clone());
        }
        self.effect(CallEffect::LoadPrompt { prompt, source });
        prompt
    }

    /// Plays a ready prompt.
    pub(crate) fn play(&mut self, prompt: PromptId, repeat: u32) -> PlayId {
        let play = self.names.play();
        self.effect(CallEffect::Play { prompt, play, repeat });
        play
    }

    /// A prompt cannot be played: the document fails. The notification of a file shows the URL of that
    /// file, not that of the document.
    pub(crate) fn prompt_failed(&mut self, now: Now, prompt: PromptId, code: Code, sentence: &str) {
        if let Some(url) = self.files.remove(&prompt) {
            self.script.exchange = Exchange::of_file(&url);
        }
        self.fatal(now, Finding::error(code, sentence));
    }
}

impl Waits for Speaking {
    fn on_prompt(
        &mut self,
        call: &mut Call,
        now: Now,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) -> Still {
        if prompt != self.prompt {
            return Still::Waiting;
        }
        match (result, self.then) {
            (Ok(()), _) => {
                self.play = Some(call.play(prompt, self.repeat));
                return Still::Waiting;
            }
            (Err(failure), Then::NextVerb) => {
                call.prompt_failed(now, prompt, failure.code, &failure.sentence);
            }
            // Not `fatal`, which would speak the error sentence: that may be the prompt that
            // failed.
            (Err(failure), Then::HangUp) => {
                call.notify(Finding::error(failure.code, &*failure.sentence), None);
                call.hang_up(now);
            }
        }
        Still::Over
    }

    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        if self.play != Some(play) {
            return Still::Waiting;
        }
        match self.then {
            Then::NextVerb => call.next_verb(now),
            Then::HangUp => call.hang_up(now),
        }
        Still::Over
    }

    fn abort(&mut self, call: &mut Call, _now: Now) {
        call.effect(match self.play {
            Some(_) => CallEffect::StopPlay,
            None => CallEffect::ForgetPrompt { prompt: self.prompt },
        });
    }
}
