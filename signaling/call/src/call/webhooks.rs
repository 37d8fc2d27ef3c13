//! Requests of a call: standard parameters, status callbacks, notifications. Sans-IO.
//!
//! Every request that leaves has an entry in `Call::requests` until [`crate::CallInput::Http`] answers it. The
//! entry decides what the answer does, so that a verb can go away without waiting for its answer.

use std::fmt::Write as _;

use shared::{Code, Now, RecordingSid};
use store::HttpMethod;

use super::Call;
use super::activity::fetch::Fetching;
use super::activity::{Activity, Waits as _};
use super::exchange::{Exchange, Pending};
use super::headers::{is_x_header, push_headers};
use super::recordings::nearest_second;
use crate::date::rfc2822;
use crate::effect::{CallEffect, Notification};
use crate::finding::Finding;
use crate::form::Form;
use crate::ids::{HttpId, RecognitionId};
use crate::input::{HttpAnswer, HttpFailure};
use crate::setup::{Target, Webhook};
use crate::status::{CallDirection, ProgressEvent};
use crate::webhook::{HttpKind, HttpRequest, WebUrl, WebUrlError};

impl Call {
    /// Sends a request. The caller adds its entry to `requests`.
    fn request(
        &mut self,
        kind: HttpKind,
        url: WebUrl,
        method: HttpMethod,
        standard: Form,
        extra: Form,
    ) -> (HttpId, Exchange) {
        self.warn_of_edges(&url);
        let id = self.names.http();
        debug_assert!(!self.requests.contains_key(&id), "an id names one request");
        let request = HttpRequest {
            id,
            kind,
            account: self.setup.account,
            call: self.setup.sid,
            method,
            url,
            standard,
            extra,
            idempotency_token: self.random.uuid(),
        };
        // Before the effect takes the request: a failure shows the request beside its answer.
        let exchange = Exchange::of(&request);
        self.effect(CallEffect::Http(Box::new(request)));
        (id, exchange)
    }

    /// Warns, once a call, of an edge in the connection overrides that this node does not serve.
    pub(super) fn warn_of_edges(&mut self, url: &WebUrl) {
        let served = &self.setup.settings.edges;
        let is_served = |edge: &String| served.iter().any(|known| **known == *edge.as_str());
        let Some(edge) = url.overrides.edges.iter().find(|edge| !is_served(edge)) else { return };
        if self.facts.edge_warned {
            return;
        }
        let message = format!(
            "this node does not serve the edge `{edge}` of the connection overrides: requests leave by \
             its default address"
        );
        self.facts.edge_warned = true;
        self.notify(Finding::warning(Code::OVERRIDE_EDGE_UNSUPPORTED, message), None);
    }

    /// Requests a document; the call waits for it.
    pub(super) fn fetch(&mut self, url: WebUrl, method: HttpMethod, extra: Form, fallback: bool) {
        debug_assert!(!self.is_over(), "a document needs a leg to run on");
        let mut standard = self.document_parameters();
        self.detection_parameters(&mut standard);
        let (request, exchange) = self.request(HttpKind::Document, url, method, standard, extra);
        self.requests.insert(request, Pending::Document { exchange, fallback });
        self.activity = Activity::Fetching(Fetching { request });
    }

    /// Requests a wait document; the activity waits with it.
    pub(super) fn fetch_wait(&mut self, url: WebUrl, method: HttpMethod, extra: Form) -> HttpId {
        let standard = self.document_parameters();
        let (request, exchange) = self.request(HttpKind::Document, url, method, standard, extra);
        self.requests.insert(request, Pending::Wait { exchange });
        request
    }

    /// Requests an action after the leg is over: the answer is not executed.
    pub(super) fn report_action(&mut self, url: WebUrl, method: HttpMethod, extra: Form) {
        let standard = self.document_parameters();
        let (request, exchange) = self.request(HttpKind::Document, url, method, standard, extra);
        self.requests.insert(request, Pending::Callback { exchange });
    }

    /// Drops the answer to a document request when it arrives.
    pub(super) fn abandon(&mut self, request: HttpId) {
        if let Some(pending) = self.requests.get_mut(&request) {
            // Not removed: a call is not finished while one of its requests is out.
            *pending = Pending::Abandoned;
        }
    }

    pub(super) fn http_ended(
        &mut self,
        now: Now,
        request: HttpId,
        result: Result<HttpAnswer, HttpFailure>,
    ) {
        // An answer to the broken call that this one replaces, or one that came after `give_up`.
        let Some(pending) = self.requests.remove(&request) else { return };
        match pending {
            Pending::Document { mut exchange, fallback } => {
                if let Ok(answer) = &result {
                    exchange.note(answer);
                }
                self.document_ended(now, exchange, fallback, result);
            }
            Pending::Callback { exchange } => self.callback_ended(exchange, result),
            Pending::RecordingCallback { exchange, recording } => {
                self.callback_ended(exchange, result);
                self.next_recording_callback(recording);
            }
            Pending::RecognitionCallback { exchange, recognition } => {
                self.callback_ended(exchange, result);
                self.next_recognition_callback(recognition);
            }
            Pending::Wait { mut exchange } => {
                if let Ok(answer) = &result {
                    exchange.note(answer);
                }
                // Notifications about the wait document show this exchange.
                self.script.exchange = exchange;
                self.on_activity(|activity, call| activity.on_document(call, now, request, result));
            }
            Pending::Abandoned => {}
        }
    }

    /// Sends a notification. Without an exchange it shows the request of the running document.
    pub(super) fn notify(&mut self, finding: Finding, exchange: Option<Exchange>) {
        // A copy: several findings may be about one document.
        let exchange = exchange.unwrap_or_else(|| self.script.exchange.clone());
        let mut message = finding.message;
        if let Some(at) = finding.position {
            // Writing to a String cannot fail.
            let _ = write!(message, " (at {at})");
        }
        self.effect(CallEffect::Notify(Box::new(Notification {
            code: finding.code,
            severity: finding.severity,
            message,
            url: exchange.url,
            method: exchange.method,
            request_variables: exchange.variables,
            response_headers: exchange.response_headers,
            response_body: exchange.response_body,
            position: finding.position.map(|at| (at.line, at.column)),
        })));
    }

    /// Counts a progress event and sends its callback, if the customer wants it.
    pub(super) fn progress_event(&mut self, now: Now, event: ProgressEvent) {
        // Each event takes a number, whether or not it is sent (webhooks.md 5.5).
        let sequence = self.facts.sequence;
        self.facts.sequence += 1;
        let Some(callback) = &self.setup.status_callback else { return };
        // An inbound call sends `completed` only, whatever the customer configured.
        let asked = match self.setup.direction {
            CallDirection::Inbound => event == ProgressEvent::Completed,
            CallDirection::OutboundApi | CallDirection::OutboundDial => {
                callback.events.contains(&event)
            }
        };
        if !asked {
            return;
        }
        let (url, method) = (WebUrl::parse(&callback.webhook.url), callback.webhook.method);
        let mut form = self.standard_parameters();
        form.push("Timestamp", rfc2822(now.unix_ms));
        form.push("CallbackSource", "call-progress-events");
        form.push("SequenceNumber", sequence);
        if let Some((answered_by, _)) = self.facts.answered_by {
            form.push("AnsweredBy", answered_by.as_str());
        }
        if event == ProgressEvent::Completed {
            self.terminal_parameters(now, &mut form);
        }
        self.callback(HttpKind::StatusCallback, url, method, form);
    }

    fn terminal_parameters(&self, now: Now, form: &mut Form) {
        let duration_s = self.duration_s(now).unwrap_or(0);
        form.push("CallDuration", duration_s);
        // In minutes, each begun minute counted; `CallDuration` is in seconds.
        form.push("Duration", duration_s.div_ceil(60));
        if let Some(status) = self.facts.sip_status {
            form.push("SipResponseCode", status);
        }
        if let Some(recording) = self.facts.api_recording {
            self.recording_parameters(now, recording, form);
        // The recording belongs to the parent, which alone has its state: its length is measured
        // here.
        } else if let Some((recording, began)) = self.facts.dial_recording {
            let duration_s = nearest_second(now.mono.since(began));
            self.push_recording_url(recording, form);
            form.push("RecordingSid", recording);
            form.push("RecordingDuration", duration_s);
        }
    }

    /// Adds `RecordingUrl`, `RecordingSid`, `RecordingDuration`.
    pub(super) fn recording_parameters(&self, now: Now, recording: RecordingSid, form: &mut Form) {
        self.push_recording_url(recording, form);
        form.push("RecordingSid", recording);
        let duration_s = self.recordings.get(&recording).map_or(0, |state| state.seconds(now));
        form.push("RecordingDuration", duration_s);
    }

    /// Adds `RecordingUrl`: the URL of the recording's REST resource, without extension.
    pub(super) fn push_recording_url(&self, recording: RecordingSid, form: &mut Form) {
        let (base, account) = (&self.setup.settings.api_base, self.setup.account);
        form.push(
            "RecordingUrl",
            format_args!("{base}/2010-04-01/Accounts/{account}/Recordings/{recording}"),
        );
    }

    /// The body is not looked at: an answer to a callback is never run (twiml.md 1.1).
    fn callback_ended(&mut self, mut exchange: Exchange, result: Result<HttpAnswer, HttpFailure>) {
        let (code, sentence) = match result {
            Ok(answer) if (200..300).contains(&answer.status) => return,
            Ok(answer) => {
                exchange.note(&answer);
                let sentence = format!("a callback was answered with status {}", answer.status);
                (Code::HTTP_RETRIEVAL, sentence)
            }
            Err(failure) => (failure.code, failure.sentence),
        };
        self.notify(Finding::warning(code, sentence), Some(exchange));
    }

    /// Sends a callback of a recording. Whether it left: a URL that cannot be used becomes a warning.
    pub(super) fn send_recording_callback(
        &mut self,
        recording: RecordingSid,
        webhook: &Webhook,
        form: Form,
    ) -> bool {
        match WebUrl::parse(&webhook.url) {
            Ok(url) => {
                let kind = HttpKind::RecordingCallback;
                let (request, exchange) =
                    self.request(kind, url, webhook.method, form, Form::new());
                self.requests.insert(request, Pending::RecordingCallback { exchange, recording });
                true
            }
            Err(error) => {
                self.notify(Finding::warning(error.code, error.sentence), None);
                false
            }
        }
    }

    /// Sends a callback of a recognition. Whether it left: a URL that cannot be used becomes a warning.
    pub(super) fn send_recognition_callback(
        &mut self,
        recognition: RecognitionId,
        webhook: &Webhook,
        form: Form,
    ) -> bool {
        match WebUrl::parse(&webhook.url) {
            Ok(url) => {
                let kind = HttpKind::SideCallback;
                let (request, exchange) =
                    self.request(kind, url, webhook.method, form, Form::new());
                let pending = Pending::RecognitionCallback { exchange, recognition };
                self.requests.insert(request, pending);
                true
            }
            Err(error) => {
                self.notify(Finding::warning(error.code, error.sentence), None);
                false
            }
        }
    }

    /// Sends a callback. A URL that cannot be used becomes a warning.
    pub(super) fn callback(
        &mut self,
        kind: HttpKind,
        url: Result<WebUrl, WebUrlError>,
        method: HttpMethod,
        form: Form,
    ) {
        match url {
            Ok(url) => {
                let (request, exchange) = self.request(kind, url, method, form, Form::new());
                self.requests.insert(request, Pending::Callback { exchange });
            }
            Err(error) => self.notify(Finding::warning(error.code, error.sentence), None),
        }
    }

    /// Parameters of every TwiML request: the standard ones and those of SIP.
    fn document_parameters(&self) -> Form {
        let mut form = self.standard_parameters();
        if let Some(sip) = &self.setup.sip {
            form.push("SipDomain", &sip.domain);
            form.push("SipDomainSid", sip.domain_sid);
            form.push("SipCallId", &sip.call_id);
            form.push("SipSourceIp", sip.source_ip);
            if let Some(username) = &sip.username {
                form.push("SipUsername", username);
            }
            // Other headers never reach an application (sip.md 9).
            let passes =
                |name: &str| is_x_header(name) || name.eq_ignore_ascii_case("User-to-User");
            push_headers(&mut form, "SipHeader_", &sip.headers, passes);
        }
        if let Some(link) = &self.setup.link {
            form.push("CustomerId", &link.customer);
            for (name, value) in &link.parameters {
                form.push(format_args!("Param_{name}"), value);
            }
        }
        self.screening_parameters(&mut form);
        form
    }

    fn screening_parameters(&self, form: &mut Form) {
        let target = self.setup.leg.as_ref().map(|leg| &leg.target);
        // A document that REST or a transfer runs on a child is no screening: it gets no `Sip*`.
        let Some(Target::Sip(target)) = target.filter(|_| self.tied) else { return };
        form.push("SipDomain", &target.host);
        let mut own = self.setup.settings.own_domains.iter();
        if let Some((_, sid)) = own.find(|(host, _)| *host == target.host) {
            form.push("SipDomainSid", sid);
        }
        let answer = &self.facts.answer;
        form.push("SipCallId", &answer.call_id);
        if let Some(source) = answer.source_ip {
            form.push("SipSourceIp", source);
        }
        push_headers(form, "SipHeader_", &answer.headers, is_x_header);
    }

    /// The standard parameters, which TwiML requests and status callbacks share.
    pub(super) fn standard_parameters(&self) -> Form {
        let setup = &self.setup;
        let mut form = Form::new();
        form.push("CallSid", setup.sid);
        form.push("AccountSid", setup.account);
        form.push("From", &setup.from);
        form.push("To", &setup.to);
        // Copies, which the API sends under both names (webhooks.md 2).
        form.push("Caller", &setup.from);
        form.push("Called", &setup.to);
        form.push("CallStatus", self.status.as_str());
        form.push("ApiVersion", "2010-04-01");
        form.push("Direction", setup.direction.as_str());
        if let Some(parent) = setup.parent {
            form.push("ParentCallSid", parent);
        }
        if let Some(from) = &setup.forwarded_from {
            form.push("ForwardedFrom", from);
        }
        if let Some(application) = setup.application {
            form.push("ApplicationSid", application);
        }
        form
    }
}
