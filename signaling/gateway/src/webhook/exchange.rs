//! One request over one connection, with every bound of the answer. Shell, on tokio.

use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;
use url::{Position, Url};

use super::connector::{Connection, Connector, Origin};
use super::fault::Fault;
use super::meters::WebhookMeters;
use super::pool::Pool;

/// A request as it goes over the wire; made once for a hop, sent again on a retry.
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// Without userinfo and fragment.
    pub(super) url: Url,
    /// All but `Host`.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Time and size bounds of one exchange.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// TCP connect.
    pub(super) connect: Duration,
    /// First byte.
    pub(super) first_byte: Duration,
    /// Between packets of the body.
    pub(super) between: Duration,
    /// Bytes of the body after decoding, by its `Content-Type`.
    pub(super) body_max: fn(Option<&str>) -> usize,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Decoded; empty for a redirect.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// `Content-Type`, whole.
    pub(super) fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
    }
}

/// Carries requests: over an idle connection where there is one, else over a new one.
pub(super) struct Carrier {
    pub(super) connector: Connector,
    pub(super) pool: Pool,
}

impl Carrier {
    /// One exchange.
    ///
    /// A reused connection that turns out to be closed before a byte of the answer came counts as no
    /// connection made: the request goes out again on a new one, with the same idempotency token.
    pub(super) async fn exchange(
        &self,
        outgoing: &Outgoing,
        sni: bool,
        bounds: &Bounds,
        meters: &WebhookMeters,
    ) -> Result<Answer, Fault> {
        let origin = origin_of(&outgoing.url, sni);
        if let Some(connection) = self.pool.take(&origin) {
            meters.connection_reused();
            match self.over(connection, &origin, outgoing, bounds).await {
                Err(Fault::ClosedUnanswered) => {}
                settled => return settled,
            }
        }
        let connection = self.connector.connect(&origin, bounds.connect).await?;
        meters.connection_opened();
        self.over(connection, &origin, outgoing, bounds).await
    }

    async fn over(
        &self,
        mut connection: Connection,
        origin: &Origin,
        outgoing: &Outgoing,
        bounds: &Bounds,
    ) -> Result<Answer, Fault> {
        let request = hyper_request(outgoing)?;
        let response = timeout(bounds.first_byte, connection.send_request(request))
            .await
            .map_err(|_| Fault::Silence(bounds.first_byte))?
            .map_err(|error| Fault::from_http(&error, false))?;
        let answer = read_answer(response, bounds).await?;
        self.pool.give_back(origin.clone(), connection);
        Ok(answer)
    }
}

/// Scheme, host and port of a URL.
fn origin_of(url: &Url, sni: bool) -> Origin {
    Origin {
        https: url.scheme() == "https",
        host: url.host_str().unwrap_or("").to_owned(),
        port: url.port_or_known_default().unwrap_or(80),
        sni,
    }
}

fn hyper_request(outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, Fault> {
    let unwritable = |error: http::Error| Fault::Unwritable(error.to_string());
    let url = &outgoing.url;
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let mut request = Request::builder()
        .method(outgoing.method.clone())
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, host)
        .body(Full::new(outgoing.body.clone()))
        .map_err(unwritable)?;
    request.headers_mut().extend(outgoing.headers.clone());
    Ok(request)
}

async fn read_answer(response: Response<Incoming>, bounds: &Bounds) -> Result<Answer, Fault> {
    let (head, body) = response.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let bytes_max = (bounds.body_max)(content_type);
    let raw = read_body(body, bytes_max, bounds.between).await;
    let body = match raw {
        // What a redirect has in its body is nobody's concern, a missing end of it neither.
        _ if head.status.is_redirection() => Vec::new(),
        Ok(raw) => decode(raw, head.headers.get(CONTENT_ENCODING), bytes_max)?,
        Err(fault) => return Err(fault),
    };
    Ok(Answer { status: head.status, headers: head.headers, body })
}

async fn read_body(
    mut body: Incoming,
    bytes_max: usize,
    between: Duration,
) -> Result<Vec<u8>, Fault> {
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(Fault::TooLarge(bytes_max));
    }
    let mut bytes = Vec::new();
    while let Some(frame) =
        timeout(between, body.frame()).await.map_err(|_| Fault::Silence(between))?
    {
        let frame = frame.map_err(|error| Fault::from_http(&error, true))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > bytes_max {
                return Err(Fault::TooLarge(bytes_max));
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

/// Undoes `Content-Encoding`. The bound holds for what comes out, so a small bomb does no harm.
fn decode(
    raw: Vec<u8>,
    encoding: Option<&HeaderValue>,
    bytes_max: usize,
) -> Result<Vec<u8>, Fault> {
    let encoding = encoding.map_or(b"".as_slice(), HeaderValue::as_bytes);
    if encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity") {
        return Ok(raw);
    }
    if !(encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip")) {
        let name = String::from_utf8_lossy(encoding).into_owned();
        return Err(Fault::Protocol(format!("Content-Encoding `{name}` was not offered")));
    }
    let mut decoded = Vec::new();
    flate2::read::MultiGzDecoder::new(raw.as_slice())
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut decoded)
        .map_err(|error| Fault::Protocol(format!("the gzip body is broken: {error}")))?;
    if decoded.len() > bytes_max { Err(Fault::TooLarge(bytes_max)) } else { Ok(decoded) }
}
