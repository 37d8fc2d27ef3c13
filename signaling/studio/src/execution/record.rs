//! Variables and steps of an execution: what templates read, and what REST shows.

use serde_json::{Value, json};
use shared::limits::STUDIO_CONTEXT_BYTES_MAX;
use shared::{Code, ExecutionSid, FlowSid, Now, StepSid};

use super::{Execution, Trigger};
use crate::alert::Alert;
use crate::data::Data;

/// One step: the way from a state to the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its SID.
    pub sid: StepSid,
    /// The event that it follows.
    pub event: String,
    /// The state that it leaves.
    pub from: String,
    /// The state that it enters; `Ended` behind the last one.
    pub to: String,
    /// When, in milliseconds since 1970.
    pub unix_ms: i64,
    /// What the variables of the execution gained by the state that it leaves.
    pub changes: Data,
}

/// The variables at the start.
pub(super) fn context(sid: ExecutionSid, flow_sid: FlowSid, trigger: &Trigger) -> Data {
    let (trigger, contact, own, data) = match trigger {
        Trigger::Call(parameters) => {
            let mut call = Data::map();
            call.put("call", parameters.clone());
            (call, parameters.get("From").clone(), parameters.get("To").clone(), Data::map())
        }
        Trigger::Request { to, from, parameters } => {
            let mut request = Data::texts([("to", to.as_str()), ("from", from.as_str())]);
            request.put("parameters", parameters.clone());
            let mut trigger = Data::map();
            trigger.put("request", request);
            (trigger, Data::text(to.as_str()), Data::text(from.as_str()), parameters.clone())
        }
    };
    let mut context = Data::map();
    context.put("trigger", trigger);
    context.put("widgets", Data::map());
    context.entry("contact").entry("channel").put("address", contact);
    let flow = context.entry("flow");
    flow.put("sid", Data::text(sid.to_string()));
    flow.put("flow_sid", Data::text(flow_sid.to_string()));
    flow.put("variables", Data::map());
    flow.put("data", data);
    flow.entry("channel").put("address", own);
    context
}

/// The 56 random bits of a SID.
const RANDOM_BITS: u128 = (1 << 56) - 1;

impl Execution {
    /// Notes the step to a place.
    pub(super) fn step(&mut self, now: Now, event: &str, next: Option<usize>) {
        self.count += 1;
        let random = (self.sid.0 + self.count as u128) & RANDOM_BITS;
        let to = next.map_or("Ended", |place| &self.flow.state(place).name);
        let from = &self.flow.state(self.place).name;
        let mut changes = Data::map();
        let result = self.context.at(&["widgets", from]);
        // The history of the variables is bounded as they are: past it, steps show what the execution has now.
        let bytes = result.bytes();
        if result != &Data::Nil && self.step_bytes + bytes <= STUDIO_CONTEXT_BYTES_MAX {
            changes.put(from, result.clone());
            self.step_bytes += bytes;
        }
        self.steps.push(Step {
            sid: StepSid((self.sid.0 & !RANDOM_BITS) | random),
            event: event.to_owned(),
            from: from.clone(),
            to: to.to_owned(),
            unix_ms: now.unix_ms,
            changes,
        });
    }

    /// Keeps the result of a widget under its name.
    pub(super) fn keep(&mut self, name: &str, result: Data) {
        if self.context.bytes() + result.bytes() > STUDIO_CONTEXT_BYTES_MAX {
            let message = self.named("Its result has no room among the variables");
            self.alert(Alert::new(Code::STUDIO_HTTP_INTERNAL, message));
            return;
        }
        self.context.entry("widgets").put(name, result);
    }

    /// The variables as JSON.
    pub fn context_json(&self) -> Value {
        self.context.to_json()
    }

    /// The address of the other side.
    pub fn contact(&self) -> &str {
        self.context.at(&["contact", "channel", "address"]).as_str().unwrap_or_default()
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl Step {
    /// The step as it is stored.
    pub fn to_json(&self) -> Value {
        json!({
            "sid": self.sid.to_string(),
            "name": self.event,
            "from": self.from,
            "to": self.to,
            "at": self.unix_ms,
            "changes": self.changes.to_json(),
        })
    }
}
