//! `/SIP/CredentialLists` (contract rest.md §5.3).

use serde_json::{Value, json};
use shared::CredentialListSid;
use store::{CredentialList, Write};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::date::rfc2822;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    match context.collection_verb()? {
        CollectionVerb::List => list(context),
        CollectionVerb::Create => {
            context.create(Write::CreateCredentialList { friendly_name: name(context) })
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, list: &str) -> Answered {
    let list: CredentialListSid = sid(list)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => {
            context.ok(&json(&found(context.reader.credential_list(context.account.sid, list))?))
        }
        InstanceVerb::Update => {
            context.update(Write::UpdateCredentialList { list, friendly_name: name(context) })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteCredentialList(list)),
    }
}

fn list(context: &Context<'_>) -> Answered {
    let paging = paging(&context.form)?;
    let page = context
        .reader
        .credential_lists(context.account.sid, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow {
            json: json(&row),
            prefix: CredentialListSid::PREFIX,
            bits: row.sid.0,
        });
    context.ok(&paging.v2010(context.frame, "credential_lists", page))
}

fn name(context: &Context<'_>) -> String {
    context.form.raw("FriendlyName").unwrap_or_default().to_owned()
}

pub(crate) fn json(row: &CredentialList) -> Value {
    let path = format!("SIP/CredentialLists/{}", row.sid);
    json!({
        "sid": row.sid.to_string(),
        "account_sid": row.account.to_string(),
        "friendly_name": row.friendly_name,
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(row.account, &format!("{path}.json")),
        "subresource_uris": {
            "credentials": uri(row.account, &format!("{path}/Credentials.json")),
        },
    })
}
