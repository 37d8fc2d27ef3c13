//! fork-stream.

use super::turn::{Entered, Turn};
use crate::twiml::Element;

pub(super) fn fork(turn: &mut Turn<'_>) -> Entered {
    let noun = match turn.text("stream_transport_type").as_str() {
        "siprec" => "Siprec",
        _ => "Stream",
    };
    let stream = Element::new(noun).with_some("name", turn.some_text("stream_name"));
    let verb = if turn.text("stream_action") == "stop" {
        Element::new("Stop").child(stream)
    } else {
        let parameters = turn
            .pairs("stream_parameters")
            .into_iter()
            .map(|(name, value)| Element::new("Parameter").with("name", name).with("value", value));
        let stream = stream
            .with_some("url", turn.some_text("stream_url"))
            .with_some("connectorName", turn.some_text("stream_connector"))
            .with_some("track", turn.some_text("stream_track"));
        Element::new("Start").child(stream.children(parameters))
    };
    Entered::Document(vec![verb, Element::new("Redirect").text(turn.url("next"))])
}
