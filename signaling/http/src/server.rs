//! Answers each request of a connection, within bounds. Shell, on tokio.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::ServerConfig;
use shell::Clock;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::body::{Body, Scheme, WholeRequest, closing};
use crate::connection;
use crate::read;
use crate::serverless;
use crate::state::HttpServer;

/// What is known of all requests of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrance {
    pub(crate) scheme: Scheme,
    /// Behind the proxy listener: hosts of the API only.
    pub(crate) of_proxy: bool,
}

impl HttpServer {
    /// Serves requests after a handshake.
    pub(crate) async fn serve_over_tls<S>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
        settings: Arc<ServerConfig>,
        entrance: Entrance,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let acceptor = tokio_rustls::TlsAcceptor::from(settings);
        let mut handshake = acceptor.accept(stream).into_fallible();
        match tokio::time::timeout(HANDSHAKE_MAX, &mut handshake).await {
            Ok(Ok(stream)) => self.serve_requests(stream, peer, entrance).await,
            // Counted before the connection closes: whoever sees it closed finds it counted.
            Ok(Err((error, _stream))) => {
                self.metrics.http_requests_refused_total.count("tls");
                tracing::debug!(%error, "an HTTPS handshake failed");
            }
            Err(_) => self.metrics.http_requests_refused_total.count("tls_timeout"),
        }
    }

    /// Serves requests until the connection ends.
    pub(crate) async fn serve_requests<S>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
        entrance: Entrance,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let metrics = Arc::clone(&self.metrics);
        let answer =
            service_fn(move |request| Box::pin(Arc::clone(&self).answer(request, peer, entrance)));
        connection::serve(stream, answer, &metrics).await;
    }

    /// Answers one request, whatever it is.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        peer: SocketAddr,
        entrance: Entrance,
    ) -> Result<Response<Body>, Infallible> {
        let begun = Clock.mono();
        self.metrics.http_requests_open.add(1);
        let close = wants_close(request.headers());
        let response = match read::whole(request, peer, entrance.scheme).await {
            Ok(request) if entrance.of_proxy => self.route_by_host(request).await,
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

    /// A hosted resource, a page of the table, else the REST API, which also answers paths that nobody has.
    async fn route(&self, request: WholeRequest) -> Response<Body> {
        if let Some(answering) = (self.hosted)(&request) {
            return answering.await;
        }
        if serverless::has(request.uri.path()) {
            return self.serverless(request).await;
        }
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
