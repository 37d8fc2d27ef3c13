//! The journal, which no driver has a part in.

use std::sync::Arc;

use shared::CallSid;
use store::{CallStatus, Change};

use super::T0;
use super::rows::{call, exchange, put};
use crate::{Journal, Journaled};

#[test]
fn a_journal_keeps_room_for_how_calls_ended_and_reads_past_no_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.journal");
    let mut journal = Journal::make(&path, 4_096).unwrap();
    let detail = Change::AddExchange(Arc::new(exchange(1, CallSid(1))));
    let details = journal.append(std::iter::repeat_n(&detail, 50)).unwrap();
    assert!(details.kept > 0 && details.left_out > 0, "{details:?}");
    let end = put(call(1, CallStatus::Completed, T0));
    assert_eq!(journal.append([&end]).unwrap(), Journaled { kept: 1, left_out: 0 });
    let ends = journal.append(std::iter::repeat_n(&end, 50)).unwrap();
    assert!(ends.left_out > 0, "{ends:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4_096, "it never grows");

    let rows = crate::journal::read(&path, 4_096).unwrap();
    assert_eq!(rows.len(), details.kept + 1 + ends.kept);
    assert_eq!(rows[details.kept], end);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.iter().rposition(|byte| *byte == b'}').unwrap();
    bytes[last..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(crate::journal::read(&path, 4_096).unwrap().len(), rows.len() - 1);
}
