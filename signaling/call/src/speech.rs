//! Text for a voice, in parts, each with the manner that SSML asks for. Sans-IO.
//!
//! SSML nests, a [`Speech`] is flat, because a voice speaks from left to right: every part carries the
//! manner that results from all elements around it. The engine decides how its voice speaks that way.

/// A text to speak, read from `<Say>` and its SSML.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Speech {
    /// In the order of speaking.
    pub parts: Vec<Part>,
}

/// One piece of a [`Speech`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Text to speak.
    Text {
        /// White space collapsed; a single space at an end separates words of neighbouring parts.
        text: String,
        /// How they are spoken.
        manner: Manner,
    },
    /// Silence, in milliseconds.
    Pause(u32),
}

/// How a part is spoken. Numbers are per cent of the voice's own; 100 is the plain voice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Manner {
    /// Speed, 20 to 500.
    pub rate: u32,
    /// Pitch, 50 to 200.
    pub pitch: u32,
    /// Amplitude, 0 to 250.
    pub volume: u32,
    /// Whether the text is spelled, character by character.
    pub spelled: bool,
    /// Sounds in X-SAMPA that replace the words; a voice without one of them speaks the words.
    pub sounds: Option<String>,
}

impl Manner {
    /// The plain voice.
    pub const PLAIN: Self =
        Self { rate: 100, pitch: 100, volume: 100, spelled: false, sounds: None };
}

impl Speech {
    /// A text without markup.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text { text: text.into(), manner: Manner::PLAIN }] }
    }

    /// The words alone.
    pub fn words(&self) -> String {
        let words = self.parts.iter().filter_map(|part| match part {
            Part::Text { text, .. } => Some(text.as_str()),
            Part::Pause(_) => None,
        });
        words.collect()
    }

    /// Characters of the words and of the sounds that replace some, as `limits::SAY_CHARACTERS_MAX` counts.
    pub fn characters(&self) -> usize {
        let of_part = |part: &Part| match part {
            Part::Text { text, manner } => {
                text.chars().count() + manner.sounds.as_deref().map_or(0, |s| s.chars().count())
            }
            Part::Pause(_) => 0,
        };
        self.parts.iter().map(of_part).sum()
    }

    /// Splits the text into pieces of whole sentences. The first piece is short, because a slow voice is silent until it has
    /// made it; the voice makes each further piece while the one before plays. A short text is one piece.
    pub(crate) fn in_pieces(self) -> Vec<Self> {
        if self.characters() <= PIECE_CHARACTERS {
            return vec![self];
        }
        let mut pieces = vec![Self::default()];
        let mut room = FIRST_PIECE_CHARACTERS;
        for part in self.parts {
            let (text, manner) = match part {
                Part::Text { text, manner } => (text, manner),
                Part::Pause(_) => {
                    pieces.last_mut().into_iter().for_each(|piece| piece.parts.push(part.clone()));
                    continue;
                }
            };
            for sentence in sentences(&text, &manner) {
                let characters = sentence.chars().count();
                let is_begun = pieces.last().is_some_and(|piece| !piece.parts.is_empty());
                if characters > room && is_begun {
                    pieces.push(Self::default());
                    room = PIECE_CHARACTERS;
                }
                room = room.saturating_sub(characters);
                pieces.last_mut().into_iter().for_each(|piece| piece.push(sentence, &manner));
            }
        }
        // A piece that only pauses is a prompt without words, which no engine takes.
        let has_words = |piece: &Self| !piece.words().trim().is_empty();
        pieces.dedup_by(|later, earlier| {
            let joins = !has_words(later) || !has_words(earlier);
            if joins {
                earlier.parts.append(&mut later.parts);
            }
            joins
        });
        pieces
    }

    /// Adds words at the end. Neighbouring words of one manner share a part.
    pub(crate) fn push(&mut self, words: &str, manner: &Manner) {
        match self.parts.last_mut() {
            // Sounds replace the words of one element, so a part with sounds takes no more words.
            Some(Part::Text { text, manner: last }) if last == manner && last.sounds.is_none() => {
                text.push_str(words);
            }
            _ => {
                self.parts.push(Part::Text { text: words.to_owned(), manner: manner.clone() });
            }
        }
    }

    /// Collapses white space within and between parts, and drops parts without words.
    pub(crate) fn tidy(&mut self) {
        // As after a space: white space at the start is dropped.
        let mut after_space = true;
        for part in &mut self.parts {
            let Part::Text { text, .. } = part else {
                after_space = true;
                continue;
            };
            let mut tidied = String::with_capacity(text.len());
            for character in text.chars() {
                let is_space = character.is_whitespace();
                if !(is_space && after_space) {
                    tidied.push(if is_space { ' ' } else { character });
                }
                after_space = is_space;
            }
            *text = tidied;
        }
        if let Some(Part::Text { text, .. }) = self.parts.last_mut() {
            text.truncate(text.trim_end().len());
        }
        self.parts.retain(|part| !matches!(part, Part::Text { text, .. } if text.is_empty()));
    }
}

/// A text cut behind the ends of its sentences. Sounds replace the words of a whole part, so that is one.
fn sentences<'a>(text: &'a str, manner: &Manner) -> Vec<&'a str> {
    if manner.sounds.is_some() {
        return vec![text];
    }
    let mut sentences = Vec::new();
    let mut rest = text;
    while let Some(end) = sentence_end(rest) {
        let (sentence, after) = rest.split_at(end);
        sentences.push(sentence);
        rest = after;
    }
    if !rest.is_empty() {
        sentences.push(rest);
    }
    sentences
}

/// The byte behind the first whole sentence and the white space after it. A full stop ends a sentence only
/// before white space: `3.5` and `example.com` are one word. `None`: the text has no end of a sentence yet.
pub(crate) fn sentence_end(text: &str) -> Option<usize> {
    let mut ends = false;
    for (at, character) in text.char_indices() {
        match character {
            '.' | '!' | '?' | ';' | ':' | '\u{2026}' => ends = true,
            // Chinese and Japanese put no white space behind a sentence.
            '\u{3002}' | '\u{ff01}' | '\u{ff1f}' => return Some(at + character.len_utf8()),
            '"' | '\'' | ')' | '\u{201d}' | '\u{2019}' if ends => {}
            other if other.is_whitespace() && ends => {
                let rest = text.get(at..).unwrap_or_default();
                return Some(at + (rest.len() - rest.trim_start().len()));
            }
            _ => ends = false,
        }
    }
    None
}

/// Characters of a piece of a long text.
const PIECE_CHARACTERS: usize = 300;
/// Characters of its first piece.
const FIRST_PIECE_CHARACTERS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(speech: Speech) -> Vec<String> {
        speech.in_pieces().iter().map(Speech::words).collect()
    }

    #[test]
    fn a_long_text_is_cut_behind_sentences_and_nothing_is_lost() {
        let text = "The price is 3.50 at example.com today. ".repeat(20);
        let cut = pieces(Speech::plain(text.as_str()));
        assert_eq!(cut.concat(), text);
        assert!(cut[0].len() <= FIRST_PIECE_CHARACTERS && cut.len() > 2, "{cut:?}");
        assert!(cut.iter().all(|piece| piece.len() <= PIECE_CHARACTERS && piece.ends_with(". ")));
        assert_eq!(pieces(Speech::plain("One. Two.")), ["One. Two."]);
        assert_eq!(pieces(Speech::plain("x".repeat(900))).len(), 1, "no sentence ends");
    }

    #[test]
    fn pauses_and_manners_stay_where_they_are_and_no_piece_is_without_words() {
        let slow = Manner { rate: 50, ..Manner::PLAIN };
        let text = |text: &str, manner: &Manner| Part::Text {
            text: text.to_owned(),
            manner: manner.clone(),
        };
        let sentence = "This sentence has fifty characters, it is counted. ".repeat(6);
        let parts = vec![
            Part::Pause(500),
            text(&sentence, &Manner::PLAIN),
            Part::Pause(700),
            text(&sentence, &slow),
            Part::Pause(900),
        ];
        let speech = Speech { parts };
        let pieces = speech.clone().in_pieces();
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| !piece.words().trim().is_empty()));
        let pauses = |speech: &Speech| -> Vec<u32> {
            let pause = |part: &Part| match part {
                Part::Pause(ms) => Some(*ms),
                Part::Text { .. } => None,
            };
            speech.parts.iter().filter_map(pause).collect()
        };
        let all = pieces.iter().flat_map(pauses).collect::<Vec<u32>>();
        assert_eq!(all, [500, 700, 900]);
        assert_eq!(pieces.iter().map(Speech::words).collect::<String>(), speech.words());
    }

    #[test]
    fn a_sentence_ends_before_white_space_only() {
        assert_eq!(sentence_end("It costs 3.5 at a.b."), None);
        assert_eq!(sentence_end("Well!) And"), Some(7));
        assert_eq!(sentence_end("He said \"no.\"  Then"), Some(15));
        assert_eq!(sentence_end("\u{4f60}\u{597d}\u{3002}\u{6211}"), Some(9));
    }
}
