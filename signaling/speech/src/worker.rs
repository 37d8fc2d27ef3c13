//! The speech worker: the process `sidetone worker speech <folder>`.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use audio::Resampler;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::frame::{Answer, PIECE_SAMPLES_MAX, READY, REQUEST_BYTES_MAX, parse_request};
use crate::language::Language;
use crate::pico::{PICO_HZ, Pico};

/// Processor seconds of one request. Past it the kernel ends the process.
const REQUEST_CPU_S: u64 = 25;
/// Bytes of address space. Far more than a voice needs, because allocators reserve much and use little.
const ADDRESS_SPACE_BYTES: u64 = 4 << 30;
/// Open files: the three standard ones and the voice that is being loaded.
const FILES_MAX: u64 = 16;

/// Reads requests from standard input and answers on standard output until the input ends. Call it before
/// any thread or runtime starts; `voices` is the folder of the voice files.
pub fn worker_main(voices: &Path) -> ExitCode {
    match serve(voices, &mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speech worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(voices: &Path, requests: &mut impl Read, answers: &mut impl Write) -> io::Result<()> {
    std::env::set_current_dir(voices)?;
    confine()?;
    answers.write_all(READY)?;
    answers.flush()?;
    let mut speaker = Speaker { loaded: None };
    while let Some(bytes) = read_request(requests)? {
        allow_cpu_time()?;
        let result = match parse_request(&bytes) {
            Some((language, text)) => speaker.speak(language, text, Pieces::new(answers)),
            None => Err("the request makes no sense".to_owned()),
        };
        let is_over = result.is_err();
        write(answers, &result.map_or_else(Answer::Failure, |()| Answer::End))?;
        // After a failure the state of the engine is unknown. End; the gateway starts another process.
        if is_over {
            return Ok(());
        }
    }
    Ok(())
}

fn write(answers: &mut impl Write, answer: &Answer) -> io::Result<()> {
    answers.write_all(&answer.framed())?;
    answers.flush()
}

/// Writes the samples of one text while they are made.
///
/// The first piece is short, so that it can be heard at once. Each one after it is twice as long, up to a second: the
/// voice is many times faster than its listener, and fewer pieces wake the gateway less often.
struct Pieces<'a, W> {
    answers: &'a mut W,
    waiting: Vec<i16>,
    /// Samples of the next piece.
    size: usize,
}

impl<'a, W: Write> Pieces<'a, W> {
    const fn new(answers: &'a mut W) -> Self {
        Self { answers, waiting: Vec::new(), size: FIRST_PIECE_SAMPLES }
    }

    /// Writes the pieces that are complete.
    fn write_complete(&mut self) -> io::Result<()> {
        while let Some(piece) = self.waiting.get(..self.size) {
            write(self.answers, &Answer::samples(piece))?;
            self.waiting.drain(..self.size);
            self.size = (self.size * 2).min(PIECE_SAMPLES_MAX);
        }
        Ok(())
    }

    /// Writes the last piece.
    fn finish(mut self) -> io::Result<()> {
        self.write_complete()?;
        match self.waiting.is_empty() {
            true => Ok(()),
            false => write(self.answers, &Answer::samples(&self.waiting)),
        }
    }
}

/// Samples of the first piece of a text: 20 ms.
const FIRST_PIECE_SAMPLES: usize = 160;

/// Reads a request; `None` at the end of the input: the gateway is gone or ends this worker.
fn read_request(requests: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match requests.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > REQUEST_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a request is too long"));
    }
    let mut bytes = vec![0; length];
    requests.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// The voice of this process. Loaded once: the engine does not free files and memory of a voice, so
/// another language needs another process, as a failure does.
struct Speaker {
    loaded: Option<(Language, Pico)>,
}

impl Speaker {
    fn speak(
        &mut self,
        language: Language,
        text: &str,
        mut pieces: Pieces<'_, impl Write>,
    ) -> Result<(), String> {
        let pico = match &mut self.loaded {
            Some((loaded, pico)) if *loaded == language => pico,
            Some((loaded, _)) => return Err(format!("this process speaks {}", loaded.code())),
            empty => {
                let pico = Pico::load(language).map_err(|error| {
                    format!("the {} voice cannot be loaded: {error}", language.code())
                })?;
                &mut empty.insert((language, pico)).1
            }
        };
        let mut resampler = Resampler::new(PICO_HZ);
        pico.speak(text, &mut |samples| {
            resampler.push(samples, |sample| pieces.waiting.push(sample));
            pieces.write_complete().map_err(unheard)
        })?;
        resampler.finish(|sample| pieces.waiting.push(sample));
        pieces.finish().map_err(unheard)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unheard(error: io::Error) -> String {
    format!("nobody takes the samples: {error}")
}

/// Drops every right that speech does not need: writing files, new processes, new privileges, core dumps.
fn confine() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let limits = [
        (Resource::As, ADDRESS_SPACE_BYTES),
        (Resource::Nofile, FILES_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nproc, 0),
    ];
    for (resource, most) in limits {
        let hard = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
        setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })?;
    }
    Ok(())
}

/// Sets the soft limit of processor time to the time used so far plus that of one request.
fn allow_cpu_time() -> io::Result<()> {
    let used = u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or(0);
    let hard = getrlimit(Resource::Cpu).maximum;
    let soft = hard.map_or(used + REQUEST_CPU_S, |hard| hard.min(used + REQUEST_CPU_S));
    setrlimit(Resource::Cpu, Rlimit { current: Some(soft), maximum: hard })?;
    Ok(())
}
