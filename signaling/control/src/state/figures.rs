//! Figures of a call's media, as its timeline keeps them.

use serde::Serialize;
use shared::LegQuality;
use shared::quality::jitter_ms;

/// Figures of a call's media, as its timeline keeps them for programs. Times are in milliseconds,
/// shares in percent, rounded to the digits that mean something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct QualityFigures {
    /// R factor of the party's audio as it reached us (ITU-T G.107); `None`: none came.
    pub r_factor: Option<f64>,
    /// Mean opinion score, estimated from the R factor.
    pub mos: Option<f64>,
    /// Lowest R factor of any interval of about 5 s.
    pub r_factor_worst_interval: Option<f64>,
    /// Number of such intervals, and of those below the threshold.
    pub intervals: u32,
    pub intervals_bad: u32,
    /// Packets.
    pub packets_received: u64,
    pub packets_sent: u64,
    pub packets_lost: u64,
    pub packets_duplicated: u64,
    pub packets_reordered: u64,
    pub packets_dropped: u64,
    /// How often the party's SSRC or sequence numbers started over.
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
    /// The party's RTCP reports about our packets; `None`: none came.
    pub remote: Option<RemoteFigures>,
}

/// Figures of the party's RTCP reports about our packets.
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
                // RTCP counts the fraction lost in 256ths (RFC 3550 §6.4.1).
                loss_percent_max: hundredths(f64::from(remote.fraction_lost_max) / 2.56),
                jitter_ms: tenths(jitter_ms(remote.jitter_rtp_units)),
            }),
        }
    }
}

pub(crate) fn milliseconds(us: u32) -> f64 {
    tenths(f64::from(us) / 1_000.0)
}

pub(crate) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

pub(crate) fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
