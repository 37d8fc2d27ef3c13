//! What a call wants done. Sans-IO.

use std::sync::Arc;

use shared::{CallSid, PlayId, Prompt, RecordingSid, Refusal};

use crate::finding::Severity;
use crate::ids::PromptId;
use crate::input::{ChildEvent, ParentCommand, PromptFailure, Transfer};
use crate::setup::{CallSetup, OutboundLeg, RecordingTrack};
use crate::speech::Speech;
use crate::status::CallStatus;
use crate::tone::Tone;
use crate::webhook::HttpRequest;

/// Out of a [`crate::Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEffect {
    /// Send a request; answered by [`crate::CallInput::Http`].
    Http(Box<HttpRequest>),
    /// Outbound: send the INVITE. Control adds `X-Twilio-AccountSid`, `-CallSid`.
    Invite(Box<OutboundLeg>),
    /// Inbound: 200 with SDP. Media effects may follow at once.
    Answer,
    /// Inbound, unanswered: final error response. The call is over.
    Reject {
        /// SIP status.
        status: u16,
    },
    /// End the SIP leg: BYE when answered, CANCEL on an unanswered outgoing INVITE. The call takes
    /// itself as over; a crossing BYE needs not be told.
    Hangup,
    /// Make a prompt ready; answered by [`crate::CallInput::PromptReady`].
    LoadPrompt {
        /// Its name.
        prompt: PromptId,
        /// What it is.
        source: PromptSource,
    },
    /// A loaded (or still loading) prompt is not needed.
    ForgetPrompt {
        /// Which.
        prompt: PromptId,
    },
    /// Play a ready prompt; answered by [`crate::CallInput::PlayEnded`].
    Play {
        /// Which.
        prompt: PromptId,
        /// Names this playing.
        play: PlayId,
        /// How often; 0 = until stopped.
        repeat: u32,
    },
    /// Stop what is playing (prompt or digits), if anything. No `PlayEnded` is awaited.
    StopPlay,
    /// Send telephone events; answered by [`crate::CallInput::PlayEnded`].
    SendDigits {
        /// `0-9 A-D * # w W`.
        digits: Arc<str>,
        /// Names this sending.
        play: PlayId,
    },
    /// Begin a recording of this leg.
    StartRecording(RecordingPlan),
    /// End a recording; answered by [`crate::CallInput::RecordingEnded`], then `RecordingDone`.
    StopRecording {
        /// Which.
        recording: RecordingSid,
    },
    /// Make and start these calls, children of this one. At once, in this order.
    Dial {
        /// Whole setups, SIDs minted.
        children: Vec<CallSetup>,
    },
    /// Carry to a child as [`crate::CallInput::Parent`]. A child that is gone needs no answer.
    ToChild {
        /// Which child.
        sid: CallSid,
        /// What.
        command: ParentCommand,
    },
    /// Carry to the parent as [`crate::CallInput::Child`].
    ToParent(ChildEvent),
    /// Let this leg hear the child's early media; where this leg is unanswered, 183 with SDP first.
    EarlyMedia {
        /// The ringing child.
        child: CallSid,
    },
    /// Connect both legs, both ways. Replaces [`CallEffect::EarlyMedia`].
    Bridge {
        /// The other leg.
        child: CallSid,
    },
    /// Undo [`CallEffect::Bridge`] or [`CallEffect::EarlyMedia`]. The child may be gone already.
    Unbridge {
        /// The other leg.
        child: CallSid,
    },
    /// Send a REFER in the dialog of this call; answered by [`crate::CallInput::ReferAnswered`] and
    /// [`crate::CallInput::ReferProgress`].
    Refer {
        /// The URI for `Refer-To`.
        target: String,
    },
    /// Answer a REFER ([`crate::CallInput::Referred`]).
    AnswerRefer {
        /// The call whose phone sent it.
        from: CallSid,
        /// Whether the transfer is tried.
        answer: Result<(), Refusal>,
    },
    /// Carry to a child as [`crate::CallInput::Transfer`].
    Transfer {
        /// Which child.
        sid: CallSid,
        /// What.
        transfer: Box<Transfer>,
    },
    /// A transfer is over: the last word to the phone that asked. When it `leaves`, its call is told
    /// [`crate::CallInput::TransferredAway`].
    TransferEnded {
        /// The call of that phone.
        from: CallSid,
        /// How it ended.
        status: u16,
        /// Whether the phone is done with.
        leaves: bool,
    },
    /// An attended transfer: bridge the party that `from` talks with and the one that `with` talks
    /// with; both are told [`crate::CallInput::Joined`], `from` and `with` go.
    Join {
        /// The call whose phone asked.
        from: CallSid,
        /// The call that its `Replaces` names.
        with: CallSid,
    },
    /// This call leaves the one it was joined with; carried as [`crate::CallInput::PeerEnded`].
    PeerEnds {
        /// That call.
        sid: CallSid,
    },
    /// The status moved: write it to the record.
    Status(StatusChange),
    /// Write a notification (debugger entry, alert).
    Notify(Box<Notification>),
    /// An entry for the call's timeline.
    Timeline(TimelineEntry),
    /// The call is over: its final record. Exactly once.
    Ended(FinalRecord),
    /// Nothing is awaited any more: the value may be dropped. Exactly once, the last effect.
    Finished,
}

/// What a prompt is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptSource {
    /// Speech.
    Say {
        /// Words and their manner.
        speech: Speech,
        /// Voice as asked; the engine maps what it does not know.
        voice: String,
        /// Language as asked.
        language: String,
    },
    /// A file to GET, without standard parameters.
    Url(crate::webhook::WebUrl),
    /// Audio that answered a TwiML request: ready, or not playable.
    Audio(Result<Arc<Prompt>, PromptFailure>),
    /// A generated tone.
    Tone(Tone),
}

/// A recording to begin on this leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingPlan {
    /// Its SID, minted by the call.
    pub recording: RecordingSid,
    /// What made it.
    pub source: RecordingSource,
    /// Which audio.
    pub track: RecordingTrack,
    /// 1 or 2; with 2 the party of this leg is channel 1.
    pub channels: u8,
    /// Received silence that ends it, milliseconds; 0 = never.
    pub silence_ms: u32,
    /// Longest, milliseconds.
    pub max_ms: u32,
    /// Whether silence at both ends is cut.
    pub trim: bool,
}

/// The `RecordingSource` parameter (contract webhooks.md 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingSource {
    /// `<Record>`.
    RecordVerb,
    /// `<Dial record>`.
    DialVerb,
    /// REST call with `Record=true`.
    OutboundApi,
}

impl RecordingSource {
    /// The value in webhooks and REST.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecordVerb => "RecordVerb",
            Self::DialVerb => "DialVerb",
            Self::OutboundApi => "OutboundAPI",
        }
    }
}

/// The status moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusChange {
    /// To this.
    pub status: CallStatus,
    /// When, Unix milliseconds.
    pub unix_ms: i64,
}

/// A debugger entry (contract webhooks.md 8.1 step 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The contract's code.
    pub code: u32,
    /// How bad.
    pub severity: Severity,
    /// What happened, one sentence, with element and `line:column` where known.
    pub message: String,
    /// The URL that was requested or that the document came from; empty when inline.
    pub url: String,
    /// The method it was requested with.
    pub method: Option<crate::setup::Method>,
    /// Parameters of that request, form encoded.
    pub request_variables: String,
    /// Status and content type of the answer, one a line.
    pub response_headers: String,
    /// First bytes of the answer's body.
    pub response_body: String,
    /// Line and column in the document, from 1.
    pub position: Option<(u32, u32)>,
}

/// One thing that happened, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Of what kind: `webhook`, `verb`, `status`, `child`, `digit`, `error`, ...
    pub kind: &'static str,
    /// What.
    pub text: String,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalRecord {
    /// Final status.
    pub status: CallStatus,
    /// When it began, Unix milliseconds.
    pub started_unix_ms: i64,
    /// When it was answered.
    pub answered_unix_ms: Option<i64>,
    /// When it ended.
    pub ended_unix_ms: i64,
    /// Whole seconds from answer to end, rounded up; `None` when unanswered.
    pub duration_s: Option<u32>,
    /// Final status of an outgoing INVITE.
    pub sip_status: Option<u16>,
    /// The contract's code that ended it, when one did.
    pub error_code: Option<u32>,
}
