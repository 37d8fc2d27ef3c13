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
