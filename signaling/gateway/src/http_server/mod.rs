//! The HTTP server: bounds around every request, health, metrics, and the REST API behind. Shell.
//!
//! | bound | past it |
//! |---|---|
//! | connections at once, in all and of one source | accepted and closed |
//! | request line | 414 |
//! | headers | 431 |
//! | body | 413 |
//! | time to read a request | 408 |
//! | a peer that does not read its answer | closed |
//! | requests of one account at once | 429 |

mod connection;
mod patience;
mod read;
mod room;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use shell::{Clock, Text};
use tokio::net::TcpListener;
use transport::tls::HttpsSettings;

use crate::addresses::AddressList;
use crate::metrics::Metrics;
use crate::rest::Rest;

pub use room::Room;

/// A response body: a small text, or a recording as it is read from disk.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// What all connections share.
pub struct HttpServer {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether calls are taken.
    pub ready: Arc<AtomicBool>,
    /// The REST API.
    pub rest: Rest,
    /// The roots of our own authority, PEM: what a phone needs to believe our certificates. `None`
    /// where the operator's certificate is shown.
    pub authorities: Option<String>,
    /// What peers open their firewalls for.
    pub addresses: AddressList,
    /// The places of connections, of all listeners together.
    pub room: Room,
    /// Adds what other threads count to /metrics.
    pub more_metrics: Box<dyn Fn(&mut Text) + Send + Sync>,
}

/// A request that was read whole, within its bounds.
#[derive(Debug)]
pub struct WholeRequest {
    /// The method.
    pub method: Method,
    /// Path and query as received, path percent-encoded.
    pub uri: http::Uri,
    /// Headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who asks.
    pub peer: SocketAddr,
}

/// Accepts connections until the task is dropped; over TLS with these settings, where they are given.
pub async fn serve(listener: TcpListener, tls: Option<HttpsSettings>, server: Arc<HttpServer>) {
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
        let tls = tls.as_ref().map(|settings| settings.read().clone());
        tokio::spawn(async move {
            match tls {
                None => connection::serve(stream, peer, server).await,
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
    settings: Option<Arc<rustls::ServerConfig>>,
) {
    let Some(settings) = settings else { return };
    let acceptor = tokio_rustls::TlsAcceptor::from(settings);
    match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => connection::serve(stream, peer, server).await,
        Ok(Err(error)) => {
            server.metrics.http_requests_refused_total.count("tls");
            tracing::debug!(%error, "an HTTPS handshake failed");
        }
        Err(_) => server.metrics.http_requests_refused_total.count("tls_timeout"),
    }
}

impl HttpServer {
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

    async fn route(&self, request: WholeRequest) -> Response<Body> {
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        match request.uri.path() {
            "/healthz" if is_read => text(StatusCode::OK, "ok\n"),
            "/readyz" if is_read => self.readiness(),
            "/addresses" if is_read => text(StatusCode::OK, self.addresses.page.clone()),
            "/addresses.json" if is_read => {
                let mut response = text(StatusCode::OK, self.addresses.json.clone());
                let kind = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
            "/metrics" if is_read => self.metrics(),
            "/ca.pem" if is_read => self.certificate_authorities(),
            "/" if is_read => text(StatusCode::OK, FRONT_PAGE),
            _ => self.rest.answer(request).await,
        }
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

/// Reads a request whole, or gives the answer that refuses it.
///
/// # Errors
/// The refusal: 408, 413, 414, 431 or 400.
pub async fn read_whole(
    request: http::Request<Incoming>,
    peer: SocketAddr,
) -> Result<WholeRequest, Response<Body>> {
    read::whole(request, peer).await.map_err(read::Refused::response)
}

/// A response with a plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(whole_body(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// An error in the shape that SDKs read, for what is refused before the API sees it.
pub fn problem(status: StatusCode, sentence: &str) -> Response<Body> {
    let body = serde_json::json!({ "message": sentence, "status": status.as_u16() });
    let mut response = text(status, body.to_string());
    let kind = HeaderValue::from_static("application/json;charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// What absolute URLs of this server begin with. The scheme is here and nowhere else.
pub fn base_url(host: impl std::fmt::Display) -> String {
    format!("http://{host}")
}

/// A body that is there already.
pub fn whole_body(bytes: impl Into<Bytes>) -> Body {
    use http_body_util::BodyExt as _;
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// The CLI sends `Connection: close` and wants to read the same back (contract rest.md section 1).
fn wants_close(headers: &http::HeaderMap) -> bool {
    let value = headers.get(header::CONNECTION).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.to_ascii_lowercase().contains("close"))
}

fn closing(mut response: Response<Body>, close: bool) -> Response<Body> {
    if close {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        0..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

const FRONT_PAGE: &str = "\
This is a Sidetone voice gateway.\n\
REST API: /2010-04-01/Accounts/{AccountSid}.json (user AccountSid, password AuthToken)\n\
Health: /healthz, ready for calls: /readyz, counters: /metrics\n\
Certificate authorities to trust for TLS: /ca.pem\n";

/// Past it an HTTPS connection is closed.
const HANDSHAKE_MAX: std::time::Duration = std::time::Duration::from_secs(5);
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

#[cfg(test)]
mod tests;
