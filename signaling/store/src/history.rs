//! History on its way to disk: a bounded queue that readers see, newest version of each row. Sans-IO.
//!
//! Control queues a row and does not wait; the writer takes rows from here in groups. A row leaves when
//! it is on disk, so a reader that looks here first and into the database next misses none. While the
//! store cannot write, rows wait here up to a number of bytes; past it the oldest are dropped and counted by
//! account. The records of calls and conferences that are up are never lost: applications know their SIDs.

use std::collections::BTreeMap;

use shared::AccountSid;

use crate::change::Change;
use crate::conferences::ConferenceStatus;
use crate::record::HttpMessages;

/// Identifies a row of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Kind of the row.
    pub kind: RowKind,
    /// The account it belongs to.
    pub account: AccountSid,
    /// Bits of its SID, or the id of an exchange; of a timeline the call's. They grow with time.
    pub bits: u128,
}

/// Kinds of rows of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// The record of a call: [`Change::PutCall`].
    Call,
    /// The record of a conference: [`Change::PutConference`].
    Conference,
    /// The record of an execution of a flow: [`Change::PutExecution`].
    Execution,
    /// The record of a recording: [`Change::PutRecording`].
    Recording,
    /// A notification: [`Change::AddNotification`].
    Notification,
    /// An HTTP exchange: [`Change::AddExchange`].
    Exchange,
    /// The timeline of a call: [`Change::PutTimeline`].
    Timeline,
}

impl Change {
    /// The row of history that this change puts; `None` for every other change.
    ///
    /// Such a change has no precondition, needs no answer, and a newer one of the same row replaces it.
    pub fn row_key(&self) -> Option<RowKey> {
        let (kind, account, bits) = match self {
            Self::PutCall(row) => (RowKind::Call, row.account, row.sid.0),
            Self::PutConference(row) => (RowKind::Conference, row.account, row.sid.0),
            Self::PutExecution(row) => (RowKind::Execution, row.account, row.sid.0),
            Self::PutRecording(row) => (RowKind::Recording, row.account, row.sid.0),
            Self::AddNotification(row) => (RowKind::Notification, row.account, row.sid.0),
            Self::AddExchange(row) => (RowKind::Exchange, row.account, row.id),
            Self::PutTimeline(row) => (RowKind::Timeline, row.account, row.call.0),
            Self::Insert(_)
            | Self::Update(_)
            | Self::Delete(_)
            | Self::Map(_)
            | Self::Unmap { .. }
            | Self::DeleteCall { .. }
            | Self::DeleteExecution { .. }
            | Self::SetTestUsers { .. }
            | Self::DeleteRecording { .. }
            | Self::NoteUpload { .. }
            | Self::NoteTranscript { .. }
            | Self::ChangeBindings(_) => return None,
        };
        Some(RowKey { kind, account, bits })
    }

    /// True of the record of a live call or conference.
    fn is_live(&self) -> bool {
        match self {
            Self::PutCall(row) => row.end_ms.is_none(),
            Self::PutConference(row) => row.status != ConferenceStatus::Completed,
            _ => false,
        }
    }

    /// Bytes that a row of history holds in memory, its place in the queue included.
    fn row_bytes(&self) -> usize {
        let text = match self {
            Self::PutCall(row) => {
                let optional = [&row.answered_by, &row.forwarded_from, &row.caller_name];
                let optional = optional.into_iter().flatten().map(String::len).sum::<usize>();
                // The other fields have a fixed size, which is in `ROW_BYTES`.
                row.to.len() + row.from.len() + optional
            }
            Self::PutConference(row) => row.friendly_name.len() + row.region.len(),
            Self::AddNotification(row) => {
                row.message.len() + row.exchange.as_ref().map_or(0, messages_bytes)
            }
            Self::AddExchange(row) => {
                let parameters = row.parameters.iter();
                // 48 bytes: two `String`s without their text.
                let parameters = parameters.map(|(name, value)| 48 + name.len() + value.len());
                row.url.len()
                    + row.content_type.len()
                    + row.response_body.len()
                    + parameters.sum::<usize>()
            }
            Self::PutTimeline(row) => row.json.len(),
            Self::PutExecution(row) => row.contact.len() + row.context.len() + row.steps.len(),
            // A recording's metadata has no text; other changes are not queued here.
            _ => 0,
        };
        ROW_BYTES + text
    }
}

fn messages_bytes(messages: &HttpMessages) -> usize {
    messages.url.len()
        + messages.request_variables.len()
        + messages.response_headers.len()
        + messages.response_body.len()
}

/// A row besides its text: the record, its key twice, its share of two trees.
const ROW_BYTES: usize = 512;

/// Place of a row's version in the queue. A newer version has a later place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

/// Rows that wait for the disk, the newest version of each.
#[derive(Debug)]
pub struct HistoryQueue {
    rows: BTreeMap<RowKey, Row>,
    /// The rows again, in the order in which they are written.
    order: BTreeMap<Place, RowKey>,
    next: u64,
    bytes: usize,
    bytes_max: usize,
    /// Rows that were dropped and not yet reported, by account.
    lost: BTreeMap<AccountSid, u64>,
}

#[derive(Debug)]
struct Row {
    place: Place,
    change: Change,
    bytes: usize,
}

impl HistoryQueue {
    /// An empty queue of at most `bytes_max` bytes, records of what is live not counted.
    pub const fn new(bytes_max: usize) -> Self {
        Self {
            rows: BTreeMap::new(),
            order: BTreeMap::new(),
            next: 0,
            bytes: 0,
            bytes_max,
            lost: BTreeMap::new(),
        }
    }

    /// Queues a row; a newer version takes the place of one that waits. A change that is not a row
    /// of history comes back.
    ///
    /// # Errors
    /// The change, where [`Change::row_key`] is `None`.
    pub fn put(&mut self, change: Change) -> Result<(), Change> {
        let Some(key) = change.row_key() else { return Err(change) };
        let bytes = change.row_bytes();
        // A newer version goes to the end: the writer may be committing the older one, and `written` for
        // the older place must leave the newer version in the queue.
        let place = self.next_place();
        if let Some(older) = self.rows.insert(key, Row { place, change, bytes }) {
            self.order.remove(&older.place);
            self.bytes -= older.bytes;
        }
        self.order.insert(place, key);
        self.bytes += bytes;
        self.make_room();
        debug_assert_eq!(self.rows.len(), self.order.len(), "each row has one place");
        Ok(())
    }

    /// The oldest rows, `count` at most, in order. They stay until [`HistoryQueue::written`].
    pub fn oldest(&self, count: usize) -> Vec<(Place, Change)> {
        self.from(None, count)
    }

    /// As [`HistoryQueue::oldest`], only rows behind `after`.
    pub fn from(&self, after: Option<Place>, count: usize) -> Vec<(Place, Change)> {
        let first = after.map_or(Place(0), |place| Place(place.0 + 1));
        let places = self.order.range(first..).take(count);
        places
            // The row behind a change is shared: this copies a pointer, and the row stays for readers until
            // it is on disk.
            .filter_map(|(place, key)| Some((*place, self.rows.get(key)?.change.clone())))
            .collect()
    }

    /// Forgets versions that are on disk. A row that has a newer version by now stays.
    pub fn written(&mut self, places: &[Place]) {
        for place in places {
            if let Some(key) = self.order.remove(place) {
                self.forget(key);
            }
        }
        debug_assert_eq!(self.rows.len(), self.order.len(), "each row has one place");
        debug_assert!(!self.rows.is_empty() || self.bytes == 0, "an empty queue holds no bytes");
    }

    /// Number of rows that wait.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True where no row waits.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that the waiting rows hold.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Place of the oldest row; `None` where none waits.
    pub fn first_place(&self) -> Option<Place> {
        self.order.keys().next().copied()
    }

    /// Number of rows dropped since the last call of this, by account.
    pub fn take_lost(&mut self) -> BTreeMap<AccountSid, u64> {
        std::mem::take(&mut self.lost)
    }

    /// The newest version of a row that waits.
    pub fn row(&self, key: RowKey) -> Option<&Change> {
        self.rows.get(&key).map(|row| &row.change)
    }

    /// Rows of one kind and account, by their bits, from `first` to `last`; `count` at most.
    pub fn rows(
        &self,
        kind: RowKind,
        account: AccountSid,
        (first, last): (u128, u128),
        count: usize,
    ) -> Vec<(u128, Change)> {
        // `BTreeMap::range` panics on such bounds.
        if first > last {
            return Vec::new();
        }
        let key = |bits| RowKey { kind, account, bits };
        let rows = self.rows.range(key(first)..=key(last)).take(count);
        rows.map(|(key, row)| (key.bits, row.change.clone())).collect()
    }

    /// Drops the oldest rows until the rest fits. Records of what is live move to the end instead; where
    /// nothing else is left, they may hold more: as many as calls may be up.
    fn make_room(&mut self) {
        // Records of what is live are spared, as applications know their SIDs and ask for them. `spared` ends
        // the loop once each row that is left has been spared.
        let mut spared = 0;
        while self.bytes > self.bytes_max && spared < self.order.len() {
            let Some((_, key)) = self.order.pop_first() else { return };
            let place = self.next_place();
            match self.rows.get_mut(&key) {
                Some(row) if row.change.is_live() => {
                    row.place = place;
                    self.order.insert(place, key);
                    spared += 1;
                }
                _ => {
                    self.forget(key);
                    // Counted by account: each account is alerted about its own history only.
                    *self.lost.entry(key.account).or_default() += 1;
                }
            }
        }
    }

    fn forget(&mut self, key: RowKey) {
        if let Some(row) = self.rows.remove(&key) {
            self.bytes -= row.bytes;
        }
    }

    fn next_place(&mut self) -> Place {
        let place = Place(self.next);
        self.next += 1;
        place
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::{CallSid, ConferenceSid};

    use super::*;
    use crate::calls::{CallDirection, CallRecord, CallStatus};
    use crate::conferences::{ConferenceEnd, ConferenceRecord};

    const MAIN: AccountSid = AccountSid(1);

    fn call(number: u128, status: CallStatus) -> Change {
        Change::PutCall(Arc::new(CallRecord {
            sid: CallSid(number),
            account: MAIN,
            parent: None,
            to: "sip:bob@pbx.example".to_owned(),
            from: "alice".to_owned(),
            status,
            direction: CallDirection::Inbound,
            start_ms: None,
            end_ms: status.is_final().then_some(2),
            duration_s: None,
            queue_time_ms: 0,
            answered_by: None,
            forwarded_from: None,
            caller_name: None,
            owed_callback: None,
            created_ms: 1,
            updated_ms: 1,
        }))
    }

    fn key(number: u128) -> RowKey {
        RowKey { kind: RowKind::Call, account: MAIN, bits: number }
    }

    /// A queue with room for `count` of these calls.
    fn queue(count: usize) -> HistoryQueue {
        HistoryQueue::new(count * call(0, CallStatus::Ringing).row_bytes())
    }

    #[test]
    fn the_newest_version_of_a_row_is_what_waits_and_what_readers_see() {
        let mut queue = queue(9);
        for status in [CallStatus::Ringing, CallStatus::InProgress] {
            queue.put(call(7, status)).expect("history");
        }
        assert_eq!(queue.row(key(7)), Some(&call(7, CallStatus::InProgress)));
        let batch: Vec<_> = queue.oldest(9).into_iter().map(|(_, change)| change).collect();
        assert_eq!(batch, [call(7, CallStatus::InProgress)]);
    }

    #[test]
    fn a_version_that_came_while_an_older_one_was_written_stays() {
        let mut queue = queue(9);
        queue.put(call(7, CallStatus::Ringing)).expect("history");
        let places: Vec<_> = queue.oldest(9).into_iter().map(|(place, _)| place).collect();
        queue.put(call(7, CallStatus::Completed)).expect("history");
        queue.written(&places);
        assert_eq!(queue.row(key(7)), Some(&call(7, CallStatus::Completed)));
        let places: Vec<_> = queue.oldest(9).into_iter().map(|(place, _)| place).collect();
        queue.written(&places);
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
    }

    #[test]
    fn past_its_bytes_the_oldest_are_lost_and_counted_and_live_calls_are_kept() {
        let mut queue = queue(3);
        queue.put(call(0, CallStatus::InProgress)).expect("history");
        for number in 1..=5 {
            queue.put(call(number, CallStatus::Completed)).expect("history");
            assert!(queue.bytes() <= queue.bytes_max);
        }
        let rows = queue.rows(RowKind::Call, MAIN, (0, u128::MAX), 99);
        let kept: Vec<_> = rows.into_iter().map(|(bits, _)| bits).collect();
        assert_eq!(kept, [0, 4, 5]);
        assert_eq!(queue.take_lost(), [(MAIN, 3)].into());
        assert_eq!(queue.take_lost(), BTreeMap::new());
    }

    #[test]
    fn the_record_of_a_live_conference_is_kept_and_that_of_an_ended_one_may_be_lost() {
        let conference = |number, status, reason_ended| {
            Change::PutConference(Arc::new(ConferenceRecord {
                sid: ConferenceSid(number),
                account: MAIN,
                friendly_name: "ops".to_owned(),
                status,
                region: "us1".to_owned(),
                reason_ended,
                call_ending: None,
                created_ms: 1,
                updated_ms: 1,
            }))
        };
        let mut queue = queue(2);
        let ended = ConferenceEnd::LastParticipantLeft;
        queue.put(conference(1, ConferenceStatus::Completed, Some(ended))).expect("history");
        queue.put(conference(2, ConferenceStatus::InProgress, None)).expect("history");
        for number in 0..4 {
            queue.put(call(number, CallStatus::Completed)).expect("history");
        }
        let rows = queue.rows(RowKind::Conference, MAIN, (0, u128::MAX), 99);
        assert_eq!(rows, [(2, conference(2, ConferenceStatus::InProgress, None))]);
    }

    #[test]
    fn records_of_live_calls_alone_may_hold_more() {
        let mut queue = queue(2);
        for number in 0..4 {
            queue.put(call(number, CallStatus::Ringing)).expect("history");
        }
        assert_eq!(queue.len(), 4);
        assert!(queue.take_lost().is_empty());
    }

    #[test]
    fn what_has_a_precondition_is_no_history() {
        let change = Change::DeleteCall { account: MAIN, call: CallSid(1) };
        assert_eq!(queue(1).put(change.clone()), Err(change));
    }
}
