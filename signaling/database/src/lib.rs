//! The drivers behind the store: SQLite.
