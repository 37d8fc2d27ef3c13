//! Functions as the gateway uses them: finds what a request names, and runs it in the worker of its environment. Shell.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use shared::limits::{
    FUNCTION_WALL_MS, FUNCTION_WORKERS_MAX, FUNCTIONS_RUNNING_ACCOUNT_MAX, FUNCTIONS_WAITING_MAX,
};
use shared::{AccountSid, CallSid, Code};
use store::{HttpMessages, Sealer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::answers::{FunctionAnswer, FunctionRequest};
use crate::app::AppFolder;
use crate::archive::Archive;
use crate::catalogue::{Catalogue, new_sid};
use crate::event::event;
use crate::exchange;
use crate::logs::{Line, Logs};
use crate::message::{Deployed, Invoke, Level};
use crate::meters::FunctionMeters;
use crate::outside::{FunctionAlert, Outside};
use crate::packages::Packages;
use crate::process::{Answered, Process, Program, Serving};
use crate::service::{Environment, Kind, Service, Version, Visibility};

/// The settings of the functions.
#[derive(Clone)]
pub struct FunctionsSettings {
    /// Where services are kept.
    pub folder: PathBuf,
    /// Seals the values of variables there.
    pub sealer: Arc<dyn Sealer>,
    /// The command line of a worker.
    pub program: Program,
    /// `functions.packages`: a folder of npm packages; empty: none.
    pub packages: PathBuf,
    /// The domain below which environments are.
    pub base: String,
    /// Whether a signature is that of a request, by this auth token (webhooks.md 5).
    pub is_signed: fn(token: &str, signature: &str, &FunctionRequest) -> bool,
}

/// All functions of this gateway. Cheap to clone; when the last clone is gone, the workers end.
#[derive(Clone)]
pub struct Functions {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: FunctionsSettings,
    pub(crate) catalogue: Catalogue,
    pub(crate) logs: Logs,
    meters: Arc<FunctionMeters>,
    pub(crate) outside: Arc<dyn Outside>,
    workers: tokio::sync::Mutex<BTreeMap<Serves, Worker>>,
    places: Mutex<BTreeMap<AccountSid, Arc<Semaphore>>>,
    under_way: AtomicUsize,
}

/// What a worker serves: an environment as it was deployed. A change of it is another worker.
type Serves = (String, u64);

struct Worker {
    process: Process,
    used: Instant,
    running: Arc<Mutex<BTreeMap<u64, Running>>>,
}

/// What a request leads to.
struct Found {
    service: Arc<Service>,
    environment: Environment,
    version: Version,
    owner: AccountSid,
    /// The owner's call that sent the request.
    call: Option<CallSid>,
    /// The request, for alerts.
    exchange: Option<HttpMessages>,
}

/// An invocation that runs, for its log lines.
#[derive(Clone, Debug, Default)]
struct Running {
    function: String,
    request: String,
    call: Option<CallSid>,
    exchange: Option<HttpMessages>,
}

impl Functions {
    /// Reads the services. A worker starts with the first request for its environment.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn start(settings: FunctionsSettings, outside: Arc<dyn Outside>) -> io::Result<Self> {
        // Of a gateway that was killed.
        match std::fs::remove_dir_all(settings.folder.join(RUNNING)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let inner = Inner {
            catalogue: Catalogue::open(&settings.folder, Arc::clone(&settings.sealer))?,
            settings,
            logs: Logs::default(),
            meters: Arc::default(),
            outside,
            workers: tokio::sync::Mutex::default(),
            places: Mutex::default(),
            under_way: AtomicUsize::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Answers a request; `None`: there is no such environment here.
    pub async fn answer(&self, request: FunctionRequest) -> Option<FunctionAnswer> {
        let (service, environment) = self.inner.catalogue.at(&request.label)?;
        let path = percent_decoded(&request.path);
        let version = service.at(&environment, &path).cloned();
        let missing = FunctionAnswer::plain(404, "There is no function and no asset at this path.");
        let (Some(version), Some(owner)) = (version, service.owner()) else { return Some(missing) };
        let caller = request.caller.filter(|caller| caller.account == owner);
        let call = caller.map(|caller| caller.call);
        let exchange = exchange::of(&request);
        let found = Found { service, environment, version, owner, call, exchange };
        match found.version.visibility {
            Visibility::Private => return Some(missing),
            Visibility::Protected if !self.is_signed(&request, owner).await => {
                let sentence =
                    "This path needs a request that is signed with the account's auth token.";
                return Some(FunctionAnswer::plain(403, sentence));
            }
            Visibility::Protected | Visibility::Public => {}
        }
        Some(match found.version.kind {
            Kind::Asset => self.asset(&found, &request.method).await,
            Kind::Function => self.function(found, request).await,
        })
    }

    /// A call of the account signs all that it sends; a client from outside proves that it can.
    async fn is_signed(&self, request: &FunctionRequest, owner: AccountSid) -> bool {
        if request.caller.is_some_and(|caller| caller.account == owner) {
            return true;
        }
        let signature = request.headers.get("x-twilio-signature");
        let Some(signature) = signature.and_then(|value| value.to_str().ok()) else { return false };
        let Some(token) = self.inner.outside.auth_token(owner).await else { return false };
        (self.inner.settings.is_signed)(&token, signature, request)
    }

    async fn asset(&self, found: &Found, method: &Method) -> FunctionAnswer {
        if ![Method::GET, Method::HEAD].contains(method) {
            return FunctionAnswer::plain(405, "An asset takes GET and HEAD.");
        }
        let (inner, sid) = (Arc::clone(&self.inner), found.version.sid.clone());
        let read = tokio::task::spawn_blocking(move || inner.catalogue.content(&sid)).await;
        let Ok(Ok(content)) = read else {
            return FunctionAnswer::plain(500, "The asset cannot be read.");
        };
        let kind = found.version.content_type.as_deref().and_then(|kind| kind.parse().ok());
        let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
        FunctionAnswer {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: content.into(),
        }
    }

    async fn function(&self, found: Found, request: FunctionRequest) -> FunctionAnswer {
        let event = event(&request.method, &request.url, &request.headers, &request.body);
        let event = match event {
            Ok(event) => event,
            Err(refused) => return FunctionAnswer::plain(refused.status(), refused.sentence()),
        };
        let begun = Instant::now();
        let open = Open::new(&self.inner.meters);
        let (outcome, answer) = self.invoke(&found, event, begun).await;
        self.alert_of(&found, &answer);
        let meters = &self.inner.meters;
        drop(open);
        meters.functions_invocations_total.count(outcome);
        meters.functions_invocation_seconds.observe_duration(begun.elapsed());
        answer
    }

    /// Alerts the account of an answer that its callers cannot use.
    fn alert_of(&self, found: &Found, answer: &FunctionAnswer) {
        let code = match answer.status.as_u16() {
            400..=499 => Code::FUNCTION_CLIENT_ERROR,
            500.. => Code::FUNCTION_SERVER_ERROR,
            _ => return,
        };
        let text = String::from_utf8_lossy(&answer.body);
        let text = &text[..text.floor_char_boundary(ALERT_BYTES_MAX)];
        let (path, status) = (&found.version.path, answer.status.as_u16());
        let sentence = format!("{path} answered {status}: {text}");
        let (account, call) = (found.owner, found.call);
        let exchange = found.exchange.clone().map(|asked| exchange::answered(asked, answer));
        self.inner.outside.alert(FunctionAlert { account, call, code, sentence, exchange });
    }

    /// Runs a function; its outcome for the counters, and its answer.
    async fn invoke(
        &self,
        found: &Found,
        event: Value,
        begun: Instant,
    ) -> (&'static str, FunctionAnswer) {
        let wall = Duration::from_millis(FUNCTION_WALL_MS);
        let Some(_place) = self.place(found.owner, wall).await else {
            let sentence = "Too many functions of the account run.";
            return ("refused", FunctionAnswer::plain(429, sentence));
        };
        let left = wall.saturating_sub(begun.elapsed());
        match self.run(found, event, left).await {
            Ok(Some(answered)) => {
                let outcome = match (&answered.failure, answered.status) {
                    (None, _) => "answered",
                    (Some(_), 504) => "timeout",
                    (Some(_), _) => "failed",
                };
                if let Some(failure) = &answered.failure {
                    let (function, service) = (&found.version.path, &found.service.sid);
                    tracing::warn!(function, service, failure, "a function failed");
                }
                let Answered { status, headers, body, .. } = answered;
                (outcome, FunctionAnswer::of_function(status, headers, body))
            }
            Ok(None) => {
                ("broken", FunctionAnswer::plain(500, "The worker of the function broke down."))
            }
            Err(error) => {
                tracing::error!(%error, "a worker of functions cannot be started");
                let sentence = "The worker of the function cannot be started.";
                ("broken", FunctionAnswer::plain(500, sentence))
            }
        }
    }

    /// A place among the account's functions that run.
    async fn place(
        &self,
        owner: AccountSid,
        wall: Duration,
    ) -> Option<(OwnedSemaphorePermit, Counted<'_>)> {
        let counted = Counted(&self.inner.under_way);
        if self.inner.under_way.fetch_add(1, Ordering::AcqRel) >= FUNCTIONS_WAITING_MAX {
            return None;
        }
        let places = {
            let mut accounts = self.inner.places.lock();
            let new = || Arc::new(Semaphore::new(FUNCTIONS_RUNNING_ACCOUNT_MAX));
            Arc::clone(accounts.entry(owner).or_insert_with(new))
        };
        let place = timeout(wall, places.acquire_owned()).await.ok()?.ok()?;
        Some((place, counted))
    }

    async fn run(
        &self,
        found: &Found,
        event: Value,
        left: Duration,
    ) -> io::Result<Option<Answered>> {
        let context = self.context(found).await;
        let (process, running) = self.worker(found).await?;
        let id = process.number();
        let function = found.version.path.trim_start_matches('/').to_owned();
        let item = found.version.item.clone();
        let (request, exchange) = (new_sid("RQ"), found.exchange.clone());
        let invocation = Running { function: item, request, call: found.call, exchange };
        running.lock().insert(id, invocation);
        let wall_ms = u64::try_from(left.as_millis()).unwrap_or(0);
        let answered = process.invoke(Invoke { id, function, event, context, wall_ms }).await;
        running.lock().remove(&id);
        Ok(answered)
    }

    async fn context(&self, found: &Found) -> Value {
        let Found { service, environment, version, owner, .. } = found;
        let mut context = Map::new();
        if service.include_credentials {
            context.insert("ACCOUNT_SID".to_owned(), owner.to_string().into());
            let token = self.inner.outside.auth_token(*owner).await;
            context.insert("AUTH_TOKEN".to_owned(), token.unwrap_or_default().into());
        }
        for variable in &environment.variables {
            context.insert(variable.key.clone(), variable.value.clone().into());
        }
        let domain = format!("{}.{}", service.label(environment), self.inner.settings.base);
        for (key, value) in [
            ("PATH", version.path.as_str()),
            ("DOMAIN_NAME", &domain),
            ("SERVICE_SID", &service.sid),
            ("ENVIRONMENT_SID", &environment.sid),
        ] {
            context.insert(key.to_owned(), value.into());
        }
        Value::Object(context)
    }

    /// The worker of an environment; started where there is none, or where it has ended.
    async fn worker(
        &self,
        found: &Found,
    ) -> io::Result<(Process, Arc<Mutex<BTreeMap<u64, Running>>>)> {
        let mut workers = self.inner.workers.lock().await;
        workers.retain(|_, worker| !worker.process.is_over());
        let serves = (found.environment.sid.clone(), found.environment.revision);
        if let Some(worker) = workers.get_mut(&serves) {
            worker.used = Instant::now();
            return Ok((worker.process.clone(), Arc::clone(&worker.running)));
        }
        make_room(&mut workers, &found.environment.sid);
        let running = Arc::default();
        let packages = self.packages(found).await?;
        let serving = self.serving(found, Arc::clone(&running), packages);
        let serving = self.on_disk(found, serving).await?;
        let process = Process::start(&self.inner.settings.program, serving).await?;
        self.inner.meters.functions_workers_started_total.count();
        let worker = Worker {
            process: process.clone(),
            used: Instant::now(),
            running: Arc::clone(&running),
        };
        workers.insert(serves, worker);
        Ok((process, running))
    }

    fn serving(
        &self,
        found: &Found,
        running: Arc<Mutex<BTreeMap<u64, Running>>>,
        packages: Packages,
    ) -> Serving {
        let Found { service, environment, owner, .. } = found;
        let mut contents = BTreeMap::new();
        let mut deployed = Deployed::default();
        for version in service.deployed(environment) {
            let path = version.path.clone();
            match version.kind {
                Kind::Function => {
                    let path = path.trim_start_matches('/').to_owned();
                    contents.insert(format!("functions/{path}"), version.sid.clone());
                    deployed.functions.push(path);
                }
                Kind::Asset if version.is_packages() => {}
                Kind::Asset if version.visibility == Visibility::Private => {
                    contents.insert(format!("assets{path}"), version.sid.clone());
                    deployed.assets.push(path);
                }
                Kind::Asset => {}
            }
        }
        deployed.modules = packages.names();
        deployed.variables =
            environment.variables.iter().map(|one| (one.key.clone(), one.value.clone())).collect();
        let (inner, line) = (Arc::clone(&self.inner), self.line_of(found));
        let (logs, meters) = (self.inner.logs.clone(), Arc::clone(&self.inner.meters));
        let (outside, owner) = (Arc::clone(&self.inner.outside), *owner);
        let on_line = move |id: u64, level: Level, text: String| {
            let Running { function, request, call, exchange } =
                running.lock().get(&id).cloned().unwrap_or_default();
            meters.functions_log_lines_total.count();
            let code = match level {
                Level::Info => None,
                Level::Warn => Some(Code::FUNCTION_PRINTED_WARNING),
                Level::Error => Some(Code::FUNCTION_PRINTED_ERROR),
            };
            if let Some(code) = code {
                let sentence = text.clone();
                outside.alert(FunctionAlert { account: owner, call, code, sentence, exchange });
            }
            tracing::info!(target: "functions", service = line.service, function, ?level, "{text}");
            logs.add(Line {
                function,
                request,
                level,
                text,
                created_ms: unix_ms(),
                ..line.clone()
            });
        };
        Serving {
            account: owner,
            deployed,
            read: Box::new(move |path| match path.strip_prefix("modules/") {
                Some(name) => packages.read(name),
                None => inner.catalogue.content(contents.get(path)?).ok(),
            }),
            on_line: Box::new(on_line),
            outside: Arc::clone(&self.inner.outside),
            meters: Arc::clone(&self.inner.meters),
            app: None,
        }
    }

    async fn packages(&self, found: &Found) -> io::Result<Packages> {
        let mut deployed = found.service.deployed(&found.environment);
        let own = deployed.find(|version| version.is_packages()).map(|version| version.sid.clone());
        let inner = Arc::clone(&self.inner);
        let read = tokio::task::spawn_blocking(move || {
            let packages = Packages::of(&inner.settings.packages)?;
            let Some(own) = own else { return Ok(packages) };
            Ok(packages.with(Archive::of(inner.catalogue.content(&own)?)?))
        });
        read.await.map_err(io::Error::other)?
    }

    /// Writes what is deployed to disk, where the engine reads files.
    async fn on_disk(&self, found: &Found, mut serving: Serving) -> io::Result<Serving> {
        let Some(library) = self.inner.settings.program.library.clone() else { return Ok(serving) };
        // A worker that ends leaves its folder to its last invocation, so a name is used once.
        let name = format!("{}-{}", found.environment.sid, new_sid(""));
        let folder = self.inner.settings.folder.join(RUNNING);
        let written = tokio::task::spawn_blocking(move || {
            let app = AppFolder::write(&folder, &name, &library, &serving.deployed, &serving.read)?;
            serving.app = Some(app);
            Ok(serving)
        });
        written.await.map_err(io::Error::other)?
    }

    fn line_of(&self, found: &Found) -> Line {
        Line {
            sid: String::new(),
            account: found.service.account.clone(),
            service: found.service.sid.clone(),
            environment: found.environment.sid.clone(),
            build: found.environment.build.clone().unwrap_or_default(),
            function: String::new(),
            request: String::new(),
            level: Level::Info,
            text: String::new(),
            created_ms: 0,
        }
    }

    /// The counters of all functions.
    pub fn meters(&self) -> Arc<FunctionMeters> {
        Arc::clone(&self.inner.meters)
    }
}

/// Folder of what workers in Node read.
const RUNNING: &str = "running";
/// Bytes of an answer that an alert quotes.
const ALERT_BYTES_MAX: usize = 500;

/// Ends workers that nobody needs: those of the environment as it was before, and the one that has been idle longest
/// where there are too many. One that still runs functions ends with the last of them.
fn make_room(workers: &mut BTreeMap<Serves, Worker>, environment: &str) {
    workers.retain(|(sid, _), _| sid != environment);
    while workers.len() >= FUNCTION_WORKERS_MAX {
        let idle =
            workers.iter().min_by_key(|(_, worker)| (worker.process.load() > 0, worker.used));
        let Some(serves) = idle.map(|(serves, _)| serves.clone()) else { return };
        workers.remove(&serves);
    }
}

/// Counts an invocation as open, also when its caller leaves before the end.
struct Open<'a>(&'a FunctionMeters);

impl<'a> Open<'a> {
    fn new(meters: &'a FunctionMeters) -> Self {
        meters.functions_invocations_open.add(1);
        Self(meters)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.functions_invocations_open.add(-1);
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// A path with its percent-escapes undone.
fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) if *byte == b'%' => {
                decoded.push(value);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
