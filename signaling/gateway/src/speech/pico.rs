//! The Pico engine, one language at a time. Runs only in the worker process.

use std::cell::RefCell;
use std::rc::Rc;

use ttspico::{Engine, EngineStatus, PicoError, System, Voice};

use super::frame::SPEECH_S_MAX;
use super::voice::Language;

/// Samples a second that the engine makes.
pub(super) const PICO_HZ: u32 = 16_000;
/// Memory of one engine with its voice; the largest voice needs about 2.5 MB.
const MEMORY_BYTES: usize = 8 * 1024 * 1024;
/// Samples taken from the engine in one step; its buffer is counted in 16 bits.
const STEP_SAMPLES: usize = 8_192;
/// Characters of one token that the engine takes without trouble.
const TOKEN_CHARACTERS_MAX: usize = 40;
/// What the engine's peaks reach is just above full scale; 8 dB less keeps them whole in G.711.
const LEVEL: f32 = 0.398;

/// An engine with the voice of one language.
pub(super) struct Pico {
    engine: Engine,
}

impl Pico {
    /// Loads a voice from the current folder: the engine bounds the length of a path.
    pub(super) fn load(language: Language) -> Result<Self, PicoError> {
        let system = System::new(MEMORY_BYTES)?;
        let voice = System::create_voice(system.clone(), "voice")?;
        for file in language.files() {
            let resource = System::load_resource(system.clone(), file)?;
            voice.borrow_mut().add_resource(resource)?;
        }
        Ok(Self { engine: engine_of_complete_voice(voice)? })
    }

    /// The text as samples of [`PICO_HZ`], at a level that does not clip.
    pub(super) fn speak(&mut self, text: &str) -> Result<Vec<i16>, String> {
        // A zero byte at the end lets the engine speak what it has.
        let mut rest: Vec<u8> = spoken_text(text).into_bytes();
        rest.push(0);
        let mut rest = rest.as_slice();
        let mut samples = Vec::new();
        while !rest.is_empty() {
            let taken = self.engine.put_text(rest).map_err(explain)?;
            rest = rest.get(taken..).unwrap_or(&[]);
            let before = samples.len();
            self.drain(&mut samples)?;
            if taken == 0 && samples.len() == before {
                return Err("the voice takes no more of the text".to_owned());
            }
        }
        samples.iter_mut().for_each(|sample| *sample = (f32::from(*sample) * LEVEL) as i16);
        Ok(samples)
    }

    fn drain(&mut self, samples: &mut Vec<i16>) -> Result<(), String> {
        let mut step = [0i16; STEP_SAMPLES];
        loop {
            let (count, status) = self.engine.get_data(&mut step[..]).map_err(explain)?;
            samples.extend(step.iter().take(count));
            if samples.len() > SPEECH_S_MAX * PICO_HZ as usize {
                return Err(format!("the text takes longer than {SPEECH_S_MAX} s to speak"));
            }
            if status == EngineStatus::Idle {
                return Ok(());
            }
        }
    }
}

/// The only call of the binding that it marks unsafe, and the only one in this package: there is no
/// safe way to an engine.
#[allow(unsafe_code)]
fn engine_of_complete_voice(voice: Rc<RefCell<Voice>>) -> Result<Engine, PicoError> {
    // SAFETY: the binding asks that text analysis and signal generation were added to the voice;
    // `load` has added both and leaves early where that fails. The engine keeps the voice alive, the
    // voice its resources and their system, and nothing leaves this thread.
    unsafe { Voice::create_engine(voice) }
}

/// Pico reads `<` as markup and stops at a zero byte; control characters have no sound. A token
/// of more than about 60 characters makes it fail or fall silent, so that long ones are cut in pieces.
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

fn explain(error: PicoError) -> String {
    format!("the voice failed: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_do_not_reach_the_engine() {
        assert_eq!(spoken_text("a<break/>b\0c\n"), "a break/ b c ");
        assert_eq!(
            spoken_text(&"x".repeat(90)).split(' ').map(str::len).collect::<Vec<_>>(),
            [40, 40, 10]
        );
    }
}
