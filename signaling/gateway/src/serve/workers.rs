//! The workers of the third stage: HTTP, recorder, streams, recognition, voices, uploads. Shell.
//!
//! Control orders work from them through [`Jobs`], and each answers by a message to the signaling thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ::io::Media;
use audio::AudioIntake;
use recognition::{Recognition, RecognitionMeters, RecognitionParts, Services};
use recorder::{Recorder, RecorderEvent, RecorderSettings, RecordingOutcome, SealingKey};
use shared::Sink;
use shared::config::{Config, SpeechEngine};
use shell::Sender;
use speech::prompts::PromptLoader;
use speech::{Program, SpeechError, SpeechService, SpeechSettings, Voices};
use storage::{Bucket, Outbox};
use streams::{StreamMeters, Streams, StreamsParts};
use tokio::runtime::Runtime;
use webhook::dns::{Resolver, SipResolver};
use webhook::{WebhookClient, WebhookSettings};

use super::addresses::Addresses;
use super::edges::webhook_sources;
use super::error::{ServeError, system};
use crate::data_dir::DataDir;
use crate::inbox::Message;
use crate::jobs::{Jobs, order_upload, recognition_message, recorded, stream_message, uploaded};
use crate::memory::SPEECH_WORKERS;

/// What the workers are started from.
pub(super) struct WorkerParts<'a> {
    pub config: &'a Config,
    pub data: &'a DataDir,
    pub addresses: &'a Addresses,
    /// The public key of the recordings, where one is set.
    pub key: Option<Arc<SealingKey>>,
    pub outbox: &'a Arc<Outbox>,
    /// Gives the rings of its cores.
    pub media: &'a mut Media,
    /// Not running yet.
    pub streams: Streams,
    /// Not running yet.
    pub recognition: Recognition,
    /// The signaling thread's queue.
    pub answers: &'a Sender<Message>,
}

/// The workers that run.
pub(super) struct Workers {
    pub runtime: Runtime,
    pub webhooks: WebhookClient,
    pub bucket: Bucket,
    /// How Control reaches them.
    pub jobs: Jobs,
    pub meters: WorkerMeters,
}

/// The counters of the workers.
pub(super) struct WorkerMeters {
    pub streams: Arc<StreamMeters>,
    pub voices: Voices,
    pub recognition: Arc<RecognitionMeters>,
}

impl WorkerParts<'_> {
    /// Starts them all.
    ///
    /// # Errors
    /// [`ServeError`]; workers that run already end, because their queues close.
    pub fn start(self) -> Result<Workers, ServeError> {
        let Self { config, data, addresses, key, outbox, media, answers, .. } = self;
        let (mut streams, mut recognition) = (self.streams, self.recognition);
        let runtime = start_runtime()?;
        let recorder = start_recorder(config, key, outbox, data, media, answers.clone())?;
        let (webhooks, resolver) = start_webhooks(config, &runtime, addresses)?;
        start_streams(&mut streams, media, &webhooks, answers.clone())?;
        let services = Services { runtime: runtime.handle().clone(), client: webhooks.clone() };
        start_recognition(&mut recognition, media, services, answers.clone())?;
        let prompts = start_prompts(config, data, &runtime, webhooks.clone());
        let meters = WorkerMeters {
            streams: streams.meters(),
            voices: prompts.voices().clone(),
            recognition: recognition.meters(),
        };
        let bucket = start_bucket(outbox, &webhooks, &runtime, answers.clone());
        let jobs = Jobs {
            runtime: runtime.handle().clone(),
            answers: answers.clone(),
            webhooks: webhooks.clone(),
            sip: SipResolver::new(resolver, config.sip.allow_private_targets),
            prompts,
            recorder: Some(recorder),
            streams,
            recognition,
            running: Arc::new(AtomicUsize::new(0)),
            prompts_running: BTreeMap::new(),
        };
        Ok(Workers { runtime, webhooks, bucket, jobs, meters })
    }
}

fn start_runtime() -> Result<Runtime, ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(HTTP_WORKERS)
        .thread_name("http")
        .enable_all()
        .build();
    system("the HTTP threads", runtime)
}

/// Starts uploads where a bucket is set.
fn start_bucket(
    outbox: &Arc<Outbox>,
    client: &WebhookClient,
    runtime: &Runtime,
    answers: Sender<Message>,
) -> Bucket {
    // At most one message a recording and hour: where the inbox is full, the log has the sentence.
    let on_report = Arc::new(move |report| {
        if answers.send(uploaded(report)).is_err() {
            tracing::error!("a report of the bucket was lost: Control is behind");
        }
    });
    Bucket::start(Arc::clone(outbox), client, runtime.handle(), on_report)
}

fn start_recorder(
    config: &Config,
    key: Option<Arc<SealingKey>>,
    outbox: &Arc<Outbox>,
    data: &DataDir,
    media: &mut Media,
    answers: Sender<Message>,
) -> Result<Recorder, ServeError> {
    let root = data.recordings_path();
    let settings = RecorderSettings {
        root: root.clone(),
        free_bytes_min: config.recordings.free_disk_min.0,
        free_percent_min: RECORDINGS_FREE_PERCENT_MIN,
        key,
    };
    let rings =
        media.cores.iter_mut().filter_map(|core| core.take_frames(Sink::Recorder)).collect();
    let outbox = Arc::clone(outbox);
    let on_event = Arc::new(move |event| {
        if let RecorderEvent::Done(done) = &event
            && done.outcome == RecordingOutcome::Completed
        {
            // Before Control hears of it: an order that a kill cuts off here is made again at the next
            // start, because the row still runs.
            order_upload(&outbox, done.account, done.recording);
        }
        if let Some(message) = recorded(event) {
            answers.send_patiently(message);
        }
    });
    Recorder::start(settings, rings, on_event).map_err(|error| ServeError::Recorder(error, root))
}

/// The client of applications' servers, and the resolver that it shares with SIP.
fn start_webhooks(
    config: &Config,
    runtime: &Runtime,
    addresses: &Addresses,
) -> Result<(WebhookClient, Resolver), ServeError> {
    let _inside = runtime.enter();
    let resolver = Resolver::asking(&config.node.dns);
    let settings = WebhookSettings {
        user_agent: config.webhook.user_agent.clone(),
        allow_private: config.webhook.allow_private.clone(),
        own_listeners: addresses.own(),
        edges: webhook_sources(config),
        extra_roots: Vec::new(),
    };
    let intake = AudioIntake::new(config.limits.audio.0);
    Ok((WebhookClient::new(settings, resolver.clone(), intake)?, resolver))
}

fn start_streams(
    streams: &mut Streams,
    media: &mut Media,
    webhooks: &WebhookClient,
    answers: Sender<Message>,
) -> Result<(), ServeError> {
    let parts = StreamsParts {
        tls: webhooks.tls(),
        rings: media.cores.iter_mut().filter_map(|core| core.take_frames(Sink::Stream)).collect(),
        feeds: media.cores.iter_mut().map(::io::Core::take_feed).collect(),
        sleeper: Arc::clone(&media.sinks[Sink::Stream]),
        on_report: Arc::new(move |report| answers.send_patiently(stream_message(report))),
    };
    system("the thread of the streams", streams.start(parts))
}

fn start_recognition(
    recognition: &mut Recognition,
    media: &mut Media,
    services: Services,
    answers: Sender<Message>,
) -> Result<(), ServeError> {
    let rings = media.cores.iter_mut().filter_map(|core| core.take_frames(Sink::Recognition));
    let parts = RecognitionParts {
        rings: rings.collect(),
        sleeper: Arc::clone(&media.sinks[Sink::Recognition]),
        services,
        on_report: Arc::new(move |report| answers.send_patiently(recognition_message(report))),
    };
    system("the thread of the recognition", recognition.start(parts))
}

fn start_prompts(
    config: &Config,
    data: &DataDir,
    runtime: &Runtime,
    webhooks: WebhookClient,
) -> PromptLoader {
    let _inside = runtime.enter();
    let pico = start_pico(config, data, webhooks.intake());
    let voices = Voices::new(&config.speech, &config.voices, pico, &webhooks);
    PromptLoader::new(webhooks, voices)
}

/// Starts the built-in voice, if it is one of the engines. Without it calls go on: a <Say> that no other engine
/// speaks fails with its code, and the log says why once.
fn start_pico(
    config: &Config,
    data: &DataDir,
    intake: &AudioIntake,
) -> Result<SpeechService, SpeechError> {
    if !config.speech.engine.contains(&SpeechEngine::Pico) {
        return Err(SpeechError::Unavailable("speech.engine does not have pico".to_owned()));
    }
    let program =
        Program::this_binary().map_err(|error| SpeechError::Unavailable(error.to_string()));
    let speech = program.and_then(|program| {
        let settings = SpeechSettings {
            voices_dir: data.path().join("voices"),
            program,
            workers: SPEECH_WORKERS,
        };
        SpeechService::start(settings, intake)
    });
    if let Err(error) = &speech {
        tracing::error!(%error, "the built-in voice cannot speak");
    }
    speech
}

const HTTP_WORKERS: usize = 2;

/// Below this share of free disk, in percent, no recording begins.
const RECORDINGS_FREE_PERCENT_MIN: u64 = 5;
