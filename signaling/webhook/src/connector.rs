//! Opens a guarded connection to the customer's web server. Shell, on tokio.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shared::limits;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::body::RequestBody;
use crate::dns::{AddressGuard, Resolver};
use crate::fault::Fault;

/// One HTTP/1.1 connection, ready for a request.
pub(crate) type Connection = SendRequest<RequestBody>;

/// Time for the TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Addresses of one name tried for one connection.
const ADDRESSES_MAX: usize = 4;

/// The destination of a connection, and how it is reached. Connections of equal origin are
/// interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) https: bool,
    /// Lower case; IPv6 in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether TLS sends the host name (override `sni`).
    pub(crate) sni: bool,
    /// The edge whose address is the source (override `e`); `None`: the system chooses.
    pub(crate) edge: Option<String>,
}

/// Reasons the client cannot be made. Our error or the system's.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSetupError {
    /// TLS could not be set up.
    #[error("TLS for webhooks cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Opens connections. The guard checks each address immediately before the connect, so a name that
/// changes its address in between gains nothing.
pub(crate) struct Connector {
    resolver: Resolver,
    guard: AddressGuard,
    edges: BTreeMap<String, Vec<IpAddr>>,
    tls: TlsConnector,
    tls_nameless: TlsConnector,
    http: Builder,
}

impl Connector {
    /// `edges` are the addresses that each edge sends from; `extra_roots` are trusted besides the
    /// system's certificate authorities.
    pub(crate) fn new(
        resolver: Resolver,
        guard: AddressGuard,
        edges: BTreeMap<String, Vec<IpAddr>>,
        extra_roots: &[CertificateDer<'static>],
    ) -> Result<Self, WebhookSetupError> {
        let roots = Arc::new(trusted_roots(extra_roots));
        let mut http = Builder::new();
        http.title_case_headers(true)
            .max_headers(limits::WEBHOOK_HEADERS_MAX)
            .max_header_size(limits::WEBHOOK_HEADERS_BYTES_MAX)
            .max_buf_size(limits::WEBHOOK_HEADERS_BYTES_MAX);
        Ok(Self {
            resolver,
            guard,
            edges,
            tls: TlsConnector::from(client_config(&roots, true)?),
            tls_nameless: TlsConnector::from(client_config(&roots, false)?),
            http,
        })
    }

    /// Whether the edge has addresses of its own here.
    pub(crate) fn serves(&self, edge: &str) -> bool {
        self.edges.contains_key(edge)
    }

    /// Opens a connection. `connect_max` bounds TCP over all addresses together.
    pub(crate) async fn connect(
        &self,
        origin: &Origin,
        connect_max: Duration,
    ) -> Result<Connection, Fault> {
        let addresses = self.permitted(origin).await?;
        let sources = origin.edge.as_ref().and_then(|edge| self.edges.get(edge));
        let sources = sources.map_or(&[][..], Vec::as_slice);
        let stream = connect_one_of(&addresses, sources, connect_max).await?;
        // A request is written as a whole, so Nagle's algorithm would only delay its last segment.
        let _ = stream.set_nodelay(true);
        if !origin.https {
            return self.start(stream).await;
        }
        let connector = if origin.sni { &self.tls } else { &self.tls_nameless };
        let bare = origin.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| Fault::TlsName(error.to_string()))?;
        match timeout(HANDSHAKE_MAX, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => self.start(stream).await,
            Ok(Err(error)) => Err(Fault::from_handshake(&error)),
            Err(_) => Err(Fault::Tls("not finished within 5 s".to_owned())),
        }
    }

    /// Opens TCP to one of these addresses.
    pub(crate) async fn open(
        &self,
        addresses: &[SocketAddr],
        at_most: Duration,
    ) -> Result<TcpStream, Fault> {
        connect_one_of(addresses, &[], at_most).await
    }

    pub(crate) fn tls_config(&self) -> &Arc<ClientConfig> {
        self.tls.config()
    }

    /// The addresses of a name that may be connected to.
    pub(crate) async fn permitted(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Fault> {
        let resolved = self.resolver.addresses(&origin.host).await?;
        let mut refused = None;
        let mut permitted = Vec::new();
        for ip in resolved {
            let address = SocketAddr::new(ip.to_canonical(), origin.port);
            match self.guard.check(address) {
                Ok(()) => permitted.push(address),
                Err(reason) => refused = Some(reason),
            }
        }
        permitted.truncate(ADDRESSES_MAX);
        match refused {
            Some(reason) if permitted.is_empty() => Err(reason.into()),
            _ => Ok(permitted),
        }
    }

    async fn start<S>(&self, stream: S) -> Result<Connection, Fault>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = self.http.handshake(TokioIo::new(stream));
        let (sender, connection) =
            handshake.await.map_err(|error| Fault::from_http(&error, false))?;
        // Ends when the sender is dropped or the peer closes. The request itself reports the error.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "webhook connection ended");
            }
        });
        Ok(sender)
    }
}

/// Tries the addresses in order, each with an equal share of the remaining time.
async fn connect_one_of(
    addresses: &[SocketAddr],
    sources: &[IpAddr],
    at_most: Duration,
) -> Result<TcpStream, Fault> {
    let deadline = Instant::now() + at_most;
    let mut fault = Fault::ConnectTimeout(at_most);
    for (index, address) in addresses.iter().enumerate() {
        let attempts_left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / attempts_left;
        match timeout_at(Instant::now() + share, connect_from(sources, *address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => fault = Fault::from_connect(error),
            Err(_) => fault = Fault::ConnectTimeout(at_most),
        }
    }
    Err(fault)
}

/// Connects from the first source address of the peer's IP version; without one the system chooses.
async fn connect_from(sources: &[IpAddr], address: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = sources.iter().find(|source| source.is_ipv4() == address.is_ipv4()) else {
        return TcpStream::connect(address).await;
    };
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(*source, 0))?;
    socket.connect(address).await
}

fn trusted_roots(extra: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a certificate authority of the system cannot be read");
    }
    let (_, unusable) = roots.add_parsable_certificates(system.certs);
    if unusable > 0 {
        tracing::debug!(unusable, "certificate authorities of the system that are not understood");
    }
    roots.add_parsable_certificates(extra.iter().cloned());
    if roots.is_empty() {
        tracing::warn!(
            "this machine trusts no certificate authority: https webhooks will fail with 11237"
        );
    }
    roots
}

fn client_config(
    roots: &Arc<RootCertStore>,
    sni: bool,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)?
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.enable_sni = sni;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
