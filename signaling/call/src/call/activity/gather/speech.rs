//! The half of `<Gather>` that listens. Sans-IO.
//!
//! ```text
//!   listening ──speech starts──> hearing ──final with words──> the action
//!       ^                           │
//!       └──── nothing understood ───┘
//! ```
//!
//! While somebody speaks no timer of `timeout` runs: `speechTimeout` ends the speech, and the recognition has bounds of its
//! own. A recognition that fails is an error in the debugger, and the verb goes on as if nobody spoke.

use std::time::Duration;

use shared::media::TapTracks;
use shared::{Code, Now, limits};

use super::{Gathering, Still};
use crate::call::Call;
use crate::effect::RecognitionStop;
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::ids::RecognitionId;
use crate::recognition::{
    Endpointing, Lane, RecognitionEnd, RecognitionEvent, RecognitionFault, RecognitionPlan, Share,
    masked,
};
use crate::setup::Webhook;
use crate::twiml::verb::Gather;
use crate::twiml::verb::gather::GatherSpeech;

/// The recognition of a `<Gather>`.
#[derive(Debug)]
pub(super) struct Speaking {
    recognition: RecognitionId,
    /// The callback of partial results, resolved.
    partials: Option<Webhook>,
    /// Words of the last partial result.
    last: String,
    /// Partial results so far.
    sequence: u32,
    /// Utterances in which nothing was understood.
    empty: u32,
}

impl Call {
    /// Without an engine keys alone are taken; where only speech was wanted, the document fails (twiml.md 2.4).
    pub(super) fn check_speech(
        &mut self,
        spec: &mut Gather,
        position: Position,
    ) -> Result<(), Finding> {
        if spec.speech.is_none() || self.setup.settings.has_recognition {
            return Ok(());
        }
        let message = "there is no speech engine: <Gather> takes DTMF only";
        if !spec.takes_digits {
            return Err(Finding::error(Code::GATHER_NO_SPEECH_ENGINE, message).at(position));
        }
        spec.speech = None;
        let finding = Finding::warning(Code::GATHER_NO_SPEECH_ENGINE, message);
        self.notify(finding.at(position), None);
        Ok(())
    }
}

impl Gathering {
    /// Begins to listen, where speech is wanted.
    pub(super) fn listen(&mut self, call: &mut Call) {
        let Some(speech) = &self.spec.speech else { return };
        let partials = speech.partials.as_ref().and_then(|link| match call.resolve(&link.url) {
            Ok(url) => Some(Webhook { url: url.configured(), method: link.method }),
            Err(fault) => {
                call.notify(Finding::warning(fault.code, fault.sentence), None);
                None
            }
        });
        let plan = |recognition| plan(recognition, speech, partials.is_some());
        let recognition = call.start_recognition(plan);
        let last = String::new();
        self.speech = Some(Speaking { recognition, partials, last, sequence: 0, empty: 0 });
    }

    pub(super) fn stop_listening(&mut self, call: &mut Call) {
        if let Some(speech) = self.speech.take() {
            call.stop_recognition(speech.recognition, RecognitionStop::Cancel);
        }
    }

    /// Whether words were recognised: speech was first.
    pub(super) fn has_words(&self) -> bool {
        self.speech.as_ref().is_some_and(|speech| !speech.last.is_empty())
    }

    pub(super) fn heard(
        &mut self,
        call: &mut Call,
        now: Now,
        recognition: RecognitionId,
        event: &RecognitionEvent,
    ) -> Still {
        let is_own = |speech: &Speaking| speech.recognition == recognition;
        if !self.speech.as_ref().is_some_and(is_own) {
            return Still::Waiting;
        }
        match event {
            RecognitionEvent::SpeechStarted { .. } => self.speech_started(call, now),
            RecognitionEvent::Partial { text, stability, .. } => {
                self.partial(call, text, *stability);
            }
            RecognitionEvent::Final { text, .. } if text.is_empty() => {
                return self.nothing_understood(call, now);
            }
            RecognitionEvent::Final { text, confidence, .. } => {
                return self.spoken(call, now, text, *confidence);
            }
            RecognitionEvent::Ended(end) => {
                self.speech = None;
                if let RecognitionEnd::Failed { fault, sentence } = end {
                    let message = format!("<Gather> cannot listen: {sentence}");
                    call.notify(Finding::error(code(*fault), message), None);
                }
                if self.silence_until.is_some() {
                    self.restart_timer(now);
                }
            }
        }
        Still::Waiting
    }

    fn speech_started(&mut self, call: &mut Call, now: Now) {
        self.silence(call);
        // The recognition ends by itself. This bound holds where its end is lost.
        let longest_s = self.spec.speech.as_ref().map_or(0, |speech| speech.longest_s);
        let most_s = longest_s + limits::RECOGNITION_RESULT_S + MARGIN_S;
        self.silence_until = Some(now.mono + Duration::from_secs(u64::from(most_s)));
    }

    /// A cough or a door: the verb listens on, a few times.
    fn nothing_understood(&mut self, call: &mut Call, now: Now) -> Still {
        if let Some(speech) = &mut self.speech {
            speech.empty += 1;
            speech.last.clear();
            if speech.empty >= limits::GATHER_EMPTY_UTTERANCES_MAX {
                return self.finish(call, now, None);
            }
        }
        self.restart_timer(now);
        Still::Waiting
    }

    fn spoken(
        &mut self,
        call: &mut Call,
        now: Now,
        text: &str,
        confidence: Option<Share>,
    ) -> Still {
        self.silence(call);
        self.stop_listening(call);
        let mut form = Form::new();
        form.push("SpeechResult", self.shown(text));
        if let Some(confidence) = confidence {
            form.push("Confidence", confidence);
        }
        call.follow(now, &self.spec.action, form);
        Still::Over
    }

    fn partial(&mut self, call: &mut Call, text: &str, stability: Share) {
        let shown = self.shown(text);
        let Some(speech) = &mut self.speech else { return };
        let stable = common_words(&speech.last, &shown);
        speech.last.clone_from(&shown);
        let Some(webhook) = speech.partials.clone() else { return };
        let mut form = call.standard_parameters();
        form.push("UnstableSpeechResult", shown);
        form.push("StableSpeechResult", stable);
        form.push("Stability", stability);
        form.push("SequenceNumber", speech.sequence);
        speech.sequence += 1;
        call.recognition_callback(speech.recognition, webhook, form, true);
    }

    fn shown(&self, text: &str) -> String {
        let is_filtered = self.spec.speech.as_ref().is_some_and(|speech| speech.is_filtered);
        if is_filtered { masked(text).into_owned() } else { text.to_owned() }
    }
}

fn plan(
    recognition: RecognitionId,
    speech: &GatherSpeech,
    wants_partials: bool,
) -> RecognitionPlan {
    RecognitionPlan {
        recognition,
        tracks: TapTracks::Inbound,
        language: speech.language.clone(),
        hints: speech.hints.clone(),
        is_grammar: speech.is_grammar,
        wants_partials,
        is_single: true,
        endpointing: Endpointing {
            silence_ms: speech.silence_ms,
            longest_ms: speech.longest_s * 1_000,
        },
        lane: Lane::Live,
    }
}

/// The words that two results begin with: they did not change from one to the other.
fn common_words(before: &str, after: &str) -> String {
    let pairs = before.split_whitespace().zip(after.split_whitespace());
    let same: Vec<&str> = pairs.take_while(|(a, b)| a == b).map(|(_, word)| word).collect();
    same.join(" ")
}

const fn code(fault: RecognitionFault) -> Code {
    match fault {
        RecognitionFault::NoEngine => Code::GATHER_NO_SPEECH_ENGINE,
        RecognitionFault::Engine | RecognitionFault::Gateway => Code::GATHER_SPEECH_ENGINE_FAILED,
    }
}

/// Seconds that the end of a recognition may be late.
const MARGIN_S: u32 = 5;
