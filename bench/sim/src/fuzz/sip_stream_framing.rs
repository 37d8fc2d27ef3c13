//! SIP over connections: the frames are equal, whatever pieces the bytes arrive in.

use shared::Instant;
use shared::limits::SIP_MESSAGE_BYTES_MAX;
use sip::message::ParseError;
use sip::{Frame, Framer};

/// Result of a stream: its frames and errors, in order.
pub type Frames = Vec<Result<Frame, ParseError>>;

/// The first two bytes say the sizes of the pieces, the rest is the stream.
pub fn check(bytes: &[u8]) {
    let (sizes, stream) = bytes.split_at_checked(2).unwrap_or((&[], bytes));
    let whole = frames(stream, &[u8::MAX]);
    assert_eq!(frames(stream, sizes), whole, "in pieces of {sizes:?}");
    assert_eq!(frames(stream, &[1]), whole, "byte by byte");
    let is_fatal = |frame: &Result<Frame, ParseError>| {
        frame.as_ref().is_err_and(|error| !matches!(error.status, 413 | 513))
    };
    let failed = whole.iter().position(is_fatal);
    assert!(
        failed.is_none_or(|at| at + 1 == whole.len()),
        "a frame after a broken rule of framing"
    );
}

/// Feeds a stream in pieces of the given sizes, over and over; 255 is all there is.
pub fn frames(stream: &[u8], sizes: &[u8]) -> Frames {
    let mut framer = Framer::new(Instant::ZERO);
    let mut sizes = sizes.iter().cycle();
    let mut frames = Frames::new();
    let mut rest = stream;
    while !rest.is_empty() && !framer.is_broken() {
        let size = match sizes.next() {
            None | Some(&u8::MAX) => rest.len(),
            Some(&size) => usize::from(size).clamp(1, rest.len()),
        };
        let taken = framer.feed(Instant::ZERO, rest.get(..size).unwrap_or(rest));
        assert!(taken > 0, "there is room after every frame was taken");
        rest = rest.get(taken..).unwrap_or_default();
        while let Some(frame) = framer.next_frame() {
            check_frame(&frame);
            frames.push(frame);
        }
    }
    frames
}

fn check_frame(frame: &Result<Frame, ParseError>) {
    if let Ok(Frame::Message(message)) = frame {
        assert!(message.len() <= SIP_MESSAGE_BYTES_MAX);
        super::sip_message::check(message);
    }
}

/// What ends a head and says the length of a body.
pub const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\n\n",
    "\n\r\n",
    "\r",
    "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\nl: 0\r\n\r\n",
    "Content-Length: 5\r\n",
    "Content-Length : 5\r\n",
    "l:\r\n 3\r\n",
    "L: +1\r\n",
    "l: 1,1\r\n",
    "l: 49153\r\n",
    "l: 65537\r\n",
    "Via: SIP/2.0/TCP a.b\r\n",
    "SIP/2.0 200 OK\r\n",
    "\r\n\r\n\r\n\r\n",
];
