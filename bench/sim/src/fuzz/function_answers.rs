//! What a worker of functions sends: the gateway takes none of it on trust, because the worker runs foreign code in an engine
//! written in C.

use functions::message::{LENGTHS_BYTES, UP_BODY_BYTES_MAX, Up, frame, lengths, message};

/// A stream of frames. Lengths within their bounds, and a message that is written again reads back.
pub fn check(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((start, after)) = rest.split_first_chunk::<LENGTHS_BYTES>() {
        let Ok((head, body)) = lengths(*start, UP_BODY_BYTES_MAX) else { return };
        assert!(body <= UP_BODY_BYTES_MAX);
        // The reader waits for more; here there is none.
        let (Some(text), Some(next)) = (after.get(..head), after.get(head + body..)) else {
            return;
        };
        let Ok(read) = message::<Up>(text) else { return };
        let again = frame(&read, &after[head..head + body]);
        let (start, whole) = again.split_first_chunk::<LENGTHS_BYTES>().expect("a frame");
        let (head, body) = lengths(*start, UP_BODY_BYTES_MAX).expect("no longer than it was read");
        assert_eq!(whole.len(), head + body);
        assert_eq!(message::<Up>(&whole[..head]), Ok(read));
        rest = next;
    }
}

/// Parts of messages.
pub const WORDS: &[&str] = &[
    "{\"kind\":\"answer\",\"id\":1,\"status\":200,\"headers\":[],\"failure\":null}",
    "\"kind\":\"fetch\"",
    "\"kind\":\"log\"",
    "\"kind\":\"read\"",
    "\"level\":\"error\"",
    "[\"a\",\"b\"]",
    "18446744073709551615",
    "65536",
    "-1",
    "1e999",
    "\\u0000",
    "\\ud800",
    "null",
    "\u{0}\u{0}\u{0}\u{0}",
];
