//! TwiML Bins: documents that calls fetch from the gateway itself. Sans-IO.

use shared::limits::{BINS_ACCOUNT_MAX, FRIENDLY_NAME_CHARACTERS_MAX};
use shared::{AccountSid, BinSid, Code};

use crate::filter::Filter;
use crate::parameter::{Form, On, Parameter};
use crate::resource::{Collection, Column, resource};

resource! {
    /// A TwiML Bin. An addition of Sidetone's: the cloud has bins, and no public API for them.
    pub struct TwimlBin {
        /// Named by its URL and its path.
        sid: BinSid => [Column::fixed("sid").shown_as_sid("sid", BinSid::PREFIX)],
        /// The account that owns it.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// A name for people, at most 64 characters.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// A [`crate::Template`].
        content: String => [Column::changing("content").shown("content")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "twiml_bins",
        limit: BINS_ACCOUNT_MAX,
        limit_reached: (Code::INVALID_PARAMETER, "TwiML Bins of an account"),
        collections: &[Collection::new("Accounts/{account_sid}/TwimlBins", "twiml_bins")],
        filters: &[
            Filter::equal("FriendlyName", "friendly_name", Form::Text, Code::INVALID_PARAMETER),
        ],
    }
    /// Parameters of a TwiML Bin.
    taking TwimlBinParameters {
        /// The SID of a bin that moves here with its URL. Without it, a new one.
        sid: BinSid => Parameter::new("Sid", Form::Sid(BinSid::PREFIX), Code::INVALID_PARAMETER).taken(On::Create),
        /// See [`TwimlBin::friendly_name`].
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::FRIENDLY_NAME)
                .required(On::Create),
        /// See [`TwimlBin::content`].
        content: String =>
            Parameter::new("Content", Form::Text, Code::TWIML_PARSE).required(On::Create),
    }
}
