//! The walk: from an event to the next state, and into its widget.

use std::time::Duration;

use shared::limits::{STUDIO_CONTEXT_BYTES_MAX, STUDIO_REPEATS_MAX, STUDIO_STEPS_MAX};
use shared::{Code, Now};

use super::{Effect, Execution, Phase};
use crate::alert::Alert;
use crate::catalogue::Kind;
use crate::order::Order;
use crate::twiml::{Element, document};
use crate::widget::{Arrival, Entered, Turn, redirect_seconds};

impl Execution {
    /// Gives the widget what it waited for.
    pub(super) fn resume(&mut self, now: Now, arrival: &Arrival<'_>) {
        let kind = self.flow.state(self.place).widget.kind;
        let event = match (arrival, kind.hangup_event()) {
            (Arrival::Answer(_), _) if kind == Kind::Subflow => {
                self.alert(Alert::new(Code::STUDIO_SUBFLOW, self.named("The flow cannot be read")));
                Some("failed")
            }
            (Arrival::CallEnded, Some(event)) => {
                // The widget notes the end; the event is that of the table.
                let _ = self.turn(now, |turn| kind.resume(turn, arrival));
                Some(event)
            }
            _ => self.turn(now, |turn| kind.resume(turn, arrival)),
        };
        match event {
            Some(event) => {
                self.deadline = None;
                self.phase = Phase::Running;
                if event == "answered" {
                    self.take_call(arrival);
                }
                self.follow(now, event);
            }
            // A callee that rings.
            None => {
                self.phase = Phase::Callee;
                if self.is_asked {
                    self.respond(document([]));
                }
            }
        }
    }

    fn take_call(&mut self, arrival: &Arrival<'_>) {
        self.callee = None;
        let sid = arrival.parameter("CallSid");
        self.call = (!sid.is_empty()).then(|| sid.to_owned());
    }

    /// Goes on by the transition of an event.
    pub(super) fn follow(&mut self, now: Now, event: &str) {
        let state = self.flow.state(self.place);
        let transition = state.transitions.iter().find(|transition| transition.event == event);
        let next = transition.and_then(|transition| transition.next);
        if transition.is_none() {
            let message = self.named(&format!("No transition for {event}"));
            self.alert(Alert::new(Code::STUDIO_EVENT, message));
        }
        self.walk(now, event.to_owned(), next);
    }

    /// Enters states until one waits.
    fn walk(&mut self, now: Now, mut event: String, mut next: Option<usize>) {
        loop {
            self.step(now, &event, next);
            let entered = match next {
                Some(place) => self.arrive(now, place),
                None if self.leave_subflow() => Entered::Event("completed"),
                None => return self.end(),
            };
            match entered {
                Entered::Event(name) => {
                    let state = self.flow.state(self.place);
                    let transition = state.transitions.iter().find(|way| way.event == name);
                    next = transition.and_then(|way| way.next);
                    name.clone_into(&mut event);
                }
                Entered::Way(name, place) => {
                    next = place;
                    name.clone_into(&mut event);
                }
                Entered::Document(verbs) => return self.wait_for_request(now, verbs),
                Entered::Order(order) => return self.order(now, order),
                Entered::Failed => return self.fail(),
            }
        }
    }

    /// Enters the state at a place, within the bounds of an execution.
    fn arrive(&mut self, now: Now, place: usize) -> Entered {
        self.repeats = if place == self.place { self.repeats + 1 } else { 1 };
        self.place = place;
        let stop = if self.count > STUDIO_STEPS_MAX as usize {
            Some((Code::STUDIO_STEPS, format!("More than {STUDIO_STEPS_MAX} steps")))
        } else if self.repeats > STUDIO_REPEATS_MAX {
            Some((Code::STUDIO_LOOP, format!("Entered {STUDIO_REPEATS_MAX} times in a row")))
        } else if self.context.bytes() > STUDIO_CONTEXT_BYTES_MAX {
            let message = format!("The variables have more than {STUDIO_CONTEXT_BYTES_MAX} bytes");
            Some((Code::STUDIO_HTTP_INTERNAL, message))
        } else {
            None
        };
        if let Some((code, message)) = stop {
            self.alert(Alert::new(code, self.named(&message)));
            return Entered::Failed;
        }
        let kind = self.flow.state(place).widget.kind;
        let has_call = self.call.is_some();
        if kind.needs_call() && !has_call {
            self.turn(now, |turn| turn.not_fit("There is no call that is up"));
            return Entered::Failed;
        }
        if kind == Kind::OutgoingCall && has_call {
            self.turn(now, |turn| turn.not_fit("The execution has a call already"));
            return Entered::Event("failed");
        }
        if kind == Kind::Subflow && self.caller.is_some() {
            self.alert(Alert::new(
                Code::STUDIO_SUBFLOW,
                self.named("A subflow may not run another one"),
            ));
            return Entered::Event("failed");
        }
        self.turn(now, |turn| kind.enter(turn))
    }

    fn wait_for_request(&mut self, now: Now, verbs: Vec<Element>) {
        self.phase = Phase::Request;
        if self.flow.state(self.place).widget.kind == Kind::Redirect {
            let seconds = self.turn(now, redirect_seconds);
            self.deadline = Some(now.mono + Duration::from_secs(seconds.into()));
        }
        if self.is_asked {
            self.respond(document(verbs));
        } else {
            // The call is up and nobody asks: a callee's request was answered by an earlier widget. The
            // execution cannot reach it any more.
            debug_assert!(self.call.is_none(), "a call that is up asks");
            self.end();
        }
    }

    /// Orders; at most once for each request.
    pub(super) fn order(&mut self, now: Now, order: Order) {
        if self.is_asked && self.has_waited {
            let url = self.turn(now, |turn: &mut Turn<'_>| turn.url("continue"));
            self.phase = Phase::Held(Box::new(order));
            self.respond(document([Element::new("Redirect").text(url)]));
            return;
        }
        self.has_waited = true;
        self.phase = Phase::Answer;
        self.effects.push_back(Effect::Order(order));
    }

    /// Ends an execution that cannot go on. A call that waits for a document goes on by its fallback URL.
    fn fail(&mut self) {
        if self.is_asked {
            self.is_asked = false;
            self.effects.push_back(Effect::Refuse);
        }
        self.end();
    }

    /// Ends the execution: its call, which has no verbs left, ends with it.
    pub(super) fn end(&mut self) {
        if self.is_over() {
            return;
        }
        self.phase = Phase::Ended;
        self.deadline = None;
        if self.is_asked {
            self.respond(document([]));
        }
        self.effects.push_back(Effect::Ended);
    }

    /// A sentence that begins with the name of the state.
    pub(super) fn named(&self, message: &str) -> String {
        format!("{}: {message}", self.flow.state(self.place).name)
    }
}
