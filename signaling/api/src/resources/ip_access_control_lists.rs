//! `/SIP/IpAccessControlLists`: lists of the addresses that calls may come from.

use shared::IpAccessControlListSid;
use store::{IpAccessControlList, Write};

use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::described;
use crate::lookup::sid;

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    match context.collection_verb()? {
        CollectionVerb::List => {
            described::list::<IpAccessControlList>(context, context.account.sid.0)
        }
        CollectionVerb::Create => {
            context.create(Write::CreateIpAccessControlList { friendly_name: name(context) })
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, list: &str) -> Answered {
    let list: IpAccessControlListSid = sid(list)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => {
            described::fetch::<IpAccessControlList>(context, context.account.sid.0, list.0)
        }
        InstanceVerb::Update => {
            context.update(Write::UpdateIpAccessControlList { list, friendly_name: name(context) })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteIpAccessControlList(list)),
    }
}

fn name(context: &Context<'_>) -> String {
    context.form.raw("FriendlyName").unwrap_or_default().to_owned()
}
