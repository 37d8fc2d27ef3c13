//! A refusal with the headers that RFC 3261 §8.2 asks for beside it. Sans-IO.

use shared::{Header, Refusal};

/// A refusal that RFC 3261 §8.2 asks for, with the headers that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Status, rule and sentence of the answer.
    pub refusal: Refusal,
    /// `Allow`, `Unsupported`, `Accept` and the like.
    pub headers: Vec<Header>,
}

impl From<Refusal> for Objection {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, headers: Vec::new() }
    }
}
