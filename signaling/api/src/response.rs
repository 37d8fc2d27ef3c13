//! Answers: status, headers and body, and the errors that no resource words itself.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

use serde_json::{Value, json};
use shared::Code;
use store::WriteError;

use crate::request::Request;
use crate::text::Text;

/// Name and value of a header.
pub type Header = (&'static str, Cow<'static, str>);

/// An answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Names and values of headers, in order.
    pub headers: Vec<Header>,
    /// The body; empty with 204.
    pub body: String,
}

/// The part that every answer to one request shares. Kept while Control carries out a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The path as it was sent, which a 404 names.
    pub path: String,
    /// Scheme and host the client used.
    pub base: String,
    id: [u8; 16],
    /// Concurrent requests of the account, this one included; 0 where the account is unknown.
    pub concurrent: usize,
}

impl Frame {
    pub(crate) fn new(request: &Request<'_>) -> Self {
        Self {
            path: request.path.to_owned(),
            base: request.base.trim_end_matches('/').to_owned(),
            id: request.id,
            concurrent: 0,
        }
    }

    pub(crate) fn json(&self, status: u16, body: &Value) -> Response {
        let mut headers = self.headers();
        headers.push(("Content-Type", "application/json;charset=utf-8".into()));
        Response { status, headers, body: body.to_string() }
    }

    pub(crate) fn no_content(&self) -> Response {
        Response { status: 204, headers: self.headers(), body: String::new() }
    }

    /// The contract's error body: code, message, link and status. A 404 without a message names the path.
    pub(crate) fn error(&self, error: &WriteError) -> Response {
        // The contract's sentence names the path (rest.md 2). A refusal with its own sentence keeps it.
        let message = if error.status == 404 && error.message.is_empty() {
            Cow::from(format!("The requested resource {} was not found", self.path))
        } else {
            Cow::from(&*error.message)
        };
        // Exactly four keys: with `type` or `title` the Python SDK raises another exception (rest.md 2).
        let body = json!({
            "code": error.code,
            "message": message,
            "more_info": more_info(error.code),
            "status": error.status,
        });
        let mut response = self.json(error.status, &body);
        // A 401 carries a challenge (RFC 9110 §15.5.2).
        if error.status == 401 {
            let challenge = "Basic realm=\"Twilio API\"";
            response.headers.push(("WWW-Authenticate", challenge.into()));
        }
        if !error.allow.is_empty() {
            response.headers.push(("Allow", error.allow.into()));
        }
        if error.status == 503 {
            // One second: a full queue drains with the next commits.
            response.headers.push(("Retry-After", "1".into()));
        }
        response
    }

    /// Headers of every answer beside `Content-Type`.
    pub(crate) fn headers(&self) -> Vec<Header> {
        let mut id = String::with_capacity(34);
        id.push_str("RQ");
        for byte in self.id {
            // Writing to a `String` cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        // CORS for every origin: what a request may do is decided by its credentials alone.
        const FIXED: [(&str, &str); 5] = [
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS"),
            ("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Range"),
            ("Access-Control-Allow-Credentials", "true"),
            (
                "Access-Control-Expose-Headers",
                "Twilio-Request-Id, Twilio-Concurrent-Requests, Content-Range",
            ),
        ];
        let mut headers = vec![("Twilio-Request-Id", id.into())];
        headers.extend(FIXED.map(|(name, value)| (name, value.into())));
        // Without an account there is nothing to count.
        if self.concurrent > 0 {
            headers.push(("Twilio-Concurrent-Requests", self.concurrent.to_string().into()));
        }
        headers
    }
}

/// URL of the page about an error code. Clients expect it in each error.
pub(crate) fn more_info(code: Code) -> Text<impl Display> {
    Text(fmt::from_fn(move |f| write!(f, "https://www.twilio.com/docs/errors/{code}")))
}

/// Code 20404, with a sentence that names the missing feature.
pub(crate) fn not_built(what: impl Display) -> WriteError {
    WriteError::new(
        404,
        Code::NOT_FOUND,
        format!("{what} is not built in this version of the gateway"),
    )
}

/// Code 20004: the path lacks this method. `allow` names those it has.
pub(crate) fn method_not_allowed(allow: &'static str) -> WriteError {
    WriteError { allow, ..WriteError::new(405, Code::METHOD_NOT_ALLOWED, "Method not allowed") }
}

/// Code 20422: an invalid parameter without a code of its own.
pub(crate) fn invalid_parameter(message: impl Into<String>) -> WriteError {
    WriteError::invalid(Code::INVALID_PARAMETER, message.into())
}
