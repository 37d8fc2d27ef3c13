//! `/media.json`: the legs of this node, for its operator. Shell.
//!
//! It shows calls and addresses of every account, so it needs the auth token of a main account, as the REST API does.

use std::sync::Arc;

use control::ApiRequest;
use http::{Response, StatusCode};
use shell::Clock;
use store::Reply;

use super::{Asked, Inner, Rest, respond, unreadable};
use crate::body::{Body, WholeRequest, problem};

impl Rest {
    /// Answers a request for the legs.
    pub(crate) async fn legs(&self, request: WholeRequest) -> Response<Body> {
        let Some(inner) = &self.inner else {
            return problem(StatusCode::NOT_FOUND, "There is no such resource.");
        };
        inner.legs(Asked::new(request)).await
    }
}

impl Inner {
    async fn legs(self: &Arc<Self>, asked: Asked) -> Response<Body> {
        let admitted = self
            .read(move |inner, reader| {
                api::admit_operator(&asked.api(), Clock.now(), reader, &inner.guard)
            })
            .await;
        let _permit = match admitted {
            Ok(Ok(permit)) => permit,
            Ok(Err(answer)) => return respond(answer),
            Err(unread) => return unreadable(&unread),
        };
        match self.answer_of_control(ApiRequest::DescribeLegs).await {
            Some(Ok(Reply::Legs(body))) => {
                let headers = vec![("Content-Type", "application/json;charset=utf-8".into())];
                self.answers.respond(api::Response { status: 200, headers, body })
            }
            Some(Err(error)) => {
                let status = StatusCode::from_u16(error.status);
                problem(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE), &error.message)
            }
            Some(Ok(_)) | None => {
                problem(StatusCode::SERVICE_UNAVAILABLE, "The gateway is busy or ends. Ask again.")
            }
        }
    }
}
