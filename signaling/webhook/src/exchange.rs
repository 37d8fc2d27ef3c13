//! One request over one connection, with every bound of the answer. Shell, on tokio.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use audio::{AudioIntake, Encoding, IntakeError};
use bytes::Bytes;
use call::{AnswerBody, PromptFailure};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::response::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming};
use shared::{Code, Prompt, limits};
use tokio::time::{Instant, timeout};
use url::{Position, Url};

use crate::body::RequestBody;
use crate::connector::{Connection, Connector, Origin};
use crate::fault::Fault;
use crate::meters::WebhookMeters;
use crate::pool::Pool;

/// A request as sent on the wire. Made once for a hop; a retry sends it again.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// Without userinfo and fragment.
    pub(crate) url: Url,
    /// All but `Host`.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The connection overrides of a URL that concern the connection.
#[derive(Clone, Copy)]
pub(crate) struct ConnectOptions<'a> {
    /// Whether TLS sends the host name (SNI).
    pub(crate) sni: bool,
    /// The edge that the connection leaves by. Ignored if this node does not serve it.
    pub(crate) edge: Option<&'a str>,
}

/// Time and size bounds of one exchange.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Time for the TCP connection.
    pub(crate) connect: Duration,
    /// Time from the request to the head of the answer.
    pub(crate) first_byte: Duration,
    /// Time between two pieces of the body.
    pub(crate) between: Duration,
    /// The end of the whole request: audio waits for memory until then.
    pub(crate) deadline: Instant,
    pub(crate) expects: Expects,
}

/// The use of the body of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// A document, or audio to play instead, by its `Content-Type`.
    Document,
    /// Nothing: the answer to a callback is never executed.
    Nothing,
    /// A file to play.
    Media,
}

impl Expects {
    /// The media type of a body to play; `None`: the body is not played.
    pub(crate) fn audio(self, head: &Parts) -> Option<String> {
        let content_type = content_type(&head.headers).unwrap_or("");
        let media_type = call::content::media_type(content_type);
        let is_played = match self {
            Self::Document => call::content::is_audio(&media_type),
            Self::Nothing => false,
            Self::Media => true,
        };
        (is_played && head.status.is_success()).then_some(media_type)
    }
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Empty for a redirect.
    pub(crate) body: AnswerBody,
}

impl Answer {
    /// `Content-Type` with its parameters.
    pub(crate) fn content_type(&self) -> Option<&str> {
        content_type(&self.headers)
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// Carries requests, over an idle connection if there is one, else over a new one.
pub(crate) struct Carrier {
    pub(crate) connector: Connector,
    pub(crate) pool: Pool,
    pub(crate) intake: AudioIntake,
}

impl Carrier {
    /// One exchange.
    ///
    /// A server may close an idle connection at any time, also while the request is on its way. If a
    /// reused connection closes before the first byte of the answer, the request is sent again on a new
    /// one. This is not a retry of the policy; the idempotency token is unchanged, so the application can
    /// recognise a copy.
    pub(crate) async fn exchange(
        &self,
        outgoing: &Outgoing,
        options: ConnectOptions<'_>,
        bounds: &Bounds,
        meters: &WebhookMeters,
    ) -> Result<Answer, Fault> {
        let edge = options.edge.filter(|edge| self.connector.serves(edge)).map(str::to_owned);
        let origin = Origin { sni: options.sni, edge, ..origin_of(&outgoing.url) };
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
        let Outgoing { method, url, headers, body } = outgoing;
        let request = hyper_request(method, url, headers, body.clone().into())?;
        let response = timeout(bounds.first_byte, connection.send_request(request))
            .await
            .map_err(|_| Fault::Silence(bounds.first_byte))?
            .map_err(|error| Fault::from_http(&error, false))?;
        let answer = read_answer(response, bounds, &self.intake).await?;
        self.pool.give_back(origin.clone(), connection);
        Ok(answer)
    }
}

/// Scheme, host and port of a URL.
pub(crate) fn origin_of(url: &Url) -> Origin {
    Origin {
        https: url.scheme() == "https",
        host: url.host_str().unwrap_or("").to_owned(),
        port: url.port_or_known_default().unwrap_or(80),
        sni: true,
        edge: None,
    }
}

pub(crate) fn hyper_request(
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body: RequestBody,
) -> Result<Request<RequestBody>, Fault> {
    let unwritable = |error: http::Error| Fault::Unwritable(error.to_string());
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let mut request = Request::builder()
        .method(method.clone())
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, host)
        .body(body)
        .map_err(unwritable)?;
    request.headers_mut().extend(headers.clone());
    Ok(request)
}

async fn read_answer(
    response: Response<Incoming>,
    bounds: &Bounds,
    intake: &AudioIntake,
) -> Result<Answer, Fault> {
    let (head, body) = response.into_parts();
    let encoding = encoding(&head.headers);
    let body = match bounds.expects.audio(&head) {
        Some(media_type) => {
            AnswerBody::Audio(read_audio(body, &media_type, encoding?, bounds, intake).await?)
        }
        None => match read_body(body, bounds.between, DOCUMENT_BYTES_MAX).await {
            // The body of a redirect or of a missing file is not used, so a fault in it does not matter.
            _ if head.status.is_redirection() || bounds.expects == Expects::Media => Vec::new(),
            Ok(raw) => unpack(raw, encoding?)?,
            Err(fault) => return Err(fault),
        }
        .into(),
    };
    Ok(Answer { status: head.status, headers: head.headers, body })
}

/// Decodes a file while it arrives. After an error of the file its rest is not read.
async fn read_audio(
    mut body: Incoming,
    media_type: &str,
    encoding: Encoding,
    bounds: &Bounds,
    intake: &AudioIntake,
) -> Result<Result<Arc<Prompt>, PromptFailure>, Fault> {
    let length = body.size_hint().exact();
    let decoded = async {
        let mut load = intake.begin(media_type, encoding, length, bounds.deadline).await?;
        while let Some(frame) = next_frame(&mut body, bounds.between).await? {
            if let Ok(data) = frame.into_data() {
                load.push(data).await?;
            }
        }
        Ok(load.finish().await?)
    };
    match decoded.await {
        Ok(prompt) => Ok(Ok(prompt)),
        Err(Unread::Unplayable(failure)) => Ok(Err(failure)),
        Err(Unread::Fault(fault)) => Err(fault),
    }
}

/// Reasons a file gave no prompt: it cannot be played, or the request failed.
pub(crate) enum Unread {
    Unplayable(PromptFailure),
    Fault(Fault),
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<IntakeError> for Unread {
    fn from(error: IntakeError) -> Self {
        let unplayable =
            |code| Self::Unplayable(PromptFailure { code, sentence: error.to_string() });
        match error {
            IntakeError::Audio(_) => unplayable(Code::PLAY_CONTENT_TYPE),
            IntakeError::Broken => unplayable(Code::INTERNAL),
            IntakeError::TooLarge => Self::Fault(Fault::TooLarge(limits::PLAY_BYTES_MAX)),
            IntakeError::Gzip(_) => Self::Fault(Fault::Protocol(error.to_string())),
            IntakeError::NoRoom(_) | IntakeError::NoPlace | IntakeError::NoLargePlace => {
                Self::Fault(Fault::NoRoom(error))
            }
        }
    }
}

async fn next_frame(body: &mut Incoming, between: Duration) -> Result<Option<Frame<Bytes>>, Fault> {
    let frame = timeout(between, body.frame()).await.map_err(|_| Fault::Silence(between))?;
    frame.transpose().map_err(|error| Fault::from_http(&error, true))
}

/// Reads a body of at most `most` bytes.
pub(crate) async fn read_body(
    mut body: Incoming,
    between: Duration,
    most: usize,
) -> Result<Vec<u8>, Fault> {
    if body.size_hint().lower() > most as u64 {
        return Err(Fault::TooLarge(most));
    }
    let mut bytes = Vec::new();
    while let Some(frame) = next_frame(&mut body, between).await? {
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > most {
                return Err(Fault::TooLarge(most));
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

/// Reads `Content-Encoding`. Anything that was not offered is an error.
pub(crate) fn encoding(headers: &HeaderMap) -> Result<Encoding, Fault> {
    let name = headers.get(CONTENT_ENCODING).map_or(b"".as_slice(), HeaderValue::as_bytes);
    let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
    if name.is_empty() || is(b"identity") {
        Ok(Encoding::Identity)
    } else if is(b"gzip") || is(b"x-gzip") {
        Ok(Encoding::Gzip)
    } else {
        let name = String::from_utf8_lossy(name).into_owned();
        Err(Fault::Protocol(format!("Content-Encoding `{name}` was not offered")))
    }
}

/// Undoes the encoding. The bound applies to the output, so a small bomb does no harm.
pub(crate) fn unpack(raw: Vec<u8>, encoding: Encoding) -> Result<Vec<u8>, Fault> {
    if encoding == Encoding::Identity {
        return Ok(raw);
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(raw.as_slice())
        .take(DOCUMENT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| Fault::Protocol(format!("the gzip body is broken: {error}")))?;
    if unpacked.len() > DOCUMENT_BYTES_MAX {
        return Err(Fault::TooLarge(DOCUMENT_BYTES_MAX));
    }
    Ok(unpacked)
}

pub(crate) const DOCUMENT_BYTES_MAX: usize = limits::WEBHOOK_BODY_BYTES_MAX;
