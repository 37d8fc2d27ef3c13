//! Executions of Studio flows: the shell round the machine in package `studio`. Shell, on tokio.
//!
//! ```text
//! call ── webhook client ── Handler ─┐                      ┌─ order: HTTP ── webhook client (guarded)
//! REST ── Executions ────────────────┼─ Live (one lock) ────┼─ order: call, recording ── our own REST
//! signaling ── ends of calls ────────┘   Execution          └─ record, notification ── history
//! ```
//!
//! An execution has one lock, held while it walks and while its order is carried out: what arrives meanwhile waits, so
//! that a callee that answers before the order's own answer finds the execution ready for it. A walk is a task of its own.
//! A webhook that gives up waiting does not stop it.
//!
//! Only calls of the account reach a flow: a request from outside could name any call.

mod orders;
mod running;
mod time;
mod walk;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use hosted::{Handler, Parameters, Resource, plain, xml};
use http::StatusCode;
use http_server::{ApiAnswer, Executions, OpenReader, Rest};
use shared::ids::Origin;
use shared::{AccountSid, CallSid, Code, ExecutionSid, FlowSid};
use shell::{Clock, random};
use store::{Change, ExecutionCommand, ExecutionRecord, Reply, StoreError, WriteError};
use studio::{Data, Input, Trigger};
use tokio::runtime::Handle;
use webhook::{HostedAnswer, HostedAnswering, HostedRequest, WebhookClient};

use crate::history::HistorySender;
use crate::metrics::Metrics;
use crate::observers::ended_calls::EndsOfCalls;
use crate::store_thread::Nudge;
use running::{Live, Refused, Running, Started};
use walk::Answered;

/// Walks the flows of this process. Cheap to clone.
#[derive(Clone)]
pub struct Studio(Arc<Inner>);

/// What flows need of the gateway.
pub struct StudioParts {
    /// Opens a connection for reading.
    pub open_reader: OpenReader,
    /// Sends the requests of widgets.
    pub client: WebhookClient,
    /// Takes records and notifications.
    pub history: HistorySender,
    /// Wakes the store thread for them.
    pub nudge: Nudge,
    /// Runs walks.
    pub runtime: Handle,
    /// What new SIDs are made of.
    pub origin: Origin,
    /// `hosted.base`: URLs of placed calls name the host of webhooks below it.
    pub base: String,
    /// Counts executions.
    pub metrics: Arc<Metrics>,
}

struct Inner {
    parts: StudioParts,
    running: Running,
    /// Takes the orders about calls. Set before the first request.
    rest: OnceLock<Rest>,
}

impl Studio {
    /// No execution yet. `ended` has the ends of calls.
    pub fn start(parts: StudioParts, ended: EndsOfCalls) -> Self {
        let runtime = parts.runtime.clone();
        let inner = Inner { parts, running: Running::default(), rest: OnceLock::new() };
        let studio = Self(Arc::new(inner));
        runtime.spawn(studio.clone().keep_time(ended));
        studio
    }

    /// Gives orders about calls to this API.
    pub fn order_by(&self, rest: Rest) {
        let is_first = self.0.rest.set(rest).is_ok();
        debug_assert!(is_first, "one API takes the orders");
    }

    /// The answer to a call that asks for a flow.
    async fn document(
        self,
        account: AccountSid,
        flow: FlowSid,
        parameters: Parameters,
    ) -> Option<HostedAnswer> {
        let event = parameters.get("FlowEvent").unwrap_or_default().to_owned();
        let execution = parameters.get("ExecutionSid").and_then(|sid| sid.parse().ok());
        let call: Option<CallSid> = parameters.get("CallSid").and_then(|sid| sid.parse().ok());
        let live = match execution {
            Some(sid) => self.0.running.of(sid),
            None => call.and_then(|call| self.0.running.of_call(call)),
        };
        let live = live.filter(|live| live.account == account);
        if let Some(live) = live {
            let step = parameters.get("Step").and_then(|step| step.parse().ok());
            let parameters = Data::texts(parameters.iter());
            let answered = self.give(&live, Input::Request { event, step, parameters }).await;
            return Some(response(answered));
        }
        // A step of an execution that is over.
        if !event.is_empty() {
            return Some(xml(studio::empty_document()));
        }
        let row = self.flow(account, flow).await.ok()??;
        let contact = parameters.get("From").unwrap_or_default();
        let Some(definition) = self.definition(&row, contact).await else {
            return Some(plain(StatusCode::NOT_FOUND, "The flow was not published.\n"));
        };
        let trigger = Trigger::Call(Data::texts(parameters.iter()));
        let live = match self.begin(account, flow, &definition, trigger, call).await {
            Ok(live) => live,
            Err(Refused::Rate) => {
                let sentence = "Too many executions begin at once.\n";
                return Some(plain(StatusCode::TOO_MANY_REQUESTS, sentence));
            }
            Err(Refused::Room | Refused::Contact | Refused::Definition) => {
                let sentence = "The execution cannot begin.\n";
                return Some(plain(StatusCode::SERVICE_UNAVAILABLE, sentence));
            }
        };
        Some(response(self.walk_on(&live).await))
    }

    /// A new execution, started and not yet walked on.
    async fn begin(
        &self,
        account: AccountSid,
        flow: FlowSid,
        definition: &str,
        trigger: Trigger,
        call: Option<CallSid>,
    ) -> Result<Arc<Live>, Refused> {
        let metrics = &self.0.parts.metrics;
        let begun = self.try_begin(account, flow, definition, &trigger, call);
        match &begun {
            Ok(_) => metrics.studio_executions_begun_total.count(match trigger {
                Trigger::Call(_) => "call",
                Trigger::Request { .. } => "rest",
            }),
            Err(refused) => metrics.studio_executions_refused_total.count(refused.name()),
        }
        let live = begun?;
        let record = self.record(&live, &*live.execution.lock().await);
        self.put(Change::PutExecution(Arc::new(record)));
        Ok(live)
    }

    fn try_begin(
        &self,
        account: AccountSid,
        flow: FlowSid,
        definition: &str,
        trigger: &Trigger,
        call: Option<CallSid>,
    ) -> Result<Arc<Live>, Refused> {
        let (now, running) = (Clock.now(), &self.0.running);
        let started = match trigger {
            Trigger::Call(_) => Started::ByCall,
            Trigger::Request { .. } => Started::ByRest,
        };
        running.may_start(account, now.mono, started)?;
        let definition = studio::Flow::read(definition).map_err(|_| Refused::Definition)?;
        let sid = ExecutionSid::mint(now.unix_ms, self.0.parts.origin, random_bits());
        let mut execution = studio::Execution::new(sid, flow, Arc::new(definition), trigger);
        execution.start(now, trigger);
        let contact = execution.contact().to_owned();
        let live = Live {
            sid,
            account,
            flow,
            contact,
            created_ms: now.unix_ms,
            execution: tokio::sync::Mutex::new(execution),
        };
        let live = running.add(live, call)?;
        self.note_active();
        Ok(live)
    }

    fn note_active(&self) {
        let active = i64::try_from(self.0.running.count()).unwrap_or(i64::MAX);
        self.0.parts.metrics.studio_executions_active.set(active);
    }

    async fn command(self, command: ExecutionCommand) -> ApiAnswer {
        match command {
            ExecutionCommand::Create { account, flow, to, from, parameters } => {
                let Some(definition) = self.definition(&flow, &to).await else {
                    let message = "The flow was not published";
                    return Err(WriteError::new(404, Code::STUDIO_REVISION, message));
                };
                let parameters = Data::from(
                    serde_json::from_str::<serde_json::Value>(&parameters).unwrap_or_default(),
                );
                let trigger = Trigger::Request { to, from, parameters };
                let live = self.begin(account, flow.sid, &definition, trigger, None).await;
                let live = live.map_err(error_of)?;
                let record = self.record(&live, &*live.execution.lock().await);
                let studio = self.clone();
                self.0.parts.runtime.spawn(async move { studio.walk_on(&live).await });
                Ok(Reply::Execution(Arc::new(record)))
            }
            ExecutionCommand::End { account, execution } => {
                let live = self.0.running.of(execution).filter(|live| live.account == account);
                if let Some(live) = live {
                    self.give(&live, Input::Stop).await;
                }
                let row = self.read(move |reader| reader.execution(account, execution)).await;
                let row: Option<ExecutionRecord> = row.map_err(|_| WriteError::unavailable())?;
                row.map(|row| Reply::Execution(Arc::new(row))).ok_or_else(WriteError::not_found)
            }
        }
    }

    /// The definition that a contact walks: the published one, a test user the newest one.
    async fn definition(&self, row: &store::Flow, contact: &str) -> Option<String> {
        let flow = row.sid;
        let users = self.read(move |reader| reader.flow_test_users(flow)).await.ok()?;
        match users.split_whitespace().any(|user| user == contact || user == user_of(contact)) {
            true => Some(row.definition.clone()),
            false => row.published_definition.clone(),
        }
    }

    async fn flow(
        &self,
        account: AccountSid,
        flow: FlowSid,
    ) -> Result<Option<store::Flow>, StoreError> {
        self.read(move |reader| reader.resource::<store::Flow>(Some(account.0), flow.0)).await
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn store::Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let studio = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let reader = (studio.0.parts.open_reader)()?;
            work(&*reader)
        });
        task.await.map_err(|error| StoreError::CannotRead(error.to_string()))?
    }

    /// Puts a row of history; false where the store does not write.
    fn put(&self, row: Change) -> bool {
        let parts = &self.0.parts;
        let is_kept = parts.history.send(row).is_ok();
        if !is_kept {
            tracing::warn!("a row about an execution is lost: the store does not write");
        }
        parts.nudge.ring();
        is_kept
    }
}

/// The user of a SIP address, whose host and port change with the place of a phone; any other address as it is.
fn user_of(contact: &str) -> &str {
    let rest = contact.strip_prefix("sip:").or_else(|| contact.strip_prefix("sips:"));
    rest.and_then(|rest| rest.split_once('@')).map_or(contact, |(user, _)| user)
}

/// The answer of REST to an execution that does not begin.
fn error_of(refused: Refused) -> WriteError {
    match refused {
        Refused::Rate => {
            let message = "Too many executions begin at once. Send the request again later.";
            WriteError::new(429, Code::TOO_MANY_REQUESTS, message)
        }
        Refused::Contact => {
            let message = "The contact has an active execution of the flow";
            WriteError::new(409, Code::CONFLICT, message)
        }
        Refused::Room | Refused::Definition => WriteError::unavailable(),
    }
}

fn response(answered: Option<Answered>) -> HostedAnswer {
    match answered {
        Some(Answered::Document(document)) => xml(document),
        // As an application that breaks: the call goes on by its fallback URL.
        Some(Answered::Failed) => {
            plain(StatusCode::INTERNAL_SERVER_ERROR, "The execution of the flow failed.\n")
        }
        None => xml(studio::empty_document()),
    }
}

fn random_bits() -> u64 {
    let mut bytes = [0; 8];
    random(&mut bytes);
    u64::from_ne_bytes(bytes)
}

impl Handler for Studio {
    fn answer(&self, resource: Resource, request: HostedRequest) -> HostedAnswering {
        let Resource::Flow { account, flow } = resource else { return Box::pin(async { None }) };
        if request.caller.is_none_or(|caller| caller.account != account) {
            let sentence = "Only calls of the account reach a flow.\n";
            return Box::pin(async move { Some(plain(StatusCode::FORBIDDEN, sentence)) });
        }
        let parameters = Parameters::of(&request);
        let studio = self.clone();
        let walk = self.0.parts.runtime.spawn(studio.document(account, flow, parameters));
        // Dropped with its request, the walk goes on.
        Box::pin(async move { walk.await.ok().flatten() })
    }
}

impl Executions for Studio {
    fn carry_out(
        &self,
        command: ExecutionCommand,
    ) -> Pin<Box<dyn Future<Output = ApiAnswer> + Send>> {
        Box::pin(self.clone().command(command))
    }
}
