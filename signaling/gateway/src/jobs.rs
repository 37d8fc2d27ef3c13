//! Jobs that Control starts and that take time: webhooks, prompts, DNS names, recordings. Shell.
//!
//! The signaling thread starts a job and never waits for it. The job runs on the tokio runtime or on the
//! recorder's threads and answers with exactly one message in the inbox, also when it fails: Control
//! keeps a call waiting for that message. Jobs at once are bounded; one past the bound fails at once, so
//! that its call goes on by its fallback instead of waiting in a queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use call::webhook::HttpRequest;
use call::{
    Form, HttpFailure, PromptFailure, PromptId, PromptSource, RecognitionEnd, RecognitionEvent,
    RecognitionFault, StreamPlan,
};
use control::{
    Input, RecordingFailure, RecordingFile, RecordingOrder, RecordingUpload, ResolveTarget,
};
use recognition::{Recognition, RecognitionReport, StartRecognition};
use recorder::{OpenRecording, Recorder, RecorderEvent, RecordingOutcome};
use shared::ids::TapId;
use shared::{AccountSid, CallSid, Code, RecordingSid};
use shell::Sender;
use sip::SessionId;
use speech::prompts::PromptLoader;
use storage::{Outbox, UploadReport};
use store::Secret;
use streams::{OpenStream, StreamReport, Streams};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use webhook::dns::{LookupError, SipResolver, SipTarget, SipTargetError};
use webhook::{MediaRequest, WebhookClient};

use crate::inbox::Message;
use crate::relay_audio;

/// Starts jobs. Owned by the signaling thread.
pub struct Jobs {
    /// The runtime of the tasks.
    pub runtime: Handle,
    /// The inbox of the signaling thread.
    pub answers: Sender<Message>,
    /// Sends webhooks and fetches media files.
    pub webhooks: WebhookClient,
    /// Resolves SIP targets (RFC 3263).
    pub sip: SipResolver,
    /// Fetches, decodes and speaks prompts.
    pub prompts: PromptLoader,
    /// Writes recordings; `None` after [`Jobs::finish`].
    pub recorder: Option<Recorder>,
    /// The thread of the media streams.
    pub streams: Streams,
    /// The thread of the recognition.
    pub recognition: Recognition,
    /// Jobs that have started and not answered.
    pub running: Arc<AtomicUsize>,
    /// Prompts that are being made, by call, to cancel them when the call is gone.
    pub prompts_running: BTreeMap<CallSid, Vec<AbortHandle>>,
}

impl Jobs {
    /// Sends a webhook, signed with the account's token.
    pub fn webhook(
        &self,
        call: CallSid,
        _account: AccountSid,
        auth_token: Secret,
        request: Box<HttpRequest>,
    ) {
        let id = request.id;
        let message = move |result| Message::Input(Input::Http { call, request: id, result });
        let Some(job) = self.begin() else {
            let code = Code::HTTP_RETRIEVAL;
            let sentence = TOO_MANY.to_owned();
            return self.answer(message(Err(HttpFailure { code, sentence, duration_ms: 0 })));
        };
        let client = self.webhooks.clone();
        self.runtime.spawn(async move {
            let result = client.send(*request, auth_token.expose_secret()).await;
            job.end(message(result.map_err(HttpFailure::from))).await;
        });
    }

    /// Loads a prompt: speaks a text, or fetches and decodes a file.
    pub fn prompt(
        &mut self,
        call: CallSid,
        account: AccountSid,
        auth_token: Option<Secret>,
        prompt: PromptId,
        source: PromptSource,
    ) {
        let message = move |result, other_voice| {
            Message::Input(Input::PromptReady { call, prompt, result, other_voice })
        };
        let Some(job) = self.begin() else {
            let sentence = TOO_MANY.to_owned();
            return self
                .answer(message(Err(PromptFailure { code: Code::SAY_TEXT, sentence }), None));
        };
        let loader = self.prompts.clone();
        let auth_token =
            auth_token.map(|token| token.expose_secret().to_owned()).unwrap_or_default();
        let who = MediaRequest { account, call, auth_token };
        let made = self.runtime.spawn(async move {
            let ended = match loader.load(source, &who).await {
                Ok(loaded) => message(Ok(loaded.prompt), loaded.fell_back),
                Err(failure) => message(Err(failure), None),
            };
            job.end(ended).await;
        });
        let of_call = self.prompts_running.entry(call).or_default();
        of_call.retain(|made| !made.is_finished());
        of_call.push(made.abort_handle());
    }

    /// Resolves the target of a SIP request.
    pub fn resolve(&self, session: SessionId, target: ResolveTarget) {
        let message = move |result| Message::Resolved { session, result };
        let Some(job) = self.begin() else {
            let busy = SipTargetError::NotFound(LookupError::Timeout(target.host));
            return self.answer(message(Err(busy)));
        };
        let resolver = self.sip.clone();
        let target =
            SipTarget { host: target.host, port: target.port, transport: target.transport };
        self.runtime.spawn(async move {
            let result = resolver.resolve(&target).await;
            job.end(message(result)).await;
        });
    }

    /// Connects to the server of a stream and hands the socket to the thread of the streams.
    pub fn open_stream(&self, auth_token: &Secret, plan: StreamPlan) {
        let StreamPlan { opening, url, .. } = plan;
        let (call, stream) = (opening.call, opening.stream);
        let failed = move |code, sentence| {
            stream_message(StreamReport::failed(call, stream, code, sentence))
        };
        let Some(job) = self.begin() else {
            return self.answer(failed(Code::STREAM_INTERNAL, TOO_MANY.to_owned()));
        };
        // The URL alone: a handshake has no parameters (streams.md 3).
        let token = auth_token.expose_secret().as_bytes();
        let signature = call::signature::sign(token, url.text(), &Form::new());
        let (client, opener) = (self.webhooks.clone(), self.streams.opener());
        let speaker = opening.relay.is_some().then(|| {
            let (prompts, opener) = (self.prompts.clone(), self.streams.opener());
            relay_audio::speaker(&self.runtime, prompts, opener, &opening, auth_token)
        });
        self.runtime.spawn(async move {
            let begun = tokio::time::Instant::now();
            let socket = match client.dial(url.host(), url.port(), STREAM_OPEN_MAX).await {
                Ok(socket) => socket,
                Err(failure) => return job.end(failed(failure.code, failure.sentence)).await,
            };
            let within = STREAM_OPEN_MAX.saturating_sub(begun.elapsed());
            let user_agent = client.user_agent().to_owned();
            let order = OpenStream { opening, url, signature, user_agent, socket, within, speaker };
            if opener.open(Box::new(order)).is_err() {
                let sentence = "the thread of the streams is behind".to_owned();
                job.end(failed(Code::STREAM_INTERNAL, sentence)).await;
            }
        });
    }

    /// Has the speech of a tap recognised.
    pub fn recognise(&self, order: StartRecognition) {
        let Err(order) = self.recognition.recognise(Box::new(order)) else { return };
        let sentence = "the thread of the recognition is behind".to_owned();
        let end = RecognitionEnd::Failed { fault: RecognitionFault::Gateway, sentence };
        let (call, recognition) = (order.call, order.plan.recognition);
        let event = RecognitionEvent::Ended(end);
        self.answer(recognition_message(RecognitionReport { call, recognition, event }));
    }

    /// Opens the file of a recording, before its first frame.
    pub fn record(&self, order: RecordingOrder) {
        let RecordingOrder { tap, recording, account, channels, trim } = order;
        let plan = OpenRecording { tap, account, recording, channels, trim };
        let opened = self.recorder.as_ref().map(|recorder| recorder.open(plan));
        let sentence = match opened {
            Some(Ok(())) => return,
            Some(Err(busy)) => busy.to_string(),
            None => "The gateway is ending.".to_owned(),
        };
        let result = Err(RecordingFailure { sentence });
        self.answer(Message::Input(Input::RecordingDone { tap, result }));
    }

    /// Closes the recording of a tap whose core is gone: its last frame will not come.
    pub fn close_recording(&self, tap: TapId) {
        if let Some(recorder) = &self.recorder
            && let Err(error) = recorder.close(tap)
        {
            tracing::warn!(%error, "a recording of a lost media core stays open until the end");
        }
    }

    /// Cancels the prompts of a call that is gone and drops its cookies.
    pub fn call_gone(&mut self, call: CallSid) {
        for made in self.prompts_running.remove(&call).unwrap_or_default() {
            made.abort();
        }
        self.webhooks.forget(call);
    }

    /// Ends all recordings; their events are in the inbox when this returns. Blocks for the disk, so call
    /// it only when the gateway ends.
    pub fn finish(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.stop();
        }
    }

    fn begin(&self) -> Option<Job> {
        if self.running.fetch_add(1, Ordering::AcqRel) >= JOBS_MAX {
            self.running.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(Job { answers: self.answers.clone(), running: Arc::clone(&self.running) })
    }

    /// Answers at once. The inbox has room: it holds twice the answers of all jobs.
    fn answer(&self, message: Message) {
        if self.answers.send(message).is_err() {
            tracing::error!(
                "an answer to Control was lost: the queue into the signaling thread is full"
            );
        }
    }
}

/// One job that has started. Dropping it without an answer, by a panic or a cancel, still frees its
/// place.
struct Job {
    answers: Sender<Message>,
    running: Arc<AtomicUsize>,
}

impl Job {
    /// Delivers the answer. Waits for room, up to 30 s: a lost answer would leave its call waiting for
    /// ever.
    async fn end(self, mut message: Message) {
        for _ in 0..DELIVERIES_MAX {
            match self.answers.send(message) {
                Ok(()) => return,
                Err(back) => message = back,
            }
            tokio::time::sleep(DELIVERY_PAUSE).await;
        }
        // The signaling thread has ended, or has been stuck for 30 s.
        tracing::debug!("an answer to Control was dropped");
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Orders the upload of a finished recording. Blocks for the disk.
pub fn order_upload(outbox: &Outbox, account: AccountSid, recording: RecordingSid) {
    if let Err(error) = outbox.put(account, recording) {
        tracing::error!(%recording, %error, "the upload of a recording cannot be ordered: it stays here");
    }
}

/// The report of the uploader as an input of Control.
pub fn uploaded(report: UploadReport) -> Message {
    let UploadReport { account, recording, failure } = report;
    Message::Input(Input::RecordingUploaded(RecordingUpload { account, recording, failure }))
}

/// A report of a stream as an input of Control.
pub fn stream_message(report: StreamReport) -> Message {
    let StreamReport { call, stream, event } = report;
    Message::Input(Input::Stream { call, stream, event })
}

/// A report of a recognition as an input of Control.
pub fn recognition_message(report: RecognitionReport) -> Message {
    let RecognitionReport { call, recognition, event } = report;
    Message::Input(Input::Recognition { call, recognition, event })
}

/// An event of the recorder as an input of Control; `None` where Control need not know.
pub fn recorded(event: RecorderEvent) -> Option<Message> {
    let (tap, result) = match event {
        RecorderEvent::Refused { tap, sentence } => (tap, Err(RecordingFailure { sentence })),
        // The file is full; `Done` follows and says its length.
        RecorderEvent::LimitReached { .. } => return None,
        RecorderEvent::Done(done) => {
            let file = RecordingFile {
                duration_ms: done.facts.duration_ms,
                bytes: done.kept_bytes,
                empty: done.outcome == RecordingOutcome::Absent,
                missing_ms: done.gap_ms,
                cut_ms: done.cut_ms,
                encryption: done.encryption.map(Box::new),
            };
            let result = match done.outcome {
                RecordingOutcome::Completed | RecordingOutcome::Absent => Ok(file),
                RecordingOutcome::Failed { sentence } => Err(RecordingFailure { sentence }),
            };
            (done.tap, result)
        }
    };
    Some(Message::Input(Input::RecordingDone { tap, result }))
}

/// Jobs at once. Half of the inbox, so that answers always find room.
const JOBS_MAX: usize = crate::inbox::MESSAGES_MAX / 2;
/// Time from the order to open a stream to the answer of its server (streams.md 3).
const STREAM_OPEN_MAX: Duration = Duration::from_secs(10);
const DELIVERIES_MAX: usize = 6_000;
const DELIVERY_PAUSE: Duration = Duration::from_millis(5);
const TOO_MANY: &str = "The gateway has too many requests to the outside under way.";
