//! What all connections share, and the kinds of pages that are made of it. Shell.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::Response;
use shared::AccountSid;
use shell::Text;

use crate::addresses::AddressList;
use crate::asset::Asset;
use crate::body::{Body, WholeRequest};
use crate::events::{EventSender, EventStreams};
use crate::metrics::HttpMetrics;
use crate::rest::Rest;
use crate::room::Room;

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
    /// The pages that are answered here: [`crate::PAGES`], in a gateway.
    pub pages: &'static [Page],
    /// Hosted call control. Asked before the pages, because its hosts have paths of their own.
    pub hosted: HostedPages,
    /// The serverless API. Asked for paths below [`crate::serverless::PATH`], with good credentials.
    pub serverless: ServerlessPages,
    /// The places of event streams.
    pub event_streams: EventStreams,
    /// Adds the counters of other threads to /metrics.
    pub more_metrics: Box<dyn Fn(&mut Text) + Send + Sync>,
}

/// One path and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The exact path.
    pub path: &'static str,
    /// How a GET of it is answered.
    pub kind: PageKind,
}

/// A response in the making.
pub type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Answers the requests for hosted call control; `None`: the request is for another page.
pub type HostedPages = Box<dyn Fn(&WholeRequest) -> Option<Answering> + Send + Sync>;
/// Answers requests of the serverless API, whose account is known.
pub type ServerlessPages = Box<dyn Fn(AccountSid, WholeRequest) -> Answering + Send + Sync>;

/// How a page is answered.
#[derive(Clone, Copy, Debug)]
pub enum PageKind {
    /// Bytes that stay as they are while the process runs.
    Asset(fn(&HttpServer) -> &Asset),
    /// A response made for this request.
    Made(fn(&HttpServer, &WholeRequest) -> Response<Body>),
    /// A response that waits for other threads, behind the credentials of the REST API.
    Asked(fn(Rest, WholeRequest) -> Answering),
    /// A stream of events for as long as the client reads and the sender lives. A response refuses it.
    Events(fn(&HttpServer, &WholeRequest, EventSender) -> Option<Response<Body>>),
}
