//! Documents: requested, adopted, run verb by verb; and the ways out when one fails. Sans-IO.
//!
//! A document replaces the one before it. Verbs run until one takes time or moves the call elsewhere;
//! after the last verb the call hangs up, or, on a screened child, reports that it is ready. A document
//! that fails is replaced by that of the fallback URL, once; then the error sentence is spoken and the
//! call hangs up.

use std::collections::VecDeque;
use std::mem;

use shared::{Code, Now, limits};

use super::Call;
use super::activity::{Activity, Waits as _};
use super::exchange::Exchange;
use super::recordings::RecordingState;
use super::siprec::SiprecState;
use super::state::{Ending, Leg};
use super::streams::StreamState;
use super::transcriptions::TranscriptionState;
use crate::content::Content;
use crate::effect::{CallEffect, PromptSource};
use crate::finding::Finding;
use crate::form::Form;
use crate::input::{ChildEvent, HttpAnswer, HttpFailure};
use crate::setup::DocumentSource;
use crate::speech::Speech;
use crate::status::CallStatus;
use crate::twiml::verb::{Link, Play, Reject};
use crate::twiml::{Document, Placed, Verb};
use crate::webhook::{WebUrl, WebUrlError};

/// The running document, and counters that bound an application that redirects in circles.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// Verbs that have not run yet.
    pub verbs: VecDeque<Placed>,
    /// URL of the document, for relative URLs in it; `None` when inline.
    pub base: Option<WebUrl>,
    /// The request that returned it, for notifications.
    pub exchange: Exchange,
    /// It came from the fallback URL: when it fails, there is no further fallback.
    from_fallback: bool,
    documents: u32,
    idle_documents: u32,
    /// The outcome of a failed `answerOnBridge` dial, while this leg is unanswered.
    pub unanswered_dial: Option<CallStatus>,
}

/// What follows a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// The next verb, at once.
    Next,
    /// Nothing now: the verb waits, or has moved the call elsewhere.
    Waits,
}

impl Call {
    /// Requests or runs the document that the call was set up with.
    pub(super) fn first_document(&mut self, now: Now) {
        match &self.setup.document {
            DocumentSource::Url(webhook) => match WebUrl::parse(&webhook.url) {
                Ok(url) => {
                    let method = webhook.method;
                    self.fetch(url, method, Form::new(), false);
                }
                Err(fault) => {
                    // No request was made: the notification shows the URL that could not be used.
                    self.script.exchange =
                        Exchange { url: webhook.url.clone(), ..Exchange::default() };
                    self.fatal(now, fault.into());
                }
            },
            DocumentSource::Twiml(text) => {
                let document = Document::parse(text);
                self.adopt_inline(now, document);
            }
            // A child without a screening document is ready for its parent at once.
            DocumentSource::None => self.document_over(now),
        }
    }

    /// Whether no document has run yet.
    pub(super) fn is_first_document(&self) -> bool {
        self.script.documents == 0
    }

    /// Requests the document of a link, with the parameters of a verb.
    pub(super) fn follow(&mut self, now: Now, link: &Link, extra: Form) {
        match self.resolve(&link.url) {
            Ok(url) => self.fetch(url, link.method, extra, false),
            Err(fault) => self.fatal(now, fault.into()),
        }
    }

    /// The absolute URL of a text in a document. An empty text is the document's own URL.
    pub(super) fn resolve(&self, text: &str) -> Result<WebUrl, WebUrlError> {
        match &self.script.base {
            Some(base) => base.join(text),
            None if text.is_empty() => Err(WebUrlError {
                code: Code::URL_INVALID,
                sentence: "an inline document has no URL of its own: write an absolute one".into(),
            }),
            None => WebUrl::parse(text),
        }
    }

    /// REST replaces the document, in any state of the call.
    pub(super) fn redirect(&mut self, now: Now, document: DocumentSource) {
        match self.leg {
            Leg::New | Leg::Delayed { .. } | Leg::Inviting { .. } => {
                // Before the answer no document runs: this one becomes the first.
                self.setup.document = document;
                // The parent must not bridge a call that runs a document of its own.
                if self.tied {
                    self.tied = false;
                    self.effect(CallEffect::ToParent(ChildEvent::Left));
                }
            }
            Leg::Ringing | Leg::Up => {
                self.timeline("api", "redirected by REST");
                // Before the new document: prompts and children of the old verb stop first, and its
                // action is not requested.
                self.abort_activity(now);
                if self.tied {
                    self.tied = false;
                    self.effect(CallEffect::ToParent(ChildEvent::Left));
                }
                self.script.verbs.clear();
                self.setup.document = document;
                self.first_document(now);
            }
            Leg::Over => {}
        }
    }

    /// Stops the running verb, and a transfer if one is under way, without an action.
    fn abort_activity(&mut self, now: Now) {
        mem::take(&mut self.activity).abort(self, now);
        // The transfer is over as well, and with it the `<Dial>` that it would have returned to.
        if let Some(Activity::Dialing(mut dialing)) = self.end_transfer() {
            dialing.abort(self, now);
        }
    }

    pub(super) fn document_ended(
        &mut self,
        now: Now,
        exchange: Exchange,
        fallback: bool,
        result: Result<HttpAnswer, HttpFailure>,
    ) {
        // Before the result is looked at: the notification of a failure shows this exchange.
        self.script.exchange = exchange;
        self.script.from_fallback = fallback;
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => return self.fatal(now, Finding::error(failure.code, failure.sentence)),
        };
        // Relative URLs count from the URL that answered after redirects (RFC 3986 §5.1.3).
        self.script.base = WebUrl::parse(&answer.final_url).ok();
        match Content::of(answer) {
            Ok(Content::Twiml(document)) => self.adopt(now, document),
            Ok(Content::Speech(text)) => {
                // A plain text is spoken like a <Say>, so it has the limit of <Say>.
                let (voice, language) = self.default_voice();
                let text: String = text.chars().take(limits::SAY_CHARACTERS_MAX).collect();
                self.answer(now);
                self.speak_last(PromptSource::Say { speech: Speech::plain(text), voice, language });
            }
            // A file in place of a document is played once, then the call hangs up (twiml.md 1.1).
            Ok(Content::Audio(audio)) => {
                self.answer(now);
                self.speak_last(PromptSource::Audio(audio));
            }
            Err(finding) => self.fatal(now, finding),
        }
    }

    fn adopt_inline(&mut self, now: Now, document: Result<Document, Finding>) {
        // An inline document has no URL, so its relative links have no base (`Call::resolve`).
        self.script.base = None;
        self.script.exchange = Exchange::default();
        self.script.from_fallback = false;
        match document {
            Ok(document) => self.adopt(now, document),
            Err(finding) => self.fatal(now, finding),
        }
    }

    fn adopt(&mut self, now: Now, document: Document) {
        // Before the limits are checked: the customer also sees the faults of a document that ends
        // the loop.
        for finding in document.warnings {
            self.notify(finding, None);
        }
        self.script.documents += 1;
        // Two bounds: a verb that takes time resets `idle_documents` and never `documents`.
        self.script.idle_documents += 1;
        if self.script.documents > limits::TWIML_DOCUMENTS_MAX
            || self.script.idle_documents > limits::TWIML_IDLE_DOCUMENTS_MAX
        {
            return self.end_loop(now);
        }
        // Before the verbs of a transfer run, the transferor is unbridged or released.
        self.transfer_document(now);
        // Prompts of the document before have been played or aborted: their URLs are not shown any
        // more.
        self.files.clear();
        self.script.verbs = document.verbs.into();
        self.next_verb(now);
    }

    /// Ends a call that its application redirects in circles.
    fn end_loop(&mut self, now: Now) {
        let message = format!(
            "the call ran {} documents, {} in a row without a verb that takes time: it is ended",
            self.script.documents, self.script.idle_documents
        );
        // 11215 also for loops of documents: for the customer both are redirects without an end.
        self.facts.error_code = Some(Code::HTTP_REDIRECTS);
        self.notify(Finding::error(Code::HTTP_REDIRECTS, message), None);
        self.hang_up(now);
    }

    /// Runs verbs until one takes time or moves the call; hangs up after the last.
    pub(super) fn next_verb(&mut self, now: Now) {
        // A loop, not a recursion: a document may hold 1,000 elements that take no time.
        while let Some(placed) = self.script.verbs.pop_front() {
            self.timeline("verb", format_args!("<{}> at {}", placed.verb.name(), placed.position));
            if self.run(now, placed) == Flow::Waits {
                return;
            }
        }
        self.document_over(now);
    }

    fn run(&mut self, now: Now, Placed { verb, position }: Placed) -> Flow {
        // Only documents without such a verb can redirect in a fast circle.
        if verb.takes_time() {
            self.script.idle_documents = 0;
        }
        match verb {
            Verb::Say(say) => self.say(now, say),
            Verb::Play(Play::File { url, repeat }) => self.play_file(now, &url, repeat, position),
            Verb::Play(Play::Digits(digits)) => self.play_digits(now, digits),
            Verb::Pause(pause) => self.pause(now, &pause),
            Verb::Echo(echo) => self.echo(now, echo),
            Verb::Gather(gather) => self.gather(now, *gather, position),
            Verb::Record(record) => self.record(now, *record, position),
            Verb::Dial(dial) => self.dial(now, *dial, position),
            Verb::Enqueue(enqueue) => self.enqueue(now, *enqueue, position),
            Verb::Leave => return Flow::Next,
            Verb::Refer(refer) => self.refer_away(now, refer, position),
            Verb::StartRecording(start) => {
                self.start_side_recording(now, *start, position);
                return Flow::Next;
            }
            Verb::StopRecording(name) => {
                self.stop_side::<RecordingState>(now, &name, position);
                return Flow::Next;
            }
            Verb::StartStream(stream) => {
                self.start_side_stream(now, *stream, position);
                return Flow::Next;
            }
            Verb::StopStream(name) => {
                self.stop_side::<StreamState>(now, &name, position);
                return Flow::Next;
            }
            Verb::StartSiprec(siprec) => {
                self.start_siprec(now, *siprec, position);
                return Flow::Next;
            }
            Verb::StopSiprec(name) => {
                self.stop_side::<SiprecState>(now, &name, position);
                return Flow::Next;
            }
            Verb::StartTranscription(transcription) => {
                self.start_transcription(now, *transcription, position);
                return Flow::Next;
            }
            Verb::StopTranscription(name) => {
                self.stop_side::<TranscriptionState>(now, &name, position);
                return Flow::Next;
            }
            Verb::ConnectStream(connect) => self.connect_stream(now, *connect, position),
            Verb::ConnectRelay(relay) => self.connect_relay(now, *relay, position),
            // Without the results of earlier verbs (twiml.md 2.8).
            Verb::Redirect(redirect) => self.follow(now, &redirect.link, Form::new()),
            Verb::Reject(reject) => self.reject(now, reject),
            Verb::Hangup => self.hang_up(now),
            Verb::Unsupported { what, goes_on } => {
                let finding = Finding::error(Code::VERB_NOT_SUPPORTED, what).at(position);
                // A side feature does not carry the call: the verbs behind it still make sense
                // (twiml.md 7).
                if goes_on {
                    self.notify(finding, None);
                    return Flow::Next;
                }
                self.fatal(now, finding);
            }
            Verb::Broken(finding) => self.fatal(now, finding),
        }
        Flow::Waits
    }

    fn reject(&mut self, now: Now, reject: Reject) {
        match (self.leg, reject) {
            (Leg::Ringing, Reject::Busy) => self.end(now, CallStatus::Busy, Ending::Reject(486)),
            // The compatible API records a rejected call as `no-answer` (webhooks.md 7.2).
            (Leg::Ringing, Reject::Rejected) => {
                let status = self.setup.settings.reject_status;
                self.end(now, CallStatus::NoAnswer, Ending::Reject(status));
            }
            // There is no INVITE left to refuse.
            (Leg::New | Leg::Delayed { .. } | Leg::Inviting { .. } | Leg::Up | Leg::Over, _) => {
                self.hang_up(now)
            }
        }
    }

    /// No verb is left: a screened child reports that it is ready, any other call hangs up.
    fn document_over(&mut self, now: Now) {
        // First, because a child may be transferred, too: its parent does not wait for this
        // document.
        if self.transfer.is_some() {
            return self.transfer_failed(now);
        }
        if self.is_tied_child() {
            self.activity = Activity::WithParent;
            self.effect(CallEffect::ToParent(ChildEvent::Ready));
            return;
        }
        self.hang_up(now);
    }

    /// Ends the call for its document. An unanswered call is answered first, so that it ends `completed`;
    /// after a failed `answerOnBridge` dial the caller gets the response of that failure instead.
    pub(super) fn hang_up(&mut self, now: Now) {
        match (self.leg, self.script.unanswered_dial) {
            (Leg::Over, _) => {}
            (Leg::Ringing, Some(status)) => {
                // The caller's phone shows why the dial failed (twiml.md 6).
                let response = match status {
                    CallStatus::Busy => 486,
                    CallStatus::NoAnswer => 480,
                    _ => 503,
                };
                self.end(now, status, Ending::Reject(response));
            }
            // A document that ends is not a refusal: the call is answered and `completed` (twiml.md
            // 1.3).
            (Leg::Ringing, None) => {
                self.answer(now);
                self.end(now, CallStatus::Completed, Ending::Bye);
            }
            (Leg::New | Leg::Delayed { .. } | Leg::Inviting { .. } | Leg::Up, _) => {
                self.end(now, CallStatus::Completed, Ending::Bye);
            }
        }
    }

    /// A document or its request failed: requests the fallback URL, or speaks the error sentence.
    pub(super) fn fatal(&mut self, now: Now, finding: Finding) {
        let code = finding.code;
        // Only the `<Dial>` of a parent reports the sentence as well.
        let message = self.is_tied_child().then(|| finding.message.clone());
        self.notify(finding, None);
        self.facts.error_code = Some(code);
        // No verb of the failed document may run while its replacement is fetched.
        self.script.verbs.clear();
        if self.transfer.is_some() {
            return self.transfer_failed(now);
        }
        if let Some(message) = message {
            // A child never speaks the error sentence to a party that the caller wanted to reach.
            self.facts.failed = Some((code, message));
            return self.end(now, CallStatus::Completed, Ending::Bye);
        }
        // The fallback of a fallback would be the same URL again.
        let fallback = self.setup.fallback.as_ref().filter(|_| !self.script.from_fallback);
        let Some(fallback) = fallback else { return self.announce_error(now) };
        match WebUrl::parse(&fallback.url) {
            Ok(url) => {
                let method = fallback.method;
                let mut extra = Form::new();
                extra.push("ErrorCode", code);
                extra.push("ErrorUrl", &self.script.exchange.url);
                self.fetch(url, method, extra, true);
            }
            Err(fault) => {
                // A fallback URL that cannot be used is a second error and gets no second fallback.
                self.notify(fault.into(), None);
                self.announce_error(now);
            }
        }
    }

    fn announce_error(&mut self, now: Now) {
        // The sentence needs media, so a ringing call is answered first (webhooks.md 8.1).
        self.answer(now);
        let (voice, language) = self.default_voice();
        let speech = Speech::plain(self.setup.settings.error_sentence.as_str());
        self.speak_last(PromptSource::Say { speech, voice, language });
    }

    fn default_voice(&self) -> (String, String) {
        let settings = &self.setup.settings;
        (settings.voice.clone(), settings.language.clone())
    }
}
