//! Studio flows: the definition as a checked value, and the machine that walks it. Sans-IO.
//!
//! [`Flow::read`] checks a definition and names every fault by its path. An [`Execution`] walks a flow: it takes the
//! requests of its call, the answers to its orders and the end of its call, and says which document answers a request and
//! what to order. It knows neither sockets nor the store; time is an argument. `template` renders the Liquid of the
//! properties within bounds.
//!
//! A flow is the application of a call like any other: its URL is asked for a document, and each document leads back to it
//! (`?FlowEvent=…`). So the engine of calls knows nothing of flows.

#![forbid(unsafe_code)]

mod alert;
mod catalogue;
mod data;
mod date;
mod document;
mod execution;
mod order;
mod property;
mod template;
mod twiml;
mod widget;

pub use alert::Alert;
pub use data::Data;
pub use document::{Flow, PROBLEMS_MAX, Problem};
pub use execution::{Effect, Execution, Input, Step, Trigger};
pub use order::{Answer, HttpOrder, Order};
pub use template::{TemplateFault, render};

/// The document of a flow that has nothing to say: the call ends.
pub fn empty_document() -> String {
    twiml::document([])
}
