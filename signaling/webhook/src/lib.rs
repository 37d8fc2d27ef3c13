//! Every HTTP request to the customer's application, and the names it looks up. Shell, on tokio.
//!
//! `call` makes the request ([`call::HttpRequest`]: URL, parameters, overrides, signature); this package
//! carries it. [`WebhookClient::send`] is the interface of calls: one future for each request. It ends
//! within 15 s, with an answer or with a failure that has an error code of the API and a sentence.
//!
//! From the inside out: `connector` opens a guarded connection, `pool` keeps idle ones, `exchange`
//! carries one request over one connection, `client` retries and follows redirects, `permits`
//! limits requests at once, `hosted` asks the handlers of this process first, `cookies` and `digest` keep the cookies and logins of each call; `transfer`
//! carries requests of the gateway itself to a store, `fetch` those of hosted handlers.
//! [`dns`] is below all of them.

#![forbid(unsafe_code)]

mod body;
mod client;
mod connector;
mod cookies;
mod dial;
mod digest;
pub mod dns;
mod exchange;
mod fault;
mod fetch;
mod hosted;
mod inside;
mod meters;
mod permits;
mod pool;
#[cfg(test)]
mod tests;
mod transfer;

pub use client::{Fetched, MediaRequest, Validators, WebhookClient, WebhookSettings};
pub use connector::WebhookSetupError;
pub use dial::DialFailure;
pub use fault::WebhookFailure;
pub use fetch::Fetch;
pub use hosted::{Caller, Hosted, HostedAnswer, HostedAnswering, HostedRequest};
pub use meters::{WebhookCounts, WebhookMeters};
pub use pool::IDLE_TOTAL_MAX;
pub use transfer::{Transfer, TransferAnswer, TransferBounds, Upload};
