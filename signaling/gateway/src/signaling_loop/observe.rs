//! Observations of Control as log lines and counters. No phone numbers or URIs above `debug`. Shell.

use control::{Input, Observation};

use std::collections::BTreeMap;

use shared::Instant;
use shared::limits::REFUSAL_LINES_A_SECOND_MAX;
use shell::Clock;

use super::SignalingLoop;

/// Log lines of each rule in the current second. Unauthenticated sources decide how often they are
/// refused; without this bound they could fill the log and push out other lines.
#[derive(Debug, Default)]
pub(super) struct RefusalLines {
    /// Bounded by the number of rules.
    by_rule: BTreeMap<&'static str, Lines>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    second: u64,
    written: u32,
    left_out: u64,
}

impl RefusalLines {
    /// `None`: leave out this line. Else the number of lines left out before it.
    fn admit(&mut self, now: Instant, rule: &'static str) -> Option<u64> {
        let lines = self.by_rule.entry(rule).or_default();
        let second = now.as_millis() / 1_000;
        if lines.second != second {
            (lines.second, lines.written) = (second, 0);
        }
        if lines.written >= REFUSAL_LINES_A_SECOND_MAX {
            lines.left_out += 1;
            return None;
        }
        lines.written += 1;
        Some(std::mem::take(&mut lines.left_out))
    }
}

impl SignalingLoop {
    pub(super) fn observe(&mut self, observation: &Observation) {
        match observation {
            Observation::Refused { refusal, method, source, account } => {
                self.metrics.signaling_refusals_requests_total.count(refusal.rule);
                let now = Clock.mono();
                let Some(left_out) = self.state.refusal_lines.admit(now, refusal.rule) else {
                    return;
                };
                tracing::info!(
                    rule = refusal.rule,
                    left_out = (left_out > 0).then_some(left_out),
                    status = refusal.status,
                    code = refusal.code.map(shared::Code::number),
                    method,
                    source = %source.ip(),
                    account = account.map(tracing::field::display),
                    "refused: {}", refusal.sentence
                );
            }
            Observation::Dropped { rule } => {
                self.metrics.signaling_refusals_requests_total.count(rule);
            }
            Observation::CallStarted { call, direction } => {
                self.metrics.signaling_calls_started_total.count(direction);
                tracing::info!(%call, direction, "call started");
            }
            Observation::CallEnded { call, status, duration_s } => {
                self.metrics.signaling_calls_ended_total.count(status);
                tracing::info!(%call, status, duration_s, "call ended");
            }
            Observation::LegEnded { quality } => self.metrics.observe_leg(quality),
            Observation::QualityChanged { is_bad } => {
                self.metrics.media_leg_verdicts_total.count(if *is_bad { "bad" } else { "good" });
            }
            Observation::Notified { call, code, message, error } => {
                let kind = if *error { "error" } else { "warning" };
                self.metrics.signaling_notifications_written_total.count(kind);
                // The sentence may name a URI or a number.
                tracing::info!(%call, code = code.number(), kind, "notification");
                tracing::debug!(%call, "notification: {message}");
            }
            Observation::Registration { trunk, is_bound, sentence } => {
                let outcome = if *is_bound { "registered" } else { "failed" };
                self.metrics.signaling_trunk_registrations_total.count(outcome);
                match is_bound {
                    true => tracing::info!(trunk, "trunk: {sentence}"),
                    false => tracing::warn!(trunk, "trunk is not registered: {sentence}"),
                }
            }
            Observation::Fault { place, sentence } => {
                self.metrics.signaling_faults_total.count(place);
                tracing::error!(place, "{sentence}");
            }
        }
    }

    /// Counts results of webhooks, and forgets the taps of finished recordings.
    pub(super) fn note_answer(&mut self, input: &Input<'_>) {
        if let Input::RecordingDone { tap, .. } = input {
            self.state.taps.remove(tap);
        }
        if let Input::Http { result, .. } = input {
            let results = &self.metrics.signaling_webhooks_results_total;
            results.count(match result {
                Ok(answer) if answer.status < 300 => "2xx",
                Ok(answer) if answer.status < 400 => "3xx",
                Ok(answer) if answer.status < 500 => "4xx",
                Ok(_) => "5xx",
                Err(_) => "failed",
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_its_lines_a_rule_is_silent_until_the_next_second_and_then_shows_how_often_it_fired() {
        let mut lines = RefusalLines::default();
        let at = Instant::from_millis;
        for _ in 0..REFUSAL_LINES_A_SECOND_MAX {
            assert_eq!(lines.admit(at(5_000), "unknown_domain"), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(lines.admit(at(5_999), "unknown_domain"), None);
        }
        assert_eq!(lines.admit(at(5_999), "overload"), Some(0), "another rule has its own");
        assert_eq!(lines.admit(at(6_000), "unknown_domain"), Some(7));
        assert_eq!(lines.admit(at(6_000), "unknown_domain"), Some(0));
    }
}
