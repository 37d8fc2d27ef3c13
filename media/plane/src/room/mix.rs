//! The mix of one tick of one room: what each listener hears. Sans-IO.
//!
//! A tick has few sources: at most [`ROOM_TALKERS_MAX`] members of this core, the sum of the other cores, the
//! plays of the room. A listener who is no source hears all of them, and there is one such frame for each codec,
//! made when the first listener asks for it: a thousand listeners cost one encoding. A talker hears the sum less
//! its own frame, in an encoding of its own.
//!
//! Where exactly one source remains, its codes are copied (or translated by the tables of G.711) instead of
//! being decoded and encoded: most of the time one party speaks, and nobody then loses a bit of it.

use shared::limits::{ROOM_COACHES_MAX, ROOM_PLAYS_MAX, ROOM_TALKERS_MAX};
use shared::{Codec, FRAME_SAMPLES, LegId};

use super::gate::Level;
use crate::g711;

/// Samples of a sum; 13 sources of 16 bits fit with ease.
pub(crate) type Sum = [i32; FRAME_SAMPLES];

/// Scratch memory for one room after the other.
#[derive(Debug)]
pub(crate) struct Mix {
    sources: [Source; SOURCES_MAX],
    count: usize,
    sum: Sum,
    /// The frames for listeners that are no source, and whether they are made.
    shared: [([u8; FRAME_SAMPLES], bool); 2],
    talkers: Talkers,
    coaches: [Coach; ROOM_COACHES_MAX],
    coaches_len: usize,
}

/// Origin of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The member at this place.
    Member(u16),
    /// The other cores.
    Cores,
    /// A prompt that plays to the room.
    Play,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    origin: Origin,
    /// Codec of `codes`; `None` where the source is a sum.
    coded: Option<Codec>,
    codes: [u8; FRAME_SAMPLES],
    samples: Sum,
}

/// A voice for one listener only.
#[derive(Clone, Copy, Debug)]
struct Coach {
    listener: LegId,
    codec: Codec,
    codes: [u8; FRAME_SAMPLES],
}

/// The loudest members of a tick, loudest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Talkers {
    places: [(Level, u16); ROOM_TALKERS_MAX],
    len: usize,
}

impl Talkers {
    /// Enters a member; a quieter one makes room where there are too many.
    pub fn enter(&mut self, level: Level, place: u16) {
        let at = self.places[..self.len].partition_point(|(other, _)| *other >= level);
        if at == ROOM_TALKERS_MAX {
            return;
        }
        self.len = (self.len + 1).min(ROOM_TALKERS_MAX);
        self.places[at..self.len].rotate_right(1);
        self.places[at] = (level, place);
    }

    /// Their places.
    pub fn places(&self) -> impl Iterator<Item = u16> {
        self.places.into_iter().take(self.len).map(|(_, place)| place)
    }
}

impl Mix {
    pub fn new() -> Self {
        let silent = [0; FRAME_SAMPLES];
        let samples = [0; FRAME_SAMPLES];
        let source = Source { origin: Origin::Play, coded: None, codes: silent, samples };
        let nobody = LegId { core: shared::CoreId(0), slot: 0, generation: 0 };
        let coach = Coach { listener: nobody, codec: Codec::Pcmu, codes: silent };
        Self {
            sources: [source; SOURCES_MAX],
            count: 0,
            sum: samples,
            shared: [(silent, false); 2],
            talkers: Talkers::default(),
            coaches: [coach; ROOM_COACHES_MAX],
            coaches_len: 0,
        }
    }

    /// Begins a tick.
    pub fn clear(&mut self) {
        self.count = 0;
        self.sum = [0; FRAME_SAMPLES];
        self.shared[0].1 = false;
        self.shared[1].1 = false;
        self.talkers = Talkers::default();
        self.coaches_len = 0;
    }

    pub fn talkers_mut(&mut self) -> &mut Talkers {
        &mut self.talkers
    }

    pub const fn talkers(&self) -> Talkers {
        self.talkers
    }

    /// Adds a source that is one coded frame.
    pub fn add_coded(&mut self, origin: Origin, codec: Codec, codes: &[u8; FRAME_SAMPLES]) {
        let table = g711::linear(codec);
        let Some(source) = self.sources.get_mut(self.count) else { return };
        source.origin = origin;
        source.coded = Some(codec);
        source.codes = *codes;
        for ((sample, code), sum) in source.samples.iter_mut().zip(codes).zip(&mut self.sum) {
            *sample = i32::from(table[usize::from(*code)]);
            *sum += *sample;
        }
        self.count += 1;
    }

    /// Adds a source that is a sum itself.
    pub fn add_sum(&mut self, origin: Origin, samples: &Sum) {
        let Some(source) = self.sources.get_mut(self.count) else { return };
        source.origin = origin;
        source.coded = None;
        source.samples = *samples;
        self.sum.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += sample);
        self.count += 1;
    }

    /// Adds a voice that one listener hears beside the room; `false` when there are too many.
    pub fn add_coach(
        &mut self,
        listener: LegId,
        codec: Codec,
        codes: &[u8; FRAME_SAMPLES],
    ) -> bool {
        let Some(coach) = self.coaches.get_mut(self.coaches_len) else { return false };
        *coach = Coach { listener, codec, codes: *codes };
        self.coaches_len += 1;
        true
    }

    /// The sum of all sources so far, or the one coded frame that it consists of.
    pub fn so_far(&self) -> Total<'_> {
        match &self.sources[..self.count] {
            [] => Total::Silence,
            [Source { coded: Some(codec), codes, .. }] => Total::Codes(*codec, codes),
            [..] => Total::Sum(&self.sum),
        }
    }

    /// What a listener hears that is no source and has no coach; answers whether that is any audio.
    pub fn frame_for_all(&mut self, codec: Codec, frame: &mut [u8; FRAME_SAMPLES]) -> bool {
        let index = match codec {
            Codec::Pcmu => 0,
            Codec::Pcma => 1,
        };
        if !self.shared[index].1 {
            let mut made = [0; FRAME_SAMPLES];
            self.make(None, [].iter(), codec, &mut made);
            self.shared[index] = (made, true);
        }
        *frame = self.shared[index].0;
        self.count > 0
    }

    /// What the member at this place hears; answers whether that is any audio.
    pub fn frame_for(
        &mut self,
        place: u16,
        leg: LegId,
        codec: Codec,
        frame: &mut [u8; FRAME_SAMPLES],
    ) -> bool {
        let is_own = |source: &Source| source.origin == Origin::Member(place);
        let own = self.sources[..self.count].iter().position(is_own);
        let is_coached = self.coaches[..self.coaches_len].iter().any(|coach| coach.listener == leg);
        if own.is_none() && !is_coached {
            return self.frame_for_all(codec, frame);
        }
        let coaches = self.coaches[..self.coaches_len].iter();
        self.make(own, coaches.filter(|coach| coach.listener == leg), codec, frame)
    }

    /// Encodes all sources but one, and coaches; answers whether that is any audio.
    fn make<'c>(
        &self,
        but: Option<usize>,
        coaches: impl Iterator<Item = &'c Coach> + Clone,
        codec: Codec,
        frame: &mut [u8; FRAME_SAMPLES],
    ) -> bool {
        let others = self.count - usize::from(but.is_some()) + coaches.clone().count();
        if others == 0 {
            frame.fill(codec.silence());
            return false;
        }
        let sources = self.sources[..self.count].iter().enumerate();
        let remaining = sources.filter(|(at, _)| Some(*at) != but);
        let coded = remaining.filter_map(|(_, source)| Some((source.coded?, &source.codes)));
        let only = coded.chain(coaches.clone().map(|coach| (coach.codec, &coach.codes))).next();
        if let (1, Some((from, codes))) = (others, only) {
            *frame = *codes;
            g711::translate(from, codec, frame);
            return true;
        }
        let mut sum = self.sum;
        if let Some(own) = but {
            sum.iter_mut().zip(&self.sources[own].samples).for_each(|(sum, own)| *sum -= own);
        }
        for coach in coaches {
            let table = g711::linear(coach.codec);
            let samples = coach.codes.iter().map(|code| i32::from(table[usize::from(*code)]));
            sum.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += sample);
        }
        encode(codec, &sum, frame);
        true
    }
}

/// The sources of this core together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Total<'m> {
    Silence,
    Codes(Codec, &'m [u8; FRAME_SAMPLES]),
    Sum(&'m Sum),
}

/// Encodes a sum; what exceeds 16 bits is clipped and never wraps.
pub(crate) fn encode(codec: Codec, sum: &Sum, frame: &mut [u8; FRAME_SAMPLES]) {
    g711::encode_all(codec, sum.iter().map(|sample| clip(*sample)), frame);
}

pub(crate) fn clip(sample: i32) -> i16 {
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// The talkers of this core, the sum of the others, and the plays.
const SOURCES_MAX: usize = ROOM_TALKERS_MAX + 1 + ROOM_PLAYS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    const LEG: LegId = LegId { core: shared::CoreId(0), slot: 9, generation: 1 };

    fn coded(codec: Codec, sample: i16) -> [u8; FRAME_SAMPLES] {
        [g711::encode(codec, sample); FRAME_SAMPLES]
    }

    fn heard(mix: &mut Mix, place: u16, codec: Codec) -> (i16, bool) {
        let mut frame = [0; FRAME_SAMPLES];
        let is_audio = mix.frame_for(place, LEG, codec, &mut frame);
        (g711::decode(codec, frame[0]), is_audio)
    }

    #[test]
    fn each_member_hears_the_others_and_never_itself() {
        let mut mix = Mix::new();
        mix.clear();
        for (place, sample) in [(1, 1_052), (2, 1_980), (3, 988)] {
            mix.add_coded(Origin::Member(place), Codec::Pcmu, &coded(Codec::Pcmu, sample));
        }
        let near = |(sample, is_audio): (i16, bool), expected: i16| {
            assert!(is_audio && (sample - expected).abs() <= 128, "{sample} for {expected}");
        };
        near(heard(&mut mix, 1, Codec::Pcmu), 1_980 + 988);
        near(heard(&mut mix, 2, Codec::Pcma), 1_052 + 988);
        near(heard(&mut mix, 3, Codec::Pcmu), 1_052 + 1_980);
        near(heard(&mut mix, 4, Codec::Pcmu), 1_052 + 1_980 + 988);
    }

    #[test]
    fn one_voice_is_copied_bit_by_bit_and_its_own_party_hears_silence() {
        let mut mix = Mix::new();
        mix.clear();
        let codes = std::array::from_fn(|at| at as u8);
        mix.add_coded(Origin::Member(1), Codec::Pcmu, &codes);
        let mut frame = [0; FRAME_SAMPLES];
        assert!(mix.frame_for(2, LEG, Codec::Pcmu, &mut frame));
        assert_eq!(frame, codes);
        assert!(mix.frame_for(2, LEG, Codec::Pcma, &mut frame));
        assert_eq!(frame, codes.map(|code| g711::MULAW_TO_ALAW[usize::from(code)]));
        assert!(!mix.frame_for(1, LEG, Codec::Pcma, &mut frame));
        assert_eq!(frame, [Codec::Pcma.silence(); FRAME_SAMPLES]);
    }

    #[test]
    fn loud_voices_are_clipped() {
        let mut mix = Mix::new();
        mix.clear();
        for place in 0..5 {
            mix.add_coded(Origin::Member(place), Codec::Pcmu, &coded(Codec::Pcmu, -30_000));
        }
        assert!(heard(&mut mix, 9, Codec::Pcmu).0 < -30_000);
    }

    #[test]
    fn a_coach_is_heard_by_its_listener_beside_the_room() {
        let mut mix = Mix::new();
        mix.clear();
        mix.add_coach(LEG, Codec::Pcmu, &coded(Codec::Pcmu, 988));
        assert_eq!(heard(&mut mix, 1, Codec::Pcmu), (988, true));
        mix.add_coded(Origin::Member(2), Codec::Pcmu, &coded(Codec::Pcmu, 1_980));
        assert!((heard(&mut mix, 1, Codec::Pcmu).0 - 2_968).abs() <= 128);
        let mut frame = [0; FRAME_SAMPLES];
        assert!(mix.frame_for_all(Codec::Pcmu, &mut frame));
        assert_eq!(g711::decode(Codec::Pcmu, frame[0]), 1_980);
    }

    #[test]
    fn the_loudest_eight_are_chosen() {
        let mut talkers = Talkers::default();
        let level = |steps: u8| Level::of(Codec::Pcmu, &[!steps; FRAME_SAMPLES]);
        for (place, steps) in [5, 90, 10, 80, 20, 70, 30, 60, 40, 50, 1].into_iter().enumerate() {
            talkers.enter(level(steps), place as u16);
        }
        assert_eq!(talkers.places().collect::<Vec<_>>(), [1, 3, 5, 7, 9, 8, 6, 4]);
    }
}
