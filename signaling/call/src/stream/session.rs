//! The machine of one open stream. Sans-IO.
//!
//! The shell opens the socket and calls [`StreamSession::begin`]; from then on the application's messages are
//! read. Frames of the tap come every 20 ms and do three things: they bring the party's audio, tell how much of
//! the application's audio has passed, and so pace what is written to the core. The end is the shell's:
//! [`StreamSession::stop`] says good-bye, and the socket is closed.

use shared::{Code, FRAME_SAMPLES};

use super::message::{self, Heard, Track, Writer};
use super::opening::StreamOpening;
use super::playout::{Full, Playout};
use super::port::StreamPort;

/// One open stream.
#[derive(Debug)]
pub struct StreamSession {
    opening: StreamOpening,
    sid: String,
    writer: Writer,
    playout: Playout,
    warned: Vec<Code>,
    /// Index of the next frame of the tap.
    next_index: u32,
}

impl StreamSession {
    /// A session that has said nothing yet.
    pub fn new(opening: StreamOpening) -> Self {
        Self {
            sid: opening.stream.to_string(),
            writer: Writer::new(&opening),
            playout: Playout::default(),
            warned: Vec::new(),
            next_index: 0,
            opening,
        }
    }

    /// The socket is open: the first two messages.
    pub fn begin(&mut self, port: &mut impl StreamPort) {
        port.send(Writer::connected());
        port.send(self.writer.start(&self.opening));
    }

    /// 20 ms of the tracks in mu-law, and the number of the feed's frames that have passed. Frames that are missing
    /// before this one (a gap in `index`) are silence, so that the application's clock goes on.
    pub fn frame(
        &mut self,
        index: u32,
        inbound: Option<&[u8; FRAME_SAMPLES]>,
        outbound: Option<&[u8; FRAME_SAMPLES]>,
        feed_passed: u32,
        port: &mut impl StreamPort,
    ) {
        let missing = index.saturating_sub(self.next_index).min(MISSING_MAX);
        for _ in 0..missing {
            let silence = Some(&[SILENCE; FRAME_SAMPLES]);
            self.media(inbound.and(silence), outbound.and(silence), port);
        }
        self.next_index = index.wrapping_add(1);
        self.playout.passed(feed_passed);
        self.return_marks(port);
        self.media(inbound, outbound, port);
        self.playout.pour(port);
    }

    /// The party pressed a key. A one-way stream does not hear of it.
    pub fn digit(&mut self, digit: u8, port: &mut impl StreamPort) {
        if self.opening.is_two_way {
            port.send(self.writer.digit(digit));
        }
    }

    /// A text message of the application.
    pub fn text(&mut self, text: &str, port: &mut impl StreamPort) {
        if !self.opening.is_two_way {
            return;
        }
        match message::read(text, &self.sid) {
            Ok(Heard::Media(audio)) => {
                if self.playout.push(&audio, port.room()) == Err(Full) {
                    let sentence = "more audio waits than may: 10 minutes a stream, and \
                                    streams.buffer for all; what did not fit is lost";
                    self.warn(Code::STREAM_PLAYOUT_FULL, sentence, port);
                }
                self.playout.pour(port);
            }
            Ok(Heard::Mark(name)) if name.len() > MARK_BYTES_MAX => {
                self.warn(Code::STREAM_MESSAGE, "a mark's name is longer than 1,024 bytes", port);
            }
            Ok(Heard::Mark(name)) => {
                let name = name.into_owned();
                if port.room() < name.len() || self.playout.mark(name) == Err(Full) {
                    let sentence = "more marks wait than may (4,096 a stream): one is lost";
                    self.warn(Code::STREAM_PLAYOUT_FULL, sentence, port);
                }
                self.return_marks(port);
            }
            Ok(Heard::Clear) => {
                self.playout.clear();
                self.playout.pour(port);
                self.return_marks(port);
            }
            Err((code, sentence)) => self.warn(code, &sentence, port),
        }
    }

    /// A binary message of the application, which no stream takes.
    pub fn binary(&mut self, port: &mut impl StreamPort) {
        if self.opening.is_two_way {
            self.warn(Code::STREAM_UNDECODABLE, "a message is binary: streams take text", port);
        }
    }

    /// The last message.
    pub fn stop(&mut self, port: &mut impl StreamPort) {
        port.send(self.writer.stop(&self.opening));
    }

    /// Bytes of memory that audio and marks of the application take.
    pub fn held(&self) -> usize {
        self.playout.held()
    }

    /// What `start` tells.
    pub const fn opening(&self) -> &StreamOpening {
        &self.opening
    }

    fn media(
        &mut self,
        inbound: Option<&[u8; FRAME_SAMPLES]>,
        outbound: Option<&[u8; FRAME_SAMPLES]>,
        port: &mut impl StreamPort,
    ) {
        for (track, samples) in [(Track::Inbound, inbound), (Track::Outbound, outbound)] {
            if let Some(samples) = samples {
                port.send(self.writer.media(track, samples));
            }
        }
    }

    fn return_marks(&mut self, port: &mut impl StreamPort) {
        while let Some(name) = self.playout.reached() {
            port.send(self.writer.mark(&name));
        }
    }

    fn warn(&mut self, code: Code, sentence: &str, port: &mut impl StreamPort) {
        if !self.warned.contains(&code) {
            self.warned.push(code);
            port.warn(code, sentence.to_owned());
        }
    }
}

/// Frames of a gap that are filled with silence: a minute.
const MISSING_MAX: u32 = 3_000;
/// Bytes of a mark's name.
const MARK_BYTES_MAX: usize = 1_024;
/// Mu-law silence.
const SILENCE: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use shared::media::TapTracks;
    use shared::{AccountSid, CallSid, FeedPart, StreamSid};

    use super::*;

    /// What a session did.
    #[derive(Default)]
    struct Seen {
        sent: Vec<Value>,
        played: Vec<FeedPart>,
        warned: Vec<Code>,
        is_feed_full: bool,
    }

    impl StreamPort for Seen {
        fn send(&mut self, message: &str) {
            self.sent.push(serde_json::from_str(message).expect("JSON"));
        }

        fn has_feed_room(&self) -> bool {
            !self.is_feed_full
        }

        fn play(&mut self, part: FeedPart) -> bool {
            if !self.is_feed_full {
                self.played.push(part);
            }
            !self.is_feed_full
        }

        fn room(&self) -> usize {
            usize::MAX
        }

        fn warn(&mut self, code: Code, _sentence: String) {
            self.warned.push(code);
        }
    }

    impl Seen {
        fn events(&self) -> Vec<&str> {
            self.sent.iter().map(|message| message["event"].as_str().expect("text")).collect()
        }
    }

    fn session(is_two_way: bool) -> (StreamSession, Seen) {
        let opening = StreamOpening {
            stream: StreamSid(7),
            account: AccountSid(1),
            call: CallSid(2),
            tracks: TapTracks::Inbound,
            is_two_way,
            parameters: Vec::new(),
            relay: None,
        };
        let (mut session, mut seen) = (StreamSession::new(opening), Seen::default());
        session.begin(&mut seen);
        (session, seen)
    }

    fn media(audio: &[u8]) -> String {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::STANDARD.encode(audio);
        let sid = StreamSid(7);
        format!(r#"{{"event":"media","streamSid":"{sid}","media":{{"payload":"{payload}"}}}}"#)
    }

    fn mark(name: &str) -> String {
        let sid = StreamSid(7);
        format!(r#"{{"event":"mark","streamSid":"{sid}","mark":{{"name":"{name}"}}}}"#)
    }

    fn clear() -> String {
        format!(r#"{{"event":"clear","streamSid":"{}"}}"#, StreamSid(7))
    }

    #[test]
    fn a_stream_says_connected_start_media_and_stop_with_numbers_in_order() {
        let (mut session, mut seen) = session(true);
        session.frame(0, Some(&[1; 160]), None, 0, &mut seen);
        session.digit(b'5', &mut seen);
        session.frame(1, Some(&[1; 160]), None, 0, &mut seen);
        session.stop(&mut seen);
        assert_eq!(seen.events(), ["connected", "start", "media", "dtmf", "media", "stop"]);
        let numbers: Vec<&str> =
            seen.sent[1..].iter().map(|sent| sent["sequenceNumber"].as_str().unwrap()).collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "5"]);
    }

    #[test]
    fn a_gap_in_the_tap_is_silence_and_the_time_goes_on_evenly() {
        let (mut session, mut seen) = session(false);
        session.frame(0, Some(&[1; 160]), None, 0, &mut seen);
        session.frame(3, Some(&[1; 160]), None, 0, &mut seen);
        let stamps: Vec<&str> = seen.sent[2..]
            .iter()
            .map(|sent| sent["media"]["timestamp"].as_str().unwrap())
            .collect();
        assert_eq!(stamps, ["20", "40", "60", "80"]);
    }

    #[test]
    fn audio_of_the_application_goes_down_at_once_and_marks_come_back_when_it_has_passed() {
        let (mut session, mut seen) = session(true);
        session.text(&media(&[9; 320]), &mut seen);
        session.text(&mark("m"), &mut seen);
        assert_eq!(seen.played, [FeedPart::Audio([9; 160]), FeedPart::Audio([9; 160])]);
        session.frame(0, Some(&[1; 160]), None, 1, &mut seen);
        assert!(!seen.events().contains(&"mark"));
        session.frame(1, Some(&[1; 160]), None, 2, &mut seen);
        assert_eq!(seen.events()[3..], ["mark", "media"]);
    }

    #[test]
    fn a_clear_that_finds_the_ring_full_is_not_lost_and_comes_before_newer_audio() {
        let (mut session, mut seen) = session(true);
        session.text(&media(&[9; 320]), &mut seen);
        seen.is_feed_full = true;
        session.text(&clear(), &mut seen);
        session.text(&media(&[8; 320]), &mut seen);
        seen.is_feed_full = false;
        session.frame(0, Some(&[1; 160]), None, 0, &mut seen);
        assert_eq!(seen.played[2..4], [FeedPart::Clear, FeedPart::Audio([8; 160])]);
    }

    #[test]
    fn a_one_way_stream_hears_nothing_of_the_application() {
        let (mut session, mut seen) = session(false);
        session.text(&media(&[9; 320]), &mut seen);
        session.text("rubbish", &mut seen);
        session.binary(&mut seen);
        session.digit(b'1', &mut seen);
        assert!(seen.played.is_empty() && seen.warned.is_empty());
        assert_eq!(seen.events(), ["connected", "start"]);
    }

    #[test]
    fn each_fault_is_told_once() {
        let (mut session, mut seen) = session(true);
        for _ in 0..3 {
            session.text("rubbish", &mut seen);
            session.binary(&mut seen);
        }
        assert_eq!(seen.warned, [Code::STREAM_MESSAGE, Code::STREAM_UNDECODABLE]);
    }
}
