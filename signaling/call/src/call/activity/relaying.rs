//! `<Connect><ConversationRelay>`: the document waits while an application leads a conversation. Sans-IO.
//!
//! ```text
//!   open ──Opened──> talking ──End, close, leg over──> closing ──Ended──> action, or the next verb
//! ```
//!
//! The socket is opened, tapped, fed and closed as that of a two-way stream. What differs is the protocol on it, the
//! events that it has for the call, and the report at its end.

use shared::media::TapTracks;
use shared::{Code, Now, PlayId, StreamSid};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::{CallEffect, RecognitionStop};
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::ids::RecognitionId;
use crate::input::StreamEnd;
use crate::recognition::{
    Endpointing, Lane, RecognitionEnd, RecognitionEvent, RecognitionPlan, masked,
};
use crate::relay::{RelayEvent, RelayTerms};
use crate::setup::StreamSettings;
use crate::stream::StreamUrl;
use crate::twiml::verb::{ConnectRelay, Link};

/// A relay that is opened or open.
#[derive(Clone, Debug)]
pub(crate) struct Relaying {
    pub stream: StreamSid,
    action: Option<Link>,
    session: String,
    /// When the socket was open, in milliseconds since 1970.
    opened_ms: Option<i64>,
    terms: Box<RelayTerms>,
    /// What listens to the party; `None`: nothing, because there is no engine or it failed.
    recognition: Option<RecognitionId>,
    /// Recognitions that failed since something was understood.
    failures: u32,
    keys: Keys,
    /// The application ended the session.
    is_ended: bool,
    handoff: Option<String>,
}

impl Call {
    pub(crate) fn connect_relay(&mut self, now: Now, relay: ConnectRelay, position: Position) {
        let ConnectRelay { url, mut terms, parameters, action, fault } = relay;
        self.answer(now);
        let stream = self.mint_stream(now);
        let session = session_of(stream);
        terms.session.clone_from(&session);
        terms.call = self.relay_facts();
        let relaying = Relaying {
            stream,
            action,
            session,
            opened_ms: None,
            terms: terms.clone(),
            recognition: None,
            failures: 0,
            keys: Keys::default(),
            is_ended: false,
            handoff: None,
        };
        let url = match fault {
            Some(fault) => Err(fault),
            None => self.relay_url(&url, position),
        };
        match url {
            Ok(url) => {
                self.activity = Activity::Relaying(Box::new(relaying));
                let tracks = TapTracks::Inbound;
                let settings =
                    StreamSettings { url, name: None, tracks, callback: None, parameters };
                self.open_socket(stream, settings, true, Some(terms));
            }
            Err(finding) => {
                let form = relaying.form(now, "failed", Some((finding.code, &finding.message)));
                self.notify(finding, None);
                self.after_relay(now, relaying.action, form);
            }
        }
    }

    fn relay_url(&mut self, url: &str, position: Position) -> Result<StreamUrl, Finding> {
        let plaintext = self.setup.settings.streams_plaintext;
        let url = StreamUrl::read(url, self.script.base.as_ref(), plaintext);
        let url = url.map_err(|(_, sentence)| {
            Finding::error(Code::RELAY_PARAMETER, sentence).at(position)
        })?;
        if url.had_query {
            let message = "the query of a relay's URL is not sent: use <Parameter>";
            self.notify(Finding::warning(Code::TWIML_SCHEMA, message).at(position), None);
        }
        Ok(url)
    }

    /// What `setup` tells about the call (relay.md 3).
    fn relay_facts(&self) -> Vec<(&'static str, String)> {
        let setup = &self.setup;
        let parent = setup.parent.map(|parent| parent.to_string());
        vec![
            ("parentCallSid", parent.unwrap_or_default()),
            ("from", setup.from.clone()),
            ("to", setup.to.clone()),
            ("forwardedFrom", setup.forwarded_from.clone().unwrap_or_default()),
            ("callType", "SIP".to_owned()),
            ("callerName", String::new()),
            ("direction", setup.direction.as_str().to_owned()),
            ("callStatus", "IN-PROGRESS".to_owned()),
        ]
    }

    /// The application asks something of the call.
    pub(crate) fn on_relay(&mut self, stream: StreamSid, event: RelayEvent) {
        match event {
            RelayEvent::SendDigits(digits) => {
                let Activity::Relaying(own) = &mut self.activity else { return };
                let mut keys = std::mem::take(&mut own.keys);
                keys.take(self, &digits);
                if let Activity::Relaying(own) = &mut self.activity {
                    own.keys = keys;
                }
            }
            RelayEvent::Language(language) => {
                let old = match &mut self.activity {
                    Activity::Relaying(own) if own.stream == stream => {
                        own.terms.transcription_language = language;
                        own.recognition.take()
                    }
                    _ => return,
                };
                if let Some(old) = old {
                    self.stop_recognition(old, RecognitionStop::Cancel);
                }
                self.relay_listens();
            }
            RelayEvent::End(data) => {
                if let Activity::Relaying(own) = &mut self.activity
                    && own.stream == stream
                {
                    (own.is_ended, own.handoff) = (true, data);
                }
                self.close_stream(stream);
            }
        }
    }

    /// The socket is open.
    pub(crate) fn relay_opened(&mut self, now: Now, stream: StreamSid) {
        if let Activity::Relaying(own) = &mut self.activity
            && own.stream == stream
        {
            own.opened_ms = Some(now.unix_ms);
            self.relay_listens();
        }
    }

    /// Has the party's speech recognised. Without an engine the application still talks, and takes keys.
    fn relay_listens(&mut self) {
        let Activity::Relaying(own) = &self.activity else { return };
        if !self.setup.settings.has_recognition {
            let message = "there is no speech engine: the <ConversationRelay> takes keys only";
            return self.notify(Finding::warning(Code::RELAY_RECOGNISER, message), None);
        }
        let terms = own.terms.clone();
        let recognition = self.start_recognition(|recognition| plan(recognition, &terms));
        if let Activity::Relaying(own) = &mut self.activity {
            own.recognition = Some(recognition);
        }
    }

    /// The session has ended: its action, or the next verb.
    pub(crate) fn relaying_over(&mut self, now: Now, end: &StreamEnd) {
        let Activity::Relaying(mut relaying) = std::mem::take(&mut self.activity) else { return };
        relaying.stop_listening(self);
        let fault = relay_fault(end);
        let status = match (&fault, relaying.is_ended) {
            (Some(_), _) => "failed",
            (None, true) => "ended",
            (None, false) => "completed",
        };
        let fault = fault.as_ref().map(|(code, sentence)| (*code, sentence.as_str()));
        let form = relaying.form(now, status, fault);
        self.after_relay(now, relaying.action, form);
    }

    fn after_relay(&mut self, now: Now, action: Option<Link>, form: Form) {
        match action {
            Some(action) => self.follow(now, &action, form),
            None => self.next_verb(now),
        }
    }
}

/// Keys that the application sends: one sequence at a time, because a leg ends one where another begins.
#[derive(Clone, Debug, Default)]
struct Keys {
    playing: Option<PlayId>,
    waiting: String,
    /// The account knows that keys were lost.
    is_loss_told: bool,
}

impl Keys {
    fn take(&mut self, call: &mut Call, digits: &str) {
        if self.waiting.len() + digits.len() > KEYS_MAX {
            let lost = digits.len();
            call.timeline("relay", format_args!("{lost} keys are lost"));
            if !std::mem::replace(&mut self.is_loss_told, true) {
                let message =
                    format!("more than {KEYS_MAX} keys of `sendDigits` wait: {lost} are lost");
                call.notify(Finding::warning(Code::RELAY_MESSAGE, message), None);
            }
            return;
        }
        self.waiting.push_str(digits);
        self.send_next(call);
    }

    /// Sends all keys that wait, where none are being sent.
    fn send_next(&mut self, call: &mut Call) {
        if self.playing.is_none() && !self.waiting.is_empty() {
            let digits = std::mem::take(&mut self.waiting);
            call.timeline("relay", format_args!("sends {} keys", digits.len()));
            self.playing = Some(call.send_digits(digits));
        }
    }
}

/// Keys that may wait.
const KEYS_MAX: usize = 128;
/// Recognitions that may fail in a row.
const FAILURES_MAX: u32 = 3;

impl Relaying {
    fn stop_listening(&mut self, call: &mut Call) {
        if let Some(recognition) = self.recognition.take() {
            call.stop_recognition(recognition, RecognitionStop::Cancel);
        }
    }

    /// A recognition failed, and what was said with it. Another one listens on, perhaps by another engine, until
    /// several have failed in a row.
    fn hears_on(&mut self, call: &mut Call, sentence: &str) {
        if self.failures < FAILURES_MAX {
            let message = format!("the <ConversationRelay> has missed something: {sentence}");
            call.notify(Finding::warning(Code::RELAY_RECOGNISER, message), None);
            let terms = self.terms.clone();
            self.recognition =
                Some(call.start_recognition(|recognition| plan(recognition, &terms)));
        } else {
            let message = format!("the <ConversationRelay> cannot listen: {sentence}");
            call.notify(Finding::error(Code::RELAY_RECOGNISER, message), None);
        }
    }

    fn heard(&self, call: &mut Call, text: &str, last: bool) {
        let text = match self.terms.is_filtered {
            true => masked(text).into_owned(),
            false => text.to_owned(),
        };
        call.effect(CallEffect::StreamHeard { stream: self.stream, text, last });
    }

    /// Parameters of the action.
    fn form(&self, now: Now, status: &str, fault: Option<(Code, &str)>) -> Form {
        let ms = self.opened_ms.map_or(0, |opened| now.unix_ms.saturating_sub(opened).max(0));
        let mut form = Form::new();
        form.push("SessionId", &self.session);
        form.push("SessionStatus", status);
        form.push("SessionDuration", ms / 1_000);
        if let Some(data) = &self.handoff {
            form.push("HandoffData", data);
        }
        if let Some((code, sentence)) = fault {
            form.push("ErrorCode", code);
            form.push("ErrorMessage", sentence);
        }
        form
    }
}

/// Code and sentence of a session that failed (relay.md 6): those of its stream, as a relay names them.
pub(crate) fn relay_fault(end: &StreamEnd) -> Option<(Code, String)> {
    match end {
        StreamEnd::Stopped => None,
        StreamEnd::ClosedByPeer => {
            let sentence = "the server closed the WebSocket before the session was ended";
            Some((Code::RELAY_CLOSED, sentence.to_owned()))
        }
        StreamEnd::Failed { code, sentence, .. } => {
            let code = match *code {
                Code::STREAM_INTERNAL => Code::RELAY_INTERNAL,
                Code::STREAM_BROKEN
                | Code::STREAM_CLOSED
                | Code::STREAM_SLOW
                | Code::STREAM_PROTOCOL => Code::RELAY_CLOSED,
                _ => Code::RELAY_CONNECT,
            };
            Some((code, sentence.clone()))
        }
    }
}

/// One language at a time. Hints do not make it a grammar: a conversation is more than they are.
fn plan(recognition: RecognitionId, terms: &RelayTerms) -> RecognitionPlan {
    let language = &terms.transcription_language;
    let own = terms.languages.iter().find(|own| own.code.eq_ignore_ascii_case(language));
    let hints = own.map(|own| &own.hints).filter(|hints| !hints.is_empty());
    let model = own.map(|own| &*own.speech_model).filter(|model| !model.is_empty());
    RecognitionPlan {
        recognition,
        tracks: TapTracks::Inbound,
        language: language.clone(),
        hints: hints.unwrap_or(&terms.hints).clone(),
        is_grammar: model.unwrap_or(&terms.speech_model) == "numbers_and_commands",
        wants_partials: terms.partial_prompts,
        is_single: false,
        endpointing: Endpointing { silence_ms: terms.speech_timeout_ms, longest_ms: UTTERANCE_MS },
        lane: Lane::Live,
    }
}

/// Longest speech that is recognised in one piece.
const UTTERANCE_MS: u32 = 60_000;

/// `VX…`, with the digits of the stream that carries it.
fn session_of(stream: StreamSid) -> String {
    let sid = stream.to_string();
    format!("VX{}", sid.get(2..).unwrap_or_default())
}

impl Waits for Relaying {
    fn on_digit(&mut self, call: &mut Call, _now: Now, digit: u8) -> Still {
        call.effect(CallEffect::StreamDigit { stream: self.stream, digit });
        Still::Waiting
    }

    fn on_play_ended(&mut self, call: &mut Call, _now: Now, play: PlayId) -> Still {
        if self.keys.playing == Some(play) {
            self.keys.playing = None;
            self.keys.send_next(call);
        }
        Still::Waiting
    }

    fn on_recognition(
        &mut self,
        call: &mut Call,
        _now: Now,
        recognition: RecognitionId,
        event: &RecognitionEvent,
    ) -> Still {
        if self.recognition != Some(recognition) {
            return Still::Waiting;
        }
        match event {
            // The thread of the streams hears it itself, and sooner.
            RecognitionEvent::SpeechStarted { .. } => {}
            RecognitionEvent::Partial { text, .. } => self.heard(call, text, false),
            RecognitionEvent::Final { text, .. } => {
                self.failures = 0;
                self.heard(call, text, true);
            }
            RecognitionEvent::Ended(end) => {
                self.recognition = None;
                if let RecognitionEnd::Failed { sentence, .. } = end {
                    self.failures += 1;
                    self.hears_on(call, sentence);
                }
            }
        }
        Still::Waiting
    }

    fn abort(&mut self, call: &mut Call, _now: Now) {
        self.stop_listening(call);
        call.close_stream(self.stream);
    }

    fn on_leg_over(mut self, call: &mut Call, now: Now) -> Option<Activity> {
        self.stop_listening(call);
        let status = if self.is_ended { "ended" } else { "completed" };
        let form = self.form(now, status, None);
        // The socket itself ends with all others of the call.
        if let Some(action) = self.action
            && let Ok(url) = call.resolve(&action.url)
        {
            call.report_action(url, action.method, form);
        }
        None
    }
}
