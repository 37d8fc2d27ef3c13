//! Commands of the REST API about the calls that wait in queues. Sans-IO.
//!
//! A queue is a stored resource; who waits in it only Control knows. So each answer about a queue has its two live
//! figures from Control, and its members are questions to Control.

use shared::{AccountSid, CallSid, QueueSid};

use crate::calls::Webhook;
use crate::value::Value;

/// Commands of the REST API about queues and their members. One about a call that does not wait in the queue is
/// answered with 404.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "`account` and `queue` are those of the path in every variant")]
pub enum QueueCommand {
    /// `GET Queues` and `GET Queues/{sid}`: answered with `Reply::Queues`, one for each of these queues, in their order.
    Read {
        account: AccountSid,
        /// Queues of the account that the store has, 1,000 at most.
        queues: Vec<QueueSid>,
    },
    /// `GET Queues/{sid}/Members`: answered with `Reply::Members`, front first.
    Members { account: AccountSid, queue: QueueSid },
    /// `GET Queues/{sid}/Members/{call or Front}`: answered with `Reply::Member`.
    Member {
        account: AccountSid,
        queue: QueueSid,
        /// The member of the path.
        member: MemberName,
    },
    /// `POST Queues/{sid}/Members/{call or Front}`: the call leaves the queue and runs this document. Answered with
    /// `Reply::Member` at position 0.
    Dequeue {
        account: AccountSid,
        queue: QueueSid,
        /// The member of the path.
        member: MemberName,
        /// The document.
        url: Webhook,
    },
}

/// The member of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberName {
    /// The member that has waited longest.
    Front,
    /// The member with this call.
    Call(CallSid),
}

/// The live figures of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueFigures {
    /// Calls that wait.
    pub current_size: u32,
    /// Average wait of the calls that wait now, whole seconds; 0 in an empty queue.
    pub average_wait_s: u32,
}

impl QueueFigures {
    /// The values of the live fields of [`crate::Queue`], in their order.
    pub fn values(self) -> [Value; 2] {
        [self.current_size, self.average_wait_s].map(|number| Value::Integer(number.into()))
    }
}

/// A call that waits in a queue, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The call.
    pub call: CallSid,
    /// The queue.
    pub queue: QueueSid,
    /// The account of both.
    pub account: AccountSid,
    /// Number of its entry among all entries of the queue, rising. A page of the list goes on after it, whether or not
    /// the member still waits by then.
    pub place: u64,
    /// When it entered, in milliseconds since 1970.
    pub enqueued_ms: i64,
    /// 1 at the front; 0 once it was taken out.
    pub position: u32,
    /// Time that it has waited, whole seconds.
    pub wait_s: u32,
}
