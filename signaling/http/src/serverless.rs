//! Where the serverless API is, and its uploads, which are longer than all other requests. Shell.
//!
//! It has paths of its own below the version that it shares with other products, and two hosts behind the proxy: deploy
//! tools send uploads to another one than the rest. The functions answer; this package checks credentials and bounds.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, Response, Uri};
use shared::limits::{FLOW_BODY_BYTES_MAX, FUNCTION_UPLOAD_BYTES_MAX, REST_BODY_BYTES_MAX};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::body::{Body, WholeRequest};
use crate::state::HttpServer;

/// The path of all resources.
pub(crate) const PATH: &str = "/v1/Services";

/// Whether a path is one of the serverless API.
pub(crate) fn has(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a product of the API is this one. Uploads have a host of their own.
pub(crate) fn is_host(product: &str) -> bool {
    matches!(product, "serverless" | "serverless-upload")
}

/// Most bytes of the body of a request, and its place among the uploads. `Err`: no place is free.
///
/// A body is read before the credentials are checked, so the places bound what strangers can fill: four uploads take as
/// much memory as the connections of all other requests together.
pub(crate) fn body_bound(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(usize, Option<SemaphorePermit<'static>>), ()> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_upload = method == Method::POST
        && has(uri.path())
        && uri.path().trim_end_matches('/').ends_with("/Versions")
        && kind.to_ascii_lowercase().starts_with("multipart/form-data");
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // The definition of a flow. It takes a place only where it is longer than other requests.
    let is_flow = method == Method::POST
        && uri.path().starts_with("/v2/Flows")
        && length.is_some_and(|length: usize| length > REST_BODY_BYTES_MAX);
    let bytes_max = match (is_upload, is_flow) {
        (true, _) => FUNCTION_UPLOAD_BYTES_MAX,
        (false, true) => FLOW_BODY_BYTES_MAX,
        (false, false) => return Ok((REST_BODY_BYTES_MAX, None)),
    };
    let place = UPLOADS.try_acquire().map_err(|_| ())?;
    Ok((bytes_max, Some(place)))
}

impl HttpServer {
    /// Answers a request of the serverless API.
    pub(crate) async fn serverless(&self, request: WholeRequest) -> Response<Body> {
        match self.rest.account_of(request).await {
            Ok((account, request, _permit)) => (self.serverless)(account, request).await,
            Err(answer) => answer,
        }
    }
}

static UPLOADS: Semaphore = Semaphore::const_new(UPLOADS_MAX);
/// Uploads at once. Past it: 503.
const UPLOADS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_long_flow_has_a_bound_of_its_own() {
        let long = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("100000"))]);
        let bound = |path: &'static str, headers: &HeaderMap| {
            body_bound(&Method::POST, &Uri::from_static(path), headers).expect("a bound").0
        };
        assert_eq!(bound("/v2/Flows/FW1", &long), FLOW_BODY_BYTES_MAX);
        assert_eq!(bound("/v2/Flows/FW1", &HeaderMap::new()), REST_BODY_BYTES_MAX);
        assert_eq!(bound("/v1/Alerts", &long), REST_BODY_BYTES_MAX);
    }

    #[test]
    fn only_uploads_may_be_long_and_only_four_at_once() {
        let multipart = HeaderValue::from_static("multipart/form-data; boundary=x");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, multipart)]);
        let bound =
            |path: &'static str| body_bound(&Method::POST, &Uri::from_static(path), &headers);
        for path in [
            "/v1/Services",
            "/v1/Alerts/Versions",
            "/v1/ServicesX/Versions",
            "/2010-04-01/Versions",
        ] {
            assert_eq!(bound(path).expect("a bound").0, REST_BODY_BYTES_MAX, "{path}");
        }
        let upload = "/v1/Services/ZS1/Functions/ZH1/Versions";
        let places: Vec<_> = std::iter::from_fn(|| bound(upload).ok()).collect();
        assert_eq!(places.len(), UPLOADS_MAX);
        assert_eq!(places[0].0, FUNCTION_UPLOAD_BYTES_MAX);
        drop(places);
        assert!(bound(upload).is_ok());
    }
}
