//! Queues of calls, as they are stored: a name and a size. Who waits in them only Control knows. Sans-IO.

use shared::limits::{
    FRIENDLY_NAME_CHARACTERS_MAX, QUEUE_SIZE, QUEUE_SIZE_MAX, QUEUES_ACCOUNT_MAX,
};
use shared::{AccountSid, Code, QueueSid};

use crate::parameter::{Form, On, Parameter};
use crate::resource::{Collection, Column, Derived, resource};

resource! {
    /// A queue of calls. Made by a request, or by the first `<Enqueue>` that names it.
    pub struct Queue {
        /// Named by its members and its path.
        sid: QueueSid => [Column::fixed("sid").shown_as_sid("sid", QueueSid::PREFIX)],
        /// The account that owns it.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// The name that documents have for it: unique in the account, at most 64 characters.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// Most calls that wait in it at once. Those that wait stay where it is made smaller.
        max_size: u32 => [Column::changing("max_size").shown("max_size")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "queues",
        limit: QUEUES_ACCOUNT_MAX,
        limit_reached: (Code::INVALID_PARAMETER, "queues of an account"),
        // The contract has no code of its own for it.
        name_taken: (Code::FRIENDLY_NAME, "FriendlyName is the name of another queue of the account"),
        // Documents find a queue by its name alone.
        unique: &[&["account", "friendly_name"]],
        collections: &[Collection::new("Accounts/{account_sid}/Queues", "queues")],
        derived: &[Derived::CurrentSize, Derived::AverageWaitTime],
    }
    /// Parameters of a queue.
    taking QueueParameters {
        /// See [`Queue::friendly_name`].
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::FRIENDLY_NAME)
                .required(On::Create),
        /// See [`Queue::max_size`].
        max_size: u32 =>
            Parameter::new("MaxSize", Form::Number(1, QUEUE_SIZE_MAX), Code::INVALID_PARAMETER).default(QUEUE_SIZE),
    }
}
