//! The machine of one open relay. Sans-IO.
//!
//! ```text
//!   application ──tokens──> sentences ──SpeakOrder──> voice ──audio──> Playout ──> core ──> party
//!   application <──prompt──────────── recogniser <──────────── frames of the tap <─────────── party
//!        ^──interrupt── gate, key: drops sentences and audio at once
//! ```
//!
//! The shell opens the socket and calls [`RelaySession::begin`]. The session orders one sentence at a time from a voice, which
//! returns the audio piece by piece while it makes it. A frame of the tap arrives every 20 ms. Each frame reports how much
//! of the feed has passed, releases the next audio to the core, and goes through the gate that detects speech. An
//! interruption therefore waits for no other thread: the order to drop the core's audio leaves with the frame that
//! decided it.

use shared::{Code, FRAME_SAMPLES};

use super::gate::{Gate, amplitude};
use super::message::{self, Heard, Policy};
use super::talk::{Content, Talk};
use super::terms::{Interruptible, RelayTerms};
use super::tokens::Tokens;
use crate::stream::{Full, Playout, StreamOpening, StreamPort};
use crate::webhook::WebUrl;

/// What a relay acts on, besides socket and feed.
pub trait RelayPort: StreamPort {
    /// Has audio made; [`RelaySession::making`] answers, in the end by `Done` or `Failed`.
    fn speak(&mut self, order: SpeakOrder);
    /// Something that the call does.
    fn tell(&mut self, event: RelayEvent);
}

/// Audio to be made for a relay.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeakOrder {
    /// Names it in the answer.
    pub number: u64,
    /// What it is made of.
    pub source: SpeakSource,
}

/// What audio for a relay is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum SpeakSource {
    /// A text.
    Text {
        /// The words.
        text: String,
        /// Voice as a `<Say>` names it; empty = the one of the language.
        voice: String,
        /// Locale.
        language: String,
    },
    /// A file.
    File(Box<WebUrl>),
}

/// How the making of audio goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Making {
    /// The next audio, mu-law.
    Audio(Vec<u8>),
    /// It is complete; the sentence is that of the warning 13511.
    Done(Option<String>),
    /// It cannot be made, or not to its end.
    Failed(Code, String),
}

/// What the application asks of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayEvent {
    /// Keys for the party.
    SendDigits(String),
    /// Another language to understand.
    Language(String),
    /// The session is over, with data for its action.
    End(Option<String>),
}

/// One open relay.
#[derive(Debug)]
pub struct RelaySession {
    opening: StreamOpening,
    terms: RelayTerms,
    tokens: Tokens,
    talk: Talk,
    playout: Playout,
    gate: Gate,
    /// Whether an answer has begun and its last token has not come.
    is_answering: bool,
    /// Language and policy of the last token.
    language: String,
    policy: Policy,
    warned: Vec<Code>,
    is_over: bool,
    /// What the application may still ask of the call, and frames since that grew.
    asks_left: u32,
    frames: u32,
}

impl RelaySession {
    /// A session that has said nothing yet.
    pub fn new(opening: StreamOpening, terms: RelayTerms) -> Self {
        Self {
            tokens: Tokens::default(),
            talk: Talk::default(),
            playout: Playout::default(),
            gate: Gate::new(terms.sensitivity),
            is_answering: false,
            language: terms.tts_language.clone(),
            policy: Policy::default(),
            warned: Vec::new(),
            is_over: false,
            asks_left: ASKS_MAX,
            frames: 0,
            opening,
            terms,
        }
    }

    /// The socket is open: `setup`, and the greeting.
    pub fn begin(&mut self, port: &mut impl RelayPort) {
        port.send(&message::setup(&self.opening, &self.terms));
        let mut greeting = Tokens::default();
        greeting.push(&self.terms.greeting);
        let language = self.terms.tts_language.clone();
        while let Some(text) = greeting.sentence().or_else(|| greeting.rest()) {
            let content = Content::Text { text, language: language.clone() };
            // The greeting of a document is shorter than what may wait.
            let _ = self.talk.push(content, self.terms.greeting_interruptible, false);
        }
        self.advance(port);
    }

    /// 20 ms of the party in mu-law, and the number of the feed's frames that have passed.
    pub fn frame(
        &mut self,
        inbound: Option<&[u8; FRAME_SAMPLES]>,
        feed_passed: u32,
        port: &mut impl RelayPort,
    ) {
        self.playout.passed(feed_passed);
        self.talk.played(self.playout.played());
        self.frames = (self.frames + 1) % FRAMES_AN_ASK;
        if self.frames == 0 {
            self.asks_left = (self.asks_left + 1).min(ASKS_MAX);
        }
        // The gate hears every frame, so that it knows the noise of the line when it matters.
        let begins = inbound.is_some_and(|frame| self.gate.hear(frame));
        if begins && self.talk.interruptible().is_some_and(Interruptible::by_speech) {
            self.interrupt(port);
        }
        self.advance(port);
        self.playout.pour(port);
    }

    /// The party pressed a key.
    pub fn digit(&mut self, digit: u8, port: &mut impl RelayPort) {
        if let Some(by) = self.talk.interruptible() {
            if by.by_key() {
                self.interrupt(port);
            } else if !self.terms.report_input.by_key() {
                return;
            }
        }
        if self.terms.dtmf_detection {
            port.send(&message::dtmf(digit));
        }
    }

    /// A recogniser understood something, or with `last` false guesses that it does.
    pub fn understood(&mut self, text: &str, last: bool, port: &mut impl RelayPort) {
        if text.trim().is_empty() {
            return;
        }
        if let Some(by) = self.talk.interruptible() {
            if by.by_speech() {
                // The gate did not hear what a recogniser understood.
                self.interrupt(port);
            } else if !self.terms.report_input.by_speech() {
                return;
            }
        }
        if last || self.terms.partial_prompts {
            port.send(&message::prompt(text, &self.terms.transcription_language, last));
        }
    }

    /// A text message of the application.
    pub fn text(&mut self, text: &str, port: &mut impl RelayPort) {
        if self.is_over {
            return;
        }
        match message::read(text) {
            Ok(Heard::Text { token, last, lang, policy }) => {
                self.token(&token, last, lang, policy, port);
            }
            Ok(Heard::Play { source, times, policy }) => {
                self.begin_answer(policy, port);
                self.end_sentence(port);
                self.say(Content::File { source: Box::new(source), times }, port);
                self.is_answering = false;
            }
            Ok(Heard::SendDigits(digits)) => {
                self.ask(RelayEvent::SendDigits(digits), port);
            }
            Ok(Heard::Language { tts, transcription }) => {
                self.end_sentence(port);
                if let Some(tts) = tts {
                    self.language.clone_from(&tts);
                    // The voice of the document is that of its language, so it goes with it.
                    self.terms.voice = self.terms.voice_of(&tts).to_owned();
                    self.terms.tts_language = tts;
                }
                let own = &self.terms.transcription_language;
                if let Some(language) = transcription.filter(|it| !it.eq_ignore_ascii_case(own))
                    && self.ask(RelayEvent::Language(language.clone()), port)
                {
                    self.terms.transcription_language = language;
                }
            }
            Ok(Heard::End(data)) => {
                self.is_over = true;
                self.drop_talk(port);
                port.tell(RelayEvent::End(data));
            }
            Err(sentence) => self.complain(Code::RELAY_MESSAGE, &sentence, port),
        }
        self.advance(port);
    }

    /// A binary message of the application, which no relay takes.
    pub fn binary(&mut self, port: &mut impl RelayPort) {
        self.complain(Code::RELAY_MESSAGE, "a message is binary: a relay takes text", port);
    }

    /// The making of audio goes on.
    pub fn making(&mut self, number: u64, making: Making, port: &mut impl RelayPort) {
        // Of a sentence that was interrupted.
        if !self.talk.is_making(number) {
            return;
        }
        match making {
            Making::Audio(audio) => {
                let audio = self.without_lead(&audio);
                if self.playout.push(audio, port.room()) == Err(Full) {
                    self.complain(Code::RELAY_INTERNAL, "no memory for audio: some is lost", port);
                }
            }
            Making::Done(note) => {
                self.talk.made(self.playout.end());
                if let Some(note) = note {
                    self.warn(Code::SAY_VOICE, &note, port);
                }
            }
            Making::Failed(code, sentence) => {
                self.talk.made(self.playout.end());
                self.complain(code, &sentence, port);
            }
        }
        self.talk.played(self.playout.played());
        self.advance(port);
        self.playout.pour(port);
    }

    /// Bytes of memory that text and audio take.
    pub fn held(&self) -> usize {
        self.playout.held() + self.talk.held() + self.tokens.len()
    }

    /// What `setup` tells.
    pub const fn opening(&self) -> &StreamOpening {
        &self.opening
    }

    fn token(
        &mut self,
        token: &str,
        last: bool,
        lang: Option<String>,
        policy: Policy,
        port: &mut impl RelayPort,
    ) {
        // An empty last token only ends an answer, also one that has never begun.
        if !token.is_empty() {
            self.begin_answer(policy, port);
        }
        let lang = lang.unwrap_or_else(|| self.terms.tts_language.clone());
        if lang != self.language {
            self.end_sentence(port);
            self.language = lang;
        }
        if self.has_room(token.len(), port) {
            self.tokens.push(token);
        } else {
            self.complain(Code::RELAY_MESSAGE, TOO_MUCH, port);
        }
        while let Some(text) = self.tokens.sentence() {
            self.say_text(text, port);
        }
        if last {
            self.end_sentence(port);
            self.is_answering = false;
        }
    }

    /// The first token or file of an answer ends what is being said where that allows it.
    fn begin_answer(&mut self, policy: Policy, port: &mut impl RelayPort) {
        if !self.is_answering && self.talk.is_preemptible() {
            self.drop_talk(port);
        }
        (self.is_answering, self.policy) = (true, policy);
    }

    fn end_sentence(&mut self, port: &mut impl RelayPort) {
        if let Some(text) = self.tokens.rest() {
            self.say_text(text, port);
        }
    }

    fn say_text(&mut self, text: String, port: &mut impl RelayPort) {
        // Punctuation alone has no sound.
        if text.chars().any(char::is_alphanumeric) {
            let language = self.language.clone();
            self.say(Content::Text { text, language }, port);
        }
    }

    fn say(&mut self, content: Content, port: &mut impl RelayPort) {
        let interruptible = self.policy.interruptible.unwrap_or(self.terms.interruptible);
        let preemptible = self.policy.preemptible.unwrap_or(self.terms.preemptible);
        if !self.talk.push(content, interruptible, preemptible) {
            // What is behind it would be lost as well, with a complaint for each sentence.
            self.tokens.clear();
            self.complain(Code::RELAY_MESSAGE, TOO_MUCH, port);
        }
    }

    /// Has the call do something, unless the application asks for too much in too short a time; whether it did.
    fn ask(&mut self, event: RelayEvent, port: &mut impl RelayPort) -> bool {
        if self.asks_left == 0 {
            self.complain(Code::RELAY_MESSAGE, TOO_OFTEN, port);
            return false;
        }
        self.asks_left -= 1;
        port.tell(event);
        true
    }

    /// Audio of a text for a party that hears nothing, without the silence that a voice begins with: an answer comes
    /// a tenth of a second sooner.
    fn without_lead<'a>(&self, audio: &'a [u8]) -> &'a [u8] {
        let end = self.playout.end();
        if self.playout.played() < end || !self.talk.begins_text(end) {
            return audio;
        }
        let loud = audio.iter().position(|code| amplitude(*code) > LEAD_AMPLITUDE_MAX);
        let first = loud.map_or(audio.len(), |loud| loud.saturating_sub(ATTACK_BYTES));
        audio.get(first..).unwrap_or_default()
    }

    fn interrupt(&mut self, port: &mut impl RelayPort) {
        let heard = self.talk.interrupt(self.playout.played());
        self.drop_talk(port);
        port.send(&message::interrupt(&heard.words, heard.ms));
    }

    fn drop_talk(&mut self, port: &mut impl RelayPort) {
        self.talk.clear();
        self.tokens.clear();
        self.playout.clear();
        self.playout.pour(port);
    }

    /// Has the next piece made, if it is time.
    fn advance(&mut self, port: &mut impl RelayPort) {
        let (end, played) = (self.playout.end(), self.playout.played());
        let Some((number, content)) = self.talk.make(end, (end - played) / 8) else { return };
        let source = match content {
            Content::Text { text, language } => {
                let voice = self.terms.voice_of(&language).to_owned();
                SpeakSource::Text { text, voice, language }
            }
            Content::File { source, .. } => SpeakSource::File(source),
        };
        port.speak(SpeakOrder { number, source });
    }

    /// Within the bound of one relay, and within the buffer of all streams.
    fn has_room(&self, bytes: usize, port: &impl RelayPort) -> bool {
        let held = self.tokens.len() + self.talk.held() + bytes;
        held <= shared::limits::RELAY_TEXT_BYTES_MAX && bytes <= port.room()
    }

    /// Tells the application each time, and the account once a code.
    fn complain(&mut self, code: Code, sentence: &str, port: &mut impl RelayPort) {
        port.send(&message::error(sentence));
        self.warn(code, sentence, port);
    }

    fn warn(&mut self, code: Code, sentence: &str, port: &mut impl RelayPort) {
        if !self.warned.contains(&code) {
            self.warned.push(code);
            port.warn(code, sentence.to_owned());
        }
    }
}

/// Loudest sample of the silence before a text, linear: 44 dB below full scale.
const LEAD_AMPLITUDE_MAX: u16 = 200;
/// What stays before the first loud sample: 10 ms, in which a consonant may begin.
const ATTACK_BYTES: usize = 80;
/// Keys and languages that an application may ask for at once, and frames until it may ask for one more: five a second.
const ASKS_MAX: u32 = 50;
const FRAMES_AN_ASK: u32 = 10;
const TOO_OFTEN: &str =
    "more than 50 messages `sendDigits` and `language` at once, or 5 a second: one is lost";
const TOO_MUCH: &str = "more text waits to be said than may: 64 KiB, and streams.buffer for all; a \
                        message is lost";
