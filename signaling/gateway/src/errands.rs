//! What Control asks of the slower world: webhooks, prompts, names, recordings. Shell.
//!
//! Each errand runs on the tokio runtime or on the recorder's threads and comes back as exactly one
//! message to the signaling thread. How many are out at once is bounded: past it they fail at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use call::webhook::HttpRequest;
use call::{HttpFailure, PromptFailure, PromptId, PromptSource};
use control::{Input, RecordingFailure, RecordingFile, RecordingOrder, ResolveTarget};
use recorder::{OpenRecording, Recorder, RecorderEvent, RecordingOutcome};
use shared::ids::TapId;
use shared::{AccountSid, CallSid, Code};
use shell::Sender;
use sip::SessionId;
use speech::prompts::PromptLoader;
use store::Secret;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use webhook::dns::{LookupError, SipResolver, SipTarget, SipTargetError};
use webhook::{MediaRequest, WebhookClient};

use crate::inbox::Message;

/// Runs errands; owned by the signaling thread.
pub struct Errands {
    /// Where the tasks run.
    pub runtime: Handle,
    /// Where their answers go.
    pub answers: Sender<Message>,
    /// Sends webhooks.
    pub webhooks: WebhookClient,
    /// Finds SIP targets.
    pub sip: SipResolver,
    /// Makes prompts.
    pub prompts: PromptLoader,
    /// Writes recordings; `None` once it has finished.
    pub recorder: Option<Recorder>,
    /// Errands that are out.
    pub out: Arc<AtomicUsize>,
    /// Prompts that are being made, by call: nobody plays them once the call has gone.
    pub prompts_out: BTreeMap<CallSid, Vec<AbortHandle>>,
}

impl Errands {
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
        let Some(errand) = self.begin() else {
            let code = Code::HTTP_RETRIEVAL;
            let sentence = TOO_MANY.to_owned();
            return self.answer(message(Err(HttpFailure { code, sentence, duration_ms: 0 })));
        };
        let client = self.webhooks.clone();
        self.runtime.spawn(async move {
            let result = client.send(*request, auth_token.expose_secret()).await;
            errand.end(message(result.map_err(HttpFailure::from))).await;
        });
    }

    /// Makes a prompt.
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
        let Some(errand) = self.begin() else {
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
            errand.end(ended).await;
        });
        let out = self.prompts_out.entry(call).or_default();
        out.retain(|made| !made.is_finished());
        out.push(made.abort_handle());
    }

    /// Finds where a SIP request goes.
    pub fn resolve(&self, session: SessionId, target: ResolveTarget) {
        let message = move |result| Message::Resolved { session, result };
        let Some(errand) = self.begin() else {
            let busy = SipTargetError::NotFound(LookupError::Timeout(target.host));
            return self.answer(message(Err(busy)));
        };
        let resolver = self.sip.clone();
        let target =
            SipTarget { host: target.host, port: target.port, transport: target.transport };
        self.runtime.spawn(async move {
            let result = resolver.resolve(&target).await;
            errand.end(message(result)).await;
        });
    }

    /// Opens a recording's file before its first frame.
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

    /// The core of this tap is gone: no last frame will come.
    pub fn close_recording(&self, tap: TapId) {
        if let Some(recorder) = &self.recorder
            && let Err(error) = recorder.close(tap)
        {
            tracing::warn!(%error, "a recording of a lost media core stays open until the end");
        }
    }

    /// Forgets what was kept for a call, and makes no prompt for it any more.
    pub fn call_gone(&mut self, call: CallSid) {
        for made in self.prompts_out.remove(&call).unwrap_or_default() {
            made.abort();
        }
        self.webhooks.forget(call);
    }

    /// Ends all recordings; their events are in the queue when this returns. Blocks for their disk:
    /// only when the gateway ends.
    pub fn finish(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.stop();
        }
    }

    fn begin(&self) -> Option<Errand> {
        if self.out.fetch_add(1, Ordering::AcqRel) >= ERRANDS_MAX {
            self.out.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(Errand { answers: self.answers.clone(), out: Arc::clone(&self.out) })
    }

    /// An answer that is known at once. The queue has room for all errands and more.
    fn answer(&self, message: Message) {
        if self.answers.send(message).is_err() {
            tracing::error!(
                "an answer to Control was lost: the queue into the signaling thread is full"
            );
        }
    }
}

/// One errand that is out.
struct Errand {
    answers: Sender<Message>,
    out: Arc<AtomicUsize>,
}

impl Errand {
    /// Brings the answer home, waiting for room if need be.
    async fn end(self, mut message: Message) {
        for _ in 0..DELIVERIES_MAX {
            match self.answers.send(message) {
                Ok(()) => return,
                Err(back) => message = back,
            }
            tokio::time::sleep(DELIVERY_PAUSE).await;
        }
        // The signaling thread is gone, or stuck for longer than any call lives.
        tracing::debug!("an answer to Control was dropped");
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.out.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What the recorder tells, as Control wants to hear it.
pub fn recorded(event: RecorderEvent) -> Option<Message> {
    let (tap, result) = match event {
        RecorderEvent::Refused { tap, sentence } => (tap, Err(RecordingFailure { sentence })),
        // The file is finished; the settled event follows.
        RecorderEvent::LimitReached { .. } => return None,
        RecorderEvent::Done(done) => {
            let file = RecordingFile {
                duration_ms: done.facts.duration_ms,
                bytes: done.facts.bytes,
                empty: done.outcome == RecordingOutcome::Absent,
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

/// Errands at once: fewer than the queue home has room for, so that an answer is never lost.
const ERRANDS_MAX: usize = crate::inbox::MESSAGES_MAX / 2;
const DELIVERIES_MAX: usize = 6_000;
const DELIVERY_PAUSE: Duration = Duration::from_millis(5);
const TOO_MANY: &str = "The gateway has too many requests to the outside under way.";
