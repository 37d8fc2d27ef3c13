//! `/SIP/CredentialLists/{CL}/Credentials`: passwords go in and never come out (contract rest.md §5.3).

use serde_json::{Value, json};
use shared::{CredentialListSid, CredentialSid};
use store::{Credential, Secret, Write};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::date::rfc2822;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};

pub(crate) fn collection(context: &Context<'_>, list: &str) -> Answered {
    let list: CredentialListSid = sid(list)?;
    match context.collection_verb()? {
        CollectionVerb::List => list_rows(context, list),
        CollectionVerb::Create => context.create(Write::CreateCredential {
            list,
            username: context.form.raw("Username").unwrap_or_default().to_owned(),
            password: password(context),
        }),
    }
}

pub(crate) fn instance(context: &Context<'_>, list: &str, credential: &str) -> Answered {
    let list: CredentialListSid = sid(list)?;
    let credential: CredentialSid = sid(credential)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => {
            found(context.reader.credential_list(context.account.sid, list))?;
            context.ok(&json(&found(context.reader.credential(list, credential))?))
        }
        InstanceVerb::Update => {
            let password = password(context);
            context.update(Write::UpdateCredential { list, credential, password })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteCredential { list, credential }),
    }
}

fn list_rows(context: &Context<'_>, list: CredentialListSid) -> Answered {
    found(context.reader.credential_list(context.account.sid, list))?;
    let paging = paging(&context.form)?;
    let page = context
        .reader
        .credentials(list, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow { json: json(&row), prefix: CredentialSid::PREFIX, bits: row.sid.0 });
    context.ok(&paging.v2010(context.frame, "credentials", page))
}

fn password(context: &Context<'_>) -> Secret {
    Secret::new(context.form.raw("Password").unwrap_or_default())
}

pub(crate) fn json(row: &Credential) -> Value {
    let path = format!("SIP/CredentialLists/{}/Credentials/{}.json", row.list, row.sid);
    json!({
        "sid": row.sid.to_string(),
        "account_sid": row.account.to_string(),
        "credential_list_sid": row.list.to_string(),
        "username": row.username,
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(row.account, &path),
    })
}
