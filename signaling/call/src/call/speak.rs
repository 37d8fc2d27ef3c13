//! `<Say>`, `<Play>` and the last words of a call: one prompt at a time. Sans-IO.

use shared::{Now, PlayId};

use super::script::url_error;
use super::webhooks::{Exchange, warning};
use super::{Activity, Call};
use crate::effect::{CallEffect, PromptSource};
use crate::ids::PromptId;
use crate::input::PromptFailure;
use crate::twiml::Position;
use crate::twiml::verb::Say;
use std::mem;

/// A prompt on its way to the party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Speaking {
    prompt: PromptId,
    repeat: u32,
    /// `None` while it is loading.
    play: Option<PlayId>,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    NextVerb,
    HangUp,
}

impl Call {
    pub(super) fn say(&mut self, now: Now, say: Say) {
        self.answer(now);
        let repeat = say.repeat;
        let source = self.say_source(say);
        self.speak(source, repeat, Then::NextVerb);
    }

    /// What `<Say>` is made of: defaults filled in, a voice that is not ours named once a call.
    pub(super) fn say_source(&mut self, say: Say) -> PromptSource {
        let foreign = say.voice.as_deref().filter(|voice| voice.contains('.'));
        if let Some(voice) = foreign.filter(|_| !self.facts.voice_warned) {
            let message = format!("voice `{voice}` is spoken by the local voice of its language");
            self.facts.voice_warned = true;
            self.notify(warning(13511, message), None);
        }
        let (voice, language) = self.default_voice();
        PromptSource::Say {
            speech: say.speech,
            voice: say.voice.unwrap_or(voice),
            language: say.language.unwrap_or(language),
        }
    }

    pub(super) fn play_file(&mut self, now: Now, url: &str, repeat: u32, position: Position) {
        match self.resolve(url) {
            Ok(url) => {
                self.answer(now);
                self.speak(PromptSource::Url(url), repeat, Then::NextVerb);
            }
            Err(fault) => self.fatal(now, url_error(fault, Some(position))),
        }
    }

    pub(super) fn play_digits(&mut self, now: Now, digits: String) {
        self.answer(now);
        let play = self.names.play();
        self.activity = Activity::PlayingDigits { play };
        self.effect(CallEffect::SendDigits { digits: digits.into(), play });
    }

    /// Says or plays something, then hangs up, whatever comes of it.
    pub(super) fn speak_last(&mut self, source: PromptSource) {
        self.speak(source, 1, Then::HangUp);
    }

    fn speak(&mut self, source: PromptSource, repeat: u32, then: Then) {
        let prompt = self.load(source);
        self.activity = Activity::Speaking(Speaking { prompt, repeat, play: None, then });
    }

    /// Asks for a prompt.
    pub(super) fn load(&mut self, source: PromptSource) -> PromptId {
        let prompt = self.names.prompt();
        if let PromptSource::Url(url) = &source {
            self.warn_of_edges(url);
            self.files.insert(prompt, url.clone());
        }
        self.effect(CallEffect::LoadPrompt { prompt, source });
        prompt
    }

    /// Plays a ready prompt.
    pub(super) fn play(&mut self, prompt: PromptId, repeat: u32) -> PlayId {
        let play = self.names.play();
        self.effect(CallEffect::Play { prompt, play, repeat });
        play
    }

    pub(super) fn stop_speaking(&mut self, speaking: &Speaking) {
        match speaking.play {
            Some(_) => self.effect(CallEffect::StopPlay),
            None => self.effect(CallEffect::ForgetPrompt { prompt: speaking.prompt }),
        }
    }

    pub(super) fn prompt_ready(
        &mut self,
        now: Now,
        prompt: PromptId,
        result: Result<(), PromptFailure>,
    ) {
        match mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Speaking(speaking) if speaking.prompt == prompt => {
                self.speaking_ready(now, speaking, result);
            }
            Activity::Gathering(gathering) => self.gather_ready(now, gathering, prompt, result),
            Activity::Recording(verb) => self.beep_ready(now, verb, prompt, &result),
            Activity::Dialing(dialing) => self.ringback_ready(dialing, prompt, &result),
            other => self.activity = other,
        }
    }

    fn speaking_ready(
        &mut self,
        now: Now,
        mut speaking: Speaking,
        result: Result<(), PromptFailure>,
    ) {
        match (result, speaking.then) {
            (Ok(()), _) => {
                speaking.play = Some(self.play(speaking.prompt, speaking.repeat));
                self.activity = Activity::Speaking(speaking);
            }
            (Err(failure), Then::NextVerb) => {
                self.prompt_failed(now, speaking.prompt, failure.code, failure.sentence);
            }
            (Err(failure), Then::HangUp) => {
                self.notify(super::leg::error(failure.code, failure.sentence), None);
                self.hang_up(now);
            }
        }
    }

    /// The document ends here; a file is told by its own URL, not by that of the document.
    pub(super) fn prompt_failed(
        &mut self,
        now: Now,
        prompt: PromptId,
        code: u32,
        sentence: String,
    ) {
        if let Some(url) = self.files.remove(&prompt) {
            self.script.exchange = Exchange::of_file(&url);
        }
        self.fatal(now, super::leg::error(code, sentence));
    }

    pub(super) fn play_ended(&mut self, now: Now, play: PlayId) {
        match mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Speaking(speaking) if speaking.play == Some(play) => match speaking.then {
                Then::NextVerb => self.next_verb(now),
                Then::HangUp => self.hang_up(now),
            },
            Activity::PlayingDigits { play: waited } if waited == play => self.next_verb(now),
            Activity::SendingDigits { play: waited } if waited == play => self.first_document(now),
            Activity::Gathering(gathering) => self.gather_play_ended(now, gathering, play),
            Activity::Recording(verb) => self.beep_ended(now, verb, play),
            other => self.activity = other,
        }
    }
}
