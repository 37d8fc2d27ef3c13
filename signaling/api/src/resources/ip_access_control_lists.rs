//! `/SIP/IpAccessControlLists` (contract rest.md §5.4).

use serde_json::{Value, json};
use shared::IpAccessControlListSid;
use store::{IpAccessControlList, Write};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::date::rfc2822;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    match context.collection_verb()? {
        CollectionVerb::List => list(context),
        CollectionVerb::Create => {
            context.create(Write::CreateIpAccessControlList { friendly_name: name(context) })
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, list: &str) -> Answered {
    let list: IpAccessControlListSid = sid(list)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => {
            let account = context.account.sid;
            context.ok(&json(&found(context.reader.ip_access_control_list(account, list))?))
        }
        InstanceVerb::Update => {
            context.update(Write::UpdateIpAccessControlList { list, friendly_name: name(context) })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteIpAccessControlList(list)),
    }
}

fn list(context: &Context<'_>) -> Answered {
    let paging = paging(&context.form)?;
    let page = context
        .reader
        .ip_access_control_lists(context.account.sid, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow {
            json: json(&row),
            prefix: IpAccessControlListSid::PREFIX,
            bits: row.sid.0,
        });
    context.ok(&paging.v2010(context.frame, "ip_access_control_lists", page))
}

fn name(context: &Context<'_>) -> String {
    context.form.raw("FriendlyName").unwrap_or_default().to_owned()
}

pub(crate) fn json(row: &IpAccessControlList) -> Value {
    let path = format!("SIP/IpAccessControlLists/{}", row.sid);
    json!({
        "sid": row.sid.to_string(),
        "account_sid": row.account.to_string(),
        "friendly_name": row.friendly_name,
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(row.account, &format!("{path}.json")),
        "subresource_uris": {
            "ip_addresses": uri(row.account, &format!("{path}/IpAddresses.json")),
        },
    })
}
