//! Decodes audio files while their bytes arrive, within the memory for audio. Shell, on tokio.
//!
//! A file that loads occupies one of [`LOADS_MAX`] places, each worth [`LOAD_BYTES`] of buffers. The
//! decoded audio is charged to the [`AudioMemory`] before it exists. A file that waits for memory keeps
//! its place. Therefore large files, which wait longest, may occupy only [`LARGE_LOADS_MAX`] places:
//! small files still pass.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use shared::{Prompt, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::decoder::{DECODED_BYTES_MAX, Decoder};
use crate::error::AudioError;
use crate::memory::{AudioMemory, Charge, LARGE_BYTES, NoRoom};
use crate::samples::Pushed;

/// Files that load at once. Past it they wait for a place, within their time.
const LOADS_MAX: usize = 256;
/// Files among them that need more than [`LARGE_BYTES`]. Past it a large file fails at once.
const LARGE_LOADS_MAX: usize = 192;
/// Bytes of buffers of one loading file: a piece of the body, the window of gzip, samples.
const LOAD_BYTES: usize = 160 * 1024;
/// Pieces decoded at once, each on its own thread besides the two HTTP threads.
const DECODERS_MAX: usize = 2;

// The smallest memory that may be set has room for the largest file.
const _: () = assert!(
    (limits::AUDIO_BYTES_MIN as usize - LOADS_MAX * LOAD_BYTES) / 8 * 7 > DECODED_BYTES_MAX
);

/// Starts loading files. Cheap to clone.
#[derive(Clone)]
pub struct AudioIntake(Arc<Inner>);

struct Inner {
    memory: AudioMemory,
    loads: Arc<Semaphore>,
    large_loads: Arc<Semaphore>,
    decoders: Semaphore,
}

/// Reasons a file was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The file's fault.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The body is larger than a file may be.
    #[error("the body is larger than {} bytes", limits::PLAY_BYTES_MAX)]
    TooLarge,
    /// The body's encoding is broken.
    #[error("the gzip body is broken: {0}")]
    Gzip(String),
    /// Other audio occupies the memory.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// Other files occupy all places.
    #[error("{LOADS_MAX} audio files are loading already")]
    NoPlace,
    /// Other large files occupy the places for large files.
    #[error("{LARGE_LOADS_MAX} large audio files are loading already")]
    NoLargePlace,
    /// A bug in this package: the decoding thread panicked.
    #[error("the decoder broke down")]
    Broken,
}

impl AudioIntake {
    /// An intake with `bytes` of memory for all audio, at least [`limits::AUDIO_BYTES_MIN`].
    pub fn new(bytes_max: u64) -> Self {
        let bytes_max =
            usize::try_from(bytes_max.max(limits::AUDIO_BYTES_MIN)).unwrap_or(usize::MAX);
        Self(Arc::new(Inner {
            memory: AudioMemory::new(bytes_max - LOADS_MAX * LOAD_BYTES),
            loads: Arc::new(Semaphore::new(LOADS_MAX)),
            large_loads: Arc::new(Semaphore::new(LARGE_LOADS_MAX)),
            decoders: Semaphore::new(DECODERS_MAX),
        }))
    }

    /// The memory for audio, minus the buffers of loading files.
    pub fn memory(&self) -> &AudioMemory {
        &self.0.memory
    }

    /// Begins a file. `length` is the announced bytes of the body; `None`: not announced. `deadline`
    /// bounds every wait of this file.
    ///
    /// # Errors
    /// Files of this type are not played, or no place is free until the deadline.
    pub async fn begin(
        &self,
        media_type: &str,
        encoding: Encoding,
        length: Option<u64>,
        deadline: Instant,
    ) -> Result<Load, IntakeError> {
        let length = length.filter(|_| encoding == Encoding::Identity);
        if length.is_some_and(|length| length > limits::PLAY_BYTES_MAX as u64) {
            return Err(IntakeError::TooLarge);
        }
        let feed = Feed { decoder: Decoder::new(media_type, length)?, needs: None, error: None };
        let place = timeout_at(deadline, self.0.loads.clone().acquire_owned()).await;
        let place = place.ok().and_then(Result::ok).ok_or(IntakeError::NoPlace)?;
        let pipe = match encoding {
            Encoding::Identity => Pipe::Plain(Box::new(feed)),
            Encoding::Gzip => Pipe::Gzip(Box::new(MultiGzDecoder::new(feed))),
        };
        let charge = self.0.memory.nothing();
        Ok(Load {
            intake: self.clone(),
            pipe: Some(pipe),
            charge,
            deadline,
            place,
            large_place: None,
        })
    }
}

/// The Content-Encoding of a body (RFC 9110 §8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not encoded.
    Identity,
    /// gzip.
    Gzip,
}

/// A loading file. Dropping it frees its place and its memory.
pub struct Load {
    intake: AudioIntake,
    /// `None` only while a thread decodes, and after an error.
    pipe: Option<Pipe>,
    charge: Charge,
    deadline: Instant,
    place: OwnedSemaphorePermit,
    large_place: Option<OwnedSemaphorePermit>,
}

impl Load {
    /// Decodes a piece of the body. Waits for memory if there is none.
    ///
    /// # Errors
    /// The file cannot be played, or finds no room until its deadline. Nothing more may be pushed.
    pub async fn push(&mut self, mut piece: Bytes) -> Result<(), IntakeError> {
        loop {
            let (rest, needs) = self.work(move |pipe| pipe.push(piece)).await?;
            let Some(needs) = needs else { return Ok(()) };
            piece = rest;
            self.make_room(needs).await?;
        }
    }

    /// Ends the body and returns the prompt.
    ///
    /// # Errors
    /// The file cannot be played, or finds no room until its deadline.
    pub async fn finish(mut self) -> Result<Arc<Prompt>, IntakeError> {
        while let Some(needs) = self.work(Pipe::finish).await? {
            self.make_room(needs).await?;
        }
        let pipe = self.pipe.take().ok_or(IntakeError::Broken)?;
        let decoder = pipe.into_decoder()?;
        let charge = self.charge;
        let finished = tokio::task::spawn_blocking(move || decoder.finish(charge)).await;
        let prompt = finished.map_err(|_| IntakeError::Broken)??;
        drop((self.place, self.large_place));
        Ok(Arc::new(prompt))
    }

    /// Runs on a blocking thread: decoding may take long.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Pipe) -> Result<T, IntakeError> + Send + 'static,
    ) -> Result<T, IntakeError> {
        let mut pipe = self.pipe.take().ok_or(IntakeError::Broken)?;
        let turn = self.intake.0.decoders.acquire().await.map_err(|_| IntakeError::Broken)?;
        let worked = tokio::task::spawn_blocking(move || {
            let result = work(&mut pipe);
            (pipe, result)
        });
        let (pipe, result) = worked.await.map_err(|_| IntakeError::Broken)?;
        drop(turn);
        if result.is_ok() {
            self.pipe = Some(pipe);
        }
        result
    }

    async fn make_room(&mut self, bytes: usize) -> Result<(), IntakeError> {
        if bytes > LARGE_BYTES && self.large_place.is_none() {
            let place = self.intake.0.large_loads.clone().try_acquire_owned();
            self.large_place = Some(place.map_err(|_| IntakeError::NoLargePlace)?);
        }
        self.charge.grow(bytes, self.deadline).await?;
        let pipe = self.pipe.as_mut().ok_or(IntakeError::Broken)?;
        pipe.feed().decoder.allow(bytes);
        Ok(())
    }
}

/// From the encoded body to the decoder.
enum Pipe {
    Plain(Box<Feed>),
    Gzip(Box<MultiGzDecoder<Feed>>),
}

impl Pipe {
    /// Decodes as much of a piece as the memory allows. Returns the rest, and the memory that it needs.
    fn push(&mut self, piece: Bytes) -> Result<(Bytes, Option<usize>), IntakeError> {
        let mut taken = 0;
        while taken < piece.len() {
            let written = match self {
                Self::Plain(feed) => feed.write(&piece[taken..]),
                Self::Gzip(gzip) => gzip.write(&piece[taken..]),
            };
            match self.outcome(written)? {
                Ok(count) => taken += count,
                Err(needs) => return Ok((piece.slice(taken..), Some(needs))),
            }
        }
        Ok((Bytes::new(), None))
    }

    /// Flushes gzip. Returns the memory that this needs first.
    fn finish(&mut self) -> Result<Option<usize>, IntakeError> {
        let finished = match self {
            Self::Plain(_) => Ok(0),
            Self::Gzip(gzip) => gzip.try_finish().map(|()| 0),
        };
        Ok(self.outcome(finished)?.err())
    }

    /// The result of a write: bytes taken, or the memory that is needed first.
    fn outcome(&mut self, written: io::Result<usize>) -> Result<Result<usize, usize>, IntakeError> {
        let feed = self.feed();
        match (written, feed.error.take(), feed.needs.take()) {
            (_, Some(error), _) => Err(error),
            (Ok(count), None, _) => Ok(Ok(count)),
            (Err(_), None, Some(needs)) => Ok(Err(needs)),
            (Err(error), None, None) => Err(IntakeError::Gzip(error.to_string())),
        }
    }

    fn feed(&mut self) -> &mut Feed {
        match self {
            Self::Plain(feed) => feed,
            Self::Gzip(gzip) => gzip.get_mut(),
        }
    }

    fn into_decoder(self) -> Result<Decoder, IntakeError> {
        match self {
            Self::Plain(feed) => Ok(feed.decoder),
            Self::Gzip(gzip) => {
                let feed = gzip.finish().map_err(|error| IntakeError::Gzip(error.to_string()))?;
                Ok(feed.decoder)
            }
        }
    }
}

/// The decoder as a writer, because gzip needs one. A write that needs memory first takes nothing and
/// returns `WouldBlock`; it is repeated once there is memory.
struct Feed {
    decoder: Decoder,
    needs: Option<usize>,
    error: Option<IntakeError>,
}

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        let pushed = self.decoder.push(&mut rest);
        let taken = bytes.len() - rest.len();
        let error = match pushed {
            Ok(_) if self.decoder.read() > limits::PLAY_BYTES_MAX as u64 => IntakeError::TooLarge,
            Ok(Pushed::NeedsRoom(needs)) if taken == 0 => {
                self.needs = Some(needs);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(_) => return Ok(taken),
            Err(error) => error.into(),
        };
        self.error = Some(error);
        Err(io::ErrorKind::InvalidData.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_packed_file_in_pieces_gives_the_prompt_of_the_plain_file() {
        let intake = AudioIntake::new(0);
        let file: Vec<u8> = (0..700_000u32).map(|at| (at * 7 % 251) as u8).collect();
        let plain = taken(&intake, Encoding::Identity, &file).await.unwrap();
        let packed = taken(&intake, Encoding::Gzip, &gzip(&file)).await.unwrap();
        assert_eq!((plain.mulaw.len(), &plain), (700_000, &packed));
        assert_eq!(intake.memory().figures().used, 4 * 700_000);
        drop((plain, packed));
        assert_eq!(intake.memory().figures().used, 0);
    }

    #[tokio::test]
    async fn a_gzip_bomb_is_too_large_and_frees_its_memory() {
        let intake = AudioIntake::new(0);
        let mut bomb = b"RIFF\0\0\0\0WAVELIST\xFF\xFF\xFF\x0F".to_vec();
        bomb.resize(limits::PLAY_BYTES_MAX + 100_000, 0);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut load = intake.begin("audio/wav", Encoding::Gzip, None, deadline).await.unwrap();
        let pushed = load.push(gzip(&bomb).into()).await;
        assert_eq!(pushed, Err(IntakeError::TooLarge));
        assert_eq!(load.push(Bytes::new()).await, Err(IntakeError::Broken));
        let announced =
            intake.begin("audio/wav", Encoding::Identity, Some(1 << 40), deadline).await;
        assert_eq!(announced.map(drop), Err(IntakeError::TooLarge));
        assert_eq!(intake.memory().figures().used, 0);
    }

    #[tokio::test]
    async fn a_file_without_room_fails_at_its_deadline_and_gives_back_what_it_had() {
        let intake = AudioIntake::new(0);
        let all = intake.memory().figures().bytes_max;
        let others = intake.memory().try_reserve(all - all / 8).unwrap();
        let deadline = Instant::now() + Duration::from_millis(50);
        let begun = intake.begin("audio/basic", Encoding::Identity, None, deadline).await;
        let mut load = begun.unwrap();
        load.push(vec![0; 200_000].into()).await.unwrap();
        let pushed = load.push(vec![0; 200_000].into()).await;
        assert!(matches!(pushed, Err(IntakeError::NoRoom(_))), "{pushed:?}");
        drop((load, others));
        assert_eq!(intake.memory().figures().used, 0);
    }

    #[tokio::test]
    async fn large_files_leave_places_to_small_ones() {
        let intake = AudioIntake::new(0);
        let _large = intake.0.large_loads.clone().acquire_many_owned(LARGE_LOADS_MAX as u32).await;
        let _places = intake.0.loads.clone().acquire_many_owned(LARGE_LOADS_MAX as u32).await;
        let large = taken(&intake, Encoding::Identity, &vec![0; LARGE_BYTES]).await;
        assert_eq!(large, Err(IntakeError::NoLargePlace));
        assert!(taken(&intake, Encoding::Identity, &[0; 8_000]).await.is_ok());
        let _rest =
            intake.0.loads.clone().acquire_many_owned((LOADS_MAX - LARGE_LOADS_MAX) as u32).await;
        let now = Instant::now();
        let third = intake.begin("audio/basic", Encoding::Identity, None, now).await;
        assert_eq!(third.map(drop), Err(IntakeError::NoPlace));
    }

    /// Takes raw mu-law in, in pieces.
    async fn taken(
        intake: &AudioIntake,
        encoding: Encoding,
        body: &[u8],
    ) -> Result<Arc<Prompt>, IntakeError> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let length = Some(body.len() as u64);
        let mut load = intake.begin("audio/basic", encoding, length, deadline).await?;
        for piece in body.chunks(30_000) {
            load.push(piece.to_vec().into()).await?;
        }
        load.finish().await
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }
}
