//! Applications that lead a conversation by text, on the virtual clock.
//!
//! Each message of the gateway is checked against relay.md 3 and 5 when it arrives; the answer follows by the
//! application's [`Manner`].

use std::time::Duration;

use call::relay::RelayTerms;
use serde_json::{Value, json};
use shared::StreamSid;
use shared::limits::RELAY_TEXT_BYTES_MAX;

use super::act::Act;
use super::voice::UNSAYABLE;

/// What an application does, by the last word of its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Talks for 15 s, excuses itself when it is interrupted, and ends the session with the words that were heard.
    Talking,
    /// Answers what it understood after 4 s, a token each 300 ms, and a key with a file.
    Slow,
    /// Sends what does not conform among what does, and ends the session after 6 s.
    Babbling,
    /// Talks, begins another answer in the middle of it, and ends the session.
    Preempting,
    /// Talks, and closes in the middle of a sentence.
    Leaving,
    /// Talks, and its connection breaks in the middle of a sentence.
    Vanishing,
    /// Ends the session with the first words that it understood.
    HandingOver,
}

impl Manner {
    /// `None`: nobody listens at this URL.
    fn of(url: &str) -> Option<Self> {
        match url.rsplit('/').next()? {
            "talking" => Some(Self::Talking),
            "slow" => Some(Self::Slow),
            "babbling" => Some(Self::Babbling),
            "preempting" => Some(Self::Preempting),
            "leaving" => Some(Self::Leaving),
            "vanishing" => Some(Self::Vanishing),
            "handing-over" => Some(Self::HandingOver),
            _ => None,
        }
    }
}

/// The server's side of a relay.
pub(super) struct RelayApplication {
    manner: Manner,
    sid: String,
    is_set_up: bool,
    takes_keys: bool,
    takes_guesses: bool,
    /// Everything that it had said, the greeting included.
    said: String,
    /// What the gateway sent and should not have.
    pub wrong: Vec<String>,
}

impl RelayApplication {
    /// The application at a URL; `None`: nobody listens there.
    pub fn at(url: &str, sid: StreamSid, terms: &RelayTerms) -> Option<Self> {
        Some(Self {
            manner: Manner::of(url)?,
            sid: sid.to_string(),
            is_set_up: false,
            takes_keys: terms.dtmf_detection,
            takes_guesses: terms.partial_prompts,
            said: terms.greeting.clone(),
            wrong: Vec::new(),
        })
    }

    /// Remembers the words of a message that leaves.
    pub fn sent(&mut self, text: &str) {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        if let Some(token) = value["token"].as_str().filter(|_| value["type"] == "text") {
            self.said.push_str(token);
        }
    }

    /// Checks a message of the gateway, and answers by its manner.
    pub fn got(&mut self, message: &Value, acts: &mut Vec<(Duration, Act)>) {
        self.check(message);
        let kind = message["type"].as_str().unwrap_or_default();
        let is_final = kind == "prompt" && message["last"] == true;
        let mut says = |after, said: Value| {
            acts.push((Duration::from_millis(after), Act::Says(said.to_string())));
        };
        match (self.manner, kind) {
            (Manner::Talking, "setup") => talk(40, &mut says),
            (Manner::Talking, "interrupt") => {
                says(60, token("Sorry.", true));
                says(1_500, end(&message["utteranceUntilInterrupt"]));
            }
            (Manner::Slow, _) if is_final => {
                says(4_000, token("You said it. ", false));
                says(4_300, token("I heard", false));
                says(4_600, token(" it.", true));
            }
            (Manner::Slow, "dtmf") => {
                let source = "http://10.0.0.9/tune.wav";
                let play =
                    json!({"type": "play", "source": source, "loop": 2, "preemptible": true});
                says(4_000, play);
            }
            (Manner::Preempting, "setup") => {
                talk(40, &mut says);
                says(2_000, token("Stop. ", true));
                says(5_000, end(&Value::from("done")));
            }
            (Manner::Babbling, "setup") => babble(acts),
            (Manner::Leaving | Manner::Vanishing, "setup") => {
                talk(40, &mut says);
                let is_close = self.manner == Manner::Leaving;
                let act = if is_close { Act::Closes } else { Act::Vanishes };
                acts.push((Duration::from_millis(1_900), act));
            }
            (Manner::HandingOver, _) if is_final => {
                says(50, token("Good-bye.", true));
                says(100, end(&message["voicePrompt"]));
            }
            _ => {}
        }
    }

    fn check(&mut self, message: &Value) {
        let kind = message["type"].as_str().unwrap_or("none");
        let text = |name: &str| message[name].as_str();
        let wrong = match kind {
            "setup" if self.is_set_up => "comes twice",
            "setup" if text("sessionId").is_none_or(|it| it[2..] != self.sid[2..]) => "its session",
            "setup" => "",
            _ if !self.is_set_up => "comes before `setup`",
            "prompt" if message["last"] == false && !self.takes_guesses => "is a guess",
            "prompt" if text("voicePrompt").is_none_or(str::is_empty) => "has no words",
            "dtmf" if !self.takes_keys => "is a key",
            "interrupt" if !self.has_said(text("utteranceUntilInterrupt")) => "its words",
            "interrupt" if !message["durationUntilInterruptMs"].is_u64() => "its time",
            "error" if self.manner != Manner::Babbling => "answers what conforms",
            "prompt" | "dtmf" | "interrupt" | "error" => "",
            _ => "is not known",
        };
        self.is_set_up |= kind == "setup";
        if !wrong.is_empty() {
            self.wrong.push(format!("relay {}: {wrong}: {message}", self.sid));
        }
    }

    /// Whether these words, in their order, are among those that were to be said.
    fn has_said(&self, words: Option<&str>) -> bool {
        let one = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        words.is_some_and(|words| one(&self.said).contains(&one(words)))
    }
}

fn token(token: &str, last: bool) -> Value {
    json!({"type": "text", "token": token, "last": last})
}

fn end(data: &Value) -> Value {
    json!({"type": "end", "handoffData": data})
}

/// Twenty sentences of 750 ms.
fn talk(after: u64, says: &mut impl FnMut(u64, Value)) {
    for sentence in 0..20 {
        says(after, token("One two three. ", sentence == 19));
    }
}

/// Messages that are answered with `error`, [`FAULTS`] in all, each followed by one that conforms.
fn babble(acts: &mut Vec<(Duration, Act)>) {
    let mut at = Duration::ZERO;
    let mut add = |act| {
        at += Duration::from_millis(30);
        acts.push((at, act));
    };
    let longest = "long ".repeat(RELAY_TEXT_BYTES_MAX / 5 + 1);
    let longest_data = Value::from("x".repeat(16_385));
    let faults = [
        "{".to_owned(),
        "[1]".to_owned(),
        json!({"type": "song"}).to_string(),
        json!({"type": "text"}).to_string(),
        json!({"type": "text", "token": 7}).to_string(),
        json!({"type": "sendDigits", "digits": "x"}).to_string(),
        json!({"type": "play", "source": "ftp://10.0.0.9/a"}).to_string(),
        token(&longest, false).to_string(),
        end(&longest_data).to_string(),
    ];
    for fault in faults {
        add(Act::Says(fault));
        add(Act::Says(token("Now. ", true).to_string()));
    }
    add(Act::SaysBinary);
    // The voice fails, and says what follows.
    add(Act::Says(token(&format!("It is {UNSAYABLE}. "), true).to_string()));
    add(Act::Says(json!({"type": "language", "ttsLanguage": "de-DE"}).to_string()));
    add(Act::Says(json!({"type": "sendDigits", "digits": "1"}).to_string()));
    add(Act::Says(token("", true).to_string()));
    acts.push((Duration::from_secs(6), Act::Says(end(&Value::from("babbled")).to_string())));
}

/// The messages of [`babble`] that are answered with `error`: nine of text, a binary one, and a text without a voice.
pub const FAULTS: usize = 11;
