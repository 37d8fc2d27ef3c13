//! `/SIP/CredentialLists/{CL}/Credentials`: passwords go in and never come out.

use shared::{CredentialListSid, CredentialSid};
use store::{Credential, CredentialList, Secret, Write};

use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::described;
use crate::lookup::sid;

pub(crate) fn collection(context: &Context<'_>, list: &str) -> Answered {
    let list: CredentialListSid = sid(list)?;
    match context.collection_verb()? {
        CollectionVerb::List => {
            described::must_be_there::<CredentialList>(context, list.0)?;
            described::list::<Credential>(context, list.0)
        }
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
            described::must_be_there::<CredentialList>(context, list.0)?;
            described::fetch::<Credential>(context, list.0, credential.0)
        }
        InstanceVerb::Update => {
            let password = password(context);
            context.update(Write::UpdateCredential { list, credential, password })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteCredential { list, credential }),
    }
}

fn password(context: &Context<'_>) -> Secret {
    Secret::new(context.form.raw("Password").unwrap_or_default())
}
