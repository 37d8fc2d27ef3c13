//! Identifiers: resource SIDs, and the ids that planes use between themselves.

use std::fmt;
use std::str::FromStr;

/// The text is not a SID of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SID: expected `{prefix}` and 32 hexadecimal digits")]
pub struct SidError {
    /// The two letters that were expected.
    pub prefix: &'static str,
}

/// Node and process generation that a new SID records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The node (setting `node.id`).
    pub node: u16,
    /// The generation of the process on this node, wrapping.
    pub generation: u8,
}

/// Lays out 128 bits: 48 bits of Unix milliseconds (so that an index on SIDs grows at its
/// end), 16 bits node, 8 bits generation, 56 random bits.
pub const fn sid_bits(unix_ms: i64, origin: Origin, random: u64) -> u128 {
    let time = (unix_ms as u64 & 0xFFFF_FFFF_FFFF) as u128;
    (time << 80)
        | ((origin.node as u128) << 64)
        | ((origin.generation as u128) << 56)
        | (random & 0x00FF_FFFF_FFFF_FFFF) as u128
}

/// The origin that [`sid_bits`] wrote into these bits.
pub const fn sid_origin(bits: u128) -> Origin {
    Origin { node: (bits >> 64) as u16, generation: (bits >> 56) as u8 }
}

macro_rules! sids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// The two-letter prefix.
            pub const PREFIX: &'static str = $prefix;

            /// A new SID; see [`sid_bits`] for the layout. `random` is 56 bits from the caller.
            pub const fn mint(unix_ms: i64, origin: Origin, random: u64) -> Self {
                Self(sid_bits(unix_ms, origin, random))
            }

            /// Node and process generation that made this SID.
            pub const fn origin(self) -> Origin {
                sid_origin(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:032x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = SidError;

            /// Accepts hexadecimal digits of either case, as clients send both.
            fn from_str(text: &str) -> Result<Self, SidError> {
                parse_sid(text, $prefix).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

sids! {
    /// An account or sub-account.
    AccountSid = "AC";
    /// An API key.
    KeySid = "SK";
    /// A call: the product's resource, one leg, maybe with a parent.
    CallSid = "CA";
    /// A recording.
    RecordingSid = "RE";
    /// A media stream of a call.
    StreamSid = "MZ";
    /// A recording session of a call with an outside recording server (SIPREC).
    SiprecSid = "SR";
    /// The transcript of a recording.
    TranscriptionSid = "TR";
    /// A live transcription of a call.
    LiveTranscriptionSid = "GT";
    /// A conference.
    ConferenceSid = "CF";
    /// A queue.
    QueueSid = "QU";
    /// A TwiML application.
    ApplicationSid = "AP";
    /// A phone number that a carrier delivers here.
    IncomingPhoneNumberSid = "PN";
    /// A phone number of somebody else, verified as a caller id.
    OutgoingCallerIdSid = "PN";
    /// A TwiML Bin.
    BinSid = "EH";
    /// A Studio flow.
    FlowSid = "FW";
    /// A SIP domain.
    DomainSid = "SD";
    /// A credential list.
    CredentialListSid = "CL";
    /// A credential (user and digest hash) in a list.
    CredentialSid = "CR";
    /// A public key that recordings are sealed with.
    PublicKeySid = "CR";
    /// An IP access control list.
    IpAccessControlListSid = "AL";
    /// An address in an IP access control list.
    IpAddressSid = "IP";
    /// A notification, also read as an alert.
    NotificationSid = "NO";
    /// An execution of a flow.
    ExecutionSid = "FN";
    /// A step of an execution.
    StepSid = "FT";
    /// A contact that is registered for a SIP user. An addition of Sidetone's: Twilio has no such resource.
    BindingSid = "RG";
}

/// The bits of a SID with this prefix. Accepts hexadecimal digits of either case, as clients send both.
///
/// # Errors
/// [`SidError`] for any other text.
pub fn parse_sid(text: &str, prefix: &'static str) -> Result<u128, SidError> {
    let error = SidError { prefix };
    let digits = text.strip_prefix(prefix).ok_or(error)?;
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(error);
    }
    u128::from_str_radix(digits, 16).map_err(|_| error)
}

/// A media core, numbered from 0 in the order the cores were started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(pub u8);

/// One party's media on one core. A leg never changes its core (ARCHITECTURE.md, I1).
///
/// Control assigns the slot and raises the generation each time a slot is reused, so that a late
/// command or event for a leg that has ended never reaches its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId {
    /// The core that owns the leg.
    pub core: CoreId,
    /// Index into the leg slab of that core.
    pub slot: u16,
    /// Number of earlier legs in the slot, wrapping.
    pub generation: u32,
}

/// A room in which any number of parties hear each other; chosen by Control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

/// One playback of a prompt or of digits on a leg; chosen by Control, unique per leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayId(pub u32);

/// A recording as the media side names it; Control maps it to a [`RecordingSid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapId(pub u64);

/// Audio that a thread gives to a leg; chosen by Control, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_reads_back_what_it_prints() {
        let origin = Origin { node: 0xBEEF, generation: 7 };
        let sid = CallSid::mint(1_700_000_000_000, origin, u64::MAX);
        let text = sid.to_string();
        assert_eq!(text.len(), 34);
        assert!(text.starts_with("CA"));
        assert_eq!(text.parse(), Ok(sid));
        assert_eq!(sid.origin(), origin);
    }

    #[test]
    fn upper_case_digits_are_accepted_and_other_kinds_are_not() {
        let upper = "CA0000000000000000000000000000ABCD";
        assert_eq!(upper.parse::<CallSid>().map(|sid| sid.0), Ok(0xABCD));
        assert!(upper.parse::<AccountSid>().is_err());
        assert!("CA+000000000000000000000000000ABCD".parse::<CallSid>().is_err());
        assert!("CAé".parse::<CallSid>().is_err());
    }

    #[test]
    fn later_sids_sort_after_earlier_ones() {
        let origin = Origin { node: 1, generation: 1 };
        assert!(CallSid::mint(1, origin, 9) < CallSid::mint(2, origin, 0));
    }
}
