//! Last status callbacks of calls that a kill ended: which wait, which are under way. Sans-IO.
//!
//! `waiting --(its time, and less than the most at once)--> sent --(an answer)--> gone`, or from `sent` back to
//! `waiting` where nothing answered: the application may start as late as the gateway does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shared::{CallSid, Instant};
use store::CallRecord;

/// Most callbacks under way at once.
const AT_ONCE: usize = 16;
/// How often one is sent that nothing answers.
const TRIES: u8 = 5;
/// Time between two tries.
const PAUSE: Duration = Duration::from_secs(10);

/// The callbacks of the process before. They are read once at the start and only become fewer.
#[derive(Debug, Default)]
pub(crate) struct OwedCallbacks {
    /// In the order of their times.
    waiting: VecDeque<Owed>,
    sent: BTreeMap<CallSid, Owed>,
}

#[derive(Debug)]
struct Owed {
    record: Arc<CallRecord>,
    tries: u8,
    at: Instant,
}

impl OwedCallbacks {
    /// Takes those that the process before owes.
    pub fn owe(&mut self, now: Instant, records: Vec<CallRecord>) {
        let owed = |record| Owed { record: Arc::new(record), tries: 0, at: now };
        self.waiting.extend(records.into_iter().map(owed));
    }

    /// The next one to send now; it is under way then.
    pub fn next(&mut self, now: Instant) -> Option<Arc<CallRecord>> {
        if self.deadline().is_none_or(|at| at > now) {
            return None;
        }
        let mut owed = self.waiting.pop_front()?;
        owed.tries += 1;
        let record = Arc::clone(&owed.record);
        self.sent.insert(record.sid, owed);
        Some(record)
    }

    /// When the next one is to be sent; `None` while enough are under way.
    pub fn deadline(&self) -> Option<Instant> {
        let first = self.waiting.front().filter(|_| self.sent.len() < AT_ONCE);
        first.map(|owed| owed.at)
    }

    /// A callback of this call is under way.
    pub fn is_sent(&self, call: CallSid) -> bool {
        self.sent.contains_key(&call)
    }

    /// The one of this call is over, `is_answered` or not. Returns its record where it is owed no more.
    pub fn settle(
        &mut self,
        now: Instant,
        call: CallSid,
        is_answered: bool,
    ) -> Option<Arc<CallRecord>> {
        let owed = self.sent.remove(&call)?;
        if is_answered || owed.tries >= TRIES {
            return Some(owed.record);
        }
        self.waiting.push_back(Owed { at: now + PAUSE, ..owed });
        None
    }
}
