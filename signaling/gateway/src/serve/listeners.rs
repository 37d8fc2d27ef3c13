//! Second stage: sockets. Every port is bound here, before a thread runs that would use it. Shell.
//!
//! SIP comes before media, because the media cores must know our SIP listeners to refuse packets from
//! them. TLS comes last, because its certificate names the bound addresses.

use std::net::SocketAddr;
use std::sync::Arc;

use ::io::kernel::pins_for;
use ::io::{BackendChoice, Cpus, FastPathChoice, IoConfig, Media, StartNote};
use control::Edges;
use http_server::ApiCall;
use mio::Poll;
use recognition::Recognition;
use shared::config::{Backend, Config, Cores, FastPath};
use shared::{BySink, OwnSockets, Sink, limits};
use shell::{Clock, Doorbell, Sender, bounded, random};
use streams::{StreamSettings, Streams};
use transport::tls::{TlsControl, TlsNews, TlsParts, certified_addresses};
use transport::{Down, Transport, TransportConfig, TransportMetrics, Up};

use super::addresses::Addresses;
use super::edges::{edge_listeners, edge_tls_listeners, edges, public_address};
use super::error::{ServeError, system};
use super::plan::{Plan, media_cores};
use crate::data_dir::DataDir;
use crate::inbox::{API_CALLS_MAX, CONNECTION_EVENTS_MAX, Inbox, MESSAGES_MAX, Message};
use crate::local_address::LocalAddresses;
use crate::memory::recognitions_a_core;
use crate::metrics::Metrics;
use crate::own_sockets::own_sockets;
use crate::settings::Settings;
use crate::signaling_loop::{DOORBELL, UdpListener};

/// A gateway whose ports are bound. Media cores run already, without a leg.
pub(super) struct Listeners<'s> {
    pub plan: Plan<'s>,
    pub metrics: Arc<Metrics>,
    pub transport_metrics: Arc<TransportMetrics>,
    /// The poll of the signaling thread.
    pub poll: Poll,
    pub doorbell: Doorbell,
    pub inbox: Inbox,
    /// The sending ends of the inbox. The transport thread has that of the connections.
    pub messages: Sender<Message>,
    pub api: Sender<ApiCall>,
    pub udp: Vec<UdpListener>,
    pub transport: Transport,
    pub down: Sender<Down>,
    pub edges: Edges,
    pub http: Vec<std::net::TcpListener>,
    pub https: Vec<std::net::TcpListener>,
    pub proxy: Vec<std::net::TcpListener>,
    /// Our own sockets: no peer of a call has one of these addresses.
    pub own: Arc<OwnSockets>,
    pub media: Media,
    /// Not running yet: the cores ring its doorbell.
    pub streams: Streams,
    /// Likewise.
    pub recognition: Recognition,
    pub addresses: Addresses,
    pub tls: Arc<TlsControl>,
}

impl<'s> Plan<'s> {
    /// Binds every port of the settings.
    ///
    /// # Errors
    /// [`ServeError`]; what was bound is closed again.
    pub fn listen(self) -> Result<Listeners<'s>, ServeError> {
        let config = &self.settings.config;
        let metrics = Arc::new(Metrics::default());
        let transport_metrics = Arc::new(TransportMetrics::default());
        let poll = system("the signaling poll", Poll::new())?;
        let doorbell = system("its doorbell", Doorbell::new(&poll, DOORBELL))?;
        let (messages, messages_in) = bounded(MESSAGES_MAX, &doorbell);
        let (connections, connections_in) = bounded(CONNECTION_EVENTS_MAX, &doorbell);
        let (api, api_in) = bounded(API_CALLS_MAX, &doorbell);
        let inbox = Inbox { messages: messages_in, connections: connections_in, api: api_in };

        let (udp, mut transport, down, edges) =
            open_sip(config, &poll, &metrics, &transport_metrics, connections)?;
        let http = open_http(&config.http.listen, "HTTP", "http.listen")?;
        let https = open_http(&config.http.https, "HTTPS", "http.https")?;
        let proxy = open_http(&config.http.proxy, "the HTTP proxy", "http.proxy")?;
        let udp_addresses: Vec<SocketAddr> = udp.iter().map(UdpListener::local_address).collect();
        let own = Arc::new(own_sockets(config, &udp_addresses));
        let streams = system("the poll of the streams", Streams::prepare(stream_settings(config)))?;
        let recognition =
            system("the poll of the recognition", Recognition::prepare(&config.engines))?;
        let bells = [streams.doorbell(), recognition.doorbell()];
        let media = start_media(config, &doorbell, bells, Arc::clone(&own))?;
        let bound = |listeners: &[std::net::TcpListener]| {
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
        };
        let addresses = Addresses {
            udp: udp_addresses,
            tcp: transport.local_addresses(shared::Transport::Tcp),
            tls: transport.local_addresses(shared::Transport::Tls),
            http: bound(&http),
            https: bound(&https),
            proxy: bound(&proxy),
            media: media_word(&media),
        };
        transport.limit_connections(connections_that_fit(self.settings, &media));
        let (tls, parts) = start_tls(config, &self.data, &addresses, down.clone())?;
        transport.set_tls(parts);
        Ok(Listeners {
            plan: self,
            metrics,
            transport_metrics,
            poll,
            doorbell,
            inbox,
            messages,
            api,
            udp,
            transport,
            down,
            edges,
            http,
            https,
            proxy,
            own,
            media,
            streams,
            recognition,
            addresses,
            tls: Arc::new(tls),
        })
    }
}

type Sip = (Vec<UdpListener>, Transport, Sender<Down>, Edges);

/// Opens the SIP listeners. If the settings ask for port 0 of UDP and TCP on one address, both get one
/// port: a peer expects SIP over UDP and TCP on one port.
fn open_sip(
    config: &Config,
    poll: &Poll,
    metrics: &Metrics,
    transport_metrics: &Arc<TransportMetrics>,
    up: Sender<Up>,
) -> Result<Sip, ServeError> {
    for attempt in 0.. {
        let mut udp = Vec::new();
        let own = config.sip.udp.iter().map(|address| (address, "sip.udp"));
        let of_edges = edge_listeners(config).map(|(_, _, address)| (address, "edges.*.listen"));
        for (index, (address, key)) in own.chain(of_edges).enumerate() {
            let listener = UdpListener::open(poll.registry(), index, *address);
            udp.push(listener.map_err(|source| ServeError::Listen {
                address: *address,
                transport: "SIP over UDP",
                key,
                source,
            })?);
        }
        let (main, more) = udp.split_at(config.sip.udp.len());
        let own = config.sip.tcp.iter().map(|address| same_port(*address, main));
        let tls_of_edges = edge_tls_listeners(config).map(|(_, _, address)| address);
        let transport_config = TransportConfig {
            listen: own.chain(more.iter().map(UdpListener::local_address)).collect(),
            listen_tls: config.sip.tls.iter().copied().chain(tls_of_edges).collect(),
            public_address: public_address(config),
            connections_max: usize::try_from(config.sip.connections_max).unwrap_or(usize::MAX),
            connections_source_max: usize::try_from(config.sip.connections_source_max)
                .unwrap_or(usize::MAX),
            ..TransportConfig::default()
        };
        let dropped = Arc::clone(&metrics.signaling_queue_inputs_dropped_total);
        match Transport::open(transport_config, Arc::clone(transport_metrics), dropped, up.clone())
        {
            Ok((mut transport, down)) => {
                let edges = edges(config, &udp, &transport);
                transport.set_edges(edges.clone());
                return Ok((udp, transport, down, edges));
            }
            Err((address, source)) => {
                let of_edge = edge_tls_listeners(config).any(|(_, _, at)| at == address);
                let is_tls = of_edge || config.sip.tls.contains(&address);
                let chosen = !is_tls && !config.sip.tcp.contains(&address);
                if chosen && attempt < SAME_PORT_ATTEMPTS {
                    continue;
                }
                let (transport, key) = match (is_tls, of_edge) {
                    (true, true) => ("SIP over TLS", "edges.*.tls"),
                    (true, false) => ("SIP over TLS", "sip.tls"),
                    (false, _) => ("SIP over TCP", "sip.tcp"),
                };
                return Err(ServeError::Listen { address, transport, key, source });
            }
        }
    }
    unreachable!("the loop ends by one of its returns")
}

fn same_port(wanted: SocketAddr, udp: &[UdpListener]) -> SocketAddr {
    let same = udp.iter().map(UdpListener::local_address).find(|local| local.ip() == wanted.ip());
    match same {
        Some(local) if wanted.port() == 0 => local,
        _ => wanted,
    }
}

/// Sets up TLS. Certificates issued later reach the transport thread through its queue.
fn start_tls(
    config: &Config,
    data: &DataDir,
    addresses: &Addresses,
    down: Sender<Down>,
) -> Result<(TlsControl, TlsParts), ServeError> {
    let now = Clock.mono();
    let mut local = LocalAddresses::default();
    // A listener on all addresses may also answer at the address of an edge.
    let edges = config.edge_tls().into_values().flat_map(|edge| edge.shared).collect();
    let listening = [addresses.tls.clone(), addresses.https.clone(), edges].concat();
    let certified = certified_addresses(config, &listening, |peer| local.towards(now, peer));
    let tell = move |news| {
        down.send_patiently(match news {
            TlsNews::Minted(minted) => Down::Minted(minted),
            TlsNews::Parts(parts) => Down::Tls(parts),
        });
    };
    Ok(TlsControl::start(config, data.path(), certified, tell)?)
}

fn open_http(
    addresses: &[SocketAddr],
    transport: &'static str,
    key: &'static str,
) -> Result<Vec<std::net::TcpListener>, ServeError> {
    let open = |address: &SocketAddr| {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let named = |address: &SocketAddr| {
        open(address).map_err(|source| ServeError::Listen {
            address: *address,
            transport,
            key,
            source,
        })
    };
    addresses.iter().map(named).collect()
}

fn stream_settings(config: &Config) -> StreamSettings {
    StreamSettings {
        buffer_bytes: usize::try_from(config.streams.buffer.0).unwrap_or(usize::MAX),
        streams_max: config.streams.core_max as usize * media_cores(config),
    }
}

fn start_media(
    config: &Config,
    signaling: &Doorbell,
    [streams, recognition]: [Doorbell; 2],
    own: Arc<OwnSockets>,
) -> Result<Media, ServeError> {
    let mut seed = [0; 8];
    random(&mut seed);
    let io_config = IoConfig {
        cpus: match &config.media.cores {
            Cores::Auto => Cpus::Auto,
            Cores::List(list) => Cpus::List(list.iter().map(|cpu| usize::from(*cpu)).collect()),
        },
        backend: match config.media.backend {
            Backend::IoUring => BackendChoice::IoUring,
            Backend::Portable => BackendChoice::Portable,
            Backend::Auto => BackendChoice::Auto,
        },
        fast_path: match config.media.fast_path {
            FastPath::Auto => FastPathChoice::Auto,
            FastPath::Tc => FastPathChoice::Tc,
            FastPath::Xdp => FastPathChoice::Xdp,
            FastPath::XdpGeneric => FastPathChoice::XdpGeneric,
            FastPath::Off => FastPathChoice::Off,
        },
        pins: std::path::absolute(&config.node.data_dir).ok().as_deref().map(pins_for),
        addresses: config.media.addresses.clone(),
        ports: config.media.ports.first..=config.media.ports.last,
        own,
        taps_max: BySink::from_fn(|sink| match sink {
            Sink::Recorder => limits::TAPS_PER_CORE_MAX,
            Sink::Stream => config.streams.core_max as usize,
            Sink::Recognition => recognitions_a_core(config),
        }),
        feeds_max: config.streams.core_max as usize,
        room_members_max: config.media.room_members_max as usize,
        inband_digits: config.media.inband_digits,
        seed: u64::from_le_bytes(seed),
        dscp: u8::try_from(config.media.dscp).unwrap_or(u8::MAX),
        ..IoConfig::default()
    };
    let bell = signaling.clone();
    let ringing = |bell: &Doorbell| -> ::io::Wake {
        let bell = bell.clone();
        Arc::new(move || bell.ring())
    };
    let wakes = BySink::from_fn(|sink| -> ::io::Wake {
        match sink {
            // It polls its rings every 10 ms while it records, so it needs no wake-up.
            Sink::Recorder => Arc::new(|| {}),
            Sink::Stream => ringing(&streams),
            Sink::Recognition => ringing(&recognition),
        }
    });
    let media = ::io::start(&io_config, Arc::new(move || bell.ring()), &wakes)?;
    for note in &media.notes {
        match note {
            // Most machines that are tried out lack it, and nothing is wrong.
            StartNote::NoFastPath { .. } => tracing::info!("{note}"),
            _ => tracing::warn!("{note}"),
        }
    }
    if let Some(fast_path) = &media.fast_path {
        tracing::info!("{}", fast_path.sentence());
    }
    Ok(media)
}

fn media_word(media: &Media) -> String {
    let backend = media.cores.first().map_or("none", |core| core.backend.name());
    format!("{backend}/{}", media.cores.len())
}

/// The connections that the limit of open files allows, after media, store and webhooks have theirs. A
/// lower number is a warning only if the settings ask for more; the default is high on purpose.
fn connections_that_fit(settings: &Settings, media: &Media) -> usize {
    let wanted = usize::try_from(settings.config.sip.connections_max).unwrap_or(usize::MAX);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let Some(limit) = limit else { return wanted };
    let ports: usize = media.cores.iter().map(|core| core.ports.len() * 2).sum();
    let left = limit.saturating_sub(ports as u64 + FILES_BESIDES);
    let left = usize::try_from(left).unwrap_or(usize::MAX).max(CONNECTIONS_MIN);
    if left >= wanted {
        return wanted;
    }
    let sentence = format!(
        "at most {left} SIP connections at once, not {wanted} (sip.connections_max): the limit of open files \
         is {limit}; raise it (ulimit -n, LimitNOFILE=) or narrow media.ports"
    );
    match settings.layers.is_set("sip.connections_max") {
        true => tracing::warn!("{sentence}"),
        false => tracing::info!("{sentence}"),
    }
    left
}

/// Attempts to find a port that is free for UDP and TCP.
const SAME_PORT_ATTEMPTS: usize = 20;

/// Descriptors besides media ports and connections: listeners, store, recordings, webhooks.
const FILES_BESIDES: u64 = 1_024;

/// Connections that are always allowed, however low the limit of open files.
const CONNECTIONS_MIN: usize = 16;
