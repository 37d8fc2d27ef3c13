//! What the world carries between `Control`, the cores and the [`super::Streams`].

use std::time::Duration;

use call::{StreamEnd, StreamEvent, StreamPlan};
use control::Input;
use shared::{CallSid, Code, StreamSid, TapFrame};

use super::act::Act;
use super::talk::Outcome;
use super::{Later, World};

impl World {
    pub(super) fn open_stream(&mut self, plan: &StreamPlan) {
        let opening = plan.opening.clone();
        let (call, stream) = (opening.call, opening.stream);
        if self.streams.connect(opening, plan.url.text()) {
            return self.after(Duration::from_millis(10), Later::Stream(stream, Act::Opens));
        }
        let refused = move |control: &mut control::Control, now| {
            let event = nobody_listens();
            control.handle(now, Input::Stream { call, stream, event });
        };
        self.after(Duration::from_millis(3), Later::Control(Box::new(refused)));
    }

    /// The application's side acts. What it does on a stream that is gone is lost.
    pub(super) fn happen_on_stream(&mut self, stream: StreamSid, act: Act) {
        let Some(call) = self.streams.call_of(stream) else { return };
        let now = self.now;
        match act {
            Act::Opens => {
                let outcome = self.streams.open(stream);
                let event = StreamEvent::Opened;
                self.control.handle(now, Input::Stream { call, stream, event });
                self.settle_control();
                self.carry_stream(stream, outcome);
            }
            Act::Says(text) => {
                let outcome = self.streams.text(stream, &text);
                self.carry_stream(stream, outcome);
            }
            Act::SaysBinary => {
                let outcome = self.streams.binary(stream);
                self.carry_stream(stream, outcome);
            }
            Act::Makes(number, making) => {
                let outcome = self.streams.making(stream, number, making);
                self.carry_stream(stream, outcome);
            }
            Act::Closes => self.end_stream(stream, false, StreamEnd::ClosedByPeer),
            Act::Vanishes => self.end_stream(stream, false, broken()),
        }
    }

    pub(super) fn stream_frame(&mut self, frame: &TapFrame) {
        if self.copy_frame(frame) {
            return;
        }
        if let Some((stream, outcome)) = self.streams.frame(frame) {
            self.carry_stream(stream, outcome);
        }
    }

    pub(super) fn stream_digit(&mut self, stream: StreamSid, digit: u8) {
        let outcome = self.streams.digit(stream, digit);
        self.carry_stream(stream, outcome);
    }

    pub(super) fn stream_heard(&mut self, stream: StreamSid, text: &str, last: bool) {
        let outcome = self.streams.understood(stream, text, last);
        self.carry_stream(stream, outcome);
    }

    /// We end a stream: good-bye, and its one end for `Control` a little later, as the thread has it.
    pub(super) fn close_stream(&mut self, stream: StreamSid) {
        self.end_stream(stream, true, StreamEnd::Stopped);
    }

    fn end_stream(&mut self, stream: StreamSid, is_ours: bool, end: StreamEnd) {
        let Some((call, outcome)) = self.streams.end(stream, is_ours) else { return };
        self.carry_stream(stream, outcome);
        self.tell_of_stream(call, stream, StreamEvent::Ended(end));
    }

    /// Another thread: its events come a little later, and all of them in their order.
    fn tell_of_stream(&mut self, call: CallSid, stream: StreamSid, event: StreamEvent) {
        let told = move |control: &mut control::Control, now| {
            control.handle(now, Input::Stream { call, stream, event });
        };
        self.after(Duration::from_millis(2), Later::Control(Box::new(told)));
    }

    fn carry_stream(&mut self, stream: StreamSid, outcome: Outcome) {
        for item in &outcome.items {
            self.cores.feed(self.now.mono, item);
        }
        for (after, act) in outcome.acts {
            self.after(after, Later::Stream(stream, act));
        }
        self.faults.extend(outcome.wrong);
        let Some(call) = self.streams.call_of(stream) else { return };
        for event in outcome.events {
            self.tell_of_stream(call, stream, event);
        }
    }
}

/// The end of a stream to a server that nobody runs.
fn nobody_listens() -> StreamEvent {
    let sentence = "the TCP connection was refused".to_owned();
    let (code, answer) = (Code::STREAM_REFUSED, None);
    StreamEvent::Ended(StreamEnd::Failed { code, sentence, answer })
}

fn broken() -> StreamEnd {
    let sentence = "the connection was reset".to_owned();
    StreamEnd::Failed { code: Code::STREAM_BROKEN, sentence, answer: None }
}
