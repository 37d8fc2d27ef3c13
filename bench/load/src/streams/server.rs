//! An application's server: echoes what it hears on every stream, from the thread of the bench. Shell.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

use crate::endpoint::Trouble;

type Socket = WebSocket<StreamOwned<ServerConnection, TcpStream>>;

/// The server and its connections, in the order of the streams.
pub(super) struct Server {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    ready: OwnedFd,
    streams: Vec<Stream>,
    /// Whether it says back what it hears. Not at first: what waited for it would be echoed at once and delay all
    /// that follows.
    pub is_echoing: bool,
    /// Media messages that came.
    pub received: u64,
    /// Of each media message of a listened stream: the stream, the first sample, and when it came.
    pub heard: Vec<(usize, u8, Instant)>,
    /// Every stream whose number is a multiple of this is listened to.
    every: usize,
}

/// A connection with its stream.
struct Stream {
    socket: Socket,
    sid: String,
    /// Nothing that this one hears is said back.
    is_quiet: bool,
}

impl Server {
    /// Listens, and answers with its certificate.
    pub fn start(every: usize) -> Result<(Self, CertificateDer<'static>), Trouble> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)?;
        let server = Self {
            listener: TcpListener::bind("127.0.0.1:0")?,
            tls: Arc::new(tls),
            ready: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            streams: Vec::new(),
            is_echoing: false,
            received: 0,
            heard: Vec::new(),
            every,
        };
        Ok((server, certificate))
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes connections in its turns from now on.
    pub fn listen_in_turns(&mut self) -> Result<(), Trouble> {
        Ok(epoll::add(&self.ready, &self.listener, EventData::new_u64(LISTENER), EventFlags::IN)?)
    }

    /// Takes the next connection, up to `start`.
    pub fn accept(&mut self) -> Result<(), Trouble> {
        let (tcp, _) = self.listener.accept()?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
        let session = ServerConnection::new(Arc::clone(&self.tls))?;
        let config = WebSocketConfig::default().read_buffer_size(4_096).write_buffer_size(0);
        let stream = StreamOwned::new(session, tcp);
        let mut socket = tungstenite::accept_with_config(stream, Some(config))
            .map_err(|error| error.to_string())?;
        let mut sid = String::new();
        while sid.is_empty() {
            let text = socket.read()?.to_string();
            if text.contains("\"start\"") {
                sid =
                    between(&text, "\"streamSid\":\"").ok_or("start has no streamSid")?.to_owned();
            }
        }
        let tcp = socket.get_ref().get_ref();
        tcp.set_nonblocking(true)?;
        let index = EventData::new_u64(self.streams.len() as u64);
        epoll::add(&self.ready, tcp, index, EventFlags::IN)?;
        self.streams.push(Stream { socket, sid, is_quiet: false });
        Ok(())
    }

    /// Echoes what comes within this time; `false` where nothing came.
    pub fn turn(&mut self, within: Duration) -> Result<bool, Trouble> {
        let mut events = Vec::with_capacity(64);
        epoll::wait(
            &self.ready,
            spare_capacity(&mut events),
            Some(&rustix::event::Timespec::try_from(within)?),
        )?;
        for event in &events {
            match event.data.u64() {
                LISTENER => self.accept()?,
                index => self.echo(index as usize)?,
            }
        }
        Ok(!events.is_empty())
    }

    /// Says audio on a stream and ceases to echo there.
    pub fn play(&mut self, index: usize, audio: &[u8]) -> Result<(), Trouble> {
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        stream.is_quiet = true;
        stream.say(&STANDARD.encode(audio))
    }

    /// Drops what waits of a stream.
    pub fn clear(&mut self, index: usize) -> Result<(), Trouble> {
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        let sid = &stream.sid;
        stream.send(format!(r#"{{"event":"clear","streamSid":"{sid}"}}"#))
    }

    /// Echoes on a stream again.
    pub fn go_on(&mut self, index: usize) {
        if let Some(stream) = self.streams.get_mut(index) {
            stream.is_quiet = false;
        }
    }

    fn echo(&mut self, index: usize) -> Result<(), Trouble> {
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        let is_listened = index.is_multiple_of(self.every);
        loop {
            match stream.socket.read() {
                Ok(Message::Text(text)) => {
                    let Some(payload) = between(&text, "\"payload\":\"") else { continue };
                    self.received += 1;
                    if is_listened {
                        let first = STANDARD.decode(payload.get(..4).unwrap_or_default())?;
                        let heard = first.first().map(|code| (index, *code, Instant::now()));
                        self.heard.extend(heard);
                    }
                    if self.is_echoing && !stream.is_quiet {
                        stream.say(payload)?;
                    }
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Stream {
    fn say(&mut self, payload: &str) -> Result<(), Trouble> {
        let sid = &self.sid;
        self.send(format!(
            r#"{{"event":"media","streamSid":"{sid}","media":{{"payload":"{payload}"}}}}"#
        ))
    }

    fn send(&mut self, text: String) -> Result<(), Trouble> {
        match self.socket.send(Message::text(text)) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            sent => Ok(sent?),
        }
    }
}

/// The listener among the connections.
const LISTENER: u64 = u64::MAX;

/// A client's trust in a certificate.
pub(super) fn trust(certificate: CertificateDer<'static>) -> Result<Arc<ClientConfig>, Trouble> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(client))
}

/// The text behind a mark, up to the next quotation mark.
fn between<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(mark)?;
    rest.split('"').next()
}
