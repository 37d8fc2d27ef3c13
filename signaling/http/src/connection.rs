//! One connection of the HTTP server. Shell.

use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use shared::limits::{HTTP_WRITE_STALLED_MS, REST_HEADERS_BYTES_MAX, REST_URL_BYTES_MAX};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::body::Body;
use crate::metrics::HttpMetrics;
use crate::patience::Patience;
use crate::read::READ_MAX;

/// Serves requests with `service` until the peer or a bound ends the connection.
pub(crate) async fn serve<S, A>(stream: S, service: A, metrics: &HttpMetrics)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Unpin,
    A::Future: Unpin,
{
    let (mut stream, _) = drive(stream, service, metrics).await;
    let _ = stream.shutdown().await;
}

/// As [`serve`], but leaves the connection open at its end. Returns it with the bytes that were read past the
/// last request: those of a tunnel, if a CONNECT began one.
pub(crate) async fn drive<S, A>(stream: S, service: A, metrics: &HttpMetrics) -> (S, Bytes)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Unpin,
    A::Future: Unpin,
{
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_MAX)
        // Past this hyper itself answers 431. `read.rs` checks the exact bounds.
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Patience::new(stream, WRITE_MAX)), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().into_inner();
    if let Err(error) = ended {
        // Without a byte of a request, an idle connection timed out: close it without an answer.
        if error.is_timeout() && !parts.read_buf.is_empty() {
            metrics.http_requests_refused_total.count("slow");
            // The head is incomplete: hyper alone would close without an answer.
            let _ = stream.write_all(REQUEST_TIMEOUT).await;
        }
        tracing::debug!(%error, "an HTTP connection ended with an error");
    }
    (stream, parts.read_buf)
}

const HEAD_BYTES_MAX: usize = 2 * (REST_URL_BYTES_MAX + REST_HEADERS_BYTES_MAX);
const WRITE_MAX: Duration = Duration::from_millis(HTTP_WRITE_STALLED_MS as u64);
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
