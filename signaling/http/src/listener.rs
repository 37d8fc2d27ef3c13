//! Accepts connections, gives each its place, and serves what its listener is for. Shell, on tokio.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};

use crate::body::Scheme;
use crate::proxy;
use crate::server::Entrance;
use crate::state::HttpServer;

/// The TLS settings for the next connection of an HTTPS listener: a reload changes them. `None` closes it.
pub type Https = Arc<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>;

/// What the clients of a listener send.
#[derive(Clone)]
pub enum Listening {
    /// HTTP in the clear.
    Http,
    /// HTTP over TLS with these settings.
    Https(Https),
    /// What SDKs and tools send to their proxy (`proxy.rs`); TLS with these settings.
    Proxy(Arc<ServerConfig>),
}

/// Accepts connections until the task is dropped.
pub async fn serve(listener: TcpListener, listening: Listening, server: Arc<HttpServer>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = match server.room.enter(peer.ip()) {
            Ok(place) => place,
            Err(reason) => {
                server.metrics.http_requests_refused_total.count(reason);
                continue;
            }
        };
        let server = Arc::clone(&server);
        // Small answers must not wait for each other (RFC 896).
        let _ = stream.set_nodelay(true);
        let listening = listening.clone();
        tokio::spawn(async move {
            server.connected(stream, peer, listening).await;
            drop(place);
        });
    }
}

impl HttpServer {
    async fn connected(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, what: Listening) {
        match what {
            Listening::Http => {
                let entrance = Entrance { scheme: Scheme::Http, of_proxy: false };
                self.serve_requests(stream, peer, entrance).await;
            }
            Listening::Https(settings) => {
                let Some(settings) = settings() else { return };
                let entrance = Entrance { scheme: Scheme::Https, of_proxy: false };
                self.serve_over_tls(stream, peer, settings, entrance).await;
            }
            Listening::Proxy(settings) => proxy::serve(self, stream, peer, settings).await,
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
