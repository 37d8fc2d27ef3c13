//! Values as they are written, and the types of settings that several sections share. Pure.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A value as it was written, before a setting's type makes sense of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A TOML string, or the plain text of a variable or a flag.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// true or false.
    Boolean(bool),
    /// A list.
    List(Vec<Value>),
    /// A kind of TOML value that no setting has; the word names it.
    Other(&'static str),
}

/// A type that a setting can have.
pub trait SettingValue: Sized {
    /// Form of a value, for error texts: "expected SHAPE".
    const SHAPE: &'static str;

    /// Makes sense of a value; `None` when it has the wrong shape.
    fn read(value: &Value) -> Option<Self>;
}

impl SettingValue for bool {
    const SHAPE: &'static str = "true or false";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Boolean(value) => Some(*value),
            _ => None,
        }
    }
}

impl SettingValue for u16 {
    const SHAPE: &'static str = "a whole number, 0 to 65535";

    fn read(value: &Value) -> Option<Self> {
        integer(value)
    }
}

impl SettingValue for u32 {
    const SHAPE: &'static str = "a whole number, 0 to 4294967295";

    fn read(value: &Value) -> Option<Self> {
        integer(value)
    }
}

impl SettingValue for String {
    const SHAPE: &'static str = "text";

    fn read(value: &Value) -> Option<Self> {
        text(value).map(str::to_owned)
    }
}

impl SettingValue for PathBuf {
    const SHAPE: &'static str = "a path";

    fn read(value: &Value) -> Option<Self> {
        text(value).map(Self::from)
    }
}

impl SettingValue for SocketAddr {
    const SHAPE: &'static str = "an address with port, like 0.0.0.0:5060 or [::]:5060";

    fn read(value: &Value) -> Option<Self> {
        text(value)?.parse().ok()
    }
}

impl SettingValue for IpAddr {
    const SHAPE: &'static str = "an IP address";

    fn read(value: &Value) -> Option<Self> {
        text(value)?.parse().ok()
    }
}

/// A list; plain text is split at commas, so that variables and flags need no brackets.
impl<T: SettingValue> SettingValue for Vec<T> {
    const SHAPE: &'static str = T::SHAPE;

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::List(values) => values.iter().map(T::read).collect(),
            Value::Text(text) if text.trim().is_empty() => Some(Self::new()),
            Value::Text(text) => {
                text.split(',').map(|part| T::read(&Value::Text(part.trim().to_owned()))).collect()
            }
            Value::Integer(_) | Value::Boolean(_) | Value::Other(_) => None,
        }
    }
}

/// The text of a value; `None` for any other kind.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Other(_) => None,
    }
}

/// A whole number in the range of `T`; `None` for any other kind or number.
pub(super) fn integer<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    match value {
        Value::Integer(value) => T::try_from(*value).ok(),
        Value::Text(_) | Value::Boolean(_) | Value::List(_) | Value::Other(_) => None,
    }
}

/// Declares settings whose values are words, each as an enum. A word that is a number (`403`) may stand
/// without quotes.
macro_rules! word_settings {
    ($( $(#[doc = $doc:literal])+ $Name:ident = $shape:literal {
        $( $(#[doc = $variant_doc:literal])+ $(#[$default:ident])? $Variant:ident = $word:literal, )+
    } )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $Name { $( $(#[doc = $variant_doc])+ $(#[$default])? $Variant, )+ }

        impl $Name {
            /// The word of the settings file.
            pub const fn word(self) -> &'static str {
                match self { $( Self::$Variant => $word, )+ }
            }
        }

        impl $crate::config::value::SettingValue for $Name {
            const SHAPE: &'static str = $shape;

            fn read(value: &$crate::config::value::Value) -> Option<Self> {
                let word = match value {
                    $crate::config::value::Value::Integer(number) => number.to_string(),
                    value => $crate::config::value::text(value)?.to_ascii_lowercase(),
                };
                match word.as_str() { $( $word => Some(Self::$Variant), )+ _ => None }
            }
        }
    )+};
}
pub(super) use word_settings;

/// An address that we show to peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublicAddress {
    /// The kernel's local address towards that peer.
    #[default]
    Auto,
    /// Always this one.
    Fixed(IpAddr),
}

impl SettingValue for PublicAddress {
    const SHAPE: &'static str = "auto or an IP address";

    fn read(value: &Value) -> Option<Self> {
        match text(value)? {
            "auto" => Some(Self::Auto),
            address => address.parse().ok().map(Self::Fixed),
        }
    }
}

/// A number of bytes, written as a number or with KiB, MiB, GiB, TiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl SettingValue for ByteSize {
    const SHAPE: &'static str = "a size like \"512 MiB\" or \"10 GiB\", or a number of bytes";

    fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Integer(_) => return integer(value).map(Self),
            value => text(value)?.trim(),
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let shift = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "kib" | "k" => 10,
            "mib" | "m" => 20,
            "gib" | "g" => 30,
            "tib" | "t" => 40,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(1 << shift).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 10 << 30 => write!(f, "{} GiB", bytes >> 30),
            bytes if bytes >= 10 << 20 => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes >= 10 << 10 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: SettingValue>(text: &str) -> Option<T> {
        T::read(&Value::Text(text.to_owned()))
    }

    #[test]
    fn plain_text_makes_a_list_without_brackets() {
        let listeners: Vec<SocketAddr> = read("127.0.0.1:1, [::1]:2").expect("two addresses");
        assert_eq!(listeners.len(), 2);
        assert_eq!(read::<Vec<SocketAddr>>("").map(|list| list.len()), Some(0));
        assert_eq!(read::<Vec<SocketAddr>>("127.0.0.1"), None);
    }

    #[test]
    fn sizes_take_units_and_refuse_overflow() {
        assert_eq!(read::<ByteSize>("10 GiB"), Some(ByteSize(10 << 30)));
        assert_eq!(read::<ByteSize>("99999999999 TiB"), None);
        assert_eq!(read::<ByteSize>("ten"), None);
    }
}
