//! Types of fields as plain values: what a column keeps of each, and back. Sans-IO.
//!
//! A field may take several columns that follow each other (a block of addresses: address and prefix), so a type
//! appends and takes as many values as it needs.

use std::net::IpAddr;

use shared::{
    CallSid, Code, ConferenceSid, EncryptionDetails, ExecutionSid, NotificationSid, RecordingSid,
};

use crate::kind::resources;
use crate::secret::{Secret, SecretHash};
use crate::value::Value;

/// A type that is kept in one column, or in several that follow each other.
pub(crate) trait Stored: Sized {
    /// Appends a value for each of its columns.
    fn put(&self, values: &mut Vec<Value>);

    /// Takes as many values as [`Stored::put`] appends. `None` where they do not make such a value.
    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self>;
}

macro_rules! stored_sids {
    ($($sid:ty),*) => {$(
        impl Stored for $sid {
            fn put(&self, values: &mut Vec<Value>) {
                values.push(Value::sid(self.0));
            }

            fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
                values.next()?.sid_bits().map(Self)
            }
        }
    )*};
}

macro_rules! stored_resource_sids {
    ($($(#[$doc:meta])* $table:ident: $kind:ident = $row:ty, $sid:ty;)*) => {
        stored_sids!($($sid),*);
    };
}

resources!(stored_resource_sids);
stored_sids!(CallSid, RecordingSid, ConferenceSid, NotificationSid, ExecutionSid);

/// Types that are kept as the contract's word.
macro_rules! stored_words {
    ($($word:ty),*) => {$(
        impl Stored for $word {
            fn put(&self, values: &mut Vec<Value>) {
                values.push(self.name().into());
            }

            fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
                Self::from_name(&String::take(values)?)
            }
        }
    )*};
}

stored_words!(
    crate::account::AccountStatus,
    crate::calls::CallDirection,
    crate::calls::CallStatus,
    crate::calls::RecordingTrack,
    crate::conferences::ConferenceEnd,
    crate::conferences::ConferenceStatus,
    crate::domain::HttpMethod,
    crate::record::RecordingSource,
    crate::record::RecordingStatus,
    crate::studio::ExecutionStatus
);

impl<T: Stored> Stored for Option<T> {
    fn put(&self, values: &mut Vec<Value>) {
        match self {
            None => values.push(Value::Null),
            Some(value) => value.put(values),
        }
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        match values.next()? {
            Value::Null => Some(None),
            // One column only. An optional type of several columns has an implementation of its own
            // (`HttpMessages`).
            value => T::take(&mut std::iter::once(value)).map(Some),
        }
    }
}

impl Stored for String {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Text(self.clone()));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        match values.next()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Stored for i64 {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Integer(*self));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        match values.next()? {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }
}

/// A count, such as a revision, which never comes near 2^63.
impl Stored for u64 {
    fn put(&self, values: &mut Vec<Value>) {
        debug_assert!(i64::try_from(*self).is_ok(), "the count {self} does not fit in a column");
        // SQL databases have no unsigned integer of 64 bits.
        values.push(Value::Integer(*self as i64));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        i64::take(values)?.try_into().ok()
    }
}

impl Stored for EncryptionDetails {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Text(self.to_string()));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        String::take(values)?.parse().ok()
    }
}

impl Stored for Code {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Integer(i64::from(self.number())));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        // A code that a newer version stored is kept and shown as it is, although this version cannot name
        // it.
        i64::take(values)?.try_into().ok().map(Self::from_stored)
    }
}

impl Stored for bool {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Integer(i64::from(*self)));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        // As SQL reads a number as a truth value.
        i64::take(values).map(|number| number != 0)
    }
}

/// A small number, such as the length of a prefix.
impl Stored for u8 {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Integer(i64::from(*self)));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        i64::take(values)?.try_into().ok()
    }
}

/// A number such as a length in seconds.
impl Stored for u32 {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Integer(i64::from(*self)));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        i64::take(values)?.try_into().ok()
    }
}

impl Stored for IpAddr {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Text(self.to_string()));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        String::take(values)?.parse().ok()
    }
}

impl Stored for Secret {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Secret(self.clone()));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        match values.next()? {
            Value::Secret(secret) => Some(secret),
            _ => None,
        }
    }
}

impl<const N: usize> Stored for [u8; N] {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Bytes(self.to_vec()));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        match values.next()? {
            Value::Bytes(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl Stored for SecretHash {
    fn put(&self, values: &mut Vec<Value>) {
        self.0.put(values);
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        Stored::take(values).map(Self)
    }
}
