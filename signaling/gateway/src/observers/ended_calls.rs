//! The observer that tells flows which calls are over. Shell.

use shared::CallSid;
use store::Change;
use tokio::sync::mpsc;

use super::{Event, Observer, Taken};

/// Ends of calls that wait for their executions.
const ENDS_WAITING_MAX: usize = 10_000;

/// Sends the SID of each call that ends.
#[derive(Debug)]
pub struct EndedCalls(mpsc::Sender<CallSid>);

/// Both ends of the queue.
pub fn ended_calls() -> (EndedCalls, mpsc::Receiver<CallSid>) {
    let (sender, receiver) = mpsc::channel(ENDS_WAITING_MAX);
    (EndedCalls(sender), receiver)
}

impl Observer for EndedCalls {
    fn name(&self) -> &'static str {
        "ended_calls"
    }

    fn take(&mut self, event: &Event) -> Taken {
        match event {
            Event::Row(Change::PutCall(call)) if call.end_ms.is_some() => {
                if self.0.try_send(call.sid).is_ok() { Taken::Queued } else { Taken::Lost }
            }
            _ => Taken::Unwanted,
        }
    }
}
