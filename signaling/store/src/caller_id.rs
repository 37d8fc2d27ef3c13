//! Verified caller ids: numbers of other providers that an account may show as the caller. Sans-IO.

use shared::limits::{CALLER_IDS_ACCOUNT_MAX, FRIENDLY_NAME_CHARACTERS_MAX};
use shared::{AccountSid, Code, OutgoingCallerIdSid};

use crate::filter::Filter;
use crate::parameter::{Form, On, Parameter};
use crate::resource::{Collection, Column, Posts, resource};

const KEY: &str = "outgoing_caller_ids";

resource! {
    /// A number that an account has shown to be its own.
    pub struct OutgoingCallerId {
        /// Named by its path.
        sid: OutgoingCallerIdSid => [Column::fixed("sid").shown_as_sid("sid", OutgoingCallerIdSid::PREFIX)],
        /// The account that may show it.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// E.164 with `+`.
        phone_number: String => [Column::fixed("phone_number").shown("phone_number")],
        /// At most 64 characters.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "outgoing_caller_ids",
        limit: CALLER_IDS_ACCOUNT_MAX,
        // The contract has no code of its own for this limit (rest.md 12).
        limit_reached: (Code::INVALID_PARAMETER, "verified caller ids of an account"),
        name_taken: (Code::CALLER_ID_TAKEN, "This PhoneNumber is verified already"),
        // Once an account: a switchboard's number may be shown by several.
        unique: &[&["account", "phone_number"]],
        collections: &[
            // Its POST asks for a call that verifies the number, which is no write of a row.
            Collection::new("Accounts/{account_sid}/OutgoingCallerIds", KEY).posts(Posts::Elsewhere),
            // Our own path: the operator knows whose a number is, and needs no call to learn it.
            Collection::new("Accounts/{account_sid}/OutgoingCallerIds/Verified", KEY).posts(Posts::OfOperator),
        ],
        filters: &[
            Filter::equal("PhoneNumber", "phone_number", Form::PhoneNumber, Code::PHONE_NUMBER),
            Filter::equal("FriendlyName", "friendly_name", Form::Text, Code::INVALID_PARAMETER),
        ],
    }
    /// Parameters of a verified caller id.
    taking OutgoingCallerIdParameters {
        /// The number.
        phone_number: String => Parameter::new("PhoneNumber", Form::PhoneNumber, Code::PHONE_NUMBER).taken(On::Create).required(On::Create),
        /// Default: the number, formatted.
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::FRIENDLY_NAME),
    }
}
