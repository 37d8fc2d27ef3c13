//! The quality of a call's media: sentences and figures for its timeline. Sans-IO.

use std::fmt;

use shared::quality::jitter_ms;
use shared::{IntervalQuality, LegId, LegQuality, Now};

use crate::control::Control;
use crate::effect::Observation;
use crate::state::figures::{QualityFigures, milliseconds, tenths};
use crate::state::timeline::{Kind, Timeline};

impl Control {
    /// The quality of a party crossed the threshold: a line in its timeline, up to a limit.
    pub(crate) fn on_quality_changed(
        &mut self,
        now: Now,
        leg: LegId,
        is_bad: bool,
        interval: &IntervalQuality,
    ) {
        let Some(sid) = self.links.call_of_leg(leg) else { return };
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(leg) = entry.leg.as_mut() else { return };
        if leg.quality_notes < QUALITY_NOTES_MAX {
            leg.quality_notes += 1;
            entry.timeline.add(now.unix_ms, Kind::Media, interval_line(is_bad, interval));
        }
        // The metric counts every change, also one that the timeline has no room for.
        self.observe(Observation::QualityChanged { is_bad });
    }

    /// Puts the final figures into the timeline, and returns them for the metrics.
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

fn interval_line(is_bad: bool, interval: &IntervalQuality) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        f.write_str(if is_bad { "the party sounds bad" } else { "the party sounds good again" })?;
        write!(
            f,
            ": {} of {} packets lost, jitter {} ms{}, R {}",
            interval.lost,
            interval.expected,
            tenths(jitter_ms(interval.jitter_rtp_units)),
            round_trip(interval.round_trip_us),
            f64::from(interval.r_tenths) / 10.0,
        )
    })
}

fn final_line(quality: &LegQuality) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let figures = QualityFigures::from(quality);
        match (figures.r_factor, figures.mos) {
            (Some(r_factor), Some(mos)) => write!(f, "media ended: R {r_factor}, MOS {mos}")?,
            _ => f.write_str("media ended: the party was never heard")?,
        }
        write!(
            f,
            "; {} received, {} sent, {} lost ({} %, {} bursts), {} doubled, {} reordered, \
             {} dropped, jitter {} ms (at most {}){}",
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
            round_trip(quality.round_trip_us),
        )
    })
}

/// The round trip behind a comma; nothing where it is not known.
fn round_trip(round_trip_us: Option<u32>) -> impl fmt::Display {
    fmt::from_fn(move |f| match round_trip_us {
        Some(us) => write!(f, ", round trip {} ms", milliseconds(us)),
        None => Ok(()),
    })
}

/// Most lines about quality in one timeline: a connection that flutters all day leaves room for the rest.
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
        let line = final_line(&quality()).to_string();
        assert!(line.starts_with("media ended: R 75.6, MOS 3.85; 951 received"), "{line}");
        assert!(line.contains("50 lost (5 %, 2 bursts), 1 doubled"), "{line}");
        assert!(line.ends_with("jitter 2.5 ms (at most 0), round trip 40.1 ms"), "{line}");
        let unheard = final_line(&LegQuality::default()).to_string();
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
    fn a_change_is_reported_with_the_interval_that_shows_it() {
        let interval = IntervalQuality {
            expected: 250,
            lost: 30,
            jitter_rtp_units: 84,
            round_trip_us: Some(90_000),
            r_tenths: 612,
        };
        assert_eq!(
            interval_line(true, &interval).to_string(),
            "the party sounds bad: 30 of 250 packets lost, jitter 10.5 ms, round trip 90 ms, R 61.2"
        );
    }
}
