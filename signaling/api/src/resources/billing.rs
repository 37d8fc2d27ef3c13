//! `/Balance` and `/Usage`: the gateway does not bill, so it answers with a zero and empty lists. On a 404 the SDKs
//! would raise an exception without a code.

use serde_json::json;
use store::{Page, WriteError};

use crate::context::{Answered, Context};
use crate::paging::paging;

/// `GET Balance`.
pub(crate) fn balance(context: &Context<'_>) -> Answered {
    context.must_read()?;
    context.ok(&json!({
        "account_sid": context.account.sid,
        "balance": "0.00",
        "currency": "USD",
    }))
}

/// Everything below `Usage`: records, their sub-lists by period, and triggers.
pub(crate) fn usage(context: &Context<'_>, path: &[&str]) -> Answered {
    match path {
        ["Records"] => empty(context, "usage_records"),
        // A period that the contract lacks stays a 404.
        ["Records", period] if PERIODS.contains(period) => empty(context, "usage_records"),
        ["Triggers"] => empty(context, "usage_triggers"),
        _ => Err(WriteError::not_found()),
    }
}

fn empty(context: &Context<'_>, key: &str) -> Answered {
    context.must_read()?;
    let paging = paging(&context.form)?;
    // The envelope of every list: SDKs iterate over it.
    let page = Page { rows: Vec::new(), has_previous: false, has_next: false };
    context.ok(&paging.v2010(context.frame, key, page))
}

/// Sub-lists of `Usage/Records`.
const PERIODS: [&str; 8] =
    ["AllTime", "Daily", "LastMonth", "Monthly", "ThisMonth", "Today", "Yearly", "Yesterday"];
