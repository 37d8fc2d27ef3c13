//! The machine of one product call. Sans-IO.

use std::collections::VecDeque;

use shared::{CallSid, Instant, Now};

use crate::effect::CallEffect;
use crate::input::CallInput;
use crate::setup::CallSetup;
use crate::status::CallStatus;

/// One product call: one leg, maybe a parent.
#[derive(Debug)]
pub struct Call {
    setup: CallSetup,
    status: CallStatus,
    effects: VecDeque<CallEffect>,
}

impl Call {
    /// A call that does nothing before [`CallInput::Started`].
    pub fn new(setup: CallSetup) -> Self {
        let status = CallStatus::Ringing;
        Self { setup, status, effects: VecDeque::new() }
    }

    /// Takes one input. Drain [`Call::poll_effect`] afterwards, before the next input.
    pub fn handle(&mut self, _now: Now, _input: CallInput) {}

    /// Runs timers that are due.
    pub fn handle_timeout(&mut self, _now: Now) {}

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<CallEffect> {
        self.effects.pop_front()
    }

    /// When [`Call::handle_timeout`] wants to run next, and for what.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }

    /// Its SID.
    pub const fn sid(&self) -> CallSid {
        self.setup.sid
    }

    /// Its status.
    pub const fn status(&self) -> CallStatus {
        self.status
    }
}
