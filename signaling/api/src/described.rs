//! JSON, list and fetch of a resource, from its description alone.

use serde_json::{Map, Value, json};
use store::{Described, Description, Shape, Value as Kept, WriteError};

use crate::auth::unreadable;
use crate::context::{Answered, Context};
use crate::date::rfc2822;
use crate::lookup::{found, uri_of};
use crate::paging::{ListRow, paging};

/// Answers `GET` of a collection: a page of the rows that belong to `owner`, an account or a list of one.
pub(crate) fn list<R: Described>(context: &Context<'_>, owner: u128) -> Answered {
    list_named::<R>(context, owner, R::DESCRIPTION.list_key)
}

/// As [`list`], under another key: a list may have two paths.
pub(crate) fn list_named<R: Described>(context: &Context<'_>, owner: u128, key: &str) -> Answered {
    let paging = paging(&context.form)?;
    let page = context.reader.resources::<R>(owner, paging.request).map_err(unreadable)?;
    let page = page.map(|row| {
        let (prefix, bits) = sid_of(&R::DESCRIPTION, &row.values());
        ListRow { json: json(&row), prefix, bits }
    });
    context.ok(&paging.v2010(context.frame, key, page))
}

/// Answers `GET` of one row that belongs to `owner`.
pub(crate) fn fetch<R: Described>(context: &Context<'_>, owner: u128, sid: u128) -> Answered {
    context.ok(&json(&found(context.reader.resource::<R>(Some(owner), sid))?))
}

/// Checks that the account owns a row. Do this before reading what belongs to the row, which is found by its SID
/// alone.
pub(crate) fn must_be_there<R: Described>(
    context: &Context<'_>,
    sid: u128,
) -> Result<(), WriteError> {
    let account = Some(context.account.sid.0);
    found(context.reader.resource::<R>(account, sid)).map(drop)
}

/// Prefix and bits of a row's SID: a page's links name rows by it.
fn sid_of(description: &Description, values: &[Kept]) -> (&'static str, u128) {
    let prefix = match description.columns.first().and_then(|column| column.shown) {
        Some(shown) => match shown.shape {
            Shape::Sid(prefix) => prefix,
            Shape::Plain | Shape::Date => "",
        },
        None => "",
    };
    debug_assert!(!prefix.is_empty(), "{} shows its SID first", description.table);
    (prefix, values.first().and_then(Kept::sid_bits).unwrap_or_default())
}

/// A row as its description shows it.
pub(crate) fn json<R: Described>(row: &R) -> Value {
    let description = &R::DESCRIPTION;
    let mut json = Map::new();
    for (column, value) in description.columns.iter().zip(row.values()) {
        if let Some(shown) = column.shown {
            json.insert(shown.name.to_owned(), show(shown.shape, value));
        }
    }
    let Some(collection) = description.path else { return json.into() };
    let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    let path = format!("{}/{}", filled_in(collection, text), text("sid"));
    let account = text("account_sid").to_owned();
    let uri = |path: &str| Value::from(uri_of(&account, &format!("{path}.json")));
    json.insert("uri".to_owned(), uri(&path));
    if !description.below.is_empty() {
        let below = description.below.iter();
        let below = below.map(|(key, name)| ((*key).to_owned(), uri(&format!("{path}/{name}"))));
        json.insert("subresource_uris".to_owned(), below.collect::<Map<_, _>>().into());
    }
    json.into()
}

fn show(shape: Shape, value: Kept) -> Value {
    match (shape, value) {
        (Shape::Sid(prefix), Kept::Bytes(bytes)) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{prefix}{digits}").into()
        }
        (Shape::Date, Kept::Integer(unix_ms)) => rfc2822(unix_ms).into(),
        (Shape::Plain | Shape::Sid(_) | Shape::Date, Kept::Text(text)) => text.into(),
        (Shape::Plain | Shape::Sid(_), Kept::Integer(number)) => json!(number),
        // Bytes and secrets have no form of their own: a description that shows them shows nothing.
        (_, Kept::Null | Kept::Bytes(_) | Kept::Secret(_)) => Value::Null,
    }
}

/// The path with each `{name}` replaced by the text that the row shows under that name.
fn filled_in<'t>(path: &str, text: impl Fn(&str) -> &'t str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, inside)| Some((before, inside.split_once('}')?)))
    {
        filled.push_str(before);
        filled.push_str(text(name));
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::{AccountSid, IpAddressSid, KeySid};

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
            json(&row),
            json!({
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
        let json = json(&key);
        let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["date_created", "date_updated", "friendly_name", "sid"]);
    }
}
