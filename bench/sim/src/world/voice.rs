//! The voice of a world's relays: a fixed time for each text, sound of one code, and texts that it cannot say.

use std::time::Duration;

use call::relay::{Making, SpeakOrder, SpeakSource};
use shared::Code;

use super::act::Act;

/// The code that all its sound is made of.
pub const SOUND: u8 = 0x2A;
/// A text with this word fails after its first audio.
pub const UNSAYABLE: &str = "unsayable";

/// Makes 50 ms of sound for each byte of a text, one second of a file. The first piece comes after 30 ms, and another
/// one every 10 ms.
pub(super) fn speak(order: SpeakOrder, acts: &mut Vec<(Duration, Act)>) {
    let SpeakOrder { number, source } = order;
    let (bytes, fails) = match &source {
        SpeakSource::Text { text, .. } => (text.len() * 400, text.contains(UNSAYABLE)),
        SpeakSource::File(_) => (8_000, false),
    };
    let mut after = Duration::from_millis(30);
    for piece in vec![SOUND; bytes].chunks(3_200) {
        acts.push((after, Act::Makes(number, Making::Audio(piece.to_vec()))));
        after += Duration::from_millis(10);
        if fails {
            break;
        }
    }
    let end = match fails {
        true => Making::Failed(Code::INTERNAL, "the voice cannot say it".to_owned()),
        false => Making::Done(None),
    };
    acts.push((after, Act::Makes(number, end)));
}
