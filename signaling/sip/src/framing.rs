//! Cuts a connection's bytes into messages by `Content-Length` (RFC 3261 §18.3). Sans-IO, memory
//! bounded.
//!
//! The frames do not depend on the pieces in which bytes arrive. A message that is merely too long
//! is one error; its body is skipped, and the next message follows. A broken rule of framing ends
//! the reading: the last frame is an error that says what to answer.

use std::time::Duration;

use shared::Instant;
use shared::limits::{
    SIP_CONNECTION_BODY_MS, SIP_CONNECTION_DRAIN_BYTES_MAX, SIP_CONNECTION_FIRST_MESSAGE_MS,
    SIP_CONNECTION_HEADERS_MS, SIP_HEADERS_BYTES_MAX, SIP_MESSAGE_BYTES_MAX,
    SIP_START_LINE_BYTES_MAX,
};

use crate::message::{ParseError, refuse_head, refuse_length, stream_body_length};

/// One element of a connection's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The bytes of one whole message, for [`crate::Message::parse`].
    Message(Vec<u8>),
    /// A double CRLF between messages: answered by one CRLF (RFC 5626 §4.4.1).
    Ping,
    /// A single CRLF between messages: the answer to our ping. Certain, and reported, only when the
    /// next message begins.
    Pong,
}

/// The received bytes of one TCP or TLS connection.
///
/// Feed, then call [`Framer::next_frame`] until `None`, then feed the rest. Once
/// [`Framer::is_broken`], close the connection as soon as all earlier requests have their answers,
/// and at once when [`Framer::is_exhausted`].
#[derive(Debug)]
pub struct Framer {
    /// Bytes not yet given out, from `start` on.
    buffer: Vec<u8>,
    start: usize,
    state: State,
    /// When the first whole message must have come; `None` once it has.
    first_message_by: Option<Instant>,
    /// When bytes came last.
    fed_at: Instant,
}

#[derive(Debug)]
enum State {
    /// Between messages, after 0 or 1 line breaks.
    Between { line_breaks: u8 },
    /// In the start line and headers; the first `scanned` bytes do not hold their end.
    Head { scanned: usize, by: Instant },
    /// The headers are whole, the message has `total` bytes.
    Body { total: usize, by: Instant },
    /// In the body of a message that was refused for its length: `left` bytes are still to be
    /// skipped.
    Skipping { left: usize, by: Instant },
    /// An error that ends the reading, and that is not reported yet.
    Failed { error: Box<ParseError> },
    /// The error was reported. `drain` more bytes are read and dropped, so that the peer does not
    /// see its connection reset before it has read our answer.
    Broken { drain: usize },
}

impl Framer {
    /// A framer for a connection that a peer opened now.
    pub fn new(now: Instant) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            state: State::Between { line_breaks: 0 },
            first_message_by: Some(now + Duration::from_millis(SIP_CONNECTION_FIRST_MESSAGE_MS)),
            fed_at: now,
        }
    }

    /// A framer for a connection that we opened: no deadline for a first message, since the peer
    /// only answers.
    pub fn answering(now: Instant) -> Self {
        Self { first_message_by: None, ..Self::new(now) }
    }

    /// Takes bytes as far as there is room and returns how many. Feed the rest after
    /// [`Framer::next_frame`] returned `None`: it takes at least one byte then.
    pub fn feed(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.fed_at = now;
        if let State::Broken { drain } = &mut self.state {
            *drain = drain.saturating_sub(bytes.len());
            return bytes.len();
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let room = SIP_MESSAGE_BYTES_MAX.saturating_sub(self.buffer.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        taken.len()
    }

    /// The next whole frame, or the next error. Frames may follow the error unless
    /// [`Framer::is_broken`].
    ///
    /// # Errors
    /// A message that is too long, or a broken rule of framing; [`ParseError::answer`] says what goes
    /// back.
    pub fn next_frame(&mut self) -> Option<Result<Frame, ParseError>> {
        loop {
            match self.step() {
                Step::Again => {}
                Step::Frame(frame) => return Some(Ok(frame)),
                Step::Failed(error) => return Some(Err(*error)),
                Step::NeedsMore => {
                    self.release_room();
                    return None;
                }
            }
        }
    }

    /// Bytes held for a message that is not complete.
    pub fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether the reading has ended: a rule of framing was broken, or a deadline passed.
    pub const fn is_broken(&self) -> bool {
        matches!(self.state, State::Failed { .. } | State::Broken { .. })
    }

    /// Whether a broken connection brought more bytes than are read and dropped.
    pub const fn is_exhausted(&self) -> bool {
        matches!(self.state, State::Broken { drain: 0 })
    }

    /// When [`Framer::handle_timeout`] is due, and for what.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let first = self.first_message_by.map(|by| (by, "sip_stream_first_message"));
        let part = match &self.state {
            State::Between { .. } => None,
            State::Head { by, .. } => Some((*by, "sip_stream_headers")),
            State::Body { by, .. } | State::Skipping { by, .. } => Some((*by, "sip_stream_body")),
            State::Failed { .. } | State::Broken { .. } => return None,
        };
        shared::time::soonest(first, part)
    }

    /// Ends the reading when a deadline has passed. [`Framer::next_frame`] returns the error, which
    /// is not answered.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, rule)) = self.poll_timeout().filter(|(by, _)| *by <= now) {
            let sentence = "the stream did not bring a whole message in time";
            self.fail(ParseError::new(rule, 408, sentence));
        }
    }

    fn step(&mut self) -> Step {
        match &mut self.state {
            State::Between { line_breaks } => {
                let line_breaks = *line_breaks;
                self.step_between(line_breaks)
            }
            State::Head { scanned, by } => {
                let (scanned, by) = (*scanned, *by);
                self.step_head(scanned, by)
            }
            State::Body { total, .. } => {
                let total = *total;
                self.step_body(total)
            }
            State::Skipping { left, by } => {
                let (left, by) = (*left, *by);
                self.step_skipping(left, by)
            }
            State::Failed { error } => {
                let error = error.clone();
                self.state = State::Broken { drain: SIP_CONNECTION_DRAIN_BYTES_MAX };
                Step::Failed(error)
            }
            State::Broken { .. } => Step::NeedsMore,
        }
    }

    /// Counts line breaks, by their LF: a pair is a ping.
    fn step_between(&mut self, line_breaks: u8) -> Step {
        match self.pending().first().copied() {
            None => Step::NeedsMore,
            Some(b'\r') => {
                self.start += 1;
                Step::Again
            }
            Some(b'\n') => {
                self.start += 1;
                self.state = State::Between { line_breaks: 1 - line_breaks.min(1) };
                if line_breaks == 0 { Step::Again } else { Step::Frame(Frame::Ping) }
            }
            Some(_) => {
                let by = self.fed_at + Duration::from_millis(SIP_CONNECTION_HEADERS_MS);
                self.state = State::Head { scanned: 0, by };
                if line_breaks == 0 { Step::Again } else { Step::Frame(Frame::Pong) }
            }
        }
    }

    fn step_head(&mut self, scanned: usize, by: Instant) -> Step {
        let pending = self.pending();
        let end = end_of_head(pending, scanned);
        let len = end.unwrap_or(pending.len());
        if let Some(cut) = pending.get(..HEAD_BYTES_MAX).filter(|_| len > HEAD_BYTES_MAX) {
            let sentence = "the header section is too long";
            let error = refuse_head(cut, "sip_headers_size", 400, sentence);
            return self.fail(error);
        }
        let Some(head) = end.and_then(|end| pending.get(..end)) else {
            let scanned = pending.len().saturating_sub(HEAD_END_BYTES_MAX);
            self.state = State::Head { scanned, by };
            return Step::NeedsMore;
        };
        let length = match body_length(head) {
            Ok(length) => length,
            Err(error) => return self.fail(error),
        };
        let (head_bytes, refusal) = (head.len(), refuse_length(head, length));
        let by = self.fed_at + Duration::from_millis(SIP_CONNECTION_BODY_MS);
        match refusal {
            None => self.state = State::Body { total: head_bytes + length, by },
            Some(error) if length > SIP_CONNECTION_DRAIN_BYTES_MAX => return self.fail(error),
            Some(error) => {
                self.start += head_bytes;
                self.state = State::Skipping { left: length, by };
                return Step::Failed(Box::new(error));
            }
        }
        Step::Again
    }

    fn step_skipping(&mut self, left: usize, by: Instant) -> Step {
        let skipped = left.min(self.pending().len());
        self.start += skipped;
        if skipped < left {
            self.state = State::Skipping { left: left - skipped, by };
            return Step::NeedsMore;
        }
        self.state = State::Between { line_breaks: 0 };
        Step::Again
    }

    fn step_body(&mut self, total: usize) -> Step {
        let Some(message) = self.pending().get(..total) else {
            return Step::NeedsMore;
        };
        let message = message.to_vec();
        self.start += total;
        self.first_message_by = None;
        self.state = State::Between { line_breaks: 0 };
        Step::Frame(Frame::Message(message))
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn fail(&mut self, error: ParseError) -> Step {
        self.buffer = Vec::new();
        self.start = 0;
        self.state = State::Failed { error: Box::new(error) };
        Step::Again
    }

    /// An idle connection holds no buffer: there may be 20,000 of them.
    fn release_room(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer = Vec::new();
            self.start = 0;
        }
    }
}

enum Step {
    Again,
    Frame(Frame),
    Failed(Box<ParseError>),
    NeedsMore,
}

/// Index behind the empty line that ends the headers; the first `scanned` bytes hold none.
fn end_of_head(bytes: &[u8], scanned: usize) -> Option<usize> {
    let tail = bytes.get(scanned..)?;
    memchr::memchr_iter(b'\n', tail).find_map(|at| {
        let behind = scanned + at + 1;
        match bytes.get(behind..)? {
            [b'\n', ..] => Some(behind + 1),
            [b'\r', b'\n', ..] => Some(behind + 2),
            _ => None,
        }
    })
}

/// Length of the body behind a whole head whose parts are within their limits.
fn body_length(head: &[u8]) -> Result<usize, ParseError> {
    let line = memchr::memchr(b'\n', head).unwrap_or(head.len());
    if line > SIP_START_LINE_BYTES_MAX {
        let sentence = "the start line is too long";
        return Err(refuse_head(head, "sip_start_line_size", 414, sentence));
    }
    stream_body_length(head)
}

/// Length of `LF CR LF`, the longest end of the headers: it may begin that many bytes before the
/// end of the buffer.
const HEAD_END_BYTES_MAX: usize = 3;

/// Most bytes of start line and headers. Past it their end is no longer awaited.
const HEAD_BYTES_MAX: usize = SIP_START_LINE_BYTES_MAX + SIP_HEADERS_BYTES_MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::limits::SIP_BODY_BYTES_MAX;

    use super::*;

    fn message(body: &str) -> Vec<u8> {
        let length = body.len();
        format!("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b;branch=z9hG4bKx\r\nl: {length}\r\n\r\n{body}")
            .into_bytes()
    }

    type Frames = Vec<Result<Frame, ParseError>>;

    /// Feeds in pieces of the given sizes, over and over.
    fn frames(stream: &[u8], sizes: &[usize]) -> Frames {
        let mut framer = Framer::new(Instant::ZERO);
        let mut sizes = sizes.iter().copied().cycle();
        let mut frames = Vec::new();
        let mut rest = stream;
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
            let taken = framer.feed(Instant::ZERO, &rest[..size]);
            assert!(taken > 0, "there is room after every frame was taken");
            assert!(framer.buffer.len() <= SIP_MESSAGE_BYTES_MAX);
            rest = &rest[taken..];
            while let Some(frame) = framer.next_frame() {
                frames.push(frame);
            }
        }
        frames
    }

    fn one_error(stream: &[u8]) -> ParseError {
        let mut frames = frames(stream, &[stream.len()]);
        assert_eq!(frames.len(), 1);
        frames.remove(0).unwrap_err()
    }

    #[test]
    fn messages_pings_and_pongs_are_distinguished() {
        let mut stream = b"\r\n\r\n".to_vec();
        stream.extend(message("abc"));
        stream.extend(b"\r\n");
        stream.extend(message(""));
        stream.extend(b"\r\n\r\n\r\n");
        let wanted: Frames = vec![
            Ok(Frame::Ping),
            Ok(Frame::Message(message("abc"))),
            Ok(Frame::Pong),
            Ok(Frame::Message(message(""))),
            Ok(Frame::Ping),
        ];
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(frames(&stream, &[size]), wanted);
        }
    }

    #[test]
    fn a_stream_needs_one_certain_content_length() {
        let none = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\n\r\n";
        let two = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\nl: 1\r\nl: 2\r\n\r\nxx";
        for stream in [&none[..], &two[..]] {
            let error = one_error(stream);
            assert_eq!((error.rule, error.status), ("sip_content_length", 400));
            assert!(error.answerable.is_some());
        }
    }

    #[test]
    fn a_content_length_that_cannot_be_read_is_not_passed_over_for_another() {
        let many_lines = format!("l: 0\r\n{}l: 1\r\n", "X: y\r\n".repeat(300));
        let heads =
            ["l: 5\r\x01\r\nl: 0\r\n", "\rl: 1\r\nl: 0\r\n", "X: a\rl: 1\r\nl: 0\r\n", &many_lines];
        for headers in heads {
            let stream =
                format!("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\n{headers}\r\n");
            let error = one_error(stream.as_bytes());
            assert_eq!((error.rule, error.status), ("sip_content_length", 400), "{headers}");
        }
        let folded =
            b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\nX: a\r\n l: 5\r\nl:\r\n 0\r\n\r\n";
        assert_eq!(frames(folded, &[9]), [Ok(Frame::Message(folded.to_vec()))]);
    }

    fn with_length(length: usize) -> Vec<u8> {
        format!("MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\nl: {length}\r\n\r\n")
            .into_bytes()
    }

    #[test]
    fn a_body_that_is_too_long_is_read_past_and_the_next_message_comes() {
        let mut stream = with_length(SIP_BODY_BYTES_MAX + 1);
        stream.extend(vec![b'x'; SIP_BODY_BYTES_MAX + 1]);
        stream.extend(message("abc"));
        for size in [1, 1_000, usize::MAX] {
            let frames = frames(&stream, &[size]);
            let [Err(error), Ok(Frame::Message(next))] = frames.as_slice() else {
                panic!("{frames:?}")
            };
            assert_eq!((error.status, next), (413, &message("abc")));
        }
    }

    #[test]
    fn a_message_that_is_too_long_in_all_is_513_and_read_past() {
        let fill = format!("X: {}\r\n", "y".repeat(1_000)).repeat(20);
        let head = String::from_utf8(with_length(SIP_BODY_BYTES_MAX)).unwrap();
        let mut stream = head.replacen("l: ", &format!("{fill}l: "), 1).into_bytes();
        stream.extend(vec![b'x'; SIP_BODY_BYTES_MAX]);
        stream.extend(message(""));
        let frames = frames(&stream, &[700]);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].as_ref().unwrap_err().status, 513);
    }

    #[test]
    fn a_body_past_what_is_skipped_breaks_the_stream_until_it_is_exhausted() {
        let mut framer = Framer::new(Instant::ZERO);
        framer.feed(Instant::ZERO, &with_length(SIP_CONNECTION_DRAIN_BYTES_MAX + 1));
        assert_eq!(framer.next_frame().unwrap().unwrap_err().status, 413);
        assert!(framer.is_broken() && !framer.is_exhausted());
        framer.feed(Instant::ZERO, &vec![0; SIP_CONNECTION_DRAIN_BYTES_MAX]);
        assert_eq!(framer.next_frame(), None);
        assert!(framer.is_exhausted());
    }

    #[test]
    fn a_length_past_all_numbers_is_a_body_too_long() {
        let head =
            b"MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\nl: 99999999999999999999\r\n\r\n";
        assert_eq!(one_error(head).status, 413);
    }

    #[test]
    fn a_refused_body_that_does_not_come_is_not_waited_for() {
        let mut framer = Framer::new(Instant::ZERO);
        framer.feed(Instant::ZERO, &with_length(SIP_BODY_BYTES_MAX + 1));
        assert!(framer.next_frame().is_some());
        assert!(!framer.is_broken());
        let (by, _) = framer.poll_timeout().unwrap();
        framer.handle_timeout(by);
        assert!(framer.is_broken());
    }

    #[test]
    fn an_endless_head_is_refused_at_the_limit() {
        let mut stream = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\n".to_vec();
        stream.extend(b"X: y\r\n".repeat(HEAD_BYTES_MAX / 6));
        let error = one_error(&stream);
        assert_eq!((error.rule, error.status), ("sip_headers_size", 400));
        assert!(error.answerable.is_some());
        let no_line = one_error(&vec![b'a'; HEAD_BYTES_MAX + 1]);
        assert_eq!((no_line.rule, no_line.answerable), ("sip_headers_size", None));
    }

    #[test]
    fn a_long_start_line_is_414() {
        let uri = "a".repeat(SIP_START_LINE_BYTES_MAX);
        let stream = format!("OPTIONS sip:{uri} SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\nl: 0\r\n\r\n");
        let error = one_error(stream.as_bytes());
        assert_eq!((error.status, error.answerable.is_some()), (414, true));
    }

    #[test]
    fn each_part_has_its_deadline_and_only_the_first_message_one_of_its_own() {
        let at = Instant::from_millis;
        let mut framer = Framer::new(at(0));
        assert_eq!(framer.poll_timeout(), Some((at(10_000), "sip_stream_first_message")));
        let bytes = message("abc");
        framer.feed(at(1_000), &bytes);
        assert!(framer.next_frame().is_some());
        assert_eq!(framer.poll_timeout(), None);
        framer.feed(at(20_000), &bytes[..9]);
        assert_eq!(framer.next_frame(), None);
        assert_eq!(framer.poll_timeout(), Some((at(30_000), "sip_stream_headers")));
        framer.feed(at(25_000), &bytes[9..bytes.len() - 1]);
        assert_eq!(framer.next_frame(), None);
        assert_eq!(framer.poll_timeout(), Some((at(35_000), "sip_stream_body")));
        framer.handle_timeout(at(34_999));
        assert_eq!(framer.next_frame(), None);
        framer.handle_timeout(at(35_000));
        let error = framer.next_frame().unwrap().unwrap_err();
        assert_eq!((error.rule, error.answerable), ("sip_stream_body", None));
        assert!(framer.is_broken());
    }

    #[test]
    fn an_idle_stream_holds_no_buffer() {
        let mut framer = Framer::new(Instant::ZERO);
        framer.feed(Instant::ZERO, &message("abc"));
        while framer.next_frame().is_some() {}
        assert_eq!(framer.buffer.capacity(), 0);
    }

    /// A second, simple reader of the same format to compare with.
    fn simple_frames(mut stream: &[u8]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            while let Some(rest) = stream.strip_prefix(b"\r\n") {
                stream = rest;
            }
            let Some(head) = stream.windows(4).position(|four| four == b"\r\n\r\n") else {
                return out;
            };
            let text = String::from_utf8_lossy(&stream[..head]).into_owned();
            let length = text.split("\r\n").find_map(|line| line.strip_prefix("l: ")).unwrap();
            let total = head + 4 + length.parse::<usize>().unwrap();
            let Some(frame) = stream.get(..total) else {
                return out;
            };
            out.push(frame.to_vec());
            stream = &stream[total..];
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_chunking_gives_the_same_frames(
            bodies in prop::collection::vec("[a-z\r\n]{0,40}", 0..6),
            breaks in prop::collection::vec(0_usize..4, 6),
            sizes in prop::collection::vec(1_usize..200, 1..8),
            cut in 0_usize..400,
        ) {
            let mut stream = Vec::new();
            for (body, breaks) in bodies.iter().zip(&breaks) {
                stream.extend(b"\r\n".repeat(*breaks));
                stream.extend(message(body));
            }
            stream.truncate(stream.len().saturating_sub(cut));
            let whole = frames(&stream, &[usize::MAX]);
            prop_assert_eq!(&frames(&stream, &sizes), &whole);
            prop_assert_eq!(&frames(&stream, &[1]), &whole);
            let messages = whole.into_iter().filter_map(|frame| match frame {
                Ok(Frame::Message(bytes)) => Some(bytes),
                _ => None,
            });
            prop_assert_eq!(messages.collect::<Vec<_>>(), simple_frames(&stream));
        }

        #[test]
        fn any_bytes_in_any_pieces_end_the_same(
            stream in prop::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b'l'), Just(b'1'), any::<u8>()],
                0..300,
            ),
            sizes in prop::collection::vec(1_usize..50, 1..5),
        ) {
            prop_assert_eq!(frames(&stream, &sizes), frames(&stream, &[usize::MAX]));
        }
    }
}
