//! Sentences out of the tokens that a language model streams. Sans-IO.
//!
//! A sentence is said as soon as its end is known: the white space behind it, or the last token. A text that has no
//! end for long is cut at a space, so that a voice never waits for one.

use crate::speech::sentence_end;

/// Tokens that are no sentence yet.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    text: String,
}

impl Tokens {
    /// Adds a token.
    pub fn push(&mut self, token: &str) {
        // An SSML-free voice reads control characters as nothing; here they separate words.
        self.text.extend(token.chars().map(|it| if it.is_control() { ' ' } else { it }));
    }

    /// The next whole sentence.
    pub fn sentence(&mut self) -> Option<String> {
        let end = sentence_end(&self.text).or_else(|| self.long_end())?;
        let rest = self.text.split_off(end);
        Some(std::mem::replace(&mut self.text, rest))
    }

    /// What is left, as the last sentence.
    pub fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.text);
        (!rest.trim().is_empty()).then_some(rest)
    }

    /// Drops what is no sentence yet.
    pub fn clear(&mut self) {
        self.text.clear();
    }

    /// Bytes that are held.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Where a text without an end is cut: behind the last space of its first part.
    fn long_end(&self) -> Option<usize> {
        let (limit, _) = self.text.char_indices().nth(SENTENCE_CHARACTERS_MAX)?;
        let space = self.text.get(..limit)?.rfind(char::is_whitespace);
        Some(space.map_or(limit, |at| at + 1))
    }
}

/// Characters of one sentence.
const SENTENCE_CHARACTERS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_known_with_the_white_space_behind_it_or_with_the_last_token() {
        let mut tokens = Tokens::default();
        for token in ["Hel", "lo the", "re.", " It is 3", ".5 ", "o'clock!\n", "Bye"] {
            tokens.push(token);
        }
        assert_eq!(tokens.sentence().as_deref(), Some("Hello there. "));
        assert_eq!(tokens.sentence().as_deref(), Some("It is 3.5 o'clock! "));
        assert_eq!(tokens.sentence(), None);
        assert_eq!(tokens.rest().as_deref(), Some("Bye"));
        assert_eq!(tokens.rest(), None, "an empty last token says nothing");
    }

    #[test]
    fn a_text_without_an_end_is_cut_at_a_space_and_loses_nothing() {
        let mut tokens = Tokens::default();
        let text = "word ".repeat(200) + &"x".repeat(700);
        tokens.push(&text);
        let mut said: Vec<String> = std::iter::from_fn(|| tokens.sentence()).collect();
        said.extend(tokens.rest());
        assert_eq!(said.concat(), text);
        assert!(said.iter().all(|sentence| sentence.len() <= 300), "{said:?}");
    }
}
