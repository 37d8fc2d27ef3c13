//! Values as SQLite keeps them.

use std::net::IpAddr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use store::MappingKind;

/// SID bits as a 16-byte blob, most significant byte first, so that blobs sort like SIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits(pub(crate) u128);

impl ToSql for Bits {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.to_be_bytes().to_vec()))
    }
}

impl FromSql for Bits {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        let array = bytes.try_into().map_err(|_| FromSqlError::InvalidType)?;
        Ok(Self(u128::from_be_bytes(array)))
    }
}

/// An address as text.
pub(crate) struct Address(pub(crate) IpAddr);

impl FromSql for Address {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(|_| FromSqlError::InvalidType)
    }
}

/// A word of the contract, read by the type's own `from_name`.
pub(crate) fn word<T>(
    row: &rusqlite::Row<'_>,
    column: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| {
        let problem = format!("`{text}` in column {column}");
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, problem.into())
    })
}

/// The number a mapping's kind is kept as.
pub(crate) const fn kind_number(kind: MappingKind) -> u8 {
    match kind {
        MappingKind::CallsIpAccessControlList => 0,
        MappingKind::CallsCredentialList => 1,
        MappingKind::RegistrationsCredentialList => 2,
    }
}

/// The inverse of [`kind_number`].
pub(crate) const fn kind_of_number(number: u8) -> Option<MappingKind> {
    match number {
        0 => Some(MappingKind::CallsIpAccessControlList),
        1 => Some(MappingKind::CallsCredentialList),
        2 => Some(MappingKind::RegistrationsCredentialList),
        _ => None,
    }
}
