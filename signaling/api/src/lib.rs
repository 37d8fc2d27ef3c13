//! The REST API as a function: a request becomes an answer, a write or a call command. No socket, no clock;
//! reads go through `store::Reader`.
#![forbid(unsafe_code)]

mod auth;
mod context;
mod date;
mod described;
mod filters;
mod form;
mod guard;
mod handle;
mod lookup;
mod paging;
mod rendering;
mod reply;
mod request;
mod resources;
mod response;
mod routes;
mod text;

#[cfg(test)]
mod tests;

pub use context::{AudioForm, Step};
pub use described::openapi_paths;
pub use guard::{Guard, Permit};
pub use handle::{Admitted, Handled, admit, admit_account, admit_operator, handle, render};
pub use rendering::Rendering;
pub use request::{Method, Request};
pub use response::{Header, Response};
