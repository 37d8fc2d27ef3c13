//! What a call is told. Sans-IO.

use std::sync::Arc;

use shared::{CallSid, Instant, PlayId, Prompt, RecordingSid};

use crate::ids::{HttpId, PromptId};
use crate::setup::{StatusCallback, Webhook};
use crate::status::CallStatus;

/// Into a [`crate::Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallInput {
    /// Begin. Inbound: admitted, 180 is sent. Outbound: dial now.
    Started,
    /// Our INVITE is out: its `Call-ID`. May be left out; then `DialSipCallId` is known from the
    /// answer or the refusal only.
    InviteSent {
        /// `Call-ID`.
        call_id: String,
    },
    /// A provisional response to our INVITE other than 100.
    SipProgress {
        /// 180, 183, ...
        status: u16,
        /// Whether it brought SDP and audio flows to the leg.
        early_media: bool,
    },
    /// Our INVITE was answered; media of the leg is up.
    SipAnswered(AnswerFacts),
    /// Our INVITE got a final response that is not 2xx (digest already tried), or its transaction
    /// timed out (408) or its transport failed (503).
    SipRejected {
        /// Final status.
        status: u16,
        /// `Call-ID` of the INVITE.
        call_id: String,
        /// Headers of the response; `X-*` are picked here.
        headers: Vec<(String, String)>,
    },
    /// The INVITE could not be sent at all: no route, no DNS answer, a refused address.
    LegFailed {
        /// The contract's code (13224, 13254, ...), when there is one.
        code: Option<u32>,
        /// SIP status to report; `None` = parameter absent.
        status: Option<u16>,
        /// A sentence for the operator.
        sentence: String,
    },
    /// Inbound: the ACK of our 200 came.
    Confirmed,
    /// The leg ended, not by us.
    Hungup {
        /// Why.
        cause: HangupCause,
        /// Headers of the peer's BYE; `X-*` are picked here.
        headers: Vec<(String, String)>,
    },
    /// An HTTP request ended. Every [`crate::CallEffect::Http`] gets exactly one of these.
    Http {
        /// Which.
        request: HttpId,
        /// What came of it; any HTTP status is an answer, also 4xx and 5xx.
        result: Result<HttpAnswer, HttpFailure>,
    },
    /// A prompt can be played, or never will.
    PromptReady {
        /// Which.
        prompt: PromptId,
        /// Failure with the contract's code.
        result: Result<(), PromptFailure>,
    },
    /// A prompt or digits that were playing ended (finished; stopped ones may be told or not).
    PlayEnded {
        /// Which.
        play: PlayId,
    },
    /// A key was pressed on this leg: `0-9 * # A-D`.
    Digit(u8),
    /// A recording takes no more audio.
    RecordingEnded {
        /// Which.
        recording: RecordingSid,
        /// Why.
        cause: RecordingEnd,
    },
    /// A recording's file is settled: it can be fetched, or there is none.
    RecordingDone {
        /// Which.
        recording: RecordingSid,
        /// What came of it.
        outcome: RecordingOutcome,
    },
    /// A child says something ([`crate::CallEffect::ToParent`]).
    Child {
        /// Which child.
        sid: CallSid,
        /// What.
        event: ChildEvent,
    },
    /// The parent says something ([`crate::CallEffect::ToChild`]).
    Parent(ParentCommand),
    /// A party of this call's `<Dial>` sent a REFER; answered by [`crate::CallEffect::AnswerRefer`].
    Referred {
        /// The call of that party: this one, or a child.
        from: CallSid,
        /// What it asks for.
        referral: Referral,
    },
    /// This call's party is to be transferred ([`crate::CallEffect::Transfer`]).
    Transfer(Box<Transfer>),
    /// The transfer that this call's phone asked for came about: its BYE is awaited, or
    /// (`patience: false`) it is hung up.
    TransferredAway {
        /// Whether the phone hangs up itself.
        patience: bool,
    },
    /// The transfer that this call's phone asked for came to nothing: it goes on as before.
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
        /// Which.
        peer: CallSid,
    },
    /// The final response to our REFER ([`crate::CallEffect::Refer`]).
    ReferAnswered {
        /// 202, or why not.
        status: u16,
    },
    /// The phone tells of our REFER.
    ReferProgress {
        /// The status it tells.
        status: Option<u16>,
        /// It tells no more.
        is_over: bool,
    },
    /// The REST API changes the call. Control has validated that it is not over.
    Api(ApiUpdate),
    /// No media for the leg's media timeout: the call is to end.
    MediaLost,
}

/// What a REFER asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// `Refer-To` as received.
    pub target: String,
    /// The user part or number in it; empty when there is none.
    pub user: String,
    /// Its `Replaces` names the dialog of this call: its party is joined with ours.
    pub instead_of: Option<CallSid>,
}

/// A transfer of a call's party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The call of whoever asked for it.
    pub from: CallSid,
    /// Where the document comes from.
    pub url: crate::webhook::WebUrl,
    /// How it is requested.
    pub method: crate::setup::Method,
    /// `ReferTransferTarget`.
    pub target: String,
    /// Whoever asked stays until the new party is there.
    pub on_bridge: bool,
}

/// What an answered outgoing INVITE tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// `Call-ID` of our INVITE.
    pub call_id: String,
    /// Where the 200 came from.
    pub source_ip: Option<std::net::IpAddr>,
    /// Headers of the 200; `X-*` are picked here.
    pub headers: Vec<(String, String)>,
}

/// Why a leg ended, not by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HangupCause {
    /// BYE, or CANCEL before our answer.
    Peer,
    /// The peer's SDP answer cannot be used (32102).
    BadAnswer {
        /// The status of the 2xx that it came in; `None`: it came in an ACK.
        status: Option<u16>,
        /// A sentence for the operator.
        sentence: String,
    },
    /// Something broke: no ACK (32022), lost media core, ...
    Failure {
        /// The contract's code, when there is one.
        code: Option<u32>,
        /// A sentence for the operator.
        sentence: String,
    },
}

/// The answer of a web server, redirects followed and body decoded by the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status of the last response.
    pub status: u16,
    /// `Content-Type`, whole.
    pub content_type: Option<String>,
    /// What came with it.
    pub body: AnswerBody,
    /// The URL that answered, after redirects (userinfo kept, no fragment).
    pub final_url: String,
    /// Milliseconds in all.
    pub duration_ms: u32,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// As it was sent, at most [`shared::limits::WEBHOOK_BODY_BYTES_MAX`].
    Bytes(Vec<u8>),
    /// A file of a type that [`crate::content::is_audio`] knows, in answer to a TwiML request. The shell
    /// decodes it while it arrives, so that no call holds a file; or says why it cannot be played.
    Audio(Result<Arc<Prompt>, PromptFailure>),
}

impl AnswerBody {
    /// The bytes; none of audio.
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

/// No usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpFailure {
    /// The contract's code: 112xx, 11750.
    pub code: u32,
    /// What happened, for the operator.
    pub sentence: String,
    /// Milliseconds in all.
    pub duration_ms: u32,
}

/// A prompt that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFailure {
    /// The contract's code: 112xx, 11750, 13420, 13520, ...
    pub code: u32,
    /// What happened, for the operator.
    pub sentence: String,
}

/// Why a recording takes no more audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// [`crate::CallEffect::StopRecording`].
    Stopped,
    /// Its silence limit.
    Silence,
    /// Its length limit.
    MaxLength,
    /// The leg ended.
    LegStopped,
    /// It could not begin or go on (no tap, disk).
    Failed,
}

/// What a recording came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingOutcome {
    /// The file can be fetched.
    Completed {
        /// Whole seconds.
        duration_s: u32,
    },
    /// Nothing was recorded.
    Absent,
    /// It was lost.
    Failed {
        /// Why, for the operator.
        sentence: String,
    },
}

/// From a child to its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildEvent {
    /// First 180 or 183, or the first with early media.
    Ringing {
        /// Whether the child's audio can be heard already.
        early_media: bool,
    },
    /// 200: this child wins.
    Answered,
    /// Screened (or nothing to screen): may be bridged now.
    Ready,
    /// It took another way (REST redirect of the child): the `<Dial>` is over, the child lives on.
    Left,
    /// It is over.
    Ended(ChildEnd),
}

/// What a `<Dial>` has to know of an ended child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildEnd {
    /// Final status.
    pub status: CallStatus,
    /// Final status of its INVITE; `None` when none was sent.
    pub sip_status: Option<u16>,
    /// `Call-ID` of its INVITE; `None` when it is no SIP noun or none was sent.
    pub sip_call_id: Option<String>,
    /// `X-*` headers of the final response or of the BYE.
    pub headers: Vec<(String, String)>,
    /// Seconds from answer to end; `None` when it was never answered.
    pub duration_s: Option<u32>,
    /// The contract's code, when it failed by one (13224, ...), with its sentence.
    pub error: Option<(u32, String)>,
}

/// From a parent to its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentCommand {
    /// Stop ringing (or end, when answered): another target won, or the parent is gone.
    Cancel,
    /// The parent is bridged with you.
    Bridged {
        /// The recording of the `<Dial>` and when it began: your last callback names it.
        recording: Option<(RecordingSid, Instant)>,
    },
    /// The parent is gone and you are being transferred: go on alone.
    Release,
    /// End.
    Hangup,
}

/// A change by REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiUpdate {
    /// Run another document. Aborts the running verb without its action.
    Redirect {
        /// Its URL.
        webhook: Webhook,
        /// New fallback, when given.
        fallback: Option<Webhook>,
    },
    /// Run this document.
    Twiml(String),
    /// Who is told of the end, and how long the call may last, each when given.
    Terms {
        /// New status callback.
        status_callback: Option<StatusCallback>,
        /// New longest time from the answer, seconds.
        time_limit_s: Option<u32>,
    },
    /// `Status=completed`.
    Complete,
    /// `Status=canceled`: only before the answer; an answered call ignores it.
    Cancel,
}
