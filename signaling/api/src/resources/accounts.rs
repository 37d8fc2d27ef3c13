//! `/Accounts`: the account of the credentials and its sub-accounts.
//!
//! Its JSON is written out: owner, type and the many sub-resources are not columns.

use serde_json::{Value, json};
use shared::AccountSid;
use store::{Account, AccountFilter, AccountStatus, Write, WriteError};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb, READ_OR_WRITE};
use crate::date::rfc2822;
use crate::paging::{ListRow, paging};
use crate::response::method_not_allowed;

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    match context.collection_verb()? {
        CollectionVerb::List => list(context),
        CollectionVerb::Create => context.create(Write::CreateAccount {
            friendly_name: context.form.value("FriendlyName").map(str::to_owned),
        }),
    }
}

pub(crate) fn instance(context: &Context<'_>) -> Answered {
    match context.instance_verb_of(READ_OR_WRITE)? {
        InstanceVerb::Fetch => context.ok(&json(&context.account)),
        InstanceVerb::Update => context.update(Write::UpdateAccount {
            friendly_name: context.form.value("FriendlyName").map(str::to_owned),
            status: status(context)?,
            by: context.login.account.sid,
        }),
        InstanceVerb::Delete => Err(method_not_allowed(READ_OR_WRITE)),
    }
}

fn list(context: &Context<'_>) -> Answered {
    let paging = paging(&context.form)?;
    let filter = AccountFilter {
        friendly_name: context.form.value("FriendlyName").map(str::to_owned),
        status: status(context)?,
    };
    let page = context
        .reader
        .accounts(context.account.sid, &filter, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow { json: json(&row), prefix: AccountSid::PREFIX, bits: row.sid.0 });
    context.ok(&paging.v2010(context.frame, "accounts", page))
}

fn status(context: &Context<'_>) -> Result<Option<AccountStatus>, WriteError> {
    let Some(text) = context.form.value("Status") else { return Ok(None) };
    let message = "Status must be active, suspended or closed";
    AccountStatus::from_name(text).map(Some).ok_or_else(|| WriteError::invalid(21475, message))
}

pub(crate) fn json(row: &Account) -> Value {
    let base = format!("/2010-04-01/Accounts/{}", row.sid);
    json!({
        "sid": row.sid.to_string(),
        "owner_account_sid": row.parent.unwrap_or(row.sid).to_string(),
        "friendly_name": row.friendly_name,
        "status": row.status.name(),
        "type": "Full",
        "auth_token": row.auth_token.expose_secret(),
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": format!("{base}.json"),
        "subresource_uris": {
            "balance": format!("{base}/Balance.json"),
            "calls": format!("{base}/Calls.json"),
            "keys": format!("{base}/Keys.json"),
            "notifications": format!("{base}/Notifications.json"),
            "outgoing_caller_ids": format!("{base}/OutgoingCallerIds.json"),
            "recordings": format!("{base}/Recordings.json"),
            "signing_keys": format!("{base}/SigningKeys.json"),
            "sip": format!("{base}/SIP.json"),
            "usage": format!("{base}/Usage.json"),
        },
    })
}
