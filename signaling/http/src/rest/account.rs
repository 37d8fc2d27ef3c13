//! Accounts, for what is answered beside the REST API: who sends a request, and what an account signs with. Shell.

use std::sync::Arc;

use api::Permit;
use http::{Response, StatusCode};
use shared::AccountSid;
use shell::Clock;
use store::AccountStatus;

use super::{Asked, Rest, respond, unreadable};
use crate::body::{Body, WholeRequest, problem};

impl Rest {
    /// The account whose credentials a request has, the request again, and its place among the account's concurrent
    /// requests: keep it until the answer is made.
    ///
    /// # Errors
    /// The answer to bad credentials, or to one request too many.
    pub async fn account_of(
        &self,
        request: WholeRequest,
    ) -> Result<(AccountSid, WholeRequest, Permit), Response<Body>> {
        let Some(inner) = &self.inner else {
            return Err(problem(StatusCode::NOT_FOUND, "There is no such resource."));
        };
        let asked = Arc::new(Asked::new(request));
        let copy = Arc::clone(&asked);
        let admitted = inner
            .read(move |inner, reader| {
                api::admit_account(&copy.api(), Clock.now(), reader, &inner.guard)
            })
            .await;
        match admitted {
            Ok(Ok((account, permit))) => {
                let Some(asked) = Arc::into_inner(asked) else {
                    return Err(unreadable(&"a request is still read"));
                };
                Ok((account, asked.request, permit))
            }
            Ok(Err(answer)) => Err(respond(answer)),
            Err(unread) => Err(unreadable(&unread)),
        }
    }

    /// The auth token of an account; `None`: there is no such account, it is not active, or the store cannot be read.
    pub async fn auth_token(&self, account: AccountSid) -> Option<String> {
        let inner = self.inner.as_ref()?;
        let found = inner.read(move |_, reader| reader.account(account)).await;
        let found = found.ok()?.ok()??;
        let is_active = found.status == AccountStatus::Active;
        is_active.then(|| found.auth_token.expose_secret().to_owned())
    }
}
