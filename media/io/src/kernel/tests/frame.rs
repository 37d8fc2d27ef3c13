//! Ethernet frames with RTP, built and read apart from the program: every byte and checksum by the RFCs.

use std::net::{IpAddr, SocketAddr};

/// One RTP packet in its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub traffic_class: u8,
    pub hops: u8,
    /// IPv6 only.
    pub flow_label: u32,
    /// The first byte of RTP: 0x80 without padding, extension and CSRCs.
    pub first: u8,
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Vec<u8>,
    pub udp_checksum: UdpChecksum,
}

/// State of the UDP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UdpChecksum {
    Right,
    /// 0: none (IPv4 only).
    Absent,
    /// Off by this much, in one's complement.
    Wrong(u16),
}

impl Frame {
    /// A plain packet of PCMU.
    pub fn rtp(source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            source,
            destination,
            traffic_class: 0,
            hops: 63,
            flow_label: FLOW_LABEL,
            first: 0x80,
            marker: false,
            payload_type: 0,
            sequence: 0,
            timestamp: 0,
            ssrc: 0,
            payload: (0..160u8).collect(),
            udp_checksum: UdpChecksum::Right,
        }
    }

    /// The frame, from a zero link-layer address to another.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_between([0; 6], [0; 6])
    }

    /// The frame between two link-layer addresses.
    pub fn bytes_between(&self, from: [u8; 6], to: [u8; 6]) -> Vec<u8> {
        let udp = self.udp();
        let mut bytes = [to, from].concat();
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                bytes.extend([8, 0]);
                let mut ip = vec![0x45, self.traffic_class];
                ip.extend((20 + udp.len() as u16).to_be_bytes());
                ip.extend([0x12, 0x34, 0x40, 0, self.hops, 17, 0, 0]);
                ip.extend(source.octets());
                ip.extend(destination.octets());
                let checksum = !sum(&ip);
                ip[10..12].copy_from_slice(&checksum.to_be_bytes());
                bytes.extend(ip);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                bytes.extend([0x86, 0xDD]);
                let class = u32::from(self.traffic_class) << 20;
                bytes.extend((0x6000_0000 | class | self.flow_label).to_be_bytes());
                bytes.extend((udp.len() as u16).to_be_bytes());
                bytes.extend([17, self.hops]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
            }
            _ => panic!("one family"),
        }
        bytes.extend(udp);
        bytes
    }

    /// RTP, from its first byte.
    pub fn rtp_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.first, u8::from(self.marker) << 7 | self.payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    fn udp(&self) -> Vec<u8> {
        let rtp = self.rtp_bytes();
        let mut udp = self.source.port().to_be_bytes().to_vec();
        udp.extend(self.destination.port().to_be_bytes());
        udp.extend((8 + rtp.len() as u16).to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(rtp);
        let right =
            !sum(
                &[pseudo(self.source.ip(), self.destination.ip(), udp.len()), udp.clone()].concat()
            );
        let checksum = match self.udp_checksum {
            UdpChecksum::Absent => 0,
            UdpChecksum::Right => right,
            // The sum of the datagram is then `by` instead of 0xFFFF, and stays so over any right update.
            UdpChecksum::Wrong(by) => add(right, by),
        };
        // 0 stands for none (RFC 768), so a sum of 0 is sent as its other form.
        let checksum = if checksum == 0 && self.udp_checksum != UdpChecksum::Absent {
            0xFFFF
        } else {
            checksum
        };
        udp[6..8].copy_from_slice(&checksum.to_be_bytes());
        udp
    }

    /// Reads a frame; panics at a wrong length or IP checksum.
    pub fn read(bytes: &[u8]) -> Self {
        let ip = &bytes[14..];
        let mut flow_label = FLOW_LABEL;
        let (source, destination, traffic_class, hops, udp) = match bytes[12..14] {
            [8, 0] => {
                assert_eq!((ip[0], ip[9]), (0x45, 17));
                assert_eq!(u16::from_be_bytes([ip[2], ip[3]]) as usize, ip.len(), "IPv4 length");
                assert_eq!(sum(&ip[..20]), 0xFFFF, "IPv4 checksum");
                let address =
                    |at: usize| IpAddr::from(<[u8; 4]>::try_from(&ip[at..at + 4]).unwrap());
                (address(12), address(16), ip[1], ip[8], &ip[20..])
            }
            [0x86, 0xDD] => {
                let word = u32::from_be_bytes(ip[..4].try_into().unwrap());
                assert_eq!((word >> 28, ip[6]), (6, 17));
                flow_label = word & 0xF_FFFF;
                assert_eq!(u16::from_be_bytes([ip[4], ip[5]]) as usize, ip.len() - 40);
                let address =
                    |at: usize| IpAddr::from(<[u8; 16]>::try_from(&ip[at..at + 16]).unwrap());
                (address(8), address(24), (word >> 20) as u8, ip[7], &ip[40..])
            }
            ref other => panic!("EtherType {other:x?}"),
        };
        assert_eq!(u16::from_be_bytes([udp[4], udp[5]]) as usize, udp.len(), "UDP length");
        let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
        let total = sum(&[pseudo(source, destination, udp.len()), udp.to_vec()].concat());
        let udp_checksum = match (port(6), total) {
            (0, _) => UdpChecksum::Absent,
            (_, 0xFFFF) => UdpChecksum::Right,
            (_, total) => UdpChecksum::Wrong(total),
        };
        let rtp = &udp[8..];
        Self {
            source: SocketAddr::new(source, port(0)),
            destination: SocketAddr::new(destination, port(2)),
            traffic_class,
            hops,
            flow_label,
            first: rtp[0],
            marker: rtp[1] & 0x80 != 0,
            payload_type: rtp[1] & 0x7F,
            sequence: u16::from_be_bytes([rtp[2], rtp[3]]),
            timestamp: u32::from_be_bytes(rtp[4..8].try_into().unwrap()),
            ssrc: u32::from_be_bytes(rtp[8..12].try_into().unwrap()),
            payload: rtp[12..].to_vec(),
            udp_checksum,
        }
    }
}

/// The part of the IP header that UDP's checksum covers (RFC 768, RFC 8200 §8.1).
fn pseudo(source: IpAddr, destination: IpAddr, udp_len: usize) -> Vec<u8> {
    let mut bytes = match (source, destination) {
        (IpAddr::V4(a), IpAddr::V4(b)) => [a.octets(), b.octets()].concat(),
        (IpAddr::V6(a), IpAddr::V6(b)) => [a.octets(), b.octets()].concat(),
        _ => panic!("one family"),
    };
    bytes.extend([0, 17]);
    bytes.extend((udp_len as u16).to_be_bytes());
    bytes
}

/// The folded sum of a pseudo-header, which is all that a partial checksum holds.
pub(super) fn pseudo_sum(source: IpAddr, destination: IpAddr, udp_len: usize) -> u16 {
    sum(&pseudo(source, destination, udp_len))
}

/// One's complement sum of 16-bit words (RFC 1071).
fn sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum, word| {
        let low = word.get(1).copied().unwrap_or(0);
        add(sum, u16::from_be_bytes([word[0], low]))
    })
}

fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

const FLOW_LABEL: u32 = 0x5_4321;

#[test]
fn a_frame_is_read_as_it_was_built() {
    for pair in [("10.0.0.1:4000", "10.0.0.2:5000"), ("[fd00::1]:4000", "[fd00::2]:5000")] {
        let (source, destination) = (pair.0.parse().unwrap(), pair.1.parse().unwrap());
        let frame = Frame { payload: vec![7; 33], ..Frame::rtp(source, destination) };
        assert_eq!(Frame::read(&frame.bytes()), frame);
        let wrong = Frame { udp_checksum: UdpChecksum::Wrong(0x1234), ..frame };
        assert_eq!(Frame::read(&wrong.bytes()), wrong);
    }
}
