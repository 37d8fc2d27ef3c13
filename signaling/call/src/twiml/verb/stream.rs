//! `<Stream>` in `<Start>`, `<Stop>` and `<Connect>`. Sans-IO.

use roxmltree::Node;
use shared::Code;
use shared::limits::STREAM_PARAMETERS_MAX;
use shared::media::TapTracks;

use super::{Link, Read, Verb, link, parameter};
use crate::finding::Finding;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// A stream to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// As written; resolved when the verb runs.
    pub url: String,
    /// Names it for `<Stop>` and callbacks; `None`: its SID does.
    pub name: Option<String>,
    /// The audio that the application gets.
    pub tracks: TapTracks,
    /// Its status callback; `None` sends none.
    pub callback: Option<Link>,
    /// `<Parameter>`s, by name.
    pub parameters: Vec<(String, String)>,
    /// The reason why it cannot start. The document goes on.
    pub fault: Option<Finding>,
}

/// A two-way stream, which holds the document until it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectStream {
    /// The stream.
    pub stream: Stream,
    /// Requested when the stream has ended; `None`: the next verb follows.
    pub action: Option<Link>,
}

pub(crate) const START: &[Attribute] = &[
    attribute("url", Kind::Text, "The server, by a wss URL."),
    attribute("name", Kind::Text, "Names it for <Stop> and callbacks."),
    attribute("track", Kind::Text, "Which audio the server gets.").default("inbound_track"),
    attribute("statusCallback", Kind::Url, "Gets the events of the stream."),
    attribute("statusCallbackMethod", Kind::Method, "Its method.").default("POST"),
    attribute("connectorName", Kind::Text, "A connector, of which there is none."),
    attribute("audioFormat", Kind::Word(&["audio/x-mulaw"]), "The only format."),
    attribute("sampleRate", Kind::Word(&["8000"]), "The only rate."),
];

/// A builder of documents may write a stream as it was started; only its name counts.
pub(crate) const STOP: &[Attribute] = &[
    attribute("name", Kind::Text, "The stream to end."),
    attribute("url", Kind::Ignored, "No effect."),
    attribute("track", Kind::Ignored, "No effect."),
    attribute("statusCallback", Kind::Ignored, "No effect."),
    attribute("statusCallbackMethod", Kind::Ignored, "No effect."),
    attribute("connectorName", Kind::Ignored, "No effect."),
    attribute("audioFormat", Kind::Ignored, "No effect."),
    attribute("sampleRate", Kind::Ignored, "No effect."),
];

pub(crate) const CONNECT: &[Attribute] = &[
    attribute("action", Kind::Url, "Requested when the session has ended."),
    attribute("method", Kind::Method, "Method of the action.").default("POST"),
];

/// Reads the `<Stream>` of a `<Start>`.
pub(crate) fn read_start(noun: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    Ok(Some(Verb::StartStream(Box::new(read(noun, false, reading)?))))
}

/// Reads a `<Connect>` with a `<Stream>`.
pub(crate) fn read_connect(
    node: Node<'_, '_>,
    noun: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Read<Verb> {
    let attributes = Attributes::read(node, CONNECT, reading)?;
    for other in node.children().filter(Node::is_element).skip(1) {
        reading.skip(other, "Connect");
    }
    let stream = read(noun, true, reading)?;
    let action = link(&attributes, "action", "method");
    Ok(Some(Verb::ConnectStream(Box::new(ConnectStream { stream, action }))))
}

/// Reads the `<Stream>` of a `<Stop>`.
pub(crate) fn read_stop(noun: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    let attributes = Attributes::read(noun, STOP, reading)?;
    for child in noun.children().filter(Node::is_element) {
        if child.tag_name().name() != "Parameter" {
            reading.skip(child, "Stream");
        }
    }
    let name = name(&attributes);
    if name.is_none() {
        let position = reading.place(noun);
        reading.warn(Code::TWIML_SCHEMA, "<Stop><Stream> has no name: skipped", position);
    }
    Ok(name.map(Verb::StopStream))
}

fn read(noun: Node<'_, '_>, two_way: bool, reading: &mut Reading<'_>) -> Result<Stream, Finding> {
    let attributes = Attributes::read(noun, START, reading)?;
    let parameters = read_parameters(noun, "Stream", reading)?;
    let tracks = match attributes.text("track") {
        Some("outbound_track") if !two_way => Ok(TapTracks::Outbound),
        Some("both_tracks") if !two_way => Ok(TapTracks::Both),
        Some("inbound_track") | None => Ok(TapTracks::Inbound),
        // A two-way stream hears the party and nobody else (streams.md 1).
        Some(other) => Err((Code::STREAM_TRACK, format!("`{other}` is no track of this <Stream>"))),
    };
    let url = attributes.text("url").unwrap_or_default().to_owned();
    let connector = attributes.text("connectorName").filter(|name| !name.is_empty());
    let fault = match (&tracks, connector) {
        (Err(fault), _) => Some(fault.clone()),
        (Ok(_), Some(name)) => {
            Some((Code::STREAM_CONNECTOR, format!("there is no connector `{name}`")))
        }
        (Ok(_), None) if url.is_empty() => {
            Some((Code::STREAM_URL, "the <Stream> has no url".to_owned()))
        }
        (Ok(_), None) => None,
    };
    let fault = fault.map(|(code, message)| Finding::error(code, message).at(reading.place(noun)));
    let callback = link(&attributes, "statusCallback", "statusCallbackMethod");
    Ok(Stream {
        url,
        name: name(&attributes),
        tracks: tracks.unwrap_or(TapTracks::Inbound),
        callback: callback.filter(|link| !link.url.is_empty()),
        parameters,
        fault,
    })
}

/// The `<Parameter>`s of a noun that leaves a call: by name, the last of a name counts.
pub(super) fn read_parameters(
    noun: Node<'_, '_>,
    element: &str,
    reading: &mut Reading<'_>,
) -> Result<Vec<(String, String)>, Finding> {
    read_parameters_beside(&[], noun, element, reading)
}

/// The same for a noun that has `others` as children, too.
pub(super) fn read_parameters_beside(
    others: &[&str],
    noun: Node<'_, '_>,
    element: &str,
    reading: &mut Reading<'_>,
) -> Result<Vec<(String, String)>, Finding> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for child in noun.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Parameter" => {}
            other if others.contains(&other) => continue,
            _ => {
                reading.skip(child, element);
                continue;
            }
        }
        let (name, value) = parameter::read(child, reading)?;
        let characters = name.chars().count() + value.chars().count();
        if name.is_empty()
            || characters >= PARAMETER_CHARACTERS
            || parameters.len() >= STREAM_PARAMETERS_MAX
        {
            let position = reading.place(child);
            let message = "a <Parameter> needs a name, less than 500 characters in all, and only 99 are \
                           possible: skipped";
            reading.warn(Code::TWIML_SCHEMA, message, position);
            continue;
        }
        // JSON has one value a name, so the last one counts.
        parameters.retain(|(other, _)| *other != name);
        parameters.push((name, value));
    }
    Ok(parameters)
}

pub(super) fn name(attributes: &Attributes<'_>) -> Option<String> {
    attributes.text("name").filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Characters of a parameter's name and value together, which are one too many.
const PARAMETER_CHARACTERS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};

    fn start(noun: &str) -> Stream {
        match one(&format!("<Start>{noun}</Start>")) {
            Verb::StartStream(stream) => *stream,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_attribute_has_its_effect() {
        let stream = start(
            "<Stream url=\"wss://a.example/s\" name=\"n\" track=\"both_tracks\" statusCallback=\"/c\" \
             statusCallbackMethod=\"GET\"><Parameter name=\"a\" value=\"1\"/><Parameter name=\"a\" value=\"2\"/>\
             <Parameter name=\"b\" value=\"3\"/></Stream>",
        );
        assert_eq!((stream.url.as_str(), stream.name.as_deref()), ("wss://a.example/s", Some("n")));
        assert_eq!((stream.tracks, stream.fault), (TapTracks::Both, None));
        let callback = stream.callback.expect("it is written");
        assert_eq!((callback.url.as_str(), callback.method), ("/c", store::HttpMethod::Get));
        let parameters = [("a", "2"), ("b", "3")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(stream.parameters, parameters);
        let plain = start("<Stream url=\"wss://a.example/s\"/>");
        assert_eq!((plain.tracks, plain.name, plain.callback), (TapTracks::Inbound, None, None));
    }

    #[test]
    fn a_stream_that_cannot_start_says_why_and_breaks_nothing() {
        let fault = |noun: &str| start(noun).fault.expect("a fault").code;
        assert_eq!(fault("<Stream/>"), Code::STREAM_URL);
        assert_eq!(fault("<Stream url=\"wss://a\" track=\"left\"/>"), Code::STREAM_TRACK);
        assert_eq!(fault("<Stream url=\"wss://a\" connectorName=\"x\"/>"), Code::STREAM_CONNECTOR);
        let long = "x".repeat(500);
        let text = format!(
            "<Start><Stream url=\"wss://a\"><Parameter name=\"a\" value=\"{long}\"/></Stream></Start>"
        );
        assert_eq!(codes(&text), [Code::TWIML_SCHEMA]);
    }

    #[test]
    fn a_two_way_stream_hears_only_the_party() {
        let connect = |noun: &str| match one(&format!("<Connect action=\"/a\">{noun}</Connect>")) {
            Verb::ConnectStream(connect) => *connect,
            other => panic!("{other:?}"),
        };
        let both = connect("<Stream url=\"wss://a\" track=\"both_tracks\"/>");
        assert_eq!(both.stream.fault.expect("a fault").code, Code::STREAM_TRACK);
        let fine = connect("<Stream url=\"wss://a\" track=\"inbound_track\"/>");
        assert_eq!((fine.stream.fault, fine.action.expect("one").url.as_str()), (None, "/a"));
    }

    #[test]
    fn a_stop_needs_a_name() {
        assert_eq!(one("<Stop><Stream name=\"a\"/></Stop>"), Verb::StopStream("a".to_owned()));
        assert_eq!(codes("<Stop><Stream/></Stop>"), [Code::TWIML_SCHEMA]);
    }
}
