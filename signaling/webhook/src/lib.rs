//! Every HTTP request to the customer's application, and the names it looks up. Shell, on tokio.
//!
//! `call` says what to ask ([`call::HttpRequest`]: URL, parameters, overrides, the signature);
//! this package carries it. [`WebhookClient::send`] is the whole interface: one future a request,
//! done within 15 s, with an answer or with a failure that has an error code of the product and a
//! sentence.
//!
//! From the inside out: `connector` opens a guarded connection, `pool` keeps idle ones, `exchange`
//! carries one request over one connection, `client` retries and follows redirects, `permits`
//! makes requests wait their turn, `cookies` and `digest` remember what the servers of each call
//! have set and demanded. [`dns`] stands below all of them.

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
