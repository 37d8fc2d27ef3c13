//! Telephone events (RFC 4733): one digit for each received key press, packets for each digit to send. Sans-IO.
//!
//! The receiver ([`EventReceiver`]) identifies a press by timestamp and event code, so lost, repeated and
//! late packets of one press still give one digit: at the end packet, at the next press, or when
//! packets stop. Digits are reported in the order in which they were pressed. A press whose first packet
//! comes after a later press was reported is left out: a caller who misses a digit is asked again, but one
//! digit in the wrong place makes another number. The sender ([`DigitSender`]) works in steps of 20 ms whatever the packet time.

use std::sync::Arc;

use shared::{Codec, PlayId};

use crate::clock::{SAMPLES_A_MS, elapsed};
use crate::dtmf::DualTone;
use crate::g711;

/// Turns event packets into digits, one a key press however packets are lost, doubled or late.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventReceiver {
    current: Option<HeldKey>,
    /// Presses that were reported or found too short, newest last; repeats of them are ignored.
    past: [Option<PressKey>; PAST_PRESSES],
    /// SSRC and timestamp of the press that was reported last.
    reported: Option<(u32, u32)>,
}

/// A key press that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Press {
    /// `0-9 * # A-D`.
    pub digit: u8,
    pub duration_ms: u16,
}

impl Press {
    /// A press of this event code; codes over 15 read as 0.
    pub fn of_event(event: u8, duration_ms: u32) -> Self {
        let digit = DIGITS.get(usize::from(event)).copied().unwrap_or(DIGITS[0]);
        Self { digit, duration_ms: duration_ms.min(u32::from(u16::MAX)) as u16 }
    }
}

/// Identity of one press (RFC 4733 §2.5.1.2: same timestamp, same event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PressKey {
    ssrc: u32,
    timestamp: u32,
    event: u8,
}

#[derive(Clone, Copy, Debug)]
struct HeldKey {
    key: PressKey,
    /// Samples of segments before this one (§2.5.1.3).
    earlier_samples: u32,
    duration: u16,
    /// Arrival of its last packet, in wrapping samples.
    last_at: u32,
}

impl EventReceiver {
    /// Reads the payload of one event packet; calls `report` for each press that became certain.
    pub fn receive(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        payload: &[u8],
        now_samples: u32,
        mut report: impl FnMut(Press),
    ) {
        let mut timestamp = timestamp;
        for block in payload.as_chunks::<EVENT_BYTES>().0.iter().take(BLOCKS_MAX) {
            let [event, flags, high, low] = *block;
            let duration = u16::from_be_bytes([high, low]);
            if event < EVENTS {
                let key = PressKey { ssrc, timestamp, event };
                self.block(key, flags & END != 0, duration, now_samples, &mut report);
            }
            // The next block of a packet begins where this one ends (§2.5.1.5).
            timestamp = timestamp.wrapping_add(u32::from(duration));
        }
    }

    /// Stops waiting for the end of a press whose packets stopped.
    pub fn expire(&mut self, now_samples: u32) -> Option<Press> {
        let held = self.current?;
        if elapsed(now_samples, held.last_at) < SILENCE_SAMPLES {
            return None;
        }
        self.finish(held)
    }

    /// Whether a press waits for its end.
    pub const fn is_waiting(&self) -> bool {
        self.current.is_some()
    }

    fn block(
        &mut self,
        key: PressKey,
        end: bool,
        duration: u16,
        now_samples: u32,
        report: &mut impl FnMut(Press),
    ) {
        if self.past.contains(&Some(key)) || self.is_too_late(key) {
            return;
        }
        let mut held = match self.current {
            Some(held) if held.key == key => held,
            Some(held) if held.continues_in(key) => held.next_segment(key),
            Some(held) if held.is_older_than(key) => {
                self.finish(held).into_iter().for_each(&mut *report);
                HeldKey::new(key)
            }
            // Overtaken packets of an earlier press: reported when its end or its length is known.
            Some(_) => {
                let late = HeldKey { duration, ..HeldKey::new(key) };
                if end || late.is_long_enough() {
                    self.settle(late).into_iter().for_each(report);
                }
                return;
            }
            None => HeldKey::new(key),
        };
        held.duration = held.duration.max(duration);
        held.last_at = now_samples;
        self.current = Some(held);
        if end {
            self.finish(held).into_iter().for_each(report);
        }
    }

    fn finish(&mut self, held: HeldKey) -> Option<Press> {
        self.current = None;
        self.settle(held)
    }

    /// The press to report, if it was long enough; its packets are ignored from now on.
    fn settle(&mut self, held: HeldKey) -> Option<Press> {
        self.past.rotate_left(1);
        self.past[PAST_PRESSES - 1] = Some(held.key);
        let press = held.press()?;
        self.reported = Some((held.key.ssrc, held.key.timestamp));
        Some(press)
    }

    /// Whether a press is older than the one reported last. Far older timestamps are those of a sender
    /// that began anew, not of a packet that was overtaken.
    fn is_too_late(&self, key: PressKey) -> bool {
        self.reported.is_some_and(|(ssrc, timestamp)| {
            let behind = timestamp.wrapping_sub(key.timestamp);
            ssrc == key.ssrc && (1..=LATE_SAMPLES_MAX).contains(&behind)
        })
    }
}

impl HeldKey {
    const fn new(key: PressKey) -> Self {
        Self { key, earlier_samples: 0, duration: 0, last_at: 0 }
    }

    /// Presses longer than 0xFFFF units continue under a timestamp that much later (§2.5.1.3).
    fn continues_in(&self, key: PressKey) -> bool {
        self.key.ssrc == key.ssrc
            && self.key.event == key.event
            && key.timestamp.wrapping_sub(self.key.timestamp) == u32::from(u16::MAX)
    }

    fn next_segment(self, key: PressKey) -> Self {
        let earlier_samples = self.earlier_samples.saturating_add(u32::from(u16::MAX));
        Self { key, earlier_samples, duration: 0, ..self }
    }

    /// Another SSRC counts as newer: its timestamps do not compare with those before.
    fn is_older_than(&self, key: PressKey) -> bool {
        self.key.ssrc != key.ssrc
            || key.timestamp == self.key.timestamp
            || (key.timestamp.wrapping_sub(self.key.timestamp) as i32) > 0
    }

    fn samples(&self) -> u32 {
        self.earlier_samples.saturating_add(u32::from(self.duration))
    }

    fn is_long_enough(&self) -> bool {
        self.samples() >= PRESS_SAMPLES_MIN
    }

    fn press(&self) -> Option<Press> {
        let digit = *DIGITS.get(usize::from(self.key.event))?;
        let duration_ms = (self.samples() / SAMPLES_A_MS).min(u32::from(u16::MAX)) as u16;
        self.is_long_enough().then_some(Press { digit, duration_ms })
    }
}

/// Digits on their way out: 100 ms on, 100 ms off, in steps of 20 ms.
#[derive(Debug)]
pub(crate) struct DigitSender {
    pub play: PlayId,
    pub digits: Arc<str>,
    /// Byte index of the next character.
    next: usize,
    state: SendState,
    /// The present digit, for a party without telephone events; `None` between digits.
    tone: Option<DualTone>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SendState {
    /// The next character begins in this step.
    Between,
    /// Packets of this event that were sent, the repeats of the last one included.
    Sending { event: u8, sent: u8 },
    /// Steps without an event.
    Waiting { steps: u8 },
}

/// What to send in one 20 ms step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigitStep {
    /// This packet.
    Event { payload: [u8; EVENT_BYTES], first: bool },
    /// Ordinary silence.
    Silence,
    /// All digits are out.
    Ended,
}

impl DigitSender {
    pub fn new(play: PlayId, digits: Arc<str>) -> Self {
        Self { play, digits, next: 0, state: SendState::Between, tone: None }
    }

    /// The next 20 ms.
    pub fn step(&mut self) -> DigitStep {
        if self.state == SendState::Between && !self.begin_next() {
            return DigitStep::Ended;
        }
        match self.state {
            SendState::Between => DigitStep::Ended,
            SendState::Sending { event, sent } => {
                self.choose_tone(event, sent);
                self.state = if sent + 1 < EVENT_PACKETS {
                    SendState::Sending { event, sent: sent + 1 }
                } else {
                    SendState::Waiting { steps: GAP_STEPS }
                };
                DigitStep::Event { payload: event_payload(event, sent), first: sent == 0 }
            }
            SendState::Waiting { steps } => {
                self.state = match steps {
                    0 | 1 => SendState::Between,
                    more => SendState::Waiting { steps: more - 1 },
                };
                DigitStep::Silence
            }
        }
    }

    /// The samples of the step before, for a party without telephone events: 100 ms of tone, then silence.
    pub fn tone(&mut self, codec: Codec) -> [u8; STEP_SAMPLES as usize] {
        let Some(tone) = &mut self.tone else { return [codec.silence(); STEP_SAMPLES as usize] };
        std::array::from_fn(|_| g711::encode(codec, tone.sample()))
    }

    fn choose_tone(&mut self, event: u8, sent: u8) {
        if sent == 0 {
            self.tone = DualTone::new(event, VOLUME);
        } else if sent >= ON_STEPS {
            self.tone = None;
        }
    }

    /// Moves to the next character; other characters than digits and pauses are passed over.
    fn begin_next(&mut self) -> bool {
        while let Some(character) = self.digits.as_bytes().get(self.next) {
            self.next += 1;
            let state = match character {
                b'w' => Some(SendState::Waiting { steps: 25 }),
                b'W' => Some(SendState::Waiting { steps: 50 }),
                digit => event_of(*digit).map(|event| SendState::Sending { event, sent: 0 }),
            };
            if let Some(state) = state {
                self.state = state;
                return true;
            }
        }
        false
    }
}

/// The event code of a digit.
pub(crate) fn event_of(digit: u8) -> Option<u8> {
    let place = DIGITS.iter().position(|known| *known == digit.to_ascii_uppercase())?;
    u8::try_from(place).ok()
}

/// The payload of the packet after `sent` others: its duration grows, then the end is sent three times.
fn event_payload(event: u8, sent: u8) -> [u8; EVENT_BYTES] {
    let steps = (sent + 1).min(ON_STEPS);
    let end = if sent + 1 >= ON_STEPS { END } else { 0 };
    let [high, low] = (u16::from(steps) * STEP_SAMPLES).to_be_bytes();
    [event, end | VOLUME, high, low]
}

/// RFC 4733 table 3, in the order of the codes.
const DIGITS: [u8; EVENTS as usize] = *b"0123456789*#ABCD";
/// Codes 0..=15 are keys; 16 is flash, which no call here uses.
const EVENTS: u8 = 16;
pub(crate) const EVENT_BYTES: usize = 4;
/// Events in one packet that are read; senders put one.
const BLOCKS_MAX: usize = 4;
const END: u8 = 0x80;
/// -10 dBm0.
const VOLUME: u8 = 10;
const STEP_SAMPLES: u16 = 160;
/// 100 ms of tone.
const ON_STEPS: u8 = 5;
/// The last packet and two repeats.
const EVENT_PACKETS: u8 = ON_STEPS + 2;
/// 100 ms of gap, less the steps that the repeats took.
const GAP_STEPS: u8 = 3;
/// Shorter presses are noise.
const PRESS_SAMPLES_MIN: u32 = 40 * SAMPLES_A_MS;
/// Packets of a press arrive every 20 to 50 ms: after this long without one it has ended.
const SILENCE_SAMPLES: u32 = 120 * SAMPLES_A_MS;
const PAST_PRESSES: usize = 8;
/// Most that an overtaken packet lies behind those that overtook it.
const LATE_SAMPLES_MAX: u32 = 2_000 * SAMPLES_A_MS;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every packet a sender makes for these digits, as (timestamp, payload).
    fn packets(digits: &str) -> Vec<(u32, [u8; 4])> {
        let mut sender = DigitSender::new(PlayId(1), digits.into());
        let mut packets = Vec::new();
        let (mut now, mut started) = (5_000u32, 0);
        loop {
            match sender.step() {
                DigitStep::Event { payload, first } => {
                    if first {
                        started = now;
                    }
                    packets.push((started, payload));
                }
                DigitStep::Silence => {}
                DigitStep::Ended => return packets,
            }
            now += 160;
        }
    }

    fn heard(packets: &[(u32, [u8; 4])]) -> String {
        let mut receiver = EventReceiver::default();
        let mut digits = String::new();
        for (timestamp, payload) in packets {
            let push = |press: Press| digits.push(char::from(press.digit));
            receiver.receive(9, *timestamp, payload, *timestamp, push);
        }
        digits.extend(receiver.expire(u32::MAX / 4).map(|press| char::from(press.digit)));
        digits
    }

    #[test]
    fn all_sixteen_keys_are_sent_and_heard() {
        assert_eq!(heard(&packets("0123456789*#ABCD")), "0123456789*#ABCD");
        assert_eq!(heard(&packets("5555")), "5555");
    }

    #[test]
    fn one_digit_is_five_growing_packets_and_two_repeats_of_the_end() {
        let packets = packets("#");
        let durations: Vec<u16> =
            packets.iter().map(|(_, p)| u16::from_be_bytes([p[2], p[3]])).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        let flags: Vec<u8> = packets.iter().map(|(_, p)| p[1]).collect();
        assert_eq!(flags, [10, 10, 10, 10, 0x8A, 0x8A, 0x8A]);
        assert!(packets.iter().all(|(timestamp, p)| *timestamp == packets[0].0 && p[0] == 11));
    }

    #[test]
    fn digits_and_pauses_take_their_time() {
        let steps = |digits: &str| {
            let mut sender = DigitSender::new(PlayId(1), digits.into());
            (0..).find(|_| sender.step() == DigitStep::Ended).unwrap()
        };
        assert_eq!(steps("12"), 20);
        assert_eq!(steps("w"), 25);
        assert_eq!(steps("W"), 50);
        assert_eq!(steps(" x"), 0);
    }

    #[test]
    fn a_press_without_an_end_is_reported_after_silence() {
        let mut receiver = EventReceiver::default();
        let mut reported = 0;
        receiver.receive(1, 100, &[5, 10, 1, 0x90], 0, |_| reported += 1);
        assert_eq!((reported, receiver.expire(959)), (0, None));
        assert_eq!(receiver.expire(960), Some(Press { digit: b'5', duration_ms: 50 }));
        receiver.receive(1, 100, &[5, 0x8A, 1, 0x90], 961, |_| reported += 1);
        assert_eq!((reported, receiver.is_waiting()), (0, false));
    }

    #[test]
    fn a_new_timestamp_ends_the_press_before() {
        let held = packets("12");
        let without_ends: Vec<_> = held.into_iter().filter(|(_, p)| p[1] & END == 0).collect();
        assert_eq!(heard(&without_ends), "12");
    }

    #[test]
    fn short_presses_flash_and_unknown_events_are_ignored() {
        let payload = |event, duration: u16| {
            let [high, low] = duration.to_be_bytes();
            [event, END, high, low]
        };
        assert_eq!(heard(&[(1, payload(5, 319))]), "");
        assert_eq!(heard(&[(1, payload(5, 320))]), "5");
        assert_eq!(heard(&[(1, payload(16, 800)), (2_000, payload(200, 800))]), "");
    }

    #[test]
    fn a_very_long_press_in_segments_is_one_digit() {
        let packets =
            [(0, [1, 0, 0xFF, 0xFF]), (65_535, [1, 0, 0x10, 0]), (65_535, [1, END, 0x20, 0])];
        let mut receiver = EventReceiver::default();
        let mut presses = Vec::new();
        for (timestamp, payload) in packets {
            receiver.receive(1, timestamp, &payload, timestamp, |press| presses.push(press));
        }
        assert_eq!(presses, [Press { digit: b'1', duration_ms: 9_215 }]);
    }

    #[test]
    fn a_press_that_comes_after_a_later_one_was_reported_is_left_out() {
        let (one, two): (Vec<_>, Vec<_>) = packets("12").into_iter().partition(|(_, p)| p[0] == 1);
        let after = |first: &[_], then: &[_]| heard(&[first, then].concat());
        assert_eq!(after(&two, &one), "2", "21 would be another number");
        assert_eq!(after(&two, &one[..1]), "2", "its silence reports it as little as its end");
        // The later press still lasts: the earlier one is in time.
        let (two_begins, two_ends) = two.split_at(3);
        assert_eq!(after(&[two_begins, &one[..]].concat(), two_ends), "12");
        // A sender whose timestamps begin anew is not late for ever.
        let anew: Vec<_> = one.iter().map(|(at, p)| (at + 40_000, *p)).collect();
        assert_eq!(after(&anew, &two), "12");
    }

    #[test]
    fn two_events_in_one_packet_are_two_digits() {
        assert_eq!(heard_raw(&[1, END, 1, 0x90, 2, END, 1, 0x90]), "12");
    }

    fn heard_raw(payload: &[u8]) -> String {
        let mut digits = String::new();
        EventReceiver::default()
            .receive(1, 0, payload, 0, |press| digits.push(char::from(press.digit)));
        digits
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// As long as one packet of a press that shows 40 ms arrives, it is reported exactly once.
        #[test]
        fn lost_and_doubled_packets_never_lose_or_double_a_digit(
            digits in "[0-9A-D*#]{1,12}",
            fates in prop::collection::vec(0u8..4, 7 * 12),
        ) {
            let all = packets(&digits);
            let mut through = Vec::new();
            for (index, packet) in all.iter().enumerate() {
                let copies = if index % 7 == 4 { 1 } else { fates[index].min(2) };
                through.extend(std::iter::repeat_n(*packet, usize::from(copies)));
            }
            prop_assert_eq!(heard(&through), digits);
        }

        #[test]
        fn swapped_neighbours_never_lose_or_double_a_digit(
            digits in "[0-9A-D*#]{1,8}", swaps in prop::collection::vec(any::<bool>(), 7 * 8),
        ) {
            let mut all = packets(&digits);
            for (index, _) in swaps.iter().enumerate().filter(|(_, swap)| **swap) {
                if index + 1 < all.len() {
                    all.swap(index, index + 1);
                }
            }
            prop_assert_eq!(heard(&all), digits);
        }

        #[test]
        fn any_payload_is_read_without_panic(
            payloads in prop::collection::vec(
                (any::<u32>(), prop::collection::vec(any::<u8>(), 0..20)), 0..20),
        ) {
            let mut receiver = EventReceiver::default();
            for (timestamp, payload) in payloads {
                receiver.receive(1, timestamp, &payload, timestamp, |_| ());
            }
        }
    }
}
