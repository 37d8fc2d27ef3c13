//! Values as SQLite keeps them.

use rusqlite::types::{
    FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value as Kept, ValueRef,
};
use store::{MappingKind, SealError, Sealer, Value};

/// SID bits as a 16-byte blob, most significant byte first, so that blobs sort like SIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits(pub(super) u128);

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

/// The value that SQLite keeps for a value of the row with this SID: secrets are sealed.
///
/// # Errors
/// Those of the sealer.
pub(super) fn kept(value: Value, sid: u128, sealer: &dyn Sealer) -> Result<Kept, SealError> {
    // With the SID as context, one row's secret cannot be moved to another row.
    let Value::Secret(secret) = value else { return Ok(plain(value)) };
    Ok(Kept::Blob(sealer.seal(&sid.to_be_bytes(), secret.expose_secret().as_bytes())?))
}

/// The value that SQLite keeps and compares for a value that is not sealed. A secret has none: what is sealed cannot
/// be searched.
pub(super) fn plain(value: Value) -> Kept {
    match value {
        Value::Null | Value::Secret(_) => Kept::Null,
        Value::Integer(number) => Kept::Integer(number),
        Value::Text(text) => Kept::Text(text),
        Value::Bytes(bytes) => Kept::Blob(bytes),
    }
}

/// A word of the contract in a text column, read by the type's `from_name`.
pub(super) fn word<T>(
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

/// The number that the database keeps for a kind of mapping.
pub(super) const fn kind_number(kind: MappingKind) -> u8 {
    match kind {
        // On disk: a number that was released keeps its meaning.
        MappingKind::CallsIpAccessControlList => 0,
        MappingKind::CallsCredentialList => 1,
        MappingKind::RegistrationsCredentialList => 2,
    }
}

/// The inverse of [`kind_number`].
pub(super) const fn kind_of_number(number: u8) -> Option<MappingKind> {
    match number {
        0 => Some(MappingKind::CallsIpAccessControlList),
        1 => Some(MappingKind::CallsCredentialList),
        2 => Some(MappingKind::RegistrationsCredentialList),
        _ => None,
    }
}
