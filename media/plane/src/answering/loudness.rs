//! When a party was how loud, and which part of that was speech. Sans-IO.
//!
//! What is speech follows from the loudest voice and from the noise, and both are known late: the loudest voice
//! once it has spoken, the noise once there was nothing else for 800 ms. So no frame is judged when it is heard. For each level in steps of 3 dB it is kept when it was reached first and last, and the utterance is the
//! span of the level that is the threshold by now.
//!
//! Noise is 800 ms in which the level hardly changes, and whatever was heard while it never changed; speech has
//! pauses and syllables. A frame below the noise lowers it at once, so a long vowel that was taken for noise is speech
//! again at its end.

/// Levels of frames and their times, in milliseconds from the begin of the detection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loudness {
    /// The times at which each class of level was reached first and last; [`NEVER`] where it was not.
    first: [u16; CLASSES],
    last: [u16; CLASSES],
    /// Levels of the two frames before.
    before: [u16; 2],
    /// Mean magnitude of the background, linear.
    floor: u16,
    /// The window that goes on, and those before it.
    windows: [Window; WINDOWS],
    /// Frames of that one.
    frames: u8,
    /// Over every frame so far.
    whole: Window,
}

/// Least and greatest level of some frames.
#[derive(Clone, Copy, Debug)]
struct Window {
    least: u16,
    most: u16,
}

impl Window {
    const EMPTY: Self = Self { least: u16::MAX, most: 0 };

    fn with(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// Whether it is the sound of something that goes on unchanged.
    fn is_steady(self) -> bool {
        u32::from(self.most) <= u32::from(self.least) * STEADY_TIMES
    }
}

impl Loudness {
    pub const fn new() -> Self {
        Self {
            first: [NEVER; CLASSES],
            last: [NEVER; CLASSES],
            before: [0; 2],
            floor: FLOOR_FIRST,
            windows: [Window { least: 0, most: u16::MAX }; WINDOWS],
            frames: 0,
            whole: Window::EMPTY,
        }
    }

    /// Hears a frame that is no tone, by its mean magnitude.
    pub fn hear(&mut self, at_ms: u32, level: u32) {
        let level = level.min(u16::MAX.into()) as u16;
        // One or two loud frames between quiet ones are a click.
        let steady = level.min(self.before[0]).min(self.before[1]);
        self.before = [self.before[1], level];
        if let Some(class) = class_of(steady) {
            let at_ms = at_ms.min(u32::from(NEVER) - 1) as u16;
            self.last[..=class].fill(at_ms);
            let first = self.first[..=class].iter_mut();
            first.filter(|first| **first == NEVER).for_each(|first| *first = at_ms);
        }
        self.whole = self.whole.with(Window { least: level, most: steady });
        self.follow_noise(level);
    }

    fn follow_noise(&mut self, level: u16) {
        self.floor = self.floor.min(level.max(1));
        if self.frames == 0 {
            self.windows.rotate_right(1);
            self.windows[0] = Window::EMPTY;
        }
        self.windows[0] = self.windows[0].with(Window { least: level, most: level });
        self.frames = (self.frames + 1) % WINDOW_FRAMES;
        if self.frames > 0 {
            return;
        }
        let last = self.windows.iter().fold(Window::EMPTY, |all, one| all.with(*one));
        if last.is_steady() {
            self.floor = last.least.midpoint(last.most);
        }
    }

    /// First and last time of the speech so far; `None` before any.
    pub fn utterance(&self) -> Option<(u32, u32)> {
        if self.whole.is_steady() {
            return None;
        }
        let loudest = self.first.iter().rposition(|first| *first != NEVER)?;
        let noise = u32::from(self.floor) * ABOVE_FLOOR_TENTHS / 10;
        let class = class_of(noise.max(LEVEL_LEAST).min(u16::MAX.into()) as u16)? + 1;
        let class = class.max(loudest.saturating_sub(RANGE_CLASSES));
        let first = *self.first.get(class).filter(|first| **first != NEVER)?;
        Some((first.into(), self.last[class].into()))
    }
}

/// The class of a level: two for each doubling, which makes steps of 3 dB. `None` for silence.
const fn class_of(level: u16) -> Option<usize> {
    let Some(octave) = level.checked_ilog2() else { return None };
    // The second half of an octave begins at its root of 2.
    let is_upper = (level as u64) * (level as u64) >= 1 << (2 * octave + 1);
    Some(2 * octave as usize + is_upper as usize)
}

const CLASSES: usize = 32;
const NEVER: u16 = u16::MAX;
/// Mean magnitude that may be speech, linear: about -48 dBFS.
const LEVEL_LEAST: u32 = 90;
const FLOOR_FIRST: u16 = 60;
/// Speech is 2.2 times louder than the noise (7 dB), next to the step of a class.
const ABOVE_FLOOR_TENTHS: u32 = 22;
/// What lies further below the loudest voice (21 dB) is somebody else in the room.
const RANGE_CLASSES: usize = 7;
/// 200 ms.
const WINDOW_FRAMES: u8 = 10;
/// Windows in a row that have to be steady. The sum is less than the silence that ends an utterance by default.
const WINDOWS: usize = 4;
/// Least and greatest level of noise differ by no more than this factor.
const STEADY_TIMES: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of 20 ms at these levels, each for a number of frames, with the ripple of noise.
    fn heard(parts: &[(u32, u32)]) -> Loudness {
        let mut loudness = Loudness::new();
        let mut at_ms = 0;
        for (level, frames) in parts {
            for frame in 0..*frames {
                at_ms += 20;
                loudness.hear(at_ms, level + level * (frame % 3) / 10);
            }
        }
        loudness
    }

    #[test]
    fn a_class_is_3_db() {
        let classes = [1, 2, 3, 4, 6, 90, 91, 127, 128, 32_767, 65_535].map(class_of);
        let expected = [0, 2, 3, 4, 5, 12, 13, 13, 14, 29, 31].map(Some);
        assert_eq!(classes, expected);
        assert_eq!(class_of(0), None);
    }

    #[test]
    fn speech_is_found_in_quiet_and_in_noise_that_was_there_before() {
        for noise in [5, 400, 1_500] {
            let loudness = heard(&[(noise, 60), (8_000, 30), (noise, 60)]);
            assert_eq!(loudness.utterance(), Some((1_260, 1_800)), "{noise}");
        }
        assert_eq!(heard(&[(1_500, 200)]).utterance(), None, "noise alone");
    }

    #[test]
    fn noise_is_known_after_the_voice_where_there_was_no_time_before() {
        let loudness = heard(&[(1_200, 10), (8_000, 30), (1_200, 60)]);
        assert_eq!(loudness.utterance(), Some((260, 800)));
    }

    #[test]
    fn a_long_vowel_is_speech_again_at_its_end() {
        let vowel = heard(&[(10, 20), (4_000, 60)]);
        assert_eq!(vowel.utterance(), None);
        let loudness = heard(&[(10, 20), (4_000, 60), (10, 5)]);
        assert_eq!(loudness.utterance(), Some((460, 1_600)));
    }

    #[test]
    fn voices_far_below_the_loudest_and_clicks_are_not_speech() {
        let room = [(200, 7), (60, 3), (240, 6)];
        let loudness = heard(&[&room[..], &[(6_000, 20)], &room[..], &[(20, 10)]].concat());
        assert_eq!(loudness.utterance(), Some((380, 720)));
        let clicks = heard(&[(10, 50), (9_000, 2), (10, 50), (9_000, 1), (10, 50)]);
        assert_eq!(clicks.utterance(), None);
    }
}
