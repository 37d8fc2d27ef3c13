//! The path of a request (RFC 3261 §20.42, RFC 3581). Sans-IO.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use shared::Transport;

use crate::parameters::Parameters;
use crate::scan::{BorrowedParameter, Scanner};
use crate::text::{self, IllegalText, Text};
use crate::uri::{self, Host};

/// The transport word of a Via. A peer may name one that we do not speak, such as `WS` or `SCTP`: its
/// request is still answered, and the word goes back as received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ViaTransport {
    /// A transport that we support.
    Known(Transport),
    /// Any other token, as received.
    Other(Text),
}

impl ViaTransport {
    /// The name in a Via.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Known(transport) => transport.via_name().as_bytes(),
            Self::Other(name) => name.as_bytes(),
        }
    }

    /// Default port; that of UDP and TCP for a transport that is not known.
    pub const fn default_port(&self) -> u16 {
        match self {
            Self::Known(transport) => transport.default_port(),
            Self::Other(_) => Transport::Udp.default_port(),
        }
    }

    fn from_token(token: &[u8]) -> Self {
        Transport::ALL
            .into_iter()
            .find(|transport| transport.via_name().as_bytes().eq_ignore_ascii_case(token))
            .map_or_else(|| Self::Other(Text::from_wire(token)), Self::Known)
    }
}

impl From<Transport> for ViaTransport {
    fn from(transport: Transport) -> Self {
        Self::Known(transport)
    }
}

/// The `rport` parameter (RFC 3581).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rport {
    /// Without a value: the response goes to the source port.
    Requested,
    /// The source port that a server saw.
    Seen(u16),
}

/// One `Via` value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Via {
    /// The transport that carried it.
    pub transport: ViaTransport,
    /// `sent-by` host.
    pub host: Host,
    /// `sent-by` port; `None` means the transport's default.
    pub port: Option<u16>,
    /// `branch`: the transaction; begins with `z9hG4bK` when made by RFC 3261 rules.
    pub branch: Option<Text>,
    /// `received`: the source address that the next server saw.
    pub received: Option<IpAddr>,
    /// `rport`.
    pub rport: Option<Rport>,
    /// All other parameters, in order.
    pub parameters: Parameters,
}

impl Via {
    /// Our Via, with an `rport` without a value.
    ///
    /// # Errors
    /// A branch that is not a token.
    pub fn new(
        transport: Transport,
        host: Host,
        port: u16,
        branch: &str,
    ) -> Result<Self, IllegalText> {
        Ok(Self {
            transport: transport.into(),
            host,
            port: Some(port),
            branch: Some(Text::token(branch)?),
            received: None,
            rport: Some(Rport::Requested),
            parameters: Parameters::new(),
        })
    }

    /// Reads a header value that holds exactly one Via.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(value: impl AsRef<[u8]>) -> Result<Self, ViaError> {
        let mut scanner = Scanner::of_one_line(value.as_ref()).ok_or(ViaError)?;
        let via = Self::read(&mut scanner)?;
        scanner.skip_space();
        if scanner.is_empty() { Ok(via) } else { Err(ViaError) }
    }

    /// Reads a comma-separated list and appends it.
    pub(crate) fn read_list(value: &[u8], into: &mut Vec<Self>) -> Result<(), ViaError> {
        let mut scanner = Scanner::new(value);
        loop {
            into.push(Self::read(&mut scanner)?);
            if !scanner.eat_padded(b',') {
                break;
            }
        }
        scanner.skip_space();
        if scanner.is_empty() { Ok(()) } else { Err(ViaError) }
    }

    /// Reads the first Via as far as possible, to answer a broken request: any SIP version, and
    /// parameters up to the first broken one.
    pub(crate) fn read_leniently(value: &[u8]) -> Option<Self> {
        let mut scanner = Scanner::new(value);
        let (transport, host, port) = read_sent_by(&mut scanner, |_| true).ok()?;
        let mut via = Self::bare(transport, host, port);
        loop {
            let before = scanner;
            let mut one = Scanner::new(parameter_ahead(&before));
            let Some(Some(parameter)) = one.parameter() else { break };
            let taken = parameter_ahead(&before).len() - one.rest().len();
            scanner = Scanner::new(before.rest().get(taken..).unwrap_or_default());
            if via.take_parameter(parameter).is_err() {
                break;
            }
        }
        Some(via)
    }

    /// `sent-by` and the branch name a transaction (RFC 3261 §17.2.3): whether the branch has the
    /// magic cookie and more behind it.
    pub fn has_rfc3261_branch(&self) -> bool {
        let cookie = MAGIC_COOKIE;
        self.branch.as_ref().is_some_and(|branch| {
            let bytes = branch.as_bytes();
            bytes.len() > cookie.len()
                && bytes.get(..cookie.len()).is_some_and(|head| head.eq_ignore_ascii_case(cookie))
        })
    }

    /// The `sent-by` port, or the default of the transport.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(self.transport.default_port())
    }

    /// Notes the real source of a request in its top Via, which a server does before anything else.
    /// `received` appears when the address differs from `sent-by` or `rport` was asked for; `rport`
    /// gets the port (RFC 3261 §18.2.1, RFC 3581 §4). Values from the sender are overwritten.
    pub fn note_source(&mut self, source: SocketAddr) {
        let address = source.ip().to_canonical();
        let asked = self.rport.is_some();
        let differs = self.host.ip().map(|ip| ip.to_canonical()) != Some(address);
        self.received = (asked || differs).then_some(address);
        self.rport = asked.then_some(Rport::Seen(source.port()));
    }

    /// Destination of a response datagram: `received` and `rport`, else `sent-by`; `None` when that
    /// is a name without `received` (RFC 3261 §18.2.2 without `maddr`, which is ignored).
    pub fn response_address(&self) -> Option<SocketAddr> {
        let address = self.received.or_else(|| self.host.ip())?;
        let port = match self.rport {
            Some(Rport::Seen(port)) => port,
            Some(Rport::Requested) | None => self.port_or_default(),
        };
        Some(SocketAddr::new(address, port))
    }

    /// Appends the value as it goes on the wire.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(self.transport.name());
        out.push(b' ');
        uri::write_host_port(out, &self.host, self.port);
        if let Some(branch) = &self.branch {
            out.extend_from_slice(b";branch=");
            out.extend_from_slice(branch.as_bytes());
        }
        match self.received {
            Some(IpAddr::V4(address)) => {
                out.extend_from_slice(b";received=");
                uri::write_ipv4(out, address);
            }
            Some(IpAddr::V6(address)) => {
                out.extend_from_slice(format!(";received={address}").as_bytes());
            }
            None => {}
        }
        match self.rport {
            Some(Rport::Requested) => out.extend_from_slice(b";rport"),
            Some(Rport::Seen(port)) => {
                out.extend_from_slice(b";rport=");
                text::push_decimal(out, port);
            }
            None => {}
        }
        self.parameters.write_to(out);
    }

    fn read(scanner: &mut Scanner<'_>) -> Result<Self, ViaError> {
        let (transport, host, port) = read_sent_by(scanner, |version| version == b"2.0")?;
        let mut via = Self::bare(transport, host, port);
        while let Some(parameter) = scanner.parameter().ok_or(ViaError)? {
            via.take_parameter(parameter)?;
        }
        Ok(via)
    }

    fn bare(transport: ViaTransport, host: Host, port: Option<u16>) -> Self {
        Self {
            transport,
            host,
            port,
            branch: None,
            received: None,
            rport: None,
            parameters: Parameters::new(),
        }
    }

    /// Sorts a parameter into its field; the first of each name counts.
    fn take_parameter(&mut self, (name, value): BorrowedParameter<'_>) -> Result<(), ViaError> {
        if name.eq_ignore_ascii_case(b"branch") && self.branch.is_none() {
            self.branch = Some(Text::from_wire(value.ok_or(ViaError)?));
        } else if name.eq_ignore_ascii_case(b"received") && self.received.is_none() {
            self.received = Some(read_received(value.ok_or(ViaError)?).ok_or(ViaError)?);
        } else if name.eq_ignore_ascii_case(b"rport") && self.rport.is_none() {
            self.rport = Some(read_rport(value)?);
        } else {
            self.parameters.push(Text::from_wire(name), value.map(Text::from_wire));
        }
        Ok(())
    }
}

/// A value that is not a valid Via. Always the sender's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Via is not `SIP/2.0/transport host[:port]` with parameters")]
pub struct ViaError;

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// The prefix of branches by RFC 3261 (§8.1.1.7).
pub const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// Reads `SIP / 2.0 / transport host [: port]`, white space anywhere between.
fn read_sent_by(
    scanner: &mut Scanner<'_>,
    is_version: impl Fn(&[u8]) -> bool,
) -> Result<(ViaTransport, Host, Option<u16>), ViaError> {
    if let Some(sent_by) = plain_sent_by(scanner) {
        return Ok(sent_by);
    }
    scanner.skip_space();
    let is_sip = scanner.token().is_some_and(|name| name.eq_ignore_ascii_case(b"SIP"));
    let slash = scanner.eat_padded(b'/');
    let version = scanner.token().is_some_and(is_version);
    if !(is_sip && slash && version && scanner.eat_padded(b'/')) {
        return Err(ViaError);
    }
    let transport = ViaTransport::from_token(scanner.token().ok_or(ViaError)?);
    scanner.skip_space();
    let taken = scanner.take_while(|byte| !matches!(byte, b';' | b',' | b' ' | b'\t'));
    let bare = taken.strip_suffix(b":").unwrap_or(taken);
    let (host, port) = uri::parse_host_port(bare).map_err(|_| ViaError)?;
    // White space may stand on either side of the colon.
    if bare.len() < taken.len() || scanner.eat_padded(b':') {
        scanner.skip_space();
        let digits = scanner.take_while(|byte| byte.is_ascii_digit());
        let spaced = uri::parse_port(digits).filter(|_| port.is_none());
        return Ok((transport, host, Some(spaced.ok_or(ViaError)?)));
    }
    Ok((transport, host, port))
}

/// [`read_sent_by`] of the form that nearly all peers write: no optional white space, a known
/// transport, an address or a plain name. `None` leaves the scanner as it was.
fn plain_sent_by(scanner: &mut Scanner<'_>) -> Option<(ViaTransport, Host, Option<u16>)> {
    let (protocol, rest) = scanner.rest().split_first_chunk::<12>()?;
    let transport = match protocol {
        b"SIP/2.0/UDP " => Transport::Udp,
        b"SIP/2.0/TCP " => Transport::Tcp,
        b"SIP/2.0/TLS " => Transport::Tls,
        _ => return None,
    };
    let ((host, port), rest) = uri::host_port_ahead(rest)?;
    if !matches!(rest.first(), None | Some(b';' | b',')) {
        return None;
    }
    *scanner = Scanner::new(rest);
    Some((transport.into(), host, port))
}

/// The next `;parameter`, up to the delimiter behind it.
fn parameter_ahead<'a>(scanner: &Scanner<'a>) -> &'a [u8] {
    let rest = scanner.rest();
    let mut one = *scanner;
    if !one.eat_padded(b';') {
        return &[];
    }
    one.take_while(|byte| !matches!(byte, b';' | b','));
    rest.get(..rest.len() - one.rest().len()).unwrap_or_default()
}

/// An address; IPv6 with or without brackets, since both occur (RFC 5118 §4.5).
fn read_received(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| uri::parse_ipv6(bare).map(IpAddr::V6))
}

fn read_rport(value: Option<&[u8]>) -> Result<Rport, ViaError> {
    match value {
        None => Ok(Rport::Requested),
        Some(port) => uri::parse_port(port).map(Rport::Seen).ok_or(ViaError),
    }
}

const _: () = assert!(text::is_token_byte(MAGIC_COOKIE[0]));

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via {
        Via::parse(text).unwrap()
    }

    #[test]
    fn white_space_is_allowed_between_all_parts() {
        let via =
            via("SIP  / 2.0  / TCP     spindle.example.com : 5062  ; branch  =   z9hG4bK9ikj8 ");
        assert_eq!(via.to_string(), "SIP/2.0/TCP spindle.example.com:5062;branch=z9hG4bK9ikj8");
    }

    #[test]
    fn a_transport_that_we_do_not_speak_is_kept_as_it_came() {
        let text = "SIP/2.0/ws a.b;branch=z9hG4bKa";
        assert_eq!(via(text).transport, ViaTransport::Other(Text::from_wire(b"ws")));
        assert_eq!(via(text).to_string(), text);
        assert_eq!(via("SIP/2.0/udp a.b").transport, Transport::Udp.into());
    }

    #[test]
    fn ipv6_is_read_with_and_without_brackets_in_received() {
        let plain = via("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKa");
        let bracketed =
            via("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKa");
        assert_eq!(plain, bracketed);
        assert_eq!(plain.response_address(), "[2001:db8::9:255]:5060".parse().ok());
    }

    #[test]
    fn broken_values_are_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/7.0/UDP a.b",
            "HTTP/2.0/UDP a.b",
            "SIP/2.0 a.b",
            "SIP/2.0/UDP a.b;;",
            "SIP/2.0/UDP a.b;received=x",
            "SIP/2.0/UDP a.b;rport=0",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP a.b:99999",
            "SIP/2.0/UDP a.b c",
            "SIP/2.0/UDP a.b;branch",
        ] {
            assert!(Via::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_broken_via_is_read_as_far_as_it_goes() {
        let read = |text: &str| Via::read_leniently(text.as_bytes()).map(|via| via.to_string());
        assert_eq!(read("SIP/2.0/UDP 192.0.2.15;;,;,,").unwrap(), "SIP/2.0/UDP 192.0.2.15");
        assert_eq!(
            read("SIP/7.0/UDP c.example.com;branch=z9hG4bKk;rport;;x").unwrap(),
            "SIP/2.0/UDP c.example.com;branch=z9hG4bKk;rport"
        );
        assert_eq!(read("nonsense"), None);
    }

    #[test]
    fn the_source_is_noted_where_it_differs_or_was_requested() {
        let source: SocketAddr = "192.0.2.7:40000".parse().unwrap();
        let noted = |text| {
            let mut via = via(text);
            via.note_source(source);
            (via.received.is_some(), via.response_address())
        };
        assert_eq!(noted("SIP/2.0/UDP 192.0.2.7:5070"), (false, "192.0.2.7:5070".parse().ok()));
        assert_eq!(noted("SIP/2.0/UDP 192.0.2.7:5070;rport"), (true, Some(source)));
        assert_eq!(
            noted("SIP/2.0/UDP a.b;received=9.9.9.9"),
            (true, "192.0.2.7:5060".parse().ok())
        );
    }

    #[test]
    fn the_cookie_alone_is_not_a_branch() {
        assert!(via("SIP/2.0/UDP a.b;branch=z9hG4bKx").has_rfc3261_branch());
        assert!(!via("SIP/2.0/UDP a.b;branch=z9hG4bK").has_rfc3261_branch());
        assert!(!via("SIP/2.0/UDP a.b").has_rfc3261_branch());
    }

    #[test]
    fn a_value_of_two_lines_is_refused() {
        assert!(Via::parse("SIP/2.0/UDP h;received=\"[::\n1]\"").is_err());
        assert!(Via::parse("SIP/2.0/UDP h;x=\"a\rb\"").is_err());
    }
}
