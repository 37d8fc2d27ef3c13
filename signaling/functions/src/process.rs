//! One worker process: its pipes, and the invocations that wait for it. Shell, on tokio.
//!
//! ```text
//!  started ──▶ reading ──▶ ended: pipe closed, nonsense, an invocation past its time
//!                 │                │
//!                 └── answers      └── every waiting invocation fails with 500; the next request starts another process
//! ```
//!
//! The worker bounds its functions itself. The gateway's own clock is for a worker that cannot any more, because a
//! call of the engine does not return: such a process is killed, with all that run in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use shared::AccountSid;
use shared::limits::FUNCTION_WALL_MS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::app::{AppFolder, ReadFile};
use crate::fetches::{self, Wanted};
use crate::message::{self, Deployed, Down, Invoke, LENGTHS_BYTES, Level, READY, Up};
use crate::meters::FunctionMeters;
use crate::outside::Outside;

/// The command line of a worker.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable: this binary.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment of the worker, which is empty otherwise.
    pub environment: Vec<(OsString, OsString)>,
    /// The library of functions on disk, where the engine reads files: the worker then gets a folder of what is deployed.
    pub library: Option<PathBuf>,
}

impl Program {
    /// This binary again, as `worker functions`.
    ///
    /// # Errors
    /// The system does not know the path of this binary.
    pub fn this_binary() -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            arguments: vec!["worker".into(), "functions".into()],
            environment: Vec::new(),
            library: None,
        })
    }

    /// This binary again, as `worker node`: it becomes this Node.
    ///
    /// # Errors
    /// The system does not know the path of this binary.
    pub fn node(node: &Path, library: PathBuf) -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            arguments: vec!["worker".into(), "node".into(), node.into(), library.clone().into()],
            environment: Vec::new(),
            library: Some(library),
        })
    }
}

/// What a worker serves.
pub(crate) struct Serving {
    pub account: AccountSid,
    pub deployed: Deployed,
    /// Reads a deployed file by the worker's name for it. Blocks.
    pub read: ReadFile,
    /// Takes a line that the invocation printed.
    pub on_line: Box<dyn Fn(u64, Level, String) + Send + Sync>,
    pub outside: Arc<dyn Outside>,
    pub meters: Arc<FunctionMeters>,
    /// What is deployed, as files.
    pub app: Option<AppFolder>,
}

/// The answer of a worker to an invocation.
#[derive(Debug)]
pub(crate) struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub failure: Option<String>,
    pub body: Vec<u8>,
}

/// A running worker. Cheap to clone; the process is killed when its last clone is gone.
#[derive(Clone)]
pub(crate) struct Process {
    inner: Arc<Inner>,
}

struct Inner {
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Waiting>,
    last: AtomicU64,
    child: Mutex<Child>,
}

/// The invocations that a worker has not answered; `None`: the worker is gone.
struct Waiting(Mutex<Option<Senders>>);

type Senders = BTreeMap<u64, oneshot::Sender<Answered>>;

impl Process {
    /// Starts a worker and waits until it is confined.
    ///
    /// # Errors
    /// The process does not start, or does not get ready within 5 s.
    pub(crate) async fn start(program: &Program, serving: Serving) -> io::Result<Self> {
        let mut child = Command::new(&program.program)
            .args(&program.arguments)
            .args(serving.app.as_ref().map(AppFolder::path))
            .env_clear()
            .envs(program.environment.iter().cloned())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("a pipe to the worker is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let mut output = child.stdout.take().ok_or_else(missing)?;
        let ready = timeout(START_MAX, wait_until_ready(&mut output)).await;
        let lacks = ready.map_err(|_| io::Error::other("the worker did not become ready"))??;
        if !lacks.is_empty() {
            tracing::warn!(lacks, "functions run with less of a sandbox than they could have");
        }
        let (frames, queue) = mpsc::channel(FRAMES_MAX);
        let waiting = Arc::new(Waiting(Mutex::new(Some(BTreeMap::new()))));
        let start = message::frame(&Down::Start(serving.deployed.clone()), &[]);
        let _ = frames.try_send(start);
        tokio::spawn(write(input, queue));
        let replies = frames.downgrade();
        tokio::spawn(read(output, Arc::new(serving), replies, Arc::clone(&waiting)));
        Ok(Self {
            inner: Arc::new(Inner {
                frames,
                waiting,
                last: AtomicU64::new(0),
                child: Mutex::new(child),
            }),
        })
    }

    /// A number for an invocation, new in this worker.
    pub(crate) fn number(&self) -> u64 {
        self.inner.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// True when the process has ended or is being ended.
    pub(crate) fn is_over(&self) -> bool {
        self.inner.waiting.0.lock().is_none()
    }

    /// Invocations that it has not answered.
    pub(crate) fn load(&self) -> usize {
        self.inner.waiting.0.lock().as_ref().map_or(0, BTreeMap::len)
    }

    /// Runs an invocation to its end. `None`: the worker broke down, or did not stop the function in time.
    pub(crate) async fn invoke(&self, invoke: Invoke) -> Option<Answered> {
        let (sender, answer) = oneshot::channel();
        let id = invoke.id;
        let within = Duration::from_millis(invoke.wall_ms) + GRACE;
        self.inner.waiting.0.lock().as_mut()?.insert(id, sender);
        let forget = Forget { waiting: &self.inner.waiting, id };
        let frame = message::frame(&Down::Invoke(invoke), &[]);
        let answered = timeout(within, async {
            self.inner.frames.send(frame).await.ok()?;
            answer.await.ok()
        });
        let result = answered.await;
        drop(forget);
        if result.is_err() {
            tracing::warn!("a worker of functions does not stop a function and is replaced");
            self.inner.waiting.end();
            // It may have ended by itself just now.
            let _ = self.inner.child.lock().start_kill();
        }
        result.unwrap_or(None)
    }
}

/// Takes an invocation out of those that wait, also when its caller has gone.
struct Forget<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.0.lock().as_mut() {
            waiting.remove(&self.id);
        }
    }
}

impl Waiting {
    /// Fails all that wait: their senders are dropped.
    fn end(&self) {
        self.0.lock().take();
    }

    fn answer(&self, id: u64, answered: Answered) {
        let sender = self.0.lock().as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(sender) = sender {
            let _ = sender.send(answered);
        }
    }

    fn has(&self, id: u64) -> bool {
        self.0.lock().as_ref().is_some_and(|waiting| waiting.contains_key(&id))
    }
}

async fn wait_until_ready(output: &mut ChildStdout) -> io::Result<String> {
    let mut said = Vec::new();
    while !said.ends_with(READY) {
        if said.len() >= NOISE_BYTES_MAX {
            return Err(io::Error::other("the worker never got ready"));
        }
        said.push(output.read_u8().await?);
    }
    match read_frame(output).await? {
        (Up::Confined { lacks }, _) => Ok(lacks),
        _ => Err(io::Error::other("the worker talks nonsense")),
    }
}

async fn read_frame(output: &mut ChildStdout) -> io::Result<(Up, Vec<u8>)> {
    let mut start = [0; LENGTHS_BYTES];
    output.read_exact(&mut start).await?;
    let (head, body) =
        message::lengths(start, message::UP_BODY_BYTES_MAX).map_err(io::Error::other)?;
    let mut bytes = vec![0; head + body];
    output.read_exact(&mut bytes).await?;
    let up = message::message(&bytes[..head]).map_err(io::Error::other)?;
    Ok((up, bytes.split_off(head)))
}

async fn write(mut input: ChildStdin, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = queue.recv().await {
        if input.write_all(&frame).await.and(input.flush().await).is_err() {
            return;
        }
    }
}

/// Reads until the worker ends or talks nonsense. Either way its invocations fail.
async fn read(
    mut output: ChildStdout,
    serving: Arc<Serving>,
    replies: mpsc::WeakSender<Vec<u8>>,
    waiting: Arc<Waiting>,
) {
    loop {
        let (message, body) = match read_frame(&mut output).await {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(%error, "a worker of functions has ended");
                return waiting.end();
            }
        };
        // Nobody waits for what a function does after its answer.
        match message {
            Up::Answer { id, status, headers, failure } => {
                waiting.answer(id, Answered { status, headers, failure, body });
            }
            Up::Log { id, level, text } if waiting.has(id) => (serving.on_line)(id, level, text),
            Up::Read { id, path } if waiting.has(id) => {
                let (serving, replies) = (Arc::clone(&serving), replies.clone());
                tokio::spawn(async move {
                    let read = tokio::task::spawn_blocking(move || (serving.read)(&path)).await;
                    let content = read.ok().flatten();
                    let head = Down::Content { id, found: content.is_some() };
                    send(&replies, &head, &content.unwrap_or_default()).await;
                });
            }
            Up::Fetch { id, fetch, method, url, headers, follow } if waiting.has(id) => {
                serving.meters.functions_fetches_total.count();
                let wanted = Wanted { method, url, headers, follow, body };
                let (serving, replies) = (Arc::clone(&serving), replies.clone());
                tokio::spawn(async move {
                    let sent = fetches::send(&*serving.outside, serving.account, wanted).await;
                    let (result, body) = match sent {
                        Ok((head, body)) => (Ok(head), body),
                        Err(sentence) => (Err(sentence), Bytes::new()),
                    };
                    send(&replies, &Down::Fetched { id, fetch, result }, &body).await;
                });
            }
            Up::Confined { .. } | Up::Log { .. } | Up::Read { .. } | Up::Fetch { .. } => {}
        }
    }
}

async fn send(replies: &mpsc::WeakSender<Vec<u8>>, head: &Down, body: &[u8]) {
    if let Some(replies) = replies.upgrade() {
        let _ = replies.send(message::frame(head, body)).await;
    }
}

/// Time of a worker from its start until it is ready.
const START_MAX: Duration = Duration::from_secs(5);
/// Time past the end of an invocation in which the worker itself ends it.
const GRACE: Duration = Duration::from_millis(500);
/// Bytes skipped in search of [`READY`].
const NOISE_BYTES_MAX: usize = 64 * 1024;
/// Frames that wait for a worker to read them.
const FRAMES_MAX: usize = 64;
const _: () = assert!(FUNCTION_WALL_MS < 15_000, "a webhook waits for 15 s");
