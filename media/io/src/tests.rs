//! A core with a tiny machine instead of the plane, on both backends with real sockets.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use plane::{DropReason, MeshFrame, Output, PlaneConfig, PlaneMeters, Received, SocketId};
use shared::{
    BySink, Codec, CoreId, Direction, FeedItem, Instant, LatchMode, LegId, LegPlan, MediaCommand,
    MediaEvent, MediaPort, NegotiatedMedia,
};

use crate::backend::probe;
use crate::config::{Backend, BackendChoice, Cpus, IoConfig};
use crate::event_loop::Machine;
use crate::handle::Media;
use crate::meters::{CoreFigures, Heartbeat};
use crate::report::{StartError, StartNote};
use crate::sleeper::Wake;
use crate::start::start_machines;

/// Does with a packet what its first byte says, and sends it back to where it came from.
struct Mirror {
    meters: PlaneMeters,
}

const FORWARD: u8 = 0;
const COPY: u8 = 1;
const CONSUME: u8 = 2;
const DROP: u8 = 3;

const PANIC: u16 = 13;
const STALL: u16 = 12;
const SEND_NOWHERE: u16 = 11;
/// Has the RTCP socket of the second port opened, and closed again.
const LISTEN: u16 = 10;
const DEAFEN: u16 = 9;

/// Blocks a core on request, to simulate a stall; one test uses it.
static IS_STALLED: AtomicBool = AtomicBool::new(false);
/// A documentation address (RFC 5737): no socket bound to loopback can send there.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

impl Machine for Mirror {
    /// Sends the plan home; some slots do something else before.
    fn command(&mut self, _: Instant, command: MediaCommand, out: &mut impl Output) {
        match command {
            MediaCommand::StartLeg { leg, plan } => {
                match leg.slot {
                    PANIC => panic!("a test asked for a panic"),
                    STALL => {
                        while IS_STALLED.load(Ordering::Acquire) {
                            std::hint::spin_loop();
                        }
                    }
                    LISTEN => out.listen_for_rtcp(1, true),
                    DEAFEN => out.listen_for_rtcp(1, false),
                    SEND_NOWHERE => out.send(SocketId::rtp(0), NOWHERE, &[0; 20]),
                    _ => {}
                }
                out.event(MediaEvent::PlanReturned(plan));
            }
            command => panic!("no test sends {command:?}"),
        }
    }

    fn receive(
        &mut self,
        _: Instant,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Received {
        match packet.first() {
            Some(&FORWARD) => {
                self.meters.packets_forwarded += 1;
                Received::Forward { socket, to: source, len: packet.len() }
            }
            Some(&COPY) => {
                self.meters.packets_consumed += 1;
                out.send(socket, source, packet);
                Received::Consumed
            }
            Some(&CONSUME) => {
                self.meters.packets_consumed += 1;
                Received::Consumed
            }
            // `Drops` counts only inside the plane; the tests count these as consumed.
            Some(_) | None => {
                self.meters.packets_consumed += 1;
                Received::Dropped(DropReason::NotRtp)
            }
        }
    }

    fn mesh_receive(&mut self, _: Instant, _: &MeshFrame, _: &mut impl Output) {}
    fn feed(&mut self, _: Instant, _: &FeedItem) {}

    fn tick(&mut self, _: Instant, _: &mut impl Output) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn meters(&self) -> &PlaneMeters {
        &self.meters
    }
}

fn mirror(_: PlaneConfig) -> Mirror {
    Mirror { meters: PlaneMeters::default() }
}

/// The backends that work on this machine.
fn backends() -> Vec<BackendChoice> {
    match probe().backend {
        Backend::IoUring => vec![BackendChoice::Portable, BackendChoice::IoUring],
        Backend::Portable => vec![BackendChoice::Portable],
    }
}

/// A separate range for each test, free at present: below the ephemeral ports and above the default
/// range, which a gateway on this machine may open at any time.
fn some_ports(count: u16) -> RangeInclusive<u16> {
    loop {
        // Each `RandomState` has different keys.
        let random = RandomState::new().hash_one(count);
        let first = 20_000 + (random % 12_000) as u16 / 2 * 2;
        let range = first..=first + count - 1;
        let bound = range.clone().map(|port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)));
        if bound.collect::<Result<Vec<_>, _>>().is_ok() {
            return range;
        }
    }
}

fn config(backend: BackendChoice, ports: u16) -> IoConfig {
    IoConfig {
        cpus: Cpus::Auto,
        backend,
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ports: some_ports(ports),
        legs_max: 16,
        ..IoConfig::default()
    }
}

fn start_mirror(config: &IoConfig) -> (Media, Receiver<()>) {
    let (rung, rings) = channel();
    let wake = Arc::new(move || {
        let _ = rung.send(());
    });
    let media = start_machines(config, wake, &idle_sinks(), mirror).expect("a core starts");
    (media, rings)
}

/// Wakes nobody: the mirror has no taps.
fn idle_sinks() -> BySink<Wake> {
    BySink::from_fn(|_| Arc::new(|| {}) as Wake)
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    socket
}

/// Longer than any test takes; only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(10);

fn rtp_address(port: MediaPort) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.rtp))
}

/// A packet of which every byte follows from its number.
fn packet(kind: u8, number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(number.to_be_bytes());
    bytes.extend((0..len - 5).map(|i| (number as usize).wrapping_mul(31).wrapping_add(i) as u8));
    bytes
}

/// Waits until the core has published figures that satisfy `is_right`.
fn figures_when(media: &Media, is_right: impl Fn(&CoreFigures) -> bool) -> CoreFigures {
    let start = std::time::Instant::now();
    loop {
        let figures = media.cores[0].meters.figures();
        if is_right(&figures) {
            return figures;
        }
        assert!(start.elapsed() < PATIENCE, "never came true: {figures:?}");
        std::thread::yield_now();
    }
}

fn leg(slot: u16) -> LegId {
    LegId { core: CoreId(0), slot, generation: 0 }
}

fn plan(port: MediaPort) -> Box<LegPlan> {
    Box::new(LegPlan {
        port,
        media: NegotiatedMedia {
            remote_rtp: None,
            remote_rtcp: None,
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type_send: 0,
            payload_type_receive: 0,
            event_payload_type_send: None,
            event_payload_type_receive: None,
            direction: Direction::SendRecv,
            ptime_ms: 20,
            srtp: None,
        },
        latch: LatchMode::Peer,
        signaling_peer: None,
        ssrc: 1,
        first_sequence: 0,
        first_timestamp: 0,
        media_timeout_ms: 0,
    })
}

#[test]
fn every_byte_of_twenty_thousand_packets_comes_back_on_each_backend() {
    const ROUNDS: u32 = 25;
    const WINDOW: u32 = 50;
    for backend in backends() {
        let (media, _) = start_mirror(&config(backend, 32));
        let clients: Vec<UdpSocket> = media.cores[0].ports.iter().map(|_| client()).collect();
        let mut sent = 0_u64;
        for round in 0..ROUNDS {
            for (socket, port) in clients.iter().zip(&media.cores[0].ports) {
                for number in round * WINDOW..(round + 1) * WINDOW {
                    let bytes = packet((number % 2) as u8, number, 172);
                    socket.send_to(&bytes, rtp_address(*port)).expect("loopback takes it");
                    sent += 1;
                }
            }
            for (socket, port) in clients.iter().zip(&media.cores[0].ports) {
                for _ in 0..WINDOW {
                    let mut bytes = [0; 2_048];
                    let (len, from) = socket.recv_from(&mut bytes).expect("the mirror answers");
                    assert_eq!(from, rtp_address(*port));
                    let number = u32::from_be_bytes(bytes[1..5].try_into().expect("4 bytes"));
                    assert_eq!(bytes[..len], packet((number % 2) as u8, number, 172));
                }
            }
        }
        assert!(sent >= 15_000, "ports were busy: only {sent} packets");
        let figures = figures_when(&media, |figures| figures.packets_received == sent);
        assert_eq!((figures.packets_sent, figures.send_failed), (sent, 0));
        assert_eq!((figures.packets_forwarded, figures.packets_consumed), (sent / 2, sent / 2));
        assert_eq!(figures.received_balance(), 0);
        assert!(media.cores[0].alive());
    }
}

/// Has the core carry out one command, whose slot says what.
fn command(media: &mut Media, slot: u16) {
    let before = media.cores[0].meters.figures().commands;
    let plan = plan(media.cores[0].ports[0]);
    let start = MediaCommand::StartLeg { leg: leg(slot), plan };
    media.cores[0].send(start).expect("there is room");
    media.cores[0].ring();
    figures_when(media, |figures| figures.commands > before);
}

#[test]
fn packets_on_the_rtcp_port_come_from_and_go_to_that_port() {
    for backend in backends() {
        let (mut media, _) = start_mirror(&config(backend, 8));
        command(&mut media, LISTEN);
        let mut to = rtp_address(media.cores[0].ports[1]);
        to.set_port(to.port() + 1);
        let client = client();
        for kind in [FORWARD, COPY] {
            for len in [60, 61] {
                client.send_to(&packet(kind, 1, len), to).expect("loopback takes it");
            }
            for len in [60, 61] {
                let came = client.recv_from(&mut [0; 100]).expect("the mirror answers");
                assert_eq!(came, (len, to));
            }
        }
        client.send_to(&packet(FORWARD, 1, 5_000), to).expect("loopback takes it");
        let figures = figures_when(&media, |figures| figures.packets_received == 5);
        assert_eq!(figures.dropped(DropReason::TooLong), 1);
        assert_eq!((figures.packets_sent, figures.send_failed), (4, 0));
        assert_eq!(figures.received_balance(), 0);
    }
}

#[test]
fn an_rtcp_port_is_held_only_while_it_is_needed_and_its_loss_is_counted() {
    for backend in backends() {
        let (mut media, _) = start_mirror(&config(backend, 8));
        let mut rtcp = rtp_address(media.cores[0].ports[1]);
        rtcp.set_port(rtcp.port() + 1);
        let neighbour = UdpSocket::bind(rtcp).expect("nobody holds it");
        command(&mut media, LISTEN);
        figures_when(&media, |figures| figures.rtcp_unopened == 1);
        command(&mut media, DEAFEN);
        drop(neighbour);
        for _ in 0..3 {
            command(&mut media, LISTEN);
            assert!(UdpSocket::bind(rtcp).is_err(), "the core holds it");
            command(&mut media, DEAFEN);
            drop(UdpSocket::bind(rtcp).expect("it was closed"));
        }
        assert_eq!(media.cores[0].meters.figures().rtcp_unopened, 1);
        command(&mut media, LISTEN);
        drop(media);
        UdpSocket::bind(rtcp).expect("it was closed with the core");
    }
}

#[test]
fn what_is_empty_too_long_or_dropped_is_counted_and_harms_nothing() {
    for backend in backends() {
        let (media, _) = start_mirror(&config(backend, 8));
        let to = rtp_address(media.cores[0].ports[0]);
        let client = client();
        client.send_to(&[], to).expect("loopback takes it");
        client.send_to(&packet(FORWARD, 1, 5_000), to).expect("loopback takes it");
        client.send_to(&packet(DROP, 1, 172), to).expect("loopback takes it");
        client.send_to(&packet(CONSUME, 1, 172), to).expect("loopback takes it");
        client.send_to(&packet(COPY, 1, 2_048), to).expect("loopback takes it");
        let (len, _) = client.recv_from(&mut [0; 4_096]).expect("the longest packet is served");
        assert_eq!(len, 2_048);
        let figures = figures_when(&media, |figures| figures.packets_received == 5);
        assert_eq!(figures.dropped(DropReason::TooLong), 1);
        assert_eq!((figures.packets_sent, figures.received_balance()), (1, 0));
    }
}

#[test]
fn a_stalled_core_runs_out_of_buffers_and_loses_nothing() {
    const PACKETS: u32 = 3_000;
    for backend in backends() {
        let mut config = config(backend, 64);
        config.receive_buffer_bytes = 4 << 20;
        let (mut media, _) = start_mirror(&config);
        let ports = media.cores[0].ports.clone();
        IS_STALLED.store(true, Ordering::Release);
        let start = MediaCommand::StartLeg { leg: leg(STALL), plan: plan(ports[0]) };
        media.cores[0].send(start).expect("there is room");
        media.cores[0].ring();
        let client = client();
        for number in 0..PACKETS {
            let port = ports[number as usize % ports.len()];
            client.send_to(&packet(CONSUME, number, 172), rtp_address(port)).expect("taken");
        }
        IS_STALLED.store(false, Ordering::Release);
        let figures =
            figures_when(&media, |figures| figures.packets_received == u64::from(PACKETS));
        assert_eq!(figures.received_balance(), 0);
        if backend == BackendChoice::IoUring {
            assert!(figures.buffer_shortages > 0, "{figures:#?}");
        }
        // Every socket receives again.
        for port in ports {
            client.send_to(&packet(FORWARD, 0, 172), rtp_address(port)).expect("taken");
            client.recv_from(&mut [0; 172]).expect("the mirror answers");
        }
    }
}

#[test]
fn a_send_that_the_kernel_refuses_is_counted() {
    for backend in backends() {
        let (mut media, rings) = start_mirror(&config(backend, 8));
        let port = media.cores[0].ports[0];
        let start = MediaCommand::StartLeg { leg: leg(SEND_NOWHERE), plan: plan(port) };
        media.cores[0].send(start).expect("there is room");
        media.cores[0].ring();
        rings.recv_timeout(PATIENCE).expect("the core rings back");
        // The next packet makes a turn in which the failure is seen, if it was not yet.
        client().send_to(&packet(CONSUME, 0, 172), rtp_address(port)).expect("taken");
        let figures = figures_when(&media, |figures| figures.send_failed == 1);
        assert_eq!(figures.packets_sent, 1);
    }
}

#[test]
fn both_address_families_are_served_by_one_core() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6 loopback: not tested");
        return;
    }
    for backend in backends() {
        let mut config = config(backend, 8);
        config.addresses.push("::1".parse().expect("a literal"));
        let (media, _) = start_mirror(&config);
        for port in &media.cores[0].ports {
            let to = SocketAddr::new(config.addresses[usize::from(port.address)], port.rtp);
            let client = UdpSocket::bind(SocketAddr::new(to.ip(), 0)).expect("a free port");
            client.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
            client.send_to(&packet(FORWARD, 7, 172), to).expect("loopback takes it");
            let mut bytes = [0; 200];
            let (len, from) = client.recv_from(&mut bytes).expect("the mirror answers");
            assert_eq!((&bytes[..len], from), (&packet(FORWARD, 7, 172)[..], to));
        }
        assert!(media.cores[0].ports.iter().any(|port| port.address == 1));
    }
}

#[test]
fn a_command_reaches_a_sleeping_core_and_its_value_comes_home() {
    for backend in backends() {
        let (mut media, rings) = start_mirror(&config(backend, 8));
        let core = &mut media.cores[0];
        for slot in 0..10 {
            let port = core.ports[0];
            core.send(MediaCommand::StartLeg { leg: leg(slot), plan: plan(port) }).expect("room");
            core.ring();
            rings.recv_timeout(PATIENCE).expect("the core rings back");
            let event = core.poll_event().expect("an event was put before the ring");
            assert!(matches!(event, MediaEvent::PlanReturned(plan) if plan.port == port));
        }
        let figures = figures_when(&media, |figures| figures.commands == 10);
        assert_eq!((figures.events, figures.events_lost), (10, 0));
    }
}

#[test]
fn a_signaling_thread_that_is_awake_is_not_rung() {
    for backend in backends() {
        let (mut media, rings) = start_mirror(&config(backend, 8));
        media.signaling.awake();
        let port = media.cores[0].ports[0];
        media.cores[0]
            .send(MediaCommand::StartLeg { leg: leg(0), plan: plan(port) })
            .expect("there is room");
        media.cores[0].ring();
        figures_when(&media, |figures| figures.events == 1);
        assert!(rings.try_recv().is_err());
        assert!(media.cores[0].has_events());
    }
}

#[test]
fn commands_wait_while_signaling_does_not_read_its_events() {
    let (mut media, _rings) = start_mirror(&config(BackendChoice::Portable, 8));
    let port = media.cores[0].ports[0];
    let mut sent = 0;
    while sent < 100 {
        match media.cores[0].send(MediaCommand::StartLeg { leg: leg(0), plan: plan(port) }) {
            Ok(()) => sent += 1,
            Err(_) => std::thread::yield_now(),
        }
        media.cores[0].ring();
        // The event ring of 16 legs has 128 slots, of which commands use the lower half.
        if media.cores[0].meters.figures().commands == 64 {
            break;
        }
    }
    figures_when(&media, |figures| figures.commands == 64);
    while media.cores[0].poll_event().is_some() {}
    let expected = sent;
    let figures = figures_when(&media, |figures| figures.commands == expected);
    assert_eq!(figures.events_lost, 0);
}

#[test]
fn ports_are_free_again_once_the_media_side_is_dropped() {
    for backend in backends() {
        let (media, _) = start_mirror(&config(backend, 32));
        let ports = media.cores[0].ports.clone();
        drop(media);
        for port in ports {
            UdpSocket::bind(rtp_address(port)).expect("the port is free");
        }
    }
}

#[test]
fn a_core_that_panics_comes_back_empty_with_its_ports_and_rings_signaling() {
    for backend in backends() {
        let (mut media, rings) = start_mirror(&config(backend, 8));
        let core = &mut media.cores[0];
        let port = core.ports[0];
        core.send(MediaCommand::StartLeg { leg: leg(PANIC), plan: plan(port) }).expect("room");
        core.ring();
        rings.recv_timeout(PATIENCE).expect("the new core rings");
        assert_eq!((core.restarts(), core.alive()), (1, true));
        // What was sent meanwhile is served as well.
        core.send(MediaCommand::StartLeg { leg: leg(1), plan: plan(port) }).expect("room");
        core.ring();
        rings.recv_timeout(PATIENCE).expect("the new core carries commands out");
        assert!(matches!(core.poll_event(), Some(MediaEvent::PlanReturned(_))));
        let client = client();
        client.send_to(&packet(FORWARD, 0, 172), rtp_address(port)).expect("taken");
        client.recv_from(&mut [0; 172]).expect("the mirror answers");
    }
}

#[test]
fn a_core_that_only_panics_is_given_up_frees_its_ports_and_takes_no_command() {
    for backend in backends() {
        let (mut media, _) = start_mirror(&config(backend, 8));
        let core = &mut media.cores[0];
        let port = core.ports[0];
        let start = std::time::Instant::now();
        while core.alive() {
            let command = MediaCommand::StartLeg { leg: leg(PANIC), plan: plan(port) };
            if core.send(command).is_ok() {
                core.ring();
            }
            assert!(start.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
        assert_eq!(core.heartbeat(), Heartbeat::Dead);
        assert!(core.send(MediaCommand::StartLeg { leg: leg(1), plan: plan(port) }).is_err());
        UdpSocket::bind(rtp_address(port)).expect("the port is free");
    }
}

#[test]
fn a_busy_port_is_left_out_with_a_note() {
    for backend in backends() {
        let config = config(backend, 16);
        let taken = *config.ports.start() + 5;
        let Ok(_holder) = UdpSocket::bind((Ipv4Addr::LOCALHOST, taken)) else { continue };
        let (media, _) = start_mirror(&config);
        assert!(media.cores[0].ports.iter().all(|port| port.rtp != taken - 1));
        let notes = &media.notes;
        assert!(notes.iter().any(|note| matches!(note, StartNote::PortsBusy { .. })), "{notes:?}");
    }
}

#[test]
fn a_cpu_that_is_not_there_gives_an_unpinned_core_and_a_note() {
    let mut config = config(BackendChoice::Portable, 8);
    config.cpus = Cpus::List(vec![1_000]);
    let (media, _) = start_mirror(&config);
    assert_eq!(media.cores[0].cpu, None);
    assert!(media.notes.contains(&StartNote::Unpinned { core: CoreId(0), cpu: 1_000 }));
}

#[test]
fn impossible_settings_are_refused_with_nothing_left_open() {
    let refused = |change: fn(&mut IoConfig)| {
        let mut config = config(BackendChoice::Portable, 8);
        change(&mut config);
        start_machines(&config, Arc::new(|| {}), &idle_sinks(), mirror).err()
    };
    let foreign = refused(|config| config.addresses = vec![[192, 0, 2, 77].into()]);
    assert!(matches!(foreign, Some(StartError::AddressUnavailable { .. })), "{foreign:?}");
    let none = refused(|config| config.addresses.clear());
    assert!(matches!(none, Some(StartError::NoAddress)));
    let small = refused(|config| config.ports = 10_001..=10_001);
    assert!(matches!(small, Some(StartError::NoPorts { .. })));
}
