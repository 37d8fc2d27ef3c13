//! A socket that does not block, with TLS where the URL says so.

use std::io::{self, Read, Write};
use std::sync::Arc;

use call::stream::StreamUrl;
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// The bytes of one stream's connection.
#[derive(Debug)]
pub(crate) struct Socket {
    link: Link,
    /// Bytes that the link has taken so far. While it grows, the server reads.
    taken: u64,
}

#[derive(Debug)]
enum Link {
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
            return Ok(Self { link: Link::Plain(tcp), taken: 0 });
        }
        let host = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut session = ClientConnection::new(Arc::clone(tls), name)?;
        // What does not fit waits in the WebSocket's own buffer, which is the bound of a slow reader.
        session.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        let link = Link::Tls(Box::new(StreamOwned::new(session, tcp)));
        Ok(Self { link, taken: 0 })
    }

    /// Whether TLS is being set up.
    pub fn is_securing(&self) -> bool {
        match &self.link {
            Link::Plain(_) => false,
            Link::Tls(tls) => tls.conn.is_handshaking(),
        }
    }

    /// Bytes that the connection has taken so far.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// The TCP socket, to be registered.
    pub fn tcp_mut(&mut self) -> &mut TcpStream {
        match &mut self.link {
            Link::Plain(tcp) => tcp,
            Link::Tls(tls) => &mut tls.sock,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.link {
            Link::Plain(tcp) => tcp.read(buffer),
            Link::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match &mut self.link {
            Link::Plain(tcp) => tcp.write(bytes)?,
            Link::Tls(tls) => match tls.write(bytes)? {
                // Nothing taken although the session can write: its buffer waits for the socket.
                0 if !bytes.is_empty() => return Err(io::ErrorKind::WouldBlock.into()),
                taken => taken,
            },
        };
        self.taken += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.link {
            Link::Plain(tcp) => tcp.flush(),
            Link::Tls(tls) => tls.flush(),
        }
    }
}

/// Bytes that TLS may hold for a socket that takes none.
const TLS_BUFFER_BYTES: usize = 16_384;
