//! Telephone events of the bridged party as tones, for a leg that negotiated none. Sans-IO.
//!
//! Events are read as they arrive and played by the leg's own beat, one after the other with a pause
//! between, each as long as the press: loss, duplicates and jitter of the packets are not audible.

use shared::limits::TONE_KEYS_MAX;

use super::generator::DualTone;
use crate::clock::{SAMPLES_A_MS, elapsed};

/// The keys to play to one leg.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ToneRelay {
    /// Oldest first; the first one is playing.
    keys: [Option<Key>; TONE_KEYS_MAX],
    /// Epoch and timestamp of the newest press, so that its repeats do not start it again.
    newest: Option<(u16, u32)>,
    /// Of the first key, once it began.
    tone: Option<DualTone>,
    played: u32,
    /// Silence to go before the next key.
    pause: u16,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    event: u8,
    below_dbm0: u8,
    epoch: u16,
    timestamp: u32,
    earlier: u32,
    duration: u16,
    ended: bool,
    last_at: u32,
}

impl ToneRelay {
    /// Reads the payload of one event packet; `false` when it holds no key, or there is no room for one more.
    pub fn hear(&mut self, epoch: u16, timestamp: u32, payload: &[u8], now_samples: u32) -> bool {
        let Some([event, flags, high, low]) = payload.first_chunk().copied() else { return false };
        if event >= EVENTS {
            return false;
        }
        let ended = flags & END != 0;
        let duration = u16::from_be_bytes([high, low]);
        let heard = Key {
            event,
            below_dbm0: flags & VOLUME,
            epoch,
            timestamp,
            earlier: 0,
            duration,
            ended,
            last_at: now_samples,
        };
        if let Some(known) = self.keys.iter_mut().flatten().find(|key| key.is_press_of(&heard)) {
            known.go_on(&heard);
            return true;
        }
        let is_new = self.newest.is_none_or(|(newest_epoch, newest)| {
            newest_epoch != epoch || (timestamp.wrapping_sub(newest) as i32) > 0
        });
        !is_new || self.add(heard)
    }

    /// Whether a key plays or waits.
    pub fn is_active(&self) -> bool {
        self.keys[0].is_some() || self.pause > 0
    }

    /// Fills the next samples.
    pub fn fill(&mut self, now_samples: u32, samples: &mut [i16]) {
        for sample in samples {
            *sample = self.sample(now_samples);
        }
    }

    fn sample(&mut self, now_samples: u32) -> i16 {
        if self.pause > 0 {
            self.pause -= 1;
            return 0;
        }
        let Some(key) = &self.keys[0] else { return 0 };
        if key.is_over(now_samples, self.played) {
            self.keys[0] = None;
            self.keys.rotate_left(1);
            self.tone = None;
            self.played = 0;
            self.pause = PAUSE_SAMPLES - 1;
            return 0;
        }
        self.played = self.played.saturating_add(1);
        if self.tone.is_none() {
            self.tone = DualTone::new(key.event, key.below_dbm0);
        }
        self.tone.as_mut().map_or(0, DualTone::sample)
    }

    /// `false` when too many keys wait: a person does not type that far ahead of the tones.
    fn add(&mut self, key: Key) -> bool {
        // A new press ends those before (§2.5.1.4).
        self.keys.iter_mut().flatten().for_each(|known| known.ended = true);
        self.newest = Some((key.epoch, key.timestamp));
        let place = self.keys.iter_mut().find(|place| place.is_none());
        place.map(|place| *place = Some(key)).is_some()
    }
}

impl Key {
    /// The same press, or its next segment (§2.5.1.3).
    fn is_press_of(&self, other: &Self) -> bool {
        let later = other.timestamp.wrapping_sub(self.timestamp);
        self.epoch == other.epoch
            && self.event == other.event
            && (later == 0 || later == u32::from(u16::MAX))
    }

    fn go_on(&mut self, packet: &Self) {
        if packet.timestamp == self.timestamp {
            self.duration = self.duration.max(packet.duration);
        } else {
            self.earlier = self.earlier.saturating_add(u32::from(u16::MAX));
            self.timestamp = packet.timestamp;
            self.duration = packet.duration;
        }
        self.ended |= packet.ended;
        self.last_at = packet.last_at;
    }

    fn is_over(&self, now_samples: u32, played: u32) -> bool {
        let length = self.earlier.saturating_add(u32::from(self.duration)).max(TONE_SAMPLES_MIN);
        let silent = elapsed(now_samples, self.last_at) >= SILENCE_SAMPLES;
        (self.ended || silent) && played >= length
    }
}

const END: u8 = 0x80;
const VOLUME: u8 = 0x3F;
/// Codes 0..=15 are keys.
const EVENTS: u8 = 16;
/// Q.24 requires tones of 40 ms to be detected; a little more is detected by every receiver.
const TONE_SAMPLES_MIN: u32 = 50 * SAMPLES_A_MS;
const PAUSE_SAMPLES: u16 = 50 * SAMPLES_A_MS as u16;
/// After this long without a packet the press has ended.
const SILENCE_SAMPLES: u32 = 120 * SAMPLES_A_MS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::detector::Detector;
    use shared::Codec;

    /// Plays 20 ms at a time while `packets` (at step, timestamp, payload) come in; the digits and lengths
    /// that a detector reports.
    fn played(packets: &[(u32, u32, [u8; 4])], steps: u32) -> Vec<(u8, u32)> {
        let mut relay = ToneRelay::default();
        let mut detector = Detector::default();
        let mut heard = Vec::new();
        for step in 0..steps {
            for (_, timestamp, payload) in packets.iter().filter(|(at, ..)| *at == step) {
                assert!(relay.hear(2, *timestamp, payload, step * 160));
            }
            let mut samples = [0; 160];
            relay.fill(step * 160, &mut samples);
            let codes = samples.map(|sample| crate::g711::encode(Codec::Pcmu, sample));
            detector.hear(Codec::Pcmu, &codes, |event, length| heard.push((event, length)));
        }
        assert!(!relay.is_active());
        heard
    }

    fn press(at: u32, timestamp: u32, event: u8, packets: u32) -> Vec<(u32, u32, [u8; 4])> {
        let packet = |index: u32| {
            let [high, low] = (((index + 1).min(packets) * 160) as u16).to_be_bytes();
            let end = if index + 1 >= packets { END } else { 0 };
            (at + index, timestamp, [event, end | 10, high, low])
        };
        (0..packets + 2).map(packet).collect()
    }

    #[test]
    fn a_press_is_a_tone_of_its_length() {
        for packets in [3, 5, 12, 50] {
            let heard = played(&press(2, 900, 5, packets), 100);
            assert_eq!(heard.len(), 1);
            let (event, length) = heard[0];
            assert_eq!(event, 5);
            assert!(length.abs_diff(packets * 160) <= 60, "{length} for {packets} packets");
        }
    }

    #[test]
    fn one_packet_of_a_press_is_enough() {
        for kept in 0..7 {
            let packets = vec![press(2, 900, 9, 5)[kept]];
            let heard = played(&packets, 60);
            assert_eq!(heard.iter().map(|(event, _)| *event).collect::<Vec<_>>(), [9], "{kept}");
        }
    }

    #[test]
    fn presses_in_haste_are_played_one_after_the_other() {
        let packets: Vec<_> = (0..10).flat_map(|at| press(at * 4, at * 640, 1, 2)).collect();
        assert_eq!(played(&packets, 120).len(), 10);
    }

    #[test]
    fn keys_past_the_bound_are_left_out_and_said_so() {
        let mut relay = ToneRelay::default();
        let taken = (0..20).filter(|at| relay.hear(2, at * 160, &[1, END, 1, 0], 0)).count();
        assert_eq!(taken, TONE_KEYS_MAX);
    }

    #[test]
    fn other_events_are_no_tones() {
        let mut relay = ToneRelay::default();
        assert!(!relay.hear(2, 0, &[16, END, 1, 0], 0));
        assert!(!relay.hear(2, 0, &[1, END, 1], 0));
        assert!(!relay.is_active());
    }
}
