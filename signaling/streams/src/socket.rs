//! A socket that does not block, with TLS where the URL says so.

use std::io::{self, Read, Write};
use std::sync::Arc;

use call::stream::StreamUrl;
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// The bytes of one stream's connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    // Boxed: a TLS session is large, and sockets move while they are handed on.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    /// Wraps a connected socket. TLS begins with the first write.
    pub fn new(
        tcp: TcpStream,
        url: &StreamUrl,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, rustls::Error> {
        if !url.is_secure() {
            return Ok(Self::Plain(tcp));
        }
        let host = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut session = ClientConnection::new(Arc::clone(tls), name)?;
        // What does not fit waits in the WebSocket's own buffer, which is the bound of a slow reader.
        session.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        Ok(Self::Tls(Box::new(StreamOwned::new(session, tcp))))
    }

    /// Whether TLS is being set up.
    pub fn is_securing(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.conn.is_handshaking(),
        }
    }

    /// The TCP socket, to be registered.
    pub fn tcp_mut(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &mut tls.sock,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => match tls.write(bytes)? {
                // Nothing taken although the session can write: its buffer waits for the socket.
                0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
                taken => Ok(taken),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// Bytes that TLS may hold for a socket that takes none.
const TLS_BUFFER_BYTES: usize = 16_384;
