//! Gives an execution its inputs, carries its effects out, and writes down what became of it.

use std::sync::Arc;

use shared::NotificationSid;
use shell::Clock;
use store::{Change, ExecutionRecord, ExecutionStatus, NotificationLevel, NotificationRecord};
use studio::{Alert, Effect, Execution, Input};

use super::running::Live;
use super::{Studio, random_bits};

/// The answer to a request of a call.
pub(super) enum Answered {
    /// A document to run.
    Document(String),
    /// An error: the execution failed.
    Failed,
}

impl Studio {
    /// Gives an input; returns the answer to a request.
    pub(super) async fn give(&self, live: &Arc<Live>, input: Input) -> Option<Answered> {
        let mut execution = live.execution.lock().await;
        // What its start ordered, where the input overtook the walk: the call that waits for its answer is over.
        self.carry_out(live, &mut execution).await;
        execution.handle(Clock.now(), input);
        let answered = self.carry_out(live, &mut execution).await;
        self.keep(live, &execution);
        answered
    }

    /// Carries out what the execution ordered when it began.
    pub(super) async fn walk_on(&self, live: &Arc<Live>) -> Option<Answered> {
        let mut execution = live.execution.lock().await;
        let answered = self.carry_out(live, &mut execution).await;
        self.keep(live, &execution);
        answered
    }

    pub(super) async fn carry_out(
        &self,
        live: &Arc<Live>,
        execution: &mut Execution,
    ) -> Option<Answered> {
        let mut answered = None;
        while let Some(effect) = execution.poll_effect() {
            match effect {
                Effect::Respond(text) => answered = Some(Answered::Document(text)),
                Effect::Refuse => {
                    self.0.parts.metrics.studio_executions_failed_total.count();
                    answered = Some(Answered::Failed);
                }
                Effect::Order(order) => {
                    let answer = self.order(live, execution.call(), order).await;
                    execution.handle(Clock.now(), Input::Answer(answer));
                }
                Effect::Alert(alert) => self.notify(live, execution.call(), alert),
                Effect::Ended => self.0.running.release_calls(live.sid),
            }
        }
        answered
    }

    /// Writes down how far it is.
    pub(super) fn keep(&self, live: &Live, execution: &Execution) {
        let record = self.record(live, execution);
        let is_kept = self.put(Change::PutExecution(Arc::new(record)));
        // One whose end the store did not take stays, and its row is put again at the next tick.
        if execution.is_over() && is_kept {
            self.0.running.remove(live.sid);
            self.note_active();
        }
    }

    /// The execution as it is stored.
    pub(super) fn record(&self, live: &Live, execution: &Execution) -> ExecutionRecord {
        let steps: Vec<_> = execution.steps().iter().map(studio::Step::to_json).collect();
        ExecutionRecord {
            sid: live.sid,
            account: live.account,
            flow: live.flow,
            contact: live.contact.clone(),
            status: match execution.is_over() {
                true => ExecutionStatus::Ended,
                false => ExecutionStatus::Active,
            },
            context: execution.context_json().to_string(),
            steps: serde_json::Value::Array(steps).to_string(),
            created_ms: live.created_ms,
            updated_ms: Clock.now().unix_ms,
        }
    }

    fn notify(&self, live: &Live, call: Option<&str>, alert: Alert) {
        let unix_ms = Clock.now().unix_ms;
        let level = match alert.is_error() {
            true => NotificationLevel::Error,
            false => NotificationLevel::Warning,
        };
        self.put(Change::AddNotification(Arc::new(NotificationRecord {
            sid: NotificationSid::mint(unix_ms, self.0.parts.origin, random_bits()),
            account: live.account,
            call: call.and_then(|call| call.parse().ok()),
            level,
            error_code: alert.code,
            message: alert.message,
            exchange: None,
            created_ms: unix_ms,
        })));
    }
}
