//! The JSON of a reply by Control: the shape that a fetch of the resource has.

use serde_json::Value;
use store::Reply;

use crate::context::Rendering;
use crate::described;
use crate::resources::{accounts, calls, domains, keys, mappings, recordings, timeline};

pub(crate) fn json(rendering: &Rendering, reply: &Reply) -> Value {
    match reply {
        Reply::Account(row) => accounts::json(row),
        Reply::Key { key, secret } => keys::json(key, secret.as_ref()),
        Reply::Domain { domain, auth } => domains::json(domain, *auth),
        Reply::Mapping(view) => mappings::json(view, rendering.legacy_mapping),
        Reply::CredentialList(row) => described::json(&**row),
        Reply::Credential(row) => described::json(&**row),
        Reply::IpAccessControlList(row) => described::json(&**row),
        Reply::IpAddress(row) => described::json(&**row),
        Reply::Call(row) => calls::json(row),
        Reply::Recording(row) => recordings::json_of_call(row, &rendering.frame.base),
        Reply::Timeline(text) => timeline::json(text.as_deref().unwrap_or("{}")),
        Reply::Deleted => Value::Null,
    }
}
