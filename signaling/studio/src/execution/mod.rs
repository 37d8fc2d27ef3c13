//! One walk through a flow, from its trigger to its end. Sans-IO.
//!
//! ```text
//!              event                       document
//!   Start ──────────────▶ (enter widgets) ──────────▶ Request ──┐ the call's next request,
//!                          ▲  │      │                          │ time, or the call's end
//!                          │  │      └─ order ─▶ Answer ──┐     │
//!                          │  ▼                           │     │
//!                          │ Ended        Callee ◀────────┤     │
//!                          └──────────────────┴───────────┴─────┘
//! ```
//!
//! Widgets run one after the other until one has to wait: for the request that follows its document, for the answer to an
//! order, or for a callee. One thing is awaited at a time, so that every input finds one widget that it is for.
//!
//! A request has to be answered within the bounds of a webhook, and an order may take 10 s. So a request waits for one
//! order at most; before a second one it is answered with a `<Redirect>` back to the flow (`Held`).
//!
//! Each document carries the number of the step that made it. A request that names an earlier step is late, or was sent
//! twice, and gets the last document again.

mod record;
mod run;
mod subflow;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use shared::{ExecutionSid, FlowSid, Instant, Now};

use crate::alert::Alert;
use crate::data::Data;
use crate::document::Flow;
use crate::order::{Answer, Order};
use crate::widget::{Arrival, Turn};
pub use record::Step;
use subflow::Caller;

/// What an execution starts from.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// A call came in: the parameters of its first request.
    Call(Data),
    /// REST asked for it.
    Request {
        /// The contact: `To` of the request.
        to: String,
        /// Our own address: `From` of the request.
        from: String,
        /// `Parameters` of the request.
        parameters: Data,
    },
}

/// Into an execution.
#[derive(Clone, Debug)]
pub enum Input {
    /// A request of a call for the flow's URL. [`Effect::Respond`] answers it.
    Request {
        /// `FlowEvent` of its URL; empty where it has none.
        event: String,
        /// `Step` of its URL.
        step: Option<usize>,
        /// All of its parameters.
        parameters: Data,
    },
    /// The answer to the order.
    Answer(Answer),
    /// A call is over. One that the execution has nothing to do with any more changes nothing.
    CallEnded {
        /// Its SID.
        call: String,
    },
    /// REST ends it.
    Stop,
}

/// Out of an execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer the request with this document.
    Respond(String),
    /// Answer the request with an error: the execution failed, for the reason of the alert before.
    Refuse,
    /// Carry out this order; [`Input::Answer`] answers it.
    Order(Order),
    /// Notify the account.
    Alert(Alert),
    /// It is over. Later inputs are ignored, except that a request gets an empty document.
    Ended,
}

/// What the execution waits for.
#[derive(Debug)]
enum Phase {
    /// Nothing: widgets run.
    Running,
    /// The request that follows a document.
    Request,
    /// The request that follows a `<Redirect>`, to carry out this order.
    Held(Box<Order>),
    /// The answer to an order.
    Answer,
    /// The callee of an outgoing call.
    Callee,
    /// Nothing any more.
    Ended,
}

/// See the module.
#[derive(Debug)]
pub struct Execution {
    sid: ExecutionSid,
    flow: Arc<Flow>,
    /// The flow that runs this one as a subflow.
    caller: Option<Box<Caller>>,
    context: Data,
    phase: Phase,
    /// The state that runs or waits.
    place: usize,
    /// Steps so far; the number of the last one is in the URLs of its document.
    count: usize,
    steps: Vec<Step>,
    /// Bytes of what the steps keep of their changes.
    step_bytes: usize,
    /// Times that the state was entered with no other between.
    repeats: u32,
    /// The call's SID while it is up.
    call: Option<String>,
    /// The callee's SID while it is awaited.
    callee: Option<String>,
    /// A request waits for its document.
    is_asked: bool,
    /// The waiting request has waited for an order.
    has_waited: bool,
    last_document: String,
    deadline: Option<Instant>,
    effects: VecDeque<Effect>,
}

/// Time that the report of a call's end may come after the end itself.
const REPORT_TIME: Duration = Duration::from_secs(5);

impl Execution {
    /// A new execution of a flow. It waits for [`Execution::start`].
    pub fn new(sid: ExecutionSid, flow_sid: FlowSid, flow: Arc<Flow>, trigger: &Trigger) -> Self {
        let place = flow.initial();
        Self {
            sid,
            flow,
            caller: None,
            context: record::context(sid, flow_sid, trigger),
            phase: Phase::Running,
            place,
            count: 0,
            steps: Vec::new(),
            step_bytes: 0,
            repeats: 0,
            call: None,
            callee: None,
            is_asked: false,
            has_waited: false,
            last_document: String::new(),
            deadline: None,
            effects: VecDeque::new(),
        }
    }

    /// Leaves the trigger.
    pub fn start(&mut self, now: Now, trigger: &Trigger) {
        let event = match trigger {
            Trigger::Call(parameters) => {
                self.call = parameters.get("CallSid").as_str().map(str::to_owned);
                self.is_asked = true;
                "incomingCall"
            }
            Trigger::Request { .. } => "incomingRequest",
        };
        self.follow(now, event);
    }

    /// Takes one input. Drain the effects before the next one.
    pub fn handle(&mut self, now: Now, input: Input) {
        debug_assert!(self.effects.is_empty(), "effects are drained before the next input");
        match input {
            Input::Request { event, step, parameters } => {
                self.request(now, &event, step, &parameters)
            }
            Input::Answer(answer) => self.answered(now, &answer),
            Input::CallEnded { call } => self.call_ended(now, &call),
            Input::Stop => self.end(),
        }
    }

    /// The deadline passed.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.deadline.is_none_or(|deadline| now.mono < deadline) {
            return;
        }
        self.deadline = None;
        let arrival = if self.call.is_some() { Arrival::Timeout } else { Arrival::CallEnded };
        self.resume(now, &arrival);
    }

    /// The next effect.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Execution::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// True once it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The SID of its call while that is up.
    pub fn call(&self) -> Option<&str> {
        self.call.as_deref()
    }

    fn request(&mut self, now: Now, event: &str, step: Option<usize>, parameters: &Data) {
        self.is_asked = true;
        self.has_waited = false;
        let is_late = step.is_some_and(|step| step != self.count);
        match &mut self.phase {
            Phase::Ended => self.respond(crate::twiml::document([])),
            // The step of an order is that of its widget, whose document this is.
            Phase::Request | Phase::Callee if !is_late => {
                if parameters.get("CallStatus").as_str() == Some("completed") {
                    self.call = None;
                }
                self.resume(now, &Arrival::Request(event, parameters));
            }
            Phase::Held(_) if !is_late => {
                let Phase::Held(order) = std::mem::replace(&mut self.phase, Phase::Running) else {
                    return;
                };
                self.order(now, *order);
            }
            Phase::Running | Phase::Request | Phase::Held(_) | Phase::Answer | Phase::Callee => {
                let document = self.last_document.clone();
                self.respond(document);
            }
        }
    }

    fn answered(&mut self, now: Now, answer: &Answer) {
        if !matches!(self.phase, Phase::Answer) {
            return;
        }
        if let Answer::Done { resource } = answer {
            self.callee = resource.get("CallSid").as_str().map(str::to_owned);
        }
        match answer {
            Answer::Flow { flow } => self.enter_subflow(now, Arc::clone(flow)),
            answer => self.resume(now, &Arrival::Answer(answer)),
        }
    }

    fn call_ended(&mut self, now: Now, call: &str) {
        if matches!(self.phase, Phase::Callee) && self.callee.as_deref() == Some(call) {
            // Its status callback says how it ended, and comes a moment later.
            self.deadline = Some(now.mono + REPORT_TIME);
            return;
        }
        if self.call.as_deref() != Some(call) {
            return;
        }
        self.call = None;
        match self.phase {
            // Goes on without a call: the answer is the widget's, and so is a callee.
            Phase::Running | Phase::Answer | Phase::Callee | Phase::Ended => {}
            Phase::Held(_) => self.end(),
            Phase::Request => match self.flow.state(self.place).widget.kind.hangup_event() {
                // The verb's own request says how it ended, and comes a moment later.
                Some(_) => self.deadline = Some(now.mono + REPORT_TIME),
                None => self.end(),
            },
        }
    }

    /// Answers the waiting request.
    fn respond(&mut self, document: String) {
        debug_assert!(self.is_asked, "a document answers a request");
        self.is_asked = false;
        self.last_document.clone_from(&document);
        self.effects.push_back(Effect::Respond(document));
    }

    fn alert(&mut self, alert: Alert) {
        self.effects.push_back(Effect::Alert(alert));
    }

    /// Lets the widget at the present place work on the variables, and takes its result over.
    fn turn<T>(&mut self, now: Now, work: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let flow = Arc::clone(&self.flow);
        let mut alerts = Vec::new();
        let mut turn = Turn {
            state: flow.state(self.place),
            context: &mut self.context,
            unix_ms: now.unix_ms,
            step: self.count,
            alerts: &mut alerts,
            result: None,
        };
        let done = work(&mut turn);
        let result = turn.result.take();
        if let Some(result) = result {
            self.keep(&flow.state(self.place).name, result);
        }
        alerts.into_iter().for_each(|alert| self.alert(alert));
        done
    }
}
