//! Requests whose handler runs inside of this process: the seam between the client and hosted call control.
//!
//! ```text
//! hop of a request ── has(url)? ─┬─ no ──────────────────────────────────▶ DNS, guard, connection (`exchange`)
//!                                └─ yes ─▶ handler, in a task of its own ─┬─ None ──▲
//!                                                                         └─ the answer, read within the same bounds
//! ```
//!
//! The client asks before it resolves the name, at every hop: a redirect may lead in or out. Everything above a hop
//! (turns, deadline, signature, cookies, retries, redirects) and all that follows an answer (log, alerts, fallback)
//! is common to both branches. A hosted request takes no place among the open connections, because its handler may
//! wait for a request of its own that needs one.
//!
//! The HTTP server gives requests from outside to the same handlers. A handler that itself sends requests has a
//! clone of the client, which then lives as long as the process.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use shared::{AccountSid, CallSid};
use url::Url;

/// A request for a hosted resource.
#[derive(Clone)]
pub struct HostedRequest {
    /// Its method.
    pub method: Method,
    /// Its URL as the signature covers it: no userinfo, no fragment.
    pub url: Url,
    /// All of its headers, `Host` included.
    pub headers: HeaderMap,
    /// Empty without a body.
    pub body: Bytes,
    /// The call that sends it. `None`: a client from outside, by the HTTP server.
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

/// The answer of a handler. Any status is an answer.
#[derive(Clone, Debug, Default)]
pub struct HostedAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers. `Content-Length` follows from the body.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// An answer in the making; `None`: the resource is not here, and the request goes out. Dropped when the request's
/// time is over.
pub type HostedAnswering = Pin<Box<dyn Future<Output = Option<HostedAnswer>> + Send>>;

/// All handlers of this process.
pub trait Hosted: Send + Sync {
    /// Whether the URL names a hosted resource, existing or not.
    fn has(&self, url: &Url) -> bool;

    /// Answers a request whose URL it has. `None` only for a host that others have, too: the cloud's.
    fn answer(&self, request: HostedRequest) -> HostedAnswering;
}
