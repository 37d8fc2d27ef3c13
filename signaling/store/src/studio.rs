//! Studio flows, as they are stored, and the records of their executions. Sans-IO.
//!
//! The row of a flow has two definitions: the newest one, and the published one, which answers calls. The number of a revision is
//! that of the row, and the database keeps the row as each revision left it.

use std::sync::Arc;

use shared::limits::{FLOWS_ACCOUNT_MAX, FRIENDLY_NAME_CHARACTERS_MAX};
use shared::{AccountSid, Code, ExecutionSid, FlowSid};

use crate::conferences::words;
use crate::filter::{Filter, Until};
use crate::parameter::{Form, On, Parameter};
use crate::recorded::{Filtered, record};
use crate::resource::{Column, resource};

/// Words of `Status` of a flow.
pub(crate) const PUBLISHED: &str = "published";
const FLOW_STATUSES: &[&str] = &["draft", PUBLISHED];

resource! {
    /// A Studio flow.
    pub struct Flow {
        /// Named by its path and its webhook.
        sid: FlowSid => [Column::fixed("sid").shown_as_sid("sid", FlowSid::PREFIX)],
        /// The account that owns it.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// At most 64 characters.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// `draft` or `published`: of the newest revision.
        status: String => [Column::changing("status").shown("status")],
        /// The newest definition: JSON that was checked.
        definition: String => [Column::changing("definition")],
        /// What the newest revision changed.
        commit_message: Option<String> => [Column::changing("commit_message").shown("commit_message")],
        /// The published definition; `None` where none ever was.
        published_definition: Option<String> => [Column::changing("published_definition")],
        /// The number of the published revision.
        published_revision: Option<u64> => [Column::changing("published_revision")],
        /// When it was published, in milliseconds since 1970.
        published_ms: Option<i64> => [Column::changing("published_ms")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision").shown("revision")],
    }
    described as {
        table: "flows",
        limit: FLOWS_ACCOUNT_MAX,
        limit_reached: (Code::STUDIO_DEFINITION, "flows of an account"),
        shows_uri: false,
    }
    /// Parameters of a flow.
    taking FlowParameters {
        /// See [`Flow::friendly_name`].
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::FRIENDLY_NAME).required(On::Create),
        /// See [`Flow::status`].
        status: String =>
            Parameter::new("Status", Form::Word(FLOW_STATUSES), Code::INVALID_PARAMETER).required(On::Both),
        /// See [`Flow::definition`]. The API has checked it.
        definition: String => Parameter::new("Definition", Form::Text, Code::STUDIO_DEFINITION).required(On::Create),
        /// See [`Flow::commit_message`].
        commit_message: String => Parameter::new("CommitMessage", Form::Text, Code::INVALID_PARAMETER),
    }
}

words! {
    /// Status of an execution.
    pub enum ExecutionStatus {
        /// It walks, or waits.
        Active = "active",
        /// It is over.
        Ended = "ended",
    }
}

record! {
    /// The record of an execution: written when it starts, when it waits, and at its end.
    pub struct ExecutionRecord {
        /// Named by its path.
        sid: ExecutionSid => [Column::fixed("sid")],
        /// The account it belongs to.
        account: AccountSid => [Column::fixed("account")],
        /// The flow that it walks.
        flow: FlowSid => [Column::fixed("flow")],
        /// The address of the other side.
        contact: String => [Column::fixed("contact")],
        /// Whether it still walks.
        status: ExecutionStatus => [Column::changing("status")],
        /// Its variables: a JSON object.
        context: String => [Column::changing("context")],
        /// Its steps: a JSON array, first step first.
        steps: String => [Column::changing("steps")],
        /// Its start, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms")],
    }
    kept in "executions"
}

impl Filtered for ExecutionRecord {
    const FILTERS: &'static [Filter] = &[
        Filter::equal("Flow", "flow", Form::Sid(FlowSid::PREFIX), Code::INVALID_PARAMETER),
        Filter::during("DateCreated", "created_ms", Until::OnOrBefore),
    ];
}

/// A command of the API about executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionCommand {
    /// Start one.
    Create {
        /// Its account.
        account: AccountSid,
        /// The flow that it walks.
        flow: Arc<Flow>,
        /// The contact.
        to: String,
        /// Our own address.
        from: String,
        /// `Parameters`: a JSON object.
        parameters: String,
    },
    /// End one that is active.
    End {
        /// Its account.
        account: AccountSid,
        /// The execution.
        execution: ExecutionSid,
    },
}
