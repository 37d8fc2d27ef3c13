//! Requests of the gateway itself, to a store of the operator: bytes go up in pieces or come back whole.
//!
//! They share the guard, TLS and connections with webhooks, and nothing else: no signature, no cookies, no
//! redirect, no retry. Who asks decides about those; a body in pieces can be sent only once. A transfer has
//! no short deadline, as a recording of hours takes its time. It fails when nothing moves for a while, or
//! when it is slower than the slowest pace its caller accepts.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use crate::body::RequestBody;
use crate::client::WebhookClient;
use crate::connector::Connection;
use crate::exchange::{hyper_request, origin_of, read_body};
use crate::fault::{Fault, WebhookFailure};

/// Time for the TCP connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// A request to a store.
pub struct Transfer {
    /// Its method.
    pub method: Method,
    /// Its URL. The query may hold a signature: it is in no log and no failure.
    pub url: Url,
    /// All headers but `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// Its body.
    pub upload: Upload,
}

/// The body of a transfer.
pub enum Upload {
    /// A body in memory; empty = none. It is sent twice where a kept connection closes without an answer.
    Whole(Bytes),
    /// Bytes that another task supplies.
    Pieces {
        /// The pieces, in order. An error ends the transfer.
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        /// The sum of their lengths.
        length: u64,
    },
}

/// The bounds of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct TransferBounds {
    /// Time without a byte in either direction, after which it fails.
    pub stall: Duration,
    /// Time for all of it.
    pub total: Duration,
    /// Most bytes of the answer's body.
    pub answer_bytes_max: usize,
}

/// A complete answer of a store.
#[derive(Debug)]
pub struct TransferAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as sent.
    pub body: Vec<u8>,
}

impl WebhookClient {
    /// Carries a request to a store, and its answer back.
    ///
    /// # Errors
    /// No complete answer. Any HTTP status is an answer.
    pub async fn transfer(
        &self,
        transfer: Transfer,
        bounds: TransferBounds,
    ) -> Result<TransferAnswer, WebhookFailure> {
        let begun = Instant::now();
        let mut url = transfer.url.clone();
        url.set_query(None);
        let carried = timeout_at(begun + bounds.total, self.carry(transfer, bounds)).await;
        let result = carried.unwrap_or(Err(Fault::Total(bounds.total)));
        result.map_err(|fault| WebhookFailure {
            code: fault.code(),
            sentence: fault.to_string(),
            url: url.into(),
            duration_ms: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX),
        })
    }

    async fn carry(
        &self,
        transfer: Transfer,
        bounds: TransferBounds,
    ) -> Result<TransferAnswer, Fault> {
        let carrier = self.carrier();
        let Transfer { method, url, headers, upload } = transfer;
        let origin = origin_of(&url);
        let make = |body| hyper_request(&method, &url, &headers, body);
        let taken = Arc::new(AtomicU64::new(0));
        let body = match upload {
            Upload::Pieces { pieces, length } => {
                // It can be sent only once, so it must not meet a connection that is just closing.
                RequestBody::Pieces { pieces, left: length, taken: Arc::clone(&taken) }
            }
            Upload::Whole(body) => {
                if let Some(mut connection) = carrier.pool.take(&origin) {
                    let request = make(RequestBody::from(body.clone()))?;
                    match answered(&mut connection, request, &taken, bounds.stall).await {
                        Err(Fault::ClosedUnanswered) => {}
                        settled => {
                            let answer = whole(settled?, bounds).await?;
                            carrier.pool.give_back(origin, connection);
                            return Ok(answer);
                        }
                    }
                }
                RequestBody::from(body)
            }
        };
        let mut connection = carrier.connector.connect(&origin, CONNECT).await?;
        let response = answered(&mut connection, make(body)?, &taken, bounds.stall).await?;
        let answer = whole(response, bounds).await?;
        carrier.pool.give_back(origin, connection);
        Ok(answer)
    }
}

/// Sends the request and waits for the head of the answer for as long as the body moves.
async fn answered(
    connection: &mut Connection,
    request: http::Request<RequestBody>,
    taken: &AtomicU64,
    stall: Duration,
) -> Result<Response<Incoming>, Fault> {
    let mut send = pin!(connection.send_request(request));
    loop {
        let before = taken.load(Ordering::Relaxed);
        match timeout(stall, &mut send).await {
            Ok(answer) => return answer.map_err(|error| Fault::from_http(&error, false)),
            Err(_) if taken.load(Ordering::Relaxed) > before => {}
            Err(_) => return Err(Fault::Silence(stall)),
        }
    }
}

async fn whole(
    response: Response<Incoming>,
    bounds: TransferBounds,
) -> Result<TransferAnswer, Fault> {
    let (head, body) = response.into_parts();
    let body = read_body(body, bounds.stall, bounds.answer_bytes_max).await?;
    Ok(TransferAnswer { status: head.status, headers: head.headers, body })
}
