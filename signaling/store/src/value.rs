//! Values of columns and parameters, in the storage classes that every SQL database has. Sans-IO.

use crate::secret::Secret;

/// A value of one column or of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value: SQL NULL, JSON null.
    Null,
    /// A number, a moment in Unix milliseconds, or 0 and 1 for false and true.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes. Of a SID its 16 bytes, most significant first, so that they sort by age.
    Bytes(Vec<u8>),
    /// Text that the database seals before it writes it.
    Secret(Secret),
}

impl Value {
    /// A SID's bits.
    pub fn sid(bits: u128) -> Self {
        Self::Bytes(bits.to_be_bytes().to_vec())
    }

    /// The bits of a SID; `None` where this is not one.
    pub fn sid_bits(&self) -> Option<u128> {
        match self {
            // Exactly 16 bytes: a hash of 32 is no SID.
            Self::Bytes(bytes) => Some(u128::from_be_bytes(bytes.as_slice().try_into().ok()?)),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// An absent value is [`Value::Null`].
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
