//! Orders of executions: requests to the web, and to our own REST for calls and recordings.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use call::Form;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt as _;
use http_server::{Scheme, WholeRequest};
use serde_json::Value;
use shared::limits::STUDIO_TEMPLATE_OUTPUT_BYTES_MAX;
use shared::{AccountSid, CallSid, Code, FlowSid};
use studio::{Answer, Data, HttpOrder, Order};
use url::Url;
use url::form_urlencoded::Serializer;
use webhook::{Caller, Fetch, TransferBounds};

use super::Studio;
use super::running::Live;

/// Bounds of a widget's request.
const BOUNDS: TransferBounds = TransferBounds {
    stall: Duration::from_secs(10),
    total: Duration::from_secs(10),
    answer_bytes_max: STUDIO_TEMPLATE_OUTPUT_BYTES_MAX,
};

const FORM: &str = "application/x-www-form-urlencoded";
/// Fields of a call or recording that variables show, with the names that webhooks have for them.
const SHOWN: &[(&str, &str)] = &[("status", "Status"), ("call_sid", "CallSid")];

impl Studio {
    pub(super) async fn order(&self, live: &Arc<Live>, call: Option<&str>, order: Order) -> Answer {
        let call: Option<CallSid> = call.and_then(|call| call.parse().ok());
        match order {
            Order::Http(order) => self.request(live, call, order).await,
            Order::Call { step, parameters } => self.place(live, step, parameters).await,
            Order::Recording { is_on, parameters } => match call {
                Some(call) => self.record_call(live, call, is_on, parameters).await,
                None => refused("There is no call that is up"),
            },
            Order::Flow { sid, is_draft } => self.other_flow(live.account, &sid, is_draft).await,
        }
    }

    async fn token(&self, account: AccountSid) -> Option<String> {
        let row = self.read(move |reader| reader.account(account)).await.ok()??;
        Some(row.auth_token.expose_secret().to_owned())
    }

    async fn request(&self, live: &Live, call: Option<CallSid>, order: HttpOrder) -> Answer {
        let no_answer = |sentence: String| Answer::NoAnswer { sentence };
        let Ok(url) = Url::parse(&order.url) else {
            return no_answer(format!("Not a URL: {}", order.url));
        };
        let Some(token) = self.token(live.account).await else {
            return no_answer("The store cannot be read".to_owned());
        };
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            let value = HeaderValue::from_str(value).ok();
            value.map(|value| headers.insert(name, value)).is_some()
        };
        if order.content_type.as_ref().is_some_and(|kind| !put(CONTENT_TYPE, kind)) {
            return no_answer("Not a content type".to_owned());
        }
        if order.with_credentials {
            put(AUTHORIZATION, &basic(live.account, &token));
        }
        if order.is_function {
            let form: Form = order.parameters.iter().cloned().collect();
            let signature = call::signature::sign(token.as_bytes(), url.as_str(), &form);
            put(HeaderName::from_static("x-twilio-signature"), &signature);
        }
        let fetch = Fetch {
            method: if order.is_post { Method::POST } else { Method::GET },
            url,
            headers,
            body: order.body.into(),
            caller: call.map(|call| Caller { account: live.account, call }),
        };
        match self.0.parts.client.fetch(fetch, BOUNDS).await {
            Ok(answer) => {
                let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                Answer::Http {
                    status: answer.status.as_u16(),
                    content_type: kind.unwrap_or_default().to_owned(),
                    body: String::from_utf8_lossy(&answer.body).into_owned(),
                }
            }
            Err(failure) => no_answer(format!("{}: {}", failure.code, failure.sentence)),
        }
    }

    /// Places a call whose URLs lead back to the execution.
    async fn place(
        &self,
        live: &Live,
        step: usize,
        mut parameters: Vec<(&'static str, String)>,
    ) -> Answer {
        let (base, account, flow) = (&self.0.parts.base, live.account, live.flow);
        let url = |event| {
            format!(
                "https://webhooks.{base}/v1/Accounts/{account}/Flows/{flow}\
                 ?FlowEvent={event}&Step={step}&ExecutionSid={}",
                live.sid
            )
        };
        parameters.push(("Url", url("answered")));
        parameters.push(("StatusCallback", url("status")));
        parameters.push(("StatusCallbackEvent", "completed".to_owned()));
        let answer = self.rest(account, "Calls.json", &parameters).await;
        if let Answer::Done { resource } = &answer
            && let Some(call) = resource.get("CallSid").as_str().and_then(|sid| sid.parse().ok())
        {
            self.0.running.take_call(live.sid, call);
        }
        answer
    }

    async fn record_call(
        &self,
        live: &Live,
        call: CallSid,
        is_on: bool,
        mut parameters: Vec<(&'static str, String)>,
    ) -> Answer {
        let path = if is_on {
            format!("Calls/{call}/Recordings.json")
        } else {
            parameters = vec![("Status", "stopped".to_owned())];
            format!("Calls/{call}/Recordings/Twilio.CURRENT.json")
        };
        self.rest(live.account, &path, &parameters).await
    }

    /// A POST to our own REST, with the credentials of the account.
    async fn rest(
        &self,
        account: AccountSid,
        path: &str,
        form: &[(&'static str, String)],
    ) -> Answer {
        let (Some(rest), Some(token)) = (self.0.rest.get(), self.token(account).await) else {
            return refused("The API takes no requests");
        };
        let path = format!("/2010-04-01/Accounts/{account}/{path}");
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let Ok(uri) = path.parse() else { return refused("Not a path") };
        let headers =
            [(HOST, "localhost"), (CONTENT_TYPE, FORM), (AUTHORIZATION, &basic(account, &token))];
        let headers = headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?)));
        let request = WholeRequest {
            method: Method::POST,
            uri,
            headers: headers.collect(),
            body: body.into(),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            scheme: Scheme::Http,
        };
        let response = rest.answer(request).await;
        let is_good = response.status().is_success();
        let Ok(body) = response.into_body().collect().await else { return refused("No answer") };
        let json: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        if is_good { Answer::Done { resource: resource_of(&json) } } else { refusal_of(&json) }
    }

    async fn other_flow(&self, account: AccountSid, sid: &str, is_draft: bool) -> Answer {
        let Ok(sid) = sid.parse::<FlowSid>() else { return refused("Not the SID of a flow") };
        let row = self.flow(account, sid).await.ok().flatten();
        let definition = row.and_then(|row| match is_draft {
            true => Some(row.definition),
            false => row.published_definition,
        });
        match definition.map(|definition| studio::Flow::read(&definition)) {
            Some(Ok(flow)) => Answer::Flow { flow: Arc::new(flow) },
            _ => Answer::Refused {
                code: Code::STUDIO_REVISION,
                sentence: "There is no such revision of the flow".to_owned(),
            },
        }
    }
}

fn basic(account: AccountSid, token: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{account}:{token}")))
}

fn refused(sentence: &str) -> Answer {
    Answer::Refused { code: Code::INTERNAL, sentence: sentence.to_owned() }
}

fn refusal_of(json: &Value) -> Answer {
    let number = json.get("code").and_then(Value::as_u64).unwrap_or_default();
    let known = Code::ALL.iter().map(|(code, _)| *code);
    let code = known.into_iter().find(|code| u64::from(code.number()) == number);
    let sentence = json.get("message").and_then(Value::as_str).unwrap_or("refused");
    Answer::Refused { code: code.unwrap_or(Code::INTERNAL), sentence: sentence.to_owned() }
}

fn resource_of(json: &Value) -> Data {
    let mut resource = Data::map();
    for (field, name) in SHOWN {
        if let Some(text) = json.get(field).and_then(Value::as_str) {
            resource.put(name, Data::text(text));
        }
    }
    let sid = json.get("sid").and_then(Value::as_str).unwrap_or_default();
    let name = if sid.starts_with(CallSid::PREFIX) { "CallSid" } else { "RecordingSid" };
    resource.put(name, Data::text(sid));
    resource
}
