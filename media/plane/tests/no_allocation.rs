//! A core allocates nothing after `Plane::new` (ARCHITECTURE.md, I2): held by an allocator that counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use plane::dtmf::DualTone;
use plane::srtp::{SRTP_OVERHEAD_MAX, SrtpSender};
use plane::{MeshFrame, Output, Plane, PlaneConfig, Received, SocketId, g711, rtp};
use shared::media::{TapLimits, TapTracks};
use shared::{
    BySink, Codec, CoreId, Direction, FeedId, FeedItem, FeedPart, Instant, Joined, LatchMode,
    LegId, LegPlan, MediaCommand, MediaEvent, MediaPort, Member, NegotiatedMedia, PlayId, Playout,
    RoomCommand, RoomId, Sink, SrtpKey, SrtpKeys, SrtpMaster, SrtpSuite, TapFrame, TapId, Voice,
};

struct Counting;

thread_local! {
    /// Allocations and frees of this thread.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged; the counter is a plain thread-local
// without a destructor, so touching it never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the pointer came from `System.alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Keeps values that must not be dropped on a core, in memory that was taken before.
struct Hands {
    events: Vec<MediaEvent>,
    frames: u64,
    sent: u64,
    mesh: Vec<MeshFrame>,
}

impl Output for Hands {
    fn send(&mut self, _: SocketId, _: SocketAddr, _: &[u8]) {
        self.sent += 1;
    }

    fn event(&mut self, event: MediaEvent) {
        assert!(self.events.len() < self.events.capacity());
        self.events.push(event);
    }

    fn deliver(&mut self, _: Sink, _: TapFrame) -> bool {
        self.frames += 1;
        true
    }

    fn mesh(&mut self, _: CoreId, frame: &MeshFrame) -> bool {
        if self.mesh.len() < self.mesh.capacity() {
            self.mesh.push(frame.clone());
        }
        true
    }
}

fn address(index: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000 + index * 2))
}

fn plan(index: u16) -> Box<LegPlan> {
    let codec = if index.is_multiple_of(2) { Codec::Pcmu } else { Codec::Pcma };
    Box::new(LegPlan {
        port: MediaPort { address: 0, rtp: 10_000 + index * 2 },
        media: NegotiatedMedia {
            remote_rtp: Some(address(index)),
            remote_rtcp: Some(address(index)),
            rtcp_mux: true,
            codec,
            payload_type_send: codec.static_payload_type(),
            payload_type_receive: codec.static_payload_type(),
            event_payload_type_send: takes_events(index).then_some(101),
            event_payload_type_receive: takes_events(index).then_some(101),
            direction: Direction::SendRecv,
            ptime_ms: if index == 2 { 30 } else { 20 },
            srtp: is_secured(index).then(|| SrtpKeys { send: key(1), receive: key(2) }),
        },
        latch: LatchMode::Peer,
        signaling_peer: None,
        ssrc: u32::from(index),
        first_sequence: 0,
        first_timestamp: 0,
        media_timeout_ms: 500,
    })
}

/// Some legs bridged to each other and to others, with prompts and digits among them.
fn is_secured(slot: u16) -> bool {
    slot.is_multiple_of(3)
}

fn key(byte: u8) -> SrtpKey {
    let suite = SrtpSuite::AesCm128HmacSha1Tag80;
    SrtpKey { suite, master: SrtpMaster::new([byte; 30]) }
}

const LEGS: u16 = 40;

/// Every fifth party sends digits as tones.
fn takes_events(index: u16) -> bool {
    index % 5 != 4
}

fn leg(slot: u16) -> LegId {
    LegId { core: CoreId(0), slot, generation: 0 }
}

fn join(slot: u16, other: LegId) -> MediaCommand {
    MediaCommand::Join { leg: leg(slot), joined: Joined::Party(other) }
}

/// All that a core is ever asked to do, with heap values made before counting begins.
fn commands() -> Vec<MediaCommand> {
    let mut commands: Vec<MediaCommand> =
        (0..LEGS).map(|slot| MediaCommand::StartLeg { leg: leg(slot), plan: plan(slot) }).collect();
    for slot in (0..LEGS - 4).step_by(2) {
        commands.push(join(slot, leg(slot + 1)));
        commands.push(join(slot + 1, leg(slot)));
    }
    let elsewhere = LegId { core: CoreId(1), slot: 0, generation: 0 };
    commands.push(join(LEGS - 1, elsewhere));
    let (tracks, limits) = (TapTracks::Both, TapLimits::default());
    for slot in 0..8 {
        let tap = TapId(u64::from(slot));
        let sink = if slot % 2 == 0 { Sink::Recorder } else { Sink::Stream };
        commands.push(MediaCommand::StartTap { leg: leg(slot), tap, sink, tracks, limits });
    }
    for slot in 36..39 {
        let (feed, codec) = (FeedId(u64::from(slot)), Codec::Pcmu);
        commands.push(MediaCommand::StartFeed { leg: leg(slot), feed, codec });
    }
    let prompt = Arc::new(g711::prompt(&[1_000; 4_000]));
    for slot in 30..34 {
        let (leg, prompt) = (leg(slot), prompt.clone());
        commands.push(MediaCommand::Play { leg, play: PlayId(1), prompt, repeat: 2 });
    }
    for slot in 34..36 {
        let (leg, digits) = (leg(slot), "12w#".into());
        commands.push(MediaCommand::SendDigits { leg, play: PlayId(1), digits });
    }
    commands.extend(rooms());
    commands.push(MediaCommand::UpdateLeg { leg: leg(3), plan: plan(3) });
    let mut rekeyed = plan(6);
    rekeyed.media.srtp = Some(SrtpKeys { send: key(3), receive: key(2) });
    commands.push(MediaCommand::UpdateLeg { leg: leg(6), plan: rekeyed });
    let mut now_secured = plan(7);
    now_secured.media.srtp = plan(6).media.srtp;
    commands.push(MediaCommand::UpdateLeg { leg: leg(7), plan: now_secured });
    commands.push(MediaCommand::UpdateLeg { leg: leg(7), plan: plan(7) });
    for slot in [0, LEGS] {
        commands.push(MediaCommand::Describe { leg: leg(slot), description: Box::default() });
    }
    commands
}

/// A room over two cores with members of every role, a prompt and a tap; and members beyond the most.
fn rooms() -> Vec<MediaCommand> {
    let room = |command| MediaCommand::Room { core: CoreId(0), room: RoomId(3), command };
    let cores = [CoreId(0), CoreId(1)].into_iter().collect();
    let mut commands = vec![room(RoomCommand::Span { cores })];
    for slot in 2..20 {
        commands.push(MediaCommand::Join { leg: leg(slot), joined: Joined::Room(RoomId(3)) });
        let voice = match slot {
            5 => Voice::Member(leg(4)),
            6 => Voice::Member(LegId { core: CoreId(1), ..leg(4) }),
            _ => Voice::Room,
        };
        let playout = if slot % 2 == 0 { Playout::Adaptive } else { Playout::Fixed(40) };
        let member = Member { voice, hears: slot != 7, playout };
        commands.push(MediaCommand::SetMember { leg: leg(slot), member });
    }
    let prompt = Arc::new(g711::prompt(&[1_000; 4_000]));
    for play in 0..5 {
        let (play, prompt) = (PlayId(play), prompt.clone());
        commands.push(room(RoomCommand::Play { play, prompt, repeat: play.0 }));
    }
    let (tap, sink, limits) = (TapId(99), Sink::Recorder, TapLimits::default());
    commands.push(room(RoomCommand::StartTap { tap, sink, limits }));
    commands.push(room(RoomCommand::PauseTap { tap, pause: None }));
    commands.push(room(RoomCommand::StopPlay { play: PlayId(0) }));
    commands
}

fn stops() -> Vec<MediaCommand> {
    let mut commands = vec![MediaCommand::StopTap { leg: leg(0), tap: TapId(0) }];
    commands.push(MediaCommand::Join { leg: leg(4), joined: Joined::Nobody });
    let command = RoomCommand::Close;
    commands.push(MediaCommand::Room { core: CoreId(0), room: RoomId(3), command });
    let stop = |slot| MediaCommand::StopLeg { leg: leg(slot), quality: Box::default() };
    commands.extend((0..LEGS).map(stop));
    commands
}

#[test]
fn a_core_neither_allocates_nor_frees_after_it_was_made() {
    let mut plane = Plane::new(PlaneConfig {
        core: CoreId(0),
        cores: 2,
        ports: (0..LEGS).map(|index| plan(index).port).collect(),
        own: Arc::default(),
        legs_max: usize::from(LEGS),
        taps_max: BySink::from_fn(|_| 16),
        feeds_max: 4,
        room_members_max: 16,
        seed: 1,
        inband_digits: true,
        unix_ms_at_zero: 0,
        has_tier: false,
    });
    let mut hands = Hands {
        events: Vec::with_capacity(10_000),
        frames: 0,
        sent: 0,
        mesh: Vec::with_capacity(256),
    };
    let (start, stop) = (commands(), stops());
    let mut senders: Vec<SrtpSender> = (0..LEGS).map(|_| SrtpSender::new(key(2))).collect();
    let mut received = Vec::with_capacity(256);
    let before = CALLS.get();
    let mut now = Instant::from_millis(1);
    for command in start {
        plane.command(now, command, &mut hands);
    }
    for round in 0..500u16 {
        now = Instant::from_millis(1 + u64::from(round) * 20);
        plane.tick(now, &mut hands);
        for slot in 36..39 {
            feed(&mut plane, now, slot, u32::from(round));
        }
        for (slot, sender) in (0..LEGS).zip(&mut senders) {
            send(&mut plane, &mut hands, now, slot, round, sender);
        }
        // What goes to the other core comes back as if from there.
        std::mem::swap(&mut hands.mesh, &mut received);
        for frame in &received {
            plane.mesh_receive(now, frame, &mut hands);
        }
        received.clear();
    }
    for command in stop {
        plane.command(now, command, &mut hands);
    }
    let calls = CALLS.get() - before;
    // We freed the two lists of commands, when they were used up.
    assert_eq!(calls, 2);
    assert!(hands.sent > 500 && hands.frames > 500);
    assert_eq!(plane.meters().received_balance(), 0);
    assert_eq!(plane.meters().packets_dropped.count(plane::DropReason::SrtpUnauthentic), 0);
    assert_eq!(plane.meters().legs, 0);
    assert!(plane.meters().sent_feed > 500 && plane.meters().feeds == 0);
    let meters = plane.meters();
    assert!(meters.sent_room > 4_000 && meters.room_frames_lost > 100, "{meters:?}");
    assert!(meters.room_sums_received > 400 && meters.room_sums_sent > 400, "{meters:?}");
    assert_eq!((meters.rooms, meters.room_members), (0, 0));
}

/// A frame a beat, and now and then a clear.
fn feed(plane: &mut Plane, now: Instant, slot: u16, round: u32) {
    let (leg, feed) = (leg(slot), FeedId(u64::from(slot)));
    let mut give = |part| plane.feed(now, &FeedItem { leg, feed, part });
    give(FeedPart::Audio([round as u8; 160]));
    if round.is_multiple_of(50) {
        give(FeedPart::Clear);
    }
}

fn send(
    plane: &mut Plane,
    hands: &mut Hands,
    now: Instant,
    slot: u16,
    round: u16,
    sender: &mut SrtpSender,
) {
    let mut buffer = [0xAA; 12 + 480 + SRTP_OVERHEAD_MAX];
    let is_event = round % 50 > 45 && takes_events(slot);
    let payload_type = match (is_event, slot.is_multiple_of(2)) {
        (true, _) => 101,
        (false, true) => 0,
        (false, false) => 8,
    };
    // Two of three seconds are spoken; the rest is a media timeout.
    if round % 150 > 100 {
        return;
    }
    let len = if is_event { 16 } else { 12 + 480 };
    let packet = &mut buffer[..len];
    if let Some(head) = packet.first_chunk_mut() {
        let ssrc = u32::from(slot) + u32::from(round / 200);
        rtp::write_header(head, false, payload_type, round, u32::from(round) * 160, ssrc);
    }
    if !takes_events(slot) && round % 30 < 20 {
        let mut tone = DualTone::new((round / 30 % 16) as u8, 10).expect("a key");
        let codec = if slot.is_multiple_of(2) { Codec::Pcmu } else { Codec::Pcma };
        packet[12..].fill_with(|| g711::encode(codec, tone.sample()));
    }
    if is_event {
        packet[12..].copy_from_slice(&[5, 0x8A, 3, 0x20]);
    }
    let len = match is_secured(slot) {
        true => sender.protect_rtp(&mut buffer, len).unwrap_or(0),
        false => len,
    };
    let socket = SocketId::rtp(usize::from(slot));
    match plane.receive(now, socket, address(slot), &mut buffer[..len], hands) {
        Received::Forward { .. } | Received::Consumed | Received::Dropped(_) => {}
    }
}
