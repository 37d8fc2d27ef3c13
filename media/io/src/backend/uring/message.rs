//! The header that a multishot RECVMSG writes in front of a datagram (`struct io_uring_recvmsg_out`). Pure.
//!
//! A buffer holds: 16 bytes header, 32 bytes for the source address, the datagram. Once the source is
//! read, its place serves for the destination address of a forward.

use std::net::SocketAddr;

use super::address;

/// Bytes of `struct io_uring_recvmsg_out`: four 32-bit numbers.
const HEADER_BYTES: usize = 16;
/// Room for the source: the longest address, rounded up so that the datagram begins aligned.
pub(crate) const NAME_BYTES: usize = 32;
/// Offset of the datagram.
pub(crate) const PAYLOAD_OFFSET: usize = HEADER_BYTES + NAME_BYTES;
/// Offset of the address.
pub(crate) const NAME_OFFSET: usize = HEADER_BYTES;

const _: () = assert!(NAME_BYTES >= address::ADDRESS_BYTES);

/// A datagram in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its source.
    pub source: SocketAddr,
    /// Its length; it begins at [`PAYLOAD_OFFSET`].
    pub len: usize,
}

/// Reads the front of a buffer of which the kernel has written `bytes`. `None` when the datagram was
/// longer than the buffer or has no source.
pub(crate) fn parse(bytes: &[u8]) -> Option<Message> {
    let number =
        |at: usize| -> Option<u32> { Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?)) };
    let name_len = usize::try_from(number(0)?).ok()?.min(NAME_BYTES);
    let flags = number(12)?;
    if flags & libc::MSG_TRUNC as u32 != 0 {
        return None;
    }
    let name = bytes.get(NAME_OFFSET..NAME_OFFSET + name_len)?;
    let len = bytes.len().checked_sub(PAYLOAD_OFFSET)?;
    Some(Message { source: address::decode(name)?, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name_len: u32, flags: u32, payload: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [name_len, 0, payload as u32, flags] {
            bytes.extend(number.to_ne_bytes());
        }
        let mut name = [0; address::ADDRESS_BYTES];
        address::encode("192.0.2.1:4000".parse().expect("a literal"), &mut name);
        bytes.extend(name);
        bytes.resize(PAYLOAD_OFFSET + payload, 7);
        bytes
    }

    #[test]
    fn a_datagram_is_found_with_its_source() {
        let message = parse(&written(16, 0, 172));
        let source = "192.0.2.1:4000".parse().expect("a literal");
        assert_eq!(message, Some(Message { source, len: 172 }));
    }

    #[test]
    fn a_cut_datagram_a_missing_source_and_a_short_buffer_are_no_message() {
        assert_eq!(parse(&written(16, libc::MSG_TRUNC as u32, 172)), None);
        assert_eq!(parse(&written(0, 0, 172)), None);
        assert_eq!(parse(&written(16, 0, 172)[..PAYLOAD_OFFSET - 1]), None);
        assert_eq!(parse(&[]), None);
    }
}
