//! What Control observed, as log lines and counters. No phone numbers or URIs above `debug`. Shell.

use control::{Input, Observation};

use super::SignalingLoop;

impl SignalingLoop {
    pub(super) fn observe(&self, observation: &Observation) {
        match observation {
            Observation::Refused { refusal, method, source, account } => {
                self.metrics.signaling_refusals_requests_total.count(refusal.rule);
                tracing::info!(
                    rule = refusal.rule,
                    status = refusal.status,
                    code = refusal.code,
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
                tracing::info!(%call, code, kind, "notification");
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

    /// Counts what came back from webhooks, and forgets taps that are settled.
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
