//! `/SIP/IpAccessControlLists/{AL}/IpAddresses`: blocks of addresses, version 4 or 6.

use std::net::IpAddr;

use shared::{IpAccessControlListSid, IpAddressSid};
use store::{IpAccessControlList, IpAddress, Write, WriteError};

use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::described;
use crate::lookup::sid;

/// Code of an invalid address or prefix.
const INVALID: u32 = 21235;

pub(crate) fn collection(context: &Context<'_>, list: &str) -> Answered {
    let list: IpAccessControlListSid = sid(list)?;
    match context.collection_verb()? {
        CollectionVerb::List => {
            described::must_be_there::<IpAccessControlList>(context, list.0)?;
            described::list::<IpAddress>(context, list.0)
        }
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
            described::must_be_there::<IpAccessControlList>(context, list.0)?;
            described::fetch::<IpAddress>(context, list.0, ip_address.0)
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

fn address(context: &Context<'_>) -> Result<Option<IpAddr>, WriteError> {
    let Some(text) = context.form.value("IpAddress") else { return Ok(None) };
    let message = "IpAddress must be one IPv4 or IPv6 address, without wildcards";
    text.parse().map(Some).map_err(|_| WriteError::invalid(INVALID, message))
}

fn prefix(context: &Context<'_>) -> Result<Option<u8>, WriteError> {
    let number = context.form.number("CidrPrefixLength", (0, 128), INVALID)?;
    Ok(number.and_then(|number| u8::try_from(number).ok()))
}
