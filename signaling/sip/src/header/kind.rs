//! Headers that the parser itself reads, and compact forms. Sans-IO.

/// Headers with a field of their own in a message, or that frame it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderKind {
    /// `Via`, `v`.
    Via,
    /// `From`, `f`.
    From,
    /// `To`, `t`.
    To,
    /// `Call-ID`, `i`.
    CallId,
    /// `CSeq`.
    CSeq,
    /// `Max-Forwards`.
    MaxForwards,
    /// `Contact`, `m`.
    Contact,
    /// `Route`.
    Route,
    /// `Record-Route`.
    RecordRoute,
    /// `Content-Length`, `l`.
    ContentLength,
    /// All others.
    Other,
}

impl HeaderKind {
    /// The kind of a header name in any case and form.
    pub fn of(name: &[u8]) -> Self {
        let is = |wanted: &[u8], kind| {
            if name.eq_ignore_ascii_case(wanted) { kind } else { Self::Other }
        };
        match (name.len(), name.first().map(u8::to_ascii_lowercase)) {
            (1, Some(b'v')) => Self::Via,
            (1, Some(b'f')) => Self::From,
            (1, Some(b't')) => Self::To,
            (1, Some(b'i')) => Self::CallId,
            (1, Some(b'm')) => Self::Contact,
            (1, Some(b'l')) => Self::ContentLength,
            (2, Some(b't')) => is(b"To", Self::To),
            (3, Some(b'v')) => is(b"Via", Self::Via),
            (4, Some(b'f')) => is(b"From", Self::From),
            (4, Some(b'c')) => is(b"CSeq", Self::CSeq),
            (5, Some(b'r')) => is(b"Route", Self::Route),
            (7, Some(b'c')) if name.eq_ignore_ascii_case(b"Call-ID") => Self::CallId,
            (7, Some(b'c')) => is(b"Contact", Self::Contact),
            (12, Some(b'm')) => is(b"Max-Forwards", Self::MaxForwards),
            (12, Some(b'r')) => is(b"Record-Route", Self::RecordRoute),
            (14, Some(b'c')) => is(b"Content-Length", Self::ContentLength),
            _ => Self::Other,
        }
    }
}

/// The long form of a compact name (RFC 3261 §20 and the IANA registry); other names unchanged.
pub(crate) fn full_name(name: &[u8]) -> &[u8] {
    let [letter] = name else {
        return name;
    };
    match letter.to_ascii_lowercase() {
        b'a' => b"Accept-Contact",
        b'b' => b"Referred-By",
        b'c' => b"Content-Type",
        b'd' => b"Request-Disposition",
        b'e' => b"Content-Encoding",
        b'f' => b"From",
        b'i' => b"Call-ID",
        b'j' => b"Reject-Contact",
        b'k' => b"Supported",
        b'l' => b"Content-Length",
        b'm' => b"Contact",
        b'n' => b"Identity-Info",
        b'o' => b"Event",
        b'r' => b"Refer-To",
        b's' => b"Subject",
        b't' => b"To",
        b'u' => b"Allow-Events",
        b'v' => b"Via",
        b'x' => b"Session-Expires",
        b'y' => b"Identity",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_long_and_compact_name() {
        for (name, kind) in [
            ("vIa", HeaderKind::Via),
            ("V", HeaderKind::Via),
            ("FROM", HeaderKind::From),
            ("to", HeaderKind::To),
            ("call-id", HeaderKind::CallId),
            ("cseq", HeaderKind::CSeq),
            ("MaX-fOrWaRdS", HeaderKind::MaxForwards),
            ("contact", HeaderKind::Contact),
            ("m", HeaderKind::Contact),
            ("route", HeaderKind::Route),
            ("record-route", HeaderKind::RecordRoute),
            ("L", HeaderKind::ContentLength),
            ("content-length", HeaderKind::ContentLength),
            ("C%6Fntact", HeaderKind::Other),
            ("Subject", HeaderKind::Other),
        ] {
            assert_eq!(HeaderKind::of(name.as_bytes()), kind, "{name}");
        }
    }
}
