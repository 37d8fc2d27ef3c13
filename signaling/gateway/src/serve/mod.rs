//! Puts the gateway together, in stages that consume each other. Shell.
//!
//! ```text
//! Settings ──Plan::make──> Plan ──listen──> Listeners ──start──> Threads ──open──> Gateway
//!                folder, store      sockets, cores       threads           HTTP, ready
//! ```
//!
//! Each stage owns all that the one before it has made, so an error at any point drops, and with that
//! stops and closes, exactly what was started.

mod addresses;
mod edges;
mod error;
mod gateway;
mod listeners;
mod plan;
mod threads;

pub use addresses::Addresses;
pub use error::ServeError;
pub use gateway::Gateway;
pub use plan::StoreWanted;

use crate::account::AccountVariables;
use crate::settings::Settings;
use plan::Plan;

/// Starts everything; when this returns, calls are taken. A store that is gone is refused.
///
/// # Errors
/// [`ServeError`]; what was started is stopped again.
pub fn start(settings: &Settings, variables: &AccountVariables) -> Result<Gateway, ServeError> {
    start_with(settings, variables, StoreWanted::AsItIs)
}

/// As [`start`]; `wanted` decides where the store is gone or damaged.
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
