//! Every HTTP request to the customer's application, and the names it looks up. Shell, on tokio.
//!
//! `call` makes the request ([`call::HttpRequest`]: URL, parameters, overrides, signature); this package
//! carries it. [`WebhookClient::send`] is the whole interface: one future for each request. It ends
//! within 15 s, with an answer or with a failure that has an error code of the API and a sentence.
//!
//! From the inside out: `connector` opens a guarded connection, `pool` keeps idle ones, `exchange`
//! carries one request over one connection, `client` retries and follows redirects, `permits`
//! limits requests at once, `cookies` and `digest` keep the cookies and logins of each call.
//! [`dns`] is below all of them.

#![forbid(unsafe_code)]

mod client;
mod connector;
mod cookies;
mod digest;
pub mod dns;
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
pub use meters::{WebhookCounts, WebhookMeters};
pub use pool::IDLE_TOTAL_MAX;
