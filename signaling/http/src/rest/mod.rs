//! The REST API behind the HTTP server: reads on threads that may block, writes through Control. Shell.

mod account;
mod legs;
mod media;
mod mp3;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use api::{AudioForm, Guard, Handled, Permit, Rendering, Step};
use bytes::Bytes;
use control::ApiRequest;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use recorder::Library;
use shared::limits::{REST_ANSWER_SMALL_BYTES, REST_ANSWERS_BYTES_MAX};
use shared::{AccountSid, CallSid};
use shell::{Clock, Sender, random};
use store::{CallCommand, ExecutionCommand, RecordingRecord, Reply, WriteError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::body::{Body, WholeRequest, base_url, problem, whole_body};
use crate::readers::{Readers, Unread};

/// Control's answer to a REST request.
pub type ApiAnswer = Result<Reply, WriteError>;

/// A REST request on its way to Control.
#[derive(Debug)]
pub struct ApiCall {
    /// The read, write or command.
    pub request: ApiRequest,
    /// Takes the answer. Dropped without an answer when the gateway ends.
    pub reply: oneshot::Sender<ApiAnswer>,
}

/// Carries out commands about executions of flows.
pub trait Executions: Send + Sync {
    /// The answer, in the making.
    fn carry_out(
        &self,
        command: ExecutionCommand,
    ) -> Pin<Box<dyn Future<Output = ApiAnswer> + Send>>;
}

/// Answers REST requests. Cheap to clone.
#[derive(Clone)]
pub struct Rest {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    recordings: Library,
    mp3: mp3::Mp3,
    guard: Guard,
    control: Sender<ApiCall>,
    readers: Readers,
    answers: Answers,
    /// Set once, before the first request.
    executions: OnceLock<Arc<dyn Executions>>,
}

impl Rest {
    /// The API over this store, with writes and questions about live calls to `control`.
    pub fn new(readers: Readers, recordings: Library, control: Sender<ApiCall>) -> Self {
        let inner = Inner {
            recordings,
            mp3: mp3::Mp3::new(),
            guard: Guard::default(),
            control,
            readers,
            answers: Answers::new(REST_ANSWERS_BYTES_MAX),
            executions: OnceLock::new(),
        };
        Self { inner: Some(Arc::new(inner)) }
    }

    /// The API with executions of flows, which themselves send it requests.
    pub fn walk_flows(&self, executions: Arc<dyn Executions>) {
        if let Some(inner) = &self.inner {
            let is_first = inner.executions.set(executions).is_ok();
            debug_assert!(is_first, "flows are walked by one");
        }
    }

    /// An API without any resource, for tests of the server around it.
    pub fn nothing() -> Self {
        Self { inner: None }
    }

    /// Answers one request.
    pub async fn answer(&self, request: WholeRequest) -> Response<Body> {
        let Some(inner) = &self.inner else {
            return problem(StatusCode::NOT_FOUND, "There is no such resource.");
        };
        inner.answer(Arc::new(Asked::new(request))).await
    }
}

/// A request with what answers need besides it.
struct Asked {
    request: WholeRequest,
    base: String,
    id: [u8; 16],
}

impl Asked {
    fn new(request: WholeRequest) -> Self {
        let mut id = [0; 16];
        random(&mut id);
        let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let base = base_url(request.scheme, host.unwrap_or("localhost"));
        Self { request, base, id }
    }

    fn api(&self) -> api::Request<'_> {
        let request = &self.request;
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        api::Request {
            method: method(&request.method),
            path: request.uri.path(),
            query: request.uri.query().unwrap_or(""),
            body: &request.body,
            content_type: header(header::CONTENT_TYPE),
            authorization: header(header::AUTHORIZATION),
            source: request.peer.ip(),
            base: &self.base,
            id: self.id,
        }
    }
}

impl Inner {
    async fn answer(self: &Arc<Self>, asked: Arc<Asked>) -> Response<Body> {
        match self.admit_and_handle(Arc::clone(&asked)).await {
            Ok(Ok(Handled { step, permit })) => {
                let range = asked.request.headers.get(header::RANGE);
                self.carry_out(step, permit, range).await
            }
            Ok(Err(answer)) => respond(answer),
            Err(unread) => unreadable(&unread),
        }
    }

    /// Two turns at the store: the first takes the account's place, so that requests that wait for
    /// their second are counted and the hundred-and-first is told so at once.
    async fn admit_and_handle(
        self: &Arc<Self>,
        asked: Arc<Asked>,
    ) -> Result<Result<Handled, api::Response>, Unread> {
        let first = Arc::clone(&asked);
        let admitted = self
            .read(move |inner, reader| api::admit(&first.api(), Clock.now(), reader, &inner.guard))
            .await?;
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(answer) => return Ok(Err(answer)),
        };
        self.read(move |_, reader| Ok(api::handle(&asked.api(), admitted, Clock.now(), reader)))
            .await
    }

    /// Reads on a thread that may block, when it is this request's turn.
    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &dyn store::Reader) -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let inner = Arc::clone(self);
        self.readers.read(move |reader| work(&inner, reader)).await
    }

    /// The permit is held until the answer is made; a recording's until its last byte is sent.
    async fn carry_out(
        self: &Arc<Self>,
        step: Step,
        permit: Permit,
        range: Option<&HeaderValue>,
    ) -> Response<Body> {
        match step {
            Step::Answer(response) => self.answers.respond(response),
            Step::Write { account, write, rendering } => {
                let write = Box::new(write);
                self.ask_control(ApiRequest::Write { account, write }, &rendering).await
            }
            Step::Call { command: CallCommand::ReadTimeline { account, call }, rendering } => {
                self.timeline(account, call, &rendering).await
            }
            Step::Call { command, rendering } => {
                self.ask_control(ApiRequest::Call(command), &rendering).await
            }
            Step::Conference { command, rendering } => {
                self.ask_control(ApiRequest::Conference(command), &rendering).await
            }
            Step::Queue { command, rendering } => {
                self.ask_control(ApiRequest::Queue(command), &rendering).await
            }
            Step::Execution { command, rendering } => {
                let answer = match self.executions.get() {
                    Some(executions) => Some(executions.carry_out(command).await),
                    None => None,
                };
                rendered(answer.as_ref(), &rendering)
            }
            Step::RecordingMedia { form, recording, two_channels, rendering } => {
                let wanted = match self.media(form, &recording, two_channels, &rendering).await {
                    Ok(wanted) => wanted,
                    Err(answer) => return respond(answer),
                };
                match media::respond(wanted, range, permit).await {
                    media::Answer::Sent(response) => with_headers(response, rendering.headers()),
                    media::Answer::Missing => respond(rendering.missing()),
                    media::Answer::Unreadable(error) => {
                        let sid = recording.sid;
                        tracing::error!(recording = %sid, %error, "a recording cannot be read");
                        respond(rendering.unavailable())
                    }
                    media::Answer::PastTheEnd { bytes } => {
                        let whole = format!("bytes */{bytes}");
                        let mut answer = rendering.range_not_satisfiable();
                        answer.headers.push(("Content-Range", whole.into()));
                        respond(answer)
                    }
                }
            }
        }
    }

    /// The file that a request for audio gets; an MP3 is made first.
    async fn media(
        &self,
        form: AudioForm,
        recording: &RecordingRecord,
        two_channels: bool,
        rendering: &Rendering,
    ) -> Result<media::Wanting, api::Response> {
        let (account, sid) = (recording.account, recording.sid);
        match form {
            AudioForm::Wav => Ok(media::Wanting::Recording {
                library: self.recordings.clone(),
                account,
                recording: sid,
                two_channels,
            }),
            AudioForm::Mp3 => {
                let made = self.mp3.make(&self.recordings, account, sid, two_channels).await;
                made.map(media::Wanting::Mp3).map_err(|reason| without_mp3(rendering, &reason))
            }
        }
    }

    /// The timeline of a call that is up. Where it ended since its row was read, the store has it.
    async fn timeline(
        self: &Arc<Self>,
        account: AccountSid,
        call: CallSid,
        rendering: &Rendering,
    ) -> Response<Body> {
        let request = ApiRequest::Call(CallCommand::ReadTimeline { account, call });
        let mut answer = self.answer_of_control(request).await;
        if matches!(answer, Some(Ok(Reply::Timeline(None)))) {
            let stored = self.read(move |_, reader| reader.timeline(account, call)).await;
            answer = stored.ok().and_then(Result::ok).map(|stored| Ok(Reply::Timeline(stored)));
        }
        rendered(answer.as_ref(), rendering)
    }

    /// Gives a write or a command to Control and answers what it says.
    async fn ask_control(&self, request: ApiRequest, rendering: &Rendering) -> Response<Body> {
        rendered(self.answer_of_control(request).await.as_ref(), rendering)
    }

    /// `None` where the queue to Control is full, or the gateway is ending.
    async fn answer_of_control(&self, request: ApiRequest) -> Option<ApiAnswer> {
        let (reply, answer) = oneshot::channel();
        self.control.send(ApiCall { request, reply }).ok()?;
        answer.await.ok()
    }
}

/// The answer to a request for an MP3 that there is not.
fn without_mp3(rendering: &Rendering, reason: &mp3::NoMp3) -> api::Response {
    match reason {
        mp3::NoMp3::NoProgram => rendering.without_mp3(),
        mp3::NoMp3::Busy => rendering.unavailable(),
        mp3::NoMp3::Failed(error) if media::is_missing(error) => rendering.missing(),
        mp3::NoMp3::Failed(error) => {
            tracing::error!(%error, "a recording cannot be made into MP3");
            rendering.unavailable()
        }
    }
}

/// The answer where the store gives none; the log has the reason.
fn unreadable(unread: &dyn std::fmt::Display) -> Response<Body> {
    tracing::error!("a REST request could not be read: {unread}");
    problem(StatusCode::SERVICE_UNAVAILABLE, "The store cannot be read right now.")
}

fn method(method: &Method) -> api::Method {
    match *method {
        Method::GET => api::Method::Get,
        Method::HEAD => api::Method::Head,
        Method::POST => api::Method::Post,
        Method::DELETE => api::Method::Delete,
        Method::OPTIONS => api::Method::Options,
        _ => api::Method::Other,
    }
}

fn rendered(answer: Option<&ApiAnswer>, rendering: &Rendering) -> Response<Body> {
    respond(match answer {
        Some(answer) => api::render(rendering, answer),
        None => rendering.unavailable(),
    })
}

/// The memory of answers that wait for their peers to read them: a page of a thousand rows is a megabyte
/// and more.
struct Answers(Arc<Semaphore>);

/// An answer with its share.
struct Waiting {
    body: String,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Waiting {
    fn as_ref(&self) -> &[u8] {
        self.body.as_bytes()
    }
}

impl Answers {
    fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes_max / 1024)))
    }

    /// The answer, or 503 where those that wait have the memory.
    fn respond(&self, mut answer: api::Response) -> Response<Body> {
        if answer.body.len() <= REST_ANSWER_SMALL_BYTES {
            return respond(answer);
        }
        let kib = u32::try_from(answer.body.capacity() / 1024 + 1).unwrap_or(u32::MAX);
        let Ok(share) = Arc::clone(&self.0).try_acquire_many_owned(kib) else {
            let sentence =
                "Too many large answers wait to be read. Ask for smaller pages, or read them.";
            let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, sentence);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        };
        let body = std::mem::take(&mut answer.body);
        let body = Bytes::from_owner(Waiting { body, _share: share });
        with_body(answer, body)
    }
}

fn respond(mut answer: api::Response) -> Response<Body> {
    let body = std::mem::take(&mut answer.body);
    with_body(answer, body.into())
}

fn with_body(answer: api::Response, body: Bytes) -> Response<Body> {
    let mut response = Response::new(whole_body(body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with_headers(response, answer.headers)
}

fn with_headers(mut response: Response<Body>, headers: Vec<api::Header>) -> Response<Body> {
    for (name, value) in headers {
        // Values are ours, but a name of the customer's may be in one: what cannot be sent is left out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn large_answers_without_a_reader_are_bounded_and_small_ones_pass() {
        let answers = Answers::new(1024 * 1024);
        let answer = |bytes: usize| api::Response {
            status: 200,
            headers: Vec::new(),
            body: "x".repeat(bytes),
        };
        let unread = answers.respond(answer(700_000));
        assert_eq!(unread.status(), StatusCode::OK);
        let refused = answers.respond(answer(700_000));
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(answers.respond(answer(REST_ANSWER_SMALL_BYTES)).status(), StatusCode::OK);
        let read = unread.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read.len(), 700_000);
        drop(read);
        assert_eq!(answers.respond(answer(700_000)).status(), StatusCode::OK);
    }
}
