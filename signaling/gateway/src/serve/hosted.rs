//! Hosted call control: its handlers, and the URLs that lead to them. Shell.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock, OnceLock};

use functions::Functions;
use hosted::{Bins, Handlers, Kind, RouteSettings, Twimlets};
use http_server::{Readers, Rest};
use hyper::body::Bytes;
use shared::config::{Config, PublicAddress};
use shell::Sender;
use speech::prompts::music;
use webhook::WebhookClient;

use super::addresses::Addresses;
use super::error::ServeError;
use super::functions::{OfCalls, start_functions};
use crate::data_dir::DataDir;
use crate::inbox::Message;
use crate::studio::Studio;

/// Hosted call control that runs.
pub(super) struct Hosting {
    pub handlers: Arc<Handlers>,
    pub functions: Functions,
    /// The REST API for functions, set when it is there.
    pub rest: Arc<OnceLock<Rest>>,
}

/// Registers the handlers with the client, before the first call.
pub(super) fn start_hosted(
    config: &Config,
    data: &DataDir,
    webhooks: &WebhookClient,
    addresses: &Addresses,
    (messages, readers): (Sender<Message>, &Readers),
    studio: &Studio,
) -> Result<Hosting, ServeError> {
    let machine = ::io::machine_addresses().unwrap_or_default();
    let listeners = addresses.http.iter().chain(&addresses.https);
    let own = own_hosts(config, listeners.copied(), &machine);
    let routes = RouteSettings::new(config, own);
    let rest = Arc::new(OnceLock::new());
    let base = routes.functions_base.clone();
    let functions =
        start_functions(data, &config.functions, base, webhooks, Arc::clone(&rest), messages)?;
    let handlers = Handlers::new(routes)
        .with(Kind::Flow, studio.clone())
        .with(Kind::Bin, Bins::new(readers.clone()))
        .with(Kind::Twimlet, Twimlets::new(|| MUSIC.clone()))
        .with(Kind::Function, OfCalls(functions.clone()));
    let handlers = Arc::new(handlers);
    webhooks.host(Arc::clone(&handlers) as Arc<_>);
    Ok(Hosting { handlers, functions, rest })
}

/// The hosts and ports by which URLs name our HTTP listeners. Other names for them, which only a name server knows,
/// are refused by the address guard: a request of ours never connects to ourselves.
fn own_hosts(
    config: &Config,
    listeners: impl Iterator<Item = SocketAddr>,
    machine: &[IpAddr],
) -> BTreeSet<(String, u16)> {
    let mut own = BTreeSet::new();
    for listener in listeners {
        let port = listener.port();
        let mut ips = vec![listener.ip()];
        if listener.ip().is_unspecified() {
            ips = [&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()], machine].concat();
        }
        if let PublicAddress::Fixed(public) = config.node.public_address {
            ips.push(public);
        }
        if ips.iter().any(IpAddr::is_loopback) {
            own.insert(("localhost".to_owned(), port));
        }
        own.insert((config.node.domain_suffix.to_ascii_lowercase(), port));
        own.extend(ips.into_iter().map(|ip| match ip {
            IpAddr::V4(ip) => (ip.to_string(), port),
            IpAddr::V6(ip) => (format!("[{ip}]"), port),
        }));
    }
    own
}

/// The bundled music as a file (Multimedia Programming Interface and Data Specifications 1.0): PCM, one channel.
fn wav(samples: &[i16]) -> Bytes {
    let bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX - HEADER_BYTES);
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend(b"RIFF");
    file.extend((bytes + HEADER_BYTES).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(8_000_u32.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file.into()
}

static MUSIC: LazyLock<Bytes> = LazyLock::new(|| wav(&music::samples()));
/// The bytes of the header behind the length of the whole.
const HEADER_BYTES: u32 = 36;

#[cfg(test)]
mod tests {
    use shared::config::Layers;

    use super::*;

    #[test]
    fn a_listener_on_all_addresses_has_each_name_that_leads_to_it() {
        let mut layers = Layers::default();
        let text = "[node]\npublic_address = \"203.0.113.5\"\n";
        layers.add_file("test.toml", text).expect("valid");
        let config = Config::from_layers(&layers).expect("valid");
        let listeners = ["0.0.0.0:80", "10.0.0.2:81"].map(|text| text.parse().expect("literal"));
        let machine = ["10.0.0.1".parse().expect("a literal")];
        let own = own_hosts(&config, listeners.into_iter(), &machine);
        for (host, port, is_own) in [
            ("127.0.0.1", 80, true),
            ("[::1]", 80, true),
            ("localhost", 80, true),
            ("10.0.0.1", 80, true),
            ("203.0.113.5", 80, true),
            ("sidetone.test", 80, true),
            ("10.0.0.2", 81, true),
            ("10.0.0.1", 81, false),
            ("localhost", 81, false),
            ("127.0.0.1", 82, false),
        ] {
            assert_eq!(own.contains(&(host.to_owned(), port)), is_own, "{host}:{port}");
        }
    }
}
