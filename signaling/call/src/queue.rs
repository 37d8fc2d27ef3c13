//! Queues, as calls see them: news of the queue that a call waits in or serves. Sans-IO.
//!
//! Two calls meet in a queue, and neither is the parent of the other. The *queued* call (`<Enqueue>`) waits with
//! its music; the *server* (`<Dial><Queue>`) takes the call at the front, or waits until there is one. The queue
//! itself is a value of Control. The order is: server asks, queued call runs the document of the noun, says that
//! it is ready, server bridges.

use shared::{CallSid, Code, QueueSid};

use crate::setup::Webhook;

/// The place of a call in its queue, as of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    /// The queue.
    pub queue: QueueSid,
    /// 1 at the front.
    pub position: u32,
    /// Seconds that the call has waited.
    pub queue_time_s: u32,
    /// Average wait of the calls that wait now, in seconds.
    pub average_s: u32,
    /// Calls that wait.
    pub current_size: u32,
    /// Most calls that may wait.
    pub max_size: u32,
}

/// From a queue to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueInput {
    /// The call waits; or the answer to [`crate::CallEffect::AskQueue`].
    Waits(QueueFacts),
    /// The call cannot wait.
    Refused {
        /// 14207 for a full queue, else what failed.
        code: Code,
        /// The reason, for the operator.
        sentence: String,
        /// The full queue.
        queue: Option<QueueSid>,
    },
    /// A server takes the call out of the queue.
    Taken {
        /// The call of the server.
        by: CallSid,
        /// The document that this call runs before the two are connected.
        whisper: Option<Webhook>,
        /// The queue.
        queue: QueueSid,
        /// Seconds that the call has waited.
        queue_time_s: u32,
    },
    /// REST takes the call out of the queue: it runs this document.
    Dequeued(Webhook),
    /// To a server: this call is ready to be connected.
    Ready {
        /// The call.
        call: CallSid,
    },
    /// To a server: there is no queue of that name.
    Missing,
}
