//! The drivers behind package `store`: SQLite, bundled. They block: the writer lives on the store thread, readers
//! on HTTP workers.
#![forbid(unsafe_code)]

mod error;
mod found;
mod journal;
mod open;
mod reader;
mod recover;
mod retention;
mod rows;
mod schema;
mod sql;
mod writer;

#[cfg(test)]
mod tests;

pub use error::OpenError;
pub use found::{Found, files, find};
pub use journal::{Journal, Journaled};
pub use open::{Opened, open, read_snapshot};
pub use reader::Reader;
pub use recover::Recovered;
pub use retention::{Retained, Retention};
pub use writer::{CannotWrite, Writer};
