//! Rows of SQLite as the types of package `store`.

use rusqlite::types::ValueRef;
use rusqlite::{Result, Row};
use shared::{AccountSid, BindingSid, CallSid, DomainSid, Transport};
use store::{
    BindingRecord, Column, Derived, Described, Description, DomainAuth, HttpExchange, HttpMethod,
    MappedList, Mapping, Recorded, Sealer, Secret, Value,
};

use super::sql::{Bits, kind_of_number, word};

/// The error for a value that does not read back: the file is damaged, or another program wrote to it.
pub(super) fn damaged(
    problem: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Null, problem.into())
}

fn bits(row: &Row<'_>, column: &str) -> Result<u128> {
    Ok(row.get::<_, Bits>(column)?.0)
}

/// The values of a described row, one a column, secrets unsealed.
///
/// A secret is sealed together with its row's SID, so that one row's cannot be put into another.
pub(super) fn values(
    row: &Row<'_>,
    description: &Description,
    sealer: &dyn Sealer,
) -> Result<Vec<Value>> {
    let mut values: Vec<Value> = Vec::with_capacity(description.columns.len());
    for column in description.columns {
        let value = match value(row, column)? {
            Value::Bytes(bytes) if column.sealed => {
                let sid = values.first().and_then(Value::sid_bits);
                let sid = sid.ok_or_else(|| damaged("the SID of a row with a secret"))?;
                let plain = sealer.unseal(&sid.to_be_bytes(), &bytes).map_err(damaged)?;
                Value::Secret(Secret::new(String::from_utf8(plain).map_err(damaged)?))
            }
            value => value,
        };
        values.push(value);
    }
    Ok(values)
}

/// The value of a column as it is kept.
fn value(row: &Row<'_>, column: &Column) -> Result<Value> {
    Ok(match row.get_ref(column.name)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        // Strict: a replacement character would be written back by the next update.
        ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).map_err(damaged)?),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(damaged("a fraction where none is kept")),
    })
}

/// A row of history.
pub(super) fn record<R: Recorded>(row: &Row<'_>) -> Result<R> {
    let values = R::COLUMNS.iter().map(|column| value(row, column)).collect::<Result<_>>()?;
    R::from_values(values).map_err(damaged)
}

/// The only column of a row, as a number from 0 on.
pub(super) fn number(row: &Row<'_>) -> Result<u64> {
    let number: i64 = row.get(0)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, number))
}

/// As [`values`], with one more for each derived field that is not live.
pub(super) fn shown(
    row: &Row<'_>,
    description: &Description,
    sealer: &dyn Sealer,
) -> Result<Vec<Value>> {
    let mut values = values(row, description, sealer)?;
    for derived in description.derived {
        values.push(match derived {
            // Control appends them.
            Derived::CurrentSize | Derived::AverageWaitTime => continue,
            // The same words as the snapshot's, so that a fetch and the reply to a write agree.
            Derived::AuthType => domain_auth(row)?.name().into(),
        });
    }
    Ok(values)
}

/// A row of a described kind.
pub(super) fn described<R: Described>(row: &Row<'_>, sealer: &dyn Sealer) -> Result<R> {
    R::from_values(values(row, &R::DESCRIPTION, sealer)?).map_err(damaged)
}

/// The columns `has_ip_access_control_list` and `has_credential_list` that a query adds to a domain for its derived
/// field.
fn domain_auth(row: &Row<'_>) -> Result<DomainAuth> {
    Ok(DomainAuth {
        ip_access_control_list: row.get("has_ip_access_control_list")?,
        credential_list: row.get("has_credential_list")?,
    })
}

pub(super) fn mapping(row: &Row<'_>) -> Result<Mapping> {
    let kind = kind_of_number(row.get("kind")?).ok_or_else(|| damaged("kind of a mapping"))?;
    Ok(Mapping {
        domain: DomainSid(bits(row, "domain")?),
        list: MappedList::new(kind, bits(row, "list")?),
        created_ms: row.get("created_ms")?,
    })
}

pub(super) fn exchange(row: &Row<'_>) -> Result<HttpExchange> {
    let parameters: String = row.get("parameters")?;
    Ok(HttpExchange {
        id: bits(row, "id")?,
        account: AccountSid(bits(row, "account")?),
        call: CallSid(bits(row, "call")?),
        method: word(row, "method", HttpMethod::from_name)?,
        url: row.get("url")?,
        // A JSON text: the parameters are only shown, and nothing filters by them.
        parameters: serde_json::from_str(&parameters).map_err(damaged)?,
        response_code: row.get("response_code")?,
        request_duration_ms: row.get("request_duration_ms")?,
        content_type: row.get("content_type")?,
        response_body: row.get("response_body")?,
        created_ms: row.get("created_ms")?,
    })
}

pub(super) fn binding(row: &Row<'_>) -> Result<BindingRecord> {
    let instance: Option<String> = row.get("instance")?;
    let reg_id: Option<u32> = row.get("reg_id")?;
    Ok(BindingRecord {
        sid: BindingSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        domain: DomainSid(bits(row, "domain")?),
        user: row.get("user")?,
        contact: row.get("contact")?,
        path: row.get("path")?,
        call_id: row.get("call_id")?,
        cseq: row.get("cseq")?,
        transport: word(row, "transport", Transport::from_parameter)?,
        remote: word(row, "remote", |text| text.parse().ok())?,
        local: word(row, "local", |text| text.parse().ok())?,
        edge: row.get("edge")?,
        // Two columns that are null together (RFC 5626 §4.1 has both in one Contact).
        outbound: instance.zip(reg_id),
        user_agent: row.get("user_agent")?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        expires_ms: row.get("expires_ms")?,
    })
}
