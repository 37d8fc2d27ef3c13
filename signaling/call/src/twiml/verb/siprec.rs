//! `<Siprec>` in `<Start>` and `<Stop>`. Sans-IO.

use roxmltree::Node;
use shared::Code;
use shared::media::TapTracks;

use super::stream::{name, read_parameters};
use super::{Link, Read, Verb, link};
use crate::finding::Finding;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// A recording session to begin with an outside server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Siprec {
    /// The server, by the name that the settings give it.
    pub connector: String,
    /// Names it for `<Stop>` and callbacks; `None`: its SID does.
    pub name: Option<String>,
    /// The audio that the server gets.
    pub tracks: TapTracks,
    /// Its status callback; `None` sends none.
    pub callback: Option<Link>,
    /// `<Parameter>`s, by name.
    pub parameters: Vec<(String, String)>,
    /// The reason why it cannot start. The document goes on.
    pub fault: Option<Finding>,
}

pub(crate) const START: &[Attribute] = &[
    attribute("connectorName", Kind::Text, "The recording server, by its name in the settings."),
    attribute("name", Kind::Text, "Names it for <Stop> and callbacks."),
    attribute("track", Kind::Text, "Which audio the server gets.").default("both_tracks"),
    attribute("statusCallback", Kind::Url, "Gets the events of the session."),
    attribute("statusCallbackMethod", Kind::Method, "Its method.").default("POST"),
];

/// A builder of documents may write a session as it was started; only its name counts.
pub(crate) const STOP: &[Attribute] = &[
    attribute("name", Kind::Text, "The session to end."),
    attribute("connectorName", Kind::Ignored, "No effect."),
    attribute("track", Kind::Ignored, "No effect."),
    attribute("statusCallback", Kind::Ignored, "No effect."),
    attribute("statusCallbackMethod", Kind::Ignored, "No effect."),
];

/// Reads the `<Siprec>` of a `<Start>`.
pub(crate) fn read_start(noun: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    let attributes = Attributes::read(noun, START, reading)?;
    let parameters = read_parameters(noun, "Siprec", reading)?;
    let tracks = match attributes.text("track") {
        Some("inbound_track") => Ok(TapTracks::Inbound),
        Some("outbound_track") => Ok(TapTracks::Outbound),
        Some("both_tracks") | None => Ok(TapTracks::Both),
        Some(other) => Err((Code::STREAM_TRACK, format!("`{other}` is no track of a <Siprec>"))),
    };
    let connector = attributes.text("connectorName").unwrap_or_default().to_owned();
    let fault = match &tracks {
        Err(fault) => Some(fault.clone()),
        Ok(_) if connector.is_empty() => {
            Some((Code::STREAM_CONNECTOR, "the <Siprec> has no connectorName".to_owned()))
        }
        Ok(_) => None,
    };
    let fault = fault.map(|(code, message)| Finding::error(code, message).at(reading.place(noun)));
    let callback = link(&attributes, "statusCallback", "statusCallbackMethod");
    Ok(Some(Verb::StartSiprec(Box::new(Siprec {
        connector,
        name: name(&attributes),
        tracks: tracks.unwrap_or(TapTracks::Both),
        callback: callback.filter(|link| !link.url.is_empty()),
        parameters,
        fault,
    }))))
}

/// Reads the `<Siprec>` of a `<Stop>`.
pub(crate) fn read_stop(noun: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    let attributes = Attributes::read(noun, STOP, reading)?;
    for child in noun.children().filter(Node::is_element) {
        if child.tag_name().name() != "Parameter" {
            reading.skip(child, "Siprec");
        }
    }
    let name = name(&attributes);
    if name.is_none() {
        let position = reading.place(noun);
        reading.warn(Code::TWIML_SCHEMA, "<Stop><Siprec> has no name: skipped", position);
    }
    Ok(name.map(Verb::StopSiprec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};

    fn start(noun: &str) -> Siprec {
        match one(&format!("<Start>{noun}</Start>")) {
            Verb::StartSiprec(siprec) => *siprec,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_attribute_has_its_effect() {
        let siprec = start(
            "<Siprec connectorName=\"srs\" name=\"n\" track=\"inbound_track\" statusCallback=\"/c\" \
             statusCallbackMethod=\"GET\"><Parameter name=\"a\" value=\"1\"/></Siprec>",
        );
        assert_eq!((&*siprec.connector, siprec.name.as_deref()), ("srs", Some("n")));
        assert_eq!((siprec.tracks, siprec.fault), (TapTracks::Inbound, None));
        let callback = siprec.callback.expect("it is written");
        assert_eq!((callback.url.as_str(), callback.method), ("/c", store::HttpMethod::Get));
        assert_eq!(siprec.parameters, [("a".to_owned(), "1".to_owned())]);
        let plain = start("<Siprec connectorName=\"srs\"/>");
        assert_eq!((plain.tracks, plain.name, plain.callback), (TapTracks::Both, None, None));
    }

    #[test]
    fn a_session_that_cannot_start_says_why() {
        let fault = |noun: &str| start(noun).fault.expect("a fault").code;
        assert_eq!(fault("<Siprec/>"), Code::STREAM_CONNECTOR);
        assert_eq!(fault("<Siprec connectorName=\"s\" track=\"left\"/>"), Code::STREAM_TRACK);
        assert_eq!(one("<Stop><Siprec name=\"a\"/></Stop>"), Verb::StopSiprec("a".to_owned()));
        assert_eq!(codes("<Stop><Siprec/></Stop>"), [Code::TWIML_SCHEMA]);
    }
}
