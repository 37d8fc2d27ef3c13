//! Commands of the REST API about live conferences and their participants. Sans-IO.
//!
//! Control carries each out and answers with a [`crate::Reply`] or a [`crate::WriteError`], under the token that it came
//! with. A participant is no stored resource: it exists from the moment that its call enters the conference, or is
//! placed to enter it, until it leaves. So a list of participants is a question to Control too.

use shared::{AccountSid, CallSid, ConferenceSid, RecordingSid};

use crate::calls::{CreateCall, RecordingAction, RecordingEvents, Webhook};
use crate::conferences::words;

/// Commands of the REST API about live conferences. One about a conference or a participant that is not live is
/// answered with 404.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "`account` is that of the path in every variant")]
pub enum ConferenceCommand {
    /// `POST Conferences/{sid}`: answered with `Reply::Conference`.
    Update {
        account: AccountSid,
        /// The SID of the conference.
        conference: ConferenceSid,
        /// `Status=completed`: every participant leaves.
        end: bool,
        /// A document that every participant hears; `None` announces nothing.
        announce: Option<Webhook>,
    },
    /// `GET …/Participants`: answered with `Reply::Participants`, in any order.
    List {
        account: AccountSid,
        /// The conference of the path.
        conference: ConferenceName,
    },
    /// `GET …/Participants/{call or label}`: answered with `Reply::Participant`.
    Fetch {
        account: AccountSid,
        /// The conference of the path.
        conference: ConferenceName,
        /// The participant of the path.
        participant: ParticipantName,
    },
    /// `POST …/Participants/{call or label}`: answered with `Reply::Participant`.
    Change {
        account: AccountSid,
        /// The conference of the path.
        conference: ConferenceName,
        /// The participant of the path.
        participant: ParticipantName,
        /// What changes of it.
        change: ParticipantChange,
    },
    /// `DELETE …/Participants/{call or label}`: the participant leaves; answered with `Reply::Deleted`.
    Remove {
        account: AccountSid,
        /// The conference of the path.
        conference: ConferenceName,
        /// The participant of the path.
        participant: ParticipantName,
    },
    /// `POST …/Participants`: places a call that enters the conference once it is answered. Answered with
    /// `Reply::Participant` once the record of the call is on disk, as `POST Calls` is.
    Create(Box<CreateParticipant>),
    /// `POST Conferences/{sid}/Recordings/{RE or Twilio.CURRENT}`: answered with `Reply::Recording`.
    UpdateRecording {
        account: AccountSid,
        /// The SID of the conference.
        conference: ConferenceSid,
        /// The recording; `None` is `Twilio.CURRENT`, the one that runs.
        recording: Option<RecordingSid>,
        /// Pause, resume or stop.
        action: RecordingAction,
    },
}

/// The conference of a path: `{CF}`, or the name of a live one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConferenceName {
    /// Its SID.
    Sid(ConferenceSid),
    /// Its `FriendlyName`, 1 to 128 characters.
    Name(String),
}

/// The participant of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParticipantName {
    /// The SID of its call.
    Call(CallSid),
    /// Its label, unique within the conference.
    Label(String),
}

/// A participant as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Its call.
    pub call: CallSid,
    /// The conference that it is in, or will enter.
    pub conference: ConferenceSid,
    /// The account of both.
    pub account: AccountSid,
    /// The label that it was given; `None` without one.
    pub label: Option<String>,
    /// Whether the others do not hear it.
    pub muted: bool,
    /// Whether it hears music instead of the conference.
    pub hold: bool,
    /// Whether only one other hears it.
    pub coaching: bool,
    /// The call that hears it; `None` where it does not coach.
    pub coached: Option<CallSid>,
    /// Whether the conference begins when it enters.
    pub start_on_enter: bool,
    /// Whether the conference ends when it leaves.
    pub end_on_exit: bool,
    /// How far its call is.
    pub status: ParticipantStatus,
    /// Expected wait before its call is dialled, milliseconds.
    pub queue_time_ms: u32,
    /// When it entered, or its call was placed; in milliseconds since 1970.
    pub created_ms: i64,
    /// Last change, in milliseconds since 1970.
    pub updated_ms: i64,
}

words! {
    /// Status of a participant.
    pub enum ParticipantStatus {
        /// Its call waits to be dialled.
        Queued = "queued",
        /// Its call is dialled.
        Connecting = "connecting",
        /// Its party rings.
        Ringing = "ringing",
        /// It is in the conference.
        Connected = "connected",
        /// It left.
        Complete = "complete",
        /// Its call could not be placed.
        Failed = "failed",
    }
}

/// The parameters of `POST …/Participants/{call or label}`; `None` keeps what is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParticipantChange {
    /// Whether the others do not hear it.
    pub muted: Option<bool>,
    /// Whether it hears music instead of the conference.
    pub hold: Option<bool>,
    /// Document that it hears while it is held. Its method is GET where the parameter was absent.
    pub hold_url: Option<Webhook>,
    /// Document that this participant alone hears, once.
    pub announce: Option<Webhook>,
    /// What it hears while it waits for the conference to begin.
    pub wait: Option<WaitMusic>,
    /// Whether a beep sounds when it leaves.
    pub beep_on_exit: Option<bool>,
    /// Whether the conference ends when it leaves.
    pub end_on_exit: Option<bool>,
    /// Whether only the coached participant hears it.
    pub coaching: Option<bool>,
    /// The call that hears it. Given alone, it means `coaching` too.
    pub coached: Option<CallSid>,
}

/// The parameters of `POST …/Participants`, checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateParticipant {
    /// The call to place. Its document, which runs after the participant left, is empty: the call ends then.
    pub call: CreateCall,
    /// The conference to enter. A name without a live conference begins one; a SID has to be of a live one.
    pub conference: ConferenceName,
    /// How the participant behaves.
    pub entry: ParticipantTerms,
    /// How the conference behaves, where this participant is its first.
    pub terms: ConferenceTerms,
}

/// How a participant enters, stays in and leaves its conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantTerms {
    /// At most 128 characters, none of them `/`, not in the form of a call's SID; `None` gives no label.
    pub label: Option<String>,
    /// Whether the others do not hear it.
    pub muted: bool,
    /// When the others hear a beep about it.
    pub beep: Beep,
    /// Whether the conference begins when it enters.
    pub start_on_enter: bool,
    /// Whether the conference ends when it leaves.
    pub end_on_exit: bool,
    /// Whether the others hear what its party sends before the answer.
    pub early_media: bool,
    /// The call that alone hears it; `None` where it does not coach.
    pub coached: Option<CallSid>,
    /// How long its audio waits before it is mixed.
    pub jitter_buffer: JitterBuffer,
}

/// How a conference behaves. Its first participant decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceTerms {
    /// What participants hear until it begins.
    pub wait: WaitMusic,
    /// Most participants at once, 2 to 250.
    pub max_participants: u32,
    /// The region to be shown, such as `us1`; `None` is that of the gateway.
    pub region: Option<String>,
    /// Recording from the moment that it begins; `None` records nothing.
    pub record: Option<RecordConference>,
    /// Status callback; `None` sends none.
    pub status_callback: Option<Webhook>,
    /// Events that the status callback reports.
    pub status_callback_events: ConferenceEvents,
}

/// When the other participants hear a beep about one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beep {
    /// When it enters and when it leaves.
    #[default]
    Both,
    /// Never.
    Neither,
    /// When it enters.
    OnEnter,
    /// When it leaves.
    OnExit,
}

/// How long a participant's audio waits before it is mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JitterBuffer {
    /// Not at all.
    Off,
    /// 20 ms at first.
    Small,
    /// 40 ms at first.
    Medium,
    /// 60 ms at first.
    #[default]
    Large,
}

/// What a participant hears until the conference begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WaitMusic {
    /// The music of the gateway.
    #[default]
    Standard,
    /// Nothing: `WaitUrl=` with an empty value.
    Silence,
    /// An audio file, or a document of the verbs that such a document may have.
    Document(Webhook),
}

/// How to record a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordConference {
    /// Cut silence at both ends.
    pub trim_silence: bool,
    /// Status callback of the recording; `None` sends none.
    pub callback: Option<Webhook>,
    /// Events that the status callback reports.
    pub callback_events: RecordingEvents,
}

/// Set of events that a conference's status callback reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConferenceEvents {
    /// It began.
    pub start: bool,
    /// It ended.
    pub end: bool,
    /// A participant entered.
    pub join: bool,
    /// A participant left.
    pub leave: bool,
    /// A participant was muted, or no longer is.
    pub mute: bool,
    /// A participant was held, or no longer is.
    pub hold: bool,
    /// A participant was changed otherwise.
    pub modify: bool,
    /// A participant began to speak, or stopped.
    pub speaker: bool,
    /// An announcement ended or failed.
    pub announcement: bool,
}

impl ConferenceEvents {
    /// The empty set, to which a list of events adds.
    pub const NONE: Self = Self {
        start: false,
        end: false,
        join: false,
        leave: false,
        mute: false,
        hold: false,
        modify: false,
        speaker: false,
        announcement: false,
    };
    /// The set where the parameter is absent.
    pub const START_AND_END: Self = Self { start: true, end: true, ..Self::NONE };
}
