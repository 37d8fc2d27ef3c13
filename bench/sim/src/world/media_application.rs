//! Applications at the end of media streams, on the virtual clock.
//!
//! Each message of the gateway is checked against streams.md 4 when it arrives; the answer follows by the
//! application's [`Manner`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use shared::StreamSid;

use super::act::Act;

/// What the application at the end of a stream does, by the last word of its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Sends the party's audio back, each piece after 5 ms.
    Echo,
    /// The same, 700 ms later.
    Slow,
    /// Ten seconds of audio at once with a mark a second, and a clear after 1.5 s.
    Bursting,
    /// Speaks for two seconds and closes in the middle.
    Closing,
}

impl Manner {
    /// `None`: nobody listens at this URL.
    fn of(url: &str) -> Option<Self> {
        match url.rsplit('/').next()? {
            "echo" => Some(Self::Echo),
            "slow" => Some(Self::Slow),
            "bursting" => Some(Self::Bursting),
            "closing" => Some(Self::Closing),
            _ => None,
        }
    }
}

/// The server's side of a stream.
pub(super) struct MediaApplication {
    manner: Manner,
    sid: String,
    /// Marks that have not come back.
    marks: VecDeque<String>,
    sequence: u64,
    /// Media messages by track.
    chunks: BTreeMap<String, u64>,
    /// What the gateway sent and should not have.
    pub wrong: Vec<String>,
}

impl MediaApplication {
    /// The application at a URL; `None`: nobody listens there.
    pub fn at(url: &str, sid: StreamSid) -> Option<Self> {
        Some(Self {
            manner: Manner::of(url)?,
            sid: sid.to_string(),
            marks: VecDeque::new(),
            sequence: 0,
            chunks: BTreeMap::new(),
            wrong: Vec::new(),
        })
    }

    fn says(&self, event: &str, key: &str, content: Value) -> Act {
        let mut message = json!({"event": event, "streamSid": self.sid});
        if !content.is_null() {
            message[key] = content;
        }
        Act::Says(message.to_string())
    }

    /// Remembers the marks of a message that leaves.
    pub fn sent(&mut self, text: &str) {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        if let Some(name) = value["mark"]["name"].as_str() {
            self.marks.push_back(name.to_owned());
        }
    }

    /// Checks a message of the gateway, and answers by its manner.
    pub fn got(&mut self, message: &Value, acts: &mut Vec<(Duration, Act)>) {
        self.check(message);
        let ms = Duration::from_millis;
        let is_echo = matches!(self.manner, Manner::Echo | Manner::Slow);
        match message["event"].as_str() {
            Some("media") if is_echo => {
                let after = if self.manner == Manner::Echo { 5 } else { 700 };
                let payload = message["media"]["payload"].clone();
                acts.push((ms(after), self.says("media", "media", json!({"payload": payload}))));
            }
            Some("start") if self.manner == Manner::Bursting => {
                for second in 0..10 {
                    acts.push((
                        ms(50),
                        self.says("media", "media", json!({"payload": second_of_sound()})),
                    ));
                    let name = format!("second-{second}");
                    acts.push((ms(50), self.says("mark", "mark", json!({"name": name}))));
                }
                acts.push((ms(1_500), self.says("clear", "", Value::Null)));
            }
            Some("start") if self.manner == Manner::Closing => {
                for _ in 0..2 {
                    acts.push((
                        ms(30),
                        self.says("media", "media", json!({"payload": second_of_sound()})),
                    ));
                }
                acts.push((ms(900), Act::Closes));
            }
            _ => {}
        }
    }

    fn check(&mut self, message: &Value) {
        let event = message["event"].as_str().unwrap_or("none");
        let mut wrong =
            |what: &str| self.wrong.push(format!("stream {}: {what}: {message}", self.sid));
        match (event, self.sequence) {
            ("connected", 0) => return,
            ("start", 0) => {}
            ("start" | "connected", _) | (_, 0) => wrong("out of order"),
            _ => {}
        }
        self.sequence += 1;
        if !is_number(&message["sequenceNumber"], self.sequence) {
            wrong("its number");
        }
        if event == "media" {
            let track = message["media"]["track"].as_str().unwrap_or_default().to_owned();
            let chunk = self.chunks.entry(track).or_default();
            *chunk += 1;
            if !is_number(&message["media"]["timestamp"], *chunk * 20) {
                wrong("its time");
            }
        }
        if event == "mark" && message["mark"]["name"].as_str() != self.marks.pop_front().as_deref()
        {
            wrong("its turn");
        }
    }
}

/// Whether a value is this number as text.
fn is_number(value: &Value, number: u64) -> bool {
    value.as_str() == Some(number.to_string().as_str())
}

/// A second of the code 0x2A, 8,000 bytes, in base64: 3 codes are 4 letters.
fn second_of_sound() -> String {
    "Kioq".repeat(2_666) + "Kio="
}
