//! Inputs of a call. Sans-IO.

use std::sync::Arc;

use shared::media::TapPause;
use shared::{
    AnsweredBy, CallSid, Code, Direction, EncryptionDetails, Header, Instant, LiveTranscriptionSid,
    PlayId, Prompt, RecordingSid, SiprecSid, StreamSid,
};

use crate::conference::ConferenceInput;
use crate::ids::{HttpId, PromptId, RecognitionId};
use crate::queue::QueueInput;
use crate::recognition::RecognitionEvent;
use crate::relay::RelayEvent;
use crate::setup::{
    RecordSettings, SiprecSettings, StatusCallback, StreamSettings, TranscriptionSettings, Webhook,
};
use crate::status::CallStatus;

/// Somebody with whom the party of a call talks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Its call. `None`: it stands for more parties than are named one by one.
    pub call: Option<CallSid>,
    /// Its URI or number.
    pub aor: String,
    /// The party may hear it.
    pub speaks: bool,
    /// It may hear the party.
    pub hears: bool,
}

/// Into a [`crate::Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallInput {
    /// Starts the call. Inbound: it is admitted and 180 is sent. Outbound: dial now.
    Started,
    /// Our INVITE has been sent. May be left out: `DialSipCallId` is then known from the answer or the
    /// refusal only.
    InviteSent {
        /// The SIP `Call-ID` of the INVITE.
        call_id: String,
    },
    /// A provisional response to our INVITE other than 100.
    SipProgress {
        /// 180, 183, ...
        status: u16,
        /// Whether it carried SDP, so that audio reaches the leg.
        early_media: bool,
    },
    /// Our INVITE was answered; media of the leg is up.
    SipAnswered(AnswerFacts),
    /// Our INVITE got a final response that is not 2xx (digest already tried), or its transaction
    /// timed out (408) or its transport failed (503).
    SipRejected {
        /// Final status, 300 to 699.
        status: u16,
        /// `Call-ID` of the INVITE.
        call_id: String,
        /// All headers of the response; the call picks `X-*`.
        headers: Vec<Header>,
    },
    /// The INVITE could not be sent at all: no route, no DNS answer, a refused address.
    LegFailed {
        /// Error code of the API (13224, 13254, ...), when there is one.
        code: Option<Code>,
        /// SIP status to report; `None` leaves the parameter out.
        status: Option<u16>,
        /// A sentence for the operator.
        sentence: String,
    },
    /// Inbound: the ACK of our 200 has arrived.
    Confirmed,
    /// The leg ended, and not by us.
    Hungup {
        /// Who or what ended it.
        cause: HangupCause,
        /// All headers of the peer's BYE; the call picks `X-*`.
        headers: Vec<Header>,
    },
    /// An HTTP request ended. Every [`crate::CallEffect::Http`] gets exactly one of these.
    Http {
        /// The request of that effect.
        request: HttpId,
        /// Any HTTP status is an answer, 4xx and 5xx included.
        result: Result<HttpAnswer, HttpFailure>,
    },
    /// A prompt can be played, or never will.
    PromptReady {
        /// The prompt of [`crate::CallEffect::LoadPrompt`].
        prompt: PromptId,
        /// `Err` when it will never be ready.
        result: Result<(), PromptFailure>,
    },
    /// A prompt or digits have been played to their end. May follow [`crate::CallEffect::StopPlay`] as
    /// well.
    PlayEnded {
        /// The playback of that effect.
        play: PlayId,
    },
    /// The first packet of the party's audio has arrived.
    Heard,
    /// The party holds the call, or resumes it: the direction of our media from now on. Not said before the first that is
    /// not [`Direction::SendRecv`].
    Direction(Direction),
    /// The party talks with the parties of other calls, or (empty) with the gateway alone.
    Partners(Vec<Partner>),
    /// The party pressed a key, in ASCII: `0-9 * # A-D`.
    Digit(u8),
    /// A recording takes no more audio.
    RecordingEnded {
        /// The recording of [`crate::CallEffect::StartRecording`].
        recording: RecordingSid,
        /// What ended it.
        cause: RecordingEnd,
    },
    /// A recording's file is settled: it can be fetched, or there is none.
    RecordingDone {
        /// The recording of [`crate::CallEffect::StartRecording`].
        recording: RecordingSid,
        /// Whether there is a file.
        outcome: RecordingOutcome,
    },
    /// An event of a child ([`crate::CallEffect::ToParent`]).
    Child {
        /// The SID of the child.
        sid: CallSid,
        /// What happened to it.
        event: ChildEvent,
    },
    /// A command of the parent ([`crate::CallEffect::ToChild`]).
    Parent(ParentCommand),
    /// A party of this call's `<Dial>` sent a REFER. [`crate::CallEffect::AnswerRefer`] answers it.
    Referred {
        /// The call of that party: this one, or a child.
        from: CallSid,
        /// The contents of the REFER.
        referral: Referral,
    },
    /// This call's party is to be transferred ([`crate::CallEffect::Transfer`]).
    Transfer(Box<Transfer>),
    /// The transfer that this call's phone asked for has succeeded: the phone leaves the call.
    TransferredAway {
        /// Whether the phone sends the BYE; else the call sends it at once.
        patience: bool,
    },
    /// The transfer that this call's phone asked for has failed: the call goes on as before.
    TransferFailed,
    /// Control has bridged this call with another ([`crate::CallEffect::Join`]).
    Joined {
        /// The other call.
        peer: CallSid,
        /// The party that it takes the place of.
        instead_of: CallSid,
    },
    /// The call that this one was joined with is over.
    PeerEnded {
        /// The call that is over.
        peer: CallSid,
    },
    /// News of the conference that the call is in ([`crate::CallEffect::EnterConference`]).
    Conference(ConferenceInput),
    /// News of the queue that the call waits in or serves.
    Queue(QueueInput),
    /// An event of a recording session of [`crate::CallEffect::StartSiprec`].
    Siprec {
        /// The session.
        siprec: SiprecSid,
        /// What happened.
        event: SiprecEvent,
    },
    /// An event of a stream of [`crate::CallEffect::OpenStream`].
    Stream {
        /// The stream.
        stream: StreamSid,
        /// What happened to it.
        event: StreamEvent,
    },
    /// An event of a recognition of [`crate::CallEffect::StartRecognition`].
    Recognition {
        /// The recognition.
        recognition: RecognitionId,
        /// A result of the recognition, or its end.
        event: RecognitionEvent,
    },
    /// What answered ([`crate::CallEffect::Detect`]).
    Detected {
        /// The result.
        answered_by: AnsweredBy,
        /// Milliseconds from the begin of the detection.
        after_ms: u32,
    },
    /// The final response to our REFER ([`crate::CallEffect::Refer`]).
    ReferAnswered {
        /// 202 accepts; 300 and above refuses.
        status: u16,
    },
    /// A NOTIFY about our REFER (RFC 3515 §2.4.4).
    ReferProgress {
        /// The SIP status in its body; `None` when it has none.
        status: Option<u16>,
        /// Whether it ends the subscription.
        is_over: bool,
    },
    /// The REST API changes the call. Control has validated that it is not over.
    Api(ApiUpdate),
    /// No media arrived for the leg's media timeout: the call has to end.
    MediaLost,
}

/// The contents of a REFER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// `Refer-To` as received.
    pub target: String,
    /// The user part or number in it; empty when there is none.
    pub user: String,
    /// The call whose dialog its `Replaces` names (RFC 3891): an attended transfer.
    pub instead_of: Option<CallSid>,
}

/// A transfer that runs on the call of the other party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The call of the phone that asked for it.
    pub from: CallSid,
    /// The URL of the document (`referUrl`).
    pub url: crate::webhook::WebUrl,
    /// The method of its request.
    pub method: store::HttpMethod,
    /// `Refer-To` as received: the `ReferTransferTarget` parameter.
    pub target: String,
    /// Whether the phone stays until the new party is bridged (`answerOnBridge`).
    pub on_bridge: bool,
}

/// Facts from the answer to an outgoing INVITE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// `Call-ID` of our INVITE.
    pub call_id: String,
    /// Source address of the 200; `None` when it is not known.
    pub source_ip: Option<std::net::IpAddr>,
    /// All headers of the 200; the call picks `X-*`.
    pub headers: Vec<Header>,
}

/// Who or what ended a leg, when we did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HangupCause {
    /// BYE, or CANCEL before our answer.
    Peer,
    /// The peer's SDP answer cannot be used (32102).
    BadAnswer {
        /// The status of the 2xx that carried it; `None` when an ACK did.
        status: Option<u16>,
        /// A sentence for the operator.
        sentence: String,
    },
    /// Something broke: no ACK (32022), lost media core, ...
    Failure {
        /// Error code of the API, when there is one.
        code: Option<Code>,
        /// A sentence for the operator.
        sentence: String,
    },
}

/// The answer of a web server, redirects followed and body decoded by the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status of the last response.
    pub status: u16,
    /// `Content-Type` with its parameters.
    pub content_type: Option<String>,
    /// The body, decoded: bytes, or audio in place of a document.
    pub body: AnswerBody,
    /// The URL that answered, after redirects (userinfo kept, no fragment).
    pub final_url: String,
    /// Milliseconds from the start, redirects and retries included.
    pub duration_ms: u32,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// As it was sent, at most [`shared::limits::WEBHOOK_BODY_BYTES_MAX`].
    Bytes(Vec<u8>),
    /// A file of a type that [`crate::content::is_audio`] knows, in answer to a TwiML request. The shell
    /// decodes it while it arrives, so that no call holds a whole file.
    Audio(Result<Arc<Prompt>, PromptFailure>),
}

impl AnswerBody {
    /// The bytes; empty for audio.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Audio(_) => &[],
        }
    }
}

impl From<Vec<u8>> for AnswerBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// The reason why a request has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpFailure {
    /// Error code of the API: 112xx, 11750.
    pub code: Code,
    /// What happened, for the operator.
    pub sentence: String,
    /// Milliseconds from the start, redirects and retries included.
    pub duration_ms: u32,
}

/// The reason why a prompt cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFailure {
    /// Error code of the API: 112xx, 11750, 13420, 13520, ...
    pub code: Code,
    /// What happened, for the operator.
    pub sentence: String,
}

/// What ended a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// Ended by [`crate::CallEffect::StopRecording`].
    Stopped,
    /// The party was silent for [`crate::RecordingPlan::silence_ms`].
    Silence,
    /// It reached [`crate::RecordingPlan::max_ms`].
    MaxLength,
    /// The leg ended.
    LegStopped,
    /// It could not start or go on: no tap was free, or the disk failed.
    Failed,
}

/// The outcome of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingOutcome {
    /// The file can be fetched.
    Completed {
        /// Its length in whole seconds.
        duration_s: u32,
        /// Milliseconds at its end that were lost, because the disk took no more.
        cut_ms: u64,
        /// What opens the file, where it is sealed.
        encryption: Option<Box<EncryptionDetails>>,
    },
    /// Nothing was recorded.
    Absent,
    /// Its audio was lost.
    Failed {
        /// The reason, for the operator.
        sentence: String,
    },
}

impl RecordingOutcome {
    /// Error code of the API that callback and resource show; `None` where there is a file with everything.
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Completed { cut_ms: 0, .. } => None,
            Self::Absent => Some(Code::RECORDING_TOO_SHORT),
            Self::Completed { .. } | Self::Failed { .. } => Some(Code::INTERNAL),
        }
    }
}

/// An event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The handshake succeeded, and `start` was written.
    Opened,
    /// Something is wrong that does not end the stream.
    Warned {
        /// Error code of the API: 31930, 31931, 31950, 31951.
        code: Code,
        /// What happened, for the customer.
        sentence: String,
    },
    /// The application of a relay asks something of the call.
    Relay(RelayEvent),
    /// It is over. Nothing follows.
    Ended(StreamEnd),
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// By [`crate::CallEffect::CloseStream`], or with the leg.
    Stopped,
    /// The application closed it.
    ClosedByPeer,
    /// It did not open, or it broke.
    Failed {
        /// Error code of the API: 319xx.
        code: Code,
        /// What happened, for the customer.
        sentence: String,
        /// The answer of a server that refused the handshake.
        answer: Option<HandshakeAnswer>,
    },
}

/// An event of a recording session with an outside server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiprecEvent {
    /// The server answered and gets audio.
    Started,
    /// It is over. Nothing follows.
    Ended(SiprecEnd),
}

/// How a recording session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiprecEnd {
    /// By [`crate::CallEffect::StopSiprec`], or with the leg.
    Stopped,
    /// The server hung up.
    ClosedByServer,
    /// It did not begin, or it broke.
    Failed {
        /// Error code of the API.
        code: Code,
        /// What happened, for the customer.
        sentence: String,
    },
}

/// The HTTP answer of a server that refused the handshake of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeAnswer {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`; empty without one.
    pub content_type: String,
    /// The first bytes of its body.
    pub body: String,
}

/// From a child to its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildEvent {
    /// Its first 180 or 183, and the first that carries early media.
    Ringing {
        /// Whether the child's audio already reaches its leg.
        early_media: bool,
    },
    /// It was answered with 200.
    Answered,
    /// Its screening document is over, or it has none: it may be bridged.
    Ready,
    /// REST redirected the child: it lives on, and the `<Dial>` is over.
    Left,
    /// It has ended.
    Ended(ChildEnd),
}

/// How a child ended, as the action of `<Dial>` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildEnd {
    /// Its terminal status.
    pub status: CallStatus,
    /// Final status of its INVITE; `None` when none was sent.
    pub sip_status: Option<u16>,
    /// `Call-ID` of its INVITE; `None` when none was sent or the noun is not `<Sip>`.
    pub sip_call_id: Option<String>,
    /// `X-*` headers of the final response or of the BYE.
    pub headers: Vec<Header>,
    /// Seconds from answer to end; `None` when it was never answered.
    pub duration_s: Option<u32>,
    /// Error code of the API (13224, ...) and its sentence, when the child failed by one.
    pub error: Option<(Code, String)>,
}

/// From a parent to its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentCommand {
    /// Stop ringing, or end when answered: another target won, or the parent is gone.
    Cancel,
    /// The child is bridged with its parent.
    Bridged {
        /// The recording of the `<Dial>` and when it began, for the child's last status callback.
        recording: Option<(RecordingSid, Instant)>,
    },
    /// The parent is gone while the child is being transferred: the child goes on alone.
    Release,
    /// End the call.
    Hangup,
}

/// A change that the REST API makes to a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiUpdate {
    /// Run the document at this URL. Aborts the running verb without its action.
    Redirect {
        /// The URL and its method.
        webhook: Webhook,
        /// The new fallback URL; `None` keeps the present one.
        fallback: Option<Webhook>,
    },
    /// Run this document. Aborts the running verb without its action.
    Twiml(String),
    /// Change what does not touch the running verb.
    Terms {
        /// The new status callback; `None` keeps the present one.
        status_callback: Option<StatusCallback>,
        /// The new longest time from the answer in seconds; `None` keeps the present one.
        time_limit_s: Option<u32>,
    },
    /// Start or change a recording of the call. The running verb goes on.
    Recording {
        /// The recording. REST mints the SID of one that starts, because its answer names it.
        recording: RecordingSid,
        /// What happens to it.
        change: RecordingChange,
    },
    /// Start or stop a one-way stream of the call. The running verb goes on.
    Stream {
        /// The stream. REST mints the SID of one that starts.
        stream: StreamSid,
        /// What happens to it.
        change: StreamChange,
    },
    /// Start or stop a recording session of the call with an outside server. The running verb goes on.
    Siprec {
        /// The session. REST mints the SID of one that starts.
        siprec: SiprecSid,
        /// What happens to it.
        change: SiprecChange,
    },
    /// Start or stop a transcription of the call. The running verb goes on.
    Transcription {
        /// The transcription. REST mints the SID of one that starts.
        transcription: LiveTranscriptionSid,
        /// What happens to it.
        change: TranscriptionChange,
    },
    /// REST ends the call, answered or not (`Status=completed`).
    Complete,
    /// `Status=canceled`: ends the call before its answer; an answered call ignores it.
    Cancel,
}

/// What REST does to what runs beside the verbs of a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SideChange<S> {
    /// It starts. A call that is not up ignores it.
    Start(Box<S>),
    /// It ends.
    Stop,
}

/// What REST does to a stream.
pub type StreamChange = SideChange<StreamSettings>;
/// What REST does to a recording session.
pub type SiprecChange = SideChange<SiprecSettings>;
/// What REST does to a transcription.
pub type TranscriptionChange = SideChange<TranscriptionSettings>;

/// What REST does to a recording of a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingChange {
    /// It starts. A call that is not up, or has its most recordings, ignores it.
    Start(RecordSettings),
    /// It is paused, resumed (`None`), or paused in another manner.
    Pause(Option<TapPause>),
    /// It ends.
    Stop,
}
