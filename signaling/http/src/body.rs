//! Complete requests, and the answers to them. Shell.
//!
//! Below the server, which holds the REST API, and below the API, which answers in these.

use std::net::SocketAddr;

use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::Bytes;

/// A response body: a small text, or a recording as it is read from disk.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// A complete request, within its bounds.
#[derive(Debug)]
pub struct WholeRequest {
    /// GET, POST, DELETE, …
    pub method: Method,
    /// Path and query as received, path percent-encoded.
    pub uri: http::Uri,
    /// Headers as received.
    pub headers: http::HeaderMap,
    /// Empty without a body.
    pub body: Bytes,
    /// The client's address.
    pub peer: SocketAddr,
    /// The scheme of the URLs by which the client reaches this server.
    pub scheme: Scheme,
}

/// How a client reaches this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS that ends here.
    Https,
}

/// A response with a plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(whole_body(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// An error in the shape that SDKs read, for requests refused before the API.
pub fn problem(status: StatusCode, sentence: &str) -> Response<Body> {
    let body = serde_json::json!({ "message": sentence, "status": status.as_u16() });
    let mut response = text(status, body.to_string());
    let kind = HeaderValue::from_static("application/json;charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The prefix of absolute URLs of this server.
pub fn base_url(scheme: Scheme, host: impl std::fmt::Display) -> String {
    match scheme {
        Scheme::Http => format!("http://{host}"),
        Scheme::Https => format!("https://{host}"),
    }
}

/// A body that is complete in memory.
pub fn whole_body(bytes: impl Into<Bytes>) -> Body {
    use http_body_util::BodyExt as _;
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// Adds `Connection: close` if the connection ends with this response.
pub(crate) fn closing(mut response: Response<Body>, close: bool) -> Response<Body> {
    if close {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
