//! How the media of a call was: sentences and figures for its timeline. Sans-IO.

use serde::Serialize;
use shared::quality::jitter_ms;
use shared::{IntervalQuality, LegId, LegQuality, Now};

use crate::control::Control;
use crate::effect::Observation;
use crate::timeline::{Kind, Timeline};

/// Figures of a call's media, as its timeline keeps them for programs. Times are in milliseconds,
/// shares in percent, all rounded to what they are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct QualityFigures {
    /// R factor of what the party said, as it reached us (ITU-T G.107); none when it was never heard.
    pub r_factor: Option<f64>,
    /// Mean opinion score estimated from it.
    pub mos: Option<f64>,
    /// Lowest R factor of an interval of about 5 s.
    pub r_factor_worst_interval: Option<f64>,
    /// Such intervals, and those that sounded bad.
    pub intervals: u32,
    pub intervals_bad: u32,
    /// Packets.
    pub packets_received: u64,
    pub packets_sent: u64,
    pub packets_lost: u64,
    pub packets_duplicated: u64,
    pub packets_reordered: u64,
    pub packets_dropped: u64,
    /// How often the party's numbers began anew.
    pub stream_restarts: u32,
    pub loss_percent: f64,
    /// RFC 3611, `Gmin` 16.
    pub bursts: u64,
    pub burst_density_percent: f64,
    pub burst_duration_ms: f64,
    pub gap_density_percent: f64,
    pub jitter_ms: f64,
    pub jitter_max_ms: f64,
    pub packet_ms: u32,
    pub first_packet_ms: Option<u32>,
    pub round_trip_ms: Option<f64>,
    pub round_trip_max_ms: Option<f64>,
    pub rtcp_received: u32,
    pub rtcp_sent: u32,
    /// What the party reported about our packets.
    pub remote: Option<RemoteFigures>,
}

/// The party's own figures about what we sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RemoteFigures {
    pub packets_lost: i32,
    pub loss_percent_max: f64,
    pub jitter_ms: f64,
}

impl From<&LegQuality> for QualityFigures {
    fn from(leg: &LegQuality) -> Self {
        let rating = leg.rating();
        let losses = &leg.losses;
        let expected = leg.expected();
        Self {
            r_factor: rating.map(|rating| tenths(rating.r_factor)),
            mos: rating.map(|rating| hundredths(rating.mos)),
            r_factor_worst_interval: leg.worst_r_tenths.map(|tenths| f64::from(tenths) / 10.0),
            intervals: leg.intervals,
            intervals_bad: leg.intervals_bad,
            packets_received: leg.received,
            packets_sent: leg.sent,
            packets_lost: leg.lost,
            packets_duplicated: leg.duplicates,
            packets_reordered: leg.reordered,
            packets_dropped: leg.dropped,
            stream_restarts: leg.restarts,
            loss_percent: hundredths(leg.loss_percent()),
            bursts: losses.bursts,
            burst_density_percent: hundredths(losses.burst_density_percent()),
            burst_duration_ms: tenths(losses.burst_mean_packets() * f64::from(leg.packet_ms)),
            gap_density_percent: hundredths(losses.gap_density_percent(expected)),
            jitter_ms: tenths(jitter_ms(leg.jitter_rtp_units)),
            jitter_max_ms: tenths(jitter_ms(leg.jitter_max_rtp_units)),
            packet_ms: leg.packet_ms,
            first_packet_ms: leg.first_packet_ms,
            round_trip_ms: leg.round_trip_us.map(milliseconds),
            round_trip_max_ms: leg.round_trip_max_us.map(milliseconds),
            rtcp_received: leg.rtcp_received,
            rtcp_sent: leg.rtcp_sent,
            remote: leg.remote.map(|remote| RemoteFigures {
                packets_lost: remote.lost,
                loss_percent_max: hundredths(f64::from(remote.fraction_lost_max) / 2.56),
                jitter_ms: tenths(jitter_ms(remote.jitter_rtp_units)),
            }),
        }
    }
}

impl Control {
    /// A party began to sound bad, or good again: a line in its timeline, as long as there are not
    /// too many of them.
    pub(crate) fn on_quality_changed(
        &mut self,
        now: Now,
        leg: LegId,
        is_bad: bool,
        interval: &IntervalQuality,
    ) {
        let Some(sid) = self.legs.get(&leg).copied() else { return };
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(leg) = entry.leg.as_mut() else { return };
        if leg.quality_notes < QUALITY_NOTES_MAX {
            leg.quality_notes += 1;
            entry.timeline.add(now.unix_ms, Kind::Media, interval_line(is_bad, interval));
        }
        self.observe(Observation::QualityChanged { is_bad });
    }

    /// The final figures: into the timeline, and out to be counted.
    pub(crate) fn settle_quality(
        timeline: &mut Timeline,
        now: Now,
        quality: &LegQuality,
    ) -> Observation {
        timeline.add(now.unix_ms, Kind::Media, final_line(quality));
        timeline.set_quality(QualityFigures::from(quality));
        Observation::LegEnded { quality: Box::new(*quality) }
    }
}

fn interval_line(is_bad: bool, interval: &IntervalQuality) -> String {
    let verdict = if is_bad { "the party sounds bad" } else { "the party sounds good again" };
    let round_trip = interval.round_trip_us.map(round_trip_words).unwrap_or_default();
    format!(
        "{verdict}: {} of {} packets lost, jitter {} ms{round_trip}, R {}",
        interval.lost,
        interval.expected,
        tenths(jitter_ms(interval.jitter_rtp_units)),
        f64::from(interval.r_tenths) / 10.0,
    )
}

fn final_line(quality: &LegQuality) -> String {
    let figures = QualityFigures::from(quality);
    let rating = match (figures.r_factor, figures.mos) {
        (Some(r_factor), Some(mos)) => format!("R {r_factor}, MOS {mos}"),
        _ => "the party was never heard".to_owned(),
    };
    let round_trip = quality.round_trip_us.map(round_trip_words).unwrap_or_default();
    format!(
        "media ended: {rating}; {} received, {} sent, {} lost ({} %, {} bursts), {} doubled, \
         {} reordered, {} dropped, jitter {} ms (at most {}){round_trip}",
        quality.received,
        quality.sent,
        quality.lost,
        figures.loss_percent,
        figures.bursts,
        quality.duplicates,
        quality.reordered,
        quality.dropped,
        figures.jitter_ms,
        figures.jitter_max_ms,
    )
}

fn round_trip_words(round_trip_us: u32) -> String {
    format!(", round trip {} ms", milliseconds(round_trip_us))
}

fn milliseconds(us: u32) -> f64 {
    tenths(f64::from(us) / 1_000.0)
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Lines about one call's quality in its timeline: a line that flutters all day leaves room for the
/// rest.
const QUALITY_NOTES_MAX: u8 = 20;

#[cfg(test)]
mod tests {
    use shared::LossPattern;

    use super::*;

    fn quality() -> LegQuality {
        LegQuality {
            received: 951,
            sent: 1_000,
            lost: 50,
            losses: LossPattern {
                lost: 50,
                runs: 40,
                bursts: 2,
                burst_packets: 100,
                burst_lost: 20,
            },
            duplicates: 1,
            jitter_rtp_units: 20,
            packet_ms: 20,
            round_trip_us: Some(40_123),
            ..LegQuality::default()
        }
    }

    #[test]
    fn the_final_line_says_how_it_was() {
        let line = final_line(&quality());
        assert!(line.starts_with("media ended: R 75.6, MOS 3.85; 951 received"), "{line}");
        assert!(line.contains("50 lost (5 %, 2 bursts), 1 doubled"), "{line}");
        assert!(line.ends_with("jitter 2.5 ms (at most 0), round trip 40.1 ms"), "{line}");
        let unheard = final_line(&LegQuality::default());
        assert!(unheard.starts_with("media ended: the party was never heard; 0 received"));
    }

    #[test]
    fn figures_are_those_of_the_leg() {
        let figures = QualityFigures::from(&quality());
        assert_eq!((figures.loss_percent, figures.burst_density_percent), (5.0, 20.0));
        assert_eq!((figures.burst_duration_ms, figures.gap_density_percent), (1_000.0, 3.33));
        assert_eq!(figures.round_trip_ms, Some(40.1));
    }

    #[test]
    fn a_change_is_told_with_the_interval_that_says_so() {
        let interval = IntervalQuality {
            expected: 250,
            lost: 30,
            jitter_rtp_units: 84,
            round_trip_us: Some(90_000),
            r_tenths: 612,
        };
        assert_eq!(
            interval_line(true, &interval),
            "the party sounds bad: 30 of 250 packets lost, jitter 10.5 ms, round trip 90 ms, R 61.2"
        );
    }
}
