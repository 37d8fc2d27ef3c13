//! All handlers behind one face: for calls it is `webhook::Hosted`, for clients from outside a page of the HTTP server.
//!
//! ```text
//! call ──▶ webhook client ─────────┐
//!                                  ├─▶ Route ─▶ the handler of its kind ─▶ answer
//! client ─▶ HTTP server ─▶ client ─┘                                  └─▶ None: out, or 404 where the host is ours
//! ```
//!
//! A handler registers by its kind; this package knows no engine. Requests from outside pass the client, too, so that
//! counters and the guard against panics are common to both.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, Response, StatusCode};
use http_server::{Answering, Body, WholeRequest, base_url, whole_body};
use url::Url;
use webhook::{Hosted, HostedAnswer, HostedAnswering, HostedRequest, WebhookClient};

use crate::answer::plain;
use crate::route::{Resource, Route, RouteSettings};

/// Answers the requests for one kind of resource.
pub trait Handler: Send + Sync {
    /// The answer; `None`: there is no such resource. May take time. A handler that sends requests has a
    /// client of its own ([`WebhookClient::fetch`]).
    fn answer(&self, resource: Resource, request: HostedRequest) -> HostedAnswering;
}

/// The kinds of hosted resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// TwiML Bins.
    Bin,
    /// Studio flows.
    Flow,
    /// Functions and their assets.
    Function,
    /// Twimlets.
    Twimlet,
}

/// The handlers of this process.
pub struct Handlers {
    routes: RouteSettings,
    of_kind: BTreeMap<Kind, Arc<dyn Handler>>,
}

impl Handlers {
    /// No handler yet.
    pub fn new(routes: RouteSettings) -> Self {
        Self { routes, of_kind: BTreeMap::new() }
    }

    /// With the handler of a kind.
    #[must_use]
    pub fn with(mut self, kind: Kind, handler: impl Handler + 'static) -> Self {
        self.of_kind.insert(kind, Arc::new(handler));
        self
    }

    fn handler(&self, resource: &Resource) -> Option<&Arc<dyn Handler>> {
        let kind = match resource {
            Resource::Bin(_) => Kind::Bin,
            Resource::Flow { .. } => Kind::Flow,
            Resource::Function { .. } => Kind::Function,
            Resource::Twimlet(_) => Kind::Twimlet,
            Resource::Nothing => return None,
        };
        self.of_kind.get(&kind)
    }

    /// The answer to a client of the HTTP server; `None`: the request is for another page. Clients may reach this
    /// server by names that no setting has, so a path of ours counts under each of them.
    pub fn page(&self, request: &WholeRequest, client: &WebhookClient) -> Option<Answering> {
        let url = url_of(request)?;
        if Route::of(&url, &self.routes).is_none() && Route::of_path(url.path()).is_none() {
            return None;
        }
        let request = HostedRequest {
            method: request.method.clone(),
            url,
            headers: request.headers.clone(),
            body: request.body.clone(),
            caller: None,
        };
        let client = client.clone();
        Some(Box::pin(
            async move { sent(client.answer_hosted(request).await.unwrap_or_else(missing)) },
        ))
    }
}

impl Hosted for Handlers {
    fn has(&self, url: &Url) -> bool {
        Route::of(url, &self.routes).is_some()
    }

    fn answer(&self, request: HostedRequest) -> HostedAnswering {
        let (url, routes) = (&request.url, &self.routes);
        let route = Route::of(url, routes).or_else(|| Route::of_path(url.path()));
        let Some(Route { resource, in_cloud }) = route else {
            return Box::pin(async { None });
        };
        let answering = self.handler(&resource).map(|handler| handler.answer(resource, request));
        Box::pin(async move {
            let answer = match answering {
                Some(answering) => answering.await,
                None => None,
            };
            if in_cloud { answer } else { Some(answer.unwrap_or_else(missing)) }
        })
    }
}

/// The URL that a client asked for.
fn url_of(request: &WholeRequest) -> Option<Url> {
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok())?;
    let base = base_url(request.scheme, host);
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    Url::parse(&format!("{base}{target}")).ok()
}

fn missing() -> HostedAnswer {
    plain(StatusCode::NOT_FOUND, "There is no such resource here.\n")
}

fn sent(answer: HostedAnswer) -> Response<Body> {
    let mut response = Response::new(whole_body(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.headers_mut().entry(http::header::CACHE_CONTROL).or_insert(NOT_KEPT);
    response
}

/// Answers depend on the request: nobody may keep them.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");
