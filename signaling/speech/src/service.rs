//! The engine `pico`: the queue in front of the worker processes. Shell, on tokio.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use audio::{AudioIntake, AudioMemory, Decoder};
use call::Speech;
use shared::{Prompt, limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout};

use crate::error::SpeechError;
use crate::filling::{Bounds, Filling, Hearer};
use crate::frame::{self, Answer, HEAD_BYTES, NOISE_BYTES_MAX, READY, SPEECH_BYTES_MAX};
use crate::language::Language;
use crate::markup::markup;

/// Requests that may wait. Past it a request fails at once.
const QUEUE_MAX: usize = 512;
/// Time of one request in a worker. Past it the worker is killed.
const REQUEST_MAX: Duration = Duration::from_secs(20);
/// Part of that time in which a request may wait for memory.
const ROOM_MAX: Duration = Duration::from_secs(15);
/// Time of a request, including its time in the queue.
const SPEAK_MAX: Duration = Duration::from_secs(30);
/// Time of a worker from its start until it is ready.
const START_MAX: Duration = Duration::from_secs(5);

/// The command line of a worker: `program arguments... voices_dir`.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable: this binary.
    pub program: PathBuf,
    /// The arguments before the folder of voices.
    pub arguments: Vec<OsString>,
    /// Environment added to the worker's, which is empty otherwise.
    pub environment: Vec<(OsString, OsString)>,
}

impl Program {
    /// This binary again, as `worker speech`.
    ///
    /// # Errors
    /// The system does not know the path of this binary.
    pub fn this_binary() -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            arguments: vec!["worker".into(), "speech".into()],
            environment: Vec::new(),
        })
    }
}

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct SpeechSettings {
    /// The folder of the voices, written at first start: `<data_dir>/voices`.
    pub voices_dir: PathBuf,
    /// The command line of a worker.
    pub program: Program,
    /// Worker processes: one or two.
    pub workers: usize,
}

/// Speaks texts. Cheap to clone; when the last clone is gone, the workers end.
#[derive(Clone)]
pub struct SpeechService {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    language: Language,
    markup: String,
    answers: mpsc::Sender<Answered>,
}

/// What a keeper answers to a job: audio, and at last the result.
enum Answered {
    /// The next samples, mu-law.
    Audio(Vec<u8>),
    Spoken(Result<Prompt, SpeechError>),
}

impl SpeechService {
    /// Writes missing voices and starts the queue. A worker process starts with its first request. Speech
    /// is charged to the memory of `intake`. Call it inside the tokio runtime.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn start(settings: SpeechSettings, intake: &AudioIntake) -> Result<Self, SpeechError> {
        write_voices(&settings.voices_dir).map_err(|error| {
            let folder = settings.voices_dir.display();
            SpeechError::Unavailable(format!("the voices cannot be written to {folder}: {error}"))
        })?;
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let settings = Arc::new(settings);
        for _ in 0..settings.workers.max(1) {
            let memory = intake.memory().clone();
            let keeper = Keeper { settings: settings.clone(), memory, worker: None };
            tokio::spawn(keeper.run(queue.clone()));
        }
        Ok(Self { jobs })
    }

    /// Speaks a text, within 30 s. `hearer` gets the audio while it is made.
    ///
    /// # Errors
    /// [`SpeechError`], which names the cause: the text, the load or the system.
    pub async fn speak(
        &self,
        speech: &Speech,
        language: Language,
        hearer: Hearer<'_>,
    ) -> Result<Prompt, SpeechError> {
        let characters = speech.characters();
        if characters > limits::SAY_CHARACTERS_MAX {
            return Err(SpeechError::TooLong(characters));
        }
        let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
        let job = Job { language, markup: markup(speech), answers };
        self.jobs.try_send(job).map_err(|_| SpeechError::Busy(QUEUE_MAX))?;
        let spoken = async {
            loop {
                match answered.recv().await {
                    Some(Answered::Audio(audio)) => hearer(&audio),
                    Some(Answered::Spoken(result)) => return result,
                    None => {
                        let ended = "the worker's keeper ended".to_owned();
                        return Err(SpeechError::Unavailable(ended));
                    }
                }
            }
        };
        timeout(SPEAK_MAX, spoken).await.unwrap_or(Err(SpeechError::Timeout(SPEAK_MAX)))
    }
}

/// Owns one worker process and replaces it when it fails.
struct Keeper {
    settings: Arc<SpeechSettings>,
    memory: AudioMemory,
    worker: Option<Worker>,
}

impl Keeper {
    async fn run(mut self, queue: Arc<Mutex<mpsc::Receiver<Job>>>) {
        loop {
            let job = queue.lock().await.recv().await;
            let Some(job) = job else { return };
            // The request may have been cancelled while it waited.
            if job.answers.is_closed() {
                continue;
            }
            let result = self.speak(job.language, &job.markup, &job.answers).await;
            let _ = job.answers.send(Answered::Spoken(result)).await;
        }
    }

    async fn speak(
        &mut self,
        language: Language,
        markup: &str,
        answers: &mpsc::Sender<Answered>,
    ) -> Result<Prompt, SpeechError> {
        let mut worker = match self.worker.take().filter(|worker| worker.language == language) {
            Some(worker) => worker,
            None => Worker::start(&self.settings, language).await?,
        };
        // Only a worker that has spoken is put back. In every other case it is dropped, which kills it:
        // its pipe may hold the rest of an answer.
        let request = frame::request(language, markup);
        let room_by = Instant::now() + ROOM_MAX;
        let bounds = Bounds { pcm_rate: PROMPT_HZ, bytes_max: SPEECH_BYTES_MAX, room_by };
        let exchange = worker.exchange(&request, &self.memory, bounds, answers);
        match timeout(REQUEST_MAX, exchange).await {
            Ok(Ok(Ok(prompt))) => {
                self.worker = Some(worker);
                Ok(prompt)
            }
            Ok(Ok(Err(error))) => Err(error),
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

    /// Sends a text, and hands the speech on while it is read.
    async fn exchange(
        &mut self,
        request: &[u8],
        memory: &AudioMemory,
        bounds: Bounds,
        answers: &mpsc::Sender<Answered>,
    ) -> io::Result<Result<Prompt, SpeechError>> {
        self.requests.write_all(request).await?;
        self.requests.flush().await?;
        let fresh = parking_lot::Mutex::new(Vec::new());
        let mut hearer = |audio: &[u8]| fresh.lock().extend_from_slice(audio);
        let decoder = Decoder::of_pcm(PROMPT_HZ, bounds.bytes_max);
        let mut filling = Filling::of(decoder, memory, bounds, &mut hearer);
        let hand_on = async || {
            let audio = std::mem::take(&mut *fresh.lock());
            if !audio.is_empty() {
                // Where nobody waits any more, the worker still has to be heard to the end.
                let _ = answers.send(Answered::Audio(audio)).await;
            }
        };
        loop {
            match self.read_answer().await? {
                Answer::Samples(samples) => {
                    if let Err(error) = filling.push(&samples).await {
                        return Ok(Err(error));
                    }
                    hand_on().await;
                }
                Answer::End => {
                    let finished = filling.finish();
                    hand_on().await;
                    return Ok(finished);
                }
                Answer::Failure(sentence) => return Ok(Err(SpeechError::Unspeakable(sentence))),
            }
        }
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        let mut head = [0; HEAD_BYTES];
        self.answers.read_exact(&mut head).await?;
        let (kind, length) = Answer::head(head).ok_or_else(nonsense)?;
        let mut body = vec![0; length];
        self.answers.read_exact(&mut body).await?;
        Answer::parse(kind, body).ok_or_else(nonsense)
    }
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the worker talks nonsense")
}

/// Samples a second of a worker's answer.
const PROMPT_HZ: u32 = 8_000;
/// Pieces that a worker is ahead of whoever listens. Past it the worker waits.
const ANSWERS_MAX: usize = 4;

/// Writes each voice that is missing or has another length, which repairs a partly written one.
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
    use call::speech::{Manner, Part};
    use plane::g711;
    use shared::Codec;

    use super::*;

    /// The worker process of the tests below; by itself it tests nothing.
    #[test]
    fn worker_process() {
        if let Some(voices) = std::env::var_os(WORKER_VARIABLE) {
            crate::worker_main(Path::new(&voices));
            // The test harness would print text, which is not a frame.
            std::process::exit(0);
        }
    }

    #[tokio::test]
    async fn every_language_speaks_audibly_and_does_not_clip() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        for language in Language::ALL {
            let spoken = say(&service, "One, two, three: hello.", language).await.unwrap();
            let peak = peak(&spoken);
            assert!((4_000..32_000).contains(&peak), "{language:?}: {peak}");
            assert!((1_000..6_000).contains(&spoken.duration_ms()), "{}", spoken.duration_ms());
        }
    }

    /// Talk-off: the detector takes no part of the voice for a digit, in both laws.
    #[tokio::test]
    async fn speech_is_not_detected_as_a_digit() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        let text = "Please hold the line, seven operators are busy. Oh no! Hee hee, moo, lululu, aaah, 4 7 1 1.";
        for language in Language::ALL {
            let spoken = say(&service, text, language).await.unwrap();
            for codec in [Codec::Pcmu, Codec::Pcma] {
                let mut detector = plane::dtmf::Detector::default();
                detector.hear(codec, spoken.samples(codec), |event, _| {
                    panic!("{language:?}: event {event}")
                });
                assert_eq!(detector.reset(), None, "{language:?}");
            }
        }
    }

    #[tokio::test]
    async fn loud_text_stays_below_full_scale_and_markup_is_not_obeyed() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        let text = "<volume level=\"500\"/> WHAT A HUGE NOISE! Papa, papa, papa! 👍 \u{1}";
        let spoken = say(&service, text, Language::German).await.unwrap();
        assert!(peak(&spoken) < 32_000);
    }

    #[tokio::test]
    async fn speech_is_heard_while_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        let text = "The first words are heard while the last ones are still being made. ".repeat(8);
        let (mut heard, mut pieces) = (Vec::new(), 0);
        let mut hearer = |audio: &[u8]| {
            heard.extend_from_slice(audio);
            pieces += 1;
        };
        let speech = Speech::plain(text);
        let spoken = service.speak(&speech, Language::ALL[0], &mut hearer).await.unwrap();
        assert_eq!(heard, spoken.mulaw);
        assert!(pieces > 10 && spoken.duration_ms() > 20_000, "{pieces}");
    }

    #[tokio::test]
    async fn a_worker_speaks_on_where_nobody_listens_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        let long = Speech::plain("Radio. ".repeat(200));
        let begun = tokio::sync::Notify::new();
        let mut hearer = |_: &[u8]| begun.notify_one();
        tokio::select! {
            spoken = service.speak(&long, Language::German, &mut hearer) => panic!("{spoken:?}"),
            () = begun.notified() => {}
        }
        assert!(say(&service, "Radio", Language::German).await.is_ok());
    }

    /// The effect of each SSML element on one sentence.
    #[tokio::test]
    async fn a_manner_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        let service = &service;
        let said = async |words: &str, manner: Manner| {
            let text = words.to_owned();
            let speech = Speech { parts: vec![Part::Text { text, manner }] };
            service.speak(&speech, Language::ALL[0], &mut |_| {}).await.unwrap()
        };
        let length = |prompt: &Prompt| prompt.mulaw.len();
        let plain = said("One hundred and five.", Manner::PLAIN).await;
        let slow = said("One hundred and five.", Manner { rate: 50, ..Manner::PLAIN }).await;
        assert!(length(&slow) * 10 > length(&plain) * 16, "{}", length(&slow));
        let fast = said("One hundred and five.", Manner { rate: 200, ..Manner::PLAIN }).await;
        assert!(length(&fast) * 10 < length(&plain) * 8, "{}", length(&fast));
        let soft = said("One hundred and five.", Manner { volume: 25, ..Manner::PLAIN }).await;
        assert!(peak(&soft) * 3 < peak(&plain), "{} {}", peak(&soft), peak(&plain));
        let loud = said("One hundred and five.", Manner { volume: 250, ..Manner::PLAIN }).await;
        assert!(peak(&loud) > peak(&plain) * 2, "{} {}", peak(&loud), peak(&plain));
        let silent = said("One hundred and five.", Manner { volume: 0, ..Manner::PLAIN }).await;
        assert!(peak(&silent) * 40 < peak(&plain), "{}", peak(&silent));
        let high = said("One hundred and five.", Manner { pitch: 150, ..Manner::PLAIN }).await;
        assert!(period(&high) * 10 < period(&plain) * 9, "{} {}", period(&high), period(&plain));
        let number = said("105", Manner::PLAIN).await;
        let digits = said("105", Manner { spelled: true, ..Manner::PLAIN }).await;
        assert!(length(&digits) * 10 > length(&number) * 13, "{}", length(&digits));
        let sounds = Manner { sounds: Some("hEloU".to_owned()), ..Manner::PLAIN };
        let (sounds, word) = (said("one", sounds).await, said("one", Manner::PLAIN).await);
        assert!(sounds != word, "the sounds replace the word");
        let paused = Speech { parts: vec![Part::Pause(1_000), Part::Pause(500)] };
        let paused = service.speak(&paused, Language::ALL[0], &mut |_| {}).await.unwrap();
        assert_eq!(paused.duration_ms(), 1_500);
    }

    /// Samples of one period of the voice, by autocorrelation between 50 and 400 Hz.
    fn period(prompt: &Prompt) -> usize {
        let codes = prompt.samples(Codec::Pcmu).iter();
        let samples: Vec<i16> = codes.map(|code| g711::decode(Codec::Pcmu, *code)).collect();
        let correlation = |lag: &usize| -> i64 {
            let pairs = samples.iter().zip(&samples[*lag..]);
            pairs.map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
        };
        (20..160).max_by_key(correlation).unwrap()
    }

    #[tokio::test]
    async fn the_service_survives_changing_languages_and_odd_texts() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        for odd in ["", "%é%", "....", "👍 مرحبا", "\u{202e}x"] {
            for language in [Language::German, Language::ALL[0]] {
                assert!(say(&service, "Radio", language).await.unwrap().duration_ms() > 0);
                // Whether it is spoken or fails, the next text must be spoken.
                let _ = say(&service, odd, language).await;
            }
        }
    }

    #[tokio::test]
    async fn a_token_without_end_is_spoken_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        for token in ["7", "abcde", "x-"] {
            let text = token.repeat(200 / token.len());
            let spoken = say(&service, &text, Language::ALL[0]).await.unwrap();
            assert!(spoken.duration_ms() > 1_000, "{token}: {}", spoken.duration_ms());
        }
    }

    #[tokio::test]
    async fn speech_is_charged_to_the_memory_for_audio_and_fails_without_any() {
        let folder = tempfile::tempdir().unwrap();
        let intake = AudioIntake::new(0);
        let memory = intake.memory();
        let service = SpeechService::start(settings(folder.path()), &intake).unwrap();
        let spoken = say(&service, "Radio", Language::German).await.unwrap();
        assert_eq!(memory.figures().used, spoken.mulaw.len() * 2);
        drop(spoken);
        let _others: Vec<_> = std::iter::from_fn(|| memory.try_reserve(1024 * 1024)).collect();
        let mut worker = Worker::start(&settings(folder.path()), Language::German).await.unwrap();
        let request = frame::request(Language::German, &"Radio. ".repeat(200));
        let bounds =
            Bounds { pcm_rate: PROMPT_HZ, bytes_max: SPEECH_BYTES_MAX, room_by: Instant::now() };
        let (answers, _answered) = mpsc::channel(ANSWERS_MAX);
        let failure = worker.exchange(&request, memory, bounds, &answers).await.unwrap();
        assert!(matches!(failure, Err(SpeechError::NoRoom(_))), "{failure:?}");
    }

    #[tokio::test]
    async fn a_dead_worker_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Arc::new(settings(folder.path()));
        let mut keeper = Keeper { settings, memory: AudioMemory::new(1 << 24), worker: None };
        write_voices(folder.path()).unwrap();
        let (answers, _) = mpsc::channel(ANSWERS_MAX);
        assert!(keeper.speak(Language::German, "Guten Tag", &answers).await.is_ok());
        keeper.worker.as_mut().unwrap()._process.start_kill().unwrap();
        keeper.worker.as_mut().unwrap()._process.wait().await.unwrap();
        assert!(keeper.speak(Language::German, "Guten Tag", &answers).await.is_err());
        assert!(keeper.worker.is_none());
        assert!(keeper.speak(Language::German, "Guten Tag", &answers).await.is_ok());
    }

    #[tokio::test]
    async fn a_text_that_cannot_be_spoken_fails_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let service = start(settings(folder.path())).unwrap();
        let long = Speech::plain("a".repeat(limits::SAY_CHARACTERS_MAX + 1));
        assert_eq!(
            service.speak(&long, Language::German, &mut |_| {}).await,
            Err(SpeechError::TooLong(4_097))
        );
        let program = Program { program: "/nowhere".into(), ..settings(folder.path()).program };
        let broken = SpeechSettings { program, ..settings(folder.path()) };
        let service = start(broken).unwrap();
        assert!(matches!(
            say(&service, "a", Language::German).await,
            Err(SpeechError::Unavailable(_))
        ));
    }

    #[test]
    fn voices_are_written_once_and_repaired_when_they_are_cut() {
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

    async fn say(
        service: &SpeechService,
        text: &str,
        language: Language,
    ) -> Result<Prompt, SpeechError> {
        service.speak(&Speech::plain(text), language, &mut |_| {}).await
    }

    fn start(settings: SpeechSettings) -> Result<SpeechService, SpeechError> {
        SpeechService::start(settings, &AudioIntake::new(0))
    }

    /// Loudest sample, linear.
    fn peak(prompt: &Prompt) -> u16 {
        let linear = |code: &u8| g711::decode(Codec::Pcmu, *code).unsigned_abs();
        prompt.mulaw.iter().map(linear).max().unwrap_or(0)
    }

    const WORKER_VARIABLE: &str = "SIDETONE_TEST_VOICES";

    fn settings(voices: &Path) -> SpeechSettings {
        let own_test = format!("{}::worker_process", module_path!().split_once("::").unwrap().1);
        SpeechSettings {
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
