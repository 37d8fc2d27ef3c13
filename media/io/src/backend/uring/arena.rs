//! Copies of datagrams that the core itself makes, kept until the kernel has taken them over.

use std::net::SocketAddr;

use super::address::{self, ADDRESS_BYTES};
use super::memory::KernelMemory;

/// About 1,000 packets of 20 ms: more than one tick of a full core makes.
const ARENA_BYTES: usize = 256 * 1024;

/// Address first, then the datagram, each in whole cache lines.
const ADDRESS_ROOM: usize = 32;
const LINE: usize = 64;

/// Memory handed out from its start; all of it is free again at [`Arena::clear`].
#[derive(Debug)]
pub(crate) struct Arena {
    memory: KernelMemory,
    used: usize,
}

/// A datagram with its destination, as the kernel wants them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parcel {
    pub address: *const u8,
    pub address_len: u32,
    pub payload: *const u8,
    pub payload_len: u32,
}

impl Arena {
    pub fn new() -> Self {
        Self { memory: KernelMemory::new(ARENA_BYTES), used: 0 }
    }

    /// Copies a datagram in; `None` when there is no room (submit, clear, try again). The copy stays unchanged
    /// until [`Arena::clear`].
    pub fn put(&mut self, to: SocketAddr, packet: &[u8]) -> Option<Parcel> {
        let room = (ADDRESS_ROOM + packet.len()).next_multiple_of(LINE);
        if room > ARENA_BYTES - self.used {
            return None;
        }
        let start = self.memory.at(self.used, room);
        self.used += room;
        let (name, address_len) = encoded(to);
        // SAFETY: `room` bytes from `start` are inside the arena, and nothing else uses them since the
        // last `clear`; both sources are outside of the arena.
        unsafe {
            start.copy_from_nonoverlapping(name.as_ptr(), ADDRESS_BYTES);
            start.add(ADDRESS_ROOM).copy_from_nonoverlapping(packet.as_ptr(), packet.len());
        }
        Some(Parcel {
            address: start,
            address_len,
            payload: start.wrapping_add(ADDRESS_ROOM),
            payload_len: u32::try_from(packet.len()).ok()?,
        })
    }

    /// Frees everything. Call only when the kernel has taken over all entries.
    pub fn clear(&mut self) {
        self.used = 0;
    }
}

/// The address as the kernel wants it, with its length.
pub(crate) fn encoded(to: SocketAddr) -> ([u8; ADDRESS_BYTES], u32) {
    let mut name = [0; ADDRESS_BYTES];
    let len = address::encode(to, &mut name);
    (name, len as u32)
}

const _: () = assert!(ADDRESS_BYTES <= ADDRESS_ROOM);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parcels_keep_their_bytes_until_the_arena_is_cleared() {
        let mut arena = Arena::new();
        let to = "192.0.2.1:4000".parse().expect("a literal");
        let mut parcels = Vec::new();
        while let Some(parcel) = arena.put(to, &[parcels.len() as u8; 172]) {
            parcels.push(parcel);
        }
        assert_eq!(parcels.len(), ARENA_BYTES / 256);
        for (index, parcel) in parcels.iter().enumerate() {
            // SAFETY: the arena was not cleared since the parcel was made.
            let bytes = unsafe { std::slice::from_raw_parts(parcel.payload, 172) };
            assert!(bytes.iter().all(|byte| *byte == index as u8));
        }
        arena.clear();
        assert!(arena.put(to, &[1; 172]).is_some());
    }

    #[test]
    fn what_never_fits_is_refused() {
        let to = "[2001:db8::1]:4000".parse().expect("a literal");
        assert!(Arena::new().put(to, &vec![0; ARENA_BYTES]).is_none());
    }
}
