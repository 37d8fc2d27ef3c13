//! The recorder thread: reads the rings of all media cores and never waits for a disk sync.
//!
//! One thread owns every open file, so that frames of a tap are written in order without a lock. The
//! helper ([`crate::finish`]) does the only work that may block for long, the sync of a finished file: a
//! slow disk must not let the rings run full, because a core that finds its ring full drops frames.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use shared::{TapFrame, TapId};

use crate::event::{OnEvent, OpenRecording, RecorderEvent};
use crate::finish::{self, Finished};
use crate::meters::{RecorderCounts, RecorderMeters};
use crate::recording::{Recording, Taken};
use crate::sealing::SealingKey;

/// Commands that can wait for the thread. Past it: [`RecorderBusy`].
const COMMANDS_MAX: usize = 8_192;
/// Finished files that can wait for the disk. Past it the thread blocks as well, and cores drop and count
/// frames.
const FINISHED_MAX: usize = 4_096;
/// Frames taken from one core before the next core's turn.
const FRAMES_A_TURN: usize = 512;
/// Time between two polls of the rings while something is recorded: far below the 2 s that a ring holds.
const REST: Duration = Duration::from_millis(10);
/// Time between two polls while nothing is recorded; a command ends it at once.
const LONG_REST: Duration = Duration::from_millis(500);

/// The folder of recordings, and the free disk that a new one needs.
#[derive(Clone, Debug)]
pub struct RecorderSettings {
    /// Folder of all recordings: `<data_dir>/recordings`.
    pub root: PathBuf,
    /// Free bytes below which no recording starts (`recordings.free_disk_min`).
    pub free_bytes_min: u64,
    /// Free share of the disk, in percent, below which no recording starts.
    pub free_percent_min: u64,
    /// The key that finished recordings are sealed with; `None`: they stay in the clear.
    pub key: Option<Arc<SealingKey>>,
}

/// The recorder's queue is full or it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recorder cannot keep up with commands or has ended")]
pub struct RecorderBusy;

/// The handle of the recorder; dropping it finishes every open file.
pub struct Recorder {
    commands: Option<SyncSender<Command>>,
    meters: Arc<RecorderMeters>,
    thread: Option<JoinHandle<()>>,
    helper: Option<JoinHandle<()>>,
}

enum Command {
    Open(OpenRecording),
    Close(TapId),
}

impl Recorder {
    /// Starts the threads. `rings` are the recorder rings of all media cores; `on_event` is called on
    /// the recorder's threads.
    ///
    /// # Errors
    /// The folder cannot be created, or a thread cannot be started.
    pub fn start(
        settings: RecorderSettings,
        rings: Vec<rtrb::Consumer<TapFrame>>,
        on_event: Arc<dyn Fn(RecorderEvent) + Send + Sync>,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(&settings.root)?;
        let (commands, command_queue) = mpsc::sync_channel(COMMANDS_MAX);
        let (finished, finished_queue) = mpsc::sync_channel(FINISHED_MAX);
        let meters = Arc::new(RecorderMeters::default());
        let helper = thread::Builder::new().name("recorder-sync".to_owned()).spawn({
            let (meters, on_event) = (meters.clone(), on_event.clone());
            let key = settings.key.clone();
            move || finish::run(&finished_queue, key.as_deref(), &meters, &on_event)
        })?;
        let desk = Desk {
            settings,
            rings,
            commands: command_queue,
            finished,
            on_event,
            meters: meters.clone(),
            slots: HashMap::new(),
        };
        let thread =
            thread::Builder::new().name("recorder".to_owned()).spawn(move || desk.run())?;
        Ok(Self { commands: Some(commands), meters, thread: Some(thread), helper: Some(helper) })
    }

    /// Begins a recording. Call it before `StartTap` goes to the core, so that the first frame finds
    /// its file.
    ///
    /// # Errors
    /// The queue is full; the recording is not begun.
    pub fn open(&self, plan: OpenRecording) -> Result<(), RecorderBusy> {
        self.command(Command::Open(plan))
    }

    /// Ends a recording whose last frame will never come, because its core is gone.
    ///
    /// # Errors
    /// The queue is full; try again.
    pub fn close(&self, tap: TapId) -> Result<(), RecorderBusy> {
        self.command(Command::Close(tap))
    }

    /// Reads the counters.
    pub fn counts(&self) -> RecorderCounts {
        self.meters.counts()
    }

    /// Finishes every open file and waits until all are on disk and reported.
    pub fn stop(self) {
        drop(self);
    }

    fn command(&self, command: Command) -> Result<(), RecorderBusy> {
        let commands = self.commands.as_ref().ok_or(RecorderBusy)?;
        commands.try_send(command).map_err(|_| RecorderBusy)?;
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.commands = None;
        for thread in [self.thread.take(), self.helper.take()].into_iter().flatten() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a recorder thread has panicked");
            }
        }
    }
}

/// State of the recorder thread.
struct Desk {
    settings: RecorderSettings,
    rings: Vec<rtrb::Consumer<TapFrame>>,
    commands: Receiver<Command>,
    finished: SyncSender<Finished>,
    on_event: OnEvent,
    meters: Arc<RecorderMeters>,
    slots: HashMap<TapId, Slot>,
}

/// A tap: its frames go to a file, or are discarded.
enum Slot {
    Running(Box<Recording>),
    /// Refused or full: its frames are discarded.
    Ignored,
}

/// Whether the [`Recorder`] still exists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handle {
    Held,
    Dropped,
}

impl Desk {
    fn run(mut self) {
        loop {
            let handle = self.take_commands();
            let is_busy = self.take_frames();
            if handle == Handle::Dropped && !is_busy {
                break;
            }
            if !is_busy {
                thread::park_timeout(if self.slots.is_empty() { LONG_REST } else { REST });
            }
        }
        let mut taps: Vec<TapId> = self.slots.keys().copied().collect();
        taps.sort();
        taps.into_iter().for_each(|tap| self.close(tap));
    }

    fn take_commands(&mut self) -> Handle {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Open(plan)) => self.open(plan),
                Ok(Command::Close(tap)) => self.close(tap),
                Err(TryRecvError::Empty) => return Handle::Held,
                Err(TryRecvError::Disconnected) => return Handle::Dropped,
            }
        }
    }

    /// Whether any ring had a frame.
    fn take_frames(&mut self) -> bool {
        let mut is_busy = false;
        for ring in 0..self.rings.len() {
            for _ in 0..FRAMES_A_TURN {
                let Some(frame) = self.rings.get_mut(ring).and_then(|ring| ring.pop().ok()) else {
                    break;
                };
                is_busy = true;
                self.take(&frame);
            }
        }
        is_busy
    }

    fn take(&mut self, frame: &TapFrame) {
        if !self.slots.contains_key(&frame.tap) {
            // `open` precedes `StartTap`, so its command is in the queue by now.
            self.take_commands();
        }
        self.meters.count_frame();
        let taken = match self.slots.get_mut(&frame.tap) {
            Some(Slot::Running(recording)) => recording.take(frame),
            Some(Slot::Ignored) => Taken::More,
            None => {
                self.meters.count_unknown_frame();
                return;
            }
        };
        if taken == Taken::Full {
            self.close(frame.tap);
            self.slots.insert(frame.tap, Slot::Ignored);
            (self.on_event)(RecorderEvent::LimitReached { tap: frame.tap });
        }
        if frame.last {
            self.close(frame.tap);
        }
    }

    fn open(&mut self, plan: OpenRecording) {
        let opened = check_disk(&self.settings).and_then(|()| {
            Recording::create(&self.settings.root, plan)
                .map_err(|error| format!("the file of {} cannot be made: {error}", plan.recording))
        });
        let slot = match opened {
            Ok(recording) => {
                self.meters.count_opened();
                Slot::Running(Box::new(recording))
            }
            Err(sentence) => {
                self.meters.count_refused();
                (self.on_event)(RecorderEvent::Refused { tap: plan.tap, sentence });
                Slot::Ignored
            }
        };
        self.slots.insert(plan.tap, slot);
    }

    fn close(&mut self, tap: TapId) {
        if let Some(Slot::Running(recording)) = self.slots.remove(&tap) {
            self.meters.count_closed();
            // The helper outlives this thread; a send fails only if it panicked.
            if self.finished.send(recording.finish()).is_err() {
                tracing::error!(?tap, "a finished recording could not be handed on");
            }
        }
    }
}

/// Whether the disk has room for another recording.
fn check_disk(settings: &RecorderSettings) -> Result<(), String> {
    let (free, total) = free_and_total(&settings.root)
        .map_err(|error| format!("the free disk space cannot be read: {error}"))?;
    let percent = free.saturating_mul(100) / total.max(1);
    if free < settings.free_bytes_min || percent < settings.free_percent_min {
        return Err(format!(
            "the disk of {} has {} MiB ({percent} %) free; new recordings need {} MiB and {} %. \
             Remove old recordings or lower recordings.free_disk_min",
            settings.root.display(),
            free >> 20,
            settings.free_bytes_min >> 20,
            settings.free_percent_min,
        ));
    }
    Ok(())
}

fn free_and_total(path: &Path) -> io::Result<(u64, u64)> {
    let disk = rustix::fs::statvfs(path)?;
    Ok((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{Receiver, channel};

    use plane::g711;
    use shared::FRAME_SAMPLES;
    use shared::{Codec, limits};

    use shared::{AccountSid, RecordingSid};

    use super::*;
    use crate::{
        Encoding, RecordedAudio, RecordingDone, RecordingOutcome, WavFacts, inspect, path, recover,
    };

    #[test]
    fn two_channels_hold_what_was_said_and_heard() {
        let mut bench = Bench::start();
        bench.open(1, 2, false);
        bench.send(frame(1, 0, Some(1_000), Some(-3_000)));
        bench.send(last(1, 1));
        let done = bench.done();
        assert_eq!(done.outcome, RecordingOutcome::Completed);
        assert_eq!(
            done.facts,
            WavFacts { encoding: Encoding::Mulaw, channels: 2, bytes: 378, duration_ms: 20 }
        );
        let samples = bench.samples(&done);
        assert_eq!(samples[..4], [coded(1_000), coded(-3_000), coded(1_000), coded(-3_000)]);
        assert_eq!(done.peak, coded(-3_000).unsigned_abs());
    }

    #[test]
    fn the_other_codec_is_kept_as_its_nearest_codes() {
        let mut bench = Bench::start();
        bench.open(1, 1, false);
        let alaw = [g711::encode(Codec::Pcma, 5_000); FRAME_SAMPLES];
        bench.send(TapFrame { codec: Codec::Pcma, inbound: Some(alaw), ..frame(1, 0, None, None) });
        bench.send(last(1, 1));
        let done = bench.done();
        let nearest = g711::decode(Codec::Pcmu, g711::ALAW_TO_MULAW[usize::from(alaw[0])]);
        assert_eq!(bench.samples(&done), [nearest; FRAME_SAMPLES]);
    }

    #[test]
    fn one_channel_is_the_mix_and_does_not_wrap() {
        let mut bench = Bench::start();
        bench.open(1, 1, false);
        bench.send(frame(1, 0, Some(30_000), Some(30_000)));
        bench.send(last(1, 1));
        let done = bench.done();
        assert_eq!(bench.samples(&done)[..2], [coded(i16::MAX), coded(i16::MAX)]);
    }

    #[test]
    fn a_missing_frame_becomes_silence_of_its_length_and_is_counted() {
        let mut bench = Bench::start();
        bench.open(1, 1, false);
        bench.send(frame(1, 0, Some(5_000), None));
        bench.send(frame(1, 3, Some(5_000), None));
        bench.send(frame(1, 1, Some(5_000), None));
        bench.send(last(1, 5));
        let done = bench.done();
        assert_eq!((done.gaps, done.gap_ms, done.taped_ms), (2, 60, 100));
        assert_eq!(done.facts.duration_ms, 100);
        let samples = bench.samples(&done);
        assert!(samples[160..480].iter().all(|sample| *sample == 0));
        assert_ne!(samples[480], 0);
    }

    #[test]
    fn trimming_cuts_silence_at_both_ends_and_keeps_a_margin() {
        let mut bench = Bench::start();
        bench.open(1, 1, true);
        let sound = |index: u32| (100..150).contains(&index).then_some(9_000);
        for index in 0..300 {
            bench.send(frame(1, index, Some(sound(index).unwrap_or(0)), None));
        }
        bench.send(last(1, 300));
        let done = bench.done();
        assert_eq!((done.taped_ms, done.facts.duration_ms), (6_000, 1_000 + 2 * 200));
        let samples = bench.samples(&done);
        assert_eq!(samples[10 * 160 - 1], 0);
        assert_ne!(samples[10 * 160], 0);
    }

    #[test]
    fn nothing_but_silence_is_still_saved_whole() {
        let mut bench = Bench::start();
        bench.open(1, 1, true);
        for index in 0..100 {
            bench.send(frame(1, index, Some(0), None));
        }
        bench.send(last(1, 100));
        let done = bench.done();
        assert_eq!(
            (done.outcome.clone(), done.facts.duration_ms),
            (RecordingOutcome::Completed, 2_000)
        );
        assert!(bench.samples(&done).iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_recording_without_a_frame_is_absent_and_leaves_no_file() {
        let mut bench = Bench::start();
        bench.open(1, 1, true);
        bench.send(last(1, 0));
        assert_eq!(bench.done().outcome, RecordingOutcome::Absent);
        assert_eq!(bench.files(), 0);
    }

    #[test]
    fn a_full_disk_refuses_and_says_what_to_do() {
        let settings =
            |root: &Path| RecorderSettings { free_bytes_min: u64::MAX, ..settings(root) };
        let mut bench = Bench::start_with(settings);
        bench.open(1, 1, false);
        bench.send(frame(1, 0, Some(1), None));
        match bench.event() {
            RecorderEvent::Refused { tap, sentence } => {
                assert_eq!(tap, TapId(1));
                assert!(sentence.contains("recordings.free_disk_min"), "{sentence}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(bench.files(), 0);
    }

    #[test]
    fn the_longest_recording_ends_by_itself() {
        let mut bench = Bench::start();
        bench.open(1, 1, false);
        let index = limits::RECORDING_S_MAX * 50 - 1;
        bench.send(frame(1, index, Some(5_000), None));
        bench.send(frame(1, index + 1, Some(5_000), None));
        assert_eq!(bench.event(), RecorderEvent::LimitReached { tap: TapId(1) });
        assert_eq!(bench.done().facts.duration_ms, u64::from(limits::RECORDING_S_MAX) * 1_000);
    }

    #[test]
    fn stopping_finishes_open_files_and_reports_them() {
        let mut bench = Bench::start();
        bench.open(1, 1, false);
        bench.send(frame(1, 0, Some(5_000), None));
        bench.recorder.take().unwrap().stop();
        assert_eq!(bench.done().facts.duration_ms, 20);
    }

    #[test]
    fn what_a_kill_leaves_is_readable_and_recovered_at_the_next_start() {
        let root = tempfile::tempdir().unwrap();
        let mut recording = Recording::create(root.path(), plan(7, 2, false)).unwrap();
        for index in 0..130 {
            recording.take(&frame(7, index, Some(5_000), Some(5_000)));
        }
        // A kill runs no destructor, and what was in memory is lost.
        std::mem::forget(recording);
        let unfinished =
            path(root.path(), AccountSid(1), RecordingSid(7)).with_extension("wav.part");
        let left = inspect(&unfinished).unwrap().unwrap();
        assert!(left.duration_ms >= 2_000, "{left:?}");
        // A cut in the middle of a sample, as a full disk makes it.
        let file = fs::OpenOptions::new().write(true).open(&unfinished).unwrap();
        file.set_len(left.bytes - 1).unwrap();
        let recovered = recover(root.path(), None).unwrap();
        assert_eq!(recovered.len(), 1);
        let facts = recovered[0].facts.clone().unwrap();
        let finished = path(root.path(), AccountSid(1), RecordingSid(7));
        let found = inspect(&finished).unwrap().unwrap();
        assert_eq!((recovered[0].recording, found.channels), (RecordingSid(7), 2));
        assert_eq!((found.bytes, found.duration_ms), (facts.bytes, facts.duration_ms));
        assert_eq!(facts.encryption, None);
        let bytes = fs::read(finished).unwrap();
        assert_eq!(bytes[54..58], u32::try_from(bytes.len() - 58).unwrap().to_le_bytes());
        assert_eq!(recover(root.path(), None).unwrap(), vec![]);
    }

    #[test]
    fn an_unfinished_file_without_audio_is_removed_and_foreign_files_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        drop(Recording::create(root.path(), plan(7, 1, false)).unwrap());
        let foreign = root.path().join("notes.wav.part");
        fs::write(&foreign, b"mine").unwrap();
        let recovered = recover(root.path(), None).unwrap();
        assert_eq!(recovered.iter().map(|one| one.facts.as_ref()).collect::<Vec<_>>(), [None]);
        assert_eq!(fs::read(foreign).unwrap(), b"mine");
        assert_eq!(recover(&root.path().join("missing"), None).unwrap(), vec![]);
    }

    #[test]
    fn an_mp3_that_a_kill_interrupted_is_removed_and_a_whole_one_stays() {
        let root = tempfile::tempdir().unwrap();
        let mp3 = |recording, two_channels| {
            crate::mp3_path(root.path(), AccountSid(1), RecordingSid(recording), two_channels)
        };
        let whole = mp3(7, false);
        let unfinished = [mp3(7, true), mp3(8, false)].map(|path| path.with_extension("mp3.part"));
        fs::create_dir_all(whole.parent().unwrap()).unwrap();
        for path in unfinished.iter().chain([&whole]) {
            fs::write(path, b"half").unwrap();
        }
        assert_eq!(recover(root.path(), None).unwrap(), vec![]);
        assert_eq!(unfinished.map(|path| path.exists()), [false, false]);
        assert!(whole.exists());
    }

    /// A recorder with one ring on a folder of its own.
    struct Bench {
        root: tempfile::TempDir,
        ring: rtrb::Producer<TapFrame>,
        recorder: Option<Recorder>,
        events: Receiver<RecorderEvent>,
    }

    impl Bench {
        fn start() -> Self {
            Self::start_with(settings)
        }

        fn start_with(settings: impl Fn(&Path) -> RecorderSettings) -> Self {
            let root = tempfile::tempdir().unwrap();
            let (ring, consumer) = rtrb::RingBuffer::new(1_024);
            let (sender, events) = channel();
            let on_event = Arc::new(move |event| {
                let _ = sender.send(event);
            });
            let recorder =
                Recorder::start(settings(root.path()), vec![consumer], on_event).unwrap();
            Self { root, ring, recorder: Some(recorder), events }
        }

        fn open(&self, tap: u64, channels: u8, trim: bool) {
            self.recorder.as_ref().unwrap().open(plan(tap, channels, trim)).unwrap();
        }

        fn send(&mut self, frame: TapFrame) {
            self.ring.push(frame).unwrap();
        }

        fn event(&self) -> RecorderEvent {
            self.events.recv_timeout(Duration::from_secs(10)).unwrap()
        }

        fn done(&self) -> RecordingDone {
            match self.event() {
                RecorderEvent::Done(done) => done,
                other => panic!("{other:?}"),
            }
        }

        fn samples(&self, done: &RecordingDone) -> Vec<i16> {
            let path = path(self.root.path(), done.account, done.recording);
            assert_eq!(fs::metadata(&path).unwrap().len(), done.facts.bytes);
            let audio = RecordedAudio::open(&path, true).unwrap().unwrap();
            audio.read(0, audio.length() as usize).unwrap()
        }

        fn files(&self) -> usize {
            let folder = self.root.path().join(AccountSid(1).to_string());
            fs::read_dir(folder).map_or(0, Iterator::count)
        }
    }

    fn settings(root: &Path) -> RecorderSettings {
        RecorderSettings {
            root: root.to_owned(),
            free_bytes_min: 0,
            free_percent_min: 0,
            key: None,
        }
    }

    fn plan(tap: u64, channels: u8, trim: bool) -> OpenRecording {
        let recording = RecordingSid(u128::from(tap));
        OpenRecording { tap: TapId(tap), account: AccountSid(1), recording, channels, trim }
    }

    fn frame(tap: u64, index: u32, said: Option<i16>, heard: Option<i16>) -> TapFrame {
        let track = |sample: i16| [g711::encode(Codec::Pcmu, sample); FRAME_SAMPLES];
        TapFrame {
            tap: TapId(tap),
            index,
            codec: Codec::Pcmu,
            inbound: said.map(track),
            outbound: heard.map(track),
            feed_passed: 0,
            last: false,
        }
    }

    /// A sample as mu-law has it.
    fn coded(sample: i16) -> i16 {
        g711::decode(Codec::Pcmu, g711::encode(Codec::Pcmu, sample))
    }

    fn last(tap: u64, index: u32) -> TapFrame {
        TapFrame { last: true, ..frame(tap, index, None, None) }
    }
}
