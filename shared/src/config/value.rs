//! What a setting's value may be: one type a meaning, each read from TOML or plain text. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::leg::LatchMode;

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
    /// What a value looks like, for error texts: "expected SHAPE".
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

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Other(_) => None,
    }
}

fn integer<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    match value {
        Value::Integer(value) => T::try_from(*value).ok(),
        Value::Text(_) | Value::Boolean(_) | Value::List(_) | Value::Other(_) => None,
    }
}

macro_rules! word_settings {
    ($( $(#[doc = $doc:literal])+ $Name:ident = $shape:literal {
        $( $(#[doc = $variant_doc:literal])+ $(#[$default:ident])? $Variant:ident = $word:literal, )+
    } )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $Name { $( $(#[doc = $variant_doc])+ $(#[$default])? $Variant, )+ }

        impl $Name {
            /// The word of the settings file.
            pub const fn word(self) -> &'static str {
                match self { $( Self::$Variant => $word, )+ }
            }
        }

        impl SettingValue for $Name {
            const SHAPE: &'static str = $shape;

            fn read(value: &Value) -> Option<Self> {
                let word = match value {
                    Value::Integer(number) => number.to_string(),
                    value => text(value)?.to_ascii_lowercase(),
                };
                match word.as_str() { $( $word => Some(Self::$Variant), )+ _ => None }
            }
        }
    )+};
}

word_settings! {
    /// What a source outside the IP lists hears (contract sip-interface.md 2).
    AclReject = "drop or 403" {
        /// Nothing.
        #[default]
        Drop = "drop",
        /// 403 Forbidden.
        Forbidden = "403",
    }

    /// SIP status of `<Reject>` without `busy` (contract sip-interface.md 5).
    RejectStatus = "404 or 603" {
        /// 404 Not Found.
        #[default]
        NotFound = "404",
        /// 603 Decline.
        Decline = "603",
    }

    /// How packets get in and out of a media core.
    Backend = "auto, io_uring or portable" {
        /// io_uring where the kernel allows it, else portable.
        #[default]
        Auto = "auto",
        /// io_uring or no start.
        IoUring = "io_uring",
        /// epoll.
        Portable = "portable",
        /// sk_lookup and packet send; not built yet.
        Steered = "steered",
        /// In-kernel fast path; not built yet.
        Xdp = "xdp",
    }

    /// Who speaks `<Say>`.
    SpeechEngine = "pico, command or http" {
        /// The built-in voice.
        #[default]
        Pico = "pico",
        /// An external command; not built yet.
        Command = "command",
        /// An HTTP service; not built yet.
        Http = "http",
    }

    /// Whose figures the limits follow.
    LimitsProfile = "node or twilio" {
        /// What this machine carries.
        #[default]
        Node = "node",
        /// The cloud's figures, so that an application behaves the same on both sides.
        Twilio = "twilio",
    }

    /// Form of log lines.
    LogFormat = "human or json" {
        /// For people.
        #[default]
        Human = "human",
        /// One JSON object a line.
        Json = "json",
    }

    /// Least level of log lines.
    LogLevel = "error, warn, info, debug or trace" {
        /// Needs a person.
        Error = "error",
        /// Odd but served.
        Warn = "warn",
        /// A call's life.
        #[default]
        Info = "info",
        /// A decision.
        Debug = "debug",
        /// A step.
        Trace = "trace",
    }
}

impl RejectStatus {
    /// The SIP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Decline => 603,
        }
    }
}

impl SettingValue for LatchMode {
    const SHAPE: &'static str = "sdp, peer or any";

    fn read(value: &Value) -> Option<Self> {
        match text(value)? {
            "sdp" => Some(Self::Sdp),
            "peer" => Some(Self::Peer),
            "any" => Some(Self::Any),
            _ => None,
        }
    }
}

/// Where SRTP is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SrtpUse {
    /// Where a domain is `Secure` or a URI says `secure=true`, and there it is demanded; refused elsewhere.
    #[default]
    Secure,
    /// There, and in any other call whose offer is SRTP, whatever SIP came over.
    Offered,
}

impl SettingValue for SrtpUse {
    const SHAPE: &'static str = "secure or offered";

    fn read(value: &Value) -> Option<Self> {
        match text(value)? {
            "secure" => Some(Self::Secure),
            "offered" => Some(Self::Offered),
            _ => None,
        }
    }
}

/// Empty: that of `[media]`.
impl SettingValue for Option<LatchMode> {
    const SHAPE: &'static str = "sdp, peer, any or nothing";

    fn read(value: &Value) -> Option<Self> {
        if text(value)?.is_empty() { Some(None) } else { LatchMode::read(value).map(Some) }
    }
}

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

/// CPUs for media threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cores {
    /// Chosen at start.
    #[default]
    Auto,
    /// These, one media thread each.
    List(Vec<u16>),
}

impl SettingValue for Cores {
    const SHAPE: &'static str = "auto, a list of CPUs, or ranges like \"2-5,8\"";

    fn read(value: &Value) -> Option<Self> {
        let cpus: Vec<u16> = match value {
            Value::Text(text) if text == "auto" => return Some(Self::Auto),
            Value::Text(text) => cpu_ranges(text)?,
            Value::List(values) => values.iter().map(integer).collect::<Option<_>>()?,
            Value::Integer(_) => vec![integer(value)?],
            Value::Boolean(_) | Value::Other(_) => return None,
        };
        let unique: std::collections::BTreeSet<_> = cpus.iter().collect();
        // A core number is 8 bits wide in ids; more media threads than that no box has.
        (unique.len() == cpus.len() && (1..=64).contains(&cpus.len())).then_some(Self::List(cpus))
    }
}

fn cpu_ranges(text: &str) -> Option<Vec<u16>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        if last.checked_sub(first)? > 255 {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// UDP ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl PortRange {
    /// How many ports.
    pub const fn ports(self) -> u32 {
        self.last as u32 - self.first as u32 + 1
    }

    /// Whether any port is in both ranges.
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl SettingValue for PortRange {
    const SHAPE: &'static str = "a range of at least 4 ports from 1024 on, like \"10000-19999\"";

    fn read(value: &Value) -> Option<Self> {
        let (first, last) = text(value)?.split_once('-')?;
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first >= 1024 && last >= first && last - first >= 3).then_some(Self { first, last })
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

/// A block of addresses (RFC 4632, RFC 4291 §2.3). `::ffff:a.b.c.d` counts as `a.b.c.d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// First address: no bit is set after the prefix.
    address: IpAddr,
    /// Bits that must match.
    prefix: u8,
}

impl Cidr {
    /// Whether the address lies in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let width = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width(address));
        if prefix > width(address) {
            return Err(());
        }
        // ::ffff:a.b.c.d is a.b.c.d, and a block of such addresses a block of IPv4.
        let canonical = address.to_canonical();
        let prefix = prefix.checked_sub(width(address) - width(canonical)).ok_or(())?;
        Ok(Self { address: masked(canonical, prefix), prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl SettingValue for Cidr {
    const SHAPE: &'static str = "an address block like 10.0.0.0/8";

    fn read(value: &Value) -> Option<Self> {
        text(value)?.parse().ok()
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
    fn cpu_ranges_are_read_and_doubles_refused() {
        assert_eq!(read::<Cores>("2-4,8"), Some(Cores::List(vec![2, 3, 4, 8])));
        assert_eq!(read::<Cores>("2,2"), None);
        assert_eq!(read::<Cores>("0-65535"), None);
        assert_eq!(read::<Cores>("4-2"), None);
    }

    #[test]
    fn port_ranges_must_grow_and_stay_out_of_the_privileged_ports() {
        assert_eq!(read::<PortRange>("2000-1000"), None);
        assert_eq!(read::<PortRange>("80-2000"), None);
        let range = read::<PortRange>("10000-10009").expect("a range");
        assert_eq!(range.ports(), 10);
        assert!(range.overlaps(PortRange { first: 10_009, last: 11_000 }));
        assert!(!range.overlaps(PortRange { first: 10_010, last: 11_000 }));
    }

    #[test]
    fn sizes_take_units_and_refuse_overflow() {
        assert_eq!(read::<ByteSize>("10 GiB"), Some(ByteSize(10 << 30)));
        assert_eq!(read::<ByteSize>("99999999999 TiB"), None);
        assert_eq!(read::<ByteSize>("ten"), None);
    }

    #[test]
    fn a_block_holds_its_addresses_also_when_they_come_mapped() {
        let block: Cidr = "10.1.2.3/8".parse().expect("a block");
        assert_eq!(block.to_string(), "10.0.0.0/8");
        assert!(block.contains("10.200.0.1".parse().expect("an address")));
        assert!(block.contains("::ffff:10.0.0.9".parse().expect("an address")));
        assert!(!block.contains("11.0.0.0".parse().expect("an address")));
        let all: Cidr = "0.0.0.0/0".parse().expect("a block");
        assert!(all.contains("1.2.3.4".parse().expect("an address")));
        assert!(!all.contains("::1".parse().expect("an address")));
        assert!("10.0.0.0/33".parse::<Cidr>().is_err());
    }

    #[test]
    fn a_block_of_mapped_addresses_is_a_block_of_ipv4() {
        let block: Cidr = "::ffff:10.1.2.3/104".parse().expect("a block");
        assert_eq!(block.to_string(), "10.0.0.0/8");
        let one: Cidr = "::ffff:10.0.0.1".parse().expect("a block");
        assert!(one.contains("10.0.0.1".parse().expect("an address")));
        assert!("::ffff:10.0.0.1/95".parse::<Cidr>().is_err());
    }
}
