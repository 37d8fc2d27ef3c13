//! `holdmusic`: music without an end, and a message between its pieces. Pure.
//!
//! The vendor's service lists the files of a public bucket (`Bucket`). Every bucket means the bundled music here, so
//! that callers hear some without a network.

use super::parts::spoken;
use super::{Answer, Asked};
use crate::xml::Element;

pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    let play = Element::new("Play");
    let file = format!("{}/music", asked.below);
    match asked.parameters.get("Message").and_then(spoken) {
        // One document for as long as the caller waits.
        None => Answer::Verbs(vec![play.with("loop", "0").text(file)]),
        Some(message) => {
            let play = play.with("loop", PIECES).text(file);
            Answer::Verbs(vec![play, message, Element::new("Redirect")])
        }
    }
}

/// Rounds of the music between two messages.
const PIECES: &str = "4";

#[cfg(test)]
mod tests {
    use crate::twimlets::tests::ask;

    #[test]
    fn the_music_has_no_end() {
        let bucket = "Bucket=com.twilio.music.ambient";
        let music = ask("holdmusic", bucket);
        assert_eq!(music, "<Response><Play loop=\"0\">/music</Play></Response>");
        assert_eq!(
            ask("holdmusic", &format!("{bucket}&Message=Soon")),
            "<Response><Play loop=\"4\">/music</Play><Say>Soon</Say><Redirect/></Response>"
        );
    }
}
