//! `/SIP/CredentialLists`: lists of the users who may call in or register.

use shared::CredentialListSid;
use store::{CredentialList, Write};

use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::described;
use crate::lookup::sid;

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    match context.collection_verb()? {
        CollectionVerb::List => described::list::<CredentialList>(context, context.account.sid.0),
        CollectionVerb::Create => {
            context.create(Write::CreateCredentialList { friendly_name: name(context) })
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, list: &str) -> Answered {
    let list: CredentialListSid = sid(list)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => {
            described::fetch::<CredentialList>(context, context.account.sid.0, list.0)
        }
        InstanceVerb::Update => {
            context.update(Write::UpdateCredentialList { list, friendly_name: name(context) })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteCredentialList(list)),
    }
}

fn name(context: &Context<'_>) -> String {
    context.form.raw("FriendlyName").unwrap_or_default().to_owned()
}
