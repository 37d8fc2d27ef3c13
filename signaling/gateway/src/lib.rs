//! The gateway as a library, so that its parts can be tested without the binary's `main`.
//!
//! Here, and only here, are sockets, clocks, threads and files of the signaling side.
#![deny(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod data_dir;
pub mod dns;
pub mod local_address;
pub mod logging;
pub mod metrics;
pub mod prompts;
pub mod queue;
pub mod recorder;
pub mod sealing;
pub mod settings;
pub mod speech;
pub mod transport;
pub mod webhook;
