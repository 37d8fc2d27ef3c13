//! Metadata of a recording session (RFC 7865): who speaks in which stream. Pure.
//!
//! The party of the call sends stream 1, what it hears is stream 2: that of its partner, or the mix of a conference, to which
//! several participants send. Labels are those of the media descriptions of the INVITE; a session that records one track has
//! its stream alone. The description is always complete, and sent again when the party holds the call, resumes it, or talks
//! with others. `<Parameter>`s of the customer stand in an
//! extension element (RFC 7865 §7).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::media::TapTracks;
use shared::{Direction, Random};

use crate::date::iso8601;
use crate::input::Partner;

/// A recording session as its metadata describe it. All but the other participants stays for the life of the session, and a
/// participant keeps its name while it stays, so that each document names what the one before named.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The party of the call: its URI or number.
    pub party: String,
    /// With whom the party talks.
    pub others: Vec<Other>,
    /// The Call-ID of the call; empty where it has none.
    pub call_id: String,
    /// The tracks that are recorded.
    pub tracks: TapTracks,
    /// The customer's parameters.
    pub parameters: Vec<(String, String)>,
    /// When it began, in milliseconds since 1970.
    pub start_ms: i64,
    /// The names of its parts.
    pub ids: Ids,
}

/// A participant beside the party.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    id: String,
    partner: Partner,
    since_ms: i64,
}

/// UUIDs of session, party and streams.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    session: String,
    party: String,
    inbound: String,
    outbound: String,
}

impl Ids {
    pub fn new(random: &mut Random) -> Self {
        let mut id = || unique(random);
        Self { session: id(), party: id(), inbound: id(), outbound: id() }
    }
}

impl Recorded {
    /// These are the other participants. Those that were there keep their names.
    pub fn talk_with(&mut self, partners: &[Partner], unix_ms: i64, random: &mut Random) {
        let before = std::mem::take(&mut self.others);
        let named = |partner: &Partner| {
            let is_same = |other: &&Other| {
                (other.partner.call, &other.partner.aor) == (partner.call, &partner.aor)
            };
            let known = before.iter().find(is_same);
            let (id, since_ms) = known.map_or_else(
                || (unique(random), unix_ms),
                |other| (other.id.clone(), other.since_ms),
            );
            Other { id, partner: partner.clone(), since_ms }
        };
        self.others = partners.iter().map(named).collect();
    }

    /// The whole description, for an INVITE. `direction` is that of our media with the party: a stream that the party
    /// does not send, or hear, has no participants while it holds the call.
    pub fn metadata(&self, direction: Direction) -> String {
        let ids = &self.ids;
        let session = &ids.session;
        let start = iso8601(self.start_ms);
        let streams = match self.tracks {
            TapTracks::Inbound => vec![&ids.inbound],
            TapTracks::Outbound => vec![&ids.outbound],
            TapTracks::Both => vec![&ids.inbound, &ids.outbound],
        };
        let mut xml = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
             <recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n\
             <datamode>complete</datamode>\r\n",
        );
        let call_id = match self.call_id.as_str() {
            "" => String::new(),
            call_id => format!("<sipSessionID>{}</sipSessionID>", escaped(call_id)),
        };
        let parameters = parameters(&self.parameters);
        xml += &format!(
            "<session session_id=\"{session}\">{call_id}<start-time>{start}</start-time>{parameters}</session>\r\n"
        );
        let participants = self.participants(direction);
        for participant in &participants {
            let (id, aor) = (participant.id, escaped(&aor_of(participant.aor)));
            xml += &format!(
                "<participant participant_id=\"{id}\"><nameID aor=\"{aor}\"/></participant>\r\n"
            );
        }
        for (label, stream) in (1..).zip(&streams) {
            xml += &format!(
                "<stream stream_id=\"{stream}\" session_id=\"{session}\"><label>{label}</label></stream>\r\n"
            );
        }
        for participant in &participants {
            let (id, since) = (participant.id, iso8601(participant.since_ms));
            xml += &format!(
                "<participantsessionassoc participant_id=\"{id}\" session_id=\"{session}\">\
                 <associate-time>{since}</associate-time></participantsessionassoc>\r\n"
            );
        }
        for participant in &participants {
            xml += &format!("<participantstreamassoc participant_id=\"{}\">", participant.id);
            for (element, stream) in [("send", participant.sends), ("recv", participant.hears)] {
                if let Some(stream) = stream.filter(|stream| streams.contains(stream)) {
                    xml += &format!("<{element}>{stream}</{element}>");
                }
            }
            xml += "</participantstreamassoc>\r\n";
        }
        xml + "</recording>\r\n"
    }

    /// The party, then the others, with the streams that each sends and hears.
    fn participants(&self, direction: Direction) -> Vec<Participant<'_>> {
        let inbound = Some(&self.ids.inbound).filter(|_| direction.receives());
        let outbound = Some(&self.ids.outbound).filter(|_| direction.sends());
        let party = Participant {
            id: &self.ids.party,
            aor: &self.party,
            since_ms: self.start_ms,
            sends: inbound,
            hears: outbound,
        };
        let others = self.others.iter().map(|other| Participant {
            id: &other.id,
            aor: &other.partner.aor,
            since_ms: other.since_ms,
            sends: outbound.filter(|_| other.partner.speaks),
            hears: inbound.filter(|_| other.partner.hears),
        });
        std::iter::once(party).chain(others).collect()
    }
}

/// A participant as a document describes it.
struct Participant<'r> {
    id: &'r str,
    aor: &'r str,
    since_ms: i64,
    sends: Option<&'r String>,
    hears: Option<&'r String>,
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

    fn recorded(tracks: TapTracks) -> Recorded {
        let mut random = Random::new([7; 32]);
        let mut recorded = Recorded {
            party: "sip:alice@a.example".to_owned(),
            others: Vec::new(),
            call_id: "x<y@z".to_owned(),
            tracks,
            parameters: vec![("ticket".to_owned(), "<81> & \"x\"\u{7}".to_owned())],
            start_ms: 0,
            ids: Ids::new(&mut random),
        };
        recorded.talk_with(&[partner("+15005550006", true)], 0, &mut random);
        recorded
    }

    fn partner(aor: &str, speaks: bool) -> Partner {
        Partner { call: None, aor: aor.to_owned(), speaks, hears: true }
    }

    fn of(tracks: TapTracks) -> String {
        recorded(tracks).metadata(Direction::SendRecv)
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

    #[test]
    fn a_party_that_holds_the_call_leaves_the_streams_that_it_does_not_send_or_hear() {
        let recorded = recorded(TapTracks::Both);
        for (direction, senders, hearers) in [
            (Direction::SendRecv, 2, 2),
            (Direction::RecvOnly, 1, 1),
            (Direction::SendOnly, 1, 1),
            (Direction::Inactive, 0, 0),
        ] {
            let (before, text) = (of(TapTracks::Both), recorded.metadata(direction));
            let (before, document) =
                (Document::parse(&before).unwrap(), Document::parse(&text).unwrap());
            let found = (all(&document, "send").count(), all(&document, "recv").count());
            assert_eq!(found, (senders, hearers), "{direction:?}");
            let ids = |document| attributes(document, "stream", "stream_id");
            assert_eq!(ids(&document), ids(&before), "both streams stay");
        }
        let held = recorded.metadata(Direction::RecvOnly);
        let held = Document::parse(&held).unwrap();
        assert_eq!(texts(&held, "send"), [recorded.ids.inbound], "the party plays its music");
    }

    #[test]
    fn members_of_a_conference_send_one_stream_and_keep_their_names() {
        let mut tape = recorded(TapTracks::Both);
        let (number, bob) = (partner("+15005550006", true), partner("sip:bob@b.example", false));
        let mut random = Random::new([8; 32]);
        tape.talk_with(&[bob, number], 61_000, &mut random);
        let text = tape.metadata(Direction::SendRecv);
        let document = Document::parse(&text).expect("well-formed XML");
        let Ids { inbound, outbound, party, .. } = &tape.ids;
        assert_eq!(texts(&document, "send"), [inbound.clone(), outbound.clone()], "bob is muted");
        assert_eq!(texts(&document, "recv"), [outbound, inbound, inbound].map(String::clone));
        let since = texts(&document, "associate-time");
        assert_eq!(since[0], since[2], "the number was there from the start");
        assert_ne!(since[0], since[1], "bob came later");
        let before = of(TapTracks::Both);
        let before = Document::parse(&before).expect("well-formed XML");
        let ids = |document| attributes(document, "participant", "participant_id");
        assert_eq!(ids(&before), [party.clone(), ids(&document)[2].clone()]);
    }
}
