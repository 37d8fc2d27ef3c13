//! The REST API behind the HTTP server: reads on threads that may block, writes through Control. Shell.

mod media;

use std::path::PathBuf;
use std::sync::Arc;

use api::{Guard, Handled, Rendering, Step};
use control::ApiRequest;
use database::Reader;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use parking_lot::Mutex;
use store::Sealer;
use tokio::sync::{Semaphore, oneshot};

use crate::clock::Clock;
use crate::data_dir::random;
use crate::http_server::{Body, WholeRequest, text, whole_body};
use crate::queue::Sender;
use crate::signaling_loop::{ApiAnswer, ApiCall};

/// Answers REST requests. Cheap to clone.
#[derive(Clone)]
pub struct Rest {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    database: PathBuf,
    recordings: PathBuf,
    sealer: Arc<dyn Sealer>,
    guard: Guard,
    control: Sender<ApiCall>,
    /// Connections that are not in use. Each reader has its own and gives it back.
    readers: Mutex<Vec<Reader>>,
    /// Reads at once: more would only fight for the same disk.
    turns: Semaphore,
}

impl Rest {
    /// The API over this store, with writes to `control`.
    pub fn new(
        database: PathBuf,
        recordings: PathBuf,
        sealer: Arc<dyn Sealer>,
        control: Sender<ApiCall>,
    ) -> Self {
        let inner = Inner {
            database,
            recordings,
            sealer,
            guard: Guard::default(),
            control,
            readers: Mutex::new(Vec::new()),
            turns: Semaphore::new(READERS_MAX),
        };
        Self { inner: Some(Arc::new(inner)) }
    }

    /// An API without any resource, for tests of the server around it.
    pub fn nothing() -> Self {
        Self { inner: None }
    }

    /// Answers one request.
    pub async fn answer(&self, request: WholeRequest) -> Response<Body> {
        let Some(inner) = &self.inner else {
            return text(StatusCode::NOT_FOUND, "There is no such resource.\n");
        };
        let range = request.headers.get(header::RANGE).cloned();
        let handled = match Inner::read(inner, request).await {
            Ok(handled) => handled,
            Err(sentence) => {
                tracing::error!("a REST request could not be read: {sentence}");
                return text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The store cannot be read right now.\n",
                );
            }
        };
        // Held until the answer is made: the account's place is taken for so long.
        let Handled { step, permit } = handled;
        let response = inner.carry_out(step, range.as_ref()).await;
        drop(permit);
        response
    }
}

impl Inner {
    /// Authenticates and reads, on a thread that may block.
    async fn read(inner: &Arc<Self>, request: WholeRequest) -> Result<Handled, String> {
        let _turn = inner.turns.acquire().await.map_err(|error| error.to_string())?;
        let inner = Arc::clone(inner);
        let task = tokio::task::spawn_blocking(move || inner.read_blocking(&request));
        task.await.map_err(|error| error.to_string())?
    }

    fn read_blocking(&self, request: &WholeRequest) -> Result<Handled, String> {
        let reader = self.readers.lock().pop();
        let reader = match reader {
            Some(reader) => reader,
            None => Reader::open(&self.database, Arc::clone(&self.sealer))
                .map_err(|error| error.to_string())?,
        };
        let mut id = [0; 16];
        random(&mut id);
        let base = base(request);
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        let request = api::Request {
            method: method(&request.method),
            path: request.uri.path(),
            query: request.uri.query().unwrap_or(""),
            body: &request.body,
            content_type: header(header::CONTENT_TYPE),
            authorization: header(header::AUTHORIZATION),
            source: request.peer.ip(),
            base: &base,
            id,
        };
        // Should it panic, this connection is dropped with it and the task's error is answered.
        let handled = api::handle(&request, Clock.now(), &reader, &self.guard);
        self.readers.lock().push(reader);
        Ok(handled)
    }

    async fn carry_out(&self, step: Step, range: Option<&HeaderValue>) -> Response<Body> {
        match step {
            Step::Answer(response) => respond(response),
            Step::Write { account, write, rendering } => {
                let write = Box::new(write);
                self.ask_control(ApiRequest::Write { account, write }, &rendering).await
            }
            Step::Call { command, rendering } => {
                self.ask_control(ApiRequest::Call(command), &rendering).await
            }
            Step::RecordingMedia { recording, two_channels, rendering } => {
                let path =
                    crate::recorder::path(&self.recordings, recording.account, recording.sid);
                match media::respond(path, two_channels, range).await {
                    Some(response) => response,
                    None => respond(rendering.missing()),
                }
            }
        }
    }

    /// Gives a write to Control and waits for it to be on disk.
    async fn ask_control(&self, request: ApiRequest, rendering: &Rendering) -> Response<Body> {
        let (reply, answer) = oneshot::channel::<ApiAnswer>();
        if self.control.send(ApiCall { request, reply }).is_err() {
            return respond(rendering.unavailable());
        }
        match answer.await {
            Ok(result) => respond(api::render(rendering, &result)),
            // The gateway is ending.
            Err(_) => respond(rendering.unavailable()),
        }
    }
}

/// Scheme and host as the client wrote them: absolute URLs in answers begin with it.
fn base(request: &WholeRequest) -> String {
    let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
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

fn respond(answer: api::Response) -> Response<Body> {
    let mut response = Response::new(whole_body(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        // Values are ours, but a name of the customer's may be in one: what cannot be sent is left out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Connections to the store for reading.
const READERS_MAX: usize = 8;
