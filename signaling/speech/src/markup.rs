//! Writes a [`Speech`] in the markup of the Pico engine. Pure.
//!
//! Tags of Pico do not nest: an end tag restores the default of the voice. Therefore every part opens and
//! closes all the tags that it needs.

use call::Speech;
use call::speech::{Manner, Part};
use shared::limits;

/// The speech as markup. No text of a customer is read as markup.
pub fn markup(speech: &Speech) -> String {
    let mut markup = String::new();
    for part in &speech.parts {
        match part {
            Part::Text { text, manner } => say(text, manner, &mut markup),
            Part::Pause(ms) => markup.push_str(&format!("{PAUSE}{ms}{PAUSE}")),
        }
    }
    markup
}

fn say(text: &str, manner: &Manner, markup: &mut String) {
    let volume = manner.volume * PLAIN_VOLUME / 100;
    let mut tags = vec![("volume", format!(" level=\"{volume}\""))];
    if manner.rate != Manner::PLAIN.rate {
        tags.push(("speed", format!(" level=\"{}\"", manner.rate)));
    }
    if manner.pitch != Manner::PLAIN.pitch {
        tags.push(("pitch", format!(" level=\"{}\"", manner.pitch)));
    }
    if let Some(sounds) = &manner.sounds {
        let sounds = sounds.replace(['<', '>'], "").replace('\\', "\\\\").replace('"', "\\\"");
        tags.push(("phoneme", format!(" alphabet=\"xsampa\" ph=\"{sounds}\"")));
    }
    for (name, attributes) in &tags {
        markup.push_str(&format!("<{name}{attributes}>"));
    }
    let text = spoken_text(text);
    markup.push_str(&if manner.spelled { spelled(&text) } else { text });
    for (name, _) in tags.iter().rev() {
        markup.push_str(&format!("</{name}>"));
    }
}

/// Appends text. Pico reads `<` as markup and stops at a zero byte; control characters have no sound. A
/// token of more than about 60 characters makes it fail or fall silent, so longer ones are cut in pieces.
fn spoken_text(text: &str) -> String {
    let mut spoken = String::with_capacity(text.len());
    let mut token = 0;
    for character in text.chars() {
        let is_gap =
            matches!(character, '<' | '>') || character.is_control() || character.is_whitespace();
        if is_gap || token == TOKEN_CHARACTERS_MAX {
            spoken.push(' ');
            token = 0;
        }
        if !is_gap {
            spoken.push(character);
            token += 1;
        }
    }
    spoken
}

/// Spells a text, one character at a time. The spelling tag of the engine crashes its process.
fn spelled(text: &str) -> String {
    let characters = text.chars().filter(|character| !character.is_whitespace());
    characters.map(|character| format!("{character}, ")).collect()
}

/// Encloses the milliseconds of a pause. Breaks of the engine last at most one second, so the worker
/// makes the silence. No text contains this character.
pub(crate) const PAUSE: char = '\u{1}';

/// Level of the plain voice, in percent of the engine's level. Peaks of the engine exceed full scale; 8
/// dB less keeps them unclipped in G.711 and leaves room for louder speech.
const PLAIN_VOLUME: u32 = 40;
/// Characters of one token that the engine handles safely.
const TOKEN_CHARACTERS_MAX: usize = 40;
/// Bytes of markup of one speech. A character has at most four bytes and a space after each piece of a
/// token, and is followed by two more where it is spelled; every element adds at most two parts, each
/// with its tags.
pub(crate) const MARKUP_BYTES_MAX: usize =
    7 * limits::SAY_CHARACTERS_MAX + TAGS_BYTES_MAX * (2 * limits::TWIML_ELEMENTS_MAX + 1);
/// Bytes of all tags of one part, its sounds left out: they count as characters.
const TAGS_BYTES_MAX: usize = 192;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, manner: Manner) -> Speech {
        Speech { parts: vec![Part::Text { text: text.to_owned(), manner }] }
    }

    #[test]
    fn text_of_a_customer_is_never_markup() {
        let made = markup(&Speech::plain("a<break/>b\0c\n"));
        assert_eq!(made, "<volume level=\"40\">a break/ b c </volume>");
        let long = markup(&Speech::plain("x".repeat(90)));
        let pieces: Vec<usize> = long[19..long.len() - 9].split(' ').map(str::len).collect();
        assert_eq!(pieces, [40, 40, 10]);
        let sounds = Some("a\"/><play file=\"x".to_owned());
        let made = markup(&text("a", Manner { sounds, ..Manner::PLAIN }));
        assert!(made.contains("ph=\"a\\\"/play file=\\\"x\">a</phoneme>"), "{made}");
    }

    #[test]
    fn a_part_opens_and_closes_the_tags_that_it_needs() {
        let manner = Manner { rate: 50, pitch: 120, volume: 250, spelled: true, sounds: None };
        assert_eq!(
            markup(&text("a 1", manner)),
            "<volume level=\"100\"><speed level=\"50\"><pitch level=\"120\">a, 1, </pitch></speed></volume>"
        );
        assert_eq!(markup(&Speech { parts: vec![Part::Pause(300)] }), "\u{1}300\u{1}");
    }

    #[test]
    fn the_longest_tags_fit_their_bound() {
        let sounds = Some(String::new());
        let manner = Manner { rate: 500, pitch: 200, volume: 250, spelled: true, sounds };
        assert!(markup(&text("", manner)).len() <= TAGS_BYTES_MAX);
    }
}
