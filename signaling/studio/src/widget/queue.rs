//! enqueue-call.

use shared::Code;

use super::turn::{Arrival, Entered, Turn};
use crate::twiml::Element;

pub(super) fn enqueue(turn: &mut Turn<'_>) -> Entered {
    let Some(name) = turn.some_text("queue_name") else {
        // A workflow hands the call to agents elsewhere.
        turn.not_fit("The gateway has queues and no workflows");
        return Entered::Event("failedToEnqueue");
    };
    let enqueue = Element::new("Enqueue")
        .with("action", turn.url("dequeued"))
        .with_some("waitUrl", turn.some_text("wait_url"))
        .with_some("waitUrlMethod", turn.some_text("wait_url_method"));
    Entered::Document(vec![enqueue.text(name)])
}

pub(super) fn left(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> &'static str {
    turn.result = Some(arrival.some(&["QueueResult", "QueueSid", "QueueTime"]));
    match arrival {
        Arrival::Request(..) => match arrival.parameter("QueueResult") {
            "queue-full" | "error" | "system-error" | "" => "failedToEnqueue",
            "hangup" => "callFailure",
            _ => "callComplete",
        },
        Arrival::Answer(_) | Arrival::Timeout | Arrival::CallEnded => {
            turn.alert(
                Code::STUDIO_ENQUEUE_TIMEOUT,
                "The call ended without a report of the queue",
            );
            "callFailure"
        }
    }
}
