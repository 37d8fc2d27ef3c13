//! Reads session descriptions. Sans-IO, total over any bytes.

use std::net::IpAddr;

use shared::limits::{
    SDP_ATTRIBUTES_MAX, SDP_BYTES_MAX, SDP_CONNECTIONS_MAX, SDP_FORMATS_MAX, SDP_LINE_BYTES_MAX,
    SDP_LINES_MAX, SDP_MEDIA_MAX, SDP_WORD_BYTES_MAX,
};

use super::{AUDIO, Attribute, Connection, MediaDescription, SdpRefusal, SessionDescription};

/// Reads a description. Bytes that are not UTF-8 are replaced first; a line may end with LF alone;
/// `o=`, `s=` and `t=` may be missing.
///
/// Keeps of a section other than audio its `m=` line, and elsewhere the attributes in
/// [`READ_ATTRIBUTES`]. All other lines are skipped, whatever their number and length (RFC 8866
/// §5.13): a peer with video or ICE writes hundreds of them.
///
/// # Errors
/// 488 past a limit on the whole or on a line that is read, 400 for what is not a description.
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
        if line.contains(['\0', '\r']) {
            return Err(SYNTAX);
        }
        // Empty lines are not SDP, but common at the end.
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
        if !self.reads(kind, value) {
            return Ok(());
        }
        if line.len() > SDP_LINE_BYTES_MAX {
            return Err(SdpRefusal::not_acceptable("sdp_line_size", "an SDP line is too long"));
        }
        match kind {
            "v" => self.take_version(value),
            "c" => self.take_connection(value),
            "t" => self.take_time(value),
            "m" => self.take_media(value),
            _ => {
                self.take_attribute(value);
                Ok(())
            }
        }
    }

    /// Whether a line is kept.
    fn reads(&self, kind: &str, value: &str) -> bool {
        let is_skipped = self.media.last().is_some_and(|media| !media.is_audio());
        match kind {
            "v" | "t" | "m" => true,
            "c" => !is_skipped,
            "a" => !is_skipped && is_read_attribute(value),
            _ => false,
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
            Some(media) if media.connections.len() < SDP_CONNECTIONS_MAX => {
                media.connections.push(connection);
            }
            Some(_) => {}
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
        let (kind, port, protocol) = (word()?.to_ascii_lowercase(), word()?, word()?);
        // A refused section is answered with one of its formats (RFC 3264 §6).
        let formats_max = if kind == AUDIO { SDP_FORMATS_MAX } else { 1 };
        let formats: Vec<_> = parts.take(formats_max).map(str::to_owned).collect();
        if formats.is_empty() || !formats.iter().all(|format| is_word(format)) {
            return Err(SYNTAX);
        }
        self.media.push(MediaDescription {
            kind,
            // `port/count` is for layered media, which is not served: the first port counts.
            port: port.split('/').next().and_then(|port| port.parse().ok()).ok_or(SYNTAX)?,
            protocol: protocol.to_owned(),
            formats,
            connections: Vec::new(),
            attributes: Vec::new(),
        });
        Ok(())
    }

    /// Past the limit further ones are dropped.
    fn take_attribute(&mut self, line: &str) {
        let attributes = match self.media.last_mut() {
            Some(media) => &mut media.attributes,
            None => &mut self.attributes,
        };
        if attributes.len() < SDP_ATTRIBUTES_MAX {
            let value = line.split_once(':').map(|(_, value)| value.trim().to_owned());
            attributes.push(Attribute { name: attribute_name(line).to_owned(), value });
        }
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

/// The name of an attribute, before its colon.
fn attribute_name(line: &str) -> &str {
    line.split(':').next().unwrap_or_default().trim()
}

fn is_read_attribute(line: &str) -> bool {
    let name = attribute_name(line);
    READ_ATTRIBUTES.iter().any(|read| name.eq_ignore_ascii_case(read))
}

/// Visible ASCII of a length that may be kept and echoed in an answer.
fn is_word(word: &str) -> bool {
    (1..=SDP_WORD_BYTES_MAX).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The attributes that offer and answer look at.
const READ_ATTRIBUTES: [&str; 11] = [
    "rtpmap", "fmtp", "ptime", "maxptime", "rtcp", "rtcp-mux", "crypto", "sendrecv", "sendonly",
    "recvonly", "inactive",
];

const SYNTAX: SdpRefusal = SdpRefusal::syntax("sdp_syntax", "the SDP cannot be read");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AUDIO: &str = "v=0\r\nm=audio 4000 RTP/AVP 0\r\n";

    fn status(text: &str) -> Option<(&'static str, u16)> {
        parse(text.as_bytes()).err().map(|refusal| (refusal.rule, refusal.status))
    }

    /// Four lines of ICE and of one stream's source for each unit, as a browser writes them.
    fn browser_lines(count: usize) -> String {
        let lines = "a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\n\
                     a=ssrc:1 cname:x\r\na=rtcp-fb:96 nack\r\na=extmap:1 urn:x\r\n";
        lines.repeat(count)
    }

    #[test]
    fn unused_lines_are_skipped_whatever_their_number_and_length() {
        let long = "x".repeat(SDP_LINE_BYTES_MAX);
        let text = format!(
            "v=0\r\na=group:{long}\r\nm=audio 4000 RTP/AVP 0\r\n{}a=sendonly\r\na=x:{long}\r\n",
            browser_lines(80)
        );
        let sdp = parse(text.as_bytes()).unwrap();
        assert!(sdp.attributes.is_empty());
        assert_eq!(sdp.media[0].attributes.len(), 1);
        assert!(sdp.media[0].has("sendonly"));
    }

    #[test]
    fn of_a_section_that_is_not_audio_only_its_first_line_is_kept() {
        let formats: String = (0..300).map(|number| format!(" {number}")).collect();
        let text = format!(
            "v=0\r\nm=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP{formats}\r\nc=ATM NSAP x\r\n\
             a=rtpmap:96 VP8/90000\r\n{}",
            browser_lines(70)
        );
        let sdp = parse(text.as_bytes()).unwrap();
        let video = &sdp.media[1];
        assert_eq!((video.formats.as_slice(), video.port), (["0".to_owned()].as_slice(), 4002));
        assert!(video.attributes.is_empty() && video.connections.is_empty());
    }

    #[test]
    fn past_what_is_kept_the_first_count() {
        let text = format!(
            "v=0\r\nm=audio 4000 RTP/AVP{}\r\n{}{}",
            " 0".repeat(SDP_FORMATS_MAX + 1),
            "c=IN IP4 192.0.2.1\r\n".repeat(SDP_CONNECTIONS_MAX + 1),
            "a=ptime:20\r\n".repeat(SDP_ATTRIBUTES_MAX + 1)
        );
        let sdp = parse(text.as_bytes()).unwrap();
        let audio = &sdp.media[0];
        assert_eq!(audio.formats.len(), SDP_FORMATS_MAX);
        assert_eq!(audio.connections.len(), SDP_CONNECTIONS_MAX);
        assert_eq!(audio.attributes.len(), SDP_ATTRIBUTES_MAX);
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
            &format!("v=0\r\nm={} 1 RTP/AVP 0", "x".repeat(SDP_WORD_BYTES_MAX + 1)),
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
        let long = |line: &str, len: usize| format!("{line}{}", "1".repeat(len - line.len()));
        let cases = [
            ("sdp_size", format!("v=0\r\n{}", "s=x\r\n".repeat(SDP_BYTES_MAX / 5))),
            ("sdp_lines", format!("v=0\n{}", "s=\n".repeat(SDP_LINES_MAX))),
            ("sdp_line_size", format!("{AUDIO}{}", long("a=ptime:", SDP_LINE_BYTES_MAX + 1))),
            ("sdp_media", format!("v=0\r\n{}", media.repeat(SDP_MEDIA_MAX + 1))),
        ];
        for (rule, text) in cases {
            assert_eq!(status(&text), Some((rule, 488)));
        }
        let at_the_limits = format!(
            "v=0\r\n{}{}",
            media.repeat(SDP_MEDIA_MAX),
            long("a=ptime:", SDP_LINE_BYTES_MAX)
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
