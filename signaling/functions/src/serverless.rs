//! The serverless API (`/v1/Services…`): what deploy tools speak. Shell; it blocks for the disk.
//!
//! A request is a path of collections and SIDs. [`route`] takes it apart, one file a family answers: services and
//! environments, items with their uploads, builds, and what belongs to an environment. Each change goes through
//! [`Catalogue::change`](crate::catalogue::Catalogue::change), so it is on disk before it is answered (I5).

use http::Method;
use serde_json::{Value, json};
use shared::AccountSid;
use std::io;

use crate::manager::Functions;
use crate::service::{Kind, Service};

mod builds;
mod environments;
mod form;
mod items;
mod json;
mod services;

use form::Form;

/// A request whose credentials are good.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// The account of the credentials.
    pub account: AccountSid,
    /// Its method.
    pub method: Method,
    /// Its path, from `/v1` on.
    pub path: String,
    /// Its query.
    pub query: String,
    /// `Content-Type`.
    pub content_type: String,
    /// Its body: a form, or an upload.
    pub body: bytes::Bytes,
    /// Scheme and host by which the client reaches us, for URLs in answers.
    pub base: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiAnswer {
    /// Its status.
    pub status: u16,
    /// Its JSON; `Null` for an empty answer.
    pub body: Value,
}

/// An error in the form of the API.
#[derive(Debug)]
pub(crate) struct Refused {
    status: u16,
    code: u32,
    sentence: String,
}

type Answered = Result<ApiAnswer, Refused>;

/// A request taken apart.
struct Request<'a> {
    functions: &'a Functions,
    account: String,
    form: Form,
    body: &'a bytes::Bytes,
    content_type: &'a str,
    /// `https://serverless.…/v1`.
    base: String,
    now_ms: i64,
}

impl Functions {
    /// Answers a request of the serverless API. Blocks for the disk.
    pub fn serverless(&self, request: &ApiRequest) -> ApiAnswer {
        let answered = route(self, request);
        answered.unwrap_or_else(|refused| {
            let Refused { status, code, sentence } = refused;
            let more = format!("https://www.twilio.com/docs/errors/{code}");
            let body =
                json!({ "code": code, "message": sentence, "more_info": more, "status": status });
            ApiAnswer { status, body }
        })
    }
}

fn route(functions: &Functions, request: &ApiRequest) -> Answered {
    let path: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    let ["v1", "Services", rest @ ..] = path.as_slice() else { return Err(Refused::not_found()) };
    let it = Request {
        functions,
        account: request.account.to_string(),
        form: Form::of(&request.query, &request.content_type, &request.body),
        body: &request.body,
        content_type: &request.content_type,
        base: format!("{}/v1", request.base),
        now_ms: crate::manager::unix_ms(),
    };
    let method = request.method.as_str();
    let [service, rest @ ..] = rest else {
        return match method {
            "GET" => services::list(&it),
            "POST" => services::create(&it),
            _ => Err(Refused::method()),
        };
    };
    let service = it.service(service)?;
    match (rest, method) {
        ([], "GET") => Ok(ok(it.show_service(&service))),
        ([], "POST") => services::update(&it, &service),
        ([], "DELETE") => services::delete(&it, &service),
        (["Environments", rest @ ..], _) => environments::route(&it, &service, rest, method),
        (["Functions", rest @ ..], _) => items::route(&it, &service, Kind::Function, rest, method),
        (["Assets", rest @ ..], _) => items::route(&it, &service, Kind::Asset, rest, method),
        (["Builds", rest @ ..], _) => builds::route(&it, &service, rest, method),
        ([], _) => Err(Refused::method()),
        _ => Err(Refused::not_found()),
    }
}

impl Request<'_> {
    /// A service of the account, by its SID or its unique name.
    fn service(&self, name: &str) -> Result<std::sync::Arc<Service>, Refused> {
        let services = self.functions.inner.catalogue.all();
        let mut own = services.into_iter().filter(|one| one.account == self.account);
        own.find(|one| one.sid == name || one.unique_name == name).ok_or_else(Refused::not_found)
    }

    /// Changes a service and answers with what `change` makes of it.
    fn change<T>(
        &self,
        service: &Service,
        change: impl FnOnce(&mut Service) -> Result<T, Refused>,
    ) -> Result<(Service, T), Refused> {
        self.functions.inner.catalogue.change(&service.sid, |before| {
            // It may have been deleted since it was found.
            let mut after = before.cloned().ok_or_else(Refused::not_found)?;
            let value = change(&mut after)?;
            after.updated_ms = self.now_ms;
            Ok((after.clone(), (after, value)))
        })
    }
}

fn ok(body: Value) -> ApiAnswer {
    ApiAnswer { status: 200, body }
}

fn created(body: Value) -> ApiAnswer {
    ApiAnswer { status: 201, body }
}

fn no_content() -> ApiAnswer {
    ApiAnswer { status: 204, body: Value::Null }
}

impl Refused {
    fn new(status: u16, code: u32, sentence: impl Into<String>) -> Self {
        Self { status, code, sentence: sentence.into() }
    }

    fn not_found() -> Self {
        Self::new(404, 20_404, "The requested resource was not found")
    }

    fn method() -> Self {
        Self::new(405, 20_004, "Method not allowed")
    }

    fn invalid(sentence: impl Into<String>) -> Self {
        Self::new(400, 20_001, sentence)
    }

    fn taken(sentence: impl Into<String>) -> Self {
        Self::new(409, 20_409, sentence)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        tracing::error!(%error, "a service of functions cannot be written");
        Self::new(503, 20_503, "The service cannot be written right now")
    }
}

/// Refuses one more of a list that is full.
fn has_room(count: usize, what: &str) -> Result<(), Refused> {
    let most = shared::limits::FUNCTION_RESOURCES_SERVICE_MAX;
    if count < most {
        return Ok(());
    }
    Err(Refused::invalid(format!("A service has at most {most} {what}")))
}

/// Finds one of a list by its SID.
fn one<'a, T>(list: &'a [T], sid: &str, of: impl Fn(&T) -> &str) -> Result<&'a T, Refused> {
    list.iter().find(|one| of(one) == sid).ok_or_else(Refused::not_found)
}
