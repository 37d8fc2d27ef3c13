//! An engine that is a program: a child with pipes, and the language of recognition.md 3.
//!
//! ```text
//!   Down ──back-off──> Starting ──`ready` within 30 s──> Up
//!     ^                   │                               │
//!     └──── it ended, broke the language, or was late ────┘
//! ```
//!
//! One process serves many utterances. When it ends, each of them fails by name and the next process starts after 1 s,
//! then 2 s, up to 60 s; a process that stayed up for a minute resets that. Orders and audio wait in one buffer
//! with a bound. An utterance whose audio does not fit any more fails alone: what the process does not take in time
//! is late for a conversation anyway.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use call::recognition::wire::{self, Line, Offer};
use call::recognition::{Answer, UtteranceId};
use call::{RecognitionFault, RecognitionPlan};
use mio::unix::pipe;
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use shared::config::RecognitionEngine;
use shared::{Instant, limits};
use shell::Clock;

use super::Engine;
use crate::meters::{EngineMeters, RecognitionMeters, add};
use crate::resample::Doubler;

/// A program as an engine.
pub(crate) struct CommandEngine {
    name: String,
    command: Vec<String>,
    registry: Registry,
    token: usize,
    index: usize,
    meters: Arc<RecognitionMeters>,
    state: State,
    backoff: Duration,
    has_failed: bool,
    utterances: HashMap<UtteranceId, Doubler>,
    answers: VecDeque<(UtteranceId, Answer)>,
}

enum State {
    Down { until: Instant },
    Running(Box<Running>),
}

struct Running {
    process: Process,
    since: Instant,
    /// `None`: it starts.
    offer: Option<Offer>,
    out: Outgoing,
    input: Vec<u8>,
    log: LogLines,
    wide: Vec<i16>,
}

/// A child and our ends of its pipes. Dropping it ends the child.
struct Process {
    child: Child,
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

/// Bytes on their way to the process.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    /// Since when the process has taken nothing although bytes wait.
    stuck: Option<Instant>,
}

/// What the process writes to its standard error: a line of the log each, up to a rate.
struct LogLines {
    line: Vec<u8>,
    left: u32,
    since: Instant,
}

impl CommandEngine {
    pub fn new(
        settings: &RecognitionEngine,
        index: usize,
        registry: Registry,
        token: usize,
        meters: Arc<RecognitionMeters>,
    ) -> Self {
        Self {
            name: settings.name.clone(),
            command: settings.command.clone(),
            registry,
            token,
            index,
            meters,
            state: State::Down { until: Instant::default() },
            backoff: BACKOFF_FIRST,
            has_failed: false,
            utterances: HashMap::new(),
            answers: VecDeque::new(),
        }
    }

    fn meters(&self) -> &EngineMeters {
        &self.meters.engines[self.index]
    }

    fn start(&mut self, now: Instant) {
        add(&self.meters().starts, 1);
        match Process::spawn(&self.command, &self.registry, self.token) {
            Ok(process) => {
                self.state = State::Running(Box::new(Running {
                    process,
                    since: now,
                    offer: None,
                    out: Outgoing::default(),
                    input: Vec::new(),
                    log: LogLines { line: Vec::new(), left: LOG_LINES_A_MINUTE, since: now },
                    wide: Vec::new(),
                }));
            }
            Err(error) => self.fail(now, &format!("it cannot be started: {error}")),
        }
    }

    /// The process is of no use any more.
    fn fail(&mut self, now: Instant, reason: &str) {
        let name = &self.name;
        tracing::error!("the recognition engine `{name}` failed: {reason}");
        if let State::Running(running) = &self.state
            && running.offer.is_some()
            && now.since(running.since) >= STEADY
        {
            self.backoff = BACKOFF_FIRST;
        }
        add(&self.meters().failures, 1);
        self.has_failed = true;
        self.state = State::Down { until: now + self.backoff };
        self.backoff = (self.backoff * 2).min(BACKOFF_LAST);
        for (utterance, _) in self.utterances.drain() {
            let sentence = format!("the engine `{}` failed: {reason}", self.name);
            let fault = RecognitionFault::Engine;
            self.answers.push_back((utterance, Answer::Failed { fault, sentence }));
        }
    }

    /// The process is behind by all that may wait.
    fn overflow(&mut self, utterance: UtteranceId) {
        self.utterances.remove(&utterance);
        add(&self.meters().overflows, 1);
        let sentence = format!("the engine `{}` takes its audio too slowly", self.name);
        let fault = RecognitionFault::Engine;
        self.answers.push_back((utterance, Answer::Failed { fault, sentence }));
    }

    fn order(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let State::Running(running) = &mut self.state {
            write(&mut running.out.bytes);
        }
    }

    fn read(&mut self, now: Instant) -> Result<(), String> {
        let State::Running(running) = &mut self.state else { return Ok(()) };
        running.read_log(now, &self.name);
        let is_over = running.fill()?;
        let mut at = 0;
        while let Some(length) = running.input[at..].iter().position(|byte| *byte == b'\n') {
            let line = running.input[at..at + length].trim_ascii();
            at += length + 1;
            if line.is_empty() {
                continue;
            }
            match Line::read(line).map_err(|error| error.to_string())? {
                Line::Ready(_) if running.offer.is_some() => {
                    return Err("it was ready twice".to_owned());
                }
                Line::Ready(offer) => {
                    let (name, languages) = (&self.name, offer.languages.join(", "));
                    tracing::info!("the recognition engine `{name}` is ready: {languages}");
                    running.offer = Some(offer);
                }
                Line::Answer(utterance, answer) => {
                    let is_last = !matches!(answer, Answer::Partial { .. });
                    let is_known = match is_last {
                        true => self.utterances.remove(&utterance).is_some(),
                        false => self.utterances.contains_key(&utterance),
                    };
                    if is_known {
                        self.answers.push_back((utterance, answer));
                    }
                }
            }
        }
        running.input.drain(..at);
        if running.input.len() > limits::RECOGNITION_LINE_BYTES_MAX {
            return Err("it wrote a line of more than 64 KiB".to_owned());
        }
        match is_over {
            true => Err(running.process.last_words()),
            false => Ok(()),
        }
    }

    fn work(&mut self, now: Instant) -> Result<(), String> {
        self.read(now)?;
        let State::Running(running) = &mut self.state else { return Ok(()) };
        if running.offer.is_none() && now.since(running.since) >= READY_WITHIN {
            return Err("it was not ready within 30 s".to_owned());
        }
        running.out.write_to(&mut running.process.stdin, now)
    }
}

impl Engine for CommandEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn offer(&self) -> Option<&Offer> {
        match &self.state {
            State::Running(running) => running.offer.as_ref(),
            State::Down { .. } => None,
        }
    }

    fn is_starting(&self) -> bool {
        self.offer().is_none() && !self.has_failed
    }

    fn waiting(&self) -> usize {
        match &self.state {
            State::Running(running) => running.out.waiting(),
            State::Down { .. } => 0,
        }
    }

    fn begin(&mut self, utterance: UtteranceId, plan: &RecognitionPlan) {
        add(&self.meters().utterances, 1);
        self.utterances.insert(utterance, Doubler::default());
        let State::Running(running) = &mut self.state else { return };
        let before = running.out.bytes.len();
        wire::start(&mut running.out.bytes, utterance, plan);
        if running.out.waiting() > limits::RECOGNITION_WAITING_BYTES_MAX {
            running.out.bytes.truncate(before);
            self.overflow(utterance);
        }
    }

    fn audio(&mut self, utterance: UtteranceId, samples: &[i16]) {
        let Some(doubler) = self.utterances.get_mut(&utterance) else { return };
        let State::Running(running) = &mut self.state else { return };
        if running.out.waiting() + samples.len() * 4 > limits::RECOGNITION_WAITING_BYTES_MAX {
            wire::cancel(&mut running.out.bytes, utterance);
            return self.overflow(utterance);
        }
        if running.offer.as_ref().is_some_and(|offer| offer.rate == 8_000) {
            return wire::audio(&mut running.out.bytes, utterance, samples);
        }
        running.wide.clear();
        doubler.double(samples, &mut running.wide);
        wire::audio(&mut running.out.bytes, utterance, &running.wide);
    }

    fn end(&mut self, utterance: UtteranceId) {
        if self.utterances.contains_key(&utterance) {
            self.order(|out| wire::end(out, utterance));
        }
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        if self.utterances.remove(&utterance).is_some() {
            self.order(|out| wire::cancel(out, utterance));
        }
    }

    fn turn(&mut self, now: Instant) {
        if let State::Down { until } = self.state
            && until <= now
        {
            self.start(now);
        }
        if let Err(reason) = self.work(now) {
            self.fail(now, &reason);
        }
        self.meters().waiting.store(self.waiting() as u64, Ordering::Relaxed);
        self.meters().up.store(self.offer().is_some().into(), Ordering::Relaxed);
    }

    fn poll_answer(&mut self) -> Option<(UtteranceId, Answer)> {
        self.answers.pop_front()
    }
}

impl Running {
    /// Reads what is there; whether the process has closed its output.
    fn fill(&mut self) -> Result<bool, String> {
        let mut piece = [0; 16 * 1024];
        // The pipe is edge-triggered: what is not read now brings no event.
        for _ in 0..READS_A_TURN {
            match self.process.stdout.read(&mut piece) {
                Ok(0) => return Ok(true),
                Ok(length) => self.input.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("its output cannot be read: {error}")),
            }
        }
        Err("it floods its output".to_owned())
    }

    fn read_log(&mut self, now: Instant, name: &str) {
        let mut piece = [0; 4 * 1024];
        for _ in 0..READS_A_TURN {
            let Ok(length @ 1..) = self.process.stderr.read(&mut piece) else { return };
            self.log.take(now, name, &piece[..length]);
        }
    }
}

impl LogLines {
    fn take(&mut self, now: Instant, name: &str, bytes: &[u8]) {
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() < LOG_LINE_BYTES_MAX {
                    self.line.push(*byte);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if now.since(self.since) >= Duration::from_secs(60) {
                (self.left, self.since) = (LOG_LINES_A_MINUTE, now);
            }
            if self.left > 0 {
                self.left -= 1;
                let line = String::from_utf8_lossy(&line);
                tracing::info!("recognition engine `{name}`: {}", line.trim());
            }
        }
    }
}

impl Outgoing {
    fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    fn write_to(&mut self, pipe: &mut impl Write, now: Instant) -> Result<(), String> {
        let stuck = self.stuck.take();
        let mut has_taken = false;
        while self.waiting() > 0 {
            match pipe.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err("its input is closed".to_owned()),
                Ok(length) => (self.sent, has_taken) = (self.sent + length, true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("its input cannot be written: {error}")),
            }
        }
        // Moved only when half of it is sent, so that a slow reader does not cost a copy at each write.
        if self.sent * 2 >= self.bytes.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        if self.waiting() > 0 {
            let since = stuck.filter(|_| !has_taken).unwrap_or(now);
            if now.since(since) >= TAKES_WITHIN {
                return Err(format!("it took no audio for {} s", TAKES_WITHIN.as_secs()));
            }
            self.stuck = Some(since);
        }
        Ok(())
    }
}

impl Process {
    fn spawn(command: &[String], registry: &Registry, token: usize) -> io::Result<Self> {
        let mut child = spawn(command)?;
        let gone = || io::Error::other("a pipe is missing");
        let stdin = OwnedFd::from(child.stdin.take().ok_or_else(gone)?);
        let stdout = OwnedFd::from(child.stdout.take().ok_or_else(gone)?);
        let stderr = OwnedFd::from(child.stderr.take().ok_or_else(gone)?);
        let mut process = Self {
            child,
            stdin: pipe::Sender::from(stdin),
            stdout: pipe::Receiver::from(stdout),
            stderr: pipe::Receiver::from(stderr),
        };
        process.stdin.set_nonblocking(true)?;
        process.stdout.set_nonblocking(true)?;
        process.stderr.set_nonblocking(true)?;
        registry.register(&mut process.stdin, Token(token), Interest::WRITABLE)?;
        registry.register(&mut process.stdout, Token(token + 1), Interest::READABLE)?;
        registry.register(&mut process.stderr, Token(token + 2), Interest::READABLE)?;
        Ok(process)
    }

    fn last_words(&mut self) -> String {
        match self.child.try_wait() {
            Ok(Some(status)) => format!("it ended ({status})"),
            _ => "it closed its output".to_owned(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the program with pipes, an environment without our secrets, and limits.
fn spawn(command: &[String]) -> io::Result<Child> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| io::Error::other("no program is set"))?;
    let kept = ENVIRONMENT_KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(kept)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let most = |value| Rlimit { current: Some(value), maximum: Some(value) };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    for (resource, value) in LIMITS {
        // A limit below the one that the gateway was started with may be refused: then that one holds.
        let _ = prlimit(pid, resource, most(value));
    }
    Ok(child)
}

/// Starts a program as an engine and waits for its first line: for `sidetone doctor`.
///
/// # Errors
/// It does not start, or says something else.
pub fn check(command: &[String]) -> Result<Offer, String> {
    let mut child = spawn(command).map_err(|error| format!("it cannot be started: {error}"))?;
    let stdout = child.stdout.take();
    let (sender, answer) = std::sync::mpsc::sync_channel(1);
    let reader = std::thread::spawn(move || {
        let mut line = Vec::new();
        if let Some(stdout) = stdout {
            let most = limits::RECOGNITION_LINE_BYTES_MAX as u64;
            let mut reader = io::BufReader::new(stdout.take(most));
            let _ = io::BufRead::read_until(&mut reader, b'\n', &mut line);
        }
        let _ = sender.send(line);
    });
    let begun = Clock.mono();
    let line = answer.recv_timeout(READY_WITHIN);
    let _ = child.kill();
    let status = child.wait();
    let _ = reader.join();
    let line = line
        .map_err(|_| format!("it said nothing within {} s", Clock.mono().since(begun).as_secs()))?;
    if line.trim_ascii().is_empty() {
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        return Err(format!("it ended without a line ({status})"));
    }
    match Line::read(line.trim_ascii()) {
        Ok(Line::Ready(offer)) => Ok(offer),
        Ok(Line::Answer(..)) => Err("its first line is not `ready`".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

const ENVIRONMENT_KEPT: &[&str] =
    &["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV"];

/// Address space for the largest model that runs on a processor, no core dumps, few files.
const LIMITS: [(Resource, u64); 3] =
    [(Resource::As, 8 << 30), (Resource::Core, 0), (Resource::Nofile, 256)];

const READY_WITHIN: Duration = Duration::from_secs(30);
/// A process that takes nothing for this long hangs: one that works on an utterance need not read meanwhile, but has to
/// give its result within this time.
const TAKES_WITHIN: Duration = Duration::from_secs(limits::RECOGNITION_RESULT_S as u64);
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_LAST: Duration = Duration::from_secs(60);
/// A process that was up for this long is not one that fails at its start.
const STEADY: Duration = Duration::from_secs(60);
const READS_A_TURN: usize = 64;
const LOG_LINES_A_MINUTE: u32 = 60;
const LOG_LINE_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that takes some bytes and then none.
    struct Hanging(usize);

    impl Write for Hanging {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_process_that_takes_nothing_for_too_long_fails_and_a_slow_or_idle_one_does_not() {
        let mut out = Outgoing::default();
        let mut pipe = Hanging(10);
        let write = |out: &mut Outgoing, pipe: &mut Hanging, s: u64| {
            out.write_to(pipe, Instant::from_millis(s * 1_000))
        };
        assert_eq!(write(&mut out, &mut pipe, 0), Ok(()));
        assert_eq!(write(&mut out, &mut pipe, 60), Ok(()), "nothing waits");
        out.bytes.extend([0; 100]);
        assert_eq!(write(&mut out, &mut pipe, 61), Ok(()));
        assert_eq!(write(&mut out, &mut pipe, 90), Ok(()));
        pipe.0 = 1;
        assert_eq!(write(&mut out, &mut pipe, 91), Ok(()), "it took one byte");
        assert_eq!(write(&mut out, &mut pipe, 120), Ok(()));
        let failed = write(&mut out, &mut pipe, 121).expect_err("it hangs");
        assert_eq!(failed, "it took no audio for 30 s");
    }
}
