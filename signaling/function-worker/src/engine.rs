//! One QuickJS runtime with its context, prepared for functions. Shell.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use functions::message::{FetchedHead, Invoke};
use rquickjs::function::IntoArgs;
use rquickjs::{CatchResultExt as _, Context, Ctx, FromJs, Function, Object, Runtime, TypedArray};
use shared::limits::FUNCTION_HEAP_BYTES_MAX;

use crate::clock::Passed;
use crate::common::{Shared, ToSlot};
use crate::host::{FUNCTIONS, Host};

/// Stack of the engine, bytes. Past it a script gets a RangeError.
const STACK_BYTES: usize = 1024 * 1024;
/// Jobs of promises that still run when an invocation has answered. Past it the runtime is dropped.
const LEFT_JOBS_MAX: usize = 100;

/// A runtime with the loader, the globals and the library.
pub(crate) struct Engine {
    // Fields drop in this order: the context before its runtime.
    context: Context,
    runtime: Runtime,
    host: Rc<Host>,
}

/// Reasons an invocation was ended by force. The runtime is of no use after it.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// A bound of time.
    Passed(Passed),
    /// The engine failed, in a sentence.
    Broken(String),
}

impl Engine {
    /// Makes a runtime.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn new(shared: Arc<Shared>, inbox: Rc<Receiver<ToSlot>>) -> rquickjs::Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_memory_limit(FUNCTION_HEAP_BYTES_MAX);
        runtime.set_max_stack_size(STACK_BYTES);
        let context = Context::full(&runtime)?;
        let host = Rc::new(Host::new(shared, inbox));
        let limit = Rc::clone(&host.limit);
        runtime.set_interrupt_handler(Some(Box::new(move || limit.is_over())));
        context.with(|ctx| host.install(&ctx))?;
        runtime.set_host_promise_rejection_tracker(Some(Box::new(
            |ctx, promise, reason, is_handled| {
                // Out of memory here leaves a rejection unseen, and its invocation runs into its time.
                let _ = functions_of(&ctx)
                    .and_then(|it| it.get::<_, Function<'_>>("rejected"))
                    .and_then(|note| note.call::<_, ()>((promise, reason, is_handled)));
            },
        )));
        Ok(Self { context, runtime, host })
    }

    /// Calls the handler.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn begin(&self, invoke: &Invoke, until: Instant) -> Result<(), Stopped> {
        self.host.begin(invoke.id, until);
        let event = invoke.event.to_string();
        let context = invoke.context.to_string();
        self.call("begin", (number(invoke.id), invoke.function.as_str(), event, context))
    }

    /// Runs the jobs of promises until none is left or the invocation has answered.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn run_jobs(&self) -> Result<(), Stopped> {
        while self.runtime.is_job_pending() && !self.host.is_finished() {
            if self.runtime.execute_pending_job().is_err() {
                self.check()?;
            }
        }
        self.check()?;
        self.call("checkRejections", ())
    }

    /// True when the invocation has answered.
    pub(crate) fn is_finished(&self) -> bool {
        self.host.is_finished()
    }

    /// True when nothing is awaited: no timer, no answer from outside.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn is_idle(&self) -> Result<bool, Stopped> {
        self.call("isIdle", ())
    }

    /// The moment of the next timer.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn next_timer(&self) -> Result<Option<Instant>, Stopped> {
        let at: f64 = self.call("nextTimer", ())?;
        Ok(at.is_finite().then(|| self.host.instant(at)))
    }

    /// Fires the timers that are due.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn fire_timers(&self) -> Result<(), Stopped> {
        self.call("fireTimers", ())
    }

    /// Resolves or rejects a fetch.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn settle(
        &self,
        fetch: u32,
        result: &Result<FetchedHead, String>,
        body: Vec<u8>,
    ) -> Result<(), Stopped> {
        let head = serde_json::to_string(result).unwrap_or_default();
        self.with("settle", |ctx, settle| {
            let body = TypedArray::new(ctx.clone(), body)?;
            settle.call::<_, ()>((fetch, head, body))
        })
    }

    /// Waits for a message, those first that came while a file was awaited.
    pub(crate) fn next_message(&self, wait: Duration) -> Result<ToSlot, RecvTimeoutError> {
        self.host.next_message(wait)
    }

    /// Ends the invocation. False: the runtime cannot be used again.
    pub(crate) fn end(&self) -> bool {
        let ended = self.call::<(), _>("end", ()).is_ok();
        for _ in 0..LEFT_JOBS_MAX {
            if !self.runtime.is_job_pending() {
                break;
            }
            let _ = self.runtime.execute_pending_job();
        }
        let is_over = self.host.limit.is_over();
        self.host.end();
        let is_small = self.runtime.memory_usage().malloc_size
            < i64::try_from(FUNCTION_HEAP_BYTES_MAX / 2).unwrap_or(i64::MAX);
        ended && !is_over && is_small && !self.runtime.is_job_pending()
    }

    fn call<R, A>(&self, name: &str, arguments: A) -> Result<R, Stopped>
    where
        R: for<'js> FromJs<'js>,
        A: for<'js> IntoArgs<'js>,
    {
        self.with(name, |_, function| function.call::<_, R>(arguments))
    }

    /// Calls a function of `internal_functions.js`. What it throws is the customer's error, which it has answered.
    fn with<R>(
        &self,
        name: &str,
        work: impl for<'js> FnOnce(&Ctx<'js>, Function<'js>) -> rquickjs::Result<R>,
    ) -> Result<R, Stopped> {
        let result = self.context.with(|ctx| {
            let function = functions_of(&ctx).and_then(|it| it.get::<_, Function<'_>>(name));
            let result = function.and_then(|function| work(&ctx, function));
            result.catch(&ctx).map_err(|error| error.to_string())
        });
        self.check()?;
        result.map_err(Stopped::Broken)
    }

    fn check(&self) -> Result<(), Stopped> {
        match self.host.limit.passed() {
            Some(passed) => Err(Stopped::Passed(passed)),
            None => Ok(()),
        }
    }
}

/// A number of an invocation, as scripts have numbers. They count from 1, so none is ever rounded.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn number(id: u64) -> f64 {
    id as f64
}

/// The functions that the host calls, under a name that no script has.
fn functions_of<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
    ctx.globals().get(FUNCTIONS)
}
