//! `/SIP/Domains/{sid}/Registrations`: registered contacts, their source and expiry; deleting one ends the
//! registration. Our own resource: the contract has none like it.

use serde_json::{Value, json};
use shared::{BindingSid, DomainSid};
use store::{BindingRecord, Condition, Domain, Write, WriteError};

use crate::auth::unreadable;
use crate::context::{Answered, Context, InstanceVerb, READ_OR_DELETE};
use crate::date::rfc2822;
use crate::described;
use crate::filters::conditions;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};
use crate::response::method_not_allowed;
use crate::text::Text;

/// The contacts of a domain, newest first; `Username` limits them to one user.
pub(crate) fn collection(context: &Context<'_>, domain: &str) -> Answered {
    context.must_read()?;
    let domain = domain_of(context, domain)?;
    let paging = paging(&context.form)?;
    let mut conditions = conditions(&context.form, BindingRecord::FILTERS)?;
    // A row outlives its contact until the registrar's next change: what has expired is hidden at once.
    conditions.push(Condition::from("expires_ms", context.now.unix_ms + 1));
    let page = context
        .reader
        .bindings(domain, &conditions, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow { json: json(&row), prefix: BindingSid::PREFIX, bits: row.sid.0 });
    context.ok(&paging.v2010(context.frame, "registrations", page))
}

/// One contact. Deleting it unregisters the phone until its next REGISTER.
pub(crate) fn instance(context: &Context<'_>, domain: &str, binding: &str) -> Answered {
    let verb = context.instance_verb_of(READ_OR_DELETE)?;
    let domain = domain_of(context, domain)?;
    // Read for DELETE too: bindings are not in the snapshot, so the plan cannot know that it is missing.
    let row = found(context.reader.binding(domain, sid(binding)?))?;
    if row.expires_ms <= context.now.unix_ms {
        return Err(WriteError::not_found());
    }
    match verb {
        InstanceVerb::Fetch => context.ok(&json(&row)),
        InstanceVerb::Update => Err(method_not_allowed(READ_OR_DELETE)),
        InstanceVerb::Delete => context.delete(Write::DeleteBinding { domain, binding: row.sid }),
    }
}

fn domain_of(context: &Context<'_>, domain: &str) -> Result<DomainSid, WriteError> {
    let domain: DomainSid = sid(domain)?;
    described::must_be_there::<Domain>(context, domain.0)?;
    Ok(domain)
}

fn json(row: &BindingRecord) -> Value {
    // Contact and Path are bytes as the phone sent them, and JSON holds text: bytes that are not UTF-8 are
    // replaced.
    let path = String::from_utf8_lossy(&row.path);
    json!({
        "sid": row.sid,
        "account_sid": row.account,
        "domain_sid": row.domain,
        "username": row.user,
        "contact": String::from_utf8_lossy(&row.contact),
        "path": (!path.is_empty()).then_some(path),
        "transport": row.transport.parameter(),
        "source": Text(row.remote),
        "edge": row.edge,
        "instance": row.outbound.as_ref().map(|(instance, _)| instance),
        "reg_id": row.outbound.as_ref().map(|(_, reg_id)| reg_id),
        "user_agent": row.user_agent,
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "date_expires": rfc2822(row.expires_ms),
        "uri": uri(
            row.account,
            format_args!("SIP/Domains/{}/Registrations/{}.json", row.domain, row.sid),
        ),
    })
}
