//! Digits in bodies of INFO: `application/dtmf-relay` and `application/dtmf`. Sans-IO.

use crate::scan::trim_spaces;

/// One key press in the body of an INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtmfRelay {
    /// `0-9 * # A-D`; `None` for a hook flash.
    pub digit: Option<u8>,
    /// Duration in milliseconds; at most [`DURATION_MS_MAX`].
    pub duration_ms: u32,
}

impl DtmfRelay {
    /// Reads `Signal=5` and `Duration=160` lines, in any order and case. Other lines are ignored;
    /// `None` without a readable signal.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let mut signal = None;
        let mut duration_ms = None;
        for line in body.split(|byte| matches!(byte, b'\r' | b'\n')) {
            let Some(at) = line.iter().position(|byte| matches!(byte, b'=' | b':')) else {
                continue;
            };
            let (name, value) = line.split_at(at);
            let value = trim_spaces(value.get(1..).unwrap_or_default());
            match trim_spaces(name) {
                name if name.eq_ignore_ascii_case(b"Signal") => signal = Some(read_signal(value)?),
                name if name.eq_ignore_ascii_case(b"Duration") => {
                    duration_ms = crate::text::decimal(value);
                }
                _ => {}
            }
        }
        let duration_ms = duration_ms.and_then(|ms| u32::try_from(ms).ok());
        Some(Self {
            digit: signal?,
            duration_ms: duration_ms.unwrap_or(DURATION_MS).min(DURATION_MS_MAX),
        })
    }

    /// Reads a body that is the signal alone (`application/dtmf`); some phones send lines there too.
    pub fn parse_bare(body: &[u8]) -> Option<Self> {
        let text = body.trim_ascii();
        if text.contains(&b'=') {
            return Self::parse(body);
        }
        Some(Self { digit: read_signal(text)?, duration_ms: DURATION_MS })
    }
}

/// The key itself, or its event number from 10 on; the outer `None`: not a signal.
fn read_signal(value: &[u8]) -> Option<Option<u8>> {
    match value {
        [digit @ (b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D')] => Some(Some(*digit)),
        [digit @ b'a'..=b'd'] => Some(Some(digit.to_ascii_uppercase())),
        b"10" => Some(Some(b'*')),
        b"11" => Some(Some(b'#')),
        b"12" => Some(Some(b'A')),
        b"13" => Some(Some(b'B')),
        b"14" => Some(Some(b'C')),
        b"15" => Some(Some(b'D')),
        b"16" | b"!" => Some(None),
        _ => None,
    }
}

/// Duration of a body that names none, milliseconds.
const DURATION_MS: u32 = 160;
/// Longest key press that is believed, milliseconds.
pub const DURATION_MS_MAX: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn digit(text: &str) -> Option<Option<u8>> {
        DtmfRelay::parse(text.as_bytes()).map(|relay| relay.digit)
    }

    #[test]
    fn lines_come_in_any_order_case_and_spacing() {
        let relay = DtmfRelay::parse(b"Signal=5\r\nDuration=250\r\n");
        assert_eq!(relay, Some(DtmfRelay { digit: Some(b'5'), duration_ms: 250 }));
        assert_eq!(DtmfRelay::parse(b"duration = 40\nSIGNAL = #"), {
            Some(DtmfRelay { digit: Some(b'#'), duration_ms: 40 })
        });
        assert_eq!(digit("X=1\r\nSignal: 11"), Some(Some(b'#')));
        assert_eq!(digit("Signal=d"), Some(Some(b'D')));
        assert_eq!(digit("Signal=16"), Some(None), "a hook flash is no digit");
    }

    #[test]
    fn a_body_without_a_key_is_not_a_relay() {
        for text in ["", "Signal=", "Signal=17", "Signal=55", "Duration=5", "Signal", "=5"] {
            assert_eq!(digit(text), None, "{text}");
        }
    }

    #[test]
    fn a_bare_body_is_the_key() {
        let bare =
            |text: &str| DtmfRelay::parse_bare(text.as_bytes()).and_then(|relay| relay.digit);
        assert_eq!(bare("5"), Some(b'5'));
        assert_eq!(bare(" * \r\n"), Some(b'*'));
        assert_eq!(bare("Signal=9\r\n"), Some(b'9'));
        assert_eq!(bare("55"), None);
    }

    #[test]
    fn a_duration_is_bounded() {
        let relay = DtmfRelay::parse(b"Signal=1\r\nDuration=99999999999999999999").unwrap();
        assert_eq!(relay.duration_ms, DURATION_MS);
        let relay = DtmfRelay::parse(b"Signal=1\r\nDuration=4000000").unwrap();
        assert_eq!(relay.duration_ms, DURATION_MS_MAX);
    }
}
