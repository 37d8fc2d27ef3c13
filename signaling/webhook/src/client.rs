//! The webhook client: concurrency limits, retries, redirects, cookies, signatures. Shell, on tokio.
//!
//! A request is a chain of hops, one for each redirect. A hop is one or more attempts: retries. Each bound is
//! taken at its level: the turn of the account for the whole chain, the turn of the host and a place among all
//! requests for one hop, connect and first byte for one attempt. One deadline covers all of it, including
//! every wait for a turn, because the call waits for the answer.
//!
//! The place among all requests is taken last: a request that waits for a slow host must not hold a place
//! that requests to other hosts need.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use audio::AudioIntake;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use call::webhook::RetryPolicy;
use call::{
    AnswerBody, Form, HttpAnswer, HttpId, HttpKind, HttpMethod, HttpRequest, PromptFailure, WebUrl,
    WireRequest,
};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use shared::config::Cidr;
use shared::{AccountSid, CallSid, Prompt, limits};
use sip::digest::Credentials;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::connector::{Connector, WebhookSetupError};
use crate::cookies::CookieJars;
use crate::digest::Logins;
use crate::dns::{AddressGuard, Resolver};
use crate::exchange::{Answer, Bounds, Carrier, ConnectOptions, Expects, Outgoing};
use crate::fault::{Fault, WebhookFailure};
use crate::hosted::{Caller, Hosted};
use crate::meters::WebhookMeters;
use crate::permits::Permits;
use crate::pool::Pool;

/// Requests under way or waiting, of all accounts. Past it a request fails at once with 11200.
const REQUESTS_MAX: u64 = 20_000;
/// Time to the first byte of a media file.
const MEDIA_FIRST_BYTE: Duration = Duration::from_secs(15);
/// Time for a whole media file.
const MEDIA_TOTAL: Duration = Duration::from_secs(60);

/// The settings of the client.
#[derive(Clone, Debug, Default)]
pub struct WebhookSettings {
    /// `webhook.user_agent`.
    pub user_agent: String,
    /// `webhook.allow_private`.
    pub allow_private: Vec<Cidr>,
    /// SIP and HTTP listeners of this process, as bound. The client never connects to them. The bundled
    /// application of `demo` is not among them.
    pub own_listeners: Vec<SocketAddr>,
    /// Source addresses of each edge, by its canonical name. The node's own edge is not among them.
    pub edges: BTreeMap<String, Vec<IpAddr>>,
    /// Certificate authorities trusted besides the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

/// Sends requests to applications. Cheap to clone; all clones share connections, turns and cookies.
#[derive(Clone)]
pub struct WebhookClient {
    inner: Arc<Inner>,
}

struct Inner {
    user_agent: HeaderValue,
    carrier: Carrier,
    /// Handlers inside of this process, asked before a name is resolved.
    hosted: OnceLock<Arc<dyn Hosted>>,
    accounts: Permits<AccountSid>,
    hosts: Permits<(String, u16)>,
    /// All requests under way. The memory plan at start counts on this bound.
    all: Semaphore,
    cookies: CookieJars,
    logins: Logins,
    meters: WebhookMeters,
}

/// The call that a media file is fetched for: decides signature, cookies and concurrency limit.
#[derive(Clone, Debug)]
pub struct MediaRequest {
    /// The account.
    pub account: AccountSid,
    /// The call that plays it.
    pub call: CallSid,
    /// The account's auth token.
    pub auth_token: String,
}

/// Validators of a stored response (RFC 9111 §4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// An answer to the request for a media file.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Status of the last answer; 304 if the stored copy is still valid.
    pub status: u16,
    /// `Cache-Control`, all values joined.
    pub cache_control: String,
    /// The validators for the next request.
    pub validators: Validators,
    /// The file, or the reason it cannot be played; `None` if the status is not 2xx.
    pub audio: Option<Result<Arc<Prompt>, PromptFailure>>,
}

impl WebhookClient {
    /// A client that resolves names with `resolver` and decodes audio with `intake`. Call it inside the
    /// tokio runtime.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        settings: WebhookSettings,
        resolver: Resolver,
        intake: AudioIntake,
    ) -> Result<Self, WebhookSetupError> {
        let guard = AddressGuard::new(settings.allow_private, settings.own_listeners);
        let connector = Connector::new(resolver, guard, settings.edges, &settings.extra_roots)?;
        let user_agent = HeaderValue::from_str(&settings.user_agent)
            .unwrap_or(HeaderValue::from_static("TwilioProxy/1.1"));
        Ok(Self {
            inner: Arc::new(Inner {
                user_agent,
                carrier: Carrier { connector, pool: Pool::default(), intake },
                hosted: OnceLock::new(),
                accounts: Permits::new(limits::WEBHOOK_ACCOUNT_CONCURRENCY_MAX),
                hosts: Permits::new(limits::WEBHOOK_HOST_CONCURRENCY_MAX),
                all: Semaphore::new(limits::WEBHOOK_CONCURRENCY_MAX),
                cookies: CookieJars::default(),
                logins: Logins::default(),
                meters: WebhookMeters::default(),
            }),
        })
    }

    /// Sends a request of a call and follows its redirects; `auth_token` signs each hop. Ends within the
    /// total time of the request, at most 15 s, including the wait for a turn.
    ///
    /// # Errors
    /// No usable answer. Any HTTP status is an answer, also 4xx and 5xx.
    pub async fn send(
        &self,
        request: HttpRequest,
        auth_token: &str,
    ) -> Result<HttpAnswer, WebhookFailure> {
        let overrides = &request.url.overrides;
        let total_ms = overrides.total_ms.min(limits::WEBHOOK_TOTAL_MS);
        let total = Duration::from_millis(total_ms.into());
        let begun = Instant::now();
        let read = Duration::from_millis(overrides.read_ms.into());
        let plan = Plan {
            auth_token,
            bounds: Bounds {
                connect: Duration::from_millis(overrides.connect_ms.into()),
                first_byte: read,
                between: read,
                deadline: begun + total,
                expects: match request.kind {
                    HttpKind::Document => Expects::Document,
                    HttpKind::StatusCallback
                    | HttpKind::RecordingCallback
                    | HttpKind::SideCallback => Expects::Nothing,
                },
            },
            total,
            conditions: HeaderMap::new(),
        };
        let (answer, url) = self.run(request, &plan).await?;
        Ok(HttpAnswer {
            status: answer.status.as_u16(),
            content_type: answer.content_type().map(str::to_owned),
            body: answer.body,
            final_url: with_userinfo(&url),
            duration_ms: elapsed_ms(begun),
        })
    }

    /// Fetches a media file and decodes it while it arrives: GET without the standard parameters, with
    /// the `validators` of an older copy. Ends within 60 s, with 15 s to the first byte, including the
    /// wait for memory.
    ///
    /// # Errors
    /// No usable answer. Any HTTP status is an answer.
    pub async fn fetch_media(
        &self,
        url: &WebUrl,
        who: &MediaRequest,
        validators: &Validators,
    ) -> Result<Fetched, WebhookFailure> {
        let request = HttpRequest {
            id: HttpId(0),
            kind: HttpKind::Document,
            account: who.account,
            call: who.call,
            method: HttpMethod::Get,
            url: url.clone(),
            standard: Form::new(),
            extra: Form::new(),
            idempotency_token: String::new(),
        };
        let plan = Plan {
            auth_token: &who.auth_token,
            bounds: Bounds {
                connect: Duration::from_millis(url.overrides.connect_ms.into()),
                first_byte: MEDIA_FIRST_BYTE,
                between: MEDIA_FIRST_BYTE,
                deadline: Instant::now() + MEDIA_TOTAL,
                expects: Expects::Media,
            },
            total: MEDIA_TOTAL,
            conditions: conditions(validators),
        };
        let (answer, _) = self.run(request, &plan).await?;
        Ok(fetched(answer))
    }

    /// Drops the cookies and logins of a call that is over.
    pub fn forget(&self, call: CallSid) {
        self.inner.cookies.forget(call);
        self.inner.logins.forget(call);
    }

    #[cfg(test)]
    pub(crate) fn places(&self) -> &Semaphore {
        &self.inner.all
    }

    #[cfg(test)]
    pub(crate) fn idle_connections(&self) -> usize {
        self.inner.carrier.pool.idle()
    }

    /// The decoder of the audio files that [`WebhookClient::fetch_media`] fetches.
    pub fn intake(&self) -> &AudioIntake {
        &self.inner.carrier.intake
    }

    pub(crate) fn carrier(&self) -> &Carrier {
        &self.inner.carrier
    }

    /// `User-Agent` of its requests.
    pub fn user_agent(&self) -> &str {
        self.inner.user_agent.to_str().unwrap_or_default()
    }

    /// A place among all requests under way.
    pub(crate) async fn place(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.inner.all.acquire().await.map_err(|_| Fault::Busy)
    }

    pub(crate) fn hosts(&self) -> &OnceLock<Arc<dyn Hosted>> {
        &self.inner.hosted
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.inner.carrier.connector
    }

    /// The client's counters.
    pub fn meters(&self) -> &WebhookMeters {
        &self.inner.meters
    }
}

/// Constant for all hops and attempts of one request.
struct Plan<'a> {
    auth_token: &'a str,
    bounds: Bounds,
    total: Duration,
    /// Conditional headers of a media file.
    conditions: HeaderMap,
}

impl WebhookClient {
    async fn run(
        &self,
        request: HttpRequest,
        plan: &Plan<'_>,
    ) -> Result<(Answer, WebUrl), WebhookFailure> {
        let begun = Instant::now();
        // The URL of the current hop. Outside of the future, because a timeout drops the future and the
        // failure has to name the URL.
        let asked = Mutex::new(request.url.wire(None));
        let in_flight = self.inner.meters.begin();
        let result = if in_flight.number > REQUESTS_MAX {
            Err(Fault::Busy)
        } else {
            match timeout_at(plan.bounds.deadline, self.follow(request, plan, &asked)).await {
                Ok(result) => result,
                Err(_) => Err(Fault::Total(plan.total)),
            }
        };
        result.map_err(|fault| {
            let code = fault.code();
            self.inner.meters.failed(code);
            let url = asked.lock().clone();
            tracing::debug!(code = code.number(), %fault, url, "webhook failed");
            WebhookFailure {
                code,
                sentence: fault.to_string(),
                url,
                duration_ms: elapsed_ms(begun),
            }
        })
    }

    /// Follows redirects. Each hop gets its own address check, signature and cookies.
    async fn follow(
        &self,
        mut request: HttpRequest,
        plan: &Plan<'_>,
        asked: &Mutex<String>,
    ) -> Result<(Answer, WebUrl), Fault> {
        let _turn = self.inner.accounts.enter(request.account).await;
        let mut retries_left = request.url.overrides.retries;
        for _ in 0..=limits::WEBHOOK_REDIRECTS_MAX {
            let wire = request.wire();
            asked.lock().clone_from(&wire.url);
            let answer = self.hop(&request, &wire, plan, &mut retries_left).await?;
            let Some(location) = redirect_target(&answer)? else {
                return Ok((answer, request.url));
            };
            self.inner.meters.redirected();
            request = request
                .redirected(answer.status.as_u16(), &location)
                .map_err(|error| Fault::Location(error.sentence))?;
        }
        Err(Fault::Redirects(limits::WEBHOOK_REDIRECTS_MAX))
    }

    /// One hop with its retries. Every attempt sends equal bytes, except for the answer to a Digest
    /// challenge.
    async fn hop(
        &self,
        request: &HttpRequest,
        wire: &WireRequest,
        plan: &Plan<'_>,
        retries_left: &mut u8,
    ) -> Result<Answer, Fault> {
        let _turn =
            self.inner.hosts.enter((request.url.host().to_owned(), request.url.port())).await;
        let mut outgoing = self.inner.outgoing(request, wire, plan)?;
        let caller = Caller { account: request.account, call: request.call };
        // Taken after the turn of the host: a request that waits for a slow host holds no place that others
        // need. A hosted request takes none.
        let mut place = None;
        let overrides = &request.url.overrides;
        let mut login_left = wire.basic_auth.as_ref();
        loop {
            // Each retry leaves by the next edge in the list of the URL.
            let attempts = usize::from(overrides.retries.saturating_sub(*retries_left));
            let options = ConnectOptions {
                sni: overrides.sni,
                edge: overrides.edges.iter().cycle().nth(attempts).map(String::as_str),
            };
            let attempt = match self.exchange_hosted(&outgoing, caller, &plan.bounds).await {
                Ok(Some(answer)) => Ok(answer),
                Err(fault) => Err(fault),
                Ok(None) => {
                    if place.is_none() {
                        place = Some(self.place().await?);
                    }
                    let meters = &self.inner.meters;
                    self.carrier().exchange(&outgoing, options, &plan.bounds, meters).await
                }
            };
            // A Digest challenge is answered once. It does not count as a retry, because nothing failed.
            if let (Ok(refused), Some(login)) = (&attempt, login_left.take())
                && refused.status == http::StatusCode::UNAUTHORIZED
                && let Some(answer) = self.inner.login(request.call, &outgoing, login, refused)
            {
                put(&mut outgoing.headers, header::AUTHORIZATION, &answer)?;
                continue;
            }
            if *retries_left > 0 && is_retried(&attempt, overrides.retry) {
                *retries_left -= 1;
                self.inner.meters.retried();
                continue;
            }
            if let Ok(answer) = &attempt {
                self.inner.keep_cookies(request.call, &outgoing.url, answer);
            }
            return attempt;
        }
    }
}

impl Inner {
    fn outgoing(
        &self,
        request: &HttpRequest,
        wire: &WireRequest,
        plan: &Plan<'_>,
    ) -> Result<Outgoing, Fault> {
        let url = Url::parse(&wire.url).map_err(|error| Fault::Unwritable(error.to_string()))?;
        let mut headers = plan.conditions.clone();
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        put(&mut headers, SIGNATURE, &wire.signature(plan.auth_token))?;
        if !request.idempotency_token.is_empty() {
            put(&mut headers, IDEMPOTENCY_TOKEN, &request.idempotency_token)?;
        }
        if let Some((user, password)) = &wire.basic_auth {
            let credentials = Credentials::new(user, password);
            let method = wire.method.name();
            let known = self.logins.header(request.call, &url, method, &credentials);
            let basic = || format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            put(&mut headers, header::AUTHORIZATION, &known.unwrap_or_else(basic))?;
        }
        if let Some(cookies) = self.cookies.header(request.call, &url, SystemTime::now()) {
            put(&mut headers, header::COOKIE, &cookies)?;
        }
        if wire.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM_TYPE));
        }
        let method = match wire.method {
            HttpMethod::Get => http::Method::GET,
            HttpMethod::Post => http::Method::POST,
        };
        let body = wire.body.clone().map(Bytes::from).unwrap_or_default();
        Ok(Outgoing { method, url, headers, body })
    }

    /// The `Authorization` that answers the Digest challenge of a 401; `None` without a challenge.
    fn login(
        &self,
        call: CallSid,
        outgoing: &Outgoing,
        (user, password): &(String, String),
        refused: &Answer,
    ) -> Option<String> {
        let credentials = Credentials::new(user, password);
        let method = outgoing.method.as_str();
        self.logins.answer(call, &outgoing.url, method, &credentials, refused)
    }

    fn keep_cookies(&self, call: CallSid, url: &Url, answer: &Answer) {
        let values = answer.headers.get_all(header::SET_COOKIE).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        let dropped = self.cookies.store(call, url, values, SystemTime::now());
        self.meters.cookies_dropped(dropped);
    }
}

/// Whether this policy retries the attempt.
fn is_retried(attempt: &Result<Answer, Fault>, policy: RetryPolicy) -> bool {
    match attempt {
        Ok(answer) => {
            (policy.status_4xx && answer.status.is_client_error())
                || (policy.status_5xx && answer.status.is_server_error())
        }
        Err(fault) => {
            (policy.connect && fault.is_connect()) || (policy.read && fault.is_unanswered())
        }
    }
}

/// `Location` of a redirect; `None` for every other answer, 304 and other 3xx included.
fn redirect_target(answer: &Answer) -> Result<Option<String>, Fault> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers.get(header::LOCATION) else {
        return Err(Fault::Location("there is no Location header".to_owned()));
    };
    let text = std::str::from_utf8(location.as_bytes()).map(str::trim).unwrap_or("");
    if text.is_empty() {
        return Err(Fault::Location("the Location header is empty or not UTF-8".to_owned()));
    }
    Ok(Some(text.to_owned()))
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), Fault> {
    let value = HeaderValue::from_str(value)
        .map_err(|_| Fault::Unwritable(format!("a control character in {name}")))?;
    headers.insert(name, value);
    Ok(())
}

fn conditions(validators: &Validators) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value =
        |text: &Option<String>| text.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    if let Some(etag) = value(&validators.etag) {
        headers.insert(header::IF_NONE_MATCH, etag);
    }
    if let Some(date) = value(&validators.last_modified) {
        headers.insert(header::IF_MODIFIED_SINCE, date);
    }
    headers
}

fn fetched(answer: Answer) -> Fetched {
    let text = |name: HeaderName| {
        let values = answer.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(", ")
    };
    let non_empty = |text: String| (!text.is_empty()).then_some(text);
    Fetched {
        status: answer.status.as_u16(),
        cache_control: text(header::CACHE_CONTROL),
        validators: Validators {
            etag: non_empty(text(header::ETAG)),
            last_modified: non_empty(text(header::LAST_MODIFIED)),
        },
        audio: match answer.body {
            AnswerBody::Audio(audio) => Some(audio),
            AnswerBody::Bytes(_) => None,
        },
    }
}

/// The URL without fragment and with userinfo. Relative URLs in its document inherit the userinfo.
fn with_userinfo(url: &WebUrl) -> String {
    let plain = url.wire(None);
    match (url.basic_auth(), Url::parse(&plain)) {
        (Some((user, password)), Ok(mut parsed)) => {
            // Both fail only for URLs that cannot have a host.
            let _ = parsed.set_username(&user);
            let _ = parsed.set_password((!password.is_empty()).then_some(password.as_str()));
            parsed.into()
        }
        _ => plain,
    }
}

fn elapsed_ms(begun: Instant) -> u32 {
    u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX)
}

const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");
const IDEMPOTENCY_TOKEN: HeaderName = HeaderName::from_static("i-twilio-idempotency-token");
const FORM_TYPE: &str = "application/x-www-form-urlencoded; charset=UTF-8";
