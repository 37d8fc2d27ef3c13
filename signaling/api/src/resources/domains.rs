//! `/SIP/Domains`: the hosts that callers name, and the URLs that answer their calls.
//!
//! Its JSON is written out: `auth_type` comes from the mappings.

use serde_json::{Value, json};
use shared::DomainSid;
use store::{Domain, DomainAuth, DomainFields, Write, WriteError};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::date::rfc2822;
use crate::form::Form;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};

/// Code of an invalid parameter of a domain; the message names the parameter.
const INVALID: u32 = 21231;

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    match context.collection_verb()? {
        CollectionVerb::List => list(context),
        CollectionVerb::Create => {
            context.create(Write::CreateDomain(Box::new(fields(&context.form)?)))
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, domain: &str) -> Answered {
    let domain: DomainSid = sid(domain)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => {
            let (row, auth) = found(context.reader.domain(context.account.sid, domain))?;
            context.ok(&json(&row, auth))
        }
        InstanceVerb::Update => {
            let fields = Box::new(fields(&context.form)?);
            context.update(Write::UpdateDomain { domain, fields })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteDomain(domain)),
    }
}

fn list(context: &Context<'_>) -> Answered {
    let paging = paging(&context.form)?;
    let page =
        context.reader.domains(context.account.sid, paging.request).map_err(unreadable)?.map(
            |(row, auth)| ListRow {
                json: json(&row, auth),
                prefix: DomainSid::PREFIX,
                bits: row.sid.0,
            },
        );
    context.ok(&paging.v2010(context.frame, "domains", page))
}

fn fields(form: &Form) -> Result<DomainFields, WriteError> {
    Ok(DomainFields {
        domain_name: form.value("DomainName").map(str::to_owned),
        friendly_name: form.patch("FriendlyName"),
        voice_url: form.url_patch("VoiceUrl", INVALID)?,
        voice_method: form.method_patch("VoiceMethod", INVALID)?,
        voice_fallback_url: form.url_patch("VoiceFallbackUrl", INVALID)?,
        voice_fallback_method: form.method_patch("VoiceFallbackMethod", INVALID)?,
        voice_status_callback_url: form.url_patch("VoiceStatusCallbackUrl", INVALID)?,
        voice_status_callback_method: form.method_patch("VoiceStatusCallbackMethod", INVALID)?,
        sip_registration: form.boolean_patch("SipRegistration")?,
        emergency_calling_enabled: emergency_calling(form)?,
        secure: form.boolean_patch("Secure")?,
        byoc_trunk_sid: unknown(form, ("ByocTrunkSid", "BY"), (21300, "BYOC trunks"))?,
        emergency_caller_sid: unknown(
            form,
            ("EmergencyCallerSid", "PN"),
            (INVALID, "phone number resources"),
        )?,
    })
}

/// Refuses emergency calling: a domain that only seems to route emergency calls is worse than one that does not.
fn emergency_calling(form: &Form) -> Result<store::Patch<bool>, WriteError> {
    let wanted = form.boolean_patch("EmergencyCallingEnabled")?;
    if wanted == store::Patch::Set(true) {
        let message = "EmergencyCallingEnabled cannot be set: emergency calling, with its route to a \
                       carrier and its call-back number, is not built in this version of the gateway";
        return Err(WriteError::invalid(INVALID, message));
    }
    Ok(wanted)
}

/// Reads the SID of a kind of resource that is not built: it can only be cleared.
fn unknown(
    form: &Form,
    (name, prefix): (&str, &str),
    (code, resources): (u32, &str),
) -> Result<store::Patch<String>, WriteError> {
    let Some(text) = form.value(name) else { return Ok(form.patch(name)) };
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("{name} must be a SID that begins with {prefix}");
        return Err(WriteError::invalid(INVALID, message));
    }
    let message =
        format!("{name} is unknown: {resources} are not built in this version of the gateway");
    Err(WriteError::invalid(code, message))
}

pub(crate) fn json(row: &Domain, auth: DomainAuth) -> Value {
    let path = format!("SIP/Domains/{}", row.sid);
    let below = |name: &str| uri(row.account, &format!("{path}/{name}.json"));
    json!({
        "sid": row.sid.to_string(),
        "account_sid": row.account.to_string(),
        "api_version": "2010-04-01",
        "domain_name": row.domain_name,
        "friendly_name": row.friendly_name,
        "auth_type": auth_type(auth),
        "voice_url": row.voice_url,
        "voice_method": row.voice_method.name(),
        "voice_fallback_url": row.voice_fallback_url,
        "voice_fallback_method": row.voice_fallback_method.name(),
        "voice_status_callback_url": row.voice_status_callback_url,
        "voice_status_callback_method": row.voice_status_callback_method.name(),
        "sip_registration": row.sip_registration,
        "secure": row.secure,
        "emergency_calling_enabled": row.emergency_calling_enabled,
        "emergency_caller_sid": row.emergency_caller_sid,
        "byoc_trunk_sid": row.byoc_trunk_sid,
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(row.account, &format!("{path}.json")),
        "subresource_uris": {
            "credential_list_mappings": below("CredentialListMappings"),
            "ip_access_control_list_mappings": below("IpAccessControlListMappings"),
        },
    })
}

/// The contract's word for the lists mapped for calls. Empty without any: such a domain refuses all calls.
const fn auth_type(auth: DomainAuth) -> &'static str {
    match (auth.ip_access_control_list, auth.credential_list) {
        (false, false) => "",
        (true, false) => "IP_ACL",
        (false, true) => "CREDENTIAL_LIST",
        (true, true) => "IP_ACL,CREDENTIAL_LIST",
    }
}
