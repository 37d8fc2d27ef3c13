//! From rows to the types of package `store`.

use rusqlite::{Result, Row};
use shared::{
    AccountSid, BindingSid, CallSid, ConferenceSid, CredentialListSid, CredentialSid, DomainSid,
    IpAccessControlListSid, IpAddressSid, KeySid, NotificationSid, RecordingSid,
};
use store::{
    Account, AccountStatus, BindingRecord, BindingTransport, CallDirection, CallRecord, CallStatus,
    Cidr, Credential, CredentialList, Domain, DomainAuth, DomainLabels, Ha1, HttpExchange,
    HttpMessages, HttpMethod, IpAccessControlList, IpAddress, Key, MappedList, Mapping,
    NotificationLevel, NotificationRecord, RecordingRecord, RecordingSource, RecordingStatus,
    Sealer, Secret, SecretHash,
};

use crate::sql::{Address, Bits, kind_of_number, word};

/// A value that does not read back: a damaged file, or another program wrote to it.
fn damaged(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Null, problem.into())
}

fn bits(row: &Row<'_>, column: &str) -> Result<u128> {
    Ok(row.get::<_, Bits>(column)?.0)
}

fn optional_bits(row: &Row<'_>, column: &str) -> Result<Option<u128>> {
    Ok(row.get::<_, Option<Bits>>(column)?.map(|bits| bits.0))
}

fn revision(row: &Row<'_>) -> Result<u64> {
    let number: i64 = row.get("revision")?;
    u64::try_from(number).map_err(damaged)
}

pub(crate) fn account(row: &Row<'_>, sealer: &dyn Sealer) -> Result<Account> {
    let sid = AccountSid(bits(row, "sid")?);
    let sealed: Vec<u8> = row.get("auth_token")?;
    let plain = sealer.unseal(&sid.0.to_be_bytes(), &sealed).map_err(damaged)?;
    Ok(Account {
        sid,
        parent: optional_bits(row, "parent")?.map(AccountSid),
        friendly_name: row.get("friendly_name")?,
        status: word(row, "status", AccountStatus::from_name)?,
        auth_token: Secret::new(String::from_utf8(plain).map_err(damaged)?),
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        revision: revision(row)?,
    })
}

pub(crate) fn key(row: &Row<'_>) -> Result<Key> {
    Ok(Key {
        sid: KeySid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        friendly_name: row.get("friendly_name")?,
        secret_hash: SecretHash(row.get("secret_hash")?),
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        revision: revision(row)?,
    })
}

pub(crate) fn domain(row: &Row<'_>) -> Result<Domain> {
    let labels: String = row.get("labels")?;
    Ok(Domain {
        sid: DomainSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        domain_name: row.get("domain_name")?,
        labels: DomainLabels::parse(&labels).map_err(damaged)?,
        parent: optional_bits(row, "parent")?.map(DomainSid),
        friendly_name: row.get("friendly_name")?,
        voice_url: row.get("voice_url")?,
        voice_method: word(row, "voice_method", HttpMethod::from_name)?,
        voice_fallback_url: row.get("voice_fallback_url")?,
        voice_fallback_method: word(row, "voice_fallback_method", HttpMethod::from_name)?,
        voice_status_callback_url: row.get("voice_status_callback_url")?,
        voice_status_callback_method: word(
            row,
            "voice_status_callback_method",
            HttpMethod::from_name,
        )?,
        sip_registration: row.get("sip_registration")?,
        emergency_calling_enabled: row.get("emergency_calling_enabled")?,
        secure: row.get("secure")?,
        byoc_trunk_sid: row.get("byoc_trunk_sid")?,
        emergency_caller_sid: row.get("emergency_caller_sid")?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        revision: revision(row)?,
    })
}

/// The columns `has_ip_access_control_list` and `has_credential_list` beside a domain.
pub(crate) fn domain_auth(row: &Row<'_>) -> Result<DomainAuth> {
    Ok(DomainAuth {
        ip_access_control_list: row.get("has_ip_access_control_list")?,
        credential_list: row.get("has_credential_list")?,
    })
}

pub(crate) fn credential_list(row: &Row<'_>) -> Result<CredentialList> {
    Ok(CredentialList {
        sid: CredentialListSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        friendly_name: row.get("friendly_name")?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        revision: revision(row)?,
    })
}

pub(crate) fn credential(row: &Row<'_>) -> Result<Credential> {
    Ok(Credential {
        sid: CredentialSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        list: CredentialListSid(bits(row, "list")?),
        username: row.get("username")?,
        ha1: Ha1 { md5: row.get("ha1_md5")?, sha256: row.get("ha1_sha256")? },
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        revision: revision(row)?,
    })
}

pub(crate) fn ip_access_control_list(row: &Row<'_>) -> Result<IpAccessControlList> {
    Ok(IpAccessControlList {
        sid: IpAccessControlListSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        friendly_name: row.get("friendly_name")?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        revision: revision(row)?,
    })
}

pub(crate) fn ip_address(row: &Row<'_>) -> Result<IpAddress> {
    let address: Address = row.get("address")?;
    let prefix: u8 = row.get("prefix")?;
    Ok(IpAddress {
        sid: IpAddressSid(bits(row, "sid")?),
        account: AccountSid(bits(row, "account")?),
        list: IpAccessControlListSid(bits(row, "list")?),
        friendly_name: row.get("friendly_name")?,
        block: Cidr::new(address.0, Some(prefix)).ok_or_else(|| damaged("prefix of an address"))?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
        revision: revision(row)?,
    })
}

pub(crate) fn mapping(row: &Row<'_>) -> Result<Mapping> {
    let kind = kind_of_number(row.get("kind")?).ok_or_else(|| damaged("kind of a mapping"))?;
    Ok(Mapping {
        domain: DomainSid(bits(row, "domain")?),
        list: MappedList::new(kind, bits(row, "list")?),
        created_ms: row.get("created_ms")?,
    })
}

pub(crate) fn call(row: &Row<'_>) -> Result<CallRecord> {
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

pub(crate) fn recording(row: &Row<'_>) -> Result<RecordingRecord> {
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

pub(crate) fn notification(row: &Row<'_>) -> Result<NotificationRecord> {
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

pub(crate) fn exchange(row: &Row<'_>) -> Result<HttpExchange> {
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

pub(crate) fn binding(row: &Row<'_>) -> Result<BindingRecord> {
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
        transport: word(row, "transport", BindingTransport::from_name)?,
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
