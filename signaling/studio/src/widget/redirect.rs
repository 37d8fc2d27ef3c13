//! add-twiml-redirect: an application has the call until it sends it back with `FlowEvent=return`.

use super::turn::{Arrival, Entered, Turn};
use crate::data::Data;
use crate::twiml::Element;

pub(super) fn redirect(turn: &mut Turn<'_>) -> Entered {
    let redirect = Element::new("Redirect").with_some("method", turn.some_text("method"));
    Entered::Document(vec![redirect.text(turn.text("url"))])
}

/// Seconds that the application may have the call.
pub(crate) fn seconds(turn: &mut Turn<'_>) -> u32 {
    turn.number("timeout").unwrap_or(SECONDS_MAX).min(SECONDS_MAX)
}

const SECONDS_MAX: u32 = 14_400;

pub(super) fn returned(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> &'static str {
    match arrival {
        Arrival::Request(_, parameters) => {
            turn.result = Some(Data::clone(parameters));
            "return"
        }
        Arrival::Timeout => "timeout",
        Arrival::Answer(_) | Arrival::CallEnded => "fail",
    }
}
