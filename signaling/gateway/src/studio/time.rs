//! What ends an execution when nobody asks for its flow: the end of its call, a deadline, its age.
//!
//! No execution stays active for ever. The end of its call ends it; where the queue of these ends lost one, the tick looks all calls
//! up that are awaited. What waits for nothing that ends is stopped after 30 days. An execution that is over goes once the store has
//! taken its last row.

use std::sync::Arc;
use std::time::Duration;

use shared::limits::STUDIO_EXECUTION_MS_MAX;
use shared::{AccountSid, CallSid, Now};
use shell::Clock;
use store::{Reader, StoreError};
use studio::{Execution, Input};

use super::Studio;
use super::running::Live;
use crate::observers::ended_calls::EndsOfCalls;

/// How often deadlines of executions are looked at, and lost ends of calls.
const TICK: Duration = Duration::from_secs(1);

/// Why an execution moves on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Its deadline is over.
    Deadline,
    /// It is too old.
    Age,
    /// It is over, and the store has not taken its last row.
    Row,
}

impl Studio {
    pub(super) async fn keep_time(self, mut ended: EndsOfCalls) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                call = ended.next() => match call {
                    Some(call) => self.call_ended(call),
                    None => return,
                },
                _ = ticks.tick() => {
                    if ended.take_lost() {
                        self.0.parts.runtime.spawn(self.clone().look_up_calls());
                    }
                    self.tick();
                }
            }
        }
    }

    fn call_ended(&self, call: CallSid) {
        let Some(live) = self.0.running.of_call(call) else { return };
        let (studio, input) = (self.clone(), Input::CallEnded { call: call.to_string() });
        self.0.parts.runtime.spawn(async move { studio.give(&live, input).await });
    }

    async fn look_up_calls(self) {
        let calls = self.0.running.calls();
        match self.read(move |reader| ended_among(reader, &calls)).await {
            Ok(ended) => ended.into_iter().for_each(|call| self.call_ended(call)),
            Err(error) => tracing::warn!(%error, "executions of ended calls stay active"),
        }
    }

    fn tick(&self) {
        for live in self.0.running.all() {
            // An execution that is locked walks: the next tick looks at it.
            let is_due = live
                .execution
                .try_lock()
                .is_ok_and(|execution| due(&execution, live.created_ms, Clock.now()).is_some());
            if is_due {
                let (studio, live) = (self.clone(), live);
                self.0.parts.runtime.spawn(async move { studio.move_on(&live).await });
            }
        }
    }

    async fn move_on(&self, live: &Arc<Live>) {
        let mut execution = live.execution.lock().await;
        let now = Clock.now();
        match due(&execution, live.created_ms, now) {
            Some(Due::Deadline) => execution.handle_timeout(now),
            Some(Due::Age) => execution.handle(now, Input::Stop),
            Some(Due::Row) | None => {}
        }
        self.carry_out(live, &mut execution).await;
        self.keep(live, &execution);
    }
}

fn due(execution: &Execution, created_ms: i64, now: Now) -> Option<Due> {
    if execution.is_over() {
        return Some(Due::Row);
    }
    let is_late = execution.poll_timeout().is_some_and(|deadline| deadline <= now.mono);
    let is_old = now.unix_ms - created_ms > STUDIO_EXECUTION_MS_MAX;
    is_late.then_some(Due::Deadline).or(is_old.then_some(Due::Age))
}

/// The calls that the store knows the end of, or does not know.
fn ended_among(
    reader: &dyn Reader,
    calls: &[(AccountSid, CallSid)],
) -> Result<Vec<CallSid>, StoreError> {
    let mut ended = Vec::new();
    for (account, sid) in calls {
        if reader.call(*account, *sid)?.is_none_or(|call| call.end_ms.is_some()) {
            ended.push(*sid);
        }
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use shared::ids::Origin;
    use shared::{ExecutionSid, FlowSid, Instant};
    use store::{CallRecord, Change, DomainSuffix};
    use studio::{Data, Flow, Trigger};

    use super::*;
    use crate::observers::ended_calls::tests::ended_call;

    const START: Now = Now { mono: Instant::from_millis(1_000), unix_ms: 1_796_072_709_000 };

    /// An execution that hands its call to an application for a minute.
    fn execution() -> Execution {
        let flow = serde_json::json!({"description": "", "initial_state": "Trigger", "states": [
            {"name": "Trigger", "type": "trigger", "properties": {}, "transitions": [{"event": "incomingCall", "next": "away"}]},
            {"name": "away", "type": "add-twiml-redirect", "properties": {"url": "https://app.example", "timeout": "60"},
                "transitions": []},
        ]});
        let flow = Arc::new(Flow::read(&flow.to_string()).expect("valid"));
        let trigger = Trigger::Call(Data::texts([("CallSid", "CA1")]));
        let mut execution = Execution::new(ExecutionSid(1), FlowSid(2), flow, &trigger);
        execution.start(START, &trigger);
        while execution.poll_effect().is_some() {}
        execution
    }

    #[test]
    fn an_execution_is_due_by_its_deadline_by_its_age_and_for_its_row() {
        let mut execution = execution();
        let due_at = |execution: &Execution, mono_s: u64, age_ms: i64| {
            let mono = START.mono + Duration::from_secs(mono_s);
            due(execution, START.unix_ms, Now { mono, unix_ms: START.unix_ms + age_ms })
        };
        assert_eq!(due_at(&execution, 59, 59_000), None);
        assert_eq!(due_at(&execution, 60, 60_000), Some(Due::Deadline));
        // The clock of the wall may run ahead of the deadline's.
        assert_eq!(due_at(&execution, 59, STUDIO_EXECUTION_MS_MAX), None);
        assert_eq!(due_at(&execution, 59, STUDIO_EXECUTION_MS_MAX + 1), Some(Due::Age));
        execution.handle(START, Input::Stop);
        assert_eq!(due_at(&execution, 0, 0), Some(Due::Row));
    }

    #[test]
    fn calls_that_ended_or_are_unknown_are_found_among_those_awaited() {
        let folder = tempfile::tempdir().expect("a folder");
        let sealer = crate::sealing::KeyFileSealer::new(&[7; 32]);
        let database = database::Database::at(&folder.path().join("store"), Arc::new(sealer));
        let origin = Origin { node: 1, generation: 1 };
        let mut opened = database.open(DomainSuffix::new("sidetone.test"), 0, origin).expect("new");
        let ended = ended_call();
        let live = CallRecord { sid: CallSid(8), end_ms: None, ..ended.clone() };
        let rows = [&ended, &live].map(|row| Change::PutCall(Arc::new(row.clone())));
        opened.writer.commit(0, &rows).expect("written");
        let reader = database.reader(None).expect("readable");
        let account = ended.account;
        let awaited = [ended.sid, live.sid, CallSid(9)].map(|sid| (account, sid));
        let found = ended_among(&*reader, &awaited).expect("readable");
        assert_eq!(found, [ended.sid, CallSid(9)]);
    }
}
