//! Rows of SQLite as the types of package `store`.

use rusqlite::types::ValueRef;
use rusqlite::{Result, Row};
use shared::{
    AccountSid, BindingSid, CallSid, ConferenceSid, DomainSid, NotificationSid, RecordingSid,
    Transport,
};
use store::{
    BindingRecord, CallDirection, CallRecord, CallStatus, Derived, Described, Description,
    DomainAuth, HttpExchange, HttpMessages, HttpMethod, MappedList, Mapping, NotificationLevel,
    NotificationRecord, RecordingRecord, RecordingSource, RecordingStatus, Sealer, Secret, Value,
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

fn optional_bits(row: &Row<'_>, column: &str) -> Result<Option<u128>> {
    Ok(row.get::<_, Option<Bits>>(column)?.map(|bits| bits.0))
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
        let value = match row.get_ref(column.name)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).map_err(damaged)?),
            ValueRef::Blob(bytes) if column.sealed => {
                let sid = values.first().and_then(Value::sid_bits);
                let sid = sid.ok_or_else(|| damaged("the SID of a row with a secret"))?;
                let plain = sealer.unseal(&sid.to_be_bytes(), bytes).map_err(damaged)?;
                Value::Secret(Secret::new(String::from_utf8(plain).map_err(damaged)?))
            }
            ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            ValueRef::Real(_) => return Err(damaged("a fraction where none is kept")),
        };
        values.push(value);
    }
    Ok(values)
}

/// As [`values`], with one more for each derived field: what the API shows.
pub(super) fn shown(
    row: &Row<'_>,
    description: &Description,
    sealer: &dyn Sealer,
) -> Result<Vec<Value>> {
    let mut values = values(row, description, sealer)?;
    for derived in description.derived {
        values.push(match derived {
            Derived::AuthType => Value::Text(domain_auth(row)?.name().to_owned()),
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

pub(super) fn call(row: &Row<'_>) -> Result<CallRecord> {
    Ok(CallRecord {
        sid: CallSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        parent: optional_bits(row, "parent")?.map(CallSid),
        to: row.get("callee")?,
        from: row.get("caller")?,
        status: word(row, "status", CallStatus::from_name)?,
        direction: word(row, "direction", CallDirection::from_name)?,
        start_ms: row.get("start_ms")?,
        end_ms: row.get("end_ms")?,
        duration_s: row.get("duration_s")?,
        queue_time_ms: row.get("queue_time_ms")?,
        answered_by: row.get("answered_by")?,
        forwarded_from: row.get("forwarded_from")?,
        caller_name: row.get("caller_name")?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
    })
}

pub(super) fn recording(row: &Row<'_>) -> Result<RecordingRecord> {
    let bytes: Option<i64> = row.get("bytes")?;
    Ok(RecordingRecord {
        sid: RecordingSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        call: CallSid(bits(row, "call")?),
        conference: optional_bits(row, "conference")?.map(ConferenceSid),
        status: word(row, "status", RecordingStatus::from_name)?,
        source: word(row, "source", RecordingSource::from_name)?,
        channels: row.get("channels")?,
        duration_s: row.get("duration_s")?,
        bytes: bytes.map(u64::try_from).transpose().map_err(damaged)?,
        start_ms: row.get("start_ms")?,
        error_code: row.get("error_code")?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
    })
}

pub(super) fn notification(row: &Row<'_>) -> Result<NotificationRecord> {
    let level: u8 = row.get("level")?;
    let method: Option<String> = row.get("method")?;
    let exchange = match method {
        None => None,
        Some(_) => Some(HttpMessages {
            method: word(row, "method", HttpMethod::from_name)?,
            url: row.get("url")?,
            request_variables: row.get("request_variables")?,
            response_headers: row.get("response_headers")?,
            response_body: row.get("response_body")?,
        }),
    };
    Ok(NotificationRecord {
        sid: NotificationSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        call: optional_bits(row, "call")?.map(CallSid),
        level: if level == 0 { NotificationLevel::Error } else { NotificationLevel::Warning },
        error_code: row.get("error_code")?,
        message: row.get("message")?,
        exchange,
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
        outbound: instance.zip(reg_id),
        user_agent: row.get("user_agent")?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        expires_ms: row.get("expires_ms")?,
    })
}
