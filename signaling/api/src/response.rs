//! Answers: status, headers, body.

use serde_json::{Value, json};
use store::WriteError;

use crate::request::Request;

/// An answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty with 204.
    pub body: String,
}

/// What every answer to one request shares. Kept while a write is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The path as it was sent: named in 404 answers.
    pub path: String,
    /// Scheme and host the client used.
    pub base: String,
    id: [u8; 16],
    /// Requests of the account under way, this one included; 0 = account unknown.
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
        headers.push(("Content-Type", "application/json;charset=utf-8".to_owned()));
        Response { status, headers, body: body.to_string() }
    }

    pub(crate) fn no_content(&self) -> Response {
        Response { status: 204, headers: self.headers(), body: String::new() }
    }

    /// The error body of contract rest.md §2. A 404 without words of its own names the path.
    pub(crate) fn error(&self, error: &WriteError) -> Response {
        let message = if error.status == 404 && error.message.is_empty() {
            format!("The requested resource {} was not found", self.path)
        } else {
            error.message.clone().into_owned()
        };
        let body = json!({
            "code": error.code,
            "message": message,
            "more_info": more_info(error.code),
            "status": error.status,
        });
        let mut response = self.json(error.status, &body);
        if error.status == 401 {
            let challenge = "Basic realm=\"Twilio API\"".to_owned();
            response.headers.push(("WWW-Authenticate", challenge));
        }
        if !error.allow.is_empty() {
            response.headers.push(("Allow", error.allow.to_owned()));
        }
        if error.status == 503 {
            response.headers.push(("Retry-After", "1".to_owned()));
        }
        response
    }

    /// What every answer carries beside its content type.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut headers = vec![
            ("Twilio-Request-Id", format!("RQ{id}")),
            ("Access-Control-Allow-Origin", "*".to_owned()),
            ("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS".to_owned()),
            (
                "Access-Control-Allow-Headers",
                "Accept, Authorization, Content-Type, Range".to_owned(),
            ),
            ("Access-Control-Allow-Credentials", "true".to_owned()),
            (
                "Access-Control-Expose-Headers",
                "Twilio-Request-Id, Twilio-Concurrent-Requests, Content-Range".to_owned(),
            ),
        ];
        if self.concurrent > 0 {
            headers.push(("Twilio-Concurrent-Requests", self.concurrent.to_string()));
        }
        headers
    }
}

/// The page about an error code that clients expect to be linked.
pub(crate) fn more_info(code: u32) -> String {
    format!("https://www.twilio.com/docs/errors/{code}")
}

/// Code 20404 with a sentence that names what this version lacks.
pub(crate) fn not_built(what: &str) -> WriteError {
    WriteError::new(404, 20404, format!("{what} is not built in this version of the gateway"))
}

/// Code 20004: a known path, another verb. `allow` names those it has.
pub(crate) fn method_not_allowed(allow: &'static str) -> WriteError {
    WriteError { allow, ..WriteError::new(405, 20004, "Method not allowed") }
}

/// Code 20422: a parameter that no code of its own names.
pub(crate) fn invalid_parameter(message: impl Into<String>) -> WriteError {
    WriteError::invalid(20422, message.into())
}
