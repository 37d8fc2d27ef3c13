//! `/Keys` and `/SigningKeys`: one store under two names (contract rest.md §4).

use serde_json::{Value, json};
use shared::KeySid;
use store::{Key, Secret, Write};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::date::rfc2822;
use crate::lookup::{found, sid};
use crate::paging::{ListRow, paging};

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    context.must_be_main_credentials()?;
    match context.collection_verb()? {
        CollectionVerb::List => list(context),
        CollectionVerb::Create => context.create(Write::CreateKey { friendly_name: name(context) }),
    }
}

pub(crate) fn instance(context: &Context<'_>, key: &str) -> Answered {
    context.must_be_main_credentials()?;
    let key: KeySid = sid(key)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => {
            let mine = |row: &Key| row.account == context.account.sid;
            let row = found(context.reader.key(key).map(|row| row.filter(mine)))?;
            context.ok(&json(&row, None))
        }
        InstanceVerb::Update => {
            context.update(Write::UpdateKey { key, friendly_name: name(context) })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteKey(key)),
    }
}

fn list(context: &Context<'_>) -> Answered {
    let paging = paging(&context.form)?;
    let page = context
        .reader
        .keys(context.account.sid, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow { json: json(&row, None), prefix: KeySid::PREFIX, bits: row.sid.0 });
    // The one list under two paths has two keys.
    let signing = context.frame.path.contains("/SigningKeys");
    context.ok(&paging.v2010(context.frame, if signing { "signing_keys" } else { "keys" }, page))
}

fn name(context: &Context<'_>) -> Option<String> {
    context.form.value("FriendlyName").map(str::to_owned)
}

pub(crate) fn json(row: &Key, secret: Option<&Secret>) -> Value {
    let mut json = json!({
        "sid": row.sid.to_string(),
        "friendly_name": row.friendly_name,
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
    });
    if let Some(secret) = secret {
        json["secret"] = secret.expose_secret().into();
    }
    json
}
