//! The disk of a simulated gateway: bindings and call records, which outlive the process.

use std::collections::BTreeMap;

use shared::{BindingSid, CallSid, Transport};
use store::{BindingRecord, CallRecord, CallStatus, Change};

use crate::world::only_settles;

/// What the disk keeps.
#[derive(Default)]
pub struct Disk {
    bindings: BTreeMap<BindingSid, BindingRecord>,
    records: BTreeMap<CallSid, CallRecord>,
    /// Times that each call came to an end.
    endings: BTreeMap<CallSid, u32>,
    /// When the process was last known to run, Unix time in milliseconds.
    alive_ms: i64,
}

impl Disk {
    /// Bindings of the registrar.
    pub fn bindings(&self) -> impl ExactSizeIterator<Item = &BindingRecord> {
        self.bindings.values()
    }

    /// Records of all calls, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &CallRecord> {
        self.records.values()
    }

    /// The record of a call.
    pub fn record(&self, call: CallSid) -> Option<&CallRecord> {
        self.records.get(&call)
    }

    /// Times that a call was written as ended: 1 for every call that is over.
    pub fn endings(&self, call: CallSid) -> u32 {
        self.endings.get(&call).copied().unwrap_or(0)
    }

    /// Writes a change of the process.
    pub fn commit(&mut self, change: &Change) {
        match change {
            Change::PutCall(record) => {
                let before = self.records.insert(record.sid, (**record).clone());
                if record.status.is_final() && !only_settles(before, record) {
                    *self.endings.entry(record.sid).or_default() += 1;
                }
            }
            Change::ChangeBindings(changes) => {
                for sid in &changes.removed {
                    self.bindings.remove(sid);
                }
                let put = changes.put.iter().map(|record| (record.sid, record.clone()));
                self.bindings.extend(put);
            }
            _ => {}
        }
    }

    /// The process was killed at that time.
    pub fn note_kill(&mut self, unix_ms: i64) {
        self.alive_ms = unix_ms;
    }

    /// Does what the store does at its start: closes live calls as failed and returns the bindings that
    /// still hold. Those over a connection do not outlive the process.
    pub fn recover(&mut self, unix_ms: i64) -> Vec<BindingRecord> {
        for record in self.records.values_mut().filter(|record| !record.status.is_final()) {
            let end_ms = self.alive_ms.max(record.updated_ms);
            record.status = CallStatus::Failed;
            record.start_ms = record.start_ms.or(Some(record.created_ms));
            (record.end_ms, record.updated_ms) = (Some(end_ms), unix_ms);
            *self.endings.entry(record.sid).or_default() += 1;
        }
        self.bindings.retain(|_, binding| {
            binding.expires_ms > unix_ms && binding.transport == Transport::Udp
        });
        self.bindings.values().cloned().collect()
    }
}
