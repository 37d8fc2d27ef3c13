//! Requests for functions and assets, and the answers to them.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use shared::limits::{FUNCTION_HEADER_BYTES_MAX, FUNCTION_HEADERS_MAX};
use shared::{AccountSid, CallSid};
use url::Url;

/// A request for a function or an asset.
#[derive(Clone, Debug)]
pub struct FunctionRequest {
    /// The first label of the environment's domain.
    pub label: String,
    /// The path in the service, percent-encoded; begins with `/`.
    pub path: String,
    /// Its method.
    pub method: Method,
    /// Its URL, as a signature covers it.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The call that sends it; `None`: a client from outside.
    pub caller: Option<Caller>,
}

/// The call behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its account.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl FunctionAnswer {
    /// An answer of the platform itself.
    pub(crate) fn plain(status: u16, sentence: &str) -> Self {
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: Bytes::from(format!("{sentence}\n")),
        }
    }

    /// The answer of a function, whose worker is not trusted: what is no header is left out, too many of them or too
    /// long ones are a failure (82008).
    pub(crate) fn of_function(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let too_long =
            |(name, value): &(String, String)| name.len() + value.len() > FUNCTION_HEADER_BYTES_MAX;
        if headers.len() > FUNCTION_HEADERS_MAX || headers.iter().any(too_long) {
            return Self::plain(
                500,
                "The headers of the function's answer are too many or too long.",
            );
        }
        let mut kept = HeaderMap::new();
        for (name, value) in headers {
            let pair = (name.parse::<HeaderName>(), HeaderValue::from_str(&value));
            if let (Ok(name), Ok(value)) = pair
                && !OF_CONNECTION.contains(&name.as_str())
            {
                kept.append(name, value);
            }
        }
        // Below 200 a status is not the end of an answer.
        let status = Some(status).filter(|status| (200..=599).contains(status)).unwrap_or(500);
        Self {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers: kept,
            body: body.into(),
        }
    }
}

/// Headers that belong to the connection and follow from the body.
pub(crate) const OF_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_is_no_header_is_left_out_and_repeated_ones_stay() {
        let headers = vec![
            pair("Set-Cookie", "a=b"),
            pair("Set-Cookie", "c=d"),
            pair("bad name", "x"),
            pair("X-Split", "a\r\nb"),
            pair("Content-Length", "7"),
        ];
        let answer = FunctionAnswer::of_function(201, headers, b"body".to_vec());
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(answer.headers.len(), 2);
        assert_eq!(FunctionAnswer::of_function(7, Vec::new(), Vec::new()).status.as_u16(), 500);
    }

    #[test]
    fn too_many_or_too_long_headers_are_a_failure() {
        let many = vec![pair("x-a", "1"); FUNCTION_HEADERS_MAX + 1];
        assert_eq!(FunctionAnswer::of_function(200, many, Vec::new()).status.as_u16(), 500);
        let long = vec![pair("x-a", &"1".repeat(FUNCTION_HEADER_BYTES_MAX))];
        assert_eq!(FunctionAnswer::of_function(200, long, Vec::new()).status.as_u16(), 500);
    }
}
