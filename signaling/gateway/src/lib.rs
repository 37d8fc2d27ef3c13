//! The gateway as a library, so that its parts can be tested without the binary's `main`.
//!
//! Sockets, clocks, threads and files of the signaling side are here and in the shells beside it, nowhere
//! below.
#![deny(unsafe_code)]

pub mod account;
pub mod caller_id_command;
pub mod cli;
pub mod commands;
pub mod data_dir;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod history;
pub mod inbox;
pub mod jobs;
pub mod late_history;
mod leg_scales;
pub mod local_address;
pub mod logging;
pub mod media_command;
pub mod media_metrics;
pub mod memory;
pub mod metrics;
pub mod observers;
pub mod own_page;
pub mod own_sockets;
pub mod phone_command;
pub mod relay_audio;
pub mod sealing;
pub mod serve;
pub mod settings;
pub mod signaling_loop;
pub mod signals;
pub mod store_thread;
pub mod stored;
pub mod studio;
pub mod zone;
