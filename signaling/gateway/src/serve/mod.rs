//! Puts the gateway together, in stages that consume each other. Shell.
//!
//! ```text
//! Settings ──Plan::make──> Plan ──listen──> Listeners ──start──> Threads ──open──> Gateway
//!                folder, store      sockets, cores       threads           HTTP, ready
//! ```
//!
//! Each stage owns everything that the one before it made. An error at any point drops the stage, which
//! stops and closes exactly what was started.

mod addresses;
mod edges;
mod error;
mod functions;
mod gateway;
mod hosted;
mod listeners;
mod plan;
mod threads;
mod workers;

pub use addresses::Addresses;
pub use error::ServeError;
pub use gateway::Gateway;
pub use plan::StoreWanted;

use crate::account::AccountVariables;
use crate::settings::Settings;
use plan::Plan;

/// Starts everything; when this returns, calls are taken. Refuses a folder whose store is missing.
///
/// # Errors
/// [`ServeError`]; what was started is stopped again.
pub fn start(settings: &Settings, variables: &AccountVariables) -> Result<Gateway, ServeError> {
    start_with(settings, variables, StoreWanted::AsItIs)
}

/// As [`start`]; `wanted` decides what happens if the store is missing or damaged.
///
/// # Errors
/// [`ServeError`]; what was started is stopped again.
pub fn start_with(
    settings: &Settings,
    variables: &AccountVariables,
    wanted: StoreWanted,
) -> Result<Gateway, ServeError> {
    Plan::make(settings, variables, wanted)?.listen()?.start()?.open()
}
