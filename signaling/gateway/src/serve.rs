//! Puts the gateway together: data folder, listeners, threads; then waits for its end. Shell.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ::io::{BackendChoice, Cpus, IoConfig, Media};
use audio::AudioIntake;
use control::{Control, ControlSettings, EdgeListener, Edges, Service};
use database::{Opened, Retention};
use http_server::{AddressList, ApiCall, BoxedReader, HttpServer, Https, OpenReader, Rest};
use mio::Poll;
use recorder::{Recorder, RecorderSettings};
use shared::OwnSockets;
use shared::config::{Backend, Config, Cores, Edge, PublicAddress, SpeechEngine};
use shared::ids::Origin;
use shell::{Clock, Doorbell, Sender, bounded, random};
use speech::prompts::PromptLoader;
use speech::{Program, SpeechError, SpeechService, SpeechSettings};
use store::DomainSuffix;
use transport::tls::{TlsControl, certified_addresses};
use transport::{Transport, TransportConfig, TransportHandle, TransportMetrics};
use webhook::dns::{Resolver, SipResolver};
use webhook::{WebhookClient, WebhookSettings};

use crate::account::{self, AccountVariables, MainAccount};
use crate::data_dir::DataDir;
use crate::errands::{Errands, recorded};
use crate::history::{History, history};
use crate::inbox::{API_CALLS_MAX, Inbox, MESSAGES_MAX, Message, STREAM_MESSAGES_MAX};
use crate::media_metrics::{self, CoreView};
use crate::memory::{self, MemoryPlan};
use crate::metrics::Metrics;
use crate::own_sockets::own_sockets;
use crate::settings::Settings;
use crate::signaling_loop::{DOORBELL, LoopState, SignalingFigures, SignalingLoop, UdpListener};
use crate::store_thread::{self, StoreParts};

/// The gateway did not start. Each is a sentence with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] crate::data_dir::DataDirError),
    /// The database.
    #[error("{0} (data folder {1})")]
    Database(database::OpenError, PathBuf),
    /// A store was here and is gone, or cannot be used.
    #[error("{problem} (data folder {}). {STORE_REMEDY}", .folder.display())]
    Store {
        /// What is wrong.
        problem: String,
        /// Where.
        folder: PathBuf,
    },
    /// The first account.
    #[error(transparent)]
    Account(#[from] account::AccountError),
    /// Memory.
    #[error(transparent)]
    Memory(#[from] memory::DoesNotFit),
    /// A listener.
    #[error("cannot listen on {address} ({transport}, setting {key}): {source}. {}", listen_remedy(.source, .address))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// UDP, TCP or HTTP.
        transport: &'static str,
        /// The setting.
        key: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The media cores.
    #[error(transparent)]
    Media(#[from] ::io::StartError),
    /// Recordings.
    #[error("recordings cannot be kept in {1}: {0}. Check the folder's permissions.")]
    Recorder(std::io::Error, PathBuf),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] transport::tls::TlsError),
    /// Anything else the system refuses at start.
    #[error("cannot start {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// TLS of webhooks.
    #[error("cannot set up TLS for webhooks: {0}")]
    Webhooks(#[from] webhook::WebhookSetupError),
}

const STORE_REMEDY: &str = "Restore the folder from a backup; or begin anew with `sidetone serve --new-store`, \
    which keeps the key and the recordings and puts what is left of the store aside";

fn listen_remedy(source: &std::io::Error, address: &SocketAddr) -> String {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "Another program holds port {}: find it with `ss -lnp | grep :{}` and stop it, or set another port.",
            address.port(),
            address.port()
        ),
        std::io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: use one of `ip address`, or 0.0.0.0 for all."
                .to_owned()
        }
        std::io::ErrorKind::PermissionDenied => {
            "Ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or set a higher port.".to_owned()
        }
        _ => "Check the setting.".to_owned(),
    }
}

/// A gateway that runs. Dropping it does not stop it: see [`Gateway::wait`].
pub struct Gateway {
    /// What it listens on.
    pub addresses: Addresses,
    /// The main account.
    pub account: MainAccount,
    /// The configuration as it was when it started, for those who add to it.
    pub snapshot: store::Snapshot,
    /// Reads the store, lists too.
    pub reader: database::Reader,
    /// REST requests straight to Control, without HTTP.
    pub api: Sender<ApiCall>,
    /// Signals to the signaling thread.
    pub messages: Sender<Message>,
    /// TLS, to be set up again when the settings are read again.
    pub tls: Arc<TlsControl>,
    /// Down to the transport thread: TLS that was set up again.
    pub down: Sender<transport::Down>,
    /// The HTTP side.
    pub runtime: tokio::runtime::Runtime,
    signaling: JoinHandle<std::io::Result<()>>,
    transport: TransportHandle,
    /// Held to the end.
    _data: DataDir,
}

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
    /// The same over TLS.
    pub https: Vec<SocketAddr>,
    /// Backend and number of media cores.
    pub media: String,
}

impl Addresses {
    /// The line that says that calls are taken.
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
        format!(
            "sidetone ready sip={} tls={} http={} media={}",
            text(&sip),
            text(&list("", &self.tls)),
            text(&[list("", &self.http), list("https:", &self.https)].concat()),
            self.media
        )
    }

    /// Listeners that webhooks must never reach.
    fn own(&self) -> Vec<SocketAddr> {
        [self.udp.as_slice(), &self.tcp, &self.tls, &self.http, &self.https].concat()
    }
}

/// Starts everything; when this returns, calls are taken.
///
/// # Errors
/// [`ServeError`]; what was started is stopped again.
pub fn start(settings: &Settings, variables: &AccountVariables) -> Result<Gateway, ServeError> {
    start_with(settings, variables, StoreWanted::AsItIs)
}

/// The same, saying what is to be done where the store is gone.
///
/// # Errors
/// [`ServeError`]; what was started is stopped again.
pub fn start_with(
    settings: &Settings,
    variables: &AccountVariables,
    wanted: StoreWanted,
) -> Result<Gateway, ServeError> {
    let config = &settings.config;
    for sentence in config.warnings(&settings.layers) {
        tracing::warn!("{sentence}");
    }
    let data = DataDir::open(&config.node.data_dir)?;
    let origin = Origin { node: config.node.id, generation: data.generation };
    let plan = plan_memory(config)?;
    check_store(&data, wanted)?;
    let (mut opened, sealer) = open_store(config, &data, origin)?;
    data.keep_key()?;
    let account = account::ensure(
        &data,
        &mut opened.writer,
        &mut opened.snapshot,
        variables,
        origin,
        Clock.unix_ms(),
    )?;
    recover_recordings(&data, &mut opened);
    // A copy of the main file holds the accounts from now on, whatever becomes of the log.
    opened.writer.checkpoint().map_err(|error| database_error(error.into(), &data))?;

    let metrics = Arc::new(Metrics::default());
    let transport_metrics = Arc::new(TransportMetrics::default());
    let poll = system("the signaling poll", Poll::new())?;
    let doorbell = system("its doorbell", Doorbell::new(&poll, DOORBELL))?;
    let (messages, messages_in) = bounded(MESSAGES_MAX, &doorbell);
    let (streams, streams_in) = bounded(STREAM_MESSAGES_MAX, &doorbell);
    let (api, api_in) = bounded(API_CALLS_MAX, &doorbell);

    let (udp, mut transport, down, edges) =
        open_sip(config, &poll, &metrics, &transport_metrics, streams)?;
    let http = open_http(&config.http.listen, "HTTP", "http.listen")?;
    let https = open_http(&config.http.https, "HTTPS", "http.https")?;
    let udp_addresses: Vec<SocketAddr> = udp.iter().map(UdpListener::local_address).collect();
    let own = Arc::new(own_sockets(config, &udp_addresses));
    let mut media = start_media(config, &doorbell, Arc::clone(&own))?;
    let addresses = Addresses {
        udp: udp_addresses,
        tcp: transport.local_addresses(sip::Transport::Tcp),
        tls: transport.local_addresses(sip::Transport::Tls),
        http: http.iter().filter_map(|listener| listener.local_addr().ok()).collect(),
        https: https.iter().filter_map(|listener| listener.local_addr().ok()).collect(),
        media: media_word(&media),
    };
    transport.limit_streams(streams_that_fit(settings, &media));
    let (tls, parts) = start_tls(config, &data, &addresses, down.clone())?;
    let tls = Arc::new(tls);
    transport.set_tls(parts);

    let runtime = system(
        "the HTTP threads",
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(HTTP_WORKERS)
            .thread_name("http")
            .enable_all()
            .build(),
    )?;
    let recorder = start_recorder(config, &data, &mut media, messages.clone())?;
    let errands = start_errands(config, &data, &runtime, &addresses, messages.clone(), recorder)?;
    let webhooks = errands.webhooks.clone();

    let api_base = http_server::base_url(api_host(&addresses));
    let mut control_settings = ControlSettings::new(config, origin, &api_base);
    control_settings.calls_max = usize::try_from(plan.calls).unwrap_or(usize::MAX);
    control_settings.tcp_port = addresses.tcp.first().map(SocketAddr::port);
    let mut seed = [0; 32];
    random(&mut seed);
    let snapshot = opened.snapshot.clone();
    control_settings.udp.clone_from(&addresses.udp);
    control_settings.edges.clone_from(&edges);
    control_settings.own = own;
    let mut control = Control::new(control_settings, opened.snapshot, seed);
    control.restore_bindings(Clock.now(), opened.recovered.bindings);
    control.expect_back(Clock.now(), opened.recovered.returning);

    let retention = Retention {
        age_ms: i64::from(config.retention.days) * 24 * 3_600_000,
        bytes: config.retention.bytes.0,
    };
    let (sender, history) = history();
    let store = StoreParts {
        writer: opened.writer,
        journal: opened.journal,
        retention,
        recordings: recordings_path(&data),
        history: Arc::clone(&history),
        metrics: Arc::clone(&metrics),
    };
    let store = system("the store thread", store_thread::start(store, sender, messages.clone()))?;
    let views = core_views(&media);
    let figures = Arc::new(SignalingFigures::default());
    let ready = Arc::new(AtomicBool::new(false));
    let transport = system("the transport thread", transport.run(down.clone()))?;
    let signaling = SignalingLoop {
        control,
        poll,
        doorbell,
        udp,
        own_tcp: addresses.tcp.iter().copied().take(config.sip.tcp.len()).collect(),
        own_tls: addresses.tls.iter().copied().take(config.sip.tls.len()).collect(),
        public_address: public_address(config),
        edges,
        inbox: Inbox { messages: messages_in, streams: streams_in, api: api_in },
        transport: down.clone(),
        media,
        store,
        errands,
        metrics: Arc::clone(&metrics),
        figures: Arc::clone(&figures),
        ready: Arc::clone(&ready),
        drain_limit: Duration::from_secs(config.node.drain_limit_s.into()),
        state: LoopState::default(),
    };
    let signaling = system(
        "the signaling thread",
        std::thread::Builder::new().name("signaling".to_owned()).spawn(move || signaling.run()),
    )?;

    let reader = database::Reader::open(&database_path(&data), Arc::clone(&sealer))
        .map_err(|error| database_error(error.into(), &data))?
        .seeing(Arc::clone(&history));
    let open_reader = open_reader(database_path(&data), sealer, history);
    let rest = Rest::new(open_reader, recordings_path(&data), api.clone());
    let http_metrics = Arc::default();
    let server = Arc::new(HttpServer {
        room: http_server::Room::default(),
        metrics: http_metrics,
        ready: Arc::clone(&ready),
        rest,
        authorities: tls.bundle(),
        addresses: AddressList::new(&as_bound(config, &addresses)),
        more_metrics: Box::new(move |text| {
            metrics.write(text);
            transport_metrics.write(text);
            figures.write(text);
            media_metrics::write(text, &views);
            webhooks.meters().snapshot().write(text);
            webhooks.intake().memory().figures().write(text);
        }),
    });
    let plain = http.into_iter().map(|listener| (listener, None));
    let settings = tls.https();
    let https_settings: Https = Arc::new(move || settings.read().clone());
    let secure = https.into_iter().map(|listener| (listener, Some(Arc::clone(&https_settings))));
    for (listener, tls) in plain.chain(secure) {
        let _inside = runtime.enter();
        let listener = system("an HTTP listener", tokio::net::TcpListener::from_std(listener))?;
        runtime.spawn(http_server::serve(listener, tls, Arc::clone(&server)));
    }
    ready.store(true, Ordering::Release);
    Ok(Gateway {
        addresses,
        account,
        snapshot,
        reader,
        api,
        messages,
        tls,
        down,
        runtime,
        signaling,
        transport,
        _data: data,
    })
}

impl Gateway {
    /// Waits until the gateway has drained or was told to end.
    ///
    /// # Errors
    /// When the signaling thread failed: a sentence for the log.
    pub fn wait(self) -> Result<(), String> {
        let ended = self.signaling.join();
        self.transport.stop();
        self.runtime.shutdown_timeout(HTTP_SHUTDOWN);
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(format!("the signaling thread cannot wait for its sockets: {error}"))
            }
            Err(_) => {
                Err("the signaling thread panicked; its calls are lost. Please report it."
                    .to_owned())
            }
        }
    }
}

fn system<T>(what: &'static str, result: std::io::Result<T>) -> Result<T, ServeError> {
    result.map_err(|source| ServeError::System { what, source })
}

fn plan_memory(config: &Config) -> Result<MemoryPlan, ServeError> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = match &config.media.cores {
        Cores::Auto => cpus.saturating_sub(2).max(1),
        Cores::List(list) => list.len(),
    };
    let available = memory::available(config);
    let plan = MemoryPlan::new(config, cores as u64, available)?;
    tracing::info!(
        calls = plan.calls,
        sum = %shared::config::ByteSize(plan.bytes()),
        available = %shared::config::ByteSize(available),
        "memory that all limits together may take"
    );
    tracing::debug!("of that: {}", plan.detail());
    Ok(plan)
}

/// What is to be done where a data folder's store is gone or damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreWanted {
    /// Refuse to start.
    #[default]
    AsItIs,
    /// Put aside what is left of it and begin with an empty one.
    New,
}

/// Refuses a folder whose store is gone or damaged: an empty one in its place would answer 401 to every
/// application and know no phone.
fn check_store(data: &DataDir, wanted: StoreWanted) -> Result<(), ServeError> {
    use database::Found::{Accounts, Empty, Nothing};
    let path = database_path(data);
    let trace = data.trace_of_store();
    let problem = match (database::find(&path), &trace) {
        (Ok(Accounts), _) if data.key_is_new => {
            "the store is there and the file `key` is gone, without which its secrets cannot be read"
                .to_owned()
        }
        (Ok(Accounts), _) | (Ok(Empty | Nothing), None) => return Ok(()),
        // Interrupted after the key was kept and before the account was made.
        (Ok(Empty), Some(_)) if !data.credentials_path().exists() => return Ok(()),
        (Ok(Empty | Nothing), Some(trace)) => {
            format!("{} shows that a store was here, and {} is gone", trace.display(), path.display())
        }
        (Err(error), _) => error.to_string(),
    };
    if wanted == StoreWanted::AsItIs {
        return Err(ServeError::Store { problem, folder: data.path().to_owned() });
    }
    tracing::warn!("beginning anew, as --new-store asks for: {problem}");
    put_aside(data, &path)
}

/// Renames what is left of a store, and the credentials of its account.
fn put_aside(data: &DataDir, database: &Path) -> Result<(), ServeError> {
    let suffix = format!("old-{}", Clock.unix_ms() / 1_000);
    let credentials = data.credentials_path();
    for file in database::files(database).into_iter().chain([credentials]) {
        let mut aside = file.clone().into_os_string();
        aside.push(format!(".{suffix}"));
        match std::fs::rename(&file, &aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ServeError::System { what: "with a new store", source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

fn database_error(error: database::OpenError, data: &DataDir) -> ServeError {
    ServeError::Database(error, data.path().to_owned())
}

type SharedSealer = Arc<dyn store::Sealer>;

fn open_store(
    config: &Config,
    data: &DataDir,
    origin: Origin,
) -> Result<(Opened, SharedSealer), ServeError> {
    let sealer: SharedSealer = Arc::new(crate::sealing::KeyFileSealer::new(&data.key));
    let suffix = DomainSuffix::new(&config.node.domain_suffix);
    let path = database_path(data);
    let opened = database::open(&path, suffix, Arc::clone(&sealer), Clock.unix_ms(), origin)
        .map_err(|error| database_error(error, data))?;
    Ok((opened, sealer))
}

/// Connections to the store for the REST API, which see the history that waits for the writer, too.
fn open_reader(database: PathBuf, sealer: SharedSealer, history: Arc<History>) -> OpenReader {
    Box::new(move || {
        let reader = database::Reader::open(&database, Arc::clone(&sealer));
        let reader = reader.map_err(|error| error.to_string())?.seeing(Arc::clone(&history));
        let reader: BoxedReader = Box::new(reader);
        Ok(reader)
    })
}

/// Where the embedded store is.
pub fn database_path(data: &DataDir) -> PathBuf {
    database_in(data.path())
}

/// The same by the folder's path.
pub fn database_in(folder: &Path) -> PathBuf {
    folder.join("sidetone.db")
}

/// Where recordings are.
pub fn recordings_path(data: &DataDir) -> PathBuf {
    data.path().join("recordings")
}

/// Recordings that a kill interrupted get their files and their rows put right; files of deleted ones
/// that it left go.
fn recover_recordings(data: &DataDir, opened: &mut Opened) {
    use store::{Change, RecordingStatus};
    for (account, recording) in std::mem::take(&mut opened.recovered.deleted) {
        if let Err(error) = recorder::remove(&recordings_path(data), account, recording) {
            tracing::error!(%recording, %error, "a deleted recording's file is still there");
        }
    }
    let files = match recorder::recover(&recordings_path(data)) {
        Ok(files) => files,
        Err(error) => {
            tracing::error!(%error, "recordings of the last process cannot be looked for");
            return;
        }
    };
    let unix_ms = Clock.unix_ms();
    let mut changes = Vec::new();
    for mut record in std::mem::take(&mut opened.recovered.recordings) {
        let kept = files.iter().find(|file| file.recording == record.sid);
        let facts = kept.and_then(|file| file.facts).or_else(|| {
            // Settled on disk, but its row was not written any more.
            let path = recorder::path(&recordings_path(data), record.account, record.sid);
            recorder::inspect(&path).ok().flatten()
        });
        record.updated_ms = unix_ms;
        record.duration_s = Some(facts.map_or(0, |facts| {
            u32::try_from(facts.duration_ms.div_ceil(1_000)).unwrap_or(u32::MAX)
        }));
        record.bytes = facts.map(|facts| facts.bytes);
        record.status = match facts {
            Some(_) => RecordingStatus::Completed,
            None => RecordingStatus::Absent,
        };
        changes.push(Change::PutRecording(Arc::new(record)));
    }
    if !changes.is_empty() {
        tracing::warn!(recordings = changes.len(), "finished recordings that a kill interrupted");
        opened.writer.commit(unix_ms, &changes);
    }
}

type Sip = (Vec<UdpListener>, Transport, Sender<transport::Down>, Edges);

/// Opens the SIP listeners. Where UDP and TCP are both asked for port 0 on one address they get the
/// same port, as a peer expects.
fn open_sip(
    config: &Config,
    poll: &Poll,
    metrics: &Metrics,
    transport_metrics: &Arc<TransportMetrics>,
    up: Sender<transport::Up>,
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
            streams_max: usize::try_from(config.sip.connections_max).unwrap_or(usize::MAX),
            streams_source_max: usize::try_from(config.sip.connections_source_max)
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

/// Every listener of every edge, in a fixed order.
fn edge_listeners(config: &Config) -> impl Iterator<Item = (&String, &Edge, &SocketAddr)> {
    let edges = config.edges.iter();
    edges.flat_map(|(name, edge)| edge.listen.iter().map(move |address| (name, edge, address)))
}

/// Every TLS listener of every edge, in a fixed order.
fn edge_tls_listeners(config: &Config) -> impl Iterator<Item = (&String, &Edge, SocketAddr)> {
    let mut tls = config.edge_tls();
    config.edges.iter().flat_map(move |(name, edge)| {
        let own = tls.remove(name.as_str()).unwrap_or_default().own;
        own.into_iter().map(move |address| (name, edge, address))
    })
}

/// The listeners of both kinds, with the ports that the system chose.
fn edges(config: &Config, udp: &[UdpListener], transport: &Transport) -> Edges {
    let listener = |name: &str, edge: &Edge, wanted: SocketAddr, service, bound| EdgeListener {
        edge: shared::edge::canonical(&name.to_ascii_lowercase()).into(),
        service,
        bound,
        public: fixed(edge.public_address),
        is_egress: edge.sends_from(wanted),
        interconnect: (!edge.tnx.is_empty()).then(|| edge.tnx.as_str().into()),
    };
    let sockets = udp.iter().enumerate().skip(config.sip.udp.len());
    let plain =
        edge_listeners(config).zip(sockets).map(|((name, edge, wanted), (index, socket))| {
            let service = Service::Plain(sip::FlowId(index as u64));
            listener(name, edge, *wanted, service, socket.local_address())
        });
    let bound = transport.local_addresses(sip::Transport::Tls).into_iter();
    let secure = edge_tls_listeners(config).zip(bound.skip(config.sip.tls.len()));
    let secure = secure
        .map(|((name, edge, wanted), bound)| listener(name, edge, wanted, Service::Tls, bound));
    Edges::new(plain.chain(secure).collect())
}

/// What webhooks leave from by each edge: the addresses it sends SIP from, where it names any.
fn webhook_sources(config: &Config) -> BTreeMap<String, Vec<IpAddr>> {
    let mut sources: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    let named = edge_listeners(config).filter(|(_, _, address)| !address.ip().is_unspecified());
    for (name, edge, address) in named {
        let of_edge = sources.entry(shared::edge::canonical(&name.to_ascii_lowercase()).to_owned());
        let of_edge = of_edge.or_default();
        let at = if edge.sends_from(*address) { 0 } else { of_edge.len() };
        of_edge.insert(at, address.ip());
    }
    sources
}

/// The settings with the ports that the system chose, for the list of addresses.
fn as_bound(config: &Config, addresses: &Addresses) -> Config {
    let mut bound = config.clone();
    let mut udp = addresses.udp.iter().copied();
    bound.sip.udp = udp.by_ref().take(config.sip.udp.len()).collect();
    bound.sip.tcp = addresses.tcp.iter().copied().take(config.sip.tcp.len()).collect();
    let mut tls = addresses.tls.iter().copied();
    bound.sip.tls = tls.by_ref().take(config.sip.tls.len()).collect();
    let wanted = config.edge_tls();
    for (name, edge) in &mut bound.edges {
        edge.listen = udp.by_ref().take(edge.listen.len()).collect();
        let own = wanted.get(name.as_str()).map_or(0, |wanted| wanted.own.len());
        edge.tls = tls.by_ref().take(own).collect();
    }
    bound
}

fn same_port(wanted: SocketAddr, udp: &[UdpListener]) -> SocketAddr {
    let same = udp.iter().map(UdpListener::local_address).find(|local| local.ip() == wanted.ip());
    match same {
        Some(local) if wanted.port() == 0 => local,
        _ => wanted,
    }
}

/// Leaves that are issued on demand come to the transport thread by its queue.
fn start_tls(
    config: &Config,
    data: &DataDir,
    addresses: &Addresses,
    down: Sender<transport::Down>,
) -> Result<(TlsControl, transport::tls::TlsParts), ServeError> {
    let now = Clock.mono();
    let mut local = crate::local_address::LocalAddresses::default();
    // At an edge's address a listener on all addresses may answer.
    let edges = config.edge_tls().into_values().flat_map(|edge| edge.shared).collect();
    let listening = [addresses.tls.clone(), addresses.https.clone(), edges].concat();
    let certified = certified_addresses(config, &listening, |peer| local.towards(now, peer));
    let tell = move |minted| down.send_patiently(transport::Down::Minted(minted));
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

fn start_media(
    config: &Config,
    signaling: &Doorbell,
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
            Backend::Auto | Backend::Steered | Backend::Xdp => BackendChoice::Auto,
        },
        addresses: config.media.addresses.clone(),
        ports: config.media.ports.first..=config.media.ports.last,
        own,
        inband_digits: config.media.inband_digits,
        seed: u64::from_le_bytes(seed),
        dscp: u8::try_from(config.media.dscp).unwrap_or(u8::MAX),
        ..IoConfig::default()
    };
    let bell = signaling.clone();
    // The recorder looks at its rings by itself every 10 ms while it records: nobody need wake it.
    let media = ::io::start(&io_config, Arc::new(move || bell.ring()), Arc::new(|| {}))?;
    for note in &media.notes {
        tracing::warn!("{note}");
    }
    Ok(media)
}

fn media_word(media: &Media) -> String {
    let backend = media.cores.first().map_or("none", |core| core.backend.name());
    format!("{backend}/{}", media.cores.len())
}

fn core_views(media: &Media) -> Vec<CoreView> {
    let view = |core: &::io::Core| CoreView {
        core: core.id.0.to_string(),
        backend: core.backend,
        cpu: core.cpu,
        meters: Arc::clone(&core.meters),
    };
    media.cores.iter().map(view).collect()
}

/// Connections need descriptors, too: fewer where the limit leaves no more, so that media, store and
/// webhooks never go without. Said as a warning only to those who asked for more.
fn streams_that_fit(settings: &Settings, media: &Media) -> usize {
    let wanted = usize::try_from(settings.config.sip.connections_max).unwrap_or(usize::MAX);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let Some(limit) = limit else { return wanted };
    let ports: usize = media.cores.iter().map(|core| core.ports.len() * 2).sum();
    let left = limit.saturating_sub(ports as u64 + FILES_BESIDES);
    let left = usize::try_from(left).unwrap_or(usize::MAX).max(STREAMS_MIN);
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

fn start_recorder(
    config: &Config,
    data: &DataDir,
    media: &mut Media,
    answers: Sender<Message>,
) -> Result<Recorder, ServeError> {
    let root = recordings_path(data);
    let settings = RecorderSettings {
        root: root.clone(),
        free_bytes_min: config.recordings.free_disk_min.0,
        free_percent_min: RECORDINGS_FREE_PERCENT_MIN,
    };
    let rings = media.cores.iter_mut().filter_map(::io::Core::take_frames).collect();
    let on_event = Arc::new(move |event| {
        if let Some(message) = recorded(event) {
            answers.send_patiently(message);
        }
    });
    Recorder::start(settings, rings, on_event).map_err(|error| ServeError::Recorder(error, root))
}

fn start_errands(
    config: &Config,
    data: &DataDir,
    runtime: &tokio::runtime::Runtime,
    addresses: &Addresses,
    answers: Sender<Message>,
    recorder: Recorder,
) -> Result<Errands, ServeError> {
    let _inside = runtime.enter();
    let resolver = Resolver::asking(&config.node.dns);
    let intake = AudioIntake::new(config.limits.audio.0);
    let webhooks = WebhookClient::new(
        WebhookSettings {
            user_agent: config.webhook.user_agent.clone(),
            allow_private: config.webhook.allow_private.clone(),
            own_listeners: addresses.own(),
            edges: webhook_sources(config),
            extra_roots: Vec::new(),
        },
        resolver.clone(),
        intake.clone(),
    )?;
    let prompts = PromptLoader::new(webhooks.clone(), start_speech(data, &intake));
    Ok(Errands {
        runtime: runtime.handle().clone(),
        answers,
        webhooks,
        sip: SipResolver::new(resolver, config.sip.allow_private_targets),
        prompts,
        recorder: Some(recorder),
        out: Arc::new(AtomicUsize::new(0)),
        prompts_out: BTreeMap::new(),
    })
}

/// Without a voice calls go on: every <Say> fails with its code, and the log says why once.
fn start_speech(data: &DataDir, intake: &AudioIntake) -> Result<SpeechService, SpeechError> {
    let program =
        Program::this_binary().map_err(|error| SpeechError::Unavailable(error.to_string()));
    let speech = program.and_then(|program| {
        let settings = SpeechSettings {
            engine: SpeechEngine::Pico,
            voices_dir: data.path().join("voices"),
            program,
            workers: SPEECH_WORKERS,
        };
        SpeechService::start(settings, intake)
    });
    if let Err(error) = &speech {
        tracing::error!(%error, "<Say> cannot speak");
    }
    speech
}

fn public_address(config: &Config) -> Option<IpAddr> {
    fixed(config.node.public_address)
}

const fn fixed(address: PublicAddress) -> Option<IpAddr> {
    match address {
        PublicAddress::Auto => None,
        PublicAddress::Fixed(address) => Some(address),
    }
}

/// Host and port that `RecordingUrl` names: a listener on any address is named by the loopback one.
fn api_host(addresses: &Addresses) -> SocketAddr {
    let first = addresses.http.first().copied();
    let first = first.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    match first.ip() {
        ip if !ip.is_unspecified() => first,
        IpAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], first.port())),
        IpAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, first.port())),
    }
}

pub(crate) const SPEECH_WORKERS: usize = 2;
const HTTP_WORKERS: usize = 2;
const HTTP_SHUTDOWN: Duration = Duration::from_millis(500);
/// Tries for a port that is free for UDP and TCP.
const SAME_PORT_ATTEMPTS: usize = 20;
/// Files besides media ports and streams: listeners, store, recordings, webhooks.
const FILES_BESIDES: u64 = 1_024;
/// Streams that are allowed whatever the limit of open files says.
const STREAMS_MIN: usize = 16;
/// No new recording below this share of the disk (limits-and-rules).
const RECORDINGS_FREE_PERCENT_MIN: u64 = 5;

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
            media: "io_uring/1".to_owned(),
        };
        let line = "sidetone ready sip=127.0.0.1:5060 tls=off http=127.0.0.1:8080 media=io_uring/1";
        assert_eq!(addresses.ready_line(), line);
        addresses.tcp.clear();
        assert!(addresses.ready_line().contains("sip=udp:127.0.0.1:5060 "));
    }
}
