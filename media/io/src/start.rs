//! Start of the cores: checks the settings, makes the rings, starts one thread a core, which opens its ports.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use plane::{MeshFrame, Plane, PlaneConfig};
use rtrb::{Consumer, Producer, RingBuffer};
use shared::{
    BySink, CoreId, FeedItem, MediaCommand, MediaEvent, MediaPort, Sink, TapFrame, limits,
};

use crate::backend::driver::Driver;
use crate::backend::{self, Portable, Uring};
use crate::clock;
use crate::config::{Backend, BackendChoice, FastPathChoice, IoConfig};
use crate::cpus;
use crate::event_loop::{Ends, EventLoop, Machine, MeshEnd, Reader, SinkEnd, Uplink};
use crate::handle::{Core, FeedWriter, Media};
use crate::kernel::Service;
use crate::kernel::tier::{CoreTier, Shared};
use crate::meters::CoreMeters;
use crate::ports::{self, Opened};
use crate::report::{StartError, StartNote};
use crate::sleeper::{Doorbell, Sleeper, Wake};
use crate::wait::WaitPolicy;

/// Opens the ports and starts one thread a core.
///
/// A core calls `wake_signaling` after it pushed events while the reader had announced its sleep (or never
/// announces), at most once a turn; `wake_sinks` likewise after frames for a sink.
///
/// # Errors
/// See [`StartError`]; nothing is left running or open.
pub fn start(
    config: &IoConfig,
    wake_signaling: Wake,
    wake_sinks: &BySink<Wake>,
) -> Result<Media, StartError> {
    start_machines(config, wake_signaling, wake_sinks, Plane::new)
}

/// As [`start`], for any machine.
pub(crate) fn start_machines<M: Machine + 'static>(
    config: &IoConfig,
    wake_signaling: Wake,
    wake_sinks: &BySink<Wake>,
    make: fn(PlaneConfig) -> M,
) -> Result<Media, StartError> {
    let cpus = cpus::choose(&config.cpus);
    check(config, cpus.len())?;
    let (backend, note) = backend::choose(config.backend)?;
    let (fast_path, slow) = start_fast_path(config)?;
    let plan = Plan {
        config,
        cores: cpus.len(),
        backend,
        files_max: ports::raise_files_limit(),
        tier: fast_path.as_ref().map(Service::shared),
    };
    let shares = ports::share(&config.ports, config.addresses.len(), cpus.len());
    let signaling = Arc::new(Sleeper::default());
    let sinks = BySink::from_fn(|_| Arc::new(Sleeper::default()));
    let links = link(config, cpus.len(), &sinks, wake_sinks)?;

    let mut starting = Vec::with_capacity(cpus.len());
    for ((link, share), cpu) in links.into_iter().zip(shares).zip(cpus) {
        let reader = Reader::new(Arc::clone(&signaling), Arc::clone(&wake_signaling));
        starting.push(spawn(&plan, link, share, cpu, reader, make)?);
    }
    let mut media = Media {
        cores: Vec::new(),
        fast_path,
        notes: note.into_iter().chain(slow).collect(),
        signaling,
        sinks,
    };
    // An error returns here and drops all handles, which stops the cores and frees their ports.
    for (mut core, report) in starting {
        let report = report.recv().map_err(|_| StartError::CoreDied { core: core.id })??;
        core.ports = report.opened.ports;
        core.cpu = report.cpu;
        core.backend = report.backend;
        media.notes.extend(report.opened.notes);
        media.cores.push(core);
    }
    Ok(media)
}

/// Values that all cores of a start share.
struct Plan<'a> {
    config: &'a IoConfig,
    cores: usize,
    backend: Backend,
    files_max: u64,
    tier: Option<Arc<Shared>>,
}

/// The fast path, or the reason that `auto` does without.
fn start_fast_path(config: &IoConfig) -> Result<(Option<Service>, Option<StartNote>), StartError> {
    if config.fast_path == FastPathChoice::Off {
        return Ok((None, None));
    }
    match Service::start(config) {
        Ok(service) => Ok((Some(service), None)),
        Err(error) if config.fast_path == FastPathChoice::Auto => {
            Ok((None, Some(StartNote::NoFastPath { reason: error.to_string() })))
        }
        Err(error) => Err(StartError::FastPathDenied {
            choice: config.fast_path.name(),
            reason: error.to_string(),
        }),
    }
}

/// Both ends of one core's rings.
struct Link {
    id: CoreId,
    commands: (Producer<MediaCommand>, Consumer<MediaCommand>),
    events: (Producer<MediaEvent>, Consumer<MediaEvent>),
    feed: (Producer<FeedItem>, Consumer<FeedItem>),
    sinks: BySink<SinkEnd>,
    frames: BySink<Option<Consumer<TapFrame>>>,
    mesh_in: Vec<Consumer<MeshFrame>>,
    mesh_out: Vec<Option<MeshEnd>>,
    doorbell: Arc<Doorbell>,
}

/// Report of a core that is open for packets.
struct Report {
    opened: Opened,
    cpu: Option<usize>,
    backend: Backend,
}

/// Everything that moves to a core's thread.
struct Setup<M> {
    id: CoreId,
    cpu: usize,
    cores: usize,
    share: Vec<MediaPort>,
    config: IoConfig,
    backend: Backend,
    files_max: u64,
    tier: Option<Arc<Shared>>,
    ends: Ends,
    make: fn(PlaneConfig) -> M,
    /// Taken by the first life, once it is open for packets or has failed to open.
    report: Option<mpsc::Sender<Result<Report, StartError>>>,
}

/// Cores of one process. Their mesh has a ring for each ordered pair.
const CORES_MAX: usize = 64;
const _: () = assert!(CORES_MAX <= u8::MAX as usize);

/// Mesh frames in flight to one core from all others together: 20 ms of 2,000 calls at two cores, less for
/// each pair with more cores, so that memory grows with the cores and not with their square.
const MESH_SLOTS: usize = 32_768;
/// Most and fewest for one ordered pair.
const MESH_SLOTS_PAIR: (usize, usize) = (512, 4_096);

/// Memory of one core with every leg, tap, feed, room and ring slot in use, bytes.
pub fn core_bytes(config: &IoConfig) -> usize {
    let taps = |sink| config.taps_max[sink] * plane::TAP_BYTES;
    let frames = |sink| sink_slots(config, sink) * size_of::<TapFrame>();
    config.legs_max * plane::LEG_BYTES_MAX
        + Sink::ALL.into_iter().map(|sink| taps(sink) + frames(sink)).sum::<usize>()
        + config.feeds_max * plane::FEED_BYTES
        + config.room_members_max * plane::ROOM_MEMBER_BYTES
        + feed_slots(config) * size_of::<FeedItem>()
        + limits::COMMAND_SLOTS * size_of::<MediaCommand>()
        + limits::EVENT_SLOTS * size_of::<MediaEvent>()
        + MESH_SLOTS * size_of::<MeshFrame>()
        + backend::BYTES
}

/// A core that may have no feeds needs no ring for them.
fn feed_slots(config: &IoConfig) -> usize {
    if config.feeds_max == 0 { 0 } else { limits::FEED_SLOTS }
}

/// A sink that may have no taps needs no ring. The recorder's disk may stall for seconds, so its ring follows the
/// number of its taps; what a live reader could not take at once nobody wants later.
fn sink_slots(config: &IoConfig, sink: Sink) -> usize {
    match (sink, config.taps_max[sink].min(limits::TAPS_PER_CORE_MAX)) {
        (_, 0) => 0,
        (Sink::Recorder, taps) => taps * limits::RECORDER_FRAMES_A_TAP,
        (Sink::Stream | Sink::Recognition, _) => limits::LIVE_SINK_SLOTS,
    }
}

fn check(config: &IoConfig, cores: usize) -> Result<(), StartError> {
    if config.addresses.is_empty() {
        return Err(StartError::NoAddress);
    }
    if config.addresses.len() > usize::from(u8::MAX) + 1 {
        return Err(StartError::TooManyAddresses { count: config.addresses.len() });
    }
    if cores > CORES_MAX {
        return Err(StartError::TooManyCores { wanted: cores, max: CORES_MAX });
    }
    let shares = ports::share(&config.ports, 1, cores);
    if shares.iter().any(Vec::is_empty) {
        let (first, last) = (*config.ports.start(), *config.ports.end());
        return Err(StartError::NoPorts { first, last, cores });
    }
    ports::check_ephemeral(&config.ports)
}

/// Makes all rings, those of the mesh too.
fn link(
    config: &IoConfig,
    cores: usize,
    sleepers: &BySink<Arc<Sleeper>>,
    wakes: &BySink<Wake>,
) -> Result<Vec<Link>, StartError> {
    let legs = config.legs_max.clamp(1, limits::LEGS_PER_CORE_MAX);
    let slots = |whole: usize| (whole / limits::LEGS_PER_CORE_MAX * legs).max(64);
    let mut links = Vec::with_capacity(cores);
    for id in (0..cores).filter_map(|core| u8::try_from(core).ok()).map(CoreId) {
        let doorbell = Doorbell::new().map_err(|source| StartError::System {
            core: id,
            what: "eventfd (too many open files?)",
            source,
        })?;
        let mut frames = BySink::default();
        let ends = BySink::from_fn(|sink| {
            let slots = sink_slots(config, sink);
            let (producer, consumer) = RingBuffer::new(slots);
            frames[sink] = (slots > 0).then_some(consumer);
            let reader = Reader::new(Arc::clone(&sleepers[sink]), Arc::clone(&wakes[sink]));
            SinkEnd { frames: producer, reader }
        });
        links.push(Link {
            id,
            commands: RingBuffer::new(slots(limits::COMMAND_SLOTS)),
            events: RingBuffer::new(slots(limits::EVENT_SLOTS)),
            feed: RingBuffer::new(feed_slots(config)),
            sinks: ends,
            frames,
            mesh_in: Vec::new(),
            mesh_out: (0..cores).map(|_| None).collect(),
            doorbell: Arc::new(doorbell),
        });
    }
    link_mesh(&mut links);
    Ok(links)
}

fn link_mesh(links: &mut [Link]) {
    let others = links.len().saturating_sub(1).max(1);
    let slots = (MESH_SLOTS / others).clamp(MESH_SLOTS_PAIR.0, MESH_SLOTS_PAIR.1);
    for to in 0..links.len() {
        let doorbell = Arc::clone(&links[to].doorbell);
        for from in (0..links.len()).filter(|from| *from != to) {
            let (frames, received) = RingBuffer::new(slots);
            let doorbell = Arc::clone(&doorbell);
            links[from].mesh_out[to] = Some(MeshEnd { frames, doorbell, is_owed: false });
            links[to].mesh_in.push(received);
        }
    }
}

type Starting = (Core, mpsc::Receiver<Result<Report, StartError>>);

fn spawn<M: Machine + 'static>(
    plan: &Plan<'_>,
    link: Link,
    share: Vec<MediaPort>,
    cpu: usize,
    signaling: Reader,
    make: fn(PlaneConfig) -> M,
) -> Result<Starting, StartError> {
    let id = link.id;
    let meters = Arc::new(CoreMeters::default());
    let uplink = Uplink::new(link.events.0, link.sinks, link.mesh_out, signaling);
    let ends = Ends {
        commands: link.commands.1,
        feed: link.feed.1,
        uplink,
        mesh: link.mesh_in,
        doorbell: Arc::clone(&link.doorbell),
        meters: Arc::clone(&meters),
        policy: WaitPolicy::new(plan.config.wait),
        restarts: 0,
    };
    let (report, reported) = mpsc::channel();
    let setup = Setup {
        id,
        cpu,
        cores: plan.cores,
        share,
        config: plan.config.clone(),
        backend: plan.backend,
        files_max: plan.files_max,
        tier: plan.tier.clone(),
        ends,
        make,
        report: Some(report),
    };
    let thread =
        thread::Builder::new().name(format!("media-{}", id.0)).spawn(move || run(setup)).map_err(
            |source| StartError::System { core: id, what: "starting its thread", source },
        )?;
    let feed = FeedWriter { items: link.feed.0, doorbell: Arc::clone(&link.doorbell) };
    let core = Core {
        id,
        cpu: None,
        backend: plan.backend,
        ports: Vec::new(),
        meters,
        commands: link.commands.0,
        events: link.events.1,
        frames: link.frames,
        feed: (plan.config.feeds_max > 0).then_some(feed),
        doorbell: link.doorbell,
        thread: Some(thread),
    };
    Ok((core, reported))
}

/// A core's thread: one life after another until it is stopped. A panic ends a life, not the process: its legs
/// are gone and unwinding closes its sockets, then the core restarts, empty, with the same ports and rings.
/// A core that only panics is given up, and its handle reports it as dead.
fn run<M: Machine>(mut setup: Setup<M>) {
    let meters = Arc::clone(&setup.ends.meters);
    let cpu = cpus::pin(setup.cpu).then_some(setup.cpu);
    let mut short_lives = 0;
    loop {
        let born = clock::now();
        let life = catch_unwind(AssertUnwindSafe(|| open_and_drive(&mut setup, cpu)));
        let has_started = setup.report.is_none();
        if life.is_ok() || !has_started || setup.ends.doorbell.is_stopped() {
            break;
        }
        let is_short = clock::now().since(born) < SHORT_LIFE;
        short_lives = if is_short { short_lives + 1 } else { 0 };
        if short_lives == SHORT_LIVES_MAX {
            break;
        }
        setup.ends.restart();
    }
    // The rings are closed before the core is seen as dead.
    drop(setup);
    meters.die();
}

/// A life that ends in a panic before this has passed is short.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// Consecutive short lives after which a core is given up.
const SHORT_LIVES_MAX: u32 = 5;

/// One life. Returns when the core was stopped or could not open its share.
fn open_and_drive<M: Machine>(setup: &mut Setup<M>, cpu: Option<usize>) {
    let doorbell = Arc::clone(&setup.ends.doorbell);
    let (id, cores, files_max) = (setup.id, setup.cores, setup.files_max);
    let mut fallback = None;
    if setup.backend == Backend::IoUring {
        let bell = Arc::clone(&doorbell);
        match Uring::open(id, cores, &setup.share, &setup.config, files_max, bell) {
            Err(StartError::System { what, source, .. })
                if setup.config.backend == BackendChoice::Auto =>
            {
                let reason = format!("core {} was refused {what}: {source}", id.0);
                fallback = Some(StartNote::Portable { reason });
            }
            driver => return drive(setup, cpu, Backend::IoUring, driver),
        }
    }
    let mut driver = Portable::open(id, cores, &setup.share, &setup.config, files_max, doorbell);
    if let Ok((_, opened)) = &mut driver {
        opened.notes.extend(fallback);
    }
    drive(setup, cpu, Backend::Portable, driver);
}

fn drive<M: Machine, D: Driver>(
    setup: &mut Setup<M>,
    cpu: Option<usize>,
    backend: Backend,
    driver: Result<(D, Opened), StartError>,
) {
    let (driver, mut opened) = match driver {
        Ok(driver) => driver,
        Err(error) => {
            setup.report.take().map(|report| report.send(Err(error)));
            return;
        }
    };
    if cpu.is_none() {
        opened.notes.push(StartNote::Unpinned { core: setup.id, cpu: setup.cpu });
    }
    setup.share.clone_from(&opened.ports);
    open_tier(setup, &mut opened);
    let machine = (setup.make)(plane_config(setup, opened.ports.clone()));
    let mut event_loop = EventLoop::new(machine, driver, &mut setup.ends);
    // The starter waits only for the first life. Where it is gone, the doorbell says stop as well.
    setup.report.take().map(|report| report.send(Ok(Report { opened, cpu, backend })));
    event_loop.run();
}

/// Gives the core's tier its ports in their first life; later lives find it, without legs.
fn open_tier<M>(setup: &mut Setup<M>, opened: &mut Opened) {
    let Some(shared) = setup.tier.take() else { return };
    match CoreTier::new(shared, &opened.ports) {
        Ok(tier) => setup.ends.uplink.tier = Some(tier),
        Err(error) => {
            let reason = format!("core {} has no routing socket: {error}", setup.id.0);
            opened.notes.push(StartNote::NoFastPath { reason });
        }
    }
}

fn plane_config<M>(setup: &Setup<M>, ports: Vec<MediaPort>) -> PlaneConfig {
    let config = &setup.config;
    PlaneConfig {
        core: setup.id,
        cores: u8::try_from(setup.cores).unwrap_or(u8::MAX),
        ports,
        own: Arc::clone(&config.own),
        legs_max: config.legs_max.clamp(1, limits::LEGS_PER_CORE_MAX),
        taps_max: BySink::from_fn(|sink| config.taps_max[sink].min(limits::TAPS_PER_CORE_MAX)),
        feeds_max: config.feeds_max.min(limits::FEEDS_PER_CORE_MAX),
        room_members_max: config.room_members_max.min(limits::ROOM_MEMBERS_PER_CORE_MAX),
        seed: config.seed ^ u64::from(setup.id.0).wrapping_add(1).wrapping_mul(SEED_STEP),
        inband_digits: config.inband_digits,
        unix_ms_at_zero: clock::unix_ms_at_zero(),
        has_tier: setup.ends.uplink.tier.is_some(),
    }
}

/// Spreads core numbers over 64 bits (the golden ratio, as in SplitMix64).
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;
