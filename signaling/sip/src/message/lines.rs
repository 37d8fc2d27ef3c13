//! Cuts bytes into lines. Sans-IO, no allocation.

use shared::limits::SIP_MESSAGE_BYTES_MAX;

/// Bytes cut into lines.
pub(super) struct Lines<'a> {
    /// The bytes behind the last line.
    pub rest: &'a [u8],
    /// No line has a control byte but tabs. One look at all bytes, which the compiler vectorises,
    /// spares a look at each value. `false` says nothing: a control byte may stand in the body.
    pub is_clean: bool,
}

impl<'a> Lines<'a> {
    /// Empty lines before a message are ignored (RFC 3261 §7.5).
    pub fn new(bytes: &'a [u8]) -> Self {
        let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
        Self::of_section(start.and_then(|start| bytes.get(start..)).unwrap_or_default())
    }

    /// Lines of bytes that begin with one.
    pub fn of_section(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, is_clean: bytes.len() <= SIP_MESSAGE_BYTES_MAX && is_clean(bytes) }
    }

    /// The next line without its end; `None` when no line end comes.
    pub fn next_line(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\n', self.rest)?;
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether the next line continues this one.
    pub fn is_folded(&self) -> bool {
        matches!(self.rest.first(), Some(b' ' | b'\t'))
    }
}

/// No control byte but tabs and line ends, and no CR without its LF. The last byte is not looked at: it
/// ends a line, or no line has it.
fn is_clean(bytes: &[u8]) -> bool {
    // No branch for each byte, so that the compiler vectorises it.
    let found = bytes.iter().zip(bytes.get(1..).unwrap_or_default()).fold(
        false,
        |found, (&byte, &next)| {
            let is_control = ((byte < b' ') & (byte != b'\t') & (byte != b'\r') & (byte != b'\n'))
                | (byte == 0x7F);
            found | is_control | ((byte == b'\r') & (next != b'\n'))
        },
    );
    !found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_byte_anywhere_before_the_last_line_end_is_found() {
        let clean = b"A: b\tc\r\nD: e\nF: \xFC~\r\n\r\n";
        assert!(is_clean(clean));
        assert!(is_clean(b""));
        for at in 0..clean.len() - 1 {
            for byte in (0..0x20).chain([0x7F]).filter(|byte| !b"\t\r\n".contains(byte)) {
                let mut broken = clean.to_vec();
                broken[at] = byte;
                assert!(!is_clean(&broken), "0x{byte:02x} at {at}");
            }
        }
        assert!(!is_clean(b"A: b\rc\r\n"), "a CR alone");
        assert!(!is_clean(b"A: b\r\r\n"), "a CR before the line end");
    }
}
