//! A request in three steps: `admit` checks who asks and how many requests the account has under way,
//! `handle` reads and answers or names the write, `render` answers once Control has decided.
//!
//! They are three functions because the gateway waits between them: for a turn to read after the first, for
//! Control and the disk after the second. Between them travels only a value (`Admitted`, `Step`, `Rendering`);
//! nothing here waits or keeps state but the place that [`Permit`] holds.

use shared::{AccountSid, Code, Now};
use store::{Reader, Reply, WriteError};

use crate::auth::{self, Login};
use crate::context::Step;
use crate::guard::{Guard, Permit};
use crate::rendering::Rendering;
use crate::request::{Method, Request, segments, split_suffix};
use crate::response::{Frame, Response};
use crate::{reply, routes};

/// A request with good credentials, and its place among the account's concurrent requests.
///
/// The place is taken before the request waits for its turn to read, so that waiting requests count too.
#[derive(Debug)]
pub struct Admitted {
    frame: Frame,
    login: Login,
    permit: Permit,
}

/// The next step for a request, and the place it holds until it is answered.
#[derive(Debug)]
pub struct Handled {
    /// The next step.
    pub step: Step,
    /// Keep it until the answer is sent, body included.
    pub permit: Permit,
}

/// Checks the credentials and takes a place for the account, or answers at once.
///
/// Reads one or two rows of the store, so it blocks as long as `reader` does.
///
/// # Errors
/// The answer: to OPTIONS, to a path outside the API, to bad credentials, and to a request past the account's limit
/// of concurrent ones.
pub fn admit(
    request: &Request<'_>,
    now: Now,
    reader: &dyn Reader,
    guard: &Guard,
) -> Result<Admitted, Response> {
    let mut frame = Frame::new(request);
    // Before the credentials: a browser sends this request without any (CORS).
    if request.method == Method::Options {
        return Err(frame.no_content());
    }
    let permit = |frame: &Frame| -> Result<(Login, Permit), Response> {
        let answer = |error: WriteError| frame.error(&error);
        let (path, _) = split_suffix(request.path);
        let segments = segments(path);
        // Before the login: a path that leads nowhere costs no read of the store and counts no failure.
        if !matches!(segments.first().map(String::as_str), Some("2010-04-01" | "v1" | "v2")) {
            return Err(answer(WriteError::not_found()));
        }
        let login = auth::login(request, now.mono, reader, guard).map_err(answer)?;
        let permit = guard.enter(login.account.sid).ok_or_else(|| answer(too_many_at_once()))?;
        Ok((login, permit))
    };
    let (login, permit) = permit(&frame)?;
    // Known only now. Answers from here on carry the number, as they are those of an account.
    frame.concurrent = permit.under_way;
    Ok(Admitted { frame, login, permit })
}

/// Admits a request for a page about the whole node: only the auth token of a main account opens it, since the page
/// shows calls of every account.
///
/// Reads one or two rows of the store, so it blocks as long as `reader` does.
///
/// # Errors
/// The answer: to bad credentials, to those of a sub-account or of an API key, and to a request past the account's limit
/// of concurrent ones.
pub fn admit_operator(
    request: &Request<'_>,
    now: Now,
    reader: &dyn Reader,
    guard: &Guard,
) -> Result<Permit, Response> {
    let frame = Frame::new(request);
    let login = auth::login(request, now.mono, reader, guard);
    let login = login.map_err(|error| frame.error(&error))?;
    if login.by_key || login.account.parent.is_some() {
        return Err(frame.error(&auth::unauthorized()));
    }
    guard.enter(login.account.sid).ok_or_else(|| frame.error(&too_many_at_once()))
}

/// Admits a request that another part than this one answers: credentials of any account, and a place among its
/// concurrent requests.
///
/// Reads one or two rows of the store, so it blocks as long as `reader` does.
///
/// # Errors
/// The answer: to bad credentials, and to a request past the account's limit of concurrent ones.
pub fn admit_account(
    request: &Request<'_>,
    now: Now,
    reader: &dyn Reader,
    guard: &Guard,
) -> Result<(AccountSid, Permit), Response> {
    let frame = Frame::new(request);
    let login = auth::login(request, now.mono, reader, guard);
    let account = login.map_err(|error| frame.error(&error))?.account.sid;
    let permit = guard.enter(account).ok_or_else(|| frame.error(&too_many_at_once()))?;
    Ok((account, permit))
}

/// Answers a read, or returns the write or command to be carried out.
///
/// Reads the store, so it blocks as long as `reader` does.
pub fn handle(request: &Request<'_>, admitted: Admitted, now: Now, reader: &dyn Reader) -> Handled {
    let Admitted { frame, login, permit } = admitted;
    let step = routes::dispatch(request, &frame, login, now, reader)
        .unwrap_or_else(|error| Step::Answer(frame.error(&error)));
    Handled { step, permit }
}

/// The answer to a request whose write or command Control has carried out or refused.
pub fn render(rendering: &Rendering, result: &Result<Reply, WriteError>) -> Response {
    let frame = &rendering.frame;
    match result {
        Ok(Reply::Deleted) => frame.no_content(),
        Ok(reply) => frame.json(rendering.status, &reply::json(rendering, reply)),
        Err(error) => frame.error(error),
    }
}

fn too_many_at_once() -> WriteError {
    WriteError::new(
        429,
        Code::TOO_MANY_REQUESTS,
        "Too many concurrent requests. Nothing was done: send it again later.",
    )
}
