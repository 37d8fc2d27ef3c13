//! What the gateway does for functions: requests to the outside, and the secrets of accounts.

use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use shared::{AccountSid, CallSid, Code};
use store::HttpMessages;
use url::Url;

/// A value in the making.
pub type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A request of a function.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The account whose function sends it.
    pub account: AccountSid,
    /// Its method.
    pub method: Method,
    /// Its URL, without userinfo and fragment.
    pub url: Url,
    /// Its headers, without `Host` and those of the connection.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// The answer to it. Any status is an answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as sent.
    pub body: Bytes,
}

/// What an account should know about its functions.
#[derive(Clone, Debug)]
pub struct FunctionAlert {
    /// The account.
    pub account: AccountSid,
    /// The account's call whose request ran the function.
    pub call: Option<CallSid>,
    /// The contract's code.
    pub code: Code,
    /// What happened.
    pub sentence: String,
    /// The request that ran the function, with its answer if there is one; `None`: it has another method than GET and POST,
    /// or no request was at fault.
    pub exchange: Option<HttpMessages>,
}

/// The gateway around the functions.
pub trait Outside: Send + Sync {
    /// Sends one request and follows no redirect. `Err` is a sentence for the function: no answer came.
    fn send(&self, asked: Asked) -> Answering<Result<Reply, String>>;

    /// Tells an account what its functions did wrong; the gateway bounds the rate.
    fn alert(&self, alert: FunctionAlert);

    /// The auth token of an account that is active.
    fn auth_token(&self, account: AccountSid) -> Answering<Option<String>>;
}
