//! A restart with many phones over TLS: all come back at once, and calls over UDP do not notice.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::gateway::Gateway;
use crate::phone::{DOMAIN, PASSWORD};
use crate::program::Program;
use crate::sdk;
use crate::tls;
use crate::wait::Pace;
const PHONES: usize = 100;

/// A hundred phones by OpenSSL in a process of their own.
struct Phones(Program);

impl Phones {
    fn start(authorities: &str) -> Self {
        let count = PHONES.to_string();
        let arguments = [authorities, DOMAIN, PASSWORD, &count];
        Self(Program::start(&mut sdk::python_file("returning_phones.py", &arguments)))
    }

    /// All connect there at once and register, none has a second try.
    fn come(&mut self, how: &str, gateway: &Gateway) {
        self.0.write_line(&format!("{how} {}", gateway.tls()));
        assert_eq!(self.next(), format!("registered {PHONES}"));
    }

    fn next(&mut self) -> String {
        self.0.next_line()
    }
}

/// Asks OPTIONS over UDP until it is stopped; how many were answered.
fn ask_options(gateway: SocketAddr, stop: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        // Nothing vouches for this address.
        let socket = UdpSocket::bind("127.0.0.2:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        let mut answered = 0;
        // Below what a source may ask that nothing vouches for.
        let mut pace = Pace::every_ms(25);
        while answered < 20 || !stop.load(Ordering::Relaxed) {
            let options = format!(
                "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKo{answered};rport\r\n\
                 From: <sip:a@b>;tag=1\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: o{answered}\r\nCSeq: 1 OPTIONS\r\n\
                 Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                socket.local_addr().expect("bound")
            );
            socket.send_to(options.as_bytes(), gateway).expect("sent");
            let mut buffer = [0; 2_048];
            let count = socket.recv(&mut buffer).expect("every OPTIONS is answered");
            assert!(buffer[..count].starts_with(b"SIP/2.0 200 "));
            answered += 1;
            pace.tick();
        }
        answered
    })
}

#[test]
fn phones_over_tls_all_come_back_at_once_after_a_restart_and_options_over_udp_are_answered() {
    let gateway = Gateway::start_with_tls("", "");
    let users: Vec<String> = (0..PHONES).map(|number| format!("u{number}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    gateway.domain_to_register("http://127.0.0.1:9/", &users);
    let authorities = tls::authorities(&gateway);
    let mut phones = Phones::start(&authorities.display().to_string());
    // One address for all: the first vouches for the others.
    phones.come("first", &gateway);
    assert_eq!(gateway.metrics().sum("registrar_bindings", ""), PHONES as u64);

    let (status, folder) = gateway.terminate();
    assert!(status.success());
    assert_eq!(phones.next(), "gone");
    let gateway = Gateway::start_with_tls_in(folder);
    let stop = Arc::new(AtomicBool::new(false));
    let options = ask_options(gateway.sip_udp, &stop);
    phones.come("", &gateway);
    stop.store(true, Ordering::Relaxed);
    assert!(options.join().expect("all were answered") >= 20);
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("registrar_bindings", ""), PHONES as u64);
    let refused = "transport_streams_closed_total{reason=\"handshakes_source_max\"}";
    assert_eq!(metrics.value(refused), 0);
}
