//! Accepts connections, bounds them, and answers each request. Shell, on tokio.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::ServerConfig;
use shell::{Clock, Text};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::addresses::AddressList;
use crate::body::{Body, WholeRequest, closing, text};
use crate::connection;
use crate::metrics::HttpMetrics;
use crate::read;
use crate::rest::Rest;
use crate::room::Room;

/// The TLS settings for the next connection of an HTTPS listener: a reload changes them. `None` closes it.
pub type Https = Arc<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>;

/// What all connections share.
pub struct HttpServer {
    /// The counters of the server.
    pub metrics: Arc<HttpMetrics>,
    /// Whether calls are taken.
    pub ready: Arc<AtomicBool>,
    /// The REST API.
    pub rest: Rest,
    /// The roots of our own authority, PEM: what a phone needs to believe our certificates. `None`
    /// where the operator's certificate is shown.
    pub authorities: Option<String>,
    /// The addresses that peers open their firewalls for.
    pub addresses: AddressList,
    /// The places of connections, of all listeners together.
    pub room: Room,
    /// Adds the counters of other threads to /metrics.
    pub more_metrics: Box<dyn Fn(&mut Text) + Send + Sync>,
}

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

    /// A page of [`PAGES`], else the REST API, which also answers paths that nobody has.
    async fn route(&self, request: WholeRequest) -> Response<Body> {
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        let page = PAGES.iter().find(|(path, _)| is_read && *path == request.uri.path());
        match page {
            Some((_, page)) => page(self),
            None => self.rest.answer(request).await,
        }
    }

    fn address_page(&self) -> Response<Body> {
        text(StatusCode::OK, self.addresses.page.clone())
    }

    fn address_json(&self) -> Response<Body> {
        let mut response = text(StatusCode::OK, self.addresses.json.clone());
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    fn readiness(&self) -> Response<Body> {
        match self.ready.load(Ordering::Acquire) {
            true => text(StatusCode::OK, "ready\n"),
            false => {
                text(StatusCode::SERVICE_UNAVAILABLE, "not taking calls: starting or draining\n")
            }
        }
    }

    fn certificate_authorities(&self) -> Response<Body> {
        let Some(roots) = &self.authorities else {
            let why = "no authority of its own: TLS is off, or sip.tls_certificate is shown\n";
            return text(StatusCode::NOT_FOUND, why);
        };
        let mut response = text(StatusCode::OK, roots.clone());
        let kind = HeaderValue::from_static("application/x-pem-file");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    fn metrics(&self) -> Response<Body> {
        let mut out = Text::default();
        self.metrics.write(&mut out);
        (self.more_metrics)(&mut out);
        let mut response = text(StatusCode::OK, out.finish());
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
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

/// A page that is made from what the server holds, without the store.
type Page = fn(&HttpServer) -> Response<Body>;

/// Pages for GET and HEAD, by their exact path.
const PAGES: &[(&str, Page)] = &[
    ("/", |_| text(StatusCode::OK, FRONT_PAGE)),
    ("/healthz", |_| text(StatusCode::OK, "ok\n")),
    ("/readyz", HttpServer::readiness),
    ("/metrics", HttpServer::metrics),
    ("/ca.pem", HttpServer::certificate_authorities),
    ("/addresses", HttpServer::address_page),
    ("/addresses.json", HttpServer::address_json),
];

const FRONT_PAGE: &str = "\
This is a Sidetone voice gateway.\n\
REST API: /2010-04-01/Accounts/{AccountSid}.json (user AccountSid, password AuthToken)\n\
Health: /healthz, ready for calls: /readyz, counters: /metrics\n\
Certificate authorities to trust for TLS: /ca.pem\n";

/// Past it an HTTPS connection is closed.
const HANDSHAKE_MAX: std::time::Duration = std::time::Duration::from_secs(5);
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
