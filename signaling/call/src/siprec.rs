//! Metadata of a recording session (RFC 7865): who speaks in which stream. Pure.
//!
//! The party of the call sends stream 1, what it hears is stream 2. Labels are those of the media descriptions of the
//! INVITE; a session that records one track has its stream alone. `<Parameter>`s of the customer stand in an
//! extension element (RFC 7865 §7).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::media::TapTracks;
use shared::{Now, Random};

use crate::date::iso8601;

/// What the metadata say of the call.
pub(crate) struct Recorded<'a> {
    /// The party of the call: its URI or number.
    pub party: &'a str,
    /// Whom the party talks with.
    pub other: &'a str,
    /// The Call-ID of the call; empty where it has none.
    pub call_id: &'a str,
    /// The tracks that are recorded.
    pub tracks: TapTracks,
    /// The customer's parameters.
    pub parameters: &'a [(String, String)],
}

/// The whole description, for the INVITE.
pub(crate) fn metadata(now: Now, random: &mut Random, recorded: &Recorded<'_>) -> String {
    let mut id = || unique(random);
    let (session, party, other) = (id(), id(), id());
    let (inbound, outbound) = (id(), id());
    let start = iso8601(now.unix_ms);
    let streams: Vec<&String> = match recorded.tracks {
        TapTracks::Inbound => vec![&inbound],
        TapTracks::Outbound => vec![&outbound],
        TapTracks::Both => vec![&inbound, &outbound],
    };
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n\
         <datamode>complete</datamode>\r\n",
    );
    let call_id = match recorded.call_id {
        "" => String::new(),
        call_id => format!("<sipSessionID>{}</sipSessionID>", escaped(call_id)),
    };
    let parameters = parameters(recorded.parameters);
    xml += &format!(
        "<session session_id=\"{session}\">{call_id}<start-time>{start}</start-time>{parameters}</session>\r\n"
    );
    for (participant, aor) in [(&party, recorded.party), (&other, recorded.other)] {
        let aor = escaped(&aor_of(aor));
        xml += &format!(
            "<participant participant_id=\"{participant}\"><nameID aor=\"{aor}\"/></participant>\r\n"
        );
    }
    for (label, stream) in (1..).zip(&streams) {
        xml += &format!(
            "<stream stream_id=\"{stream}\" session_id=\"{session}\"><label>{label}</label></stream>\r\n"
        );
    }
    for participant in [&party, &other] {
        xml += &format!(
            "<participantsessionassoc participant_id=\"{participant}\" session_id=\"{session}\">\
             <associate-time>{start}</associate-time></participantsessionassoc>\r\n"
        );
    }
    let associations = [(&party, &inbound, &outbound), (&other, &outbound, &inbound)];
    for (participant, sent, heard) in associations {
        xml += &format!("<participantstreamassoc participant_id=\"{participant}\">");
        for (element, stream) in [("send", sent), ("recv", heard)] {
            if streams.contains(&stream) {
                xml += &format!("<{element}>{stream}</{element}>");
            }
        }
        xml += "</participantstreamassoc>\r\n";
    }
    xml + "</recording>\r\n"
}

/// A UUID in base64 (RFC 7865 §6.10), of 16 random bytes.
fn unique(random: &mut Random) -> String {
    let bytes = [random.number().to_be_bytes(), random.number().to_be_bytes()].concat();
    STANDARD.encode(bytes)
}

/// A number becomes a tel URI (RFC 3966).
fn aor_of(party: &str) -> String {
    if party.starts_with('+') { format!("tel:{party}") } else { party.to_owned() }
}

fn parameters(parameters: &[(String, String)]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let one = |(name, value): &(String, String)| {
        format!("<parameter name=\"{}\">{}</parameter>", escaped(name), escaped(value))
    };
    let all: String = parameters.iter().map(one).collect();
    format!("<parameters xmlns=\"urn:sidetone:siprec\">{all}</parameters>")
}

/// A text as the value of an attribute, or as content, in XML.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no other control characters; a name that holds one would break the document.
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;

    fn of(tracks: TapTracks) -> String {
        let parameters = [("ticket".to_owned(), "<81> & \"x\"\u{7}".to_owned())];
        let recorded = Recorded {
            party: "sip:alice@a.example",
            other: "+15005550006",
            call_id: "x<y@z",
            tracks,
            parameters: &parameters,
        };
        metadata(Now::default(), &mut Random::new([7; 32]), &recorded)
    }

    fn all<'a, 'i>(
        document: &'a Document<'i>,
        name: &'a str,
    ) -> impl Iterator<Item = Node<'a, 'i>> {
        document.descendants().filter(move |node| node.tag_name().name() == name)
    }

    fn texts(document: &Document<'_>, name: &str) -> Vec<String> {
        all(document, name).filter_map(|node| node.text().map(str::to_owned)).collect()
    }

    fn attributes(document: &Document<'_>, name: &str, attribute: &str) -> Vec<String> {
        all(document, name)
            .filter_map(|node| node.attribute(attribute).map(str::to_owned))
            .collect()
    }

    #[test]
    fn each_participant_sends_what_the_other_hears() {
        let text = of(TapTracks::Both);
        let document = Document::parse(&text).expect("well-formed XML");
        let streams = attributes(&document, "stream", "stream_id");
        assert_eq!(texts(&document, "label"), ["1", "2"]);
        let [inbound, outbound] = streams.as_slice() else { panic!("two streams: {streams:?}") };
        assert_ne!(inbound, outbound);
        assert_eq!(texts(&document, "send"), [inbound.clone(), outbound.clone()]);
        assert_eq!(texts(&document, "recv"), [outbound.clone(), inbound.clone()]);
        let names = attributes(&document, "nameID", "aor");
        assert_eq!(names, ["sip:alice@a.example", "tel:+15005550006"]);
        assert_eq!(texts(&document, "sipSessionID"), ["x<y@z"]);
        assert_eq!(texts(&document, "parameter"), ["<81> & \"x\" "]);
    }

    #[test]
    fn one_track_is_one_stream_with_its_sender() {
        let text = of(TapTracks::Outbound);
        let document = Document::parse(&text).expect("well-formed XML");
        assert_eq!(attributes(&document, "stream", "stream_id").len(), 1);
        let sender = all(&document, "send").next().and_then(|node| node.parent());
        let sender = sender.and_then(|node| node.attribute("participant_id").map(str::to_owned));
        let participants = attributes(&document, "participant", "participant_id");
        assert_eq!(
            sender.as_ref(),
            participants.last(),
            "the other one sends what the party hears"
        );
    }
}
