//! SIP, SIPS and tel URIs, and others kept whole (RFC 3261 §19.1, RFC 3966). Sans-IO.

mod compare;
mod host;
mod parse;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

pub use host::{Host, HostName};
pub use parse::UriError;

pub(crate) use parse::{host_port_ahead, parse_host_port, parse_port};

pub(crate) use host::parse_ipv6;

use crate::parameters::Parameters;
use crate::text::{self, Escaped, Text};

/// A URI of any scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// A URI of another scheme, scheme included. A Request-URI of this kind is answered 416.
    Other(Text),
}

impl Uri {
    /// Reads a URI from bytes that hold nothing else.
    ///
    /// # Errors
    /// Bytes that are not a URI, or that exceed the limits of length or parameters.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, UriError> {
        parse::parse(bytes.as_ref())
    }

    /// The SIP or SIPS URI, if it is one.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other(_) => None,
        }
    }

    /// The URI as a Request-URI, which has neither headers nor a `method` (RFC 3261 §19.1.1, table 1).
    #[must_use]
    pub fn into_request_uri(mut self) -> Self {
        if let Self::Sip(uri) = &mut self {
            uri.headers.clear();
            uri.parameters.remove("method");
        }
        self
    }

    /// Whether both name the same resource by the rules of RFC 3261 §19.1.4 (not transitive).
    pub fn equivalent(&self, other: &Self) -> bool {
        compare::equivalent(self, other)
    }

    /// Appends the URI as it goes on the wire.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sip(uri) => uri.write_to(out),
            Self::Tel(uri) => uri.write_to(out),
            Self::Other(uri) => out.extend_from_slice(uri.as_bytes()),
        }
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

/// A SIP or SIPS URI (RFC 3261 §19.1.1). Two values are `==` when they are written alike but for
/// the case of the host; use [`SipUri::equivalent`] for the RFC's comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// The user part in its escaped form; may hold `;`-separated parts of its own.
    pub user: Option<Escaped>,
    /// The password part, which RFC 3261 §19.1.1 advises against.
    pub password: Option<Escaped>,
    /// The host.
    pub host: Host,
    /// The port; `None` means the default of the transport, or the result of DNS.
    pub port: Option<u16>,
    /// `transport`, `lr`, `user`, `maddr`, …
    pub parameters: Parameters,
    /// Headers after `?`: names and values in escaped form.
    pub headers: Vec<(Escaped, Escaped)>,
}

impl SipUri {
    /// `sip:host`.
    pub fn new(host: Host) -> Self {
        Self {
            secure: false,
            user: None,
            password: None,
            host,
            port: None,
            parameters: Parameters::new(),
            headers: Vec::new(),
        }
    }

    /// This URI with a user part, escaped where necessary.
    #[must_use]
    pub fn with_user(mut self, user: impl AsRef<[u8]>) -> Self {
        self.user = Some(Escaped::encode(user)).filter(|user| !user.as_str().is_empty());
        self
    }

    /// This URI with a port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// `sip:address:port`.
    pub fn at(address: IpAddr, port: u16) -> Self {
        Self::new(Host::from(address)).with_port(port)
    }

    /// Reads a `sip:` or `sips:` URI.
    ///
    /// # Errors
    /// As [`Uri::parse`], and [`UriError::Scheme`] for other schemes.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, UriError> {
        match Uri::parse(bytes)? {
            Uri::Sip(uri) => Ok(uri),
            Uri::Tel(_) | Uri::Other(_) => Err(UriError::Scheme),
        }
    }

    /// The user part, unescaped, with invalid UTF-8 replaced; empty without one.
    pub fn user_lossy(&self) -> String {
        self.user.as_ref().map(Escaped::decode_lossy).unwrap_or_default()
    }

    /// The `transport` parameter in lower case.
    pub fn transport(&self) -> Option<String> {
        let value = self.parameters.get("transport")?;
        Some(value.as_str()?.to_ascii_lowercase())
    }

    /// Whether `lr` is present: the proxy is a loose router (RFC 3261 §19.1.1).
    pub fn is_loose(&self) -> bool {
        self.parameters.contains("lr")
    }

    /// Whether both name the same resource by the rules of RFC 3261 §19.1.4 (not transitive).
    pub fn equivalent(&self, other: &Self) -> bool {
        compare::sip_equivalent(self, other)
    }

    /// Appends the URI as it goes on the wire.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.secure { b"sips:" } else { b"sip:" });
        if let Some(user) = &self.user {
            out.extend_from_slice(user.as_ref());
            if let Some(password) = &self.password {
                out.push(b':');
                out.extend_from_slice(password.as_ref());
            }
            out.push(b'@');
        }
        write_host_port(out, &self.host, self.port);
        self.parameters.write_to(out);
        let mut separator = b'?';
        for (name, value) in &self.headers {
            out.push(separator);
            out.extend_from_slice(name.as_ref());
            out.push(b'=');
            out.extend_from_slice(value.as_ref());
            separator = b'&';
        }
    }
}

/// A telephone number (RFC 3966).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TelUri {
    /// The number as written: a `+` for a global one, digits, visual separators.
    pub number: Escaped,
    /// `phone-context`, `ext`, …
    pub parameters: Parameters,
}

impl TelUri {
    /// The number without visual separators.
    pub fn digits(&self) -> String {
        let is_separator = |character: &char| matches!(character, '-' | '.' | '(' | ')');
        self.number.as_str().chars().filter(|character| !is_separator(character)).collect()
    }

    fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"tel:");
        out.extend_from_slice(self.number.as_ref());
        self.parameters.write_to(out);
    }
}

/// Appends `host[:port]`, an IPv6 address in brackets.
pub(crate) fn write_host_port(out: &mut Vec<u8>, host: &Host, port: Option<u16>) {
    match host {
        Host::Name(name) => out.extend_from_slice(name.as_str().as_bytes()),
        Host::V4(address) => write_ipv4(out, *address),
        Host::V6(_) => out.extend_from_slice(host.to_string().as_bytes()),
    }
    if let Some(port) = port {
        out.push(b':');
        text::push_decimal(out, port);
    }
}

/// Appends `a.b.c.d`.
pub(crate) fn write_ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    let [first, rest @ ..] = address.octets();
    text::push_decimal(out, first);
    for octet in rest {
        out.push(b'.');
        text::push_decimal(out, octet);
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}
