//! In-band digits of one leg: its packets in order, losses bridged, and the telephone events that a bridged
//! party receives in place of the tone. Sans-IO.

use shared::Codec;

use super::detector::{Detector, Heard};
use crate::clock::{SAMPLES_A_MS, elapsed};
use crate::telephone_event::Press;

/// The detector of a leg that negotiated no telephone events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InBand {
    detector: Detector,
    /// Epoch of the party's numbers, and the timestamp that would continue its last packet.
    next: Option<(u16, u32)>,
    /// Arrival of the last packet, in wrapping samples.
    last_at: u32,
    telling: Telling,
}

/// What to send of a packet to a bridged party that takes telephone events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ToneNote {
    /// The packet as it is.
    #[default]
    Voice,
    /// Silence: a tone probably begins in it.
    Mute,
    /// This event in place of the packet.
    Key(KeyNote),
}

/// A telephone event in the party's own timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyNote {
    pub event: u8,
    pub end: bool,
    /// First packet of the press.
    pub first: bool,
    pub duration: u16,
    /// Timestamp of the start of this segment of the press.
    pub start: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telling {
    #[default]
    Nothing,
    Holding {
        event: u8,
        start: u32,
    },
    /// Number of end packets.
    Ending {
        event: u8,
        start: u32,
        samples: u32,
        left: u8,
    },
}

/// A packet of audio.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoken<'a> {
    pub codec: Codec,
    pub epoch: u16,
    pub timestamp: u32,
    pub samples: &'a [u8],
}

impl InBand {
    /// Judges one packet; calls `report` for each key that ended.
    pub fn hear(
        &mut self,
        packet: Spoken<'_>,
        now_samples: u32,
        mut report: impl FnMut(Press),
    ) -> ToneNote {
        self.last_at = now_samples;
        let end = packet.timestamp.wrapping_add(packet.samples.len() as u32);
        let missing = self.next.map(|(epoch, next)| {
            (epoch == packet.epoch).then(|| packet.timestamp.wrapping_sub(next) as i32)
        });
        let mut last = None;
        match missing {
            Some(Some(..0)) => return self.late_note(),
            Some(Some(gap @ 0..=LOST_SAMPLES_MAX)) => self.detector.skip(gap as u32),
            Some(Some(_) | None) => {
                if let Some((event, samples)) = self.detector.reset() {
                    report(press(event, samples));
                }
                self.telling = Telling::Nothing;
            }
            None => {}
        }
        self.next = Some((packet.epoch, end));
        self.detector.hear(packet.codec, packet.samples, |event, samples| {
            last = Some((event, samples));
            report(press(event, samples));
        });
        self.note(end, last)
    }

    /// Stops waiting for the end of a key whose packets stopped.
    pub fn expire(&mut self, now_samples: u32) -> Option<Press> {
        if !self.is_waiting() || elapsed(now_samples, self.last_at) < SILENCE_SAMPLES {
            return None;
        }
        self.reset()
    }

    /// Resets the state; answers the key that was held.
    pub fn reset(&mut self) -> Option<Press> {
        self.next = None;
        self.telling = Telling::Nothing;
        self.detector.reset().map(|(event, samples)| press(event, samples))
    }

    /// Whether a key is held.
    pub fn is_waiting(&self) -> bool {
        matches!(self.detector.heard(), Heard::Key { .. })
    }

    fn note(&mut self, end: u32, ended: Option<(u8, u32)>) -> ToneNote {
        let heard = self.detector.heard();
        if let (Telling::Holding { event, start }, Some((_, samples))) = (self.telling, ended) {
            self.telling = Telling::Ending { event, start, samples, left: ENDS };
        }
        match heard {
            Heard::Key { event, samples, missed } => self.note_held(end, event, samples, missed),
            Heard::Perhaps => match self.note_end() {
                ToneNote::Voice => ToneNote::Mute,
                note @ (ToneNote::Mute | ToneNote::Key(_)) => note,
            },
            Heard::Nothing => self.note_end(),
        }
    }

    fn note_held(&mut self, end: u32, event: u8, samples: u32, missed: u32) -> ToneNote {
        let (start, first) = match self.telling {
            Telling::Holding { event: same, start } if same == event => (start, false),
            Telling::Holding { .. } | Telling::Ending { .. } | Telling::Nothing => {
                (end.wrapping_sub(samples + missed), true)
            }
        };
        self.telling = Telling::Holding { event, start };
        key(event, start, samples, false, first)
    }

    fn note_end(&mut self) -> ToneNote {
        let Telling::Ending { event, start, samples, left } = self.telling else {
            return ToneNote::Voice;
        };
        self.telling = match left {
            0 | 1 => Telling::Nothing,
            more => Telling::Ending { event, start, samples, left: more - 1 },
        };
        key(event, start, samples, true, false)
    }

    /// A late packet is not judged, but it may hold a piece of the tone.
    fn late_note(&self) -> ToneNote {
        match self.telling {
            Telling::Nothing => ToneNote::Voice,
            Telling::Holding { .. } | Telling::Ending { .. } => ToneNote::Mute,
        }
    }
}

impl KeyNote {
    /// The payload of the packet (RFC 4733 §2.3).
    pub fn payload(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, if self.end { END | VOLUME } else { VOLUME }, high, low]
    }
}

/// Presses longer than 0xFFFF samples are sent in segments (RFC 4733 §2.5.1.3).
fn key(event: u8, start: u32, samples: u32, end: bool, first: bool) -> ToneNote {
    let before = samples.saturating_sub(1) / SEGMENT * SEGMENT;
    let duration = (samples - before) as u16;
    ToneNote::Key(KeyNote { event, end, first, duration, start: start.wrapping_add(before) })
}

fn press(event: u8, samples: u32) -> Press {
    Press::of_event(event, samples / SAMPLES_A_MS)
}

const SEGMENT: u32 = u16::MAX as u32;
const END: u8 = 0x80;
/// -10 dBm0, whatever the level of the tone: a fixed level is always audible.
const VOLUME: u8 = 10;
/// The last packet and two repeats.
const ENDS: u8 = 3;
/// Two consecutive lost packets are bridged; a longer gap ends the tone.
const LOST_SAMPLES_MAX: i32 = 40 * SAMPLES_A_MS as i32;
/// After this long without a packet a key has ended.
const SILENCE_SAMPLES: u32 = 120 * SAMPLES_A_MS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::material::{keys, silence};

    /// Packets of 20 ms through one leg: digits, and the events that the bridged party receives.
    fn through(samples: &[i16], lost: impl Fn(usize) -> bool) -> (String, Vec<ToneNote>) {
        let mut leg = InBand::default();
        let mut digits = String::new();
        let mut notes = Vec::new();
        for (at, frame) in samples.chunks(160).enumerate() {
            if lost(at) {
                continue;
            }
            let codes: Vec<u8> =
                frame.iter().map(|sample| crate::g711::encode(Codec::Pcmu, *sample)).collect();
            let timestamp = 77 + at as u32 * 160;
            let packet = Spoken { codec: Codec::Pcmu, epoch: 2, timestamp, samples: &codes };
            let push = |press: Press| digits.push(char::from(press.digit));
            notes.push(leg.hear(packet, timestamp, push));
        }
        digits.extend(leg.expire(u32::MAX / 4).map(|press| char::from(press.digit)));
        (digits, notes)
    }

    #[test]
    fn a_lost_packet_in_a_tone_does_not_make_two_of_it() {
        let samples = [silence(100), keys("5", 200, 100), silence(200)].concat();
        for lost in 0..20 {
            assert_eq!(through(&samples, |at| at == lost).0, "5", "without packet {lost}");
        }
    }

    #[test]
    fn two_keys_are_two_where_the_packet_of_the_pause_is_lost() {
        let samples = [silence(100), keys("55", 100, 60), silence(200)].concat();
        for lost in 0..20 {
            assert_eq!(through(&samples, |at| at == lost).0, "55", "without packet {lost}");
        }
    }

    #[test]
    fn the_other_party_hears_less_than_24_ms_of_the_tone() {
        for offset in (0..160).step_by(8) {
            let samples = [vec![0; 320 + offset], keys("7", 100, 100), silence(200)].concat();
            let (_, notes) = through(&samples, |_| false);
            let tone = 320 + offset..320 + offset + 800;
            let leaked = (0..samples.len() as u32)
                .filter(|at| tone.contains(&(*at as usize)))
                .filter(|at| notes[*at as usize / 160] == ToneNote::Voice)
                .count();
            assert!(leaked < 24 * 8, "{leaked} samples, tone at {offset}");
        }
    }

    #[test]
    fn a_press_is_reported_as_an_event_with_its_length_and_three_ends() {
        let samples = [silence(200), keys("#", 100, 100), silence(200)].concat();
        let (_, notes) = through(&samples, |_| false);
        let notes_of_key: Vec<KeyNote> = notes
            .iter()
            .filter_map(|note| match note {
                ToneNote::Key(key) => Some(*key),
                ToneNote::Voice | ToneNote::Mute => None,
            })
            .collect();
        assert!(
            notes_of_key.iter().all(|key| key.event == 11 && key.start == notes_of_key[0].start)
        );
        assert_eq!(notes_of_key.iter().filter(|key| key.end).count(), 3);
        assert_eq!(notes_of_key.iter().filter(|key| key.first).count(), 1);
        assert!(notes_of_key.is_sorted_by_key(|key| key.duration));
        let length = notes_of_key[notes_of_key.len() - 1].duration;
        assert!((760..=840).contains(&length), "{length}");
        let start = notes_of_key[0].start.wrapping_sub(77);
        assert!((1_560..=1_640).contains(&start), "{start}");
    }

    #[test]
    fn a_press_of_more_than_eight_seconds_is_reported_in_segments() {
        let ToneNote::Key(second) = key(1, 10, 70_000, false, false) else { panic!() };
        assert_eq!((second.start, second.duration), (10 + 65_535, 4_465));
        let ToneNote::Key(whole) = key(1, 10, 65_535, false, false) else { panic!() };
        assert_eq!((whole.start, whole.duration), (10, 65_535));
    }

    #[test]
    fn a_key_is_reported_when_its_packets_stop() {
        let samples = keys("3", 100, 0);
        assert_eq!(through(&samples, |_| false).0, "3");
    }
}
