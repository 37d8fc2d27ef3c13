//! From a request to what is to be done about it: authenticate, find the resource, ask it.

use shared::{AccountSid, Now};
use store::{
    Account, AccountStatus, CallCommand, Reader, RecordingRecord, Reply, Write, WriteError,
};

use crate::auth::{self, Login};
use crate::form::Form;
use crate::guard::{Guard, Permit};
use crate::request::{Method, Request, Suffix, segments, split_suffix};
use crate::resources::{self, accounts, alerts};
use crate::response::{Frame, Response, method_not_allowed, not_built};

/// A request whose credentials are good, and its account's place among the requests at once.
///
/// The place is taken before the request waits for its turn to read, so that what waits counts.
#[derive(Debug)]
pub struct Admitted {
    frame: Frame,
    login: Login,
    permit: Permit,
}

/// What is to be done about a request, and the place it takes while that is done.
#[derive(Debug)]
pub struct Handled {
    /// What is to be done.
    pub step: Step,
    /// To be kept until the answer is sent, its body included.
    pub permit: Permit,
}

/// What is to be done about a request.
#[derive(Debug)]
pub enum Step {
    /// Send this.
    Answer(Response),
    /// Give the write to Control; [`render`] what it answers.
    Write {
        /// The account of the path.
        account: AccountSid,
        /// The write.
        write: Write,
        /// For [`render`].
        rendering: Rendering,
    },
    /// Give the command to Control; [`render`] what it answers.
    Call {
        /// The command.
        command: CallCommand,
        /// For [`render`].
        rendering: Rendering,
    },
    /// Send the WAV file of this recording, `audio/x-wav`, honouring Range.
    RecordingMedia {
        /// Its record: completed, so there is a file.
        recording: Box<RecordingRecord>,
        /// Two channels as they are recorded; else they are mixed into one.
        two_channels: bool,
        /// For [`Rendering::missing`], when the file is gone.
        rendering: Rendering,
    },
}

/// How to answer a request whose write or command is under way.
#[derive(Clone, Debug)]
pub struct Rendering {
    pub(crate) frame: Frame,
    /// Status of success: 200 or 201.
    pub(crate) status: u16,
    /// The two mapping resources of old have another shape.
    pub(crate) legacy_mapping: bool,
}

impl Rendering {
    /// 404 for this request.
    pub fn missing(&self) -> Response {
        self.frame.error(&WriteError::not_found())
    }

    /// 503 for this request: Control does not answer, or a queue to it is full.
    pub fn unavailable(&self) -> Response {
        self.frame.error(&WriteError::unavailable())
    }

    /// 416 for this request: `Range` begins past the end of a recording.
    pub fn range_not_satisfiable(&self) -> Response {
        let message = "The range begins after the end of the recording";
        self.frame.error(&WriteError::new(416, 20416, message))
    }

    /// What every answer to this request carries: its id, and what browsers must know. For a body
    /// that is not made here.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        self.frame.headers()
    }
}

/// Checks the credentials and takes the account's place, or answers at once.
///
/// Reads one or two rows of the store, so it blocks as long as `reader` does. Never panics, whatever
/// the request holds.
///
/// # Errors
/// The answer: to OPTIONS, to a path that is none of the API's, to bad credentials, and to the
/// hundred-and-first request at once.
pub fn admit(
    request: &Request<'_>,
    now: Now,
    reader: &dyn Reader,
    guard: &Guard,
) -> Result<Admitted, Response> {
    let mut frame = Frame::new(request);
    if request.method == Method::Options {
        return Err(frame.no_content());
    }
    let permit = |frame: &Frame| -> Result<(Login, Permit), Response> {
        let answer = |error: WriteError| frame.error(&error);
        let (path, _) = split_suffix(request.path);
        let segments = segments(path);
        if !matches!(segments.first().map(String::as_str), Some("2010-04-01" | "v1")) {
            return Err(answer(WriteError::not_found()));
        }
        let login = auth::login(request, now.mono, reader, guard).map_err(answer)?;
        let permit = guard.enter(login.account.sid).ok_or_else(|| answer(too_many_at_once()))?;
        Ok((login, permit))
    };
    let (login, permit) = permit(&frame)?;
    frame.concurrent = permit.under_way;
    Ok(Admitted { frame, login, permit })
}

/// Answers what can be answered by reading, and says what is to be written otherwise.
///
/// Reads the store, so it blocks as long as `reader` does. Never panics, whatever the request holds.
pub fn handle(request: &Request<'_>, admitted: Admitted, now: Now, reader: &dyn Reader) -> Handled {
    let Admitted { frame, login, permit } = admitted;
    let step = dispatch(request, &frame, login, now, reader)
        .unwrap_or_else(|error| Step::Answer(frame.error(&error)));
    Handled { step, permit }
}

/// The answer to a request whose write or command Control has carried out or refused.
pub fn render(rendering: &Rendering, result: &Result<Reply, WriteError>) -> Response {
    let frame = &rendering.frame;
    match result {
        Ok(Reply::Deleted) => frame.no_content(),
        Ok(reply) => frame.json(rendering.status, &resources::reply_json(rendering, reply)),
        Err(error) => frame.error(error),
    }
}

/// A request that was let in: what every resource works with.
pub(crate) struct Context<'c> {
    pub method: Method,
    /// Parameters: of the query when reading, of the body when writing.
    pub form: Form,
    pub suffix: Suffix,
    pub now: Now,
    pub reader: &'c dyn Reader,
    pub frame: &'c Frame,
    pub login: Login,
    /// The account of the path.
    pub account: Account,
}

/// What a resource answers.
pub(crate) type Answered = Result<Step, WriteError>;

fn dispatch(
    request: &Request<'_>,
    frame: &Frame,
    login: Login,
    now: Now,
    reader: &dyn Reader,
) -> Answered {
    let (path, suffix) = split_suffix(request.path);
    let segments = segments(path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (version, path) = segments.split_first().ok_or_else(WriteError::not_found)?;
    let reads = matches!(request.method, Method::Get | Method::Head);
    if !reads && request.content_type.is_some_and(is_json) {
        return Err(WriteError::new(
            415,
            20415,
            "Send parameters as application/x-www-form-urlencoded: JSON bodies are not part of this API",
        ));
    }
    let form = Form::parse(if reads { request.query.as_bytes() } else { request.body });
    let method = if reads { Method::Get } else { request.method };
    let account = login.account.clone();
    let mut context = Context { method, form, suffix, now, reader, frame, login, account };
    if *version == "v1" {
        return v1(&context, path);
    }
    match path {
        ["Accounts"] => {
            context.must_be_main_credentials()?;
            context.must_be_json()?;
            accounts::collection(&context)
        }
        ["Accounts", sid, rest @ ..] => {
            let sid = sid.parse().map_err(|_| WriteError::not_found())?;
            context.account = auth::path_account(&context.login, sid, reader)?;
            account_tree(&context, rest)
        }
        _ => Err(WriteError::not_found()),
    }
}

/// Everything below `/2010-04-01/Accounts/{sid}`.
fn account_tree(context: &Context<'_>, path: &[&str]) -> Answered {
    if path.is_empty() {
        context.must_be_main_credentials()?;
        context.must_be_json()?;
        return accounts::instance(context);
    }
    let writes = context.method != Method::Get;
    if writes && context.account.status != AccountStatus::Active {
        return Err(auth::not_active());
    }
    // A recording's own path without a suffix is its audio; everything else is JSON.
    let is_media = matches!(path, ["Recordings", _]);
    if !is_media {
        context.must_be_json()?;
    }
    resources::below_account(context, path)
}

/// Everything below `/v1`: monitor and, later, voice.
fn v1(context: &Context<'_>, path: &[&str]) -> Answered {
    match path {
        ["Alerts"] => alerts::collection(context),
        ["Alerts", sid] => alerts::instance(context, sid),
        [name @ ("ByocTrunks" | "ConnectionPolicies" | "IpRecords" | "SourceIpMappings"), ..] => {
            Err(not_built(name))
        }
        _ => Err(WriteError::not_found()),
    }
}

impl Context<'_> {
    /// Accounts and keys open only to an auth token.
    pub(crate) fn must_be_main_credentials(&self) -> Result<(), WriteError> {
        if !self.login.by_key {
            return Ok(());
        }
        Err(WriteError::new(
            401,
            20003,
            "An API key cannot be used for accounts and keys: authenticate with the AccountSid and AuthToken",
        ))
    }

    fn must_be_json(&self) -> Result<(), WriteError> {
        let what = match self.suffix {
            Suffix::None | Suffix::Json => return Ok(()),
            Suffix::Xml => "XML",
            Suffix::Csv => "CSV",
            Suffix::Html => "HTML",
            Suffix::Wav | Suffix::Mp3 => return Err(WriteError::not_found()),
        };
        Err(WriteError::new(
            406,
            20406,
            format!("{what} is not built in this version of the gateway: ask for .json"),
        ))
    }

    pub(crate) fn ok(&self, body: &serde_json::Value) -> Answered {
        Ok(Step::Answer(self.frame.json(200, body)))
    }

    pub(crate) fn create(&self, write: Write) -> Answered {
        self.write(write, 201)
    }

    pub(crate) fn update(&self, write: Write) -> Answered {
        self.write(write, 200)
    }

    /// A write that answers 204.
    pub(crate) fn delete(&self, write: Write) -> Answered {
        self.write(write, 204)
    }

    pub(crate) fn command(&self, command: CallCommand, status: u16) -> Answered {
        Ok(Step::Call { command, rendering: self.rendering(status) })
    }

    pub(crate) fn rendering(&self, status: u16) -> Rendering {
        Rendering { frame: self.frame.clone(), status, legacy_mapping: false }
    }

    fn write(&self, write: Write, status: u16) -> Answered {
        let rendering = self.rendering(status);
        Ok(Step::Write { account: self.account.sid, write, rendering })
    }

    /// The verbs of a collection.
    pub(crate) fn collection_verb(&self) -> Result<CollectionVerb, WriteError> {
        match self.method {
            Method::Get => Ok(CollectionVerb::List),
            Method::Post => Ok(CollectionVerb::Create),
            Method::Head | Method::Delete | Method::Options | Method::Other => {
                Err(method_not_allowed(READ_OR_WRITE))
            }
        }
    }

    /// The verbs of one resource that has them all.
    pub(crate) fn instance_verb(&self) -> Result<InstanceVerb, WriteError> {
        self.instance_verb_of(READ_WRITE_OR_DELETE)
    }

    /// The verbs of one resource that may lack some: it has those that `allow` names, and refuses the
    /// others itself with [`method_not_allowed`].
    pub(crate) fn instance_verb_of(&self, allow: &'static str) -> Result<InstanceVerb, WriteError> {
        match self.method {
            Method::Get => Ok(InstanceVerb::Fetch),
            Method::Post => Ok(InstanceVerb::Update),
            Method::Delete => Ok(InstanceVerb::Delete),
            Method::Head | Method::Options | Method::Other => Err(method_not_allowed(allow)),
        }
    }

    /// Collections and resources that can only be read.
    pub(crate) fn must_read(&self) -> Result<(), WriteError> {
        if self.method == Method::Get { Ok(()) } else { Err(method_not_allowed(READ)) }
    }
}

/// The methods of a resource as `Allow` names them. HEAD is a GET without a body, and OPTIONS is
/// answered for every path (CORS).
pub(crate) const READ: &str = "GET, HEAD, OPTIONS";
pub(crate) const READ_OR_WRITE: &str = "GET, HEAD, POST, OPTIONS";
pub(crate) const READ_OR_DELETE: &str = "GET, HEAD, DELETE, OPTIONS";
pub(crate) const READ_WRITE_OR_DELETE: &str = "GET, HEAD, POST, DELETE, OPTIONS";

/// What a request does with a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CollectionVerb {
    List,
    Create,
}

/// What a request does with one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstanceVerb {
    Fetch,
    Update,
    Delete,
}

fn too_many_at_once() -> WriteError {
    WriteError::new(
        429,
        20429,
        "Too many concurrent requests. Nothing was done: send it again later.",
    )
}

fn is_json(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("application/json")
}
