//! The eight older cipher suites, by the system's OpenSSL (feature and setting `legacy-tls`). Shell.
//!
//! A ClientHello without a suite of rustls is handed over here, with the bytes already read. Only TLS
//! 1.2: older versions are refused here as everywhere. OpenSSL does not see the socket. It reads and
//! writes a `Pipe`, and this file moves the bytes, so that one non-blocking socket serves both libraries.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use mio::net::TcpStream;
use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode,
    SslStream, SslVersion,
};
use openssl::x509::X509;

use shared::TlsFailure;

use super::fault::TlsFault;
use super::identity::Identity;
use crate::step::{ReadOutcome, Step, StepRead};

/// The settings of OpenSSL: suites, chain, key.
pub struct LegacyTls {
    context: SslContext,
}

/// One connection that OpenSSL serves.
pub struct LegacySession {
    stream: SslStream<Pipe>,
}

/// Bytes read from the socket and bytes to write to it.
#[derive(Debug, Default)]
struct Pipe {
    incoming: VecDeque<u8>,
    outgoing: VecDeque<u8>,
}

impl LegacyTls {
    /// Takes the RSA chain of `identity`.
    ///
    /// # Errors
    /// A sentence: no RSA chain, or what OpenSSL says.
    pub fn new(identity: &Identity) -> Result<Self, String> {
        let (chain, key) = identity.legacy().ok_or(
            "`sip.legacy_tls` needs an RSA certificate: the older suites have no other kind",
        )?;
        let made = || -> Result<SslContext, openssl::error::ErrorStack> {
            let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
            builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
            builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
            builder.set_cipher_list(SUITES)?;
            builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_TICKET);
            builder.set_options(SslOptions::NO_RENEGOTIATION);
            builder.set_session_cache_mode(SslSessionCacheMode::OFF);
            let mut chain = chain.iter();
            if let Some(leaf) = chain.next() {
                builder.set_certificate(X509::from_der(leaf)?.as_ref())?;
            }
            for more in chain {
                builder.add_extra_chain_cert(X509::from_der(more)?)?;
            }
            builder.set_private_key(PKey::private_key_from_der(key.secret_der())?.as_ref())?;
            builder.check_private_key()?;
            Ok(builder.build())
        };
        let context = made().map_err(|error| format!("`sip.legacy_tls`: OpenSSL says: {error}"))?;
        Ok(Self { context })
    }

    /// A session for a peer that has connected.
    ///
    /// # Errors
    /// When OpenSSL gives none.
    pub(crate) fn accept(&self) -> Result<LegacySession, openssl::error::ErrorStack> {
        let stream = SslStream::new(Ssl::new(&self.context)?, Pipe::default())?;
        Ok(LegacySession { stream })
    }
}

impl LegacySession {
    /// Goes on with bytes that are already read.
    pub(crate) fn feed(&mut self, bytes: &[u8], socket: &mut TcpStream) -> Step {
        self.stream.get_mut().incoming.extend(bytes);
        let accepted = self.stream.accept();
        let flushed = self.flush(socket);
        match accepted {
            _ if flushed.is_err() => Step::Gone,
            Ok(()) => Step::Done("TLSv1.2 legacy"),
            Err(error) if is_hungry(&error) => Step::More,
            Err(error) => {
                Step::Failed(TlsFault::new(TlsFailure::Other, format!("OpenSSL: {error}")))
            }
        }
    }

    pub(crate) fn shake_hands(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> StepRead {
        match socket.read(buffer) {
            Ok(0) => StepRead::more(Step::Gone),
            Ok(count) => StepRead::more(self.feed(buffer.get(..count).unwrap_or_default(), socket)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                StepRead::blocked(Step::More)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => StepRead::more(Step::More),
            Err(_) => StepRead::more(Step::Gone),
        }
    }

    pub(crate) fn read(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> ReadOutcome {
        loop {
            match self.stream.ssl_read(buffer) {
                Ok(0) => return ReadOutcome::Gone,
                Ok(count) => return ReadOutcome::Bytes(count),
                Err(error) if is_hungry(&error) => {}
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => return ReadOutcome::Gone,
                Err(error) => {
                    let _ = self.flush(socket); // the alert, if OpenSSL made one
                    return ReadOutcome::Failed(TlsFault::new(
                        TlsFailure::Other,
                        format!("OpenSSL: {error}"),
                    ));
                }
            }
            match socket.read(buffer) {
                Ok(0) => return ReadOutcome::Gone,
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.stream.get_mut().incoming.extend(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return ReadOutcome::WouldBlock;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return ReadOutcome::Gone,
            }
        }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.ssl_write(bytes).map_err(io::Error::other)
    }

    pub(crate) fn flush(&mut self, socket: &mut TcpStream) -> io::Result<bool> {
        let outgoing = &mut self.stream.get_mut().outgoing;
        while !outgoing.is_empty() {
            let (bytes, _) = outgoing.as_slices();
            match socket.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => drop(outgoing.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    pub(crate) fn close(&mut self, socket: &mut TcpStream) {
        let _ = self.stream.shutdown(); // a peer that is gone does without
        let _ = self.flush(socket);
    }
}

fn is_hungry(error: &openssl::ssl::Error) -> bool {
    error.code() == ErrorCode::WANT_READ
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.incoming.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The suites of the cloud's list that rustls lacks; rustls has ECDHE with AES-GCM.
const SUITES: &str = "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:AES256-GCM-SHA384:\
    AES128-GCM-SHA256:AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA";
