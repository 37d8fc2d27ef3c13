//! Audio quality of a stream, from its losses and delays (ITU-T G.107, G.113; RFC 3611 §4.7). Pure.
//!
//! The E-model, simplified to what a gateway can know: default values for everything that lies
//! before and behind the network, packet loss with its burst ratio, and the delay from mouth to ear.

/// Losses of a stream as a pattern, in packets. Only final losses count, not late packets.
///
/// Bursts and gaps are those of RFC 3611 §4.7.2 with `Gmin` = 16: a burst begins and ends with a lost
/// packet and never has 16 consecutive received ones; a single loss with 16 received on both sides
/// belongs to the gap around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossPattern {
    /// Packets that never arrived.
    pub lost: u64,
    /// Runs of consecutive losses, of one packet or more.
    pub runs: u64,
    /// Number of bursts.
    pub bursts: u64,
    /// Packets in bursts, lost or not.
    pub burst_packets: u64,
    /// Lost packets in bursts.
    pub burst_lost: u64,
}

/// Inputs of the E-model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairments {
    /// Packets lost, in percent.
    pub loss_percent: f64,
    /// Mean length of a run of losses, over that of random loss at the same rate; at least 1.
    pub burst_ratio: f64,
    /// One-way delay from mouth to ear in milliseconds.
    pub delay_ms: f64,
}

/// Result of the E-model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Transmission rating factor R, 0..=93.2: above 80 satisfied, below 70 many are not.
    pub r_factor: f64,
    /// Mean opinion score estimated from R (G.107 annex B), 1..=4.5.
    pub mos: f64,
}

impl LossPattern {
    /// Share of lost packets of those expected, in percent; 0 without any.
    pub fn loss_percent(&self, expected: u64) -> f64 {
        percent(self.lost, expected)
    }

    /// Share of lost packets inside bursts, in percent (RFC 3611 "burst density").
    pub fn burst_density_percent(&self) -> f64 {
        percent(self.burst_lost, self.burst_packets)
    }

    /// Share of lost packets between bursts, in percent (RFC 3611 "gap density").
    pub fn gap_density_percent(&self, expected: u64) -> f64 {
        let lost = self.lost.saturating_sub(self.burst_lost);
        percent(lost, expected.saturating_sub(self.burst_packets))
    }

    /// Mean length of a burst in packets; 0 without bursts.
    pub fn burst_mean_packets(&self) -> f64 {
        ratio(self.burst_packets, self.bursts)
    }

    /// Burst ratio (G.107 §3.5): the mean run of losses over that of random loss at the same rate,
    /// held to 1..=8, as a handful of losses says little about either.
    pub fn burst_ratio(&self, expected: u64) -> f64 {
        if self.lost == 0 || self.runs == 0 || expected <= self.lost {
            return 1.0;
        }
        let mean_run = ratio(self.lost, self.runs);
        let share = ratio(self.lost, expected);
        (mean_run * (1.0 - share)).clamp(1.0, BURST_RATIO_MAX)
    }

    /// The difference to `earlier`, an older pattern of the same stream.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            lost: self.lost.saturating_sub(earlier.lost),
            runs: self.runs.saturating_sub(earlier.runs),
            bursts: self.bursts.saturating_sub(earlier.bursts),
            burst_packets: self.burst_packets.saturating_sub(earlier.burst_packets),
            burst_lost: self.burst_lost.saturating_sub(earlier.burst_lost),
        }
    }
}

impl Impairments {
    /// R = 93.2 − Id − Ie,eff, and the MOS that belongs to it.
    pub fn rating(&self) -> Rating {
        let r_factor = (R_DEFAULT - self.delay_impairment() - self.loss_impairment()).max(0.0);
        Rating { r_factor, mos: mos(r_factor) }
    }

    /// Ie,eff of G.711 (G.107 §3.5) with the loss concealment that every listener has today.
    fn loss_impairment(&self) -> f64 {
        let loss = self.loss_percent.clamp(0.0, 100.0);
        let robustness = loss / self.burst_ratio.max(1.0) + G711_BPL;
        G711_IE + (95.0 - G711_IE) * loss / robustness
    }

    /// Id in the usual simplification of G.107 by Cole and Rosenbluth, for default echo values.
    fn delay_impairment(&self) -> f64 {
        let delay = self.delay_ms.max(0.0);
        0.024 * delay + 0.11 * (delay - DELAY_KNEE_MS).max(0.0)
    }
}

/// Estimate of the one-way delay: half the round trip, one packet that the sender
/// collects, and a jitter buffer of four times the smoothed jitter, at least one packet.
pub fn delay_ms(round_trip_us: Option<u32>, jitter_rtp_units: u32, packet_ms: u32) -> f64 {
    let packet = f64::from(packet_ms);
    let buffer = (jitter_ms(jitter_rtp_units) * JITTER_BUFFER_FACTOR).max(packet);
    f64::from(round_trip_us.unwrap_or(0)) / 2_000.0 + packet + buffer
}

/// RTP timestamp units of an 8,000 Hz clock in milliseconds.
pub fn jitter_ms(jitter_rtp_units: u32) -> f64 {
    f64::from(jitter_rtp_units) / 8.0
}

/// Mean opinion score of a rating factor (G.107 annex B).
fn mos(r: f64) -> f64 {
    if r <= 0.0 {
        1.0
    } else if r >= 100.0 {
        4.5
    } else {
        // The polynomial dips a little below 1 for the smallest R.
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    ratio(part, whole) * 100.0
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// R with G.107's default values and nothing lost or late.
const R_DEFAULT: f64 = 93.2;
/// G.113 appendix I: equipment impairment of G.711.
const G711_IE: f64 = 0.0;
/// G.113 appendix I: packet-loss robustness of G.711 with appendix I concealment.
const G711_BPL: f64 = 25.1;
const BURST_RATIO_MAX: f64 = 8.0;
/// Above this delay people begin to interrupt each other.
const DELAY_KNEE_MS: f64 = 177.3;
/// RFC 3550's jitter is a smoothed mean deviation; a buffer has to hold nearly all packets.
const JITTER_BUFFER_FACTOR: f64 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn r(loss_percent: f64, burst_ratio: f64, delay_ms: f64) -> f64 {
        Impairments { loss_percent, burst_ratio, delay_ms }.rating().r_factor
    }

    #[test]
    fn a_clean_line_has_the_default_rating() {
        let rating = Impairments { loss_percent: 0.0, burst_ratio: 1.0, delay_ms: 0.0 }.rating();
        assert!((rating.r_factor - 93.2).abs() < 1e-9);
        assert!((rating.mos - 4.41).abs() < 0.01, "{}", rating.mos);
    }

    #[test]
    fn loss_costs_what_g107_says() {
        // Ie,eff = 95 · 5 / (5 + 25.1) = 15.78
        assert!((r(5.0, 1.0, 0.0) - (93.2 - 15.78)).abs() < 0.01);
        // The same loss in runs twice as long: 95 · 5 / (2.5 + 25.1) = 17.21
        assert!((r(5.0, 2.0, 0.0) - (93.2 - 17.21)).abs() < 0.01);
    }

    #[test]
    fn delay_costs_little_up_to_the_knee_and_much_behind_it() {
        assert!((r(0.0, 1.0, 100.0) - 90.8).abs() < 0.01);
        assert!((r(0.0, 1.0, 277.3) - (93.2 - 6.655 - 11.0)).abs() < 0.01);
    }

    #[test]
    fn the_worst_is_not_below_zero_and_one() {
        let rating = Impairments { loss_percent: 100.0, burst_ratio: 8.0, delay_ms: 5_000.0 };
        assert_eq!(rating.rating(), Rating { r_factor: 0.0, mos: 1.0 });
        for tenth in 0..1_000 {
            assert!((1.0..=4.5).contains(&mos(f64::from(tenth) / 10.0)));
        }
    }

    #[test]
    fn the_burst_ratio_of_random_loss_is_one() {
        // 10 % random loss: a run is 1 / 0.9 packets long.
        let random = LossPattern { lost: 1_000, runs: 900, ..LossPattern::default() };
        assert!((random.burst_ratio(10_000) - 1.0).abs() < 1e-9);
        let in_pairs = LossPattern { runs: 450, ..random };
        assert!((in_pairs.burst_ratio(10_000) - 2.0).abs() < 1e-9);
        assert_eq!(LossPattern::default().burst_ratio(0), 1.0);
    }

    #[test]
    fn densities_part_bursts_from_gaps() {
        let pattern =
            LossPattern { lost: 12, runs: 8, bursts: 2, burst_packets: 40, burst_lost: 10 };
        assert_eq!(pattern.burst_density_percent(), 25.0);
        assert_eq!(pattern.gap_density_percent(240), 1.0);
        assert_eq!(pattern.burst_mean_packets(), 20.0);
        assert_eq!(LossPattern::default().burst_density_percent(), 0.0);
    }

    #[test]
    fn delay_is_half_the_round_trip_a_packet_and_a_buffer() {
        assert_eq!(delay_ms(Some(100_000), 0, 20), 90.0);
        assert_eq!(delay_ms(None, 80, 20), 60.0);
    }
}
