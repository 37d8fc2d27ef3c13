//! Behaviours of whole cores, with peers that send RTP to them: one file a theme, helpers here.

mod answering;
mod conduct;
mod describe;
mod feeds;
mod join;
mod latch;
mod load;
mod playback;
mod properties;
mod relay;
mod relaying;
mod reports;
mod rooms;
mod secure;
mod sources;
mod taps;

use std::collections::BTreeSet;
use std::sync::Arc;

use shared::leg::LegQuality;
use shared::media::{PlayEnd, PlayedValue, TapEnd, TapLimits, TapTracks};
use shared::{
    Codec, CommandRefusal, Direction, Joined, LatchMode, LegId, LegPlan, LossPattern, MediaCommand,
    MediaEvent, NotRelayable, PlayId, RoomId, Sink, TapId,
};

use crate::g711;
use crate::meters::DropReason;
use crate::output::{Received, SocketId};
use crate::testing::{Sent, World, plan};

fn numbers(sent: &[Sent]) -> Vec<(u16, u32)> {
    sent.iter().map(|sent| (sent.header().sequence, sent.header().timestamp)).collect()
}

/// Sequence numbers without a gap, timestamps that follow the clock within 20 ms.
fn assert_continuous(sent: &[Sent]) {
    assert_continuous_within(sent, 160);
}

/// One SSRC, sequence numbers without a gap, timestamps that follow the clock within these RTP units (I8).
fn assert_continuous_within(sent: &[Sent], rtp_units: i64) {
    for pair in sent.windows(2) {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!(a.ssrc, b.ssrc);
        assert_eq!(b.sequence, a.sequence.wrapping_add(1), "at {:?}", pair[1].at);
        let step = i64::from(b.timestamp.wrapping_sub(a.timestamp) as i32);
        let elapsed = (pair[1].at.since(pair[0].at).as_micros() / 125) as i64;
        assert!((step - elapsed).abs() <= rtp_units, "{step} for {elapsed} at {:?}", pair[1].at);
    }
}

fn play(world: &mut World, party: usize, samples: usize, repeat: u32) {
    let prompt = Arc::new(g711::prompt(&vec![4_000; samples]));
    let leg = world.leg(party);
    world.command(MediaCommand::Play { leg, play: PlayId(1), prompt, repeat });
}

fn send_digits(world: &mut World, party: usize, digits: &str) {
    let leg = world.leg(party);
    world.command(MediaCommand::SendDigits { leg, play: PlayId(2), digits: digits.into() });
}

fn stop(world: &mut World, party: usize) -> LegQuality {
    let leg = world.leg(party);
    world.command(MediaCommand::StopLeg { leg, quality: Box::default() });
    let stopped = world.events().into_iter().find_map(|event| match event {
        MediaEvent::LegStopped { quality, .. } => Some(*quality),
        _ => None,
    });
    stopped.expect("a stop is always answered")
}

fn digits_of(events: &[MediaEvent]) -> String {
    let digit = |event: &MediaEvent| match event {
        MediaEvent::Digit { digit, .. } => Some(char::from(*digit)),
        _ => None,
    };
    events.iter().filter_map(digit).collect()
}

fn tap(world: &mut World, party: usize, tap: u64, tracks: TapTracks, limits: TapLimits) {
    tap_for(world, party, tap, Sink::Recorder, tracks, limits);
}

fn tap_for(
    world: &mut World,
    party: usize,
    tap: u64,
    sink: Sink,
    tracks: TapTracks,
    limits: TapLimits,
) {
    let leg = world.leg(party);
    world.command(MediaCommand::StartTap { leg, tap: TapId(tap), sink, tracks, limits });
}

fn alaw(plan: &mut LegPlan) {
    plan.media.codec = Codec::Pcma;
    plan.media.payload_type_send = 8;
    plan.media.payload_type_receive = 8;
}
