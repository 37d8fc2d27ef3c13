//! What the machine of a socket acts on. Sans-IO.

use shared::{Code, FeedPart};

/// What a session acts on.
pub trait StreamPort {
    /// Sends one text message to the application. A message for which there is no room is lost and counted by the
    /// port.
    fn send(&mut self, message: &str);
    /// Whether the feed of the leg is open and its ring takes a part.
    fn has_feed_room(&self) -> bool;
    /// Gives a part to the feed of the leg; `false` where [`StreamPort::has_feed_room`] is.
    fn play(&mut self, part: FeedPart) -> bool;
    /// Bytes that the audio and marks of this stream may grow by, beside those of all others.
    fn room(&self) -> usize;
    /// Something is wrong that does not end the stream; once a code and stream.
    fn warn(&mut self, code: Code, sentence: String);
}
