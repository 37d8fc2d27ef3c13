//! The queue in front of the speech workers. Shell, on tokio.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use shared::config::SpeechEngine;
use shared::limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::frame::{self, ANSWER_BYTES_MAX, NOISE_BYTES_MAX, READY};
use super::voice::{Language, choose};

/// Requests that may wait; past it a request fails at once.
const QUEUE_MAX: usize = 512;
/// One request in a worker; past it the worker is killed.
const REQUEST_MAX: Duration = Duration::from_secs(20);
/// A request with its time in the queue.
const SPEAK_MAX: Duration = Duration::from_secs(30);
/// A worker from its start to the first request.
const START_MAX: Duration = Duration::from_secs(5);

/// How a worker is started: `program arguments... voices_dir`.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable: this binary.
    pub program: PathBuf,
    /// What goes before the folder of voices.
    pub arguments: Vec<OsString>,
    /// Environment added to the worker's, which is empty otherwise.
    pub environment: Vec<(OsString, OsString)>,
}

impl Program {
    /// This binary again, as `worker speech`.
    ///
    /// # Errors
    /// The system cannot say which binary this is.
    pub fn this_binary() -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            arguments: vec!["worker".into(), "speech".into()],
            environment: Vec::new(),
        })
    }
}

/// What the service has to know; from the settings.
#[derive(Clone, Debug)]
pub struct SpeechSettings {
    /// `speech.engine`.
    pub engine: SpeechEngine,
    /// Where the voices are written at first start: `<data_dir>/voices`.
    pub voices_dir: PathBuf,
    /// How a worker is started.
    pub program: Program,
    /// Worker processes: one or two.
    pub workers: usize,
}

/// A spoken text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// 8,000 a second, linear.
    pub samples: Vec<i16>,
    /// A sentence for the warning 13511, when another voice or language was asked for.
    pub fell_back: Option<String>,
}

/// Why there is no speech.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpeechError {
    /// The customer's: the text is too long.
    #[error("the text has {0} characters; {max} can be spoken", max = limits::SAY_CHARACTERS_MAX)]
    TooLong(usize),
    /// The customer's or the voice's: this text cannot be spoken.
    #[error("{0}")]
    Unspeakable(String),
    /// The operator's: the engine is not in this version.
    #[error("speech.engine = \"{}\" is not built in this version; use \"pico\"", .0.word())]
    EngineNotBuilt(SpeechEngine),
    /// The system's: the voices or a worker cannot be made ready.
    #[error("speech is not available: {0}")]
    Unavailable(String),
    /// Ours: too much to speak at once.
    #[error("more than {QUEUE_MAX} texts are waiting to be spoken")]
    Busy,
    /// The voice took too long; its worker was replaced.
    #[error("the text was not spoken within {} s", .0.as_secs())]
    Timeout(Duration),
}

/// Speaks texts. Cheap to clone; when the last clone is gone, the workers end.
#[derive(Clone)]
pub struct SpeechService {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    language: Language,
    text: String,
    reply: oneshot::Sender<Result<Vec<i16>, SpeechError>>,
}

impl SpeechService {
    /// Writes the voices where they are missing and starts the queue; worker processes start with
    /// their first request. Must be called inside the tokio runtime.
    ///
    /// # Errors
    /// An engine that is not built, or a folder that cannot be written.
    pub fn start(settings: SpeechSettings) -> Result<Self, SpeechError> {
        match settings.engine {
            SpeechEngine::Pico => {}
            other @ (SpeechEngine::Command | SpeechEngine::Http) => {
                return Err(SpeechError::EngineNotBuilt(other));
            }
        }
        write_voices(&settings.voices_dir).map_err(|error| {
            let folder = settings.voices_dir.display();
            SpeechError::Unavailable(format!("the voices cannot be written to {folder}: {error}"))
        })?;
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let settings = Arc::new(settings);
        for _ in 0..settings.workers.max(1) {
            let keeper = Keeper { settings: settings.clone(), worker: None };
            tokio::spawn(keeper.run(queue.clone()));
        }
        Ok(Self { jobs })
    }

    /// The text as samples; `voice` and `language` as the document has them. Done within 30 s.
    ///
    /// # Errors
    /// Says whether the text, the load or the system is to blame.
    pub async fn speak(
        &self,
        text: &str,
        voice: &str,
        language: &str,
    ) -> Result<Spoken, SpeechError> {
        let characters = text.chars().count();
        if characters > limits::SAY_CHARACTERS_MAX {
            return Err(SpeechError::TooLong(characters));
        }
        let choice = choose(voice, language);
        let (reply, answer) = oneshot::channel();
        let job = Job { language: choice.language, text: text.to_owned(), reply };
        self.jobs.try_send(job).map_err(|_| SpeechError::Busy)?;
        let samples = match timeout(SPEAK_MAX, answer).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) => {
                return Err(SpeechError::Unavailable("the worker's keeper ended".to_owned()));
            }
            Err(_) => return Err(SpeechError::Timeout(SPEAK_MAX)),
        };
        Ok(Spoken { samples, fell_back: choice.fell_back })
    }
}

/// Owns one worker process and replaces it when it fails.
struct Keeper {
    settings: Arc<SpeechSettings>,
    worker: Option<Worker>,
}

impl Keeper {
    async fn run(mut self, queue: Arc<Mutex<mpsc::Receiver<Job>>>) {
        loop {
            let job = queue.lock().await.recv().await;
            let Some(job) = job else { return };
            // Whoever asked may have given up while it waited.
            if job.reply.is_closed() {
                continue;
            }
            let result = self.speak(job.language, &job.text).await;
            let _ = job.reply.send(result);
        }
    }

    async fn speak(&mut self, language: Language, text: &str) -> Result<Vec<i16>, SpeechError> {
        let mut worker = match self.worker.take().filter(|worker| worker.language == language) {
            Some(worker) => worker,
            None => Worker::start(&self.settings, language).await?,
        };
        // The worker is put back only after it has spoken; in every other case it is dropped,
        // which kills it.
        match timeout(REQUEST_MAX, worker.exchange(&frame::request(language, text))).await {
            Ok(Ok(Ok(samples))) => {
                self.worker = Some(worker);
                Ok(samples)
            }
            Ok(Ok(Err(sentence))) => Err(SpeechError::Unspeakable(sentence)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a speech worker died and is replaced");
                Err(SpeechError::Unspeakable(format!("the voice broke down on this text: {error}")))
            }
            Err(_) => {
                tracing::warn!("a speech worker took too long and is replaced");
                Err(SpeechError::Timeout(REQUEST_MAX))
            }
        }
    }
}

/// A worker process with its pipes, for one language; killed when dropped.
struct Worker {
    language: Language,
    _process: Child,
    requests: ChildStdin,
    answers: ChildStdout,
}

impl Worker {
    async fn start(settings: &SpeechSettings, language: Language) -> Result<Self, SpeechError> {
        let unavailable = |error: io::Error| {
            let program = settings.program.program.display();
            SpeechError::Unavailable(format!("the worker {program} cannot be started: {error}"))
        };
        timeout(START_MAX, Self::spawn(settings, language))
            .await
            .map_err(|_| SpeechError::Unavailable("the worker did not become ready".to_owned()))?
            .map_err(unavailable)
    }

    async fn spawn(settings: &SpeechSettings, language: Language) -> io::Result<Self> {
        let voices = std::path::absolute(&settings.voices_dir)?;
        let mut process = Command::new(&settings.program.program)
            .args(&settings.program.arguments)
            .arg(voices)
            .env_clear()
            .envs(settings.program.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("a pipe to the worker is missing");
        let requests = process.stdin.take().ok_or_else(missing)?;
        let answers = process.stdout.take().ok_or_else(missing)?;
        let mut worker = Self { language, _process: process, requests, answers };
        worker.wait_until_ready().await?;
        Ok(worker)
    }

    async fn wait_until_ready(&mut self) -> io::Result<()> {
        let mut said = Vec::new();
        while !said.ends_with(READY) {
            if said.len() >= NOISE_BYTES_MAX {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the worker never got ready",
                ));
            }
            said.push(self.answers.read_u8().await?);
        }
        Ok(())
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Result<Vec<i16>, String>> {
        self.requests.write_all(request).await?;
        self.requests.flush().await?;
        let nonsense = || io::Error::new(io::ErrorKind::InvalidData, "the worker talks nonsense");
        let length = self.answers.read_u32_le().await? as usize;
        if length > ANSWER_BYTES_MAX {
            return Err(nonsense());
        }
        let mut answer = vec![0; length];
        self.answers.read_exact(&mut answer).await?;
        frame::parse_answer(&answer).ok_or_else(nonsense)
    }
}

/// Writes each voice that is missing or has another length, so that a half written one is mended.
fn write_voices(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, bytes) in VOICES {
        let path = folder.join(name);
        if fs::metadata(&path).is_ok_and(|found| found.len() == bytes.len() as u64) {
            continue;
        }
        let unfinished = folder.join(format!("{name}.part"));
        fs::write(&unfinished, bytes)?;
        fs::rename(&unfinished, &path)?;
    }
    Ok(())
}

/// The voices of the engine, by file name; written by the build script.
const VOICES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/voices.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a test of its own: the worker process of the tests below.
    #[test]
    fn worker_process() {
        if let Some(voices) = std::env::var_os(WORKER_VARIABLE) {
            super::super::worker_main(Path::new(&voices));
            // What the test harness would print now is no frame.
            std::process::exit(0);
        }
    }

    #[tokio::test]
    async fn every_language_speaks_audibly_and_does_not_clip() {
        let folder = tempfile::tempdir().unwrap();
        let service = SpeechService::start(settings(folder.path())).unwrap();
        for language in Language::ALL {
            let spoken =
                service.speak("One, two, three: hello.", "", language.code()).await.unwrap();
            let peak = spoken.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((4_000..32_000).contains(&peak), "{language:?}: {peak}");
            assert!(
                (1_000 * 8..6_000 * 8).contains(&spoken.samples.len()),
                "{}",
                spoken.samples.len()
            );
            assert_eq!(spoken.fell_back, None);
        }
    }

    /// Talk-off: a voice is no key, in both laws.
    #[tokio::test]
    async fn speech_is_heard_as_no_digit() {
        let folder = tempfile::tempdir().unwrap();
        let service = SpeechService::start(settings(folder.path())).unwrap();
        let text = "Please hold the line, seven operators are busy. Oh no! Hee hee, moo, lululu, aaah, 4 7 1 1.";
        for language in Language::ALL {
            let spoken = service.speak(text, "", language.code()).await.unwrap();
            for codec in [shared::Codec::Pcmu, shared::Codec::Pcma] {
                let encode = |sample: &i16| plane::g711::encode(codec, *sample);
                let codes: Vec<u8> = spoken.samples.iter().map(encode).collect();
                let mut detector = plane::dtmf::Detector::default();
                detector.hear(codec, &codes, |event, _| panic!("{language:?}: event {event}"));
                assert_eq!(detector.reset(), None, "{language:?}");
            }
        }
    }

    #[tokio::test]
    async fn loud_text_stays_below_full_scale_and_markup_is_not_obeyed() {
        let folder = tempfile::tempdir().unwrap();
        let service = SpeechService::start(settings(folder.path())).unwrap();
        let text = "<volume level=\"500\"/> WHAT A HUGE NOISE! Papa, papa, papa! 👍 \u{1}";
        let spoken = service.speak(text, "Polly.Hans", "en-US").await.unwrap();
        assert!(spoken.samples.iter().all(|sample| sample.unsigned_abs() < 32_000));
        assert!(spoken.fell_back.unwrap().contains("Polly.Hans"));
    }

    #[tokio::test]
    async fn languages_in_turn_and_odd_texts_leave_the_service_whole() {
        let folder = tempfile::tempdir().unwrap();
        let service = SpeechService::start(settings(folder.path())).unwrap();
        for odd in ["", "%é%", "....", "👍 مرحبا", "\u{202e}x"] {
            for language in ["de-DE", "en-US"] {
                assert!(!service.speak("Radio", "", language).await.unwrap().samples.is_empty());
                // Whatever comes of it, the next text is spoken.
                let _ = service.speak(odd, "", language).await;
            }
        }
    }

    #[tokio::test]
    async fn a_token_without_end_is_spoken_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let service = SpeechService::start(settings(folder.path())).unwrap();
        for token in ["7", "abcde", "x-"] {
            let spoken = service.speak(&token.repeat(200 / token.len()), "", "").await.unwrap();
            assert!(spoken.samples.len() > 8_000, "{token}: {}", spoken.samples.len());
        }
    }

    #[tokio::test]
    async fn a_dead_worker_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let mut keeper = Keeper { settings: Arc::new(settings(folder.path())), worker: None };
        write_voices(folder.path()).unwrap();
        assert!(keeper.speak(Language::German, "Guten Tag").await.is_ok());
        keeper.worker.as_mut().unwrap()._process.start_kill().unwrap();
        keeper.worker.as_mut().unwrap()._process.wait().await.unwrap();
        assert!(keeper.speak(Language::German, "Guten Tag").await.is_err());
        assert!(keeper.worker.is_none());
        assert!(keeper.speak(Language::German, "Guten Tag").await.is_ok());
    }

    #[tokio::test]
    async fn what_cannot_be_spoken_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let http = SpeechSettings { engine: SpeechEngine::Http, ..settings(folder.path()) };
        let error = SpeechService::start(http).map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "speech.engine = \"http\" is not built in this version; use \"pico\""
        );
        let service = SpeechService::start(settings(folder.path())).unwrap();
        let long = "a".repeat(limits::SAY_CHARACTERS_MAX + 1);
        assert_eq!(service.speak(&long, "", "").await, Err(SpeechError::TooLong(4_097)));
        let program = Program { program: "/nowhere".into(), ..settings(folder.path()).program };
        let broken = SpeechSettings { program, ..settings(folder.path()) };
        let service = SpeechService::start(broken).unwrap();
        assert!(matches!(service.speak("a", "", "").await, Err(SpeechError::Unavailable(_))));
    }

    #[test]
    fn voices_are_written_once_and_mended_when_they_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        write_voices(folder.path()).unwrap();
        for language in Language::ALL {
            for file in language.files() {
                assert!(folder.path().join(file).is_file(), "{file}");
            }
        }
        let (name, bytes) = VOICES[0];
        fs::write(folder.path().join(name), b"cut").unwrap();
        write_voices(folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), bytes);
    }

    const WORKER_VARIABLE: &str = "SIDETONE_TEST_VOICES";

    fn settings(voices: &Path) -> SpeechSettings {
        let own_test = format!("{}::worker_process", module_path!().split_once("::").unwrap().1);
        SpeechSettings {
            engine: SpeechEngine::Pico,
            voices_dir: voices.to_owned(),
            program: Program {
                program: std::env::current_exe().unwrap(),
                arguments: vec!["--exact".into(), own_test.into(), "--nocapture".into()],
                environment: vec![(WORKER_VARIABLE.into(), voices.into())],
            },
            workers: 1,
        }
    }
}
