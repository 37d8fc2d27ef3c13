//! Requests against a real database: every resource's golden JSON, every verb, the traps of the SDKs.

mod absent;
mod accounts;
mod applications;
mod calls;
mod conferences;
mod coverage;
mod flows;
mod history;
mod numbers;
mod queues;
mod requests;
mod sip;
mod twiml_bins;

use std::sync::Arc;

use base64::Engine as _;
use serde_json::Value;
use shared::ids::Origin;
use shared::{AccountSid, CallSid, Instant, Now, RecordingSid};
use store::{
    Account, CallCommand, CallDirection, CallRecord, CallStatus, Change, DomainSuffix, Mint,
    QueueCommand, QueueFigures, RecordingRecord, RecordingSource, RecordingStatus, Reply, Resource,
    SealError, Sealer, Secret, Settled, Snapshot, Submitted, Writes,
};

use crate::{
    Guard, Handled, Method, Request, Response, Step, admit, admit_operator, handle, render,
};

const MAIN: AccountSid = AccountSid(0xAC01);
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ORIGIN: Origin = Origin { node: 0, generation: 0 };
/// Mon, 06 Jan 2025 09:00:00 +0000.
const T0: i64 = 1_736_154_000_000;
const DATE: &str = "Mon, 06 Jan 2025 09:00:00 +0000";

struct NoSeal;

impl Sealer for NoSeal {
    fn seal(&self, _: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(plain.to_vec())
    }
    fn unseal(&self, _: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(sealed.to_vec())
    }
}

/// A gateway's REST side without sockets: database, Control's part of a write, one client.
struct House {
    _folder: tempfile::TempDir,
    writer: Box<dyn store::Writer>,
    snapshot: Snapshot,
    reader: Box<dyn store::Reader + Send>,
    guard: Guard,
    writes: Writes<()>,
    minted: u64,
    now: Now,
    login: (String, String),
    /// What Control answers to a call command.
    call: Option<CallRecord>,
    /// What Control answers to a command about a conference or a queue; `None` finds nothing.
    reply: Option<Reply>,
}

/// An answer as a client sees it.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    response: Response,
}

impl Answer {
    fn code(&self) -> u64 {
        self.body["code"].as_u64().unwrap_or(0)
    }

    fn sid(&self) -> String {
        self.body["sid"].as_str().expect("a SID").to_owned()
    }
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        let suffix = DomainSuffix::new("sidetone.test");
        let database = database::Database::at(&path, Arc::new(NoSeal));
        let opened = database.open(suffix, T0, ORIGIN).unwrap();
        let mut house = Self {
            reader: database.reader(None).unwrap(),
            _folder: folder,
            writer: opened.writer,
            snapshot: opened.snapshot,
            guard: Guard::default(),
            writes: Writes::default(),
            minted: 0,
            now: Now { mono: Instant::ZERO, unix_ms: T0 },
            login: (MAIN.to_string(), TOKEN.to_owned()),
            call: None,
            reply: None,
        };
        let account = Account::main(MAIN, Secret::new(TOKEN), "Edge lab", T0);
        house.commit(Change::Insert(Resource::Account(Arc::new(account))));
        house
    }

    fn commit(&mut self, change: Change) {
        assert_eq!(
            self.writer.commit(T0, std::slice::from_ref(&change)).unwrap(),
            [store::Outcome::Committed]
        );
        self.snapshot.apply(&change);
    }

    fn handle(&self, method: Method, path: &str, form: &str) -> Result<Handled, Response> {
        self.with_request(method, path, form, |request| {
            let admitted = admit(request, self.now, &*self.reader, &self.guard)?;
            Ok(handle(request, admitted, self.now, &*self.reader))
        })
    }

    /// The status of a page about the whole node.
    fn operator_status(&self) -> u16 {
        self.with_request(Method::Get, "/media.json", "", |request| {
            let admitted = admit_operator(request, self.now, &*self.reader, &self.guard);
            admitted.map_or_else(|refused| refused.status, |_permit| 200)
        })
    }

    fn with_request<T>(
        &self,
        method: Method,
        path: &str,
        form: &str,
        run: impl FnOnce(&Request<'_>) -> T,
    ) -> T {
        let (user, password) = &self.login;
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let authorization = format!("Basic {login}");
        let reads = matches!(method, Method::Get | Method::Head);
        run(&Request {
            method,
            path,
            query: if reads { form } else { "" },
            body: if reads { b"" } else { form.as_bytes() },
            content_type: Some("application/x-www-form-urlencoded"),
            authorization: Some(&authorization),
            source: [127, 0, 0, 1].into(),
            base: "http://gw.example:8080",
            id: [0xAB; 16],
        })
    }

    fn step(&self, method: Method, path: &str, form: &str) -> Step {
        match self.handle(method, path, form) {
            Ok(handled) => handled.step,
            Err(response) => Step::Answer(response),
        }
    }

    /// The whole way of a request, Control's part included.
    fn request(&mut self, method: Method, path: &str, form: &str) -> Answer {
        let response = match self.step(method, path, form) {
            Step::Answer(response) => response,
            Step::Write { account, write, rendering } => {
                self.minted += 1;
                let mut random = [9; 40];
                random[..8].copy_from_slice(&self.minted.to_be_bytes());
                let mint = Mint { unix_ms: T0, origin: ORIGIN, random };
                let result = match self.writes.submit(&self.snapshot, account, write, mint, ()) {
                    Submitted::Refused((), error) => Err(error),
                    Submitted::Commit { id, change } => {
                        let outcome = self.writer.commit(T0, &[change]).unwrap()[0];
                        match self.writes.settle(&mut self.snapshot, id, outcome) {
                            Settled::Answer((), answer) => *answer,
                            other => panic!("{other:?}"),
                        }
                    }
                };
                render(&rendering, &result)
            }
            Step::Call { command, rendering } => {
                let reply = match (command, self.call.clone()) {
                    (CallCommand::ReadTimeline { .. }, _) => Ok(Reply::Timeline(Some(
                        r#"{"entries":[{"at_ms":1}],"left_out":0}"#.to_owned(),
                    ))),
                    (_, Some(call)) => Ok(Reply::Call(Arc::new(call))),
                    (_, None) => Err(store::WriteError::invalid(
                        shared::Code::CALL_STATE,
                        "Call is not in-progress. Cannot redirect.",
                    )),
                };
                render(&rendering, &reply)
            }
            Step::Execution { command, rendering } => {
                let store::ExecutionCommand::Create { account, flow, to, .. } = command else {
                    panic!("no execution is active")
                };
                let record = store::ExecutionRecord {
                    sid: shared::ExecutionSid(7),
                    account,
                    flow: flow.sid,
                    contact: to,
                    status: store::ExecutionStatus::Active,
                    context: "{}".to_owned(),
                    steps: "[]".to_owned(),
                    created_ms: T0,
                    updated_ms: T0,
                };
                render(&rendering, &Ok(Reply::Execution(Arc::new(record))))
            }
            // Figures that differ from queue to queue.
            Step::Queue { command: QueueCommand::Read { queues, .. }, rendering } => {
                let figures = (0..queues.len() as u32)
                    .map(|number| QueueFigures { current_size: 2 + number, average_wait_s: 31 });
                render(&rendering, &Ok(Reply::Queues(figures.collect())))
            }
            Step::Conference { rendering, .. } | Step::Queue { rendering, .. } => {
                render(&rendering, &self.reply.clone().ok_or_else(store::WriteError::not_found))
            }
            Step::RecordingMedia { rendering, .. } => rendering.missing(),
        };
        let body = match response.body.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).expect("JSON"),
        };
        Answer { status: response.status, body, response }
    }

    fn get(&mut self, path: &str) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        self.request(Method::Get, &path, &query)
    }

    fn post(&mut self, path: &str, form: &str) -> Answer {
        self.request(Method::Post, path, form)
    }

    fn delete(&mut self, path: &str) -> Answer {
        self.request(Method::Delete, path, "")
    }
}

fn account_path(rest: &str) -> String {
    format!("/2010-04-01/Accounts/{MAIN}{rest}")
}

fn call(number: u64, status: CallStatus) -> CallRecord {
    CallRecord {
        sid: CallSid::mint(T0 + number as i64, ORIGIN, number),
        account: MAIN,
        parent: None,
        to: "sip:bob@pbx.example".to_owned(),
        from: "+15005550006".to_owned(),
        status,
        direction: CallDirection::OutboundApi,
        start_ms: status.is_final().then_some(T0),
        end_ms: status.is_final().then_some(T0 + 12_000),
        duration_s: (status == CallStatus::Completed).then_some(12),
        queue_time_ms: 0,
        answered_by: None,
        forwarded_from: None,
        caller_name: None,
        owed_callback: None,
        created_ms: T0,
        updated_ms: T0,
    }
}

fn transcript() -> store::Transcript {
    store::Transcript {
        status: store::TranscriptStatus::Completed,
        text: "hello world".to_owned(),
        duration_s: 7,
        created_ms: T0,
        updated_ms: T0,
    }
}

fn recording(status: RecordingStatus, channels: u8) -> RecordingRecord {
    RecordingRecord {
        sid: RecordingSid(u128::from(channels)),
        account: MAIN,
        call: call(1, CallStatus::Completed).sid,
        conference: None,
        status,
        source: RecordingSource::RecordVerb,
        channels,
        duration_s: Some(12),
        bytes: Some(100),
        start_ms: T0,
        error_code: None,
        encryption: None,
        transcript: None,
        created_ms: T0,
        updated_ms: T0,
        track: store::RecordingTrack::Inbound,
    }
}
