//! The engine `command`: a program of the operator, one process a text. Shell, on tokio.
//!
//! ```text
//!   ready ──text, end of input──> speaking ──end of output, status 0──> gone
//!     ^────────────────── the next process of that voice ───────────────────┘
//! ```
//!
//! A program needs a second to load its voice. Therefore the process for the next text starts as soon as one
//! has spoken, and waits at its standard input. A process that fails, says nothing or says too much is killed,
//! and its text goes to the next engine. The program gets no secret: of our environment it has only the
//! variables that find programs and languages.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use audio::AudioMemory;
use parking_lot::Mutex;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use shared::Prompt;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::SpeechError;
use crate::filling::{Bounds, Filling, Hearer};

/// The settings of the engine.
#[derive(Clone, Debug)]
pub(crate) struct CommandSettings {
    /// The program and its arguments, with `{voice}` and `{language}`.
    pub command: Vec<String>,
    /// Processes that speak at once. As many stand ready.
    pub processes: usize,
    /// Time to the first audio.
    pub first_audio: Duration,
}

/// Speaks with the program.
pub(crate) struct CommandEngine {
    settings: CommandSettings,
    memory: AudioMemory,
    places: Semaphore,
    /// Processes that wait for a text, the oldest first.
    ready: Mutex<Vec<Process>>,
}

/// A process that has not got its text.
struct Process {
    command: Vec<String>,
    child: Child,
    text: ChildStdin,
    audio: ChildStdout,
    /// The first words of its standard error.
    complaint: JoinHandle<String>,
}

impl CommandEngine {
    pub fn new(settings: CommandSettings, memory: AudioMemory) -> Self {
        let places = Semaphore::new(settings.processes);
        Self { settings, memory, places, ready: Mutex::default() }
    }

    /// Speaks a text. The caller bounds the time: dropping the future kills the process.
    pub async fn speak(
        &self,
        text: &str,
        voice: &str,
        language: &str,
        bounds: Bounds,
        hearer: Hearer<'_>,
    ) -> Result<Prompt, SpeechError> {
        let Ok(_place) = self.places.acquire().await else { return Err(failed("it ends")) };
        let command = filled_in(&self.settings.command, voice, language);
        let process = match self.take_ready(&command) {
            Some(process) => process,
            None => Process::start(command.clone()).map_err(|error| cannot_start(&error))?,
        };
        let spoken = self.exchange(process, text, bounds, hearer).await?;
        match Process::start(command) {
            Ok(next) => self.keep_ready(next),
            Err(error) => tracing::warn!(%error, "the next process of speech.command cannot start"),
        }
        Ok(spoken)
    }

    fn take_ready(&self, command: &[String]) -> Option<Process> {
        let mut ready = self.ready.lock();
        while let Some(at) = ready.iter().position(|process| process.command == command) {
            let mut process = ready.remove(at);
            // One that ended while it waited is dropped.
            if matches!(process.child.try_wait(), Ok(None)) {
                return Some(process);
            }
        }
        None
    }

    fn keep_ready(&self, process: Process) {
        let mut ready = self.ready.lock();
        if ready.len() >= self.settings.processes {
            ready.remove(0);
        }
        ready.push(process);
    }

    async fn exchange(
        &self,
        process: Process,
        text: &str,
        bounds: Bounds,
        hearer: Hearer<'_>,
    ) -> Result<Prompt, SpeechError> {
        let Process { mut child, text: mut input, mut audio, complaint, .. } = process;
        let mut filling = Filling::new(&self.memory, bounds, hearer);
        // Both at once: a program may write before it has read everything.
        let write = async move {
            // A program that has heard enough may close its input.
            let _ = input.write_all(text.as_bytes()).await;
            let _ = input.write_all(b"\n").await;
        };
        let read = self.read(&mut audio, &mut filling);
        let ((), read) = tokio::join!(write, read);
        read?;
        let status = timeout(EXIT_MAX, child.wait()).await;
        match status {
            Ok(Ok(status)) if status.success() && filling.bytes() > 0 => filling.finish(),
            Ok(Ok(status)) => {
                let said = complaint.await.unwrap_or_default();
                let said = said.lines().last().unwrap_or_default();
                Err(failed(&format!("{status}, {} bytes of audio: `{said}`", filling.bytes())))
            }
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => Err(failed("its process does not end")),
        }
    }

    async fn read(
        &self,
        audio: &mut (impl AsyncRead + Unpin),
        filling: &mut Filling<'_>,
    ) -> Result<(), SpeechError> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let most = if filling.bytes() == 0 { self.settings.first_audio } else { SILENCE_MAX };
            let size = timeout(most, audio.read(&mut piece)).await;
            let size = size.map_err(|_| failed(&format!("no audio for {} s", most.as_secs())))?;
            match size.map_err(|error| failed(&error.to_string()))? {
                0 => return Ok(()),
                size => filling.push(piece.get(..size).unwrap_or_default()).await?,
            }
        }
    }
}

impl Process {
    fn start(command: Vec<String>) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        confine(&child)?;
        let missing = || io::Error::other("a pipe to the program is missing");
        let text = child.stdin.take().ok_or_else(missing)?;
        let audio = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let complaint = tokio::spawn(first_words(errors));
        Ok(Self { command, child, text, audio, complaint })
    }
}

/// A program must not fill the disk with core dumps, nor a core of the machine for long.
fn confine(child: &Child) -> io::Result<()> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    // Without a number it has ended, which its output will show.
    let Some(pid) = pid else { return Ok(()) };
    for (resource, most) in [(Resource::Core, 0), (Resource::Cpu, CPU_S_MAX)] {
        prlimit(Some(pid), resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Reads to the end and keeps the beginning.
async fn first_words(mut errors: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut piece = [0; 1_024];
    while let Ok(size @ 1..) = errors.read(&mut piece).await {
        let room = COMPLAINT_BYTES_MAX - kept.len();
        kept.extend_from_slice(piece.get(..size.min(room)).unwrap_or_default());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn filled_in(command: &[String], voice: &str, language: &str) -> Vec<String> {
    let fill = |part: &String| part.replace("{voice}", voice).replace("{language}", language);
    command.iter().map(fill).collect()
}

fn cannot_start(error: &io::Error) -> SpeechError {
    failed(&format!("its program cannot be started: {error}"))
}

fn failed(sentence: &str) -> SpeechError {
    SpeechError::Engine("command", sentence.to_owned())
}

/// Of our own environment. Settings may hold secrets (`SIDETONE_*`).
const ENVIRONMENT: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"];
/// Bytes read at once.
const PIECE_BYTES: usize = 16 * 1024;
/// Time without audio in the middle of a text.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Time from the end of the output to the end of the process.
const EXIT_MAX: Duration = Duration::from_secs(2);
/// Processor seconds of a process, all its threads together: a voice that loads and speaks needs a few.
const CPU_S_MAX: u64 = 300;
/// Bytes of the standard error that are kept for the log.
const COMPLAINT_BYTES_MAX: usize = 2 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn engine(script: &str) -> CommandEngine {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let first_audio = Duration::from_millis(500);
        let settings = CommandSettings { command, processes: 1, first_audio };
        CommandEngine::new(settings, AudioMemory::new(1 << 24))
    }

    async fn speak(engine: &CommandEngine, text: &str) -> Result<Prompt, SpeechError> {
        let room_by = Instant::now() + Duration::from_secs(1);
        let bounds = Bounds { pcm_rate: 8_000, bytes_max: 100_000, room_by };
        engine.speak(text, "joe", "en-US", bounds, &mut |_| {}).await
    }

    #[tokio::test]
    async fn the_program_reads_the_text_and_its_output_is_the_audio() {
        // As many samples as the text has bytes, its newline included.
        let engine =
            engine("text=$(cat); test {voice} = joe && printf '%s\\n%s\\n' \"$text\" \"$text\"");
        let text = "x".repeat(159);
        assert_eq!(speak(&engine, &text).await.unwrap().duration_ms(), 20);
        assert_eq!(engine.ready.lock().len(), 1, "the next process stands ready");
        assert_eq!(speak(&engine, &text).await.unwrap().duration_ms(), 20);
    }

    #[tokio::test]
    async fn a_process_that_ended_while_it_waited_is_replaced() {
        let engine = engine("cat; echo");
        assert!(speak(&engine, "four").await.is_ok());
        let mut waiting = engine.ready.lock().pop().unwrap();
        waiting.child.start_kill().unwrap();
        waiting.child.wait().await.unwrap();
        engine.ready.lock().push(waiting);
        assert!(speak(&engine, "four").await.is_ok());
    }

    #[tokio::test]
    async fn a_program_that_fails_or_is_silent_or_says_too_much_is_an_error_with_its_reason() {
        let sentence = async |script| speak(&engine(script), "four").await.unwrap_err().to_string();
        let failed = sentence("echo no such voice >&2; exit 3").await;
        assert!(failed.contains("exit status: 3") && failed.contains("no such voice"), "{failed}");
        assert!(sentence("exit 0").await.contains("0 bytes of audio"));
        assert!(sentence("exec sleep 60").await.contains("no audio for"));
        assert!(sentence("exec cat /dev/zero").await.contains("more than 100000 bytes"));
        let settings = CommandSettings {
            command: vec!["/nowhere/voice".to_owned()],
            processes: 1,
            first_audio: Duration::from_secs(1),
        };
        let absent = CommandEngine::new(settings, AudioMemory::new(1 << 24));
        let error = speak(&absent, "four").await.unwrap_err().to_string();
        assert!(error.contains("cannot be started"), "{error}");
    }

    #[tokio::test]
    async fn the_program_does_not_see_our_variables() {
        let engine = engine("cat >/dev/null; env | grep -c -i sidetone; printf aaaa");
        // grep finds nothing and says 0: five bytes, two samples, and then the four of printf.
        assert_eq!(speak(&engine, "x").await.unwrap().mulaw.len(), 3);
    }
}
