//! Reads one complete request, within bounds of bytes and time. Shell.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use shared::limits::{REST_HEADERS_BYTES_MAX, REST_READ_MS, REST_URL_BYTES_MAX};

use crate::body::{Body, Scheme, WholeRequest, closing, problem};
use crate::serverless;

/// Reasons a request is refused before the API, with their status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 414: the request line is too long.
    Url,
    /// 431: the headers are too long or too many.
    Headers,
    /// 413: the body is too long.
    Body,
    /// 408: the request did not arrive in time.
    Slow,
    /// 400: the body is incomplete.
    Broken,
    /// 503: too many uploads at once.
    Uploads,
    /// 400: no valid Host header, or two (RFC 9112 §3.2). Absolute URLs in answers begin with it.
    Host,
}

/// Reads a complete request that came in the clear.
///
/// # Errors
/// The refusal: 408, 413, 414, 431 or 400.
pub async fn read_whole(
    request: http::Request<Incoming>,
    peer: SocketAddr,
) -> Result<WholeRequest, Response<Body>> {
    whole(request, peer, Scheme::Http).await.map_err(Refused::response)
}

/// Reads the body of a request after its head.
pub(crate) async fn whole(
    request: http::Request<Incoming>,
    peer: SocketAddr,
    scheme: Scheme,
) -> Result<WholeRequest, Refused> {
    let (mut head, body) = request.into_parts();
    if head.uri.to_string().len() > REST_URL_BYTES_MAX {
        return Err(Refused::Url);
    }
    let bytes = |(name, value): (&http::HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_PUNCTUATION_BYTES
    };
    if head.headers.iter().map(bytes).sum::<usize>() > REST_HEADERS_BYTES_MAX {
        return Err(Refused::Headers);
    }
    if !names_its_host(&head) {
        return Err(Refused::Host);
    }
    if let Some(authority) = head.uri.authority() {
        // In absolute form the target names the host, and Host does not count (RFC 9112 §3.2.2).
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refused::Host)?;
        head.headers.insert(http::header::HOST, host);
    }
    // axios asks a proxy for `https://…` without a tunnel; what it then reads must lead back the same way.
    let is_https = head.uri.scheme() == Some(&http::uri::Scheme::HTTPS);
    let scheme = if is_https { Scheme::Https } else { scheme };
    let (bytes_max, _upload) = serverless::body_bound(&head.method, &head.uri, &head.headers)
        .map_err(|()| Refused::Uploads)?;
    let announced = hyper::body::Body::size_hint(&body).lower();
    if announced > bytes_max as u64 {
        return Err(Refused::Body);
    }
    let limited = Limited::new(body, bytes_max).collect();
    let body = match tokio::time::timeout(READ_MAX, limited).await {
        Err(_) => return Err(Refused::Slow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Refused::Body),
        Ok(Err(_)) => return Err(Refused::Broken),
        Ok(Ok(body)) => body.to_bytes(),
    };
    Ok(WholeRequest {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body,
        peer,
        scheme,
    })
}

impl Refused {
    /// The metric's label.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Headers => "headers",
            Self::Body => "body",
            Self::Slow => "slow",
            Self::Broken => "broken",
            Self::Uploads => "uploads",
            Self::Host => "host",
        }
    }

    /// The answer. It ends the connection, because the begin of a further request is unknown.
    pub(crate) fn response(self) -> Response<Body> {
        let (status, sentence) = match self {
            Self::Url => (StatusCode::URI_TOO_LONG, "The URL is longer than 8 KiB."),
            Self::Headers => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are longer than 16 KiB.")
            }
            Self::Body => {
                (StatusCode::PAYLOAD_TOO_LARGE, "The body is too long: 64 KiB, an upload 26 MiB.")
            }
            Self::Slow => {
                (StatusCode::REQUEST_TIMEOUT, "The request took longer than 10 s to arrive.")
            }
            Self::Broken => (StatusCode::BAD_REQUEST, "The body broke off."),
            Self::Uploads => {
                (StatusCode::SERVICE_UNAVAILABLE, "Too many uploads at once; send it again later.")
            }
            Self::Host => (StatusCode::BAD_REQUEST, "The request must name one host."),
        };
        closing(problem(status, sentence), true)
    }
}

/// Checks the Host header: optional in HTTP/1.0, otherwise required exactly once.
fn names_its_host(head: &http::request::Parts) -> bool {
    let mut hosts = head.headers.get_all(http::header::HOST).iter();
    let is_host = |value: &HeaderValue| {
        let host = value.to_str().ok().and_then(|text| text.parse::<http::uri::Authority>().ok());
        host.is_some_and(|host| !host.as_str().contains('@'))
    };
    if head.uri.authority().is_some_and(|target| target.as_str().contains('@')) {
        return false;
    }
    match (hosts.next(), hosts.next()) {
        (None, _) => head.version < http::Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    }
}

pub(crate) const READ_MAX: Duration = Duration::from_millis(REST_READ_MS as u64);
/// Bytes of colon, space and line end of a header.
const HEADER_PUNCTUATION_BYTES: usize = 4;
