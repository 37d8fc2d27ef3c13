//! The Pico engine, one language at a time. Runs only in the worker process.

use std::cell::RefCell;
use std::rc::Rc;

use ttspico::{Engine, EngineStatus, PicoError, System, Voice};

use crate::frame::SPEECH_S_MAX;
use crate::language::Language;
use crate::markup::PAUSE;

/// Samples per second of the engine.
pub(crate) const PICO_HZ: u32 = 16_000;
/// Memory of one engine with its voice; the largest voice needs about 2.5 MB.
const MEMORY_BYTES: usize = 8 * 1024 * 1024;
/// Samples read from the engine in one step; the size of its buffer is a 16-bit number.
const STEP_SAMPLES: usize = 8_192;

const SILENCE: [i16; STEP_SAMPLES] = [0; STEP_SAMPLES];

/// Takes samples; an error ends the text.
pub(crate) type Hearer<'a> = &'a mut dyn FnMut(&[i16]) -> Result<(), String>;

/// An engine with the voice of one language.
pub(crate) struct Pico {
    engine: Engine,
}

impl Pico {
    /// Loads a voice from the current folder. The engine limits the length of a path, so it gets only
    /// file names.
    pub(crate) fn load(language: Language) -> Result<Self, PicoError> {
        let system = System::new(MEMORY_BYTES)?;
        let voice = System::create_voice(system.clone(), "voice")?;
        for file in language.files() {
            let resource = System::load_resource(system.clone(), file)?;
            voice.borrow_mut().add_resource(resource)?;
        }
        Ok(Self { engine: engine_of_complete_voice(voice)? })
    }

    /// Speaks markup to a hearer, as samples at [`PICO_HZ`] while they are made.
    pub(crate) fn speak(&mut self, markup: &str, hearer: Hearer<'_>) -> Result<(), String> {
        let mut spoken = Spoken { samples: 0, hearer };
        for (index, piece) in markup.split(PAUSE).enumerate() {
            match index % 2 {
                0 if piece.is_empty() => {}
                0 => self.say(piece, &mut spoken)?,
                _ => {
                    let ms: usize =
                        piece.parse().map_err(|_| "a pause has no length".to_owned())?;
                    let mut silence = ms.saturating_mul(PICO_HZ as usize / 1_000);
                    while silence > 0 {
                        let step = silence.min(STEP_SAMPLES);
                        spoken.push(&SILENCE[..step])?;
                        silence -= step;
                    }
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, markup: &str, spoken: &mut Spoken<'_>) -> Result<(), String> {
        // A zero byte at the end makes the engine speak the text so far.
        let text = [markup.as_bytes(), &[0]].concat();
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            let taken = self.engine.put_text(rest).map_err(explain)?;
            rest = rest.get(taken..).unwrap_or(&[]);
            let before = spoken.samples;
            self.drain(spoken)?;
            if taken == 0 && spoken.samples == before {
                return Err("the voice takes no more of the text".to_owned());
            }
        }
        Ok(())
    }

    fn drain(&mut self, spoken: &mut Spoken<'_>) -> Result<(), String> {
        let mut step = [0i16; STEP_SAMPLES];
        loop {
            let (count, status) = self.engine.get_data(&mut step[..]).map_err(explain)?;
            spoken.push(step.get(..count).unwrap_or_default())?;
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

/// What was spoken of one text.
struct Spoken<'a> {
    samples: usize,
    hearer: Hearer<'a>,
}

impl Spoken<'_> {
    fn push(&mut self, samples: &[i16]) -> Result<(), String> {
        self.samples += samples.len();
        if self.samples > SPEECH_S_MAX * PICO_HZ as usize {
            return Err(format!("the text takes longer than {SPEECH_S_MAX} s to speak"));
        }
        (self.hearer)(samples)
    }
}

fn explain(error: PicoError) -> String {
    format!("the voice failed: {error}")
}
