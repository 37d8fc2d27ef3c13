//! What the application says, piece by piece, and how far the party has heard it. Sans-IO.
//!
//! ```text
//!   Waiting ──the piece before is made──> Making ──all its audio is there──> Made ──heard──> gone
//! ```
//!
//! A piece is a sentence or a file. One piece is made at a time, so that audio arrives in order, and none while ten
//! seconds wait to be heard: what an interruption throws away was mostly never made. Positions are bytes of the
//! session's audio, so the party's clock alone decides what has been heard.

use std::collections::VecDeque;

use super::terms::Interruptible;
use crate::webhook::WebUrl;

/// What a piece is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// A text, with the language that it is said in.
    Text { text: String, language: String },
    /// A file that is played this many times more.
    File { source: Box<WebUrl>, times: u32 },
}

#[derive(Debug)]
struct Piece {
    content: Content,
    interruptible: Interruptible,
    preemptible: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// Since this byte.
    Making(u64),
    /// From one byte to another.
    Made(u64, u64),
}

/// The queue of pieces.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pieces: VecDeque<Piece>,
    /// Bytes of the texts that wait.
    text_bytes: usize,
    /// Names the piece that is being made. Audio for an earlier number is thrown away.
    number: u64,
    /// What the party has heard of the answer that is being said, in words and in bytes of audio.
    heard: String,
    heard_bytes: u64,
}

/// What the party had heard when it interrupted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Interrupted {
    pub words: String,
    pub ms: u64,
}

impl Talk {
    /// Adds a piece behind the others; `false`: the queue would take more than a relay may.
    #[must_use]
    pub fn push(
        &mut self,
        content: Content,
        interruptible: Interruptible,
        preemptible: bool,
    ) -> bool {
        if self.pieces.is_empty() {
            (self.heard, self.heard_bytes) = (String::new(), 0);
        }
        let size = bytes(&content);
        if self.held() + size + size_of::<Piece>() > shared::limits::RELAY_TEXT_BYTES_MAX {
            return false;
        }
        self.text_bytes += size;
        let state = State::Waiting;
        self.pieces.push_back(Piece { content, interruptible, preemptible, state });
        true
    }

    /// The next piece to be made, with its number; `None` while another one is, or while `ahead_ms` of audio is
    /// enough. Its audio begins at `position`.
    pub fn make(&mut self, position: u64, ahead_ms: u64) -> Option<(u64, Content)> {
        let is_busy = self.pieces.iter().any(|piece| matches!(piece.state, State::Making(_)));
        if is_busy || ahead_ms > AHEAD_MS_MAX {
            return None;
        }
        let next = self.pieces.iter_mut().find(|piece| piece.state == State::Waiting)?;
        next.state = State::Making(position);
        self.number += 1;
        Some((self.number, next.content.clone()))
    }

    /// Whether audio of this number is still wanted.
    pub fn is_making(&self, number: u64) -> bool {
        number == self.number
            && self.pieces.iter().any(|piece| matches!(piece.state, State::Making(_)))
    }

    /// Whether a text is being made that begins at this byte, so that nothing of it is there yet.
    pub fn begins_text(&self, position: u64) -> bool {
        self.pieces.iter().any(|piece| {
            piece.state == State::Making(position) && matches!(piece.content, Content::Text { .. })
        })
    }

    /// The piece that was being made is complete, at this byte.
    pub fn made(&mut self, position: u64) {
        let made = |piece: &&mut Piece| matches!(piece.state, State::Making(_));
        let Some(piece) = self.pieces.iter_mut().find(made) else { return };
        let State::Making(begin) = piece.state else { return };
        match &mut piece.content {
            // Again, from a cache: ten minutes of one file need no memory.
            Content::File { times, .. } if *times > 1 && position > begin => {
                *times -= 1;
                piece.state = State::Waiting;
            }
            _ => piece.state = State::Made(begin, position),
        }
    }

    /// The party has heard everything before this byte.
    pub fn played(&mut self, position: u64) {
        while let Some(Piece { state: State::Made(begin, end), .. }) = self.pieces.front()
            && *end <= position
        {
            self.heard_bytes += end - begin;
            let Some(piece) = self.pieces.pop_front() else { break };
            self.text_bytes -= bytes(&piece.content);
            if let Content::Text { text, .. } = piece.content {
                self.heard.push_str(&text);
            }
        }
    }

    /// What may end the piece that the party hears; `None` where it hears none.
    pub fn interruptible(&self) -> Option<Interruptible> {
        self.pieces.front().map(|piece| piece.interruptible)
    }

    /// Drops all pieces, and returns the words that the party has heard: those of whole pieces, and of the piece that plays
    /// the words in proportion to its audio that has played.
    pub fn interrupt(&mut self, position: u64) -> Interrupted {
        let mut words = std::mem::take(&mut self.heard);
        let mut bytes = self.heard_bytes;
        if let Some(piece) = self.pieces.front() {
            let (begin, end) = match piece.state {
                State::Waiting => (position, None),
                State::Making(begin) => (begin, None),
                State::Made(begin, end) => (begin, Some(end)),
            };
            let heard = position.saturating_sub(begin);
            bytes += heard;
            if let Content::Text { text, .. } = &piece.content {
                let characters = text.chars().count() as u64;
                let whole = end.map_or(characters * BYTES_A_CHARACTER, |end| end - begin);
                words.push_str(first_words(text, heard, whole));
            }
        }
        self.clear();
        Interrupted { words: words.trim_end().to_owned(), ms: bytes / BYTES_A_MS }
    }

    /// Whether a new answer ends what is being said.
    pub fn is_preemptible(&self) -> bool {
        self.pieces.front().is_some_and(|piece| piece.preemptible)
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        // The number grows with the next piece, so audio on its way to an old one is not mistaken.
        self.number += 1;
        self.pieces.clear();
        self.text_bytes = 0;
        (self.heard, self.heard_bytes) = (String::new(), 0);
    }

    /// Bytes that the queue takes.
    pub fn held(&self) -> usize {
        self.text_bytes + self.heard.len() + self.pieces.len() * size_of::<Piece>()
    }
}

fn bytes(content: &Content) -> usize {
    match content {
        Content::Text { text, language } => text.len() + language.len(),
        Content::File { source, .. } => size_of::<WebUrl>() + source.bytes(),
    }
}

/// The whole words within the first part of a text.
fn first_words(text: &str, part: u64, whole: u64) -> &str {
    if part >= whole {
        return text;
    }
    let characters = text.chars().count() as u64 * part / whole.max(1);
    let characters = usize::try_from(characters).unwrap_or(usize::MAX);
    let end = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let first = text.get(..end).unwrap_or_default();
    first.rfind(char::is_whitespace).map_or("", |space| &first[..space])
}

/// Milliseconds of audio that wait before another piece is made.
const AHEAD_MS_MAX: u64 = 10_000;
/// Bytes of a millisecond of mu-law.
const BYTES_A_MS: u64 = 8;
/// Audio of a character while its sentence is still being made: some 15 characters a second.
const BYTES_A_CHARACTER: u64 = 520;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Content {
        Content::Text { text: text.to_owned(), language: "en-US".to_owned() }
    }

    fn talk(texts: &[&str]) -> Talk {
        let mut talk = Talk::default();
        for it in texts {
            assert!(talk.push(text(it), Interruptible::Any, false));
        }
        talk
    }

    #[test]
    fn one_piece_is_made_at_a_time_and_none_far_ahead() {
        let mut talk = talk(&["One. ", "Two. "]);
        let (first, content) = talk.make(0, 0).unwrap();
        assert_eq!(content, text("One. "));
        assert!(talk.make(0, 0).is_none() && talk.is_making(first));
        talk.made(80_000);
        assert!(talk.make(80_000, 10_001).is_none(), "ten seconds wait");
        let (second, _) = talk.make(80_000, 9_000).unwrap();
        assert!(talk.is_making(second) && !talk.is_making(first));
        talk.played(80_000);
        assert!(talk.interruptible().is_some());
        talk.made(80_100);
        talk.played(80_100);
        assert!(talk.interruptible().is_none() && talk.held() < 64);
    }

    #[test]
    fn an_interruption_tells_the_words_and_the_time_that_were_heard() {
        let mut talk = talk(&["One two. ", "Three four five six. ", "Seven."]);
        talk.make(0, 0);
        talk.made(8_000);
        talk.make(8_000, 0);
        talk.made(24_000);
        talk.played(16_000);
        let heard = talk.interrupt(16_000);
        assert_eq!(heard, Interrupted { words: "One two. Three".to_owned(), ms: 2_000 });
        assert!(talk.interruptible().is_none());
    }

    #[test]
    fn an_answer_that_is_made_while_it_is_heard_is_estimated_and_the_next_one_begins_anew() {
        let mut talk = talk(&["Nobody knows how long this sentence will take to say. "]);
        let (number, _) = talk.make(0, 0).unwrap();
        let heard = talk.interrupt(8_000);
        assert_eq!((heard.words.as_str(), heard.ms), ("Nobody knows", 1_000));
        assert!(!talk.is_making(number), "its audio is not wanted any more");
        assert!(talk.push(text("Next."), Interruptible::Any, false));
        talk.make(100, 0);
        let heard = talk.interrupt(100);
        assert_eq!((heard.words.as_str(), heard.ms), ("", 0));
    }

    #[test]
    fn what_waits_is_bounded_whatever_it_is_made_of() {
        let url = format!("http://a.example/{}", "b".repeat(4_000));
        let source = Box::new(WebUrl::parse(&url).unwrap());
        let file = || Content::File { source: source.clone(), times: 1 };
        for content in [text("a! "), text(&"word ".repeat(60)), file()] {
            let mut talk = Talk::default();
            let push = |talk: &mut Talk| talk.push(content.clone(), Interruptible::Any, false);
            let count = std::iter::from_fn(|| push(&mut talk).then_some(())).take(10_000).count();
            assert!((10..1_000).contains(&count), "{count}");
            assert!(talk.held() <= shared::limits::RELAY_TEXT_BYTES_MAX);
        }
    }

    #[test]
    fn a_file_is_made_again_for_each_time_and_an_empty_one_is_not() {
        let source = Box::new(WebUrl::parse("http://a.example/b.wav").unwrap());
        let mut talk = Talk::default();
        assert!(talk.push(Content::File { source, times: 3 }, Interruptible::None, false));
        for time in 1..=3 {
            assert!(talk.make(time * 100, 0).is_some());
            talk.made(time * 100 + 100);
        }
        assert!(talk.make(400, 0).is_none());
        talk.played(400);
        assert!(talk.interruptible().is_none());
    }
}
