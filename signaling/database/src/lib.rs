//! The databases behind package `store`. They block: the writer lives on the store thread, readers on HTTP workers.
//!
//! [`Database`] is the whole face, and names no driver: it gives a `store::Writer` and `store::Reader`s. A driver is
//! a folder beside this file that implements `driver::Driver`; today there is `sqlite`.
#![forbid(unsafe_code)]

mod database;
mod driver;
mod journal;
mod sqlite;
mod waiting;

#[cfg(test)]
mod tests;

pub use database::{Database, Opened};
pub use driver::{Found, Recovered};
pub use journal::{Journal, Journaled};
