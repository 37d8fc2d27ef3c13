//! A name server of a few records, for tests of how SIP targets are found (RFC 1035).

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// One record: its name, its type, its data as on the wire.
pub type Record = (&'static str, u16, Vec<u8>);

/// Answers over UDP until dropped; what it does not know does not exist.
pub struct NameServer {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    pub fn start(records: Vec<Record>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let address = socket.local_addr().expect("bound");
        let (asked, is_over) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (log, over) = (Arc::clone(&asked), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || serve(&socket, &records, &log, &over));
        Self { address, asked, is_over, thread: Some(thread) }
    }

    /// The queries: names and types, in order.
    pub fn asked(&self) -> Vec<(String, u16)> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub const A: u16 = 1;
pub const SRV: u16 = 33;
pub const NAPTR: u16 = 35;

/// The data of an SRV record (RFC 2782).
pub fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Vec<u8> {
    let mut data: Vec<u8> = [priority, weight, port].iter().flat_map(|n| n.to_be_bytes()).collect();
    data.extend(wire_name(target));
    data
}

/// The data of a NAPTR record that leads to SRV records (RFC 3403).
pub fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Vec<u8> {
    let mut data: Vec<u8> = [order, preference].iter().flat_map(|n| n.to_be_bytes()).collect();
    for text in ["s", service, ""] {
        data.push(u8::try_from(text.len()).expect("short"));
        data.extend(text.as_bytes());
    }
    data.extend(wire_name(replacement));
    data
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).expect("short"));
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn serve(
    socket: &UdpSocket,
    records: &[Record],
    log: &Mutex<Vec<(String, u16)>>,
    is_over: &AtomicBool,
) {
    let mut bytes = [0; 1_500];
    while !is_over.load(Ordering::Acquire) {
        let Ok((length, from)) = socket.recv_from(&mut bytes) else { continue };
        let query = &bytes[..length];
        let (name, after) = read_name(query);
        let kind = u16::from_be_bytes([query[after], query[after + 1]]);
        log.lock().expect("not poisoned").push((name.clone(), kind));
        let answer = answer(&query[..after + 4], &name, kind, records);
        socket.send_to(&answer, from).expect("sent");
    }
}

/// The name of the question, and where it ends.
fn read_name(query: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let length = usize::from(query[at]);
        let label = &query[at + 1..=at + length];
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length + 1;
    }
    (labels.join("."), at + 1)
}

fn answer(question: &[u8], name: &str, kind: u16, records: &[Record]) -> Vec<u8> {
    let exists = records.iter().any(|(known, ..)| *known == name);
    let found: Vec<&Record> =
        records.iter().filter(|(known, of, _)| *known == name && *of == kind).collect();
    let mut out = question.to_vec();
    let code = if exists { 0 } else { 3 };
    out[2..4].copy_from_slice(&[0x85, 0x80 | code]);
    out[6..8].copy_from_slice(&u16::try_from(found.len()).expect("few").to_be_bytes());
    out[8..12].fill(0);
    for (_, _, data) in found {
        out.extend([0xC0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
        out.extend(data);
    }
    out
}
