//! Functions: what the gateway does for them, and the ways that lead to them. Shell.
//!
//! A function's own request goes one of three ways. The API's hosts mean this gateway, so that the official client
//! works unchanged: such a request is answered by the REST API in this process, credentials and limits included. The
//! hosts of hosted resources mean those, through the webhook client. All else goes out by the webhook client, whose
//! guard checks the address.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use call::Form;
use control::{HostedAlert, Input};
use functions::{
    Answering, ApiAnswer, ApiRequest, Asked, Caller, FunctionAlert, FunctionAnswer,
    FunctionRequest, Functions, FunctionsSettings, Outside, Program, Reply,
};
use hosted::{Handler, Resource};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use http_server::{Body, Rest, Scheme, WholeRequest, base_url, whole_body};
use shared::config::{self, FunctionsEngine};
use shared::limits::FUNCTION_FETCH_BYTES_MAX;
use shared::{AccountSid, Code, api_host};
use shell::Sender;
use store::NotificationLevel;
use url::Position;
use webhook::{Fetch, HostedAnswer, HostedAnswering, HostedRequest, TransferBounds, WebhookClient};

use super::error::ServeError;
use crate::data_dir::DataDir;
use crate::inbox::Message;
use crate::sealing::KeyFileSealer;

/// Starts the functions. `rest` gets the REST API when it is there, before the first call.
pub(super) fn start_functions(
    data: &DataDir,
    config: &config::Functions,
    base: String,
    client: &WebhookClient,
    rest: Arc<OnceLock<Rest>>,
    messages: Sender<Message>,
) -> Result<Functions, ServeError> {
    let folder = data.path().join("functions");
    let broken = |error| ServeError::Functions(error, folder.clone());
    let program = match config.engine {
        FunctionsEngine::QuickJs => Program::this_binary(),
        FunctionsEngine::Node => {
            let node = node(&config.node)?;
            let library = function_worker::unpack_library(&folder).map_err(broken)?;
            try_node(&node, &library)?;
            Program::node(&node, library)
        }
    };
    let program = program.map_err(broken)?;
    let packages = config.packages.clone();
    let sealer = Arc::new(KeyFileSealer::new(&data.key));
    let settings =
        FunctionsSettings { folder: folder.clone(), sealer, program, packages, base, is_signed };
    let outside = Arc::new(Gateway { client: client.clone(), rest, messages });
    Functions::start(settings, outside).map_err(|error| ServeError::Functions(error, folder))
}

/// Node's binary, by its real path: a sandbox lets no link be followed out of it.
fn node(given: &Path) -> Result<PathBuf, ServeError> {
    let refused = |why: String| ServeError::Node(why);
    let path = match given.as_os_str().is_empty() {
        false => given.to_owned(),
        true => std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths)
            .map(|folder| folder.join("node"))
            .find(|path| path.is_file())
            .ok_or_else(|| refused("there is no node on PATH".to_owned()))?,
    };
    let shown = path.display();
    let path = path.canonicalize().map_err(|error| refused(format!("{shown}: {error}")))?;
    let said = Command::new(&path).arg("--version").output();
    let said = said.map_err(|error| refused(format!("{shown} does not run: {error}")))?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let major = version.strip_prefix('v').and_then(|version| version.split('.').next());
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(path),
        Some(_) => Err(refused(format!(
            "{shown} is {version}, and {NODE_MAJOR_MIN} is the oldest that works"
        ))),
        None => Err(refused(format!("{shown} does not say its version, so it is not Node"))),
    }
}

/// Starts a worker that has nothing to do and ends at once, so that a kernel or a Node that cannot carry one is known
/// before the first call.
fn try_node(node: &Path, library: &Path) -> Result<(), ServeError> {
    let own = std::env::current_exe().map_err(|error| ServeError::Node(error.to_string()))?;
    let mut worker = Command::new(own);
    worker.args(["worker", "node"]).args([node, library, library]).stdin(Stdio::null());
    match worker.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().find(|line| !line.is_empty()).unwrap_or("it says nothing");
            Err(ServeError::Node(format!("{} does not run confined: {first}", node.display())))
        }
        Err(error) => Err(ServeError::Node(error.to_string())),
    }
}

/// The oldest Node that functions run in.
const NODE_MAJOR_MIN: u32 = 18;

/// The gateway, as functions see it.
struct Gateway {
    client: WebhookClient,
    rest: Arc<OnceLock<Rest>>,
    messages: Sender<Message>,
}

impl Outside for Gateway {
    fn send(&self, asked: Asked) -> Answering<Result<Reply, String>> {
        let product = asked.url.host_str().and_then(api_host::product);
        match product.as_deref() {
            Some("api" | "voice" | "monitor") => {
                let rest = Arc::clone(&self.rest);
                Box::pin(async move { inside(&rest, asked).await })
            }
            Some(other) => {
                let sentence = format!("this gateway has no {other} API");
                Box::pin(async move { Err(sentence) })
            }
            None => {
                let client = self.client.clone();
                Box::pin(async move { out(&client, asked).await })
            }
        }
    }

    fn alert(&self, alert: FunctionAlert) {
        let FunctionAlert { account, call, code, sentence, exchange } = alert;
        let level = match code {
            Code::FUNCTION_CLIENT_ERROR | Code::FUNCTION_PRINTED_WARNING => {
                NotificationLevel::Warning
            }
            _ => NotificationLevel::Error,
        };
        let alert = HostedAlert { account, call, code, level, sentence, exchange };
        // Where the inbox is full, calls come first: the log has the sentence.
        let _ = self.messages.send(Message::Input(Input::HostedAlert(alert)));
    }

    fn auth_token(&self, account: AccountSid) -> Answering<Option<String>> {
        let rest = Arc::clone(&self.rest);
        Box::pin(async move { rest.get()?.auth_token(account).await })
    }
}

async fn inside(rest: &OnceLock<Rest>, asked: Asked) -> Result<Reply, String> {
    let rest = rest.get().ok_or("the gateway is starting")?;
    let Asked { method, url, mut headers, body, .. } = asked;
    let uri = url[Position::BeforePath..Position::AfterQuery].parse::<Uri>();
    let host = HeaderValue::from_str(url.host_str().unwrap_or_default());
    headers.insert(HOST, host.map_err(|error| error.to_string())?);
    let request = WholeRequest {
        method,
        uri: uri.map_err(|error| error.to_string())?,
        headers,
        body,
        // Failed logins of functions count as those of this machine.
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        scheme: Scheme::Https,
    };
    let (head, body) = rest.answer(request).await.into_parts();
    let body = Limited::new(body, FUNCTION_FETCH_BYTES_MAX).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    Ok(Reply { status: head.status, headers: head.headers, body })
}

async fn out(client: &WebhookClient, asked: Asked) -> Result<Reply, String> {
    let Asked { method, url, headers, body, .. } = asked;
    let fetch = Fetch { method, url, headers, body, caller: None };
    let answer = client.fetch(fetch, BOUNDS).await.map_err(|failure| failure.sentence)?;
    Ok(Reply { status: answer.status, headers: answer.headers, body: answer.body.into() })
}

/// The handler of functions among those of hosted call control.
pub(super) struct OfCalls(pub(super) Functions);

impl Handler for OfCalls {
    fn answer(&self, resource: Resource, request: HostedRequest) -> HostedAnswering {
        let functions = self.0.clone();
        Box::pin(async move {
            let Resource::Function { domain: label, path } = resource else { return None };
            let HostedRequest { method, url, headers, body, caller, .. } = request;
            let caller = caller.map(|webhook::Caller { account, call }| Caller { account, call });
            let asked = FunctionRequest { label, path, method, url, headers, body, caller };
            let FunctionAnswer { status, headers, body } = functions.answer(asked).await?;
            Some(HostedAnswer { status, headers, body })
        })
    }
}

/// The serverless API behind the HTTP server.
pub(super) fn serverless(functions: Functions) -> http_server::ServerlessPages {
    Box::new(move |account, request| {
        let functions = functions.clone();
        Box::pin(async move {
            let header = |name| {
                let value = request.headers.get(name).and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            let asked = ApiRequest {
                account,
                path: request.uri.path().to_owned(),
                query: request.uri.query().unwrap_or_default().to_owned(),
                content_type: header(CONTENT_TYPE),
                base: base_url(request.scheme, header(HOST)),
                method: request.method,
                body: request.body,
            };
            // It writes to the disk before it answers.
            let answered = tokio::task::spawn_blocking(move || functions.serverless(&asked)).await;
            answered.map_or_else(
                |_| http_server::problem(StatusCode::INTERNAL_SERVER_ERROR, "It broke."),
                shown,
            )
        })
    })
}

fn shown(answer: ApiAnswer) -> Response<Body> {
    let body = if answer.body.is_null() { String::new() } else { answer.body.to_string() };
    let mut response = Response::new(whole_body(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Whether a request from outside is signed like one of ours (webhooks.md 9): the URL, and the fields of a form.
fn is_signed(token: &str, signature: &str, request: &FunctionRequest) -> bool {
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let fields = match request.method == Method::POST && is_form {
        true => Form::parse(&String::from_utf8_lossy(&request.body)),
        false => Form::new(),
    };
    let expected = call::signature::sign(token.as_bytes(), request.url.as_str(), &fields);
    // Equal lengths and no early end: how much of it was right is nobody's business.
    expected.len() == signature.len()
        && expected.bytes().zip(signature.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// A function has 10 s in all.
const BOUNDS: TransferBounds = TransferBounds {
    stall: Duration::from_secs(10),
    total: Duration::from_secs(10),
    answer_bytes_max: FUNCTION_FETCH_BYTES_MAX,
};
