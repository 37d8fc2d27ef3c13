//! The REST API as a function: a request becomes an answer, a write or a call command. No socket, no clock;
//! reads go through `store::Reader`.
#![forbid(unsafe_code)]

mod auth;
mod date;
mod form;
mod guard;
mod handle;
mod paging;
mod request;
mod resources;
mod response;

#[cfg(test)]
mod tests;

pub use guard::{Guard, Permit};
pub use handle::{Admitted, Handled, Rendering, Step, admit, handle, render};
pub use request::{Method, Request};
pub use response::Response;
