//! The counters of the signaling and store threads, and of legs that ended. Shell.

use std::sync::Arc;

use shared::LegQuality;
use shared::quality::jitter_ms;
use shell::{Counter, Gauge, Histogram, Labelled, Seconds};

use crate::leg_scales::{Milliseconds, OpinionScores, Percent, RFactors};

shell::metrics! {
    /// Every counter of the gateway's own threads, one field a metric of the same name.
    pub struct Metrics {
        /// SIP datagrams received. Compare with what the peers say they send.
        signaling_datagrams_received_total: Counter;
        /// SIP datagrams sent.
        signaling_datagrams_sent_total: Counter;
        /// SIP datagrams not sent or not read, by reason. More than a few: look at sockets and peers.
        signaling_datagrams_dropped_total: Labelled, by "reason";
        /// Requests refused, by the rule that fired. The log and the call's timeline say more.
        signaling_refusals_requests_total: Labelled, by "rule";
        /// Calls begun, by direction.
        signaling_calls_started_total: Labelled, by "direction";
        /// Calls ended, by final status.
        signaling_calls_ended_total: Labelled, by "status";
        /// Registrations with carriers, by outcome. The log names trunk and reason.
        signaling_trunk_registrations_total: Labelled, by "outcome";
        /// Internal faults, by place. Report each with the log.
        signaling_faults_total: Labelled, by "place";
        /// Errors and warnings written to accounts, by kind.
        signaling_notifications_written_total: Labelled, by "kind";
        /// Inputs dropped because a queue between threads was full, by queue. Means overload.
        signaling_queue_inputs_dropped_total: Arc<Labelled>, by "queue";
        /// Events that reached an observer, by observer.
        signaling_observers_events_total: Labelled, by "observer";
        /// Events that an observer lost, as it reads more slowly than they come, by observer.
        signaling_observers_lost_total: Labelled, by "observer";
        /// Turns of the signaling thread that used up their budget and left work for the next.
        signaling_budget_turns_total: Counter;
        /// Times that inputs waited too long, so that new calls were refused.
        signaling_overloads_total: Counter;
        /// 1 while new calls are refused for overload.
        signaling_overloaded: Gauge;
        /// Time one turn of the signaling thread took.
        signaling_turn_seconds: Histogram<Seconds>;
        /// Webhook requests handed to the client.
        signaling_webhooks_requests_total: Counter;
        /// Webhook results, by result.
        signaling_webhooks_results_total: Labelled, by "result";
        /// R factor of each leg that ended (ITU-T G.107), for the audio from its party as received. Below 70: look at the network.
        media_leg_r_factor: Histogram<RFactors>;
        /// Mean opinion score estimated from the R factor.
        media_leg_mos: Histogram<OpinionScores>;
        /// Packets of a leg that were lost, in percent.
        media_leg_loss_percent: Histogram<Percent>;
        /// Interarrival jitter at the end of a leg.
        media_leg_jitter_milliseconds: Histogram<Milliseconds>;
        /// Last round trip of a leg, from RTCP. Only peers that send reports have one.
        media_leg_round_trip_milliseconds: Histogram<Milliseconds>;
        /// Time from the start of a leg to its first packet.
        media_leg_first_packet_milliseconds: Histogram<Milliseconds>;
        /// Changes of the quality of a leg to bad or to good, by verdict.
        media_leg_verdicts_total: Labelled, by "verdict";
        /// Executions of flows that began, by trigger.
        studio_executions_begun_total: Labelled, by "trigger";
        /// Executions that did not begin, by reason. `rate`: an account begins more a second than it may; `room`: too many are active.
        studio_executions_refused_total: Labelled, by "reason";
        /// Executions that failed: their calls go on by the fallback URL. The notifications of the account say why.
        studio_executions_failed_total: Counter;
        /// Executions that are active now.
        studio_executions_active: Gauge;
        /// Changes committed, by outcome.
        store_changes_total: Labelled, by "outcome";
        /// Changes waiting for the store now. Near 10,000 REST writes get 503.
        store_queue_changes: Gauge;
        /// Bytes of history that waits for the store now. Stays up while it cannot write: look at the disk.
        store_history_waiting_bytes: Gauge;
        /// Rows of history lost because the memory for waiting rows was full while the store could not write.
        store_history_rows_lost_total: Counter;
        /// Time to write one group of changes to disk.
        store_commit_seconds: Histogram<Seconds>;
        /// Changes in one commit, summed; divide by the count of store_commit_seconds.
        store_commit_changes_total: Counter;
    }
}

impl Metrics {
    /// Counts the final figures of one leg. A leg that received nothing has no rating and no jitter.
    pub fn observe_leg(&self, leg: &LegQuality) {
        if let Some(rating) = leg.rating() {
            self.media_leg_r_factor.observe(rating.r_factor);
            self.media_leg_mos.observe(rating.mos);
            self.media_leg_loss_percent.observe(leg.loss_percent());
            self.media_leg_jitter_milliseconds.observe(jitter_ms(leg.jitter_rtp_units));
        }
        if let Some(round_trip_us) = leg.round_trip_us {
            self.media_leg_round_trip_milliseconds.observe(f64::from(round_trip_us) / 1_000.0);
        }
        if let Some(first_packet_ms) = leg.first_packet_ms {
            self.media_leg_first_packet_milliseconds.observe(f64::from(first_packet_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use shell::Text;

    use super::*;

    #[test]
    fn a_leg_is_counted_where_its_figures_lie() {
        let metrics = Metrics::default();
        metrics.observe_leg(&LegQuality {
            received: 100,
            jitter_rtp_units: 24,
            round_trip_us: Some(30_000),
            first_packet_ms: Some(150),
            ..LegQuality::default()
        });
        metrics.observe_leg(&LegQuality::default());
        let mut text = Text::default();
        metrics.write(&mut text);
        let text = text.finish();
        for line in [
            "media_leg_r_factor_bucket{le=\"90\"} 0",
            "media_leg_r_factor_bucket{le=\"93.2\"} 1",
            "media_leg_r_factor_count 1",
            "media_leg_mos_bucket{le=\"4.5\"} 1",
            "media_leg_loss_percent_bucket{le=\"0\"} 1",
            "media_leg_jitter_milliseconds_bucket{le=\"2\"} 0",
            "media_leg_jitter_milliseconds_bucket{le=\"5\"} 1",
            "media_leg_jitter_milliseconds_sum 3",
            "media_leg_round_trip_milliseconds_bucket{le=\"50\"} 1",
            "media_leg_first_packet_milliseconds_bucket{le=\"+Inf\"} 1",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }
}
