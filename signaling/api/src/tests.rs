//! Requests against a store in memory.
