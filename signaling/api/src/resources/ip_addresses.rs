//! `/SIP/IpAccessControlLists/{AL}/IpAddresses`: blocks of addresses, version 4 or 6 (contract rest.md §5.4).

use std::net::IpAddr;

use serde_json::{Value, json};
use shared::{IpAccessControlListSid, IpAddressSid};
use store::{IpAddress, Write, WriteError};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::date::rfc2822;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};

/// The address or its list is invalid.
const INVALID: u32 = 21235;

pub(crate) fn collection(context: &Context<'_>, list: &str) -> Answered {
    let list: IpAccessControlListSid = sid(list)?;
    match context.collection_verb()? {
        CollectionVerb::List => list_rows(context, list),
        CollectionVerb::Create => {
            let required = || WriteError::invalid(INVALID, "IpAddress is required");
            context.create(Write::CreateIpAddress {
                list,
                friendly_name: context.form.raw("FriendlyName").unwrap_or_default().to_owned(),
                address: address(context)?.ok_or_else(required)?,
                prefix: prefix(context)?,
            })
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, list: &str, ip_address: &str) -> Answered {
    let list: IpAccessControlListSid = sid(list)?;
    let ip_address: IpAddressSid = sid(ip_address)?;
    match context.instance_verb()? {
        InstanceVerb::Fetch => {
            found(context.reader.ip_access_control_list(context.account.sid, list))?;
            context.ok(&json(&found(context.reader.ip_address(list, ip_address))?))
        }
        InstanceVerb::Update => context.update(Write::UpdateIpAddress {
            list,
            ip_address,
            friendly_name: context.form.value("FriendlyName").map(str::to_owned),
            address: address(context)?,
            prefix: prefix(context)?,
        }),
        InstanceVerb::Delete => context.delete(Write::DeleteIpAddress { list, ip_address }),
    }
}

fn list_rows(context: &Context<'_>, list: IpAccessControlListSid) -> Answered {
    found(context.reader.ip_access_control_list(context.account.sid, list))?;
    let paging = paging(&context.form)?;
    let page = context
        .reader
        .ip_addresses(list, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow { json: json(&row), prefix: IpAddressSid::PREFIX, bits: row.sid.0 });
    context.ok(&paging.v2010(context.frame, "ip_addresses", page))
}

fn address(context: &Context<'_>) -> Result<Option<IpAddr>, WriteError> {
    let Some(text) = context.form.value("IpAddress") else { return Ok(None) };
    let message = "IpAddress must be one IPv4 or IPv6 address, without wildcards";
    text.parse().map(Some).map_err(|_| WriteError::invalid(INVALID, message))
}

fn prefix(context: &Context<'_>) -> Result<Option<u8>, WriteError> {
    let number = context.form.number("CidrPrefixLength", (0, 128), INVALID)?;
    Ok(number.and_then(|number| u8::try_from(number).ok()))
}

pub(crate) fn json(row: &IpAddress) -> Value {
    let path = format!("SIP/IpAccessControlLists/{}/IpAddresses/{}.json", row.list, row.sid);
    json!({
        "sid": row.sid.to_string(),
        "account_sid": row.account.to_string(),
        "ip_access_control_list_sid": row.list.to_string(),
        "friendly_name": row.friendly_name,
        "ip_address": row.block.address().to_string(),
        "cidr_prefix_length": row.block.prefix(),
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(row.account, &path),
    })
}
