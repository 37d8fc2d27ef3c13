//! Messages of an application to its stream, one a line: read as JSON and the contract say, and played out whole.
//!
//! Two readings are compared: ours, borrowed and streaming, and one of a [`Value`] by the letter of streams.md 5. A line that
//! ours takes must conform to the letter; a line that conforms is written anew (a [`Value`] keeps one of two equal
//! names) and must then be taken. What all of them ask for is played frame by frame, and each byte and mark must come
//! out once and in order.

use std::collections::VecDeque;

use call::stream::{StreamOpening, StreamPort, StreamSession};
use serde_json::Value;
use shared::limits::{FEED_FRAMES_MAX, STREAM_MARKS_MAX, STREAM_PLAYOUT_BYTES_MAX};
use shared::media::TapTracks;
use shared::{AccountSid, CallSid, Code, FRAME_SAMPLES, FeedPart, StreamSid};

/// No reading of a line differs from the letter, and what was sent is played.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut talk = Talk::new();
    for line in text.split('\n').take(LINES_MAX) {
        let mut alone = Talk::new();
        alone.session.text(line, &mut alone.port);
        let wanted = Message::by_the_letter(line);
        let is_taken = alone.port.warned.is_empty();
        assert!(!is_taken || wanted.is_some(), "taken, and does not conform: {line}");
        if let Some((message, canonical)) = wanted {
            talk.say(&message, &canonical);
        }
    }
    talk.play_out();
}

/// What a message asks for.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    Media(Vec<u8>),
    Mark(String),
    Clear,
}

impl Message {
    /// The message of a line that conforms, and the line written anew.
    fn by_the_letter(line: &str) -> Option<(Self, String)> {
        let value: Value = serde_json::from_str(line).ok()?;
        let object = value.as_object()?;
        // A member that is null is one that is not there.
        let names =
            object.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        if value["streamSid"] != SID || object.keys().any(|name| !KNOWN.contains(&name.as_str())) {
            return None;
        }
        let text_of = |outer: &str, inner: &str| {
            let object = value[outer].as_object()?;
            let text = object.get(inner)?.as_str()?;
            (object.len() == 1).then(|| text.to_owned())
        };
        let message = match (value["event"].as_str()?, names.as_slice()) {
            ("media", ["event", "media", "streamSid"]) => {
                Self::Media(decoded(&text_of("media", "payload")?)?)
            }
            ("mark", ["event", "mark", "streamSid"]) => {
                Self::Mark(text_of("mark", "name").filter(|name| name.len() <= MARK_BYTES_MAX)?)
            }
            ("clear", ["event", "streamSid"]) => Self::Clear,
            _ => return None,
        };
        Some((message, value.to_string()))
    }
}

/// A session and all that its application asked for.
struct Talk {
    session: StreamSession,
    port: Port,
    /// Audio that must still be played, and marks that must still come back.
    audio: VecDeque<u8>,
    marks: VecDeque<String>,
    frames: u32,
}

impl Talk {
    fn new() -> Self {
        let opening = StreamOpening {
            stream: StreamSid(7),
            account: AccountSid(1),
            call: CallSid(2),
            tracks: TapTracks::Inbound,
            is_two_way: true,
            parameters: Vec::new(),
            relay: None,
        };
        let mut talk = Self {
            session: StreamSession::new(opening),
            port: Port::default(),
            audio: VecDeque::new(),
            marks: VecDeque::new(),
            frames: 0,
        };
        talk.session.begin(&mut talk.port);
        talk
    }

    fn say(&mut self, message: &Message, canonical: &str) {
        self.session.text(canonical, &mut self.port);
        match message {
            Message::Media(audio) => self.audio.extend(audio),
            Message::Mark(name) => self.marks.push_back(name.clone()),
            Message::Clear => self.audio.clear(),
        }
        self.take_written();
        assert!(self.port.warned.is_empty(), "{:?} of {canonical}", self.port.warned);
        assert!(self.session.held() <= HELD_MAX, "{} bytes", self.session.held());
        self.take_marks();
    }

    /// Beats until nothing is left.
    fn play_out(&mut self) {
        let beats = self.audio.len() / FRAME_SAMPLES + FEED_FRAMES_MAX * 2 + 3;
        for _ in 0..beats {
            self.port.beat();
            let passed = self.port.passed;
            self.session.frame(
                self.frames,
                Some(&[1; FRAME_SAMPLES]),
                None,
                passed,
                &mut self.port,
            );
            self.frames += 1;
            self.take_written();
            self.take_marks();
        }
        assert!(self.audio.is_empty(), "{} bytes were never played", self.audio.len());
        assert!(self.marks.is_empty(), "{} marks never came back", self.marks.len());
    }

    /// Each frame that went to the core is the next audio, filled up with silence only where no more had come.
    fn take_written(&mut self) {
        for frame in self.port.written.drain(..) {
            let len = self.audio.len().min(FRAME_SAMPLES);
            let wanted: Vec<u8> = self.audio.drain(..len).collect();
            assert_eq!(frame[..len], wanted[..]);
            assert!(
                frame[len..].iter().all(|code| *code == 0xFF),
                "the end is filled with silence"
            );
        }
    }

    fn take_marks(&mut self) {
        for name in self.port.marks.drain(..) {
            assert_eq!(Some(name), self.marks.pop_front(), "marks come back in their order");
        }
    }
}

/// A core with room for [`FEED_FRAMES_MAX`] frames, and an application that reads everything.
#[derive(Default)]
struct Port {
    /// Frames that nobody has heard yet.
    waiting: usize,
    /// Frames that were heard or cleared.
    passed: u32,
    /// Frames that the test has not looked at.
    written: Vec<[u8; FRAME_SAMPLES]>,
    marks: Vec<String>,
    warned: Vec<Code>,
}

impl Port {
    /// 20 ms: the party hears a frame where one waits.
    fn beat(&mut self) {
        let heard = self.waiting.min(1);
        self.waiting -= heard;
        self.passed += heard as u32;
    }
}

impl StreamPort for Port {
    fn send(&mut self, message: &str) {
        let value: Value = serde_json::from_str(message).expect("what leaves is JSON");
        if value["event"] == "mark" {
            self.marks.push(value["mark"]["name"].as_str().expect("a name").to_owned());
        }
    }

    fn has_feed_room(&self) -> bool {
        true
    }

    fn play(&mut self, part: FeedPart) -> bool {
        match part {
            FeedPart::Audio(frame) => {
                self.waiting += 1;
                self.written.push(frame);
                assert!(self.waiting <= FEED_FRAMES_MAX, "the core gets 200 ms at most");
            }
            FeedPart::Clear => {
                self.passed += self.waiting as u32;
                self.waiting = 0;
            }
        }
        true
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn warn(&mut self, code: Code, _: String) {
        self.warned.push(code);
    }
}

/// Base64 with padding (RFC 4648 §4); `None` where it is not, or has bits that no writer sets.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for letter in body.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SID: &str = "MZ00000000000000000000000000000007";
const KNOWN: [&str; 4] = ["event", "streamSid", "media", "mark"];
const MARK_BYTES_MAX: usize = 1_024;
/// Fewer than the marks that may wait.
const LINES_MAX: usize = STREAM_MARKS_MAX / 8;
/// All audio and all marks of a stream.
const HELD_MAX: usize = STREAM_PLAYOUT_BYTES_MAX + STREAM_MARKS_MAX * (MARK_BYTES_MAX + 64);

/// Parts of messages.
pub const WORDS: &[&str] = &[
    "\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1",
    "\"event\":",
    "\"streamSid\":",
    "\"MZ00000000000000000000000000000007\"",
    "\"media\"",
    "\"mark\"",
    "\"clear\"",
    "\"payload\":",
    "\"name\":",
    "\"AQI=\"",
    "\"AQ==\"",
    "\"AR==\"",
    "\"//////8=\"",
    "\\u0061",
    "\\ud800",
    "\\n",
    "{\"event\":\"clear\",\"streamSid\":\"MZ00000000000000000000000000000007\"}\n",
    "{\"event\":\"mark\",\"streamSid\":\"MZ00000000000000000000000000000007\",\"mark\":{\"name\":\"m\"}}\n",
    "{\"event\":\"media\",\"streamSid\":\"MZ00000000000000000000000000000007\",\"media\":{\"payload\":\"AQID\"}}\n",
];
