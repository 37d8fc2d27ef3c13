//! The turns of one conversation, as the caller hears them. Pure.
//!
//! ```text
//!   Resting ──text──> Waiting ──loud packet──> Talking ──key or voice──> Interrupting ──`interrupt`──> Fading
//!      ^─────────────────────────────── quiet for 300 ms ─────────────────────────────────────────────────┘
//! ```
//!
//! The application says two sentences, the caller interrupts while they last. Texts and ways to interrupt take
//! turns. An interruption in a pause between two words says nothing about the end of audio, so it is counted apart.

use std::time::{Duration, Instant};

/// What the application says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sentences that were said before, in one message.
    KnownWhole,
    /// The same, a word a message.
    KnownTokens,
    /// Sentences that nobody has said.
    NewWhole,
    NewTokens,
    /// With a first sentence of 15 s.
    LongTokens,
}

/// How the caller interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Key,
    Voice,
}

/// What is to be done for a conversation now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Say(Kind),
    Interrupt(By),
}

/// One conversation.
#[derive(Debug)]
pub(super) struct Turns {
    state: State,
    kinds: &'static [Kind],
    count: usize,
    last_loud: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Resting { until: Instant },
    Waiting { kind: Kind, said: Instant },
    Talking { until: Instant },
    Interrupting { by: By, since: Instant },
    Fading { by: By, since: Instant, decided: Instant },
}

/// What all conversations of a run have shown.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// From the text to the first loud packet.
    pub first: Vec<(Kind, Duration)>,
    /// From the message `interrupt` to the last loud packet.
    pub stop: Vec<(By, Duration)>,
    /// From the key or the first packet of the voice to the last loud packet.
    pub whole: Vec<(By, Duration)>,
    /// Interruptions in a pause.
    pub in_a_pause: u32,
    /// Texts without audio, interruptions without the message, audio that went on.
    pub lost: Vec<&'static str>,
}

impl Turns {
    /// Begins at `first`, with the kind of that number.
    pub const fn new(kinds: &'static [Kind], first: Instant, number: usize) -> Self {
        Self { state: State::Resting { until: first }, kinds, count: number, last_loud: None }
    }

    /// The next step, where it is due; `rest` is the time until the next text.
    pub fn turn(&mut self, now: Instant, rest: Duration, times: &mut Times) -> Option<Act> {
        match self.state {
            State::Resting { until } if now >= until => {
                self.count += 1;
                return Some(Act::Say(*self.kinds.get(self.count % self.kinds.len().max(1))?));
            }
            State::Talking { until } if now >= until => {
                let by = if self.count.is_multiple_of(2) { By::Key } else { By::Voice };
                self.state = State::Interrupting { by, since: now };
                return Some(Act::Interrupt(by));
            }
            State::Waiting { said, .. } if now > said + PATIENCE => {
                self.give_up("a text had no audio", now + rest, times);
            }
            State::Interrupting { since, .. } if now > since + PATIENCE => {
                self.give_up("an interruption had no message", now + rest, times);
            }
            State::Fading { by, since, decided } => {
                let last = self.last_loud.unwrap_or(decided);
                if now > decided + PATIENCE {
                    self.give_up("audio went on after an interruption", now + rest, times);
                } else if now > last.max(decided) + QUIET {
                    times.note_stop(by, since, decided, last);
                    self.state = State::Resting { until: now + rest };
                }
            }
            _ => {}
        }
        None
    }

    /// The application sends a text from now on.
    pub const fn said(&mut self, kind: Kind, at: Instant) {
        self.state = State::Waiting { kind, said: at };
    }

    /// The caller got a loud packet.
    pub fn heard(&mut self, at: Instant, times: &mut Times) {
        self.last_loud = Some(at);
        if let State::Waiting { kind, said } = self.state {
            times.first.push((kind, at.duration_since(said)));
            // From 600 to 1,000 ms, so that interruptions fall on all parts of a frame and of a word.
            let spread = Duration::from_millis(self.count as u64 * 61 % 400);
            self.state = State::Talking { until: at + TALK + spread };
        }
    }

    /// The application got `interrupt`.
    pub const fn interrupted(&mut self, at: Instant) {
        if let State::Interrupting { by, since } = self.state {
            self.state = State::Fading { by, since, decided: at };
        }
    }

    fn give_up(&mut self, why: &'static str, until: Instant, times: &mut Times) {
        times.lost.push(why);
        self.state = State::Resting { until };
    }
}

impl Times {
    fn note_stop(&mut self, by: By, since: Instant, decided: Instant, last: Instant) {
        if last + PAUSE < decided {
            self.in_a_pause += 1;
            return;
        }
        self.stop.push((by, last.saturating_duration_since(decided)));
        self.whole.push((by, last.saturating_duration_since(since)));
    }
}

/// Time of audio before an interruption, at least.
const TALK: Duration = Duration::from_millis(600);
/// Silence after which audio has ended: longer than a pause between two words.
const QUIET: Duration = Duration::from_millis(300);
/// The last loud packet before an interruption is older than this: the voice made a pause.
const PAUSE: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(1);
    const KINDS: &[Kind] = &[Kind::NewWhole, Kind::KnownTokens];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_turn_has_the_time_to_the_first_audio_and_from_the_message_to_the_last() {
        let begin = Instant::now();
        let (mut turns, mut times) = (Turns::new(KINDS, begin, 0), Times::default());
        let at = |turns: &mut Turns, after, times: &mut Times| {
            turns.turn(begin + ms(after), REST, times)
        };
        assert_eq!(at(&mut turns, 0, &mut times), Some(Act::Say(Kind::KnownTokens)));
        turns.said(Kind::KnownTokens, begin);
        turns.heard(begin + ms(45), &mut times);
        assert_eq!(times.first, [(Kind::KnownTokens, ms(45))]);
        assert_eq!(at(&mut turns, 600, &mut times), None);
        assert_eq!(at(&mut turns, 1_045, &mut times), Some(Act::Interrupt(By::Voice)));
        turns.heard(begin + ms(1_100), &mut times);
        turns.interrupted(begin + ms(1_110));
        turns.heard(begin + ms(1_120), &mut times);
        assert_eq!(at(&mut turns, 1_400, &mut times), None, "a pause of the voice");
        assert_eq!(at(&mut turns, 1_421, &mut times), None);
        assert_eq!(times.stop, [(By::Voice, ms(10))]);
        assert_eq!(times.whole, [(By::Voice, ms(75))]);
        assert_eq!(at(&mut turns, 2_421, &mut times), Some(Act::Say(Kind::NewWhole)));
    }

    #[test]
    fn a_pause_is_no_end_of_audio_and_what_never_comes_is_lost() {
        let begin = Instant::now();
        let (mut turns, mut times) = (Turns::new(KINDS, begin, 1), Times::default());
        turns.said(Kind::NewWhole, begin);
        assert_eq!(turns.turn(begin + ms(10_001), REST, &mut times), None);
        assert_eq!(times.lost, ["a text had no audio"]);
        turns.said(Kind::NewWhole, begin);
        turns.heard(begin, &mut times);
        assert!(turns.turn(begin + ms(1_000), REST, &mut times).is_some());
        turns.interrupted(begin + ms(1_100));
        assert_eq!(turns.turn(begin + ms(1_401), REST, &mut times), None);
        assert_eq!((times.in_a_pause, times.stop.len()), (1, 0));
    }
}
