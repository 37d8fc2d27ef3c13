//! Effects: the work that a call orders from Control. Sans-IO.

use std::sync::Arc;

use shared::media::TapPause;
use shared::{
    AnsweredBy, CallSid, Code, Detection, PlayId, Prompt, RecordingSid, Refusal, SiprecSid,
    StreamSid,
};

use crate::conference;
use crate::finding::Severity;
use crate::ids::{PromptId, RecognitionId};
use crate::input::{ChildEvent, ParentCommand, PromptFailure, Transfer};
use crate::recognition::RecognitionPlan;
use crate::setup::{CallSetup, OutboundLeg, RecordingTrack, SiprecSettings};
use crate::speech::Speech;
use crate::status::CallStatus;
use crate::stream::{StreamOpening, StreamUrl};
use crate::tone::Tone;
use crate::webhook::HttpRequest;

/// Out of a [`crate::Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEffect {
    /// Send a request. [`crate::CallInput::Http`] answers it.
    Http(Box<HttpRequest>),
    /// Outbound: send the INVITE. Control adds `X-Twilio-AccountSid` and `X-Twilio-CallSid`.
    Invite(Box<OutboundLeg>),
    /// Inbound: 200 with SDP. Media effects may follow at once.
    Answer,
    /// Inbound, unanswered: final error response. The call is over.
    Reject {
        /// SIP status, 300 to 699.
        status: u16,
    },
    /// End the SIP leg: BYE when answered, CANCEL on an unanswered outgoing INVITE. The leg is over for
    /// the call: it ignores the BYE of a peer that hangs up at the same time.
    Hangup,
    /// Make a prompt ready. [`crate::CallInput::PromptReady`] answers it.
    LoadPrompt {
        /// Names the prompt in what follows.
        prompt: PromptId,
        /// What to make it of.
        source: PromptSource,
    },
    /// Drop a prompt that is loaded or still loading: it will not be played.
    ForgetPrompt {
        /// A prompt of [`CallEffect::LoadPrompt`].
        prompt: PromptId,
    },
    /// Play a ready prompt. [`crate::CallInput::PlayEnded`] answers it.
    Play {
        /// A prompt of [`CallEffect::LoadPrompt`].
        prompt: PromptId,
        /// Names this playback in what follows.
        play: PlayId,
        /// How many times; 0 = until stopped.
        repeat: u32,
    },
    /// Stop the prompt or the digits that are playing, if any. The call expects no `PlayEnded`.
    StopPlay,
    /// Send telephone events (RFC 4733). [`crate::CallInput::PlayEnded`] answers it.
    SendDigits {
        /// `0-9 A-D * #`; `w` and `W` are pauses.
        digits: Arc<str>,
        /// Names these digits in what follows.
        play: PlayId,
    },
    /// Find out what answered. [`crate::CallInput::Detected`] answers it.
    Detect(Detection),
    /// End the detection; no result is wanted.
    StopDetection,
    /// What answered: write it to the record.
    AnsweredBy(AnsweredBy),
    /// Begin or end to return the party's audio and telephone events to the party.
    Echo {
        /// Whether it begins.
        is_on: bool,
    },
    /// Start a recording of this leg.
    StartRecording(RecordingPlan),
    /// Pause a recording, resume it, or change the manner of its pause.
    PauseRecording {
        /// A recording of [`CallEffect::StartRecording`].
        recording: RecordingSid,
        /// What the file gets from now on; `None` resumes the recording.
        pause: Option<TapPause>,
    },
    /// End a recording. [`crate::CallInput::RecordingEnded`], then `RecordingDone` answer it.
    StopRecording {
        /// A recording of [`CallEffect::StartRecording`].
        recording: RecordingSid,
    },
    /// The transcript of a recording has changed: write it beside the recording.
    Transcript {
        /// A recording of [`CallEffect::StartRecording`], whose file is settled.
        recording: RecordingSid,
        /// As it is now.
        transcript: Box<store::Transcript>,
    },
    /// Open a stream. [`crate::CallInput::Stream`] answers it, with one end.
    OpenStream(Box<StreamPlan>),
    /// Say good-bye and close a stream.
    CloseStream {
        /// A stream of [`CallEffect::OpenStream`].
        stream: StreamSid,
    },
    /// Describe a recording session of [`CallEffect::StartSiprec`] anew.
    UpdateSiprec {
        /// The session.
        siprec: SiprecSid,
        /// The complete metadata (RFC 7865).
        metadata: String,
    },
    /// Begin a recording session with an outside server. [`crate::CallInput::Siprec`] answers it, with one end.
    StartSiprec(Box<SiprecPlan>),
    /// End a recording session.
    StopSiprec {
        /// A session of [`CallEffect::StartSiprec`].
        siprec: SiprecSid,
    },
    /// The party pressed a key: tell the application of a two-way stream.
    StreamDigit {
        /// A stream of [`CallEffect::OpenStream`].
        stream: StreamSid,
        /// `0-9 A-D * #`.
        digit: u8,
    },
    /// Tell a relay what its party said.
    StreamHeard {
        /// A stream of [`CallEffect::OpenStream`].
        stream: StreamSid,
        /// The words.
        text: String,
        /// False for a guess.
        last: bool,
    },
    /// Have the speech on this leg recognised. [`crate::CallInput::Recognition`] answers it, with one end.
    StartRecognition(Box<RecognitionPlan>),
    /// End a recognition.
    StopRecognition {
        /// A recognition of [`CallEffect::StartRecognition`].
        recognition: RecognitionId,
        /// What becomes of utterances without a result.
        how: RecognitionStop,
    },
    /// Make these calls, children of this one, and start them at once, in this order.
    Dial {
        /// Their set-ups, with SIDs that this call has minted.
        children: Vec<CallSetup>,
    },
    /// Carry to a child as [`crate::CallInput::Parent`]; drop it when the child is gone.
    ToChild {
        /// The SID of the child.
        sid: CallSid,
        /// The input that it gets.
        command: ParentCommand,
    },
    /// Carry to the parent as [`crate::CallInput::Child`].
    ToParent(ChildEvent),
    /// Connect the child's early media to this leg. An unanswered leg needs 183 with SDP first.
    EarlyMedia {
        /// The ringing child.
        child: CallSid,
    },
    /// Connect both legs in both directions. Replaces [`CallEffect::EarlyMedia`].
    Bridge {
        /// The other leg.
        child: CallSid,
    },
    /// Undo [`CallEffect::Bridge`] or [`CallEffect::EarlyMedia`]. The child may be gone already.
    Unbridge {
        /// The other leg.
        child: CallSid,
    },
    /// Enter a conference. [`crate::CallInput::Conference`] answers it.
    EnterConference(Box<conference::Entry>),
    /// Leave the conference; no effect where the call is in none.
    LeaveConference {
        /// Who wanted it.
        departure: conference::Departure,
    },
    /// An announcement of REST to this member has ended.
    ConferenceAnnounced {
        /// The document.
        url: String,
        /// Why it failed; `None`: it was played.
        failure: Option<String>,
    },
    /// Wait in a queue, which is made if there is none of that name. [`crate::CallInput::Queue`] answers it.
    EnterQueue {
        /// Its name in the account.
        queue: String,
        /// The most calls that may wait; `None` is the queue's own.
        max_size: Option<u32>,
        /// The call was taken and not connected: it returns to the front.
        is_back: bool,
    },
    /// Leave the queue that the call waits in or serves; no effect where it does neither.
    LeaveQueue,
    /// Ask for the place of this call in its queue. [`crate::queue::QueueInput::Waits`] answers it.
    AskQueue,
    /// Take the call at the front of a queue, or wait for one.
    ServeQueue {
        /// Its name in the account.
        queue: String,
        /// The document that the queued call runs before the two are connected.
        whisper: Option<crate::setup::Webhook>,
    },
    /// This call, taken out of its queue, may be connected with the server. Carry it as
    /// [`crate::queue::QueueInput::Ready`].
    QueueReady {
        /// The call of the server.
        by: CallSid,
    },
    /// Send a REFER in the dialog of this call (RFC 3515). [`crate::CallInput::ReferAnswered`] and
    /// [`crate::CallInput::ReferProgress`] answer it.
    Refer {
        /// The URI for `Refer-To`.
        target: String,
    },
    /// Answer a REFER ([`crate::CallInput::Referred`]).
    AnswerRefer {
        /// The call whose phone sent it.
        from: CallSid,
        /// `Ok`: 202, and the transfer is tried.
        answer: Result<(), Refusal>,
    },
    /// Carry to a child as [`crate::CallInput::Transfer`].
    Transfer {
        /// The SID of the child.
        sid: CallSid,
        /// The input that it gets.
        transfer: Box<Transfer>,
    },
    /// A transfer is over: send the final NOTIFY to the phone that asked for it.
    TransferEnded {
        /// The call of that phone.
        from: CallSid,
        /// SIP status for the NOTIFY (RFC 3515 §2.4.5).
        status: u16,
        /// Whether the phone leaves the call: its call then gets [`crate::CallInput::TransferredAway`].
        leaves: bool,
    },
    /// An attended transfer: bridge the party that `from` talks with and the party that `with` talks
    /// with. Their calls get [`crate::CallInput::Joined`]; `from` and `with` end.
    Join {
        /// The call whose phone asked.
        from: CallSid,
        /// The call that its `Replaces` names.
        with: CallSid,
    },
    /// This call leaves the call that it was joined with. Carry it as [`crate::CallInput::PeerEnded`].
    PeerEnds {
        /// The call that stays.
        sid: CallSid,
    },
    /// The status has changed: write it to the record.
    Status(StatusChange),
    /// Write a notification (debugger entry, alert).
    Notify(Box<Notification>),
    /// Add an entry to the call's timeline.
    Timeline(TimelineEntry),
    /// The call is over: its final record. Exactly once.
    Ended(FinalRecord),
    /// The call waits for nothing any more and may be dropped. Exactly once, the last effect.
    Finished,
}

/// How a recognition is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecognitionStop {
    /// The results of what has been said still come.
    Finish,
    /// No result is wanted.
    Cancel,
}

/// What a prompt is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptSource {
    /// Text that the built-in voice speaks.
    Say {
        /// The words, with their manner.
        speech: Speech,
        /// Voice as the document names it; the engine maps one that it does not have.
        voice: String,
        /// Locale as the document names it (`en-US`).
        language: String,
    },
    /// A file to GET, without parameters.
    Url(crate::webhook::WebUrl),
    /// Audio that answered a TwiML request: decoded, or the reason why it cannot be played.
    Audio(Result<Arc<Prompt>, PromptFailure>),
    /// A generated tone.
    Tone(Tone),
}

/// A recording to start on this leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingPlan {
    /// Its SID, minted by the call.
    pub recording: RecordingSid,
    /// Who asked for it.
    pub source: RecordingSource,
    /// The directions of audio that it holds.
    pub track: RecordingTrack,
    /// 1 or 2; with 2 the party of this leg is channel 1.
    pub channels: u8,
    /// Milliseconds of received silence that end it; 0 = silence never does.
    pub silence_ms: u32,
    /// Its greatest length in milliseconds.
    pub max_ms: u32,
    /// Whether silence is cut from its start and its end.
    pub trim: bool,
}

/// A stream to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// What the `start` message carries.
    pub opening: StreamOpening,
    /// Its name in the call; `None`: its SID is its name.
    pub name: Option<String>,
    /// The server.
    pub url: StreamUrl,
}

/// A recording session to begin with an outside server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiprecPlan {
    /// Its SID.
    pub siprec: SiprecSid,
    /// Server, tracks and name.
    pub settings: SiprecSettings,
    /// The metadata (RFC 7865) of its INVITE.
    pub metadata: String,
}

/// Who asked for a recording: the `RecordingSource` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingSource {
    /// `<Record>`.
    RecordVerb,
    /// `<Dial record>`.
    DialVerb,
    /// REST call with `Record=true`, or `<Start><Recording>`.
    OutboundApi,
    /// REST, on a call that is up.
    StartCallRecordingApi,
}

impl RecordingSource {
    /// The value in webhooks and REST.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecordVerb => "RecordVerb",
            Self::DialVerb => "DialVerb",
            Self::OutboundApi => "OutboundAPI",
            Self::StartCallRecordingApi => "StartCallRecordingAPI",
        }
    }
}

/// A new status, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusChange {
    /// The status from now on.
    pub status: CallStatus,
    /// When it changed, Unix milliseconds.
    pub unix_ms: i64,
}

/// An entry in the customer's debugger: what failed, and the request and answer that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code of the API.
    pub code: Code,
    /// Whether the document stops.
    pub severity: Severity,
    /// One sentence, with element and `line:column` where known.
    pub message: String,
    /// The URL that was requested or that the document came from; empty when inline.
    pub url: String,
    /// The method of that request; `None` when inline.
    pub method: Option<store::HttpMethod>,
    /// Parameters of that request, form encoded.
    pub request_variables: String,
    /// Status and content type of the answer, one a line; empty without an answer.
    pub response_headers: String,
    /// First bytes of the answer's body, at most 1,024.
    pub response_body: String,
    /// Line and column in the document, both from 1; `None` when it is not about a place in a document.
    pub position: Option<(u32, u32)>,
}

/// One line of a call's timeline, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// `webhook`, `verb`, `status`, `child`, `digit`, `error`, ...
    pub kind: &'static str,
    /// What happened, in one sentence.
    pub text: String,
}

/// The final record of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalRecord {
    /// A terminal status.
    pub status: CallStatus,
    /// [`crate::CallInput::Started`], Unix milliseconds.
    pub started_unix_ms: i64,
    /// The answer, Unix milliseconds; `None` when there was none.
    pub answered_unix_ms: Option<i64>,
    /// The end of the leg, Unix milliseconds.
    pub ended_unix_ms: i64,
    /// Whole seconds from answer to end, rounded up; `None` when unanswered.
    pub duration_s: Option<u32>,
    /// Final status of an outgoing INVITE; `None` on inbound calls and when no INVITE was sent.
    pub sip_status: Option<u16>,
    /// Error code of the API that ended the call; `None` when no error did.
    pub error_code: Option<Code>,
}
