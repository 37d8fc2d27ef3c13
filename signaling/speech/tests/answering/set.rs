//! The cases: who answers, what is heard, and what the core has to find by when.

use shared::{AnsweredBy, Codec, Detection, SplitMix};

use crate::line::{Line, Noise};
use crate::sounds::{Sound, unit};
use crate::voices::Voices;

/// The parts of the set, each with a goal of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person: some silence, perhaps a ring that a PBX plays, 0.4 to 1.8 s of speech, then the room.
    Human,
    /// A machine that has to be known while it speaks: a greeting, music, an announcement.
    Machine,
    /// A machine whose greeting has to be heard to its end, half of them with a beep.
    GreetingEnd,
    /// Silence, noise, rings, busy tones, fax machines.
    Neither,
    /// 70 s of speech.
    LongSpeech,
}

/// One call that was answered.
pub struct Case {
    pub name: String,
    pub expected: AnsweredBy,
    pub terms: Detection,
    pub codec: Codec,
    /// What the line delivers, from the answer on.
    pub samples: Vec<i16>,
    /// End of the sound that decides, in milliseconds from the answer.
    pub ends_ms: Option<i32>,
    /// The latest time of the decision.
    pub due_ms: Option<i32>,
    /// Draws the losses.
    pub seed: u64,
}

/// What is heard before the line adds to it.
struct Scene {
    what: String,
    sound: Sound,
    expected: AnsweredBy,
    ends_ms: Option<i32>,
    due_ms: Option<i32>,
}

impl Case {
    /// The case of this number.
    pub fn new(kind: Kind, number: u64, voices: &Voices) -> Self {
        let seed = number << 8 | kind as u64;
        let mut random = SplitMix::new(seed);
        let Scene { what, sound, expected, ends_ms, due_ms } = match kind {
            Kind::Human => human(&mut random, voices),
            Kind::Machine => machine(&mut random, voices),
            Kind::GreetingEnd => greeting_end(&mut random, voices),
            Kind::Neither => neither(&mut random),
            Kind::LongSpeech => long_speech(&mut random, voices),
        };
        let mut line = Line::new(&mut random);
        if kind == Kind::Neither && matches!(line.noise, Noise::Babble) {
            // Whether people beside the phone are the answer is not for this set to say.
            line.noise = Noise::White;
        }
        let samples = line.carry(sound, &babble(voices), &mut random);
        let codec = if number.is_multiple_of(2) { Codec::Pcmu } else { Codec::Pcma };
        let to_end = matches!(kind, Kind::GreetingEnd | Kind::LongSpeech);
        let timeout_ms = if kind == Kind::LongSpeech { 60_000 } else { 30_000 };
        let name = format!(
            "{kind:?} {number}, {what}, -{:.0} dB, {:?} {:.0} dB below",
            line.level_db, line.noise, line.noise_below_db
        );
        let terms = Detection { to_end, timeout_ms, ..Detection::default() };
        Self { name, expected, terms, codec, samples, ends_ms, due_ms, seed }
    }
}

fn human(random: &mut SplitMix, voices: &Voices) -> Scene {
    let phrase = one_of(random, &voices.answers);
    let mut sound = Sound::silence(100 + random.below(1_400) as u32);
    let mut what = phrase.words.to_owned();
    if random.below(8) == 0 {
        what = format!("a ring, then {what}");
        sound = sound.then(&ring(random)).then(&Sound::silence(300));
    }
    sound = sound.then(&phrase.sound);
    let ends_ms = sound.ms().cast_signed();
    Scene {
        what,
        sound: sound.then(&Sound::silence(4_000)),
        expected: AnsweredBy::Human,
        ends_ms: Some(ends_ms),
        due_ms: Some(ends_ms + HUMAN_WITHIN_MS),
    }
}

fn machine(random: &mut SplitMix, voices: &Voices) -> Scene {
    let mut start = Sound::silence(random.below(1_500) as u32);
    let (what, sound) = match random.below(10) {
        0 => ("music".to_owned(), Sound::music(random, 8_000)),
        1 => {
            // Special information (ITU-T E.180).
            for hertz in [950.0, 1_400.0, 1_800.0] {
                start = start.then(&Sound::tones(&[hertz], 330));
            }
            start = start.then(&Sound::silence(200));
            let (what, greeting) = greeting(random, voices, 3_500);
            (format!("announcement, {what}"), greeting)
        }
        2 => {
            let (what, greeting) = short_greeting(random, voices);
            (format!("{what}, beep"), greeting.then(&beep(random)))
        }
        _ => greeting(random, voices, 4_000),
    };
    // A sentence may pause for 0.9 s where the speech becomes too long.
    let begins_ms = start.ms();
    let due_ms = begins_ms + 2_400 + 1_200;
    Scene {
        what,
        sound: start.then(&sound).then(&Sound::silence(4_000)),
        expected: AnsweredBy::MachineStart,
        ends_ms: Some(begins_ms.cast_signed()),
        due_ms: Some(due_ms.cast_signed()),
    }
}

fn greeting_end(random: &mut SplitMix, voices: &Voices) -> Scene {
    let least_ms = 3_000 + random.below(8_000) as u32;
    let (what, mut sound) = greeting(random, voices, least_ms);
    sound = Sound::silence(random.below(1_000) as u32).then(&sound);
    let has_beep = random.below(2) == 0;
    let (expected, within_ms) = match has_beep {
        true => (AnsweredBy::MachineEndBeep, BEEP_WITHIN_MS),
        false => (AnsweredBy::MachineEndSilence, SILENCE_WITHIN_MS),
    };
    if has_beep {
        let pause_ms = 150 + random.below(1_000) as u32;
        sound = sound.then(&Sound::silence(pause_ms)).then(&beep(random));
    }
    let ends_ms = sound.ms().cast_signed();
    Scene {
        what: format!("{what}, beep {has_beep}"),
        sound: sound.then(&Sound::silence(5_000)),
        expected,
        ends_ms: Some(ends_ms),
        due_ms: Some(ends_ms + within_ms),
    }
}

fn neither(random: &mut SplitMix) -> Scene {
    let start = Sound::silence(200 + random.below(600) as u32);
    let (what, sound, expected) = match random.below(6) {
        // The line's level is that of what is heard, so silence has a click.
        0 => ("a click", Sound::tones(&[700.0], 15), AnsweredBy::Unknown),
        1 => ("rings", rings(random), AnsweredBy::Unknown),
        2 => ("busy", busy(random), AnsweredBy::Unknown),
        3 => ("fax calls", Sound::tones(&[1_100.0], 500), AnsweredBy::Fax),
        4 => ("fax answers", Sound::answering_tone(3_000), AnsweredBy::Fax),
        _ => ("fax answers", Sound::tones(&[2_100.0], 3_000), AnsweredBy::Fax),
    };
    Scene {
        what: what.to_owned(),
        sound: start.then(&sound).then(&Sound::silence(6_000)),
        expected,
        ends_ms: None,
        due_ms: Some(6_500),
    }
}

fn long_speech(random: &mut SplitMix, voices: &Voices) -> Scene {
    let (what, sound) = greeting(random, voices, 70_000);
    let expected = AnsweredBy::MachineEndOther;
    Scene { what, sound, expected, ends_ms: None, due_ms: None }
}

/// Sentences of one language and manner with pauses of 0.2 to 0.9 s, at least this long.
fn greeting(random: &mut SplitMix, voices: &Voices, least_ms: u32) -> (String, Sound) {
    let language = one_of(random, &voices.greetings);
    let (mut sound, mut count) = (Sound::default(), 0);
    let first = random.below(language.len() as u64) as usize;
    while sound.ms() < least_ms {
        let phrase = &language[(first + count) % language.len()];
        if count > 0 {
            sound = sound.then(&Sound::silence(200 + random.below(700) as u32));
        }
        sound = sound.then(&phrase.sound);
        count += 1;
    }
    (format!("{count} sentences from {:?}", language[first].words), sound)
}

/// One sentence that is shorter than what the terms call a machine, so that the beep has to tell.
fn short_greeting(random: &mut SplitMix, voices: &Voices) -> (String, Sound) {
    let language = one_of(random, &voices.greetings);
    let phrase = one_of(random, language);
    let pause = Sound::silence(200 + random.below(500) as u32);
    (phrase.words.to_owned(), phrase.sound.clone().then(&pause))
}

fn beep(random: &mut SplitMix) -> Sound {
    Sound::tones(&[400.0 + 1_000.0 * unit(random)], 150 + random.below(700) as u32)
}

/// One ring of North America, Europe or the United Kingdom (ITU-T E.180 Supplement 2), without the pause behind it.
fn ring(random: &mut SplitMix) -> Sound {
    match random.below(3) {
        0 => Sound::tones(&[440.0, 480.0], 2_000),
        1 => Sound::tones(&[425.0], 1_000),
        _ => {
            let once = Sound::tones(&[400.0, 450.0], 400);
            once.clone().then(&Sound::silence(200)).then(&once)
        }
    }
}

fn rings(random: &mut SplitMix) -> Sound {
    let ring = ring(random).then(&Sound::silence(2_500));
    ring.clone().then(&ring)
}

fn busy(random: &mut SplitMix) -> Sound {
    let tone = match random.below(2) {
        0 => Sound::tones(&[480.0, 620.0], 500),
        _ => Sound::tones(&[425.0], 480),
    };
    let beat = tone.then(&Sound::silence(500));
    (0..5).fold(beat.clone(), |busy, _| busy.then(&beat))
}

/// Many people who talk at once.
fn babble(voices: &Voices) -> Sound {
    let phrases = voices.greetings.iter().flatten();
    let longest = Sound::silence(8_000);
    phrases.step_by(5).fold(longest, |babble, phrase| babble.plus(&phrase.sound))
}

fn one_of<'a, T>(random: &mut SplitMix, all: &'a [T]) -> &'a T {
    &all[random.below(all.len() as u64) as usize]
}

/// From the last word to the decision, in milliseconds.
const HUMAN_WITHIN_MS: i32 = 1_250;
/// From the end of a beep.
const BEEP_WITHIN_MS: i32 = 100;
/// From the last word of a greeting without a beep: the silence that ends it is 2 s.
const SILENCE_WITHIN_MS: i32 = 2_150;
