//! A party's media by hand: exact bytes out, exact bytes in.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// An RTP packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Vec<u8>,
}

/// One party's RTP socket.
pub struct Party {
    pub socket: UdpSocket,
}

impl Party {
    pub fn new() -> Self {
        Self::on("127.0.0.1:0")
    }

    pub fn on_ipv6() -> Self {
        Self::on("[::1]:0")
    }

    fn on(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("a free port");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        Self { socket }
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    pub fn send(&self, to: SocketAddr, packet: &Packet) {
        let marker = if packet.marker { 0x80 } else { 0 };
        let mut bytes = vec![0x80, packet.payload_type | marker];
        bytes.extend_from_slice(&packet.sequence.to_be_bytes());
        bytes.extend_from_slice(&packet.timestamp.to_be_bytes());
        bytes.extend_from_slice(&packet.ssrc.to_be_bytes());
        bytes.extend_from_slice(&packet.payload);
        self.socket.send_to(&bytes, to).expect("sent");
    }

    /// The next packet and where it came from; `None` after 5 s without one.
    pub fn receive(&self) -> Option<(Packet, SocketAddr)> {
        let mut bytes = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut bytes).ok()?;
        parse(&bytes[..length]).map(|packet| (packet, from))
    }

    /// Packets for which `wanted` holds, until there are `count` or 10 s are over.
    pub fn receive_until(&self, count: usize, wanted: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut found = Vec::new();
        while found.len() < count && Instant::now() < deadline {
            match self.receive() {
                Some((packet, _)) if wanted(&packet) => found.push(packet),
                Some(_) => {}
                None => break,
            }
        }
        found
    }
}

fn parse(bytes: &[u8]) -> Option<Packet> {
    let (head, payload) = bytes.split_at_checked(12)?;
    Some(Packet {
        payload_type: head[1] & 0x7F,
        marker: head[1] & 0x80 != 0,
        sequence: u16::from_be_bytes([head[2], head[3]]),
        timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        payload: payload.to_vec(),
    })
}
