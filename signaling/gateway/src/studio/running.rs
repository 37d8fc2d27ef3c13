//! The executions that are active, by SID and by call, and the rates at which they may begin.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use shared::limits::{
    STUDIO_CALLS_A_SECOND_MAX, STUDIO_EXECUTIONS_MAX, STUDIO_REQUESTS_A_SECOND_MAX,
};
use shared::{AccountSid, CallSid, ExecutionSid, FlowSid, Instant};
use studio::Execution;

/// An active execution.
pub(super) struct Live {
    pub sid: ExecutionSid,
    pub account: AccountSid,
    pub flow: FlowSid,
    pub contact: String,
    pub created_ms: i64,
    pub execution: tokio::sync::Mutex<Execution>,
}

/// What begins an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Started {
    ByCall,
    ByRest,
}

/// Why an execution does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its account begins too many in a second.
    Rate,
    /// Too many are active.
    Room,
    /// The contact has one.
    Contact,
    /// The stored definition cannot be read.
    Definition,
}

impl Refused {
    /// The label of its metric.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Room => "room",
            Self::Contact => "contact",
            Self::Definition => "definition",
        }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Running(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    by_sid: BTreeMap<ExecutionSid, Arc<Live>>,
    by_call: BTreeMap<CallSid, ExecutionSid>,
    /// The second, and how many began in it.
    rates: BTreeMap<(AccountSid, Started), (u64, u32)>,
}

impl Running {
    /// Adds one. By REST a contact has one active execution of a flow, which holds here under one lock.
    pub(super) fn add(&self, live: Live, call: Option<CallSid>) -> Result<Arc<Live>, Refused> {
        let mut tables = self.0.lock();
        if tables.by_sid.len() >= STUDIO_EXECUTIONS_MAX {
            return Err(Refused::Room);
        }
        let is_second = |other: &Arc<Live>| {
            (other.account, other.flow, &other.contact) == (live.account, live.flow, &live.contact)
        };
        if call.is_none() && tables.by_sid.values().any(is_second) {
            return Err(Refused::Contact);
        }
        let live = Arc::new(live);
        tables.by_sid.insert(live.sid, Arc::clone(&live));
        if let Some(call) = call {
            tables.by_call.insert(call, live.sid);
        }
        Ok(live)
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().by_sid.len()
    }

    /// The execution gets another call: requests of that one are for it.
    pub(super) fn take_call(&self, sid: ExecutionSid, call: CallSid) {
        let mut tables = self.0.lock();
        if tables.by_sid.contains_key(&sid) {
            tables.by_call.insert(call, sid);
        }
    }

    /// It is over: requests of its calls are for others.
    pub(super) fn release_calls(&self, sid: ExecutionSid) {
        self.0.lock().by_call.retain(|_, of| *of != sid);
    }

    /// It is over, and its record is kept.
    pub(super) fn remove(&self, sid: ExecutionSid) {
        let mut tables = self.0.lock();
        tables.by_sid.remove(&sid);
        debug_assert!(tables.by_call.values().all(|of| *of != sid), "its calls were released");
    }

    pub(super) fn of(&self, sid: ExecutionSid) -> Option<Arc<Live>> {
        self.0.lock().by_sid.get(&sid).cloned()
    }

    pub(super) fn of_call(&self, call: CallSid) -> Option<Arc<Live>> {
        let tables = self.0.lock();
        tables.by_call.get(&call).and_then(|sid| tables.by_sid.get(sid)).cloned()
    }

    /// Each call whose end an execution waits for.
    pub(super) fn calls(&self) -> Vec<(AccountSid, CallSid)> {
        let tables = self.0.lock();
        let account = |sid| tables.by_sid.get(sid).map(|live| live.account);
        tables.by_call.iter().filter_map(|(call, sid)| Some((account(sid)?, *call))).collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        self.0.lock().by_sid.values().cloned().collect()
    }

    /// Counts an execution that is to begin; refuses past the rate of the account.
    pub(super) fn may_start(
        &self,
        account: AccountSid,
        now: Instant,
        started: Started,
    ) -> Result<(), Refused> {
        let most = match started {
            Started::ByCall => STUDIO_CALLS_A_SECOND_MAX,
            Started::ByRest => STUDIO_REQUESTS_A_SECOND_MAX,
        };
        let second = now.as_millis() / 1_000;
        let mut tables = self.0.lock();
        let (counted, count) = tables.rates.entry((account, started)).or_default();
        if *counted != second {
            (*counted, *count) = (second, 0);
        }
        *count += 1;
        if *count <= most { Ok(()) } else { Err(Refused::Rate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_starts_so_many_executions_in_a_second() {
        let running = Running::default();
        let (one, two) = (AccountSid(1), AccountSid(2));
        let at = Instant::from_millis;
        for (started, most) in [(Started::ByCall, 100), (Started::ByRest, 20)] {
            let taken =
                (0..150).filter(|_| running.may_start(one, at(5_100), started).is_ok()).count();
            assert_eq!(taken, most);
            assert_eq!(running.may_start(two, at(5_200), started), Ok(()), "another account");
            assert_eq!(running.may_start(one, at(6_000), started), Ok(()), "the next second");
        }
    }
}
