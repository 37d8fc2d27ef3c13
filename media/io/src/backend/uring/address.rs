//! Socket addresses as the kernel lays them out (`sockaddr_in`, `sockaddr_in6`). Pure.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Bytes of the longer form, `sockaddr_in6`.
pub(crate) const ADDRESS_BYTES: usize = 28;
/// Bytes of `sockaddr_in`.
const V4_BYTES: usize = 16;

const FAMILY_V4: [u8; 2] = (libc::AF_INET as u16).to_ne_bytes();
const FAMILY_V6: [u8; 2] = (libc::AF_INET6 as u16).to_ne_bytes();

/// Writes `address` and answers how many bytes of `out` it takes. Flow label 0.
pub(crate) fn encode(address: SocketAddr, out: &mut [u8; ADDRESS_BYTES]) -> usize {
    *out = [0; ADDRESS_BYTES];
    out[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => {
            out[0..2].copy_from_slice(&FAMILY_V4);
            out[4..8].copy_from_slice(&address.ip().octets());
            V4_BYTES
        }
        SocketAddr::V6(address) => {
            out[0..2].copy_from_slice(&FAMILY_V6);
            out[8..24].copy_from_slice(&address.ip().octets());
            out[24..28].copy_from_slice(&address.scope_id().to_ne_bytes());
            ADDRESS_BYTES
        }
    }
}

/// Reads what the kernel wrote; `None` for another family or too few bytes.
pub(crate) fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let family = bytes.first_chunk::<2>()?;
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    if *family == FAMILY_V4 {
        let octets: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
        return Some(SocketAddrV4::new(Ipv4Addr::from(octets), port).into());
    }
    if *family == FAMILY_V6 {
        let octets: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
        let scope = u32::from_ne_bytes(*bytes.get(24..)?.first_chunk()?);
        return Some(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, scope).into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_written() {
        for text in ["192.0.2.7:10000", "[2001:db8::7]:65535", "[fe80::1%3]:2"] {
            let address: SocketAddr = text.parse().expect("a literal");
            let mut bytes = [0xAA; ADDRESS_BYTES];
            let len = encode(address, &mut bytes);
            assert_eq!(decode(&bytes[..len]), Some(address));
        }
    }

    #[test]
    fn other_families_and_short_names_are_no_address() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[1; 28]), None);
        assert_eq!(decode(&FAMILY_V4), None);
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&FAMILY_V6);
        assert_eq!(decode(&bytes), None);
    }
}
