//! Stored things as types: resources, the rules for writing them, the snapshot that calls are admitted by.
//! Sans-IO: the drivers are in package `database`, the REST face in package `api`.
#![forbid(unsafe_code)]

mod account;
mod admission;
mod application;
mod binding;
mod caller_id;
mod calls;
mod change;
mod conference_commands;
mod conferences;
mod credential;
mod descriptions;
mod domain;
mod error;
mod filter;
mod history;
mod kind;
mod merge;
mod name;
mod number;
mod owed_callback;
mod parameter;
mod patch;
mod plan;
mod queue;
mod queue_commands;
mod read;
mod record;
mod recorded;
mod resource;
mod rules;
mod secret;
mod snapshot;
mod stored;
mod studio;
mod table;
mod tables;
mod template;
mod transcript;
mod twiml_bin;
mod value;
mod voice_urls;
mod write;
mod writer;
mod writes;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountParameters, AccountStatus, Key, KeyParameters};
pub use admission::Admission;
pub use application::{Application, ApplicationParameters};
pub use binding::{BindingChanges, BindingRecord};
pub use caller_id::{OutgoingCallerId, OutgoingCallerIdParameters};
pub use calls::{
    CallCommand, CallDirection, CallEvents, CallRecord, CallStatus, CallTarget, CreateCall,
    DetectMachine, ParameterWarning, RecordCall, RecordingAction, RecordingEvents, RecordingTrack,
    SideKind, SideView, SipAuth, StartSide, StartSiprec, StartStream, StartTranscription,
    StreamTracks, TwimlSource, UpdateAction, UpdateCall, ValidateCallerId, Validation, Webhook,
};
pub use change::{Change, Conflict, Outcome};
pub use conference_commands::{
    Beep, ConferenceCommand, ConferenceEvents, ConferenceName, ConferenceTerms, CreateParticipant,
    JitterBuffer, Participant, ParticipantChange, ParticipantName, ParticipantStatus,
    ParticipantTerms, RecordConference, WaitMusic,
};
pub use conferences::{ConferenceEnd, ConferenceRecord, ConferenceStatus};
pub use credential::{
    Cidr, Credential, CredentialList, CredentialListParameters, CredentialParameters,
    IpAccessControlList, IpAccessControlListParameters, IpAddress, IpAddressParameters,
};
pub use descriptions::Resource;
pub use domain::{
    Domain, DomainAuth, DomainParameters, HttpMethod, MappedList, Mapping, MappingKind,
};
pub use error::StoreError;
pub use filter::{Condition, Filter, Is, Test, Until};
pub use history::{HistoryQueue, Place, RowKey, RowKind};
pub use kind::{ResourceKey, ResourceKind};
pub use merge::{Unwritten, bounds, merge};
pub use name::{DomainHost, DomainLabels, DomainSuffix};
pub use number::{
    IncomingPhoneNumber, IncomingPhoneNumberParameters, formatted_number, normal_number,
};
pub use owed_callback::OwedCallback;
pub use parameter::{Form, On, Parameter, Parameters, Post};
pub use patch::Patch;
pub use plan::{Mint, Planned};
pub use queue::{Queue, QueueParameters};
pub use queue_commands::{Member, MemberName, QueueCommand, QueueFigures};
pub use read::{Cursor, Page, PageRequest, Reader};
pub use record::{
    HttpExchange, HttpMessages, NotificationLevel, NotificationRecord, RecordingRecord,
    RecordingSource, RecordingStatus, TimelineRecord,
};
pub use recorded::{Filtered, Recorded};
pub use resource::{
    Collection, Column, Constant, Damaged, Derived, Described, Description, Posts, Shape, Shown,
    View,
};
pub use secret::{Ha1, SealError, Sealer, Secret, SecretHash};
pub use snapshot::Snapshot;
pub use studio::{ExecutionCommand, ExecutionRecord, ExecutionStatus, Flow, FlowParameters};
pub use template::{Names, Template, TemplateError, TooLong, e164};
pub use transcript::{Transcript, TranscriptStatus};
pub use twiml_bin::{TwimlBin, TwimlBinParameters};
pub use value::Value;
pub use voice_urls::VoiceUrls;
pub use write::{Beside, Given, MappingView, Reply, Write, WriteError};
pub use writer::{Retained, Retention, Writer};
pub use writes::{Settled, Submitted, Writes};
