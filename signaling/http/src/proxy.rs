//! The proxy listener: what SDKs and tools send where their proxy variables point here. Shell, on tokio.
//!
//! Official clients have the API's hosts built in and honour proxy variables (rest.md 1.3), so they run unchanged.
//! It is a proxy by form only: each request is answered by this gateway, and no connection leaves.
//!
//! ```text
//! first byte of a connection
//!   ├─ TLS record ───────────────────────────────▶ handshake ──▶ requests (https)
//!   └─ else HTTP ─┬─ CONNECT host:443 ─▶ 200, tunnel ─▶ handshake ──▶ requests (https)
//!                 └─ GET http://host/… ──────────────────────────▶ request (http)
//! ```
//!
//! The first branch is for clients whose name service sends them here. The certificate follows from the name in the
//! handshake (`ApiNames`), the resource from Host. A host that the API does not have is refused with 403 and the name of
//! the setting, at once: tools ask for package registries, too, and must not wait for them. A connection keeps its
//! place in [`crate::Room`] through tunnel and handshake, and a tunnel has the time of a handshake to begin one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::uri::Authority;
use http::{Method, Response, StatusCode, Uri, header};
use hyper::ext::ReasonPhrase;
use hyper::service::service_fn;
use rustls::ServerConfig;
use shared::api_host;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::body::{Body, Scheme, WholeRequest, closing, problem, whole_body};
use crate::connection;
use crate::read::READ_MAX;
use crate::server::Entrance;
use crate::serverless;
use crate::state::HttpServer;

/// Serves one connection of the proxy listener.
pub(crate) async fn serve(
    server: Arc<HttpServer>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Arc<ServerConfig>,
) {
    let mut first = [0];
    match tokio::time::timeout(READ_MAX, stream.peek(&mut first)).await {
        Ok(Ok(1..)) if first == [TLS_HANDSHAKE] => {
            server.serve_over_tls(stream, peer, tls, OVER_TLS).await;
        }
        Ok(Ok(1..)) => in_the_clear(server, stream, peer, tls).await,
        // Closed or idle, without a byte: there is nobody to answer.
        Ok(_) | Err(_) => {}
    }
}

/// Serves requests until the connection ends or a CONNECT makes it a tunnel.
async fn in_the_clear(
    server: Arc<HttpServer>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Arc<ServerConfig>,
) {
    let is_tunnel = Arc::new(AtomicBool::new(false));
    let (asked, noted) = (Arc::clone(&server), Arc::clone(&is_tunnel));
    let answer = service_fn(move |request: http::Request<_>| {
        let (server, is_tunnel) = (Arc::clone(&asked), Arc::clone(&noted));
        Box::pin(async move {
            if *request.method() != Method::CONNECT {
                return server.answer(request, peer, IN_THE_CLEAR).await;
            }
            let response = server.connect(request.uri());
            is_tunnel.store(response.status() == StatusCode::OK, Ordering::Relaxed);
            Ok(response)
        })
    });
    let (mut stream, early) = connection::drive(stream, answer, &server.metrics).await;
    if is_tunnel.load(Ordering::Relaxed) {
        tunnel(server, stream, early, peer, tls).await;
    } else {
        let _ = stream.shutdown().await;
    }
}

/// What follows a CONNECT; `early` is what the client sent before it read our 200.
async fn tunnel(
    server: Arc<HttpServer>,
    stream: TcpStream,
    early: Bytes,
    peer: SocketAddr,
    tls: Arc<ServerConfig>,
) {
    let (read, write) = stream.into_split();
    let stream = tokio::io::join(std::io::Cursor::new(early).chain(read), write);
    server.serve_over_tls(stream, peer, tls, OVER_TLS).await;
}

impl HttpServer {
    /// Accepts a tunnel to a host of the API, at the port of HTTPS, and no other.
    fn connect(&self, target: &Uri) -> Response<Body> {
        let host = target.host().unwrap_or_default();
        if target.port_u16() == Some(HTTPS_PORT) && api_host::product(host).is_some() {
            self.metrics.http_proxy_tunnels_total.count();
            return Response::new(whole_body(Bytes::new()));
        }
        self.refuse_host(format_args!("CONNECT {target}"))
    }

    /// Answers a request by its host: the REST API, and of that the product that the host stands for.
    pub(crate) async fn route_by_host(&self, request: WholeRequest) -> Response<Body> {
        let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let authority = host.and_then(|host| host.parse::<Authority>().ok());
        let host = authority.as_ref().map_or("", Authority::host);
        match api_host::product(host) {
            Some(product)
                if serverless::is_host(&product) && serverless::has(request.uri.path()) =>
            {
                self.serverless(request).await
            }
            Some(product) if serves(&product, request.uri.path()) => {
                self.rest.answer(request).await
            }
            Some(_) => {
                let path = request.uri.path();
                let sentence = format!("This gateway has no {path} on {host}.");
                problem(StatusCode::NOT_FOUND, &sentence)
            }
            None => self.refuse_host(format_args!("a request for \"{host}\"")),
        }
    }

    fn refuse_host(&self, what: std::fmt::Arguments<'_>) -> Response<Body> {
        self.metrics.http_requests_refused_total.count("proxy_host");
        let sentence = format!(
            "{what} is refused: this proxy serves the hosts of the API below twilio.com, with https at port 443, and \
             no others (setting http.proxy)."
        );
        let mut response = problem(StatusCode::FORBIDDEN, &sentence);
        // Clients show the reason phrase of an answer to CONNECT and drop its body.
        response.extensions_mut().insert(REFUSED);
        closing(response, true)
    }
}

/// Whether a product of the API has this path.
fn serves(product: &str, path: &str) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    match (product, segments.next()) {
        ("api", Some("2010-04-01")) | ("monitor", Some("v1")) | ("studio", Some("v2")) => true,
        ("voice", Some("v1")) => segments.next() != Some("Alerts"),
        _ => false,
    }
}

const OVER_TLS: Entrance = Entrance { scheme: Scheme::Https, of_proxy: true };
const IN_THE_CLEAR: Entrance = Entrance { scheme: Scheme::Http, of_proxy: true };
const REFUSED: ReasonPhrase = ReasonPhrase::from_static(b"Only hosts of the API (http.proxy)");
const HTTPS_PORT: u16 = 443;
/// The content type of a record with a ClientHello (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_product_has_its_own_paths() {
        let calls = "/2010-04-01/Accounts/AC1/Calls.json";
        assert!(serves("api", calls) && !serves("voice", calls) && !serves("studio", calls));
        assert!(serves("monitor", "/v1/Alerts") && !serves("voice", "/v1/Alerts"));
        assert!(serves("voice", "/v1/ByocTrunks") && !serves("api", "/v1/ByocTrunks"));
        assert!(!serves("api", "/metrics") && !serves("api", "/"));
    }
}
