//! The gateway as a library, so that its parts can be tested without the binary's `main`.
//!
//! Here, and only here, are sockets, clocks, threads and files of the signaling side.
#![deny(unsafe_code)]

pub mod dns;
pub mod prompts;
pub mod recorder;
pub mod speech;
pub mod webhook;
