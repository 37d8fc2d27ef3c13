//! Hosted functions: services and what is deployed of them, worker processes, the serverless API. Shell, on tokio.
//!
//! ```text
//!  deploy tool ──▶ serverless ──▶ catalogue ── one file a service, contents beside it
//!                                     │
//!  call ──▶ Functions::answer ── route, visibility ──▶ worker process of the environment ──▶ answer
//!                                                         │  fetch, REST client
//!                                                         └──▶ Outside: the gateway's guarded client
//! ```
//!
//! The package knows neither the webhook client nor the REST API: the gateway gives it an [`Outside`].

#![forbid(unsafe_code)]

mod answers;
mod app;
mod archive;
mod catalogue;
mod event;
mod exchange;
mod fetches;
mod logs;
mod manager;
pub mod message;
mod meters;
mod multipart;
mod outside;
mod packages;
mod process;
mod serverless;
mod service;

pub use answers::{Caller, FunctionAnswer, FunctionRequest};
pub use manager::{Functions, FunctionsSettings};
pub use meters::FunctionMeters;
pub use outside::{Answering, Asked, FunctionAlert, Outside, Reply};
pub use process::Program;
pub use serverless::{ApiAnswer, ApiRequest};
