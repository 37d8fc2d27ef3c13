//! The addresses of a gateway as they are bound, and its ready line. Shell.

use std::net::SocketAddr;

/// Addresses as bound: real ports where the settings say 0.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// SIP over UDP.
    pub udp: Vec<SocketAddr>,
    /// SIP over TCP.
    pub tcp: Vec<SocketAddr>,
    /// SIP over TLS.
    pub tls: Vec<SocketAddr>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
    /// HTTPS.
    pub https: Vec<SocketAddr>,
    /// The proxy for clients of the API.
    pub proxy: Vec<SocketAddr>,
    /// Backend and number of media cores.
    pub media: String,
}

impl Addresses {
    /// The line on standard output once calls are taken.
    ///
    /// `sip=` lists each address once when UDP and TCP listen on the same ones, else each with
    /// `udp:` or `tcp:` in front.
    pub fn ready_line(&self) -> String {
        let list = |prefix: &str, addresses: &[SocketAddr]| -> Vec<String> {
            addresses.iter().map(|address| format!("{prefix}{address}")).collect()
        };
        let sip = match self.udp == self.tcp {
            true => list("", &self.udp),
            false => [list("udp:", &self.udp), list("tcp:", &self.tcp)].concat(),
        };
        let text =
            |list: &[String]| if list.is_empty() { "off".to_owned() } else { list.join(",") };
        let http = [list("", &self.http), list("https:", &self.https), list("proxy:", &self.proxy)];
        format!(
            "sidetone ready sip={} tls={} http={} media={}",
            text(&sip),
            text(&list("", &self.tls)),
            text(&http.concat()),
            self.media
        )
    }

    /// Listeners that webhooks must never reach.
    pub(super) fn own(&self) -> Vec<SocketAddr> {
        let http = [self.http.as_slice(), &self.https, &self.proxy].concat();
        [self.udp.as_slice(), &self.tcp, &self.tls, &http].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_every_listener_once() {
        let address: SocketAddr = "127.0.0.1:5060".parse().expect("an address");
        let mut addresses = Addresses {
            udp: vec![address],
            tcp: vec![address],
            tls: Vec::new(),
            http: vec!["127.0.0.1:8080".parse().expect("an address")],
            https: Vec::new(),
            proxy: Vec::new(),
            media: "io_uring/1".to_owned(),
        };
        let line = "sidetone ready sip=127.0.0.1:5060 tls=off http=127.0.0.1:8080 media=io_uring/1";
        assert_eq!(addresses.ready_line(), line);
        addresses.tcp.clear();
        assert!(addresses.ready_line().contains("sip=udp:127.0.0.1:5060 "));
    }
}
