//! TLS on one connection: records of the socket in and out, bytes of SIP out and in. Shell.
//!
//! As a server, `Hello` reads the ClientHello, `Named` waits for the certificate of the name in it, and
//! `Keyed` finishes the handshake and carries data. As a client a session begins in `Keyed`. The
//! ClientHello is read apart because three decisions need it before the first answer: which certificate,
//! whether the version is too old, and whether OpenSSL has to take over (feature `legacy-tls`).

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::server::{Accepted, AcceptedAlert, Acceptor};
use rustls::{ClientConnection, Connection, ServerConfig};
use shared::TlsFailure;

use crate::step::{Agreed, ReadOutcome, Step, StepRead};
use crate::tls::TlsFault;

/// Where TLS on a connection is in its life.
pub(crate) enum Session {
    /// A peer has connected; its ClientHello is not complete.
    Hello(Box<Hello>),
    /// The ClientHello is read; a certificate for the name in it is being chosen or issued.
    Named(Box<Accepted>),
    /// Keys are being agreed on, or have been.
    Keyed(Box<Connection>),
    /// As `Keyed`, by OpenSSL, for a peer that offers only older suites.
    #[cfg(feature = "legacy-tls")]
    Legacy(Box<crate::tls::legacy::LegacySession>),
    /// Failed or closed: nothing more is read or written.
    Over,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hello(_) => "Hello",
            Self::Named(_) => "Named",
            Self::Keyed(_) => "Keyed",
            #[cfg(feature = "legacy-tls")]
            Self::Legacy(_) => "Legacy",
            Self::Over => "Over",
        })
    }
}

/// The first bytes of a peer.
#[derive(Default)]
pub(crate) struct Hello {
    acceptor: Acceptor,
    /// As received. They show whether this is TLS and which version; OpenSSL may have to read them again.
    bytes: Vec<u8>,
    /// Bytes received so far, kept in `bytes` or not.
    length: usize,
    /// rustls reads this version: `bytes` are kept only for OpenSSL.
    is_read_by_rustls: bool,
}

impl Session {
    /// For a peer that has connected to us.
    pub fn accepting() -> Self {
        Self::Hello(Box::default())
    }

    /// For a peer that we have connected to.
    pub fn connecting(client: ClientConnection) -> Self {
        Self::Keyed(Box::new(client.into()))
    }

    /// Reads what the socket has and goes on with the handshake. `legacy`: whether a peer without any
    /// suite of rustls may be handed to OpenSSL.
    pub fn shake_hands(
        &mut self,
        socket: &mut TcpStream,
        buffer: &mut [u8],
        legacy: Legacy<'_>,
    ) -> StepRead {
        match self {
            Self::Hello(_) => self.read_hello(socket, buffer, legacy),
            // The kernel keeps further bytes until the certificate is here.
            Self::Named(_) => StepRead::blocked(Step::More),
            Self::Keyed(connection) => shake(connection, socket),
            #[cfg(feature = "legacy-tls")]
            Self::Legacy(session) => session.shake_hands(socket, buffer),
            Self::Over => StepRead::blocked(Step::Gone),
        }
    }

    /// Goes on with a peer whose ClientHello is read.
    pub fn serve(&mut self, config: Arc<ServerConfig>, socket: &mut TcpStream) -> Step {
        let Self::Named(accepted) = std::mem::replace(self, Self::Over) else { return Step::Gone };
        match accepted.into_connection(config) {
            Ok(connection) => {
                let mut connection = Connection::from(connection);
                let flushed = flush(&mut connection, socket);
                *self = Self::Keyed(Box::new(connection));
                if flushed.is_err() { Step::Gone } else { Step::More }
            }
            Err((error, mut alert)) => {
                let _ = alert.write_all(socket); // a socket that just accepted has room for 7 bytes
                Step::Failed(TlsFault::of(&error))
            }
        }
    }

    /// Whether the ClientHello is answered.
    pub const fn has_begun(&self) -> bool {
        match self {
            Self::Keyed(_) => true,
            #[cfg(feature = "legacy-tls")]
            Self::Legacy(_) => true,
            Self::Hello(_) | Self::Named(_) | Self::Over => false,
        }
    }

    /// Whether it waits for the certificate of the name in its ClientHello.
    pub const fn is_named(&self) -> bool {
        matches!(self, Self::Named(_))
    }

    fn read_hello(
        &mut self,
        socket: &mut TcpStream,
        buffer: &mut [u8],
        legacy: Legacy<'_>,
    ) -> StepRead {
        let Self::Hello(hello) = self else { return StepRead::blocked(Step::Gone) };
        let count = match socket.read(buffer) {
            Ok(0) => return StepRead::more(Step::Gone),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return StepRead::blocked(Step::More);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return StepRead::more(Step::More);
            }
            Err(_) => return StepRead::more(Step::Gone),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        StepRead::more(match hello.take(bytes, legacy.is_on()) {
            Err((fault, alert)) => {
                alert.send(socket);
                *self = Self::Over;
                Step::Failed(fault)
            }
            Ok(None) => Step::More,
            #[cfg(feature = "legacy-tls")]
            Ok(Some(accepted)) if legacy.takes(&accepted) => {
                let bytes = std::mem::take(&mut hello.bytes);
                let (session, step) = legacy.begin(&bytes, socket);
                *self = session;
                step
            }
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(str::to_owned);
                *self = Self::Named(Box::new(accepted));
                Step::Named(name)
            }
        })
    }

    /// Reads bytes of SIP.
    pub fn read(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> ReadOutcome {
        match self {
            Self::Keyed(connection) => read(connection, socket, buffer),
            #[cfg(feature = "legacy-tls")]
            Self::Legacy(session) => session.read(socket, buffer),
            Self::Hello(_) | Self::Named(_) | Self::Over => ReadOutcome::Gone,
        }
    }

    /// Encrypts bytes of SIP, at most one record, and returns how many it took.
    pub fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Keyed(connection) => {
                let chunk = bytes.get(..bytes.len().min(RECORD_BYTES)).unwrap_or_default();
                connection.writer().write(chunk)
            }
            #[cfg(feature = "legacy-tls")]
            Self::Legacy(session) => session.take(bytes),
            Self::Hello(_) | Self::Named(_) | Self::Over => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes records until the socket takes no more. Returns `true` when none are left.
    pub fn flush(&mut self, socket: &mut TcpStream) -> io::Result<bool> {
        match self {
            Self::Keyed(connection) => flush(connection, socket),
            #[cfg(feature = "legacy-tls")]
            Self::Legacy(session) => session.flush(socket),
            Self::Hello(_) | Self::Named(_) | Self::Over => Ok(true),
        }
    }

    /// Sends close_notify, as far as the socket takes it.
    pub fn close(&mut self, socket: &mut TcpStream) {
        match self {
            Self::Keyed(connection) => {
                connection.send_close_notify();
                let _ = flush(connection, socket); // a peer that is gone or full does without
            }
            #[cfg(feature = "legacy-tls")]
            Self::Legacy(session) => session.close(socket),
            Self::Hello(_) | Self::Named(_) | Self::Over => {}
        }
        *self = Self::Over;
    }
}

impl Hello {
    fn take(
        &mut self,
        mut bytes: &[u8],
        keep: bool,
    ) -> Result<Option<Accepted>, (TlsFault, Alert)> {
        if self.length + bytes.len() > HELLO_BYTES_MAX {
            return Err((
                TlsFault::new(TlsFailure::Broken, "the ClientHello is too long"),
                Alert::None,
            ));
        }
        self.length += bytes.len();
        if keep || !self.is_read_by_rustls {
            self.bytes.extend_from_slice(bytes);
        }
        match self.version() {
            None if !self.is_tls() => {
                let fault = TlsFault::new(TlsFailure::NotTls, "the first byte begins no handshake");
                return Err((fault, Alert::None));
            }
            // Not refused yet: the name comes later in it, and tells whose phone this is.
            Some(version) if version < TLS_1_2 => return self.take_old(),
            Some(_) if !keep => {
                self.is_read_by_rustls = true;
                self.bytes = Vec::new();
            }
            None | Some(_) => {}
        }
        while !bytes.is_empty() {
            match self.acceptor.read_tls(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    return Err((
                        TlsFault::new(TlsFailure::Broken, error.to_string()),
                        Alert::None,
                    ));
                }
            }
        }
        self.acceptor.accept().map_err(|(error, alert)| (TlsFault::of(&error), Alert::Ours(alert)))
    }

    /// Whether the bytes so far can begin a TLS connection.
    fn is_tls(&self) -> bool {
        self.bytes.first().is_none_or(|kind| *kind == HANDSHAKE)
    }

    /// The newest version that the peer offers outside extensions; `None` until it is received. It stands
    /// behind the headers of record (5 bytes) and handshake (4 bytes, RFC 5246 §7.4.1.2). A TLS 1.3 peer
    /// says 1.2 here (RFC 8446 §4.1.2).
    fn version(&self) -> Option<[u8; 2]> {
        if self.is_read_by_rustls {
            return Some(TLS_1_2);
        }
        self.bytes.get(9..11).filter(|_| self.is_tls())?.try_into().ok()
    }

    /// Waits for the end of the first record of an old peer.
    fn take_old(&self) -> Result<Option<Accepted>, (TlsFault, Alert)> {
        let length = self.bytes.get(3..5).and_then(|length| length.try_into().ok());
        let whole = RECORD_HEADER_BYTES + usize::from(u16::from_be_bytes(length.unwrap_or([0; 2])));
        if self.bytes.len() < whole {
            return Ok(None);
        }
        let mut fault = TlsFault::new(TlsFailure::OldVersion, "the peer offers TLS 1.1 at most");
        fault.name = crate::tls::server_name(&self.bytes);
        Err((fault, Alert::Old))
    }
}

/// The alert for a peer whose ClientHello cannot be used.
enum Alert {
    None,
    /// protocol_version (70), in a record of TLS 1.0, which every version reads.
    Old,
    /// As rustls made it.
    Ours(AcceptedAlert),
}

impl Alert {
    /// Does not wait: a socket that was just accepted has room for 7 bytes.
    fn send(self, socket: &mut TcpStream) {
        let _ = match self {
            Self::None => Ok(()),
            Self::Old => socket.write_all(&[21, 3, 1, 0, 2, 2, 70]),
            Self::Ours(mut alert) => alert.write_all(socket),
        };
    }
}

fn shake(connection: &mut Connection, socket: &mut TcpStream) -> StepRead {
    if flush(connection, socket).is_err() {
        return StepRead::more(Step::Gone);
    }
    match connection.read_tls(socket) {
        Ok(0) => return StepRead::more(Step::Gone),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return StepRead::blocked(Step::More);
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            return StepRead::more(Step::More);
        }
        Err(_) => return StepRead::more(Step::Gone),
    }
    let processed = connection.process_new_packets();
    let flushed = flush(connection, socket); // also the alert of an error
    StepRead::more(match processed {
        Err(error) => Step::Failed(TlsFault::of(&error)),
        Ok(_) if flushed.is_err() => Step::Gone,
        Ok(_) if connection.is_handshaking() => Step::More,
        Ok(_) => Step::Done(agreed(connection)),
    })
}

fn agreed(connection: &Connection) -> Agreed {
    match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "other",
    }
}

fn read(connection: &mut Connection, socket: &mut TcpStream, buffer: &mut [u8]) -> ReadOutcome {
    loop {
        match connection.reader().read(buffer) {
            Ok(0) => return ReadOutcome::Gone,
            Ok(count) => return ReadOutcome::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return ReadOutcome::Gone,
        }
        match connection.read_tls(socket) {
            Ok(0) => return ReadOutcome::Gone,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return ReadOutcome::WouldBlock;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return ReadOutcome::Gone,
        }
        let processed = connection.process_new_packets();
        // Key updates and alerts are answered at once.
        if flush(connection, socket).is_err() {
            return ReadOutcome::Gone;
        }
        if let Err(error) = processed {
            return ReadOutcome::Failed(TlsFault::of(&error));
        }
    }
}

fn flush(connection: &mut Connection, socket: &mut TcpStream) -> io::Result<bool> {
    while connection.wants_write() {
        match connection.write_tls(socket) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Whether, and how, peers with older suites are served.
#[derive(Clone, Copy)]
pub(crate) struct Legacy<'a> {
    #[cfg(feature = "legacy-tls")]
    pub(crate) tls: Option<&'a crate::tls::legacy::LegacyTls>,
    #[cfg(not(feature = "legacy-tls"))]
    pub(crate) none: std::marker::PhantomData<&'a ()>,
}

#[cfg(not(feature = "legacy-tls"))]
impl<'a> Legacy<'a> {
    pub(crate) const fn of(_: Option<&'a crate::tls::ServerTls>) -> Self {
        Self { none: std::marker::PhantomData }
    }

    #[expect(clippy::unused_self, reason = "the feature legacy-tls reads it")]
    const fn is_on(self) -> bool {
        false
    }
}

#[cfg(feature = "legacy-tls")]
impl<'a> Legacy<'a> {
    pub(crate) fn of(server: Option<&'a crate::tls::ServerTls>) -> Self {
        Self { tls: server.and_then(|server| server.legacy.as_ref()) }
    }

    const fn is_on(self) -> bool {
        self.tls.is_some()
    }

    /// Whether rustls has no suite of what the peer offers.
    fn takes(self, accepted: &Accepted) -> bool {
        let ours = rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
        let hello = accepted.client_hello();
        let offered = hello.cipher_suites();
        self.tls.is_some() && !ours.iter().any(|suite| offered.contains(&suite.suite()))
    }

    fn begin(self, bytes: &[u8], socket: &mut TcpStream) -> (Session, Step) {
        let Some(mut session) = self.tls.and_then(|tls| tls.accept().ok()) else {
            return (Session::Over, Step::Gone);
        };
        let step = session.feed(bytes, socket);
        (Session::Legacy(Box::new(session)), step)
    }
}

/// What one TLS record holds (RFC 8446 §5.1).
const RECORD_BYTES: usize = 16 * 1024;
/// Real ClientHellos are below 2 KiB, with post-quantum key shares below 4 KiB.
const HELLO_BYTES_MAX: usize = 16 * 1024;
const RECORD_HEADER_BYTES: usize = 5;
/// TLS 1.2 on the wire; TLS 1.3 writes it too, and names itself in an extension.
const TLS_1_2: [u8; 2] = [3, 3];
/// Content type of a handshake record (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
