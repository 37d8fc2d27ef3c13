//! Subflows: another flow takes over at `run-subflow`, and gives its results back at its end.

use std::sync::Arc;

use shared::limits::STUDIO_WIDGETS_MAX;
use shared::{Code, Now};

use super::{Execution, Phase};
use crate::alert::Alert;
use crate::data::Data;
use crate::document::Flow;

/// The flow that waits for its subflow.
#[derive(Debug)]
pub(super) struct Caller {
    flow: Arc<Flow>,
    place: usize,
    /// Its widgets' results; the subflow begins with none.
    widgets: Data,
    trigger: Data,
}

impl Execution {
    pub(super) fn enter_subflow(&mut self, now: Now, flow: Arc<Flow>) {
        self.phase = Phase::Running;
        if self.flow.widgets() + flow.widgets() > STUDIO_WIDGETS_MAX {
            let message = self.named(&format!("More than {STUDIO_WIDGETS_MAX} widgets in all"));
            self.alert(Alert::new(Code::STUDIO_WIDGETS_RUN, message));
            return self.follow(now, "failed");
        }
        let parameters = self.turn(now, |turn| turn.pairs("parameters"));
        let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let parameters = Data::texts(pairs);
        let trigger = self.context.get("trigger").clone();
        let mut inner = trigger.clone();
        inner.entry("parent").put("parameters", parameters);
        self.context.put("trigger", inner);
        let widgets = std::mem::replace(self.context.entry("widgets"), Data::map());
        let place = std::mem::replace(&mut self.place, flow.initial());
        let flow = std::mem::replace(&mut self.flow, flow);
        self.caller = Some(Box::new(Caller { flow, place, widgets, trigger }));
        self.follow(now, "incomingParent");
    }

    /// Returns to the calling flow; false where there is none.
    pub(super) fn leave_subflow(&mut self) -> bool {
        let Some(caller) = self.caller.take() else { return false };
        let Caller { flow, place, widgets, trigger } = *caller;
        let results = std::mem::replace(self.context.entry("widgets"), widgets);
        self.context.put("trigger", trigger);
        self.flow = flow;
        self.place = place;
        let name = self.flow.state(place).name.clone();
        self.keep(&name, results);
        true
    }
}
