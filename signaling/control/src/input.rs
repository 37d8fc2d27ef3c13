//! The inputs of Control, each with the effect that it answers. Sans-IO.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use call::{
    HttpAnswer, HttpFailure, HttpId, PromptFailure, PromptId, RecognitionEvent, RecognitionId,
    StreamEvent,
};
use shared::ids::TapId;
use shared::{
    AccountSid, CallSid, Code, CoreId, EncryptionDetails, MediaEvent, MediaPort, Prompt,
    RecordingSid, StreamSid, TlsFailure,
};
use sip::{Destination, SessionId};
use store::{
    CallCommand, ConferenceCommand, HttpMessages, NotificationLevel, Outcome, QueueCommand, Write,
};

use crate::settings::ControlSettings;
use crate::tokens::{ApiToken, CommitToken};

/// An input of [`crate::Control`].
#[derive(Debug)]
pub enum Input<'a> {
    /// From a SIP transport.
    Sip(sip::Input<'a>),
    /// A peer connected over TLS and was refused before it could send a request.
    TlsRefused {
        /// Address and port of the peer.
        source: SocketAddr,
        /// The server name that it sent (RFC 6066 §3).
        name: Option<String>,
        /// The reason of the refusal.
        failure: TlsFailure,
    },
    /// From a media core.
    Media {
        /// The number of the core.
        core: CoreId,
        /// The event, in the order in which the core emitted it.
        event: MediaEvent,
    },
    /// A media core started. Comes once for each core, in the order of their ids, before any call.
    CoreStarted {
        /// The ports that it opened.
        ports: Vec<MediaPort>,
        /// Number of legs that it carries at most.
        legs_max: usize,
    },
    /// A media core panicked and started over, empty, with the same ports and rings: the calls that were
    /// up on it end with this cause, and it carries calls again at once.
    CoreRestarted {
        /// The number of the core.
        core: CoreId,
        /// What happened, for people.
        sentence: String,
    },
    /// A media core died or stalled: its calls end with this cause, and it is retired.
    CoreLost {
        /// The number of the core.
        core: CoreId,
        /// What happened, for people.
        sentence: String,
    },
    /// A REST request that writes, or that touches a live call.
    Api {
        /// Names the answer.
        token: ApiToken,
        /// The write or the command.
        request: ApiRequest,
    },
    /// The store answers a commit.
    Committed {
        /// The commit that it answers.
        token: CommitToken,
        /// Whether the change is on disk, and if not, why.
        outcome: Outcome,
    },
    /// A webhook ended. Every [`crate::Effect::Http`] gets exactly one of these.
    Http {
        /// The call that sent it.
        call: CallSid,
        /// Names the request within the call.
        request: HttpId,
        /// The response, or why there is none.
        result: Result<HttpAnswer, HttpFailure>,
    },
    /// A prompt is ready or never will be. Every [`crate::Effect::LoadPrompt`] gets exactly one.
    PromptReady {
        /// The call that plays it.
        call: CallSid,
        /// Names the prompt within the call.
        prompt: PromptId,
        /// The audio, or why there is none.
        result: Result<Arc<Prompt>, PromptFailure>,
        /// A sentence where another voice or language speaks than the verb names: one warning per call.
        other_voice: Option<String>,
    },
    /// A SIP target was resolved. Every [`crate::Effect::Resolve`] gets exactly one.
    Resolved {
        /// The session of the [`crate::Effect::Resolve`].
        session: SessionId,
        /// Addresses, best first; never empty when `Ok`.
        result: Result<Vec<Destination>, ResolveFailure>,
    },
    /// The recorder settled a file. Every [`crate::Effect::OpenRecording`] gets exactly one.
    RecordingDone {
        /// The tap of the recording.
        tap: TapId,
        /// The file, or why there is none.
        result: Result<RecordingFile, RecordingFailure>,
    },
    /// An upload was given up, or has succeeded after that.
    RecordingUploaded(RecordingUpload),
    /// Hosted call control has something to say to an account.
    HostedAlert(HostedAlert),
    /// An event of a stream. Every [`crate::Effect::OpenStream`] gets exactly one end.
    Stream {
        /// The call that has it.
        call: CallSid,
        /// The stream.
        stream: StreamSid,
        /// What happened to it.
        event: StreamEvent,
    },
    /// An event of a recognition. Every [`crate::Effect::StartRecognition`] gets exactly one end.
    Recognition {
        /// The call that has it.
        call: CallSid,
        /// The recognition.
        recognition: RecognitionId,
        /// A result of the recognition, or its end.
        event: RecognitionEvent,
    },
    /// Rows of history were dropped, because more waited for the store than may wait.
    HistoryLost {
        /// Number of rows of each account.
        rows: BTreeMap<AccountSid, u64>,
    },
    /// Take no new calls from now on (SIGTERM).
    Drain,
    /// The load changed: while a transport is overloaded, new work that comes by it is refused.
    Overload(sip::Overload),
    /// The settings were read again: takes over those that may change while calls are up.
    Settings(Box<ControlSettings>),
    /// End every call now, as the process ends (a second SIGTERM, or the drain limit). The media cores
    /// stop right after, so they get no more commands.
    End,
}

/// A REST request for Control.
#[derive(Debug)]
pub enum ApiRequest {
    /// A write of a stored resource.
    Write {
        /// The account in the path.
        account: AccountSid,
        /// The write, parsed and not yet checked.
        write: Box<Write>,
    },
    /// A command about live calls.
    Call(CallCommand),
    /// A command about live conferences.
    Conference(ConferenceCommand),
    /// A command about calls that wait in queues.
    Queue(QueueCommand),
    /// The legs of this node, of all accounts, as the cores describe them: answered with `Reply::Legs`.
    DescribeLegs,
}

/// A SIP target that has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveFailure {
    /// The error code to report (13254); `None`: the call fails without one.
    pub code: Option<Code>,
    /// The SIP status to report: 503 or 404.
    pub status: u16,
    /// What happened, for people.
    pub sentence: String,
}

/// What an account should know about its hosted call control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedAlert {
    /// The account.
    pub account: AccountSid,
    /// The call that it is about.
    pub call: Option<CallSid>,
    /// The contract's code.
    pub code: Code,
    /// Error or warning.
    pub level: NotificationLevel,
    /// What happened.
    pub sentence: String,
    /// The request that it is about.
    pub exchange: Option<HttpMessages>,
}

/// The end of tries to upload a recording, or a late success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingUpload {
    /// The account that owns the recording.
    pub account: AccountSid,
    /// The recording.
    pub recording: RecordingSid,
    /// The contract's code and a sentence; `None`: the bucket has it after all.
    pub failure: Option<(Code, String)>,
}

/// A settled recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingFile {
    /// Length of the audio in milliseconds, after trimming.
    pub duration_ms: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Whether there was no audio at all.
    pub empty: bool,
    /// Milliseconds of audio that were lost on the way to the file, which has silence in their place.
    pub missing_ms: u64,
    /// Milliseconds at the end that the file lacks, because the disk took no more.
    pub cut_ms: u64,
    /// What opens the file; `None` where it is in the clear.
    pub encryption: Option<Box<EncryptionDetails>>,
}

/// A recording that has no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingFailure {
    /// What happened, for people.
    pub sentence: String,
}
