//! Reads session descriptions. Sans-IO, total over any bytes.

use std::net::IpAddr;

use shared::limits::{
    SDP_ATTRIBUTES_MAX, SDP_BYTES_MAX, SDP_CANDIDATES_MAX, SDP_FORMATS_MAX, SDP_LINE_BYTES_MAX,
    SDP_LINES_MAX, SDP_MEDIA_MAX,
};

use super::{Attribute, Connection, MediaDescription, SdpRefusal, SessionDescription};

/// Reads a description. Bytes that are not UTF-8 are replaced first; a line may end with LF alone;
/// `o=`, `s=` and `t=` may be missing; line types that are not needed are not looked into.
///
/// # Errors
/// 488 past a limit, 400 for what is no description.
pub fn parse(bytes: &[u8]) -> Result<SessionDescription, SdpRefusal> {
    if bytes.len() > SDP_BYTES_MAX {
        return Err(SdpRefusal::not_acceptable("sdp_size", "the SDP is longer than the limit"));
    }
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        if index >= SDP_LINES_MAX {
            return Err(SdpRefusal::not_acceptable("sdp_lines", "the SDP has too many lines"));
        }
        if line.len() > SDP_LINE_BYTES_MAX {
            return Err(SdpRefusal::not_acceptable("sdp_line_size", "an SDP line is too long"));
        }
        if line.contains(['\0', '\r']) {
            return Err(SYNTAX);
        }
        // Empty lines are no lines of SDP, but common at the end.
        if !line.is_empty() {
            reader.take(line)?;
        }
    }
    if reader.has_version { Ok(reader.into_description()) } else { Err(SYNTAX) }
}

#[derive(Default)]
struct Reader {
    has_version: bool,
    connection: Option<Connection>,
    time: Option<(String, String)>,
    attributes: Vec<Attribute>,
    media: Vec<MediaDescription>,
}

impl Reader {
    fn take(&mut self, line: &str) -> Result<(), SdpRefusal> {
        let (kind, value) = line.split_once('=').ok_or(SYNTAX)?;
        if kind.len() != 1 || !kind.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err(SYNTAX);
        }
        if !self.has_version && kind != "v" {
            return Err(SdpRefusal::syntax("sdp_version", "the SDP does not begin with v=0"));
        }
        match kind {
            "v" => self.take_version(value),
            "c" => self.take_connection(value),
            "t" => self.take_time(value),
            "m" => self.take_media(value),
            "a" => self.take_attribute(value),
            _ => Ok(()),
        }
    }

    fn take_version(&mut self, value: &str) -> Result<(), SdpRefusal> {
        self.has_version = value.trim() == "0" && !self.has_version;
        match self.has_version {
            true => Ok(()),
            false => Err(SdpRefusal::syntax("sdp_version", "the SDP version is not 0, once")),
        }
    }

    fn take_connection(&mut self, value: &str) -> Result<(), SdpRefusal> {
        let connection = read_connection(value)?;
        match self.media.last_mut() {
            // As many as attributes: they are bounded alike.
            Some(media) if media.connections.len() < SDP_ATTRIBUTES_MAX => {
                media.connections.push(connection);
            }
            Some(_) => return Err(TOO_MANY_ATTRIBUTES),
            None => self.connection = self.connection.take().or(Some(connection)),
        }
        Ok(())
    }

    /// Echoed in an answer (RFC 3264 §6), so only digits pass.
    fn take_time(&mut self, value: &str) -> Result<(), SdpRefusal> {
        let mut parts = value.split_ascii_whitespace();
        let mut number = || {
            let digits = parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            digits.map(str::to_owned).ok_or(SYNTAX)
        };
        let time = (number()?, number()?);
        self.time = self.time.take().or(Some(time));
        Ok(())
    }

    fn take_media(&mut self, value: &str) -> Result<(), SdpRefusal> {
        if self.media.len() == SDP_MEDIA_MAX {
            let sentence = "the SDP has too many media descriptions";
            return Err(SdpRefusal::not_acceptable("sdp_media", sentence));
        }
        let mut parts = value.split_ascii_whitespace();
        let mut word = || parts.next().filter(|word| is_word(word)).ok_or(SYNTAX);
        let (kind, port, protocol) = (word()?, word()?, word()?);
        let formats: Vec<_> = parts.map(str::to_owned).take(SDP_FORMATS_MAX + 1).collect();
        if formats.len() > SDP_FORMATS_MAX {
            let sentence = "a media description has too many formats";
            return Err(SdpRefusal::not_acceptable("sdp_formats", sentence));
        }
        if formats.is_empty() || !formats.iter().all(|format| is_word(format)) {
            return Err(SYNTAX);
        }
        self.media.push(MediaDescription {
            kind: kind.to_ascii_lowercase(),
            // `port/count` is for layered media, which is not served: the first port counts.
            port: port.split('/').next().and_then(|port| port.parse().ok()).ok_or(SYNTAX)?,
            protocol: protocol.to_owned(),
            formats,
            connections: Vec::new(),
            attributes: Vec::new(),
        });
        Ok(())
    }

    fn take_attribute(&mut self, value: &str) -> Result<(), SdpRefusal> {
        let (name, value) = match value.split_once(':') {
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => (value, None),
        };
        let attributes = match self.media.last_mut() {
            Some(media) => &mut media.attributes,
            None => &mut self.attributes,
        };
        if attributes.len() == SDP_ATTRIBUTES_MAX {
            return Err(TOO_MANY_ATTRIBUTES);
        }
        let name = name.trim();
        let is_candidate = |name: &str| name.eq_ignore_ascii_case("candidate");
        if is_candidate(name)
            && attributes.iter().filter(|known| is_candidate(&known.name)).count()
                == SDP_CANDIDATES_MAX
        {
            let sentence = "a media description has too many ICE candidates";
            return Err(SdpRefusal::not_acceptable("sdp_candidates", sentence));
        }
        attributes.push(Attribute { name: name.to_owned(), value });
        Ok(())
    }

    fn into_description(self) -> SessionDescription {
        SessionDescription {
            connection: self.connection,
            time: self.time.unwrap_or_else(|| ("0".to_owned(), "0".to_owned())),
            attributes: self.attributes,
            media: self.media,
        }
    }
}

/// `IN IP4 address[/ttl]`, `IN IP6 address`, or a host name in the place of the address.
fn read_connection(value: &str) -> Result<Connection, SdpRefusal> {
    let mut parts = value.split_ascii_whitespace();
    let (network, family) = (parts.next().ok_or(SYNTAX)?, parts.next().ok_or(SYNTAX)?);
    let address = parts.next().and_then(|address| address.split('/').next()).ok_or(SYNTAX)?;
    let is_ip = family.eq_ignore_ascii_case("IP4") || family.eq_ignore_ascii_case("IP6");
    if !network.eq_ignore_ascii_case("IN") || !is_ip {
        return Err(SdpRefusal::not_acceptable("sdp_network", "the SDP names no IP network"));
    }
    match address.parse::<IpAddr>() {
        Ok(address) => Ok(Connection::Address(address.to_canonical())),
        Err(_) if is_word(address) => Ok(Connection::Name(address.to_owned())),
        Err(_) => Err(SYNTAX),
    }
}

/// Visible ASCII: what may be echoed in an answer.
fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic())
}

const SYNTAX: SdpRefusal = SdpRefusal::syntax("sdp_syntax", "the SDP cannot be read");
const TOO_MANY_ATTRIBUTES: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_attributes", "a part of the SDP has too many attributes");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AUDIO: &str = "v=0\r\nm=audio 4000 RTP/AVP 0\r\n";

    fn status(text: &str) -> Option<(&'static str, u16)> {
        parse(text.as_bytes()).err().map(|refusal| (refusal.rule, refusal.status))
    }

    #[test]
    fn candidates_are_as_many_as_the_limit_says() {
        let candidates = |count| {
            let line = "a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\n";
            format!("{AUDIO}{}", line.repeat(count))
        };
        assert_eq!(status(&candidates(SDP_CANDIDATES_MAX)), None);
        assert_eq!(status(&candidates(SDP_CANDIDATES_MAX + 1)), Some(("sdp_candidates", 488)));
    }

    #[test]
    fn what_is_missing_or_odd_but_harmless_is_read_past() {
        let text =
            "v=0\nm=audio 4000/2 RTP/AVP 0 8\nc=IN IP6 2001:db8::1\na=sendonly\nz=anything\n\n";
        let sdp = parse(text.as_bytes()).unwrap();
        assert_eq!(sdp.time, ("0".to_owned(), "0".to_owned()));
        assert_eq!(sdp.media[0].port, 4000);
        assert!(sdp.media[0].has("sendonly"));
        let latin1 = [&b"v=0\r\ns=B\xFCro\r\n"[..], &AUDIO.as_bytes()[5..]].concat();
        assert_eq!(parse(&latin1).unwrap().media.len(), 1);
    }

    #[test]
    fn broken_descriptions_are_400() {
        for text in [
            "",
            "nonsense",
            "v=1\r\n",
            "v=0\r\nv=0\r\n",
            "s=x\r\nv=0\r\n",
            "v=0\r\nm =video 1 RTP/AVP 0",
            "v=0\r\nm=audio",
            "v=0\r\nm=audio x RTP/AVP 0",
            "v=0\r\nm=audio 70000 RTP/AVP 0",
            "v=0\r\nm=audio 1 RTP/AVP",
            "v=0\r\nc=IN IP4",
            "v=0\r\nt=x y",
            "v=0\r\nno line",
            "v=0\r\na=\0",
        ] {
            assert_eq!(status(text).map(|(_, status)| status), Some(400), "{text}");
        }
    }

    #[test]
    fn each_limit_has_its_rule() {
        let media = "m=audio 4000 RTP/AVP 0\r\n";
        let cases = [
            ("sdp_size", format!("v=0\r\n{}", "s=x\r\n".repeat(SDP_BYTES_MAX / 5))),
            ("sdp_lines", format!("v=0\n{}", "s=\n".repeat(SDP_LINES_MAX))),
            ("sdp_line_size", format!("v=0\r\ns={}", "x".repeat(SDP_LINE_BYTES_MAX - 1))),
            ("sdp_media", format!("v=0\r\n{}", media.repeat(SDP_MEDIA_MAX + 1))),
            (
                "sdp_formats",
                format!("v=0\r\nm=audio 1 RTP/AVP{}", " 0".repeat(SDP_FORMATS_MAX + 1)),
            ),
            ("sdp_attributes", format!("{AUDIO}{}", "a=x\r\n".repeat(SDP_ATTRIBUTES_MAX + 1))),
        ];
        for (rule, text) in cases {
            assert_eq!(status(&text), Some((rule, 488)));
        }
        let at_the_limits = format!(
            "v=0\r\ns={}\r\n{}m=audio 1 RTP/AVP{}\r\n{}",
            "x".repeat(SDP_LINE_BYTES_MAX - 2),
            media.repeat(SDP_MEDIA_MAX - 1),
            " 0".repeat(SDP_FORMATS_MAX),
            "a=x\r\n".repeat(SDP_ATTRIBUTES_MAX)
        );
        assert_eq!(status(&at_the_limits), None);
    }

    #[test]
    fn mapped_ipv4_is_ipv4() {
        let sdp = parse(b"v=0\r\nc=IN IP6 ::ffff:192.0.2.2\r\n").unwrap();
        assert_eq!(sdp.connection, "192.0.2.2".parse().ok().map(Connection::Address));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_lines_are_read_or_refused(
            lines in prop::collection::vec("[vcmaot]=[ -~]{0,40}|m=audio [0-9]{1,6} RTP/AVP( [0-9]{1,4}){0,4}", 0..20),
        ) {
            let text = format!("v=0\r\n{}", lines.join("\r\n"));
            if let Ok(sdp) = parse(text.as_bytes()) {
                for media in &sdp.media {
                    prop_assert!(media.payload_types().all(|format| format.payload_type < 128));
                }
            }
        }
    }
}
