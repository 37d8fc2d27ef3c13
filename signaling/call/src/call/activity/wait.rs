//! What a party hears while it waits: in a conference that has not begun, on hold, in a queue. Sans-IO.
//!
//! A wait document is a small script beside that of the call: it may `<Play>`, `<Say>`, `<Pause>` and
//! `<Redirect>`, it has a base URL of its own, and the activity that waits owns it. Each step tells the owner
//! by [`Waited`] whether it goes on; what follows an exhausted document (silence in a conference, the same
//! document again in a queue) is the owner's decision.
//!
//! ```text
//! Fetching --(document)--> Loading --(ready)--> Playing --(ended)--> the next verb
//!                          Pausing --(time)--------------------------^
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use shared::{Code, Instant, Now, PlayId, limits};
use store::HttpMethod;

use crate::call::Call;
use crate::conference::Music;
use crate::content::Content;
use crate::effect::{CallEffect, PromptSource};
use crate::finding::Finding;
use crate::form::Form;
use crate::ids::{HttpId, PromptId};
use crate::input::{HttpAnswer, HttpFailure, PromptFailure};
use crate::tone::Tone;
use crate::twiml::verb::{Pause, Play, Verb};
use crate::twiml::{Document, Placed};
use crate::webhook::WebUrl;

/// A wait document, or the built-in music.
#[derive(Debug)]
pub(crate) struct WaitScript {
    /// Source of relative URLs, and what an empty `<Redirect>` requests again.
    base: Option<WebUrl>,
    verbs: VecDeque<Placed>,
    step: Step,
    /// Documents in a row that let no time pass.
    idle_documents: u32,
    /// Parameters that its requests have beside the standard ones.
    extra: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Fetching(HttpId),
    /// `repeat` is 0 for a file that takes the place of a document: it is played until something stops it.
    Loading {
        prompt: PromptId,
        repeat: u32,
    },
    Playing(PlayId),
    Pausing(Instant),
    /// Nothing runs.
    Silent,
}

/// How a wait document goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It waits for its next input, or the input was not for it.
    On,
    /// No verb is left.
    Exhausted,
    /// `<Leave>`.
    Leaves,
    /// It cannot go on.
    Failed(Finding),
}

impl WaitScript {
    /// Starts music. `extra` goes with each request.
    pub(crate) fn start(call: &mut Call, music: &Music, extra: Form) -> Result<Self, Finding> {
        let mut script = Self {
            base: None,
            verbs: VecDeque::new(),
            step: Step::Silent,
            idle_documents: 0,
            extra,
        };
        match music {
            Music::Silence => {}
            Music::Standard => {
                let prompt = call.load(PromptSource::Tone(Tone::HoldMusic));
                script.step = Step::Loading { prompt, repeat: 0 };
            }
            Music::Document(webhook) => {
                let url = WebUrl::parse(&webhook.url)?;
                script.fetch(call, url, webhook.method);
            }
        }
        Ok(script)
    }

    /// Requests a document with the present parameters.
    fn fetch(&mut self, call: &mut Call, url: WebUrl, method: HttpMethod) {
        self.step = Step::Fetching(call.fetch_wait(url, method, self.extra.clone()));
    }

    /// When [`Self::on_timeout`] should run.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Pausing(until) => Some(until),
            _ => None,
        }
    }

    /// A `<Pause>` is over.
    pub(crate) fn on_timeout(&mut self, call: &mut Call, now: Now) -> Waited {
        match self.step {
            Step::Pausing(until) if until <= now.mono => self.next(call, now),
            _ => Waited::On,
        }
    }

    /// A prompt can be played, or never will: then the next verb runs.
    pub(crate) fn on_prompt(
        &mut self,
        call: &mut Call,
        now: Now,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) -> Waited {
        let Step::Loading { prompt: awaited, repeat } = self.step else { return Waited::On };
        if prompt != awaited {
            return Waited::On;
        }
        match result {
            Ok(()) => {
                // Sound lets time pass, so the application may loop over it.
                self.idle_documents = 0;
                self.step = Step::Playing(call.play(prompt, repeat));
                Waited::On
            }
            Err(failure) => {
                call.notify(Finding::warning(failure.code, &*failure.sentence), None);
                self.next(call, now)
            }
        }
    }

    /// A prompt has been played to its end.
    pub(crate) fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Waited {
        match self.step == Step::Playing(play) {
            true => self.next(call, now),
            false => Waited::On,
        }
    }

    /// The answer to a request of this script; `None`: it is another's.
    pub(crate) fn on_document(
        &mut self,
        call: &mut Call,
        now: Now,
        request: HttpId,
        result: Result<HttpAnswer, HttpFailure>,
    ) -> Waited {
        if self.step != Step::Fetching(request) {
            return Waited::On;
        }
        self.step = Step::Silent;
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => return Waited::Failed(Finding::error(failure.code, failure.sentence)),
        };
        self.base = WebUrl::parse(&answer.final_url).ok();
        match Content::of(answer) {
            Ok(Content::Twiml(document)) => self.adopt(call, now, document),
            Ok(Content::Audio(audio)) => {
                let prompt = call.load(PromptSource::Audio(audio));
                self.step = Step::Loading { prompt, repeat: 0 };
                Waited::On
            }
            Ok(Content::Speech(_)) => Waited::Failed(Finding::error(
                Code::TWIML_CONTENT_TYPE,
                "a wait document is TwiML or audio, not plain text",
            )),
            Err(finding) => Waited::Failed(finding),
        }
    }

    fn adopt(&mut self, call: &mut Call, now: Now, document: Document) -> Waited {
        for finding in document.warnings {
            call.notify(finding, None);
        }
        self.idle_documents += 1;
        if self.idle_documents > limits::TWIML_IDLE_DOCUMENTS_MAX {
            let message = format!(
                "{} wait documents in a row had no verb that takes time",
                limits::TWIML_IDLE_DOCUMENTS_MAX
            );
            return Waited::Failed(Finding::error(Code::HTTP_REDIRECTS, message));
        }
        self.verbs = document.verbs.into();
        self.next(call, now)
    }

    /// Runs the next verb.
    fn next(&mut self, call: &mut Call, now: Now) -> Waited {
        self.step = Step::Silent;
        let Some(Placed { verb, position }) = self.verbs.pop_front() else {
            return Waited::Exhausted;
        };
        match verb {
            Verb::Play(Play::File { url, repeat }) => match self.resolve(&url) {
                Ok(url) => {
                    let prompt = call.load(PromptSource::Url(url));
                    self.step = Step::Loading { prompt, repeat };
                    Waited::On
                }
                Err(finding) => Waited::Failed(finding.at(position)),
            },
            Verb::Say(say) => {
                let repeat = say.repeat;
                let source = call.say_source(say);
                self.step = Step::Loading { prompt: call.load(source), repeat };
                Waited::On
            }
            Verb::Pause(Pause { length_s }) => {
                self.idle_documents = 0;
                let until = now.mono + Duration::from_secs(u64::from(length_s));
                self.step = Step::Pausing(until);
                Waited::On
            }
            Verb::Redirect(redirect) => match self.resolve(&redirect.link.url) {
                Ok(url) => {
                    self.verbs.clear();
                    self.fetch(call, url, redirect.link.method);
                    Waited::On
                }
                Err(finding) => Waited::Failed(finding.at(position)),
            },
            Verb::Leave => Waited::Leaves,
            Verb::Broken(finding) => Waited::Failed(finding),
            other => {
                let message = format!("<{}> is not allowed in a wait document", other.name());
                Waited::Failed(Finding::error(Code::WAIT_VERB, message).at(position))
            }
        }
    }

    fn resolve(&self, text: &str) -> Result<WebUrl, Finding> {
        match &self.base {
            Some(base) => base.join(text).map_err(Finding::from),
            None => WebUrl::parse(text).map_err(Finding::from),
        }
    }

    /// Stops what runs.
    pub(crate) fn stop(&mut self, call: &mut Call) {
        match std::mem::replace(&mut self.step, Step::Silent) {
            Step::Fetching(request) => call.abandon(request),
            Step::Loading { prompt, .. } => call.effect(CallEffect::ForgetPrompt { prompt }),
            Step::Playing(_) => call.effect(CallEffect::StopPlay),
            Step::Pausing(_) | Step::Silent => {}
        }
        self.verbs.clear();
    }
}
