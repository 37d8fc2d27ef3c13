//! The answers that handlers give. Pure.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use webhook::HostedAnswer;

/// A document: 200, `text/xml`.
pub fn xml(document: impl Into<Bytes>) -> HostedAnswer {
    of_type(StatusCode::OK, "text/xml; charset=utf-8", document)
}

/// A file to play: 200.
pub fn audio(kind: &'static str, file: impl Into<Bytes>) -> HostedAnswer {
    of_type(StatusCode::OK, kind, file)
}

/// A sentence for whoever reads the log.
pub fn plain(status: StatusCode, sentence: impl Into<Bytes>) -> HostedAnswer {
    of_type(status, "text/plain; charset=utf-8", sentence)
}

/// A redirect (302). A target that cannot be in a header is an error of the request: 400.
pub fn redirect(target: &str) -> HostedAnswer {
    let Ok(location) = HeaderValue::from_str(target) else {
        return plain(StatusCode::BAD_REQUEST, "A control character is in the URL.\n");
    };
    let headers = HeaderMap::from_iter([(LOCATION, location)]);
    HostedAnswer { status: StatusCode::FOUND, headers, body: Bytes::new() }
}

fn of_type(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> HostedAnswer {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    HostedAnswer { status, headers, body: body.into() }
}
