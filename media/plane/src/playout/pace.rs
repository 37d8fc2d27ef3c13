//! How long the packets of a party wait, and whether that is too long or too short. Sans-IO.
//!
//! A packet's margin is the time from its arrival to the tick that needs it. Its spread is the jitter, its least
//! value is what the delay has to spare. So the buffer needs no estimate of jitter: over windows of 2 s it looks at
//! the least margin and at late packets. A tick is 20 ms, and so is the step of the delay.
//!
//! - Two late packets in a window: the next gap is not taken out of the stream but added to it, so that the
//!   packets behind it come 20 ms sooner than they are needed. Only in the adaptive mode, and only up to 60 ms.
//! - A least margin of more than a tick: 20 ms are a debt, to be left out where it is not heard.
//!
//! The packet clocks of two machines differ by up to 100 ppm, so every mode has to leave out 20 ms each few minutes.

use shared::Playout;

/// The margins of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    mode: Playout,
    ticks: u8,
    packets: u16,
    late: u16,
    least_ms: u32,
    sum_ms: u32,
}

/// What a window asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Keep,
    /// 20 ms more of delay.
    Longer,
    /// 20 ms less.
    Shorter,
}

impl Pace {
    pub const fn new(mode: Playout) -> Self {
        Self { mode, ticks: 0, packets: 0, late: 0, least_ms: u32::MAX, sum_ms: 0 }
    }

    pub const fn mode(&self) -> Playout {
        self.mode
    }

    /// Begins a window.
    pub const fn restart(&mut self) {
        *self = Self::new(self.mode);
    }

    /// A packet came in time.
    pub fn in_time(&mut self, margin_ms: u32) {
        self.packets = self.packets.saturating_add(1);
        self.least_ms = self.least_ms.min(margin_ms);
        self.sum_ms = self.sum_ms.saturating_add(margin_ms);
    }

    /// A packet came too late.
    pub const fn late(&mut self) {
        self.late = self.late.saturating_add(1);
    }

    /// Lets 20 ms pass.
    pub fn tick(&mut self) -> Step {
        if self.late >= LATE_MAX && self.mode == Playout::Adaptive {
            let mean_ms = self.sum_ms / u32::from(self.packets.max(1));
            self.restart();
            return if mean_ms + TICK_MS <= MOST_MS { Step::Longer } else { Step::Keep };
        }
        self.ticks += 1;
        if self.ticks < WINDOW_TICKS {
            return Step::Keep;
        }
        let is_long = self.packets >= PACKETS_MIN && self.late == 0;
        let has_spare = self.least_ms >= wait_ms(self.mode) + TICK_MS + spare_ms(self.mode);
        self.restart();
        if is_long && has_spare { Step::Shorter } else { Step::Keep }
    }

    /// The least time that the first packet after silence waits, in milliseconds. A tick comes every 20 ms, so on
    /// average a packet waits 10 ms longer, which makes the delay that the mode names.
    pub fn wait_ms(&self) -> u32 {
        match self.mode {
            Playout::Adaptive => FIRST_WAIT_MS,
            Playout::Off | Playout::Fixed(_) => wait_ms(self.mode),
        }
    }
}

/// The margin that a mode wants every packet to have.
fn wait_ms(mode: Playout) -> u32 {
    match mode {
        Playout::Off | Playout::Adaptive => 0,
        Playout::Fixed(ms) => u32::from(ms).min(MOST_MS).saturating_sub(TICK_MS / 2),
    }
}

/// The margin beyond that and a tick from which the delay is too long.
const fn spare_ms(mode: Playout) -> u32 {
    match mode {
        Playout::Adaptive => 5,
        Playout::Off | Playout::Fixed(_) => 1,
    }
}

/// 2 s.
const WINDOW_TICKS: u8 = 100;
/// Packets of a window that allow a verdict: half of them, as a party sends them that speaks half of the time.
const PACKETS_MIN: u16 = 50;
const LATE_MAX: u16 = 2;
/// What the first packet waits in the adaptive mode: the jitter of most networks.
const FIRST_WAIT_MS: u32 = 10;
const MOST_MS: u32 = 60;
const TICK_MS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps of a number of windows in which each packet has this margin.
    fn steps(pace: &mut Pace, margin_ms: u32, windows: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..windows * usize::from(WINDOW_TICKS) {
            pace.in_time(margin_ms);
            steps.extend(Some(pace.tick()).filter(|step| *step != Step::Keep));
        }
        steps
    }

    #[test]
    fn a_delay_with_more_than_a_tick_to_spare_is_shortened() {
        for (mode, kept, shortened) in [
            (Playout::Adaptive, 24, 25),
            (Playout::Off, 20, 21),
            (Playout::Fixed(20), 30, 31),
            (Playout::Fixed(60), 70, 71),
        ] {
            let mut pace = Pace::new(mode);
            assert_eq!(steps(&mut pace, kept, 3), [], "{mode:?}");
            assert_eq!(steps(&mut pace, shortened, 2), [Step::Shorter; 2], "{mode:?}");
        }
    }

    #[test]
    fn late_packets_lengthen_an_adaptive_delay_up_to_60_ms() {
        let mut pace = Pace::new(Playout::Adaptive);
        let mut late = |margin_ms, mode| {
            pace = Pace::new(mode);
            pace.in_time(margin_ms);
            pace.late();
            assert_eq!(pace.tick(), Step::Keep);
            pace.late();
            pace.tick()
        };
        assert_eq!(late(15, Playout::Adaptive), Step::Longer);
        assert_eq!(late(40, Playout::Adaptive), Step::Longer);
        assert_eq!(late(41, Playout::Adaptive), Step::Keep);
        assert_eq!(late(15, Playout::Fixed(20)), Step::Keep);
    }
}
