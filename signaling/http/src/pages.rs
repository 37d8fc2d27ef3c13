//! The table of pages: what this server answers by itself, without the store. Shell.
//!
//! A row is a path and one of four kinds. An asset has its bytes at start and lets clients keep them
//! (`ETag`); a page is made for each request, and sees the request, so that it may read a cookie and set
//! one; an event stream stays open, and the layer that has the events holds its sender; an asked page waits for other threads. A path that no row
//! has belongs to the REST API. Rows for GET answer HEAD too.

use std::sync::atomic::Ordering;

use http::{HeaderValue, Method, Response, StatusCode, header};
use shell::Text;

use crate::body::{Body, WholeRequest, text};
use crate::events::{self, EventSender};
use crate::rest::Rest;
use crate::state::{Answering, HttpServer, Page, PageKind};

impl HttpServer {
    /// The page for this request; `None`: there is none at its path, or not for its method.
    pub(crate) fn page(&self, request: &WholeRequest) -> Option<Page> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return None;
        }
        self.pages.iter().find(|page| page.path == request.uri.path()).copied()
    }

    /// The answer of a page.
    pub(crate) async fn show(&self, page: Page, request: WholeRequest) -> Response<Body> {
        match page.kind {
            PageKind::Asset(asset) => asset(self).answer(&request.headers),
            PageKind::Made(make) => make(self, &request),
            PageKind::Asked(ask) => ask(self.rest.clone(), request).await,
            // A HEAD reads no events, so nothing is opened for it.
            PageKind::Events(_) if request.method == Method::HEAD => events::head(),
            PageKind::Events(open) => self.event_stream(&request, open),
        }
    }

    fn event_stream(
        &self,
        request: &WholeRequest,
        open: fn(&Self, &WholeRequest, EventSender) -> Option<Response<Body>>,
    ) -> Response<Body> {
        let Some((sender, stream)) = self.event_streams.open(&self.metrics) else {
            self.metrics.http_requests_refused_total.count("event_streams");
            let why = "too many event streams are open; try again later\n";
            return text(StatusCode::SERVICE_UNAVAILABLE, why);
        };
        open(self, request, sender).unwrap_or(stream)
    }
}

fn readiness(server: &HttpServer, _: &WholeRequest) -> Response<Body> {
    match server.ready.load(Ordering::Acquire) {
        true => text(StatusCode::OK, "ready\n"),
        false => text(StatusCode::SERVICE_UNAVAILABLE, "not taking calls: starting or draining\n"),
    }
}

fn certificate_authorities(server: &HttpServer, _: &WholeRequest) -> Response<Body> {
    let Some(roots) = &server.authorities else {
        let why = "no authority of its own: TLS is off, or sip.tls_certificate is shown\n";
        return text(StatusCode::NOT_FOUND, why);
    };
    of_type("application/x-pem-file", text(StatusCode::OK, roots.clone()))
}

fn metrics(server: &HttpServer, _: &WholeRequest) -> Response<Body> {
    let mut out = Text::default();
    server.metrics.write(&mut out);
    (server.more_metrics)(&mut out);
    of_type("text/plain; version=0.0.4; charset=utf-8", text(StatusCode::OK, out.finish()))
}

fn legs(rest: Rest, request: WholeRequest) -> Answering {
    Box::pin(async move { rest.legs(request).await })
}

fn of_type(kind: &'static str, mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

const fn made(path: &'static str, make: fn(&HttpServer, &WholeRequest) -> Response<Body>) -> Page {
    Page { path, kind: PageKind::Made(make) }
}

/// The pages of a gateway.
pub const PAGES: &[Page] = &[
    made("/", |_, _| text(StatusCode::OK, FRONT_PAGE)),
    made("/healthz", |_, _| text(StatusCode::OK, "ok\n")),
    made("/readyz", readiness),
    made("/metrics", metrics),
    made("/ca.pem", certificate_authorities),
    Page { path: "/media.json", kind: PageKind::Asked(legs) },
    Page { path: "/addresses", kind: PageKind::Asset(|server| &server.addresses.page) },
    Page { path: "/addresses.json", kind: PageKind::Asset(|server| &server.addresses.json) },
];

const FRONT_PAGE: &str = "\
This is a Sidetone voice gateway.\n\
REST API: /2010-04-01/Accounts/{AccountSid}.json (user AccountSid, password AuthToken)\n\
Health: /healthz, ready for calls: /readyz, counters: /metrics\n\
Certificate authorities to trust for TLS: /ca.pem\n";
