//! Changes of the store, and the outcome of each. Sans-IO.

use std::sync::Arc;

use shared::{AccountSid, CallSid, Code, DomainSid, ExecutionSid, FlowSid, RecordingSid};

use crate::binding::BindingChanges;
use crate::calls::CallRecord;
use crate::conferences::ConferenceRecord;
use crate::descriptions::Resource;
use crate::domain::{MappedList, Mapping};
use crate::kind::{ResourceKey, ResourceKind};
use crate::record::{HttpExchange, NotificationRecord, RecordingRecord, TimelineRecord};
use crate::studio::ExecutionRecord;
use crate::transcript::Transcript;
use crate::write::WriteError;

/// One change of the store: all of it or nothing. Each carries its precondition, which the
/// database checks inside the transaction, so that concurrent writers conflict truthfully.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new resource. Precondition: its names are free, its owner exists, and the limit on its kind is
    /// not reached.
    Insert(Resource),
    /// A resource with new content. Precondition: the stored revision is one lower.
    Update(Resource),
    /// A resource is deleted. Precondition: it exists and nothing refers to it.
    Delete(ResourceKey),
    /// A list is mapped to a domain. Precondition: both exist and the list is not mapped yet.
    Map(Mapping),
    /// A mapping is deleted. Precondition: it exists.
    Unmap {
        /// The SID of the domain.
        domain: DomainSid,
        /// The SID of the list, with its kind.
        list: MappedList,
    },
    /// A call's record, new or newer. No precondition: one machine owns it, so no other writes it.
    PutCall(Arc<CallRecord>),
    /// A call's record is deleted. Precondition: it exists and the call has ended.
    DeleteCall {
        /// The account it must belong to.
        account: AccountSid,
        /// The SID of the call.
        call: CallSid,
    },
    /// The record of an execution of a flow, new or newer. No precondition: one machine owns it.
    PutExecution(Arc<ExecutionRecord>),
    /// The record of an execution is deleted. Precondition: it exists and has ended.
    DeleteExecution {
        /// The account it must belong to.
        account: AccountSid,
        /// The SID of the execution.
        execution: ExecutionSid,
    },
    /// The test users of a flow, in place of those before. Precondition: the flow exists.
    SetTestUsers {
        /// The SID of the flow.
        flow: FlowSid,
        /// Addresses, separated by blanks.
        users: String,
    },
    /// A conference's record, new or newer. No precondition: one machine owns it, so no other writes it.
    PutConference(Arc<ConferenceRecord>),
    /// A recording's metadata, new or newer. No precondition.
    PutRecording(Arc<RecordingRecord>),
    /// A recording becomes `deleted`. Precondition: it exists and is not running. The gateway removes the
    /// file after the commit, so that no record names a file that is gone.
    DeleteRecording {
        /// The account it must belong to.
        account: AccountSid,
        /// The call it must belong to; `None` accepts any.
        call: Option<CallSid>,
        /// The SID of the recording.
        recording: RecordingSid,
        /// When it was deleted, in milliseconds since 1970.
        deleted_ms: i64,
    },
    /// The upload of a finished recording was given up, or has succeeded after that. No precondition: it
    /// changes nothing of a recording that was deleted meanwhile.
    NoteUpload {
        /// The account that owns it.
        account: AccountSid,
        /// The SID of the recording.
        recording: RecordingSid,
        /// The contract's code for the failure; `None` once it succeeded.
        error_code: Option<Code>,
        /// The time of the report, in milliseconds since 1970.
        updated_ms: i64,
    },
    /// The transcript of a recording, new or newer, or gone. No precondition: it changes nothing of a recording that was
    /// deleted meanwhile.
    NoteTranscript {
        /// The account that owns the recording.
        account: AccountSid,
        /// The SID of the recording.
        recording: RecordingSid,
        /// What was said; `None` deletes it.
        transcript: Option<Box<Transcript>>,
    },
    /// A notification. No precondition.
    AddNotification(Arc<NotificationRecord>),
    /// An HTTP exchange of a call. No precondition.
    AddExchange(Arc<HttpExchange>),
    /// The timeline of an ended call. No precondition.
    PutTimeline(Arc<TimelineRecord>),
    /// Registered contacts, new, newer or gone. Precondition: the domains of new ones exist. Removing one
    /// that is gone already is not a conflict.
    ChangeBindings(Arc<BindingChanges>),
}

/// The outcome of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk.
    Committed,
    /// Its precondition did not hold; nothing was changed.
    Conflict(Conflict),
    /// The store cannot write (disk full, I/O error); nothing was changed.
    Unavailable,
}

/// The precondition that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Another write changed the resource first: plan again on the newer revision.
    Stale,
    /// Another write took a unique name first.
    NameTaken(ResourceKind),
    /// Another write took the last place under a limit.
    LimitReached(ResourceKind),
    /// A resource that the change names does not exist, or does not any more.
    Missing,
    /// A subdomain or a mapping still refers to it.
    InUse(ResourceKind),
    /// The list is mapped already.
    AlreadyMapped,
    /// The call has not ended.
    CallLive,
    /// The execution has not ended.
    ExecutionActive,
    /// The recording still runs.
    RecordingRunning,
}

impl From<Conflict> for WriteError {
    /// The customer's answer where the database found what the check could not know yet.
    fn from(conflict: Conflict) -> Self {
        match conflict {
            // Reaches a customer only after several plans on newer revisions failed too: another try may
            // succeed.
            Conflict::Stale => Self::new(
                409,
                Code::CONFLICT,
                "The resource was changed by several requests at once. Send the request again.",
            ),
            // The sentences of the check: a customer cannot tell whether the snapshot or the database found
            // it.
            Conflict::NameTaken(kind) => crate::rules::name_taken(kind),
            Conflict::LimitReached(kind) => crate::rules::limit_reached(kind),
            Conflict::InUse(kind) => crate::rules::in_use(kind),
            // A row that another request deleted meanwhile looks like one that never was.
            Conflict::Missing => Self::not_found(),
            Conflict::AlreadyMapped => crate::rules::already_mapped(),
            Conflict::CallLive => Self::new(
                409,
                Code::CALL_NOT_FINISHED,
                "The call has not ended. End it before you delete it.",
            ),
            Conflict::ExecutionActive => Self::new(
                409,
                Code::CONFLICT,
                "The execution is active. End it before you delete it.",
            ),
            Conflict::RecordingRunning => Self::new(
                409,
                Code::CONFLICT,
                "The recording is still running. Stop it before you delete it.",
            ),
        }
    }
}
