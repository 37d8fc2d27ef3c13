//! Webhooks: every HTTP request made to the customer's application. Shell, on tokio.
//!
//! `call` says what is asked ([`call::HttpRequest`]: URL, parameters, overrides, what a redirect
//! changes, the signature); this folder says how it travels. [`WebhookClient::send`] is the whole
//! interface: one future for each request, done within 15 s, with an answer or with a failure
//! that has the contract's code and a sentence (contract webhooks.md sections 1, 8 and 9).
//!
//! From the inside out: `connector` opens a guarded connection, `pool` keeps idle ones, `exchange`
//! carries one request over one connection, `client` retries and follows redirects, `permits`
//! makes requests wait their turn, `cookies` and
//! `digest` remember what each call was told.

mod client;
mod connector;
mod cookies;
mod digest;
mod exchange;
mod fault;
mod meters;
mod permits;
mod pool;
#[cfg(test)]
mod tests;

pub use client::{Fetched, MediaRequest, Validators, WebhookClient, WebhookSettings};
pub use connector::WebhookSetupError;
pub use fault::WebhookFailure;

pub(crate) use pool::IDLE_TOTAL_MAX;

pub use meters::{WebhookCounts, WebhookMeters};
