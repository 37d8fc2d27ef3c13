//! The messages of a stream as JSON text (streams.md 4, 5). Sans-IO.
//!
//! A media message leaves 50 times a second and track, so it is written by hand into a buffer that is used
//! again. Everything else is rare. What the application sends is read without copying its audio.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use shared::media::TapTracks;
use shared::{Code, FRAME_SAMPLES};

use super::opening::StreamOpening;

/// A track as `media.track` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Track {
    Inbound,
    Outbound,
}

impl Track {
    const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// Writes the messages of one stream, each numbered.
#[derive(Debug)]
pub(super) struct Writer {
    stream: String,
    sequence: u64,
    /// Media messages so far, by track.
    chunks: [u64; 2],
    text: String,
}

impl Writer {
    pub fn new(opening: &StreamOpening) -> Self {
        // A media message has about 370 characters.
        let text = String::with_capacity(512);
        Self { stream: opening.stream.to_string(), sequence: 0, chunks: [0; 2], text }
    }

    /// The first message. It alone has neither a number nor the stream's SID.
    pub const fn connected() -> &'static str {
        r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#
    }

    pub fn start(&mut self, opening: &StreamOpening) -> &str {
        let tracks = match opening.tracks {
            TapTracks::Inbound => r#"["inbound"]"#,
            TapTracks::Outbound => r#"["outbound"]"#,
            TapTracks::Both => r#"["inbound","outbound"]"#,
        };
        let mut parameters = String::from("{");
        for (index, (name, value)) in opening.parameters.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let (name, value) = (quoted(name), quoted(value));
            // Writing to a String cannot fail, here and below.
            let _ = write!(parameters, "{comma}{name}:{value}");
        }
        parameters.push('}');
        self.begin("start");
        let StreamOpening { account, call, stream, .. } = opening;
        let _ = write!(
            self.text,
            r#","start":{{"accountSid":"{account}","streamSid":"{stream}","callSid":"{call}","tracks":{tracks},"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{parameters}}}"#,
        );
        self.end()
    }

    /// 20 ms of a track in mu-law.
    pub fn media(&mut self, track: Track, samples: &[u8; FRAME_SAMPLES]) -> &str {
        let chunk = {
            let chunk = &mut self.chunks[track as usize];
            *chunk += 1;
            *chunk
        };
        // By the number of frames and by no clock: it never jumps (streams.md 4).
        let timestamp = chunk * FRAME_MS;
        self.begin("media");
        let track = track.name();
        let _ = write!(
            self.text,
            r#","media":{{"track":"{track}","chunk":"{chunk}","timestamp":"{timestamp}","payload":""#,
        );
        STANDARD.encode_string(samples, &mut self.text);
        self.text.push_str("\"}");
        self.end()
    }

    pub fn digit(&mut self, digit: u8) -> &str {
        self.begin("dtmf");
        let digit = char::from(digit);
        let _ = write!(self.text, r#","dtmf":{{"track":"inbound_track","digit":"{digit}"}}"#);
        self.end()
    }

    pub fn mark(&mut self, name: &str) -> &str {
        self.begin("mark");
        let name = quoted(name);
        let _ = write!(self.text, r#","mark":{{"name":{name}}}"#);
        self.end()
    }

    pub fn stop(&mut self, opening: &StreamOpening) -> &str {
        self.begin("stop");
        let StreamOpening { account, call, .. } = opening;
        let _ = write!(self.text, r#","stop":{{"accountSid":"{account}","callSid":"{call}"}}"#);
        self.end()
    }

    fn begin(&mut self, event: &str) {
        self.sequence += 1;
        self.text.clear();
        let sequence = self.sequence;
        let _ = write!(self.text, r#"{{"event":"{event}","sequenceNumber":"{sequence}""#);
    }

    fn end(&mut self) -> &str {
        self.text.push_str(r#","streamSid":""#);
        self.text.push_str(&self.stream);
        self.text.push_str("\"}");
        &self.text
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A message of the application.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// Audio to play, decoded: mu-law.
    Media(Vec<u8>),
    /// A mark behind the audio so far.
    Mark(Cow<'a, str>),
    /// Drop what waits.
    Clear,
}

/// Reads a message for the stream with this SID.
///
/// # Errors
/// 31950 for audio that is not base64, 31951 for everything else that does not conform.
pub(super) fn read<'a>(text: &'a str, stream: &str) -> Result<Heard<'a>, (Code, String)> {
    let bad = |sentence: String| (Code::STREAM_MESSAGE, sentence);
    let Object(raw): Object<Raw<'_>> = serde_json::from_str(text)
        .map_err(|error| bad(format!("a message does not conform: {error}")))?;
    if raw.stream != stream {
        return Err(bad("a message has another streamSid than that of `start`".to_owned()));
    }
    match (raw.event.as_ref(), raw.media, raw.mark) {
        ("media", Some(Object(media)), None) => {
            let audio = STANDARD.decode(media.payload.as_bytes()).map_err(|error| {
                (Code::STREAM_UNDECODABLE, format!("a media.payload is not base64: {error}"))
            })?;
            Ok(Heard::Media(audio))
        }
        ("mark", None, Some(Object(mark))) => Ok(Heard::Mark(mark.name)),
        ("clear", None, None) => Ok(Heard::Clear),
        ("media" | "mark" | "clear", _, _) => {
            Err(bad("a message lacks the field of its event, or has that of another".to_owned()))
        }
        (event, _, _) => {
            let event: String = event.chars().take(40).collect();
            Err(bad(format!("a message has the unknown event `{event}`")))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, rename = "streamSid")]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    media: Option<Object<RawMedia<'a>>>,
    #[serde(borrow, default)]
    mark: Option<Object<RawMark<'a>>>,
}

/// A value that is a JSON object in the text. Serde reads a struct from an array of its values too, which no message is.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
    }
}

struct ObjectVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMedia<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMark<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

const FRAME_MS: u64 = 20;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::{AccountSid, CallSid, StreamSid};

    use super::*;

    fn opening() -> StreamOpening {
        StreamOpening {
            stream: StreamSid(7),
            account: AccountSid(1),
            call: CallSid(2),
            tracks: TapTracks::Inbound,
            is_two_way: true,
            parameters: vec![("a \"b\"".to_owned(), "c\nd".to_owned())],
            relay: None,
        }
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn every_message_has_the_fields_of_the_contract() {
        let opening = opening();
        let mut writer = Writer::new(&opening);
        let sid = opening.stream.to_string();
        let (account, call) = (opening.account.to_string(), opening.call.to_string());
        let connected = json!({"event": "connected", "protocol": "Call", "version": "1.0.0"});
        assert_eq!(value(Writer::connected()), connected);
        let start = value(writer.start(&opening));
        let format = json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1});
        let wanted = json!({
            "event": "start", "sequenceNumber": "1", "streamSid": sid,
            "start": {
                "accountSid": account, "streamSid": sid, "callSid": call, "tracks": ["inbound"],
                "mediaFormat": format, "customParameters": {"a \"b\"": "c\nd"},
            },
        });
        assert_eq!(start, wanted);
        let media = value(writer.media(Track::Inbound, &[0xFF; 160]));
        let payload = "/".repeat(212) + "//8=";
        let wanted = json!({
            "event": "media", "sequenceNumber": "2", "streamSid": sid,
            "media": {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": payload},
        });
        assert_eq!(media["media"]["payload"].as_str().expect("text").len(), 216);
        assert_eq!(media["media"]["track"], wanted["media"]["track"]);
        assert_eq!(media["media"]["timestamp"], "20");
        assert_eq!(media["sequenceNumber"], "2");
        let outbound = value(writer.media(Track::Outbound, &[1; 160]));
        assert_eq!(
            (&outbound["media"]["chunk"], &outbound["sequenceNumber"]),
            (&json!("1"), &json!("3"))
        );
        let digit = json!({
            "event": "dtmf", "sequenceNumber": "4", "streamSid": sid,
            "dtmf": {"track": "inbound_track", "digit": "#"},
        });
        assert_eq!(value(writer.digit(b'#')), digit);
        let mark = json!({
            "event": "mark", "sequenceNumber": "5", "streamSid": sid, "mark": {"name": "x\"y"},
        });
        assert_eq!(value(writer.mark("x\"y")), mark);
        let stop = json!({
            "event": "stop", "sequenceNumber": "6", "streamSid": sid,
            "stop": {"accountSid": account, "callSid": call},
        });
        assert_eq!(value(writer.stop(&opening)), stop);
    }

    #[test]
    fn messages_of_the_application_are_read() {
        let read = |text: &str| read(text, "MZ1").map(|heard| format!("{heard:?}"));
        let media = r#"{"event":"media","streamSid":"MZ1","media":{"payload":"AQI="}}"#;
        assert_eq!(read(media), Ok("Media([1, 2])".to_owned()));
        let mark = r#"{ "streamSid" : "MZ1", "mark": {"name": "a\u0062"}, "event": "mark" }"#;
        assert_eq!(read(mark), Ok("Mark(\"ab\")".to_owned()));
        let clear = r#"{"event":"clear","streamSid":"MZ1"}"#;
        assert_eq!(read(clear), Ok("Clear".to_owned()));
    }

    #[test]
    fn messages_that_do_not_conform_have_their_code() {
        let code = |text: &str| read(text, "MZ1").expect_err("refused").0;
        for text in [
            "",
            "{",
            "[]",
            r#"{"event":"clear"}"#,
            r#"{"event":"clear","streamSid":"MZ2"}"#,
            r#"{"event":"hello","streamSid":"MZ1"}"#,
            r#"{"event":"media","streamSid":"MZ1"}"#,
            r#"{"event":"media","streamSid":"MZ1","mark":{"name":"a"}}"#,
            r#"{"event":"clear","streamSid":"MZ1","extra":1}"#,
            r#"{"event":"mark","streamSid":"MZ1","mark":{"name":1}}"#,
            r#"["clear","MZ1"]"#,
            r#"{"event":"media","streamSid":"MZ1","media":["AQI="]}"#,
            r#"{"event":"mark","streamSid":"MZ1","mark":["a"]}"#,
        ] {
            assert_eq!(code(text), Code::STREAM_MESSAGE, "{text}");
        }
        let base64 = r#"{"event":"media","streamSid":"MZ1","media":{"payload":"A*"}}"#;
        assert_eq!(code(base64), Code::STREAM_UNDECODABLE);
    }
}
