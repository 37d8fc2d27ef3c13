//! The fate of every packet, by a second and simpler implementation of the media core's rules.
//!
//! Slow and plain on purpose: sets of received packets, no windows, no wrapping statistics. It knows what the
//! parties of the story did and predicts the result of each datagram, bytes included. Packets that a core
//! sends by itself it checks as they arrive.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use plane::{DropReason, g711, rtp};
use shared::media::PlayEnd;
use shared::{Codec, FeedId, LegDescription, LegId, LegPlan, MediaEvent, PlayId, Prompt, Tier};

use super::fed::Fed;
use super::heard::{Heard, Settled, Speech, settled};

/// What a datagram is meant to be.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// Audio of the party.
    Speech(Speech),
    /// A packet that is dropped for this reason in every state of the leg.
    Hostile(DropReason),
    /// A report of the party.
    Report,
}

/// What a core did with a datagram that it received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Consumed,
    Forwarded,
    Dropped(DropReason),
}

/// The expected result: one of these outcomes, and the bytes that each party hears.
pub struct Expected {
    pub outcomes: Vec<Outcome>,
    pub heard: Option<(usize, SocketAddr, Vec<u8>)>,
}

/// Expected state of all legs.
pub struct Reference {
    legs: Vec<Option<Leg>>,
    cores: usize,
    /// Plays under way, with their party.
    plays: BTreeMap<PlayId, usize>,
    /// Open feeds, with their party.
    feeds: BTreeMap<FeedId, usize>,
    /// Figures that a stopped leg must report.
    settled: BTreeMap<u16, Settled>,
    /// The last description of each leg.
    described: BTreeMap<LegId, LegDescription>,
    latches: i64,
    /// Whether a tier relays below the plane.
    has_tier: bool,
    pub wrong: Vec<String>,
}

struct Leg {
    plan: LegPlan,
    peer: Option<usize>,
    is_latched: bool,
    heard: Heard,
    epoch: u32,
    out: Out,
    playing: Option<Playing>,
    fed: Option<Fed>,
}

/// The stream towards the party.
struct Out {
    feed: Feed,
    next_sequence: u16,
    sent: u64,
    /// Media timestamp, time and samples of the newest packet, be it audio or part of an event.
    last: Option<(u32, u64, u32)>,
    /// Since when it has to send every 20 ms, and when it last did.
    sends_since: u64,
    sent_at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    None,
    Local,
    Relay { speaker: usize, epoch: u32, delta_sequence: u16, delta_timestamp: u32, floor: u16 },
}

enum Playing {
    /// With the place in it, unless it went on unheard.
    Prompt {
        prompt: Arc<Prompt>,
        at: Option<usize>,
    },
    Digits,
}

impl Reference {
    pub fn new(parties: usize, cores: usize, has_tier: bool) -> Self {
        Self {
            has_tier,
            legs: (0..parties).map(|_| None).collect(),
            cores,
            plays: BTreeMap::new(),
            feeds: BTreeMap::new(),
            settled: BTreeMap::new(),
            described: BTreeMap::new(),
            latches: 0,
            wrong: Vec::new(),
        }
    }

    pub fn tell(&mut self, party: usize, what: String) {
        self.wrong.push(format!("party {party}: {what}"));
    }

    pub fn same<T: PartialEq + Debug>(&mut self, what: &str, seen: &T, expected: &T) {
        if seen != expected {
            self.wrong.push(format!("{what}: {seen:?} instead of {expected:?}"));
        }
    }

    pub fn starts(&mut self, now_ms: u64, party: usize, plan: &LegPlan) {
        let (sequence, timestamp) = (plan.first_sequence, plan.first_timestamp);
        self.legs[party] = Some(Leg {
            plan: *plan,
            peer: None,
            is_latched: false,
            heard: Heard::default(),
            epoch: 0,
            out: Out {
                feed: Feed::None,
                next_sequence: sequence,
                sent: 0,
                last: Some((timestamp, now_ms, 0)),
                sends_since: now_ms,
                sent_at: now_ms,
            },
            playing: None,
            fed: None,
        });
    }

    pub fn updates(&mut self, party: usize, plan: &LegPlan) {
        let Some(leg) = &mut self.legs[party] else { return };
        leg.is_latched &= leg.plan.media.remote_rtp == plan.media.remote_rtp;
        let could_send = leg.plan.media.direction.sends();
        leg.plan.media = plan.media;
        if !plan.media.direction.sends() {
            leg.out.feed = Feed::None;
            if let Some(Playing::Prompt { at, .. }) = &mut leg.playing {
                *at = None;
            }
            leg.fed.iter_mut().for_each(Fed::passes);
        } else if !could_send {
            leg.out.sends_since = u64::MAX;
        }
    }

    pub fn stops(&mut self, party: usize) {
        let Some(mut leg) = self.legs[party].take() else { return };
        leg.heard.settle();
        let settled = Settled { sent: leg.out.sent, ..leg.heard.settled };
        self.settled.insert(party as u16, settled);
        // A bridge was with this leg, not with the party's next one.
        self.legs
            .iter_mut()
            .flatten()
            .filter(|l| l.peer == Some(party))
            .for_each(|l| l.peer = None);
    }

    pub fn bridges(&mut self, now_ms: u64, party: usize, peer: Option<usize>) {
        let Some(leg) = &mut self.legs[party] else { return };
        leg.peer = peer.filter(|peer| *peer != party);
        if matches!(leg.out.feed, Feed::Relay { .. }) {
            leg.out.feed = Feed::None;
            leg.out.sends_since = now_ms;
        }
        let is_up = peer.is_none_or(|peer| self.legs[peer].is_some());
        if let (false, Some(leg)) = (is_up, &mut self.legs[party]) {
            // A leg id of the past is never bridged back.
            leg.peer = None;
        }
    }

    pub fn plays(&mut self, party: usize, play: PlayId, prompt: Option<Arc<Prompt>>) {
        self.plays.insert(play, party);
        let Some(leg) = &mut self.legs[party] else { return };
        let at = leg.plan.media.direction.sends().then_some(0);
        leg.playing = Some(prompt.map_or(Playing::Digits, |prompt| Playing::Prompt { prompt, at }));
        leg.fed.iter_mut().for_each(Fed::passes);
    }

    pub fn feeds(&mut self, party: usize, feed: FeedId) {
        self.feeds.insert(feed, party);
        let Some(leg) = &mut self.legs[party] else { return };
        let mut fed = Fed::new(feed);
        if leg.playing.is_some() || !leg.plan.media.direction.sends() {
            fed.passes();
        }
        leg.fed = Some(fed);
    }

    /// Tells the feed of a party what its writer does.
    pub fn fed(&mut self, party: usize, act: impl FnOnce(&mut Fed)) {
        if let Some(fed) = self.legs[party].as_mut().and_then(|leg| leg.fed.as_mut()) {
            act(fed);
        }
    }

    /// Takes one datagram; the expected result.
    pub fn arrives(
        &mut self,
        now_ms: u64,
        party: usize,
        source: SocketAddr,
        arrival: &Arrival,
    ) -> Expected {
        let only = |outcome| Expected { outcomes: vec![outcome], heard: None };
        let Some(leg) = &mut self.legs[party] else {
            return only(Outcome::Dropped(DropReason::NoLeg));
        };
        let remote = leg.plan.media.remote_rtp;
        let speech = match arrival {
            Arrival::Hostile(reason) => return only(Outcome::Dropped(*reason)),
            Arrival::Report => {
                // A core reads ten reports a second, and none from an address that the party left.
                let dropped = [DropReason::RtcpRate, DropReason::RtcpStranger];
                let dropped = dropped.map(Outcome::Dropped);
                return Expected {
                    outcomes: [&[Outcome::Consumed], &dropped[..]].concat(),
                    heard: None,
                };
            }
            Arrival::Speech(speech) => speech,
        };
        if remote != Some(source) {
            return only(Outcome::Dropped(DropReason::Stranger));
        }
        if !std::mem::replace(&mut leg.is_latched, true) {
            self.latches += 1;
        }
        if leg.heard.take(speech) {
            leg.epoch += 1;
        }
        if !leg.plan.media.direction.receives() {
            return only(Outcome::Dropped(DropReason::NotReceiving));
        }
        let (codec, epoch) = (leg.plan.media.codec, leg.epoch);
        let Some(peer) = leg.peer else { return only(Outcome::Consumed) };
        let crosses = peer % self.cores != party % self.cores;
        let is_bridged_back = self.legs[peer].as_ref().is_some_and(|l| l.peer == Some(party));
        let Some(listener) = self.legs[peer].as_mut().filter(|_| is_bridged_back) else {
            return only(Outcome::Consumed);
        };
        let dropped =
            |reason| only(if crosses { Outcome::Consumed } else { Outcome::Dropped(reason) });
        if listener.playing.is_some() || listener.fed.is_some() {
            return only(Outcome::Consumed);
        }
        if !listener.plan.media.direction.sends() {
            return dropped(DropReason::PeerHeld);
        }
        match listener.relay(now_ms, party, epoch, codec, speech) {
            Some(bytes) => {
                let to = listener.plan.media.remote_rtp.expect("every plan names one");
                Expected {
                    outcomes: vec![if crosses { Outcome::Consumed } else { Outcome::Forwarded }],
                    heard: Some((peer, to, bytes)),
                }
            }
            None => dropped(DropReason::Late),
        }
    }

    /// Checks a packet that a core sent by itself.
    pub fn sends(&mut self, now_ms: u64, party: usize, to: SocketAddr, bytes: &[u8]) {
        let wrong = match &mut self.legs[party] {
            Some(leg) if leg.plan.media.remote_rtp == Some(to) => leg.check_own(now_ms, bytes),
            Some(_) => vec![format!("sent to {to}")],
            None => vec!["sent without a leg".to_owned()],
        };
        wrong.into_iter().for_each(|what| self.tell(party, format!("at {now_ms}: {what}")));
    }

    fn describes(&mut self, leg: LegId, description: LegDescription) {
        let LegDescription { received, received_in_kernel, sent, sent_in_kernel, .. } = description;
        let is_within = received_in_kernel <= received && sent_in_kernel <= sent;
        self.same("the kernel's part is a part", &is_within, &true);
        let is_below = received_in_kernel > 0 || description.tier == Tier::Kernel;
        self.same("only a tier relays", &(is_below && !self.has_tier), &false);
        self.described.insert(leg, description);
    }

    pub fn event(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::PlayEnded { play, cause, .. } => {
                let Some(party) = self.plays.remove(&play) else {
                    return self.wrong.push(format!("{play:?} ended twice"));
                };
                let Some(leg) = &mut self.legs[party] else { return };
                let playing = if cause == PlayEnd::Replaced { None } else { leg.playing.take() };
                if let (PlayEnd::Finished, Some(Playing::Prompt { prompt, at: Some(at) })) =
                    (cause, playing)
                {
                    let length = prompt.mulaw.len();
                    self.same("a prompt ends at its end", &(at >= length), &true);
                }
            }
            MediaEvent::FeedEnded { feed, .. } => {
                self.check_feed(feed);
                let party = self.feeds.remove(&feed);
                let leg = party.and_then(|party| self.legs[party].as_mut());
                leg.into_iter().for_each(|leg| leg.fed = None);
            }
            MediaEvent::LegStopped { leg, quality } => {
                let Some(expected) = self.settled.remove(&leg.slot) else {
                    return self.wrong.push(format!("{leg:?} stopped without being asked"));
                };
                let known = |figures: Settled| {
                    if self.has_tier { figures.without_places() } else { figures }
                };
                let (figures, expected) = (known(settled(&quality)), known(expected));
                self.same(&format!("figures of {leg:?}"), &figures, &expected);
                let Some(last) = self.described.remove(&leg) else {
                    return self.wrong.push(format!("{leg:?} was never described"));
                };
                // It is described right before its stop.
                let described = (last.received, last.sent, last.lost);
                let stopped = (quality.received, quality.sent, quality.lost);
                self.same(&format!("the description of {leg:?}"), &described, &stopped);
            }
            MediaEvent::Described { leg, description } => match *description {
                Some(description) => self.describes(leg, description),
                None => self.wrong.push(format!("{leg:?} is up and has no description")),
            },
            MediaEvent::Latched { .. } => self.latches -= 1,
            MediaEvent::PlanReturned(_)
            | MediaEvent::QualityChanged { .. }
            | MediaEvent::RtcpBye { .. } => {}
            MediaEvent::Refused { .. }
            | MediaEvent::Talking { .. }
            | MediaEvent::Detected { .. }
            | MediaEvent::Room { .. }
            | MediaEvent::Digit { .. }
            | MediaEvent::TapEnded { .. }
            | MediaEvent::MediaTimeout { .. } => self.wrong.push(format!("unasked: {event:?}")),
        }
    }

    /// A feed that ends is the one that its leg has.
    fn check_feed(&mut self, feed: FeedId) {
        let Some(party) = self.feeds.get(&feed).copied() else {
            return self.wrong.push(format!("{feed:?} is not open"));
        };
        // A leg that is gone took its feed with it.
        let Some(leg) = &self.legs[party] else { return };
        if leg.fed.as_ref().is_none_or(|fed| fed.id != feed) {
            self.tell(party, format!("{feed:?}: another feed"));
        }
    }

    /// A party that may be sent to hears something every 20 ms, or every 200 ms while it is relayed to.
    pub fn check_time(&mut self, now_ms: u64) {
        for party in 0..self.legs.len() {
            let Some(leg) = &mut self.legs[party] else { continue };
            if !leg.plan.media.direction.sends() {
                continue;
            }
            let out = &mut leg.out;
            if out.sends_since == u64::MAX {
                out.sends_since = now_ms;
            }
            let pause = now_ms - out.sent_at.max(out.sends_since);
            let pause_max = if matches!(out.feed, Feed::Relay { .. }) { 220 } else { 20 };
            if pause > pause_max {
                let what = format!("at {now_ms}: nothing for {pause} ms, fed by {:?}", out.feed);
                out.sent_at = now_ms;
                self.tell(party, what);
            }
        }
    }

    pub fn check_end(&mut self) {
        let left = (self.plays.len() + self.feeds.len(), self.settled.len(), self.latches);
        self.same(
            "plays, feeds and stops that were never answered, latches never told",
            &left,
            &(0, 0, 0),
        );
    }
}

impl Leg {
    /// The packet that the party must hear for a packet of its bridged party; `None`: that one is too late.
    fn relay(
        &mut self,
        now_ms: u64,
        speaker: usize,
        epoch: u32,
        codec: Codec,
        speech: &Speech,
    ) -> Option<Vec<u8>> {
        let is_same = matches!(self.out.feed, Feed::Relay { speaker: s, epoch: e, .. } if (s, e) == (speaker, epoch));
        if !is_same {
            let sequence = self.out.next_sequence;
            let timestamp = self.out.following_timestamp(now_ms).unwrap_or(speech.timestamp);
            self.out.feed = Feed::Relay {
                speaker,
                epoch,
                delta_sequence: sequence.wrapping_sub(speech.sequence),
                delta_timestamp: timestamp.wrapping_sub(speech.timestamp),
                floor: speech.number,
            };
        }
        let Feed::Relay { delta_sequence, delta_timestamp, floor, .. } = self.out.feed else {
            unreachable!("set above")
        };
        if speech.number < floor {
            return None;
        }
        let sequence = speech.sequence.wrapping_add(delta_sequence);
        let timestamp = speech.timestamp.wrapping_add(delta_timestamp);
        if (sequence.wrapping_sub(self.out.next_sequence) as i16) >= 0 {
            self.out.next_sequence = sequence.wrapping_add(1);
        }
        let is_newer = |(last, ..): (u32, u64, u32)| timestamp.wrapping_sub(last) as i32 >= 0;
        if self.out.last.is_none_or(is_newer) {
            self.out.last = Some((timestamp, now_ms, 160));
        }
        self.out.count(now_ms);
        let mut payload = speech.payload.clone();
        g711::translate(codec, self.plan.media.codec, &mut payload);
        Some(self.packet(!is_same, sequence, timestamp, &payload))
    }

    /// Checks silence, prompts and events; the findings.
    fn check_own(&mut self, now_ms: u64, bytes: &[u8]) -> Vec<String> {
        let header = rtp::RtpHeader::parse(bytes).expect("RTP");
        let payload = &bytes[12..];
        let mut wrong = Vec::new();
        let mut same = |what: &str, holds: bool| {
            if !holds {
                wrong.push(format!("{what}: {header:?}"));
            }
        };
        same("sent although held", self.plan.media.direction.sends());
        same("ssrc", header.ssrc == self.plan.ssrc);
        same("sequence", header.sequence == self.out.next_sequence);
        self.out.next_sequence = header.sequence.wrapping_add(1);
        self.out.count(now_ms);
        if header.payload_type == 101 {
            same("an event without digits", matches!(self.playing, Some(Playing::Digits)));
            self.out.take_event(now_ms);
            return wrong;
        }
        same("payload type", header.payload_type == self.plan.media.payload_type_send);
        same("marker", header.marker == (self.out.feed != Feed::Local));
        if let Some(timestamp) = self.out.own_timestamp(now_ms) {
            same("timestamp", header.timestamp == timestamp);
        }
        if let (Feed::Relay { .. }, None, None, Some((_, at, _))) =
            (self.out.feed, &self.playing, &self.fed, self.out.last)
        {
            same("silence over a party that speaks", now_ms - at >= 200);
        }
        let codec = self.plan.media.codec;
        let fed = self.fed.as_mut().filter(|_| self.playing.is_none());
        let heard = fed.map(|fed| fed.hears(now_ms, codec, payload));
        match &mut self.playing {
            None if heard.is_some() => {}
            Some(Playing::Prompt { prompt, at: Some(at) }) => {
                let rest = prompt.samples(codec).get(*at..).unwrap_or_default();
                let mut expected = rest[..rest.len().min(160)].to_vec();
                expected.resize(160, codec.silence());
                same("prompt", payload == expected);
                *at += 160;
            }
            Some(Playing::Prompt { at: None, .. }) => {}
            Some(Playing::Digits) | None => same("silence", payload == [codec.silence(); 160]),
        }
        self.out.feed = Feed::Local;
        self.out.last = Some((header.timestamp, now_ms, 160));
        wrong.extend(heard.and_then(Result::err));
        wrong
    }

    fn packet(&self, marker: bool, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let marker = if marker { 0x80 } else { 0 };
        let mut bytes = vec![0x80, self.plan.media.payload_type_send | marker];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.plan.ssrc.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }
}

impl Out {
    fn count(&mut self, now_ms: u64) {
        self.sent += 1;
        self.sent_at = now_ms;
    }

    /// An event's timestamp is frozen while media time goes on beneath it (RFC 4733 §2.5.1.2). An event
    /// that began while nothing could be sent shows an earlier time than the media.
    fn take_event(&mut self, now_ms: u64) {
        self.last = self.own_timestamp(now_ms).map(|media| (media, now_ms, 160));
        self.feed = Feed::None;
    }

    /// By the clock since the newest packet, and never inside it.
    fn following_timestamp(&self, now_ms: u64) -> Option<u32> {
        let (timestamp, at, samples) = self.last?;
        let elapsed = (now_ms - at) as u32 * 8;
        Some(timestamp.wrapping_add(elapsed.max(samples)))
    }

    fn own_timestamp(&self, now_ms: u64) -> Option<u32> {
        let (timestamp, _, samples) = self.last?;
        if self.feed == Feed::Local {
            return Some(timestamp.wrapping_add(samples));
        }
        self.following_timestamp(now_ms)
    }
}
