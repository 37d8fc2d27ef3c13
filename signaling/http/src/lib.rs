//! The HTTP server: bounds around every request, health, metrics, and the REST API. Shell, on tokio.
//!
//! | bound | past it |
//! |---|---|
//! | connections at once, in all and of one source | accepted and closed |
//! | request line | 414 |
//! | headers | 431 |
//! | body | 413 |
//! | time to read a request | 408 |
//! | a peer that does not read its answer | closed |
//! | requests of one account at once | 429 |
//! | hosts that the proxy listener does not serve | 403 |
//! | time of a TLS handshake | closed |
//!
//! It drives hyper directly: a router would have to be bypassed for all paths that end in `.json`. The
//! store is behind [`store::Reader`] and the calls are behind a queue to Control, so this package names
//! no driver of either.

#![forbid(unsafe_code)]

mod addresses;
mod asset;
mod body;
mod connection;
mod events;
mod listener;
mod metrics;
mod pages;
mod patience;
mod proxy;
mod read;
mod readers;
mod rest;
mod room;
mod server;
mod serverless;
mod state;
#[cfg(test)]
mod tests;

pub use addresses::AddressList;
pub use asset::{Asset, REVALIDATE};
pub use body::{Body, Scheme, WholeRequest, base_url, problem, text, whole_body};
pub use events::{EventSender, EventStreams, NotSent};
pub use listener::{Https, Listening, serve};
pub use metrics::HttpMetrics;
pub use pages::PAGES;
pub use read::read_whole;
pub use readers::{BoxedReader, OpenReader, READERS_MAX, Readers, Unread};
pub use rest::{ApiAnswer, ApiCall, Executions, Rest};
pub use room::Room;
pub use state::{Answering, HostedPages, HttpServer, Page, PageKind, ServerlessPages};
