//! Hosted call control: resources that answer the webhooks of calls inside of this process. Shell, on tokio.
//!
//! `route` says which URLs are hosted, `handlers` brings requests to the handler of their kind, `bins` and
//! `twimlets` are handlers. None of them opens a socket: what a handler wants from outside it requests by the webhook client, which
//! guards each address.

#![forbid(unsafe_code)]

mod answer;
mod bins;
mod handlers;
mod parameters;
mod route;
mod twimlets;
mod xml;

pub use answer::{audio, plain, redirect, xml};
pub use bins::Bins;
pub use handlers::{Handler, Handlers, Kind};
pub use parameters::Parameters;
pub use route::{Resource, Route, RouteSettings};
pub use twimlets::Twimlets;
