//! The definition of a flow: states, joined by transitions.
//!
//! [`Flow::read`] is the only way to one, and names every fault with the path of its place, so that a flow that is held
//! here is whole: each `next` is the place of a state, each property has the type that its widget asks for, each
//! condition has a type that is known. The execution relies on it.

mod check;
mod condition;

use std::fmt;

use serde_json::{Value, json};

use crate::catalogue::Widget;
use crate::data::Data;
pub(crate) use condition::{Condition, Undecided};

/// A flow that was checked.
#[derive(Clone, Debug)]
pub struct Flow {
    states: Vec<State>,
    initial: usize,
}

/// A state: a widget with its properties.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub name: String,
    pub widget: &'static Widget,
    /// An object.
    pub properties: Data,
    pub transitions: Vec<Transition>,
}

/// The way on after an event.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub event: String,
    /// Place of the next state; `None` ends the branch.
    pub next: Option<usize>,
    /// All of them have to hold, where there are some.
    pub conditions: Vec<Condition>,
}

/// A fault of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place, such as `#/states/3/properties/timeout`.
    pub path: String,
    /// A sentence.
    pub message: String,
}

impl Problem {
    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        json!({ "message": self.message, "property_path": self.path })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Flow {
    /// The number of its widgets.
    pub fn widgets(&self) -> usize {
        self.states.len()
    }

    pub(crate) fn initial(&self) -> usize {
        self.initial
    }

    /// The state at a place of this flow.
    pub(crate) fn state(&self, place: usize) -> &State {
        // A place comes from a transition of this flow, or is its initial one.
        &self.states[place]
    }
}

/// Faults of one definition that are named; further ones are left out.
pub const PROBLEMS_MAX: usize = 50;

#[cfg(test)]
mod tests;
