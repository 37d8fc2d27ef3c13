//! Requests that hosted handlers send: any method, headers and body, to outside or to another hosted resource.
//!
//! They pass the guard, TLS and the connections of webhooks. Signature, cookies, redirects and retries are the
//! handler's: it knows what its customer's code asked for. A place among all requests under way bounds them; the
//! number for one handler is the handler's bound.

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{HeaderMap, Method};
use tokio::time::{Instant, timeout, timeout_at};
use url::{Position, Url};

use crate::client::WebhookClient;
use crate::exchange::{hyper_request, origin_of, read_body};
use crate::fault::{Fault, WebhookFailure};
use crate::hosted::{Caller, HostedRequest};
use crate::transfer::{CONNECT, TransferAnswer, TransferBounds};

/// A request of a handler.
pub struct Fetch {
    /// Its method.
    pub method: Method,
    /// Its URL: http or https.
    pub url: Url,
    /// All headers but `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// Empty: no body.
    pub body: Bytes,
    /// The call behind it, for a handler that gets it.
    pub caller: Option<Caller>,
}

impl WebhookClient {
    /// Carries a request of a handler, and its answer back as it was sent: not decoded, redirects not followed.
    ///
    /// # Errors
    /// No complete answer. Any HTTP status is an answer.
    pub async fn fetch(
        &self,
        fetch: Fetch,
        bounds: TransferBounds,
    ) -> Result<TransferAnswer, WebhookFailure> {
        let begun = Instant::now();
        let url = fetch.url[..Position::AfterPath].to_owned();
        let carried = timeout_at(begun + bounds.total, self.inside_or_out(fetch, bounds)).await;
        let result = carried.unwrap_or(Err(Fault::Total(bounds.total)));
        result.map_err(|fault| WebhookFailure {
            code: fault.code(),
            sentence: fault.to_string(),
            url,
            duration_ms: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX),
        })
    }

    async fn inside_or_out(
        &self,
        fetch: Fetch,
        bounds: TransferBounds,
    ) -> Result<TransferAnswer, Fault> {
        if !matches!(fetch.url.scheme(), "http" | "https") {
            return Err(Fault::Unwritable(format!("the scheme {}", fetch.url.scheme())));
        }
        if self.is_hosted(&fetch.url)
            && let Some(answer) = self.answer_hosted(self.hosted_request(&fetch)?).await
        {
            if answer.body.len() > bounds.answer_bytes_max {
                return Err(Fault::TooLarge(bounds.answer_bytes_max));
            }
            let (status, headers, body) = (answer.status, answer.headers, answer.body.into());
            return Ok(TransferAnswer { status, headers, body });
        }
        let _place = self.place().await?;
        self.out(fetch, bounds).await
    }

    fn hosted_request(&self, fetch: &Fetch) -> Result<HostedRequest, Fault> {
        let mut headers = fetch.headers.clone();
        let host = HeaderValue::from_str(&fetch.url[Position::BeforeHost..Position::AfterPort]);
        headers.insert(HOST, host.map_err(|error| Fault::Unwritable(error.to_string()))?);
        Ok(HostedRequest {
            method: fetch.method.clone(),
            url: fetch.url.clone(),
            headers,
            body: fetch.body.clone(),
            caller: fetch.caller,
        })
    }

    async fn out(&self, fetch: Fetch, bounds: TransferBounds) -> Result<TransferAnswer, Fault> {
        let Fetch { method, url, headers, body, .. } = fetch;
        let (carrier, origin) = (self.carrier(), origin_of(&url));
        let mut reused = carrier.pool.take(&origin);
        loop {
            let is_reused = reused.is_some();
            let mut connection = match reused.take() {
                Some(connection) => connection,
                None => carrier.connector.connect(&origin, CONNECT).await?,
            };
            let request = hyper_request(&method, &url, &headers, body.clone().into())?;
            let sent = timeout(bounds.stall, connection.send_request(request)).await;
            let answered = sent.map_err(|_| Fault::Silence(bounds.stall))?;
            match answered.map_err(|error| Fault::from_http(&error, false)) {
                // The server closed an idle connection while the request was on its way.
                Err(Fault::ClosedUnanswered) if is_reused => {}
                Err(fault) => return Err(fault),
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let body = read_body(body, bounds.stall, bounds.answer_bytes_max).await?;
                    carrier.pool.give_back(origin, connection);
                    let (status, headers) = (head.status, head.headers);
                    return Ok(TransferAnswer { status, headers, body });
                }
            }
        }
    }
}
