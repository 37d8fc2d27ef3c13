//! What Control is told. Sans-IO.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use call::{HttpAnswer, HttpFailure, HttpId, PromptFailure, PromptId};
use shared::ids::TapId;
use shared::{AccountSid, CallSid, CoreId, MediaEvent, MediaPort, Prompt, TlsFailure};
use sip::{Destination, SessionId};
use store::{CallCommand, Outcome, Write};

use crate::settings::ControlSettings;
use crate::tokens::{ApiToken, CommitToken};

/// Into [`crate::Control`].
#[derive(Debug)]
pub enum Input<'a> {
    /// From a SIP transport.
    Sip(sip::Input<'a>),
    /// A peer connected over TLS and was refused before it could send a request.
    TlsRefused {
        /// The peer.
        source: SocketAddr,
        /// The name that it asked for (RFC 6066 §3).
        name: Option<String>,
        /// Why.
        failure: TlsFailure,
    },
    /// From a media core.
    Media {
        /// Which core.
        core: CoreId,
        /// What it says.
        event: MediaEvent,
    },
    /// A media core started and opened these ports. Told once a core, in order, before any call.
    CoreStarted {
        /// The ports it opened.
        ports: Vec<MediaPort>,
        /// How many legs it carries.
        legs_max: usize,
    },
    /// A media core panicked and began anew, empty, with the same ports and rings: the calls that were up
    /// on it end with this cause, and it carries calls again at once.
    CoreRestarted {
        /// Which core.
        core: CoreId,
        /// What happened, for people.
        sentence: String,
    },
    /// A media core died or stalled: its calls end with this cause, and it is retired.
    CoreLost {
        /// Which core.
        core: CoreId,
        /// What happened, for people.
        sentence: String,
    },
    /// A REST request that writes, or that touches a live call.
    Api {
        /// Names the answer.
        token: ApiToken,
        /// What is asked.
        request: ApiRequest,
    },
    /// The store answers a commit.
    Committed {
        /// Which commit.
        token: CommitToken,
        /// What came of it.
        outcome: Outcome,
    },
    /// A webhook ended. Every [`crate::Effect::Http`] gets exactly one of these.
    Http {
        /// The call that asked.
        call: CallSid,
        /// Which of its requests.
        request: HttpId,
        /// What came of it.
        result: Result<HttpAnswer, HttpFailure>,
    },
    /// A prompt is ready or never will be. Every [`crate::Effect::LoadPrompt`] gets exactly one.
    PromptReady {
        /// The call that asked.
        call: CallSid,
        /// Which of its prompts.
        prompt: PromptId,
        /// The audio.
        result: Result<Arc<Prompt>, PromptFailure>,
        /// It is in another voice or language than was asked for: a sentence, told once a call.
        other_voice: Option<String>,
    },
    /// A SIP target was resolved. Every [`crate::Effect::Resolve`] gets exactly one.
    Resolved {
        /// The session that is to be sent.
        session: SessionId,
        /// Where to, best first; never empty when `Ok`.
        result: Result<Vec<Destination>, ResolveFailure>,
    },
    /// The recorder settled a file. Every [`crate::Effect::OpenRecording`] gets exactly one.
    RecordingDone {
        /// Which.
        tap: TapId,
        /// The file, or why there is none.
        result: Result<RecordingFile, RecordingFailure>,
    },
    /// Rows of history that waited for the store were lost, as more came than may wait.
    HistoryLost {
        /// How many of each account.
        rows: BTreeMap<AccountSid, u64>,
    },
    /// Take no new calls from now on (SIGTERM).
    Drain,
    /// More comes in than is worked on, or no longer: new work is refused meanwhile.
    Overload(sip::Overload),
    /// The settings were read again: those that may change while calls are up do.
    Settings(Box<ControlSettings>),
    /// End every call now, as the process ends (a second SIGTERM, or the drain limit). Media cores are
    /// gone right after, so nothing is asked of them any more.
    End,
}

/// A REST request for Control.
#[derive(Debug)]
pub enum ApiRequest {
    /// A write of a stored resource.
    Write {
        /// The account in the path.
        account: AccountSid,
        /// What to write.
        write: Box<Write>,
    },
    /// Something about live calls.
    Call(CallCommand),
}

/// Why a SIP target has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveFailure {
    /// The contract's code (13254), when there is one.
    pub code: Option<u32>,
    /// SIP status to report (503, 404).
    pub status: u16,
    /// What happened, for people.
    pub sentence: String,
}

/// A settled recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingFile {
    /// Length of the audio in milliseconds, after trimming.
    pub duration_ms: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Whether any audio at all was there.
    pub empty: bool,
}

/// Why there is no recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingFailure {
    /// What happened, for people.
    pub sentence: String,
}
