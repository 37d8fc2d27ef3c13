//! Invocations that wait for a slot, and the way to those that run. Shell.
//!
//! An invocation that comes while every slot is busy waits for the first that is free; when it has waited for 20 ms,
//! a slot is made. A function that computes is thus not run by more threads than help it, and one that waits for an
//! answer from outside does not hold up the next caller. Warm slots stay, up to [`WARM_MAX`]; others end when
//! nothing waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use functions::message::Invoke;
use parking_lot::{Condvar, Mutex};
use shared::limits::FUNCTIONS_RUNNING_ACCOUNT_MAX;

use crate::common::ToSlot;

/// Slots that stay when nothing is to be done.
const WARM_MAX: usize = 4;
/// An invocation that has waited for this long gets a new slot.
const PATIENCE: Duration = Duration::from_millis(20);

/// The invocations of a worker.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Invoke, Instant)>,
    /// What belongs to an invocation that runs goes to its slot.
    running: BTreeMap<u64, Sender<ToSlot>>,
    slots: usize,
    idle: usize,
}

impl Queue {
    /// Queues an invocation.
    pub(crate) fn add(&self, invoke: Invoke) {
        self.state.lock().waiting.push_back((invoke, Instant::now()));
        self.changed.notify_all();
    }

    /// Hands a message to the slot that runs an invocation. One that is over takes nothing more.
    pub(crate) fn hand(&self, id: u64, message: ToSlot) {
        if let Some(slot) = self.state.lock().running.get(&id) {
            let _ = slot.send(message);
        }
    }

    /// Counts a slot that is about to start.
    pub(crate) fn count_slot(&self) {
        self.state.lock().slots += 1;
    }

    /// Waits until an invocation has waited too long for the slots that there are, and counts one more.
    pub(crate) fn wait_for_need(&self) {
        let mut state = self.state.lock();
        loop {
            let due = state.waiting.front().map(|(_, since)| *since + PATIENCE);
            match due {
                Some(due) if state.slots < FUNCTIONS_RUNNING_ACCOUNT_MAX => {
                    if Instant::now() >= due {
                        break;
                    }
                    self.changed.wait_until(&mut state, due);
                }
                Some(_) | None => self.changed.wait(&mut state),
            }
        }
        state.slots += 1;
        // The next one only after as long again: loading is slow, and a slot may come free.
        if let Some((_, since)) = state.waiting.front_mut() {
            *since = Instant::now();
        }
    }

    /// Waits for an invocation. `None`: this slot is one too many and ends.
    pub(crate) fn take(&self, slot: &Sender<ToSlot>) -> Option<Invoke> {
        let mut state = self.state.lock();
        loop {
            if let Some((invoke, _)) = state.waiting.pop_front() {
                state.running.insert(invoke.id, slot.clone());
                return Some(invoke);
            }
            if state.idle >= WARM_MAX {
                state.slots -= 1;
                return None;
            }
            state.idle += 1;
            self.changed.wait(&mut state);
            state.idle -= 1;
        }
    }

    /// Ends an invocation: what still comes for it is dropped.
    pub(crate) fn over(&self, id: u64) {
        self.state.lock().running.remove(&id);
    }

    /// Takes back a slot that could not start.
    pub(crate) fn lose_slot(&self) {
        self.state.lock().slots -= 1;
    }
}
