//! `message/sipfrag` (RFC 3420) as transfers use it: a status line, both ways. Sans-IO.

use crate::text::decimal;

/// The status in a fragment's status line; `None` for anything else.
pub fn status(body: &[u8]) -> Option<u16> {
    let line = body.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let (version, rest) = line.split_at_checked(VERSION.len())?;
    if !version.eq_ignore_ascii_case(VERSION) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(3)?;
    let ends = rest.first().is_none_or(|byte| matches!(byte, b' ' | b'\t'));
    let status = u16::try_from(decimal(digits)?).ok()?;
    (ends && (100..=699).contains(&status)).then_some(status)
}

/// A fragment of one status line with the standard's phrase.
pub fn of_status(status: u16) -> Vec<u8> {
    format!("SIP/2.0 {status} {}\r\n", shared::refusal::generic_phrase(status)).into_bytes()
}

/// The media type, as RFC 3515 §2.4.5 wants it.
pub const MEDIA_TYPE: &str = "message/sipfrag;version=2.0";
const VERSION: &[u8] = b"SIP/2.0 ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line_is_read_and_what_follows_is_not() {
        assert_eq!(status(b"SIP/2.0 200 OK\r\nTo: <sip:a@b>\r\n"), Some(200));
        assert_eq!(status(b"sip/2.0 486 Busy Here"), Some(486));
        assert_eq!(status(b"SIP/2.0 180"), Some(180));
        for broken in ["", "SIP/2.0", "SIP/2.0 20", "SIP/2.0 2000 x", "SIP/2.0 099 x", "200 OK"] {
            assert_eq!(status(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn our_fragment_reads_back() {
        for code in [100, 180, 200, 486, 603] {
            assert_eq!(status(&of_status(code)), Some(code));
        }
    }
}
