//! The functions that our scripts call in the host: files, digests, texts, URLs, the way out. Shell.
//!
//! Scripts of customers reach the same functions through the modules that are built on them, and might find them
//! themselves. That gains them nothing: each function gives what a module gives, and every bound is kept here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use functions::message::{Level, Up};
use rquickjs::{Ctx, Function, Object, TypedArray};
use shared::limits::{
    FUNCTION_ANSWER_BYTES_MAX, FUNCTION_FETCHES_MAX, FUNCTION_LOG_LINE_BYTES_MAX,
    FUNCTION_LOG_LINES_MAX,
};

use crate::clock::Limit;
use crate::common::{Shared, ToSlot};
use crate::modules;

mod bytes;
mod files;
mod urls;

/// The host side of one runtime.
pub(crate) struct Host {
    shared: Arc<Shared>,
    pub(crate) limit: Rc<Limit>,
    begun: Instant,
    inbox: Rc<Receiver<ToSlot>>,
    /// Answers to fetches that came while a script waited for a file.
    early: RefCell<VecDeque<ToSlot>>,
    /// The invocation that runs.
    current: Cell<u64>,
    finished: Cell<bool>,
    lines: Cell<u32>,
    fetches: Cell<u32>,
}

impl Host {
    pub(crate) fn new(shared: Arc<Shared>, inbox: Rc<Receiver<ToSlot>>) -> Self {
        Self {
            shared,
            limit: Rc::default(),
            begun: Instant::now(),
            inbox,
            early: RefCell::default(),
            current: Cell::new(0),
            finished: Cell::new(true),
            lines: Cell::new(0),
            fetches: Cell::new(0),
        }
    }

    pub(crate) fn begin(&self, id: u64, until: Instant) {
        self.limit.begin(until);
        self.early.borrow_mut().clear();
        self.current.set(id);
        self.finished.set(false);
        self.lines.set(0);
        self.fetches.set(0);
    }

    pub(crate) fn end(&self) {
        self.limit.end();
        self.finished.set(true);
        self.current.set(0);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.get()
    }

    /// The moment that scripts know as this many milliseconds since the start of the runtime.
    pub(crate) fn instant(&self, ms: f64) -> Instant {
        self.begun + Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or_default()
    }

    pub(crate) fn next_message(&self, wait: Duration) -> Result<ToSlot, RecvTimeoutError> {
        match self.early.borrow_mut().pop_front() {
            Some(message) => Ok(message),
            None => self.inbox.recv_timeout(wait),
        }
    }

    /// Makes the globals of a context: our modules, then those of the platform.
    pub(crate) fn install(self: &Rc<Self>, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let host = Object::new(ctx.clone())?;
        host.set("engine", "quickjs-ng")?;
        host.set("builtins", modules::names().collect::<Vec<_>>())?;
        let deployed = serde_json::to_string(&self.shared.deployed).unwrap_or_default();
        host.set("deployed", ctx.json_parse(deployed)?)?;
        self.install_way_out(ctx, &host)?;
        files::install(self, ctx, &host)?;
        bytes::install(ctx, &host)?;
        urls::install(ctx, &host)?;
        let loader: Function<'_> = files::evaluate(ctx, modules::LOADER, "loader.js")?;
        let loader: Object<'_> = loader.call((host.clone(),))?;
        host.set("loader", loader.clone())?;
        let builtin: Function<'_> = loader.get("builtin")?;
        builtin.call::<_, ()>(("internal_globals",))?;
        let functions: Object<'_> = builtin.call(("internal_functions",))?;
        let timers: Object<'_> = builtin.call(("timers",))?;
        let fetching: Object<'_> = builtin.call(("internal_fetch",))?;
        functions.set("nextTimer", timers.get::<_, Function<'_>>("next")?)?;
        functions.set("fireTimers", timers.get::<_, Function<'_>>("fire")?)?;
        functions.set("settle", fetching.get::<_, Function<'_>>("settle")?)?;
        functions.get::<_, Function<'_>>("prepare")?.call::<_, ()>(())?;
        functions.get::<_, Function<'_>>("warm")?.call::<_, ()>(())?;
        ctx.globals().prop(FUNCTIONS, rquickjs::object::Property::from(functions))
    }

    /// Log lines, fetches, the answer, the time.
    fn install_way_out<'js>(
        self: &Rc<Self>,
        ctx: &Ctx<'js>,
        host: &Object<'js>,
    ) -> rquickjs::Result<()> {
        let me = Rc::clone(self);
        let log = move |level: String, text: String| me.log(&level, text);
        host.set("log", Function::new(ctx.clone(), log)?)?;
        let me = Rc::clone(self);
        let fetch = move |id: u32,
                          method: String,
                          url: String,
                          headers: String,
                          body: TypedArray<'js, u8>,
                          follow: bool| {
            me.fetch(id, method, url, &headers, &bytes::of(&body), follow)
        };
        host.set("fetch", Function::new(ctx.clone(), fetch)?)?;
        let me = Rc::clone(self);
        let finish = move |id: f64,
                           status: f64,
                           headers: String,
                           body: TypedArray<'js, u8>,
                           failure: Option<String>| {
            me.finish(id, status, &headers, &bytes::of(&body), failure);
        };
        host.set("finish", Function::new(ctx.clone(), finish)?)?;
        let begun = self.begun;
        let now = move || begun.elapsed().as_secs_f64() * 1_000.0;
        host.set("now", Function::new(ctx.clone(), now)?)
    }

    fn log(&self, level: &str, mut text: String) {
        let printed = self.lines.get() + 1;
        if self.finished.get() || printed > FUNCTION_LOG_LINES_MAX {
            return;
        }
        self.lines.set(printed);
        text.truncate(text.floor_char_boundary(FUNCTION_LOG_LINE_BYTES_MAX));
        let mut level = match level {
            "error" => Level::Error,
            "warn" => Level::Warn,
            _ => Level::Info,
        };
        if printed == FUNCTION_LOG_LINES_MAX {
            level = Level::Warn;
            text = format!("{FUNCTION_LOG_LINES_MAX} lines are printed; further ones are left out");
        }
        self.shared.outbox.send(&Up::Log { id: self.current.get(), level, text }, &[]);
    }

    /// Sends a request to the outside. Returns why not, in a sentence.
    fn fetch(
        &self,
        fetch: u32,
        method: String,
        url: String,
        headers: &str,
        body: &[u8],
        follow: bool,
    ) -> Option<String> {
        let sent = self.fetches.get() + 1;
        if self.finished.get() {
            return Some("the function has answered already".to_owned());
        }
        if sent > FUNCTION_FETCHES_MAX {
            return Some(format!("a function may send {FUNCTION_FETCHES_MAX} requests"));
        }
        if body.len() > FUNCTION_ANSWER_BYTES_MAX {
            return Some(format!("a request may have {FUNCTION_ANSWER_BYTES_MAX} bytes"));
        }
        self.fetches.set(sent);
        let headers = serde_json::from_str(headers).unwrap_or_default();
        let id = self.current.get();
        let message = Up::Fetch { id, fetch, method, url, headers, follow };
        self.shared.outbox.send(&message, body);
        None
    }

    fn finish(&self, id: f64, status: f64, headers: &str, body: &[u8], failure: Option<String>) {
        let current = self.current.get();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        if self.finished.get() || id as u64 != current {
            return;
        }
        self.finished.set(true);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let status = status as u16;
        let headers = serde_json::from_str(headers).unwrap_or_default();
        let too_long = body.len() > FUNCTION_ANSWER_BYTES_MAX;
        let (status, body, failure) = match too_long {
            false => (status, body, failure),
            true => {
                let sentence =
                    format!("the answer has more than {FUNCTION_ANSWER_BYTES_MAX} bytes");
                (500, &b""[..], Some(sentence))
            }
        };
        let answer = Up::Answer { id: current, status, headers, failure };
        self.shared.outbox.send(&answer, body);
    }
}

/// Key of the host's functions among the globals: hidden from listings, and removed from reach by its form.
pub(crate) const FUNCTIONS: &str = "\0functions";
