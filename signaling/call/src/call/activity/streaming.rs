//! `<Connect><Stream>`: the document waits while an application talks with the party. Sans-IO.

use shared::{Now, StreamSid};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::CallEffect;
use crate::finding::Position;
use crate::form::Form;
use crate::twiml::verb::{ConnectStream, Link};

/// A two-way stream that is opened or open.
#[derive(Clone, Debug)]
pub(crate) struct Streaming {
    pub stream: StreamSid,
    action: Option<Link>,
}

impl Call {
    pub(crate) fn connect_stream(&mut self, now: Now, connect: ConnectStream, position: Position) {
        let ConnectStream { stream: noun, action } = connect;
        self.answer(now);
        let stream = self.mint_stream(now);
        match self.stream_settings(now, stream, noun, position) {
            Some(settings) => {
                self.activity = Activity::Streaming(Streaming { stream, action });
                self.open_stream(stream, settings, true);
            }
            // The application already has the reason. The document goes on as after a stream that failed to open.
            None => self.after_stream(now, action),
        }
    }

    /// The stream has ended: its action, or the next verb.
    pub(crate) fn streaming_over(&mut self, now: Now) {
        if let Activity::Streaming(Streaming { action, .. }) = std::mem::take(&mut self.activity) {
            self.after_stream(now, action);
        }
    }

    fn after_stream(&mut self, now: Now, action: Option<Link>) {
        match action {
            Some(action) => self.follow(now, &action, Form::new()),
            None => self.next_verb(now),
        }
    }
}

impl Waits for Streaming {
    fn on_digit(&mut self, call: &mut Call, _now: Now, digit: u8) -> Still {
        call.effect(CallEffect::StreamDigit { stream: self.stream, digit });
        Still::Waiting
    }

    fn abort(&mut self, call: &mut Call, _now: Now) {
        call.close_stream(self.stream);
    }

    fn on_leg_over(self, call: &mut Call, _now: Now) -> Option<Activity> {
        // The stream itself ends with all others of the call.
        if let Some(action) = self.action
            && let Ok(url) = call.resolve(&action.url)
        {
            call.report_action(url, action.method, Form::new());
        }
        None
    }
}
