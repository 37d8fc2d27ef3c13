//! `<Say>`, `<Play>` of a file, and the last prompt of a call. Sans-IO.
//!
//! ```text
//!   piece 1: load ──> play ───────> ended ┐
//!   piece 2:          load ahead ──────────> play ──> ended ──> next verb
//! ```
//!
//! A prompt loads before it plays; `play` is set once it plays. A long text is split into pieces: while one piece plays, the
//! next one loads, so the party hears the first piece while a slow voice still makes the last one. Loading never blocks
//! the call. A redirect or a hang-up aborts it; a prompt that becomes ready later has the id of an activity that is over,
//! and is ignored. `Then` says what follows: the next verb, or the end of the call.

use shared::{Code, Now, PlayId};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::call::exchange::Exchange;
use crate::effect::{CallEffect, PromptSource};
use crate::finding::{Finding, Position};
use crate::ids::PromptId;
use crate::input::PromptFailure;
use crate::twiml::verb::Say;

/// A prompt that is loading (`play` is `None`) or playing, and the one after it.
#[derive(Clone, Debug)]
pub(crate) struct Speaking {
    prompt: PromptId,
    play: Option<PlayId>,
    /// The next piece, while `prompt` plays.
    ahead: Option<Ahead>,
    /// All pieces, to be loaded again in each round; empty where there is but one.
    pieces: Vec<PromptSource>,
    /// Index of the piece that is loaded next.
    next: usize,
    /// Rounds that have not begun, or with a single piece all of them.
    repeat: u32,
    then: Then,
}

#[derive(Clone, Debug)]
struct Ahead {
    prompt: PromptId,
    /// `None` while it loads.
    result: Option<Result<(), PromptFailure>>,
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

    /// The prompt of a `<Say>`, with defaults filled in. Who speaks it knows which voices there are, and warns
    /// (13511) where another one speaks.
    pub(crate) fn say_source(&self, say: Say) -> PromptSource {
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
        let mut pieces = in_pieces(source);
        // A single piece goes to the core with its repetitions, and is not kept here.
        let is_one = pieces.len() == 1;
        let first = if is_one { pieces.remove(0) } else { pieces[0].clone() };
        let prompt = self.load(first);
        let repeat = if is_one { repeat } else { repeat - 1 };
        let speaking = Speaking { prompt, play: None, ahead: None, pieces, next: 1, repeat, then };
        self.activity = Activity::Speaking(speaking);
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

/// A long text as several prompts of one voice; anything else as it is.
fn in_pieces(source: PromptSource) -> Vec<PromptSource> {
    match source {
        PromptSource::Say { speech, voice, language } => {
            let piece = |speech| {
                let (voice, language) = (voice.clone(), language.clone());
                PromptSource::Say { speech, voice, language }
            };
            speech.in_pieces().into_iter().map(piece).collect()
        }
        other => vec![other],
    }
}

impl Speaking {
    /// Plays the prompt that is ready, and has the next one made meanwhile.
    fn play_ready(&mut self, call: &mut Call) {
        let is_one = self.pieces.is_empty();
        self.play = Some(call.play(self.prompt, if is_one { self.repeat } else { 1 }));
        if self.next == self.pieces.len() && self.repeat > 0 && !is_one {
            self.repeat -= 1;
            self.next = 0;
        }
        if let Some(source) = self.pieces.get(self.next).cloned() {
            self.next += 1;
            self.ahead = Some(Ahead { prompt: call.load(source), result: None });
        }
    }

    /// The prompt that comes now failed.
    fn failed(&self, call: &mut Call, now: Now, failure: &PromptFailure) -> Still {
        match self.then {
            Then::NextVerb => {
                call.prompt_failed(now, self.prompt, failure.code, &failure.sentence);
            }
            // Not `fatal`, which would speak the error sentence: that may be the prompt that
            // failed.
            Then::HangUp => {
                call.notify(Finding::error(failure.code, &*failure.sentence), None);
                call.hang_up(now);
            }
        }
        Still::Over
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
        if let Some(ahead) = self.ahead.as_mut().filter(|ahead| ahead.prompt == prompt) {
            ahead.result = Some(result.clone());
            return Still::Waiting;
        }
        if prompt != self.prompt || self.play.is_some() {
            return Still::Waiting;
        }
        match result {
            Ok(()) => {
                self.play_ready(call);
                Still::Waiting
            }
            Err(failure) => self.failed(call, now, failure),
        }
    }

    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        if self.play != Some(play) {
            return Still::Waiting;
        }
        if let Some(Ahead { prompt, result }) = self.ahead.take() {
            (self.prompt, self.play) = (prompt, None);
            match result {
                Some(Ok(())) => self.play_ready(call),
                Some(Err(failure)) => return self.failed(call, now, &failure),
                // The voice is slower than its text: silence until the piece is ready.
                None => {}
            }
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
        if let Some(Ahead { prompt, .. }) = self.ahead.take() {
            call.effect(CallEffect::ForgetPrompt { prompt });
        }
    }
}
