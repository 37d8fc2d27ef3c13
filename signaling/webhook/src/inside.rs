//! The client's exchange with hosted handlers, and the answers that it reads from them. Shell, on tokio.

use std::sync::Arc;

use audio::Encoding;
use bytes::Bytes;
use call::AnswerBody;
use http::header::{HOST, HeaderValue};
use http::{Response, StatusCode};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::{Position, Url};

use crate::client::WebhookClient;
use crate::exchange::{
    Answer, Bounds, DOCUMENT_BYTES_MAX, Expects, Outgoing, Unread, encoding, unpack,
};
use crate::fault::Fault;
use crate::hosted::{Caller, Hosted, HostedAnswer, HostedRequest};

impl WebhookClient {
    /// Registers the handlers. Once, before the first request; later registrations are ignored.
    pub fn host(&self, handlers: Arc<dyn Hosted>) {
        let _ = self.hosts().set(handlers);
    }

    /// Whether the URL names a hosted resource.
    pub fn is_hosted(&self, url: &Url) -> bool {
        self.hosts().get().is_some_and(|handlers| handlers.has(url))
    }

    /// The answer of the handlers; `None`: no such resource is here. A handler that panics answers 500 and harms
    /// nothing else.
    pub async fn answer_hosted(&self, request: HostedRequest) -> Option<HostedAnswer> {
        let handlers = self.hosts().get()?;
        self.meters().hosted();
        // A set of one task: dropping it ends the handler, which a plain task would survive.
        let mut task = JoinSet::new();
        task.spawn(handlers.answer(request));
        match task.join_next().await {
            Some(Ok(answer)) => answer,
            failed => {
                tracing::error!(?failed, "a handler of hosted call control broke");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Some(HostedAnswer { status, ..HostedAnswer::default() })
            }
        }
    }

    /// One exchange with a handler; `None`: the request goes out.
    pub(crate) async fn exchange_hosted(
        &self,
        outgoing: &Outgoing,
        caller: Caller,
        bounds: &Bounds,
    ) -> Result<Option<Answer>, Fault> {
        if !self.is_hosted(&outgoing.url) {
            return Ok(None);
        }
        let Outgoing { method, url, headers, body } = outgoing;
        let mut headers = headers.clone();
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
        headers.insert(HOST, host.map_err(|error| Fault::Unwritable(error.to_string()))?);
        let request = HostedRequest {
            method: method.clone(),
            url: url.clone(),
            headers,
            body: body.clone(),
            caller: Some(caller),
        };
        let answer = timeout(bounds.first_byte, self.answer_hosted(request))
            .await
            .map_err(|_| Fault::Silence(bounds.first_byte))?;
        match answer {
            Some(answer) => self.read_hosted(answer, bounds).await.map(Some),
            None => Ok(None),
        }
    }

    /// The bounds of a body from a handler are those of a body from outside.
    async fn read_hosted(&self, answer: HostedAnswer, bounds: &Bounds) -> Result<Answer, Fault> {
        let mut response = Response::new(());
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        let (head, ()) = response.into_parts();
        let coding = encoding(&head.headers);
        let body = match bounds.expects.audio(&head) {
            Some(media_type) => {
                let played = self.decode(answer.body, &media_type, coding?, bounds).await;
                AnswerBody::Audio(match played {
                    Ok(prompt) => Ok(prompt),
                    Err(Unread::Unplayable(failure)) => Err(failure),
                    Err(Unread::Fault(fault)) => return Err(fault),
                })
            }
            None if head.status.is_redirection() || bounds.expects == Expects::Media => {
                Vec::new().into()
            }
            None if answer.body.len() > DOCUMENT_BYTES_MAX => {
                return Err(Fault::TooLarge(DOCUMENT_BYTES_MAX));
            }
            None => unpack(answer.body.into(), coding?)?.into(),
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn decode(
        &self,
        body: Bytes,
        media_type: &str,
        coding: Encoding,
        bounds: &Bounds,
    ) -> Result<Arc<shared::Prompt>, Unread> {
        let length = Some(body.len() as u64);
        let mut load = self.intake().begin(media_type, coding, length, bounds.deadline).await?;
        load.push(body).await?;
        Ok(load.finish().await?)
    }
}
