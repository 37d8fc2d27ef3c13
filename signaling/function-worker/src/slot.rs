//! One slot: runs one invocation after the other in its runtime. Shell.
//!
//! ```text
//!             ┌────────────────── turn: jobs of promises until none is left ─────────────────┐
//!   begin ──▶ │ finished? ──▶ answer, end                                                    │
//!             │ a bound passed? ──▶ 504 or 500, drop the runtime                             │
//!             │ nothing to wait for? ──▶ 504: nobody can call back any more                  │
//!             └── wait for the next timer, an answer from outside, or the end of the time ◀──┘
//! ```
//!
//! After an answer the rest of the function is cut off: timers and answers that it waits for are dropped. Promises that
//! are resolved already run on, a hundred jobs at most and within the bounds of the invocation; where more are left, the
//! runtime is dropped, so that none of them runs in the time of the next caller.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use functions::message::{Invoke, Up};

use crate::clock::Passed;
use crate::common::{Shared, ToSlot};
use crate::engine::{Engine, Stopped};
use crate::queue::Queue;

/// Runs invocations until the slot is one too many.
pub(crate) fn run(queue: &Queue, shared: &Arc<Shared>) {
    let (sender, inbox) = channel();
    let inbox = Rc::new(inbox);
    let mut engine = None;
    loop {
        if engine.is_none() {
            // Before there is anything to do, so that no caller waits for it.
            engine = Engine::new(Arc::clone(shared), Rc::clone(&inbox)).ok();
        }
        let Some(invoke) = queue.take(&sender) else { return };
        // What came too late for the last invocation.
        while inbox.try_recv().is_ok() {}
        let id = invoke.id;
        let end = match &engine {
            Some(engine) => invoke_in(engine, &invoke),
            None => End::failed(500, "the worker has no memory for another context"),
        };
        queue.over(id);
        if let Some((status, failure)) = end.failure {
            let headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
            let answer = Up::Answer { id, status, headers, failure: Some(failure.clone()) };
            shared.outbox.send(&answer, failure.as_bytes());
        }
        if end.broken {
            engine = None;
        }
    }
}

/// How an invocation ended. One that answered by itself has no failure here.
struct End {
    failure: Option<(u16, String)>,
    broken: bool,
}

impl End {
    const ANSWERED: Self = Self { failure: None, broken: false };

    fn failed(status: u16, sentence: &str) -> Self {
        Self { failure: Some((status, sentence.to_owned())), broken: true }
    }
}

fn invoke_in(engine: &Engine, invoke: &Invoke) -> End {
    let until = Instant::now() + Duration::from_millis(invoke.wall_ms);
    let stopped = engine.begin(invoke, until).and_then(|()| turns(engine, until));
    let end = match stopped {
        Ok(true) => End::ANSWERED,
        Ok(false) => End {
            failure: Some((504, "the function ended without calling back".to_owned())),
            broken: false,
        },
        Err(Stopped::Passed(Passed::Wall)) => {
            End::failed(504, "the function did not call back within its time")
        }
        Err(Stopped::Passed(Passed::Processor)) => {
            End::failed(500, "the function used more than 1 s of processor time")
        }
        Err(Stopped::Broken(sentence)) => End::failed(500, &sentence),
    };
    let is_clean = engine.end();
    End { broken: end.broken || !is_clean, ..end }
}

/// Runs the invocation to its end. True: it answered. False: nothing is left that could answer.
fn turns(engine: &Engine, until: Instant) -> Result<bool, Stopped> {
    loop {
        engine.run_jobs()?;
        if engine.is_finished() {
            return Ok(true);
        }
        let timer = engine.next_timer()?;
        if engine.is_idle()? {
            return Ok(false);
        }
        let due = timer.map_or(until, |timer| timer.min(until));
        let wait = due.saturating_duration_since(Instant::now());
        match engine.next_message(wait) {
            Ok(ToSlot::Fetched { fetch, result, body }) => engine.settle(fetch, &result, body)?,
            // Nobody waits for it: reads wait where they ask.
            Ok(ToSlot::Content(_)) => {}
            Err(RecvTimeoutError::Timeout) if Instant::now() >= until => {
                return Err(Stopped::Passed(Passed::Wall));
            }
            Err(RecvTimeoutError::Timeout) => engine.fire_timers()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Stopped::Broken("the worker is ending".to_owned()));
            }
        }
    }
}
