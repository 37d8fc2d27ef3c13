//! Third stage: threads. Then the last step: HTTP accepts, calls are taken. Shell.
//!
//! The order follows from who answers whom: the store thread starts before the signaling thread, whose
//! changes it commits; the signaling thread before the HTTP server, whose requests it answers. `ready` is
//! set last: until then `/readyz` answers 503.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ::io::Media;
use ::io::kernel::InterfaceMeters;
use control::{Control, ControlSettings};
use database::{Database, Recovered};
use hosted::RouteSettings;
use http_server::{
    AddressList, ApiCall, HttpServer, Https, Listening, OpenReader, Readers, Rest, Scheme,
};
use recorder::Library;
use shared::MediaInterface;
use shared::config::Config;
use shared::ids::Origin;
use shell::{Clock, Sender, Text, random};
use storage::Bucket;
use store::{Retention, Unwritten};
use tokio::runtime::Runtime;
use transport::tls::TlsControl;
use transport::{TransportHandle, TransportMetrics};
use webhook::WebhookClient;

use super::addresses::Addresses;
use super::edges::{as_bound, public_address};
use super::error::{ServeError, database_error, system};
use super::functions::serverless;
use super::gateway::Gateway;
use super::hosted::{Hosting, start_hosted};
use super::listeners::Listeners;
use super::workers::{WorkerMeters, WorkerParts, Workers};
use crate::account::MainAccount;
use crate::data_dir::DataDir;
use crate::history::{History, history};
use crate::inbox::Message;
use crate::media_metrics::{self, CoreView};
use crate::memory::MemoryPlan;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::observers::ended_calls::ended_calls;
use crate::observers::stored::StoredHistory;
use crate::signaling_loop::{LoopState, SignalingFigures, SignalingLoop};
use crate::store_thread::{self, StoreParts};
use crate::studio::{Studio, StudioParts};

/// A gateway whose threads run. SIP is served; HTTP is bound and not accepted yet.
pub(super) struct Threads {
    data: DataDir,
    database: Arc<Database>,
    account: MainAccount,
    snapshot: store::Snapshot,
    addresses: Addresses,
    /// The settings with the ports that the system chose, for `/addresses`.
    bound: Config,
    history: Arc<History>,
    http: Vec<std::net::TcpListener>,
    https: Vec<std::net::TcpListener>,
    proxy: Vec<std::net::TcpListener>,
    tls: Arc<TlsControl>,
    api: Sender<ApiCall>,
    messages: Sender<Message>,
    ready: Arc<AtomicBool>,
    counters: Counters,
    runtime: Runtime,
    hosted: Hosting,
    studio: Studio,
    readers: Readers,
    transport: TransportHandle,
    signaling: JoinHandle<std::io::Result<()>>,
}

/// Counters of every thread but the HTTP server's own.
struct Counters {
    metrics: Arc<Metrics>,
    transport: Arc<TransportMetrics>,
    figures: Arc<SignalingFigures>,
    cores: Vec<CoreView>,
    interfaces: Arc<InterfaceMeters>,
    hooks: Vec<MediaInterface>,
    webhooks: WebhookClient,
    bucket: Bucket,
    workers: WorkerMeters,
}

impl Counters {
    fn write(&self, text: &mut Text) {
        self.metrics.write(text);
        self.transport.write(text);
        self.figures.write(text);
        media_metrics::write(text, &self.cores, &self.interfaces);
        media_metrics::write_hooks(text, &self.hooks);
        self.webhooks.meters().snapshot().write(text);
        self.bucket.write_metrics(text);
        self.workers.streams.snapshot().write(text);
        self.workers.voices.write_metrics(text);
        self.workers.recognition.write(text);
        self.webhooks.intake().memory().figures().write(text);
    }
}

impl Listeners<'_> {
    /// Starts every thread.
    ///
    /// # Errors
    /// [`ServeError`]; threads that run already end, because their queues close.
    pub fn start(self) -> Result<Threads, ServeError> {
        let Listeners { plan, addresses, mut media, streams, recognition, .. } = self;
        let messages = self.messages;
        let (config, data, opened) = (&plan.settings.config, plan.data, plan.opened);
        let outbox = plan.outbox;
        let workers = WorkerParts {
            config,
            data: &data,
            addresses: &addresses,
            key: plan.recordings_key,
            outbox: &outbox,
            media: &mut media,
            streams,
            recognition,
            answers: &messages,
        };
        let Workers { runtime, webhooks, bucket, jobs, meters } = workers.start()?;

        let mut settings = control_settings(config, plan.origin, &plan.memory, &addresses);
        settings.edges.clone_from(&self.edges);
        settings.own = self.own;
        let snapshot = opened.snapshot.clone();
        let hooks = media.fast_path.as_ref().map(|service| service.interfaces.clone());
        let hooks = hooks.unwrap_or_default();
        let control = control(settings, hooks.clone(), opened.snapshot, opened.recovered);

        let (sender, history) = history();
        let opener = open_reader(Arc::clone(&plan.database), Arc::clone(&history));
        let readers = Readers::new(opener);
        let store = StoreParts {
            writer: opened.writer,
            journal: opened.journal,
            retention: retention(config),
            outbox,
            history: Arc::clone(&history),
            metrics: Arc::clone(&self.metrics),
        };
        let (store, nudge) =
            system("the store thread", store_thread::start(store, messages.clone()))?;
        let (ends, ended) = ended_calls();
        let studio = StudioParts {
            open_reader: open_reader(Arc::clone(&plan.database), Arc::clone(&history)),
            client: webhooks.clone(),
            history: sender.clone(),
            nudge: nudge.clone(),
            runtime: runtime.handle().clone(),
            origin: plan.origin,
            base: RouteSettings::new(config, BTreeSet::new()).base,
            metrics: Arc::clone(&self.metrics),
        };
        let studio = Studio::start(studio, ended);
        let (client, out) = (&webhooks, messages.clone());
        let hosted = start_hosted(config, &data, client, &addresses, (out, &readers), &studio)?;
        let stored = StoredHistory::new(sender, nudge, Arc::clone(&self.metrics));
        let observers = Observers::new(Arc::clone(&self.metrics)).with(stored).with(ends);
        let cores = core_views(&media);
        let interfaces = media.fast_path.as_ref().map(::io::kernel::Service::meters);
        let interfaces = interfaces.unwrap_or_default();
        let figures = Arc::new(SignalingFigures::default());
        let ready = Arc::new(AtomicBool::new(false));
        let transport = system("the transport thread", self.transport.run(self.down.clone()))?;
        let signaling = SignalingLoop {
            control,
            poll: self.poll,
            doorbell: self.doorbell,
            udp: self.udp,
            own_tcp: addresses.tcp.iter().copied().take(config.sip.tcp.len()).collect(),
            own_tls: addresses.tls.iter().copied().take(config.sip.tls.len()).collect(),
            public_address: public_address(config),
            edges: self.edges,
            inbox: self.inbox,
            transport: self.down.clone(),
            media,
            store,
            observers,
            jobs,
            metrics: Arc::clone(&self.metrics),
            figures: Arc::clone(&figures),
            ready: Arc::clone(&ready),
            drain_limit: Duration::from_secs(config.node.drain_limit_s.into()),
            state: LoopState::default(),
        };
        let signaling = system("the signaling thread", spawn(signaling))?;
        let (metrics, of_transport) = (self.metrics, self.transport_metrics);
        let counters = Counters {
            metrics,
            transport: of_transport,
            figures,
            cores,
            interfaces,
            hooks,
            webhooks,
            bucket,
            workers: meters,
        };
        Ok(Threads {
            bound: as_bound(config, &addresses),
            data,
            database: plan.database,
            account: plan.account,
            snapshot,
            addresses,
            history,
            http: self.http,
            https: self.https,
            proxy: self.proxy,
            tls: self.tls,
            api: self.api,
            messages,
            ready,
            counters,
            runtime,
            hosted,
            studio,
            readers,
            transport,
            signaling,
        })
    }
}

impl Threads {
    /// Accepts HTTP, and takes calls.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn open(self) -> Result<Gateway, ServeError> {
        let Self { data, counters, runtime, ready, tls, .. } = self;
        let open_reader = open_reader(self.database, self.history);
        let reader = open_reader().map_err(|error| database_error(error, &data))?;
        let client = counters.webhooks.clone();
        let Hosting { handlers, functions, rest: for_functions } = self.hosted;
        let function_meters = functions.meters();
        let recordings = Library::new(data.recordings_path(), counters.bucket.elsewhere());
        let rest = Rest::new(self.readers, recordings, self.api.clone());
        // Once: a gateway opens once.
        let _ = for_functions.set(rest.clone());
        rest.walk_flows(Arc::new(self.studio.clone()));
        self.studio.order_by(rest.clone());
        let server = Arc::new(HttpServer {
            room: http_server::Room::default(),
            pages: http_server::PAGES,
            hosted: Box::new(move |request| handlers.page(request, &client)),
            serverless: serverless(functions),
            event_streams: http_server::EventStreams::default(),
            metrics: Arc::default(),
            ready: Arc::clone(&ready),
            rest,
            authorities: tls.bundle(),
            addresses: AddressList::new(&self.bound),
            more_metrics: Box::new(move |text| {
                counters.write(text);
                function_meters.write(text);
            }),
        });
        let settings = tls.https();
        let https: Https = Arc::new(move || settings.read().clone());
        let plain = self.http.into_iter().map(|listener| (listener, Listening::Http));
        let secure = self.https.into_iter().map(|listener| {
            let settings = Arc::clone(&https);
            (listener, Listening::Https(settings))
        });
        let proxy = self.proxy.into_iter().zip(std::iter::repeat(tls.api_names()));
        let proxy = proxy.filter_map(|(listener, tls)| Some((listener, Listening::Proxy(tls?))));
        for (listener, listening) in plain.chain(secure).chain(proxy) {
            let _inside = runtime.enter();
            let listener = system("an HTTP listener", tokio::net::TcpListener::from_std(listener))?;
            runtime.spawn(http_server::serve(listener, listening, Arc::clone(&server)));
        }
        ready.store(true, Ordering::Release);
        Ok(Gateway {
            addresses: self.addresses,
            account: self.account,
            snapshot: self.snapshot,
            reader,
            api: self.api,
            messages: self.messages,
            tls,
            runtime,
            signaling: self.signaling,
            transport: self.transport,
            data,
        })
    }
}

/// Control with what the store held, and with what an unclean end left to it.
fn control(
    settings: ControlSettings,
    hooks: Vec<MediaInterface>,
    snapshot: store::Snapshot,
    recovered: Recovered,
) -> Control {
    let mut seed = [0; 32];
    random(&mut seed);
    let mut control = Control::new(settings, snapshot, seed);
    control.name_media_interfaces(hooks);
    control.restore_bindings(Clock.now(), recovered.bindings);
    control.expect_back(Clock.now(), recovered.returning);
    control.owe_callbacks(Clock.now(), recovered.callbacks);
    control
}

/// The settings of Control that follow from the file, the memory and the bound addresses.
fn control_settings(
    config: &Config,
    origin: Origin,
    memory: &MemoryPlan,
    addresses: &Addresses,
) -> ControlSettings {
    let api_base = http_server::base_url(Scheme::Http, api_host(addresses));
    let mut settings = ControlSettings::new(config, origin, &api_base);
    settings.calls_max = usize::try_from(memory.calls).unwrap_or(usize::MAX);
    settings.tcp_port = addresses.tcp.first().map(SocketAddr::port);
    settings.udp.clone_from(&addresses.udp);
    settings.beep = Arc::new(plane::g711::prompt(&plane::tone::Tone::DOOR.samples()));
    settings
}

fn retention(config: &Config) -> Retention {
    Retention {
        age_ms: i64::from(config.retention.days) * 24 * 3_600_000,
        bytes: config.retention.bytes.0,
    }
}

fn spawn(signaling: SignalingLoop) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    std::thread::Builder::new().name("signaling".to_owned()).spawn(move || signaling.run())
}

/// Opens a store connection for the REST API. It also sees the history that waits for the writer.
fn open_reader(database: Arc<Database>, history: Arc<History>) -> OpenReader {
    Box::new(move || database.reader(Some(Arc::clone(&history) as Arc<dyn Unwritten>)))
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

/// Host and port in `RecordingUrl`. A listener on all addresses appears as the loopback address.
fn api_host(addresses: &Addresses) -> SocketAddr {
    let first = addresses.http.first().copied();
    let first = first.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    match first.ip() {
        ip if !ip.is_unspecified() => first,
        IpAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], first.port())),
        IpAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, first.port())),
    }
}
