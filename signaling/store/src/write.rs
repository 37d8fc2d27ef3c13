//! Writes of the REST API, and the replies to them. Sans-IO.

use std::borrow::Cow;
use std::sync::Arc;

use shared::{
    AccountSid, BindingSid, CallSid, Code, DomainSid, ExecutionSid, FlowSid, LiveTranscriptionSid,
    RecordingSid, SiprecSid, StreamSid,
};

use crate::calls::{CallRecord, SideView, Validation};
use crate::conference_commands::Participant;
use crate::conferences::ConferenceRecord;
use crate::descriptions::Resource;
use crate::domain::{MappedList, Mapping};
use crate::kind::{ResourceKey, ResourceKind, resources};
use crate::parameter::Parameters;
use crate::patch::Patch;
use crate::queue_commands::{Member, QueueFigures};
use crate::record::RecordingRecord;
use crate::resource::Described;
use crate::secret::Secret;
use crate::studio::ExecutionRecord;
use crate::value::Value;

/// One write of the REST API. Every variant acts on the account of the request's path, which
/// [`crate::Snapshot::check`] gets beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// `POST` of a collection: a new row.
    Create {
        /// Bits of the list of the path; `None` where the account owns the row.
        list: Option<u128>,
        /// The parameters of its kind.
        given: Given,
    },
    /// `POST` of a row.
    Update {
        /// Bits of the list of the path; `None` where the account owns the row.
        list: Option<u128>,
        /// Bits of the row's SID.
        sid: u128,
        /// New values of the fields that change.
        given: Given,
        /// The account whose credentials were used: that of the path, or its parent. `None` for the gateway itself.
        by: Option<AccountSid>,
    },
    /// `DELETE` of a row. What belongs to it goes with it.
    Delete {
        /// Bits of the list of the path; `None` where the account owns the row.
        list: Option<u128>,
        /// The row.
        key: ResourceKey,
    },
    /// `POST …Mappings` of a domain.
    CreateMapping {
        /// The domain of the path.
        domain: DomainSid,
        /// The list, and what it is mapped for.
        list: MappedList,
    },
    /// `DELETE …Mappings/{sid}`.
    DeleteMapping {
        /// The domain of the path.
        domain: DomainSid,
        /// The list, and what it is mapped for.
        list: MappedList,
    },
    /// `DELETE SIP/Domains/{sid}/Registrations/{sid}`: calls no longer reach the phone.
    DeleteBinding {
        /// The domain of the path.
        domain: DomainSid,
        /// The binding of the path.
        binding: BindingSid,
    },
    /// `DELETE Calls/{sid}`: only of an ended call (20009). The database decides, as the snapshot holds no calls.
    DeleteCall(CallSid),
    /// The test users of a flow, in place of those before.
    SetTestUsers {
        /// The flow of the path.
        flow: FlowSid,
        /// Addresses, separated by blanks.
        users: String,
    },
    /// Delete the record of an execution that has ended.
    DeleteExecution(ExecutionSid),
    /// `DELETE Recordings/{sid}`: only of one that has ended.
    DeleteRecording {
        /// The recording of the path.
        recording: RecordingSid,
        /// The call of the path, where the path had one.
        call: Option<CallSid>,
    },
    /// `DELETE Transcriptions/{sid}`.
    DeleteTranscript {
        /// The recording that it is of.
        recording: RecordingSid,
    },
}

impl Write {
    /// A new row of the account.
    pub fn create(given: impl Into<Given>) -> Self {
        Self::Create { list: None, given: given.into() }
    }

    /// A new row of a list.
    pub fn create_in(list: u128, given: impl Into<Given>) -> Self {
        Self::Create { list: Some(list), given: given.into() }
    }

    /// New values of a row of the account.
    pub fn update(sid: u128, given: impl Into<Given>) -> Self {
        Self::Update { list: None, sid, given: given.into(), by: None }
    }

    /// New values of a row of a list.
    pub fn update_in(list: u128, sid: u128, given: impl Into<Given>) -> Self {
        Self::Update { list: Some(list), sid, given: given.into(), by: None }
    }

    /// The end of a row of the account.
    pub const fn delete(kind: ResourceKind, sid: u128) -> Self {
        Self::Delete { list: None, key: ResourceKey { kind, sid } }
    }
}

macro_rules! given {
    ($($(#[$doc:meta])* $table:ident: $kind:ident = $row:ty, $sid:ty;)*) => {
        /// Parameters of a request about a resource of one kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Given {
            // Boxed: the parameters of a domain are many times as large as those of a key, and writes wait
            // in queues by value.
            $($(#[$doc])* $kind(Box<<$row as Described>::Parameters>),)*
        }

        impl Given {
            /// The parameters of a kind that have these values, one a description. `None` where they are too few, or
            /// one of them is not a value of its field's type.
            pub fn from_values(kind: ResourceKind, values: Vec<Patch<Value>>) -> Option<Self> {
                Some(match kind {
                    $(ResourceKind::$kind => Self::$kind(Box::new(Parameters::from_values(values)?)),)*
                })
            }
        }

        $(impl From<<$row as Described>::Parameters> for Given {
            fn from(given: <$row as Described>::Parameters) -> Self {
                Self::$kind(Box::new(given))
            }
        })*
    };
}

resources!(given);

/// The answer to a write once it is on disk, or to a call command once it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The resource as it is now, and what the API shows beside its columns.
    Resource(Resource, Beside),
    /// The mapping, identified by its list.
    Mapping(MappingView),
    /// The call as it is now.
    Call(Arc<CallRecord>),
    /// The call that verifies a number, with its code.
    Validation(Box<Validation>),
    /// The execution of a flow as it is now.
    Execution(Arc<ExecutionRecord>),
    /// The test users of a flow as they are now: addresses, separated by blanks.
    TestUsers(FlowSid, String),
    /// The recording as it is now.
    Recording(Arc<RecordingRecord>),
    /// The stream as it is now.
    Stream(SideView<StreamSid>),
    /// The live transcription as it is now.
    LiveTranscription(SideView<LiveTranscriptionSid>),
    /// A recording session with an outside server.
    Siprec(SideView<SiprecSid>),
    /// The conference as it is now.
    Conference(Arc<ConferenceRecord>),
    /// The participant as it is now.
    Participant(Box<Participant>),
    /// The participants of a conference.
    Participants(Vec<Participant>),
    /// The live figures of queues.
    Queues(Vec<QueueFigures>),
    /// The member as it is now.
    Member(Member),
    /// The members of a queue, front first.
    Members(Vec<Member>),
    /// A live call's timeline so far, as JSON. `None` where the call has ended: the store has it.
    Timeline(Option<String>),
    /// The legs of the node, as JSON.
    Legs(String),
    /// The resource is deleted.
    Deleted,
}

/// What the API shows of a resource beside its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Values of the kind's [`Derived`](crate::resource::Derived) fields, in their order.
    pub derived: Vec<Value>,
    /// A secret that is shown only once, at creation.
    pub secret: Option<Secret>,
}

/// A mapping as the API shows it: under the SID of its list, as it has none of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingView {
    /// The account of domain and list.
    pub account: AccountSid,
    /// The mapping.
    pub mapping: Mapping,
    /// The list's name.
    pub friendly_name: String,
}

/// The reason a request is refused, in the contract's terms. Always the customer's error, except 503.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct WriteError {
    /// The HTTP status of the response.
    pub status: u16,
    /// The contract's code.
    pub code: Code,
    /// A sentence for the customer. Empty with 20404: the API names the path then.
    pub message: Cow<'static, str>,
    /// The methods that the resource has, for `Allow` (RFC 9110 §15.5.6); empty except with 405.
    pub allow: &'static str,
}

impl WriteError {
    /// A refusal with status 400.
    pub fn invalid(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        // Errors of the customer are 400 unless the contract says otherwise (rest.md 2).
        Self { status: 400, code, message: message.into(), allow: "" }
    }

    /// A refusal with any status.
    pub fn new(status: u16, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), allow: "" }
    }

    /// The account has no such resource.
    pub const fn not_found() -> Self {
        Self { status: 404, code: Code::NOT_FOUND, message: Cow::Borrowed(""), allow: "" }
    }

    /// The store cannot take writes now (disk full, queue full). Nothing was done.
    pub const fn unavailable() -> Self {
        Self {
            status: 503,
            code: Code::UNAVAILABLE,
            message: Cow::Borrowed("The store cannot take writes right now. Nothing was changed."),
            allow: "",
        }
    }
}
