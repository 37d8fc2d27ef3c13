//! The streams of a world: real [`StreamSession`]s, and applications on the virtual clock.
//!
//! ```text
//!   OpenStream ──10 ms──> open (session, attachment) ──close of either side──> gone, one Ended
//! ```
//!
//! The world carries: frames of taps go into a session, what a session plays goes to the core, and each message goes to
//! the application at once. What the application sends comes back later, by its [`Manner`]. Every message that the
//! gateway sends is checked against streams.md 4 as it leaves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use call::stream::{StreamOpening, StreamPort, StreamSession};
use plane::g711;
use serde_json::{Value, json};
use shared::{
    CallSid, Code, Codec, FRAME_SAMPLES, FeedId, FeedItem, FeedPart, LegId, StreamSid, TapFrame,
    TapId,
};

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

/// What an application does some time after it got a message.
#[derive(Clone, Debug)]
pub enum Act {
    /// Its answer to the handshake is here.
    Opens,
    Says(String),
    Closes,
}

/// One stream.
struct Live {
    session: StreamSession,
    tap: Option<TapId>,
    feed: Option<(LegId, FeedId)>,
    application: Application,
    is_open: bool,
}

/// The server's side of a stream.
struct Application {
    manner: Manner,
    sid: String,
    /// Marks that have not come back.
    marks: VecDeque<String>,
    sequence: u64,
    /// Media messages by track.
    chunks: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

/// All streams that have not ended.
#[derive(Default)]
pub struct Streams {
    live: BTreeMap<StreamSid, Live>,
    /// Marks that came back, of all streams.
    pub marks_returned: usize,
    /// Media messages of all streams.
    pub media_sent: u64,
}

/// What a step of a session leads to.
#[derive(Default)]
pub struct Outcome {
    /// For the core.
    pub items: Vec<FeedItem>,
    /// For the application's clock.
    pub acts: Vec<(Duration, Act)>,
    pub wrong: Vec<String>,
}

impl Streams {
    /// Connects to a URL; `false`: nobody listens there.
    pub fn connect(&mut self, opening: StreamOpening, url: &str) -> bool {
        let Some(manner) = Manner::of(url) else { return false };
        let sid = opening.stream;
        let application = Application {
            manner,
            sid: sid.to_string(),
            marks: VecDeque::new(),
            sequence: 0,
            chunks: BTreeMap::new(),
            wrong: Vec::new(),
        };
        let session = StreamSession::new(opening);
        let live = Live { session, tap: None, feed: None, application, is_open: false };
        self.live.insert(sid, live);
        true
    }

    /// The call of a stream that has not ended.
    pub fn call_of(&self, sid: StreamSid) -> Option<CallSid> {
        self.live.get(&sid).map(|live| live.session.opening().call)
    }

    /// The handshake is done.
    pub fn open(&mut self, sid: StreamSid) -> Outcome {
        if let Some(live) = self.live.get_mut(&sid) {
            live.is_open = true;
        }
        self.act(sid, |session, port| session.begin(port))
    }

    pub fn attach(&mut self, sid: StreamSid, tap: TapId, feed: Option<(LegId, FeedId)>) {
        if let Some(live) = self.live.get_mut(&sid) {
            (live.tap, live.feed) = (Some(tap), feed);
        }
    }

    pub fn digit(&mut self, sid: StreamSid, digit: u8) -> Outcome {
        self.act(sid, |session, port| session.digit(digit, port))
    }

    /// A frame of a tap, and the stream that it is of; frames of streams that are gone are dropped.
    pub fn frame(&mut self, frame: &TapFrame) -> Option<(StreamSid, Outcome)> {
        let (sid, _) = self.live.iter().find(|(_, live)| live.tap == Some(frame.tap))?;
        let sid = *sid;
        if frame.last {
            return None;
        }
        let mulaw = |track: Option<[u8; FRAME_SAMPLES]>| {
            track.map(|mut samples| {
                g711::translate(frame.codec, Codec::Pcmu, &mut samples);
                samples
            })
        };
        let (inbound, outbound) = (mulaw(frame.inbound), mulaw(frame.outbound));
        let outcome = self.act(sid, |session, port| {
            session.frame(
                frame.index,
                inbound.as_ref(),
                outbound.as_ref(),
                frame.feed_passed,
                port,
            );
        });
        Some((sid, outcome))
    }

    /// A message of the application.
    pub fn text(&mut self, sid: StreamSid, text: &str) -> Outcome {
        if let Some(live) = self.live.get_mut(&sid) {
            live.application.sent(text);
        }
        self.act(sid, |session, port| session.text(text, port))
    }

    /// Ends a stream, with a good-bye where the end is ours; `None`: it was over before.
    pub fn end(&mut self, sid: StreamSid, is_ours: bool) -> Option<(CallSid, Outcome)> {
        let call = self.call_of(sid)?;
        let mut outcome = Outcome::default();
        if is_ours && self.live.get(&sid).is_some_and(|live| live.is_open) {
            outcome = self.act(sid, |session, port| session.stop(port));
        }
        self.live.remove(&sid);
        Some((call, outcome))
    }

    pub fn len(&self) -> usize {
        self.live.len()
    }

    fn act(&mut self, sid: StreamSid, step: impl FnOnce(&mut StreamSession, &mut Port)) -> Outcome {
        let Some(live) = self.live.get_mut(&sid) else { return Outcome::default() };
        let mut port = Port { feed: live.feed, ..Port::default() };
        step(&mut live.session, &mut port);
        let mut outcome = Outcome { items: port.items, ..Outcome::default() };
        for text in &port.sent {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            self.media_sent += u64::from(value["event"] == "media");
            self.marks_returned += usize::from(value["event"] == "mark");
            live.application.got(&value, &mut outcome.acts);
        }
        outcome.wrong.append(&mut live.application.wrong);
        outcome.wrong.extend(port.warned.iter().map(|warned| format!("{sid} warns: {warned}")));
        outcome
    }
}

impl Application {
    fn says(&self, event: &str, key: &str, content: Value) -> Act {
        let mut message = json!({"event": event, "streamSid": self.sid});
        if !content.is_null() {
            message[key] = content;
        }
        Act::Says(message.to_string())
    }

    /// Remembers the marks of a message that leaves.
    fn sent(&mut self, text: &str) {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        if let Some(name) = value["mark"]["name"].as_str() {
            self.marks.push_back(name.to_owned());
        }
    }

    /// Checks a message of the gateway, and answers by its manner.
    fn got(&mut self, message: &Value, acts: &mut Vec<(Duration, Act)>) {
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

/// Collects what a session does.
#[derive(Default)]
struct Port {
    feed: Option<(LegId, FeedId)>,
    sent: Vec<String>,
    items: Vec<FeedItem>,
    warned: Vec<String>,
}

impl StreamPort for Port {
    fn send(&mut self, message: &str) {
        self.sent.push(message.to_owned());
    }

    fn has_feed_room(&self) -> bool {
        self.feed.is_some()
    }

    fn play(&mut self, part: FeedPart) -> bool {
        let Some((leg, feed)) = self.feed else { return false };
        self.items.push(FeedItem { leg, feed, part });
        true
    }

    fn room(&self) -> usize {
        1 << 24
    }

    fn warn(&mut self, code: Code, sentence: String) {
        self.warned.push(format!("{code} {sentence}"));
    }
}
