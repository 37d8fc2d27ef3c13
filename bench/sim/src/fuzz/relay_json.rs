//! Messages of an application to its relay, one a line: whatever they say, text and audio stay bounded, audio is only
//! asked for once at a time, and everything that is said comes to an end.
//!
//! A voice answers each order in a length that depends on its text, or fails; the party is silent, speaks or presses
//! a key as the lines demand. Then the party listens until nothing is left.

use call::relay::{
    Making, RelayEvent, RelayPort, RelaySession, RelayTerms, SpeakOrder, SpeakSource,
};
use call::stream::{StreamOpening, StreamPort};
use serde_json::Value;
use shared::limits::{FEED_FRAMES_MAX, RELAY_TEXT_BYTES_MAX, STREAM_PLAYOUT_BYTES_MAX};
use shared::media::TapTracks;
use shared::{AccountSid, CallSid, Code, FRAME_SAMPLES, FeedPart, StreamSid};

/// No line breaks a promise.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut talk = Talk::new();
    for line in text.split('\n').take(LINES_MAX) {
        talk.session.text(line, &mut talk.port);
        // A line that begins so is also an act of the voice or of the party.
        match line.as_bytes().first() {
            Some(b' ') => talk.make(true),
            Some(b'[') => talk.make(false),
            Some(b'"') => talk.frame([0xA0; FRAME_SAMPLES]),
            Some(b'0'..=b'9') => talk.session.digit(b'5', &mut talk.port),
            _ => talk.frame([0xFF; FRAME_SAMPLES]),
        }
        talk.check();
    }
    talk.listen();
}

struct Talk {
    session: RelaySession,
    port: Port,
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
        let terms =
            RelayTerms { greeting: "Hello. Who is it?".to_owned(), ..RelayTerms::default() };
        let mut talk = Self { session: RelaySession::new(opening, terms), port: Port::default() };
        talk.session.begin(&mut talk.port);
        talk
    }

    /// The voice answers what was ordered last; older orders were interrupted.
    fn make(&mut self, succeeds: bool) {
        let orders = std::mem::take(&mut self.port.orders);
        let Some(SpeakOrder { number, source }) = orders.last() else { return };
        let bytes = match source {
            SpeakSource::Text { text, .. } => text.len().min(AUDIO_MAX / 50) * 50,
            SpeakSource::File(_) => 400,
        };
        for piece in vec![0x2A; bytes].chunks(333) {
            self.session.making(*number, Making::Audio(piece.to_vec()), &mut self.port);
        }
        let end = match succeeds {
            true => Making::Done(None),
            false => Making::Failed(Code::INTERNAL, "no voice".to_owned()),
        };
        self.session.making(*number, end, &mut self.port);
    }

    /// 20 ms of the party, and of what it hears.
    fn frame(&mut self, inbound: [u8; FRAME_SAMPLES]) {
        self.port.beat();
        let passed = self.port.passed;
        self.session.frame(Some(&inbound), passed, &mut self.port);
    }

    fn check(&self) {
        assert!(self.session.held() <= HELD_MAX, "{} bytes", self.session.held());
        assert!(self.port.waiting <= FEED_FRAMES_MAX, "the core has {} frames", self.port.waiting);
    }

    /// Until nothing is said any more: then a key interrupts nothing.
    fn listen(&mut self) {
        for _ in 0..BEATS_MAX {
            self.make(true);
            self.frame([0xFF; FRAME_SAMPLES]);
            let is_quiet = self.port.orders.is_empty() && self.port.waiting == 0;
            if is_quiet {
                self.port.sent.clear();
                self.session.digit(b'1', &mut self.port);
                let interrupted = self.port.sent.iter().any(|it| it["type"] == "interrupt");
                assert!(!interrupted, "silence was interrupted: {:?}", self.port.sent);
                return;
            }
        }
        panic!("it never ends");
    }
}

#[derive(Default)]
struct Port {
    sent: Vec<Value>,
    orders: Vec<SpeakOrder>,
    /// Frames on the core, and frames that it needs no more.
    waiting: usize,
    passed: u32,
}

impl Port {
    fn beat(&mut self) {
        if self.waiting > 0 {
            self.waiting -= 1;
            self.passed += 1;
        }
    }
}

impl StreamPort for Port {
    fn send(&mut self, message: &str) {
        let message: Value = serde_json::from_str(message).expect("our messages are JSON");
        assert!(message["type"].is_string(), "{message}");
        self.sent.push(message);
    }

    fn has_feed_room(&self) -> bool {
        true
    }

    fn play(&mut self, part: FeedPart) -> bool {
        match part {
            FeedPart::Audio(_) => self.waiting += 1,
            _ => {
                self.passed += self.waiting as u32;
                self.waiting = 0;
            }
        }
        true
    }

    fn room(&self) -> usize {
        STREAM_PLAYOUT_BYTES_MAX
    }

    fn warn(&mut self, _code: Code, _sentence: String) {}
}

impl RelayPort for Port {
    fn speak(&mut self, order: SpeakOrder) {
        self.orders.push(order);
    }

    fn tell(&mut self, _event: RelayEvent) {}
}

const LINES_MAX: usize = 64;
/// Bytes of audio of one text.
const AUDIO_MAX: usize = 40_000;
/// Frames that the largest backlog takes to play: 64 KiB of text, files up to a thousand times.
const BEATS_MAX: usize = 1_000_000;
/// Text, audio of the pieces that were made ahead, and what a queue takes besides.
const HELD_MAX: usize = 2 * RELAY_TEXT_BYTES_MAX + 10 * 8_000 + 2 * AUDIO_MAX + 64 * 1_024;

/// Words of the format.
pub const WORDS: &[&str] = &[
    "{\"type\":\"text\",\"token\":\"Hello there. \"}",
    "{\"type\":\"text\",\"token\":\"\",\"last\":true}",
    "{\"type\":\"play\",\"source\":\"http://a/b.wav\",\"loop\":2}",
    "{\"type\":\"sendDigits\",\"digits\":\"1w2\"}",
    "{\"type\":\"language\",\"ttsLanguage\":\"de-DE\"}",
    "{\"type\":\"end\",\"handoffData\":\"x\"}",
    "\"interruptible\":false",
    "\"preemptible\":true",
    "\"lang\":\"fr-FR\"",
    "\"last\":true",
    "\\u0000",
    "\n",
    "\n ",
    "\n[",
    "\n\"",
    "\n5",
    ". ",
    "{",
    "}",
    ",",
];
