//! Widgets: what each type of state does. What it has is in the catalogue.
//!
//! A widget does two things. It is entered, and says how the flow goes on ([`Entered`]): at once by an event, after a
//! document for the call, or after the answer to an order. And it is resumed by the request or the answer it waited for,
//! and says which event that was. Both see the flow through a [`Turn`].

mod answers;
mod calls;
mod logic;
mod queue;
mod redirect;
mod speech;
mod stream;
mod turn;

use crate::catalogue::Kind;
pub(crate) use redirect::seconds as redirect_seconds;
pub(crate) use turn::{Arrival, Entered, Turn};

impl Kind {
    /// Enters the widget.
    pub(crate) fn enter(self, turn: &mut Turn<'_>) -> Entered {
        match self {
            // Entered by its event, which the execution knows.
            Self::Trigger => Entered::Failed,
            Self::SayPlay => speech::say_play(turn),
            Self::Gather => speech::gather(turn),
            Self::Split => logic::split(turn),
            Self::SetVariables => logic::set_variables(turn),
            Self::Connect => calls::connect(turn),
            Self::OutgoingCall => calls::place(turn),
            Self::Voicemail => speech::voicemail(turn),
            Self::RecordCall => calls::record(turn),
            Self::Enqueue => queue::enqueue(turn),
            Self::Function => answers::function(turn),
            Self::HttpRequest => answers::http_request(turn),
            Self::Redirect => redirect::redirect(turn),
            Self::Subflow => logic::subflow(turn),
            Self::ForkStream => stream::fork(turn),
            Self::Outside => {
                turn.not_fit("The gateway does not run this widget");
                Entered::Failed
            }
        }
    }

    /// The event that the widget waited for; `None` goes on waiting.
    pub(crate) fn resume(self, turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> Option<&'static str> {
        match self {
            Self::SayPlay => Some("audioComplete"),
            Self::Gather => Some(speech::gathered(turn, arrival)),
            Self::Connect => Some(calls::connected(turn, arrival)),
            Self::OutgoingCall => calls::placed(turn, arrival),
            Self::Voicemail => Some(speech::recorded(turn, arrival)),
            Self::RecordCall => Some(calls::recording(turn, arrival)),
            Self::Enqueue => Some(queue::left(turn, arrival)),
            Self::Function => Some(answers::function_answered(turn, arrival)),
            Self::HttpRequest => Some(answers::http_answered(turn, arrival)),
            Self::Redirect => Some(redirect::returned(turn, arrival)),
            Self::ForkStream => Some("next"),
            Self::Trigger | Self::Split | Self::SetVariables | Self::Subflow | Self::Outside => {
                None
            }
        }
    }
}
