//! JSON of a resource, from its description alone.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use store::{Beside, Constant, Description, Resource, Shape, Value as Kept};

use crate::date::rfc2822;

/// A resource as its description shows it, with what else a reply has.
pub(crate) fn json_of(resource: &Resource, beside: &Beside) -> Value {
    let mut values = resource.values();
    values.extend_from_slice(&beside.derived);
    let mut json = json(resource.kind().description(), values);
    if let Some(secret) = &beside.secret {
        // At creation only: the one answer that ever has it.
        json["secret"] = secret.expose_secret().into();
    }
    json
}

/// A row as its description shows it: `values` are those of its columns, then those of its derived fields.
pub(crate) fn json(description: &Description, values: Vec<Kept>) -> Value {
    debug_assert_eq!(values.len(), description.columns.len() + description.derived.len());
    let mut json = Map::new();
    let own = values.first().and_then(Kept::sid_bits).unwrap_or_default();
    let mut values = values.into_iter();
    for (column, value) in description.columns.iter().zip(values.by_ref()) {
        if let Some(shown) = column.shown {
            json.insert(shown.name.to_owned(), show(shown.shape, value, own));
        }
    }
    for (derived, value) in description.derived.iter().zip(values) {
        json.insert(derived.name().to_owned(), show(Shape::Plain, value, own));
    }
    for (name, constant) in description.constants {
        let value = match constant {
            Constant::Text(text) => (*text).into(),
            Constant::Flags(flags) => {
                let flags =
                    flags.iter().map(|(name, is_set)| ((*name).to_owned(), (*is_set).into()));
                Value::Object(flags.collect())
            }
        };
        json.insert((*name).to_owned(), value);
    }
    add_links(description, &mut json);
    json.into()
}

/// Adds `uri`, and the paths of the collections below the row.
fn add_links(description: &Description, json: &mut Map<String, Value>) {
    let Some(collection) = description.collections.first().filter(|_| description.shows_uri) else {
        return;
    };
    // From the JSON and not from the columns: a path is filled with what the row shows.
    let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut path = filled_in("/2010-04-01/", collection.path, text);
    path.push('/');
    path.push_str(text("sid"));
    let below = description.below.iter();
    let below = below.map(|(key, name)| ((*key).to_owned(), format!("{path}/{name}.json").into()));
    let below: Map<_, _> = below.collect();
    // After the collections below are made: their paths have no suffix in the middle.
    path.push_str(".json");
    json.insert("uri".to_owned(), path.into());
    if !below.is_empty() {
        json.insert("subresource_uris".to_owned(), below.into());
    }
}

/// A value in its shape; `own` is the row's own SID.
fn show(shape: Shape, value: Kept, own: u128) -> Value {
    match (shape, value) {
        (Shape::Sid(prefix) | Shape::SidOrOwn(prefix), Kept::Bytes(bytes)) => {
            let mut sid = prefix.to_owned();
            for byte in bytes {
                // Writing to a `String` cannot fail.
                let _ = write!(sid, "{byte:02x}");
            }
            sid.into()
        }
        (Shape::SidOrOwn(prefix), Kept::Null) => format!("{prefix}{own:032x}").into(),
        (Shape::Date, Kept::Integer(unix_ms)) => json!(rfc2822(unix_ms)),
        (Shape::Boolean, Kept::Integer(number)) => (number != 0).into(),
        (Shape::Revealed, Kept::Secret(secret)) => secret.expose_secret().into(),
        (Shape::TextOrEmpty, Kept::Null) => "".into(),
        (_, Kept::Text(text)) => text.into(),
        (_, Kept::Integer(number)) => number.into(),
        // Bytes and secrets have no form of their own: a description that shows them shows nothing.
        (_, Kept::Null | Kept::Bytes(_) | Kept::Secret(_)) => Value::Null,
    }
}

/// The path, after `base`, with each `{name}` replaced by the text that the row shows under that name.
fn filled_in<'t>(base: &str, path: &str, text: impl Fn(&str) -> &'t str) -> String {
    let mut filled = base.to_owned();
    let mut rest = path;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, inside)| Some((before, inside.split_once('}')?)))
    {
        filled.push_str(before);
        filled.push_str(text(name));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use shared::{AccountSid, IpAddressSid, KeySid};
    use store::Described as _;

    #[test]
    fn a_row_below_a_list_names_the_list_in_its_path_and_its_columns_once_each() {
        let row = store::IpAddress {
            sid: IpAddressSid(1),
            account: AccountSid(2),
            list: shared::IpAccessControlListSid(3),
            friendly_name: "a".to_owned(),
            block: store::Cidr::new([192, 0, 2, 1].into(), Some(24)).unwrap(),
            created_ms: 0,
            updated_ms: 1_000,
            revision: 7,
        };
        let list = format!("{}", row.list);
        assert_eq!(
            json(&store::IpAddress::DESCRIPTION, row.values()),
            serde_json::json!({
                "sid": row.sid.to_string(),
                "account_sid": row.account.to_string(),
                "ip_access_control_list_sid": list,
                "friendly_name": "a",
                "ip_address": "192.0.2.1",
                "cidr_prefix_length": 24,
                "date_created": "Thu, 01 Jan 1970 00:00:00 +0000",
                "date_updated": "Thu, 01 Jan 1970 00:00:01 +0000",
                "uri": format!(
                    "/2010-04-01/Accounts/{}/SIP/IpAccessControlLists/{list}/IpAddresses/{}.json",
                    row.account, row.sid,
                ),
            })
        );
    }

    #[test]
    fn what_a_description_hides_is_not_shown() {
        let key = store::Key {
            sid: KeySid(1),
            account: AccountSid(2),
            friendly_name: String::new(),
            secret_hash: store::SecretHash([9; 32]),
            created_ms: 0,
            updated_ms: 0,
            revision: 1,
        };
        let json = json_of(&Resource::Key(Arc::new(key)), &Beside::default());
        let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["date_created", "date_updated", "friendly_name", "sid"]);
    }
}
