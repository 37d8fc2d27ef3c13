//! History that waits for the writer, as a driver's reader merges it with the rows on disk.
//!
//! The queue is read first and the disk second, so that a row written in between is found at least once.

use std::sync::Arc;

use shared::AccountSid;
use store::{
    CallRecord, Change, ConferenceRecord, ExecutionRecord, HttpExchange, NotificationRecord, Page,
    PageRequest, RecordingRecord, RowKey, RowKind, StoreError, TimelineRecord, Unwritten,
};

/// The waiting rows; `None` for a reader that sees only the disk.
pub(crate) struct Waiting(pub(crate) Option<Arc<dyn Unwritten>>);

impl Waiting {
    /// The newest version of a row, where one waits for the writer.
    pub(crate) fn row<T: HistoryRow>(&self, account: AccountSid, bits: u128) -> Option<T> {
        let key = RowKey { kind: T::KIND, account, bits };
        T::of(&self.0.as_ref()?.row(key)?)
    }

    /// A page of history: the rows that `takes` accepts among those that wait, merged with what `read` finds on disk.
    pub(crate) fn page<T: HistoryRow>(
        &self,
        account: AccountSid,
        page: PageRequest,
        takes: impl Fn(&T) -> bool,
        read: impl FnMut(PageRequest) -> Result<Page<T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let waiting = self.0.as_ref().map(|unwritten| {
            unwritten.rows(T::KIND, account, store::bounds(page.cursor)).into_iter()
        });
        let waiting = waiting.into_iter().flatten();
        let waiting = waiting.map(|(bits, change)| (bits, T::of(&change).filter(&takes))).collect();
        store::merge(page, waiting, T::bits, read)
    }
}

/// A row of history that a change carries.
pub(crate) trait HistoryRow: Clone {
    const KIND: RowKind;
    fn of(change: &Change) -> Option<Self>;
    fn bits(&self) -> u128;
}

macro_rules! history_rows {
    ($($row:ident: $kind:ident, $change:ident, $bits:expr;)*) => {$(
        impl HistoryRow for $row {
            const KIND: RowKind = RowKind::$kind;

            fn of(change: &Change) -> Option<Self> {
                match change {
                    // Copied: the queue shares the row with the writer, and a page owns its rows.
                    Change::$change(row) => Some((**row).clone()),
                    _ => None,
                }
            }

            fn bits(&self) -> u128 {
                $bits(self)
            }
        }
    )*};
}

history_rows! {
    CallRecord: Call, PutCall, |row: &Self| row.sid.0;
    ConferenceRecord: Conference, PutConference, |row: &Self| row.sid.0;
    ExecutionRecord: Execution, PutExecution, |row: &Self| row.sid.0;
    RecordingRecord: Recording, PutRecording, |row: &Self| row.sid.0;
    NotificationRecord: Notification, AddNotification, |row: &Self| row.sid.0;
    HttpExchange: Exchange, AddExchange, |row: &Self| row.id;
    TimelineRecord: Timeline, PutTimeline, |row: &Self| row.call.0;
}
