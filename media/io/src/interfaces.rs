//! The addresses of this machine's network interfaces, as the kernel lists them (`getifaddrs(3)`).
#![allow(unsafe_code)] // The list belongs to the C library; only values leave this file.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// Every IPv4 and IPv6 address of every interface at this moment.
///
/// # Errors
/// The kernel's error when it refuses to list them.
pub fn machine_addresses() -> io::Result<Vec<IpAddr>> {
    Ok(list()?.into_iter().map(|(_, address)| address).collect())
}

/// The interfaces that carry packets to one of these media addresses: names by index.
pub(crate) fn carrying(media: &[IpAddr]) -> io::Result<BTreeMap<u32, String>> {
    let is_ours = |(_, own): &(String, IpAddr)| {
        let stands_for =
            |media: &IpAddr| media.is_unspecified() && media.is_ipv4() == own.is_ipv4();
        // The loopback interface takes packets to all of 127.0.0.0/8 and lists one address.
        let is_loopback = |media: &IpAddr| media.is_loopback() && own.is_loopback();
        media.iter().any(|media| media == own || stands_for(media) || is_loopback(media))
    };
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    let numbered = |(name, _): (String, IpAddr)| {
        // One that went meanwhile has no index.
        let index = rustix::net::netdevice::name_to_index(&socket, &name).ok()?;
        Some((index, name))
    };
    Ok(list()?.into_iter().filter(is_ours).filter_map(numbered).collect())
}

/// Every address with the name of its interface.
fn list() -> io::Result<Vec<(String, IpAddr)>> {
    let mut first = ptr::null_mut();
    // SAFETY: the call writes `first` when it succeeds; `List` frees it once.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let list = List(first);
    let mut addresses = Vec::new();
    let mut next = list.0;
    // SAFETY: null, or an entry of the list, which lives until `list` is dropped and which nobody writes.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: null, or an address of the entry, as long as its family says.
        let address = unsafe { read_address(entry.ifa_addr) };
        // SAFETY: a string that the list owns, as the address above.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy();
        addresses.extend(address.map(|address| (name.into_owned(), address)));
        next = entry.ifa_next;
    }
    Ok(addresses)
}

/// The list that `getifaddrs` allocated.
struct List(*mut libc::ifaddrs);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: it came from `getifaddrs` and is freed here alone.
        unsafe { libc::freeifaddrs(self.0) };
    }
}

/// # Safety
/// `address` is null, or points to an address as long as its family says.
unsafe fn read_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: the caller's promise; every address begins with its family.
    let family = unsafe { address.as_ref() }?.sa_family;
    match libc::c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: an address of this family is a `sockaddr_in`.
            let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()).into())
        }
        libc::AF_INET6 => {
            // SAFETY: an address of this family is a `sockaddr_in6`.
            let address = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_can_be_bound_to_every_address_that_is_listed() {
        let addresses = machine_addresses().expect("the kernel lists them");
        assert!(addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{addresses:?}");
        // A link-local address of IPv6 needs its interface's number as well.
        let is_whole =
            |address: &&IpAddr| !matches!(address, IpAddr::V6(ip) if ip.is_unicast_link_local());
        for address in addresses.iter().filter(is_whole) {
            assert!(UdpSocket::bind((*address, 0)).is_ok(), "{address}");
        }
    }
}
