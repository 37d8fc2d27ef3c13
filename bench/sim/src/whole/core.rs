//! Media cores that keep plans, bridges and plays and move no audio: they show who would hear whom.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use shared::media::{PlayEnd, PlayedValue};
use shared::{
    CommandRefusal, Instant, Joined, LegDescription, LegId, LegPlan, MediaCommand, MediaEvent,
    NotInKernel, PlayId, Tier,
};

/// All media cores of a gateway as one; a leg's id names its core.
#[derive(Default)]
pub struct Cores {
    legs: BTreeMap<LegId, Leg>,
    pub events: VecDeque<MediaEvent>,
}

/// One leg.
struct Leg {
    plan: LegPlan,
    joined: Joined,
    playing: Option<Playing>,
}

impl Leg {
    fn description(&self) -> LegDescription {
        LegDescription {
            tier: Tier::UserSpace(NotInKernel::NoTier),
            codec: self.plan.media.codec,
            remote: self.plan.media.remote_rtp,
            joined: self.joined.party(),
            received: 0,
            received_in_kernel: 0,
            sent: 0,
            sent_in_kernel: 0,
            lost: 0,
            jitter_rtp_units: 0,
        }
    }
}

struct Playing {
    play: PlayId,
    value: PlayedValue,
    /// `None`: plays until it is stopped.
    until: Option<Instant>,
}

/// Time that digits take, however many.
const DIGITS: Duration = Duration::from_millis(500);

impl Cores {
    pub fn command(&mut self, now: Instant, command: MediaCommand) {
        match command {
            MediaCommand::StartLeg { leg, plan } => self.start(leg, *plan),
            MediaCommand::UpdateLeg { leg, plan } => {
                match self.legs.get_mut(&leg) {
                    Some(known) => known.plan = *plan,
                    None => self.refuse(leg, CommandRefusal::NoLeg),
                }
                self.events.push_back(MediaEvent::PlanReturned(plan));
            }
            MediaCommand::StopLeg { leg, quality } => {
                self.end_play(leg, PlayEnd::LegStopped);
                if self.legs.remove(&leg).is_none() {
                    self.refuse(leg, CommandRefusal::NoLeg);
                }
                self.events.push_back(MediaEvent::LegStopped { leg, quality });
            }
            MediaCommand::Join { leg, joined } => self.join(leg, joined),
            MediaCommand::Play { leg, play, prompt, repeat } => {
                let lasts = Duration::from_millis(prompt.duration_ms() * u64::from(repeat));
                let until = (repeat > 0).then(|| now + lasts);
                self.play(leg, Playing { play, value: PlayedValue::Prompt(prompt), until });
            }
            MediaCommand::SendDigits { leg, play, digits } => {
                let (value, until) = (PlayedValue::Digits(digits), Some(now + DIGITS));
                self.play(leg, Playing { play, value, until });
            }
            MediaCommand::StopPlay { leg } => self.end_play(leg, PlayEnd::Stopped),
            // No document of this simulation records or streams.
            MediaCommand::StartTap { leg, .. }
            | MediaCommand::PauseTap { leg, .. }
            | MediaCommand::StopTap { leg, .. }
            | MediaCommand::StartFeed { leg, .. }
            | MediaCommand::StopFeed { leg, .. }
            | MediaCommand::StartDetection { leg, .. }
            | MediaCommand::StopDetection { leg }
            | MediaCommand::SetMember { leg, .. } => {
                self.refuse(leg, CommandRefusal::NoLeg);
            }
            // No document of this simulation opens a room.
            MediaCommand::Room { .. } => {}
            MediaCommand::Describe { leg, mut description } => {
                *description = self.legs.get(&leg).map(Leg::description);
                self.events.push_back(MediaEvent::Described { leg, description });
            }
        }
    }

    /// Ends plays that are over.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_over = |leg: &Leg| {
            let until = leg.playing.as_ref().and_then(|playing| playing.until);
            until.is_some_and(|until| until <= now)
        };
        let over = self.legs.iter().filter(|(_, leg)| is_over(leg)).map(|(leg, _)| *leg);
        for leg in over.collect::<Vec<_>>() {
            self.end_play(leg, PlayEnd::Finished);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.legs.values().filter_map(|leg| leg.playing.as_ref()?.until).min()
    }

    /// Number of legs.
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    /// The party that hears audio sent from `speaker` to the gateway's port `to`, by plans and bridges: the
    /// port that its audio leaves by, and its address.
    pub fn listener_of(&self, speaker: SocketAddr, to: u16) -> Option<(u16, SocketAddr)> {
        let is_from = |(_, leg): &(&LegId, &Leg)| leg.plan.port.rtp == to;
        let (id, leg) = self.legs.iter().find(is_from)?;
        let hears = leg.plan.media.direction.receives();
        leg.plan.media.remote_rtp.filter(|remote| hears && *remote == speaker)?;
        let peer = self.legs.get(&leg.joined.party()?)?;
        if peer.joined != Joined::Party(*id) || !peer.plan.media.direction.sends() {
            return None;
        }
        Some((peer.plan.port.rtp, peer.plan.media.remote_rtp?))
    }

    fn start(&mut self, leg: LegId, plan: LegPlan) {
        let is_taken = |other: &LegId| (other.core, other.slot) == (leg.core, leg.slot);
        let is_port_taken = self.legs.values().any(|other| other.plan.port == plan.port);
        if is_port_taken || self.legs.keys().any(is_taken) {
            self.refuse(leg, CommandRefusal::Taken);
        } else {
            self.legs.insert(leg, Leg { plan, joined: Joined::Nobody, playing: None });
        }
        self.events.push_back(MediaEvent::PlanReturned(Box::new(plan)));
    }

    fn join(&mut self, leg: LegId, joined: Joined) {
        match (self.legs.get_mut(&leg), joined) {
            (Some(_), Joined::Room(_)) => self.refuse(leg, CommandRefusal::NoRoom),
            (Some(known), _) => known.joined = joined,
            (None, _) => self.refuse(leg, CommandRefusal::NoLeg),
        }
    }

    fn refuse(&mut self, leg: LegId, reason: CommandRefusal) {
        self.events.push_back(MediaEvent::Refused { leg, reason });
    }

    fn play(&mut self, leg: LegId, playing: Playing) {
        self.end_play(leg, PlayEnd::Replaced);
        match self.legs.get_mut(&leg) {
            Some(known) => known.playing = Some(playing),
            None => {
                let Playing { play, value, .. } = playing;
                let cause = PlayEnd::LegStopped;
                self.refuse(leg, CommandRefusal::NoLeg);
                self.events.push_back(MediaEvent::PlayEnded { leg, play, cause, value });
            }
        }
    }

    fn end_play(&mut self, leg: LegId, cause: PlayEnd) {
        let playing = self.legs.get_mut(&leg).and_then(|leg| leg.playing.take());
        if let Some(Playing { play, value, .. }) = playing {
            self.events.push_back(MediaEvent::PlayEnded { leg, play, cause, value });
        }
    }
}
