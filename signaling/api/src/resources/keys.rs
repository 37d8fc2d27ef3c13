//! `/Keys` and `/SigningKeys`: one list of API keys under two paths.

use serde_json::Value;
use shared::KeySid;
use store::{Key, Secret, Write};

use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::described;
use crate::lookup::sid;

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    context.must_be_main_credentials()?;
    match context.collection_verb()? {
        CollectionVerb::List => {
            // The list has a key of its own under each of its two paths.
            let signing = context.frame.path.contains("/SigningKeys");
            let key = if signing { "signing_keys" } else { "keys" };
            described::list_named::<Key>(context, context.account.sid.0, key)
        }
        CollectionVerb::Create => context.create(Write::CreateKey { friendly_name: name(context) }),
    }
}

pub(crate) fn instance(context: &Context<'_>, key: &str) -> Answered {
    context.must_be_main_credentials()?;
    let key: KeySid = sid(key)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => described::fetch::<Key>(context, context.account.sid.0, key.0),
        InstanceVerb::Update => {
            context.update(Write::UpdateKey { key, friendly_name: name(context) })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteKey(key)),
    }
}

fn name(context: &Context<'_>) -> Option<String> {
    context.form.value("FriendlyName").map(str::to_owned)
}

/// A key, with its secret at creation: the only answer that ever has it.
pub(crate) fn json(row: &Key, secret: Option<&Secret>) -> Value {
    let mut json = described::json(row);
    if let Some(secret) = secret {
        json["secret"] = secret.expose_secret().into();
    }
    json
}
