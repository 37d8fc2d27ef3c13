//! Accepts connections, bounds them, and answers each request. Shell, on tokio.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::ServerConfig;
use shell::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::body::{Body, WholeRequest, closing};
use crate::connection;
use crate::read;
use crate::state::HttpServer;

/// The TLS settings for the next connection of an HTTPS listener: a reload changes them. `None` closes it.
pub type Https = Arc<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>;

/// Accepts connections until the task is dropped; over TLS with these settings, where they are given.
pub async fn serve(listener: TcpListener, tls: Option<Https>, server: Arc<HttpServer>) {
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
        let tls = tls.as_ref().map(|settings| settings());
        tokio::spawn(async move {
            match tls {
                None => server.serve_connection(stream, peer).await,
                Some(tls) => over_tls(stream, peer, server, tls).await,
            }
            drop(place);
        });
    }
}

/// The same after a handshake.
async fn over_tls(
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    server: Arc<HttpServer>,
    settings: Option<Arc<ServerConfig>>,
) {
    let Some(settings) = settings else { return };
    let acceptor = tokio_rustls::TlsAcceptor::from(settings);
    match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => server.serve_connection(stream, peer).await,
        Ok(Err(error)) => {
            server.metrics.http_requests_refused_total.count("tls");
            tracing::debug!(%error, "an HTTPS handshake failed");
        }
        Err(_) => server.metrics.http_requests_refused_total.count("tls_timeout"),
    }
}

impl HttpServer {
    async fn serve_connection<S>(self: Arc<Self>, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let metrics = Arc::clone(&self.metrics);
        let answer = service_fn(move |request| Box::pin(Arc::clone(&self).answer(request, peer)));
        connection::serve(stream, answer, &metrics).await;
    }

    /// Answers one request, whatever it is.
    async fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Body>, Infallible> {
        let begun = Clock.mono();
        self.metrics.http_requests_open.add(1);
        let close = wants_close(request.headers());
        let response = match read::whole(request, peer).await {
            Ok(request) => self.route(request).await,
            Err(refused) => {
                self.metrics.http_requests_refused_total.count(refused.reason());
                refused.response()
            }
        };
        self.metrics.http_requests_open.add(-1);
        self.metrics.http_requests_answered_total.count(class(response.status()));
        self.metrics.http_request_seconds.observe_duration(Clock.mono().since(begun));
        Ok(closing(response, close))
    }

    /// A page of the table, else the REST API, which also answers paths that nobody has.
    async fn route(&self, request: WholeRequest) -> Response<Body> {
        match self.page(&request) {
            Some(page) => self.show(page, request).await,
            None => self.rest.answer(request).await,
        }
    }
}

/// The CLI sends `Connection: close` and wants to read the same back (RFC 9112 §9.6).
fn wants_close(headers: &http::HeaderMap) -> bool {
    let value = headers.get(header::CONNECTION).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.to_ascii_lowercase().contains("close"))
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        0..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// Past it an HTTPS connection is closed.
const HANDSHAKE_MAX: std::time::Duration = std::time::Duration::from_secs(5);
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
