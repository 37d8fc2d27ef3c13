//! The observer that reports to flows which calls are over. Shell.
//!
//! An end that finds the queue full is lost. A flag beside the queue says so, and the reader then looks the calls up that it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::CallSid;
use store::Change;
use tokio::sync::mpsc;

use super::{Event, Observer, Taken};

/// Ends of calls that wait for their executions.
const ENDS_WAITING_MAX: usize = 10_000;

/// Sends the SID of each call that ends.
#[derive(Debug)]
pub struct EndedCalls {
    queue: mpsc::Sender<CallSid>,
    has_lost: Arc<AtomicBool>,
}

/// The reader's end.
#[derive(Debug)]
pub struct EndsOfCalls {
    queue: mpsc::Receiver<CallSid>,
    has_lost: Arc<AtomicBool>,
}

/// Both ends of the queue.
pub fn ended_calls() -> (EndedCalls, EndsOfCalls) {
    let (sender, receiver) = mpsc::channel(ENDS_WAITING_MAX);
    let has_lost = Arc::new(AtomicBool::new(false));
    let ends = EndedCalls { queue: sender, has_lost: Arc::clone(&has_lost) };
    (ends, EndsOfCalls { queue: receiver, has_lost })
}

impl EndsOfCalls {
    /// The next call that ended; `None` once the observer is gone.
    pub async fn next(&mut self) -> Option<CallSid> {
        self.queue.recv().await
    }

    /// True where ends were lost since the last look.
    pub fn take_lost(&self) -> bool {
        self.has_lost.swap(false, Ordering::Relaxed)
    }
}

impl Observer for EndedCalls {
    fn name(&self) -> &'static str {
        "ended_calls"
    }

    fn take(&mut self, event: &Event) -> Taken {
        match event {
            Event::Row(Change::PutCall(call)) if call.end_ms.is_some() => {
                if self.queue.try_send(call.sid).is_ok() {
                    return Taken::Queued;
                }
                self.has_lost.store(true, Ordering::Relaxed);
                Taken::Lost
            }
            _ => Taken::Unwanted,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use shared::AccountSid;
    use store::{CallDirection, CallRecord, CallStatus};

    use super::*;

    pub(crate) fn ended_call() -> CallRecord {
        CallRecord {
            sid: CallSid(1),
            account: AccountSid(2),
            parent: None,
            to: "desk".to_owned(),
            from: "alice".to_owned(),
            status: CallStatus::Completed,
            direction: CallDirection::Inbound,
            start_ms: Some(0),
            end_ms: Some(1),
            duration_s: Some(0),
            queue_time_ms: 0,
            answered_by: None,
            forwarded_from: None,
            caller_name: None,
            owed_callback: None,
            created_ms: 0,
            updated_ms: 1,
        }
    }

    #[test]
    fn an_end_that_finds_no_room_is_noted_once() {
        let (mut observer, ends) = ended_calls();
        let ended = Event::Row(Change::PutCall(Arc::new(ended_call())));
        for _ in 0..ENDS_WAITING_MAX {
            assert_eq!(observer.take(&ended), Taken::Queued);
        }
        assert!(!ends.take_lost());
        assert_eq!(observer.take(&ended), Taken::Lost);
        assert!(ends.take_lost());
        assert!(!ends.take_lost(), "until the next one");
    }
}
