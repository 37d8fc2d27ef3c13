//! Offer and answer for our audio stream, or for the two of a recording session (RFC 3264, RFC 7866). Sans-IO:
//! descriptions in, descriptions and [`NegotiatedMedia`] out. `choose` reads the peer's description, `target` checks its address,
//! `write` writes ours. [`MediaSession`] keeps what RFC 3264 §8 demands over all exchanges of a
//! dialog. At most one of our offers is open; a failed exchange changes nothing.

mod choose;
mod target;
mod write;

use std::net::IpAddr;
use std::sync::Arc;

use shared::{Codec, Direction, NegotiatedMedia, SrtpKey, SrtpKeys, SrtpMaster, SrtpSuite};
use smallvec::SmallVec;

use crate::sdp::{self, Crypto, DYNAMIC_FROM, SdpRefusal, SessionDescription};
use choose::Chosen;
use write::Slot;

pub use target::MediaTargets;

/// Our side of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// The address that goes into `c=` and `o=`.
    pub address: IpAddr,
    /// The RTP port; RTCP is on the next one unless multiplexed.
    pub port: u16,
    /// The direction that we want; an answer never exceeds what the offer allows.
    pub direction: Direction,
    /// Supported codecs, best first. Our offer lists them in this order; of an offer to us the
    /// first one in its own order that is among these is chosen.
    pub codecs: SmallVec<[Codec; 2]>,
    /// Protection of the stream.
    pub security: MediaSecurity,
    /// The addresses that the peer may name for its media.
    pub targets: MediaTargets,
    /// The streams of a recording session; `None`: the session is a call.
    pub recording: Option<RecordingStreams>,
}

/// What makes the streams of a recording session (RFC 7866 §6.1): labels, 1 and 2 (RFC 4574), and no telephone events,
/// because what the parties key in is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingStreams {
    /// The second stream, where both parties are recorded.
    pub second: Option<SecondStream>,
}

/// The second stream of a recording session: it has the address, the direction and the codecs of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondStream {
    /// Its RTP port.
    pub port: u16,
    /// Its protection, with a key of its own.
    pub security: MediaSecurity,
}

impl LocalMedia {
    /// Our side of the second stream, as if it were the only one.
    fn of_second(&self) -> Option<Self> {
        let SecondStream { port, security } = self.recording?.second?;
        Some(Self { port, security, ..self.clone() })
    }
}

/// How our stream is protected (RFC 4568). The key is ours, for what we send, and stays the same
/// over all exchanges of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaSecurity {
    /// In the clear, `RTP/AVP`; SRTP is refused.
    Clear,
    /// As the peer offers it; our first offers are in the clear.
    AsOffered(SrtpMaster),
    /// Protected, `RTP/SAVP`; anything in the clear is refused.
    Required(SrtpMaster),
}

impl MediaSecurity {
    /// Our key, where a stream is or may be protected.
    const fn master(&self) -> Option<SrtpMaster> {
        match self {
            Self::Clear => None,
            Self::AsOffered(master) | Self::Required(master) => Some(*master),
        }
    }
}

/// Descriptions of one dialog: keeps `o=`, the number of media descriptions and payload types over
/// all offers and answers (RFC 3264 §8).
#[derive(Clone)]
pub struct MediaSession {
    /// `sess-id`; also the first version.
    session_id: u32,
    /// `sess-version` of the description sent last.
    version: u64,
    /// The description sent last, without its version.
    sent: Option<Arc<[u8]>>,
    /// The `a=crypto` lines of our streams in it.
    cryptos: Cryptos,
    /// Our description in the last completed exchange.
    agreed: Option<Said>,
    /// One for each media description so far, since none is ever removed; one of them is our
    /// stream.
    slots: Vec<Slot>,
    /// Payload type of telephone events in our descriptions.
    event_payload_type: u8,
    /// Whether the peer multiplexes RTCP; our offers ask for it once it has asked.
    rtcp_mux: bool,
    /// Whether the peer offers `RTP/AVPF` (RFC 4585): we send no feedback, and answer with its
    /// profile.
    feedback: bool,
    /// Our offer that waits for its answer.
    offered: Option<LocalMedia>,
    /// That offer repeats what was agreed on before.
    is_repeated: bool,
    /// Result of the last completed exchange.
    negotiated: Option<NegotiatedMedia>,
    /// Its result for the second stream.
    negotiated_second: Option<NegotiatedMedia>,
}

/// The `a=crypto` line of each of our streams.
type Cryptos = [Option<Crypto>; 2];

/// One of our descriptions.
#[derive(Clone)]
struct Said {
    /// The text without its version.
    body: Arc<[u8]>,
    /// The codecs that it lists, and its direction.
    local: LocalMedia,
    cryptos: Cryptos,
}

impl MediaSession {
    /// A session without any exchange. `session_id` is random.
    pub fn new(session_id: u32) -> Self {
        Self {
            session_id,
            version: u64::from(session_id),
            sent: None,
            cryptos: [None; 2],
            agreed: None,
            slots: vec![Slot::Ours],
            event_payload_type: EVENT_PAYLOAD_TYPE,
            rtcp_mux: false,
            feedback: false,
            offered: None,
            is_repeated: false,
            negotiated: None,
            negotiated_second: None,
        }
    }

    /// Result of the last completed exchange. A failed offer does not change it.
    pub const fn negotiated(&self) -> Option<&NegotiatedMedia> {
        self.negotiated.as_ref()
    }

    /// Its result for the second stream; `None` where the session has one stream.
    pub const fn negotiated_second(&self) -> Option<&NegotiatedMedia> {
        self.negotiated_second.as_ref()
    }

    /// Whether our offer waits for its answer. An offer from the peer gets 491 meanwhile.
    pub const fn has_offered(&self) -> bool {
        self.offered.is_some()
    }

    /// Makes an offer: the first, a changed one, or the same one with the same version as a
    /// refresh.
    pub fn offer(&mut self, local: &LocalMedia) -> Vec<u8> {
        let second = local.of_second();
        if second.is_some() && !self.slots.contains(&Slot::Second) {
            self.slots.push(Slot::Second);
        }
        let crypto = self.offered_crypto(local, self.negotiated.as_ref());
        let offered =
            |local: &LocalMedia| self.offered_crypto(local, self.negotiated_second.as_ref());
        let cryptos = [crypto, second.as_ref().and_then(offered)];
        let body = write::offer(&self.slots, local, second.as_ref(), &self.own(), cryptos);
        self.offered = Some(local.clone());
        self.is_repeated = false;
        self.describe(local.address, body.into(), cryptos)
    }

    const fn own(&self) -> write::Own {
        write::Own {
            event_payload_type: self.event_payload_type,
            rtcp_mux: self.rtcp_mux,
            feedback: self.feedback,
        }
    }

    /// Repeats the agreed description unchanged: a refresh must neither change the codec nor take
    /// the peer off hold (RFC 4028 §7.4, RFC 3264 §8). `None` before the first completed exchange.
    pub fn repeat(&mut self) -> Option<Vec<u8>> {
        let Said { body, local, cryptos } = self.agreed.clone()?;
        let address = local.address;
        self.offered = Some(local);
        self.is_repeated = true;
        Some(self.describe(address, body, cryptos))
    }

    /// Withdraws our offer, which was refused; the agreed media stay (RFC 3261 §14.1).
    pub fn withdraw_offer(&mut self) {
        self.offered = None;
    }

    /// Checks that the first offer of a session can be answered.
    ///
    /// # Errors
    /// Those of [`MediaSession::answer`].
    pub(crate) fn check_first_offer(offer: &[u8], local: &LocalMedia) -> Result<(), SdpRefusal> {
        choose::from_offer(&sdp::parse(offer)?, local).map(drop)
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// 400 for what cannot be read, 488 for what cannot be served; nothing changes then. 491 while
    /// our offer waits (RFC 3261 §14.2).
    pub fn answer(
        &mut self,
        offer: &[u8],
        local: &LocalMedia,
    ) -> Result<(Vec<u8>, NegotiatedMedia), SdpRefusal> {
        if self.has_offered() {
            return Err(GLARE);
        }
        let offer = sdp::parse(offer)?;
        if offer.media.len() < self.slots.len() && self.negotiated.is_some() {
            return Err(FEWER_MEDIA);
        }
        let chosen = match &local.recording {
            None => choose::from_offer(&offer, local)?,
            Some(_) => choose::in_place(&offer, self.place(&Slot::Ours), local)?,
        };
        let media = negotiate_offer(&offer, &chosen, local);
        let second = match local.of_second() {
            None => None,
            Some(local) => {
                Some((choose::in_place(&offer, self.place(&Slot::Second), &local)?, local))
            }
        };
        self.slots = offer.media.iter().map(Slot::refused).collect();
        if let Some(slot) = self.slots.get_mut(chosen.index) {
            *slot = Slot::Ours;
        }
        if let Some((chosen, _)) = &second
            && let Some(slot) = self.slots.get_mut(chosen.index)
        {
            *slot = Slot::Second;
        }
        // The peer's dynamic payload types cannot collide with our static ones.
        let events = media.event_payload_type_receive.filter(|number| *number >= DYNAMIC_FROM);
        self.event_payload_type = events.unwrap_or(EVENT_PAYLOAD_TYPE);
        self.rtcp_mux = media.rtcp_mux;
        self.feedback = chosen.has_feedback();
        let second = second.map(|(chosen, local)| {
            let media = negotiate_offer(&offer, &chosen, &local);
            (local, media, answered_crypto(&media, &chosen))
        });
        let crypto = answered_crypto(&media, &chosen);
        let cryptos = [crypto, second.as_ref().and_then(|(.., crypto)| *crypto)];
        let answered = second.as_ref().map(|(local, media, _)| (local, media));
        let streams = write::Answered { first: (local, &media), second: answered, cryptos };
        let body = write::answer(&self.slots, &streams, &self.own(), &offer.time);
        self.negotiated = Some(media);
        self.negotiated_second = second.map(|(_, media, _)| media);
        let said = self.describe(local.address, body.into(), cryptos);
        let codecs = [media.codec].into_iter().collect();
        self.agree(LocalMedia { direction: media.direction, codecs, ..local.clone() });
        Ok((said, media))
    }

    /// Takes the answer to our offer.
    ///
    /// # Errors
    /// 400 for what cannot be read or answers no offer, 488 for an answer that refuses the stream
    /// or chooses nothing that we offered. The offer is withdrawn then.
    pub fn accept_answer(&mut self, answer: &[u8]) -> Result<NegotiatedMedia, SdpRefusal> {
        let local = self.offered.take().ok_or(NO_OFFER)?;
        let answer = sdp::parse(answer)?;
        let before = (self.negotiated, self.negotiated_second);
        let stream = |slot, local: &LocalMedia, crypto: Option<&Crypto>, before| {
            let chosen = choose::from_answer(&answer, self.place(slot), local, crypto)?;
            Ok(self.negotiate_answer(&answer, &chosen, local, before))
        };
        let [crypto, second_crypto] = &self.cryptos;
        let media = stream(&Slot::Ours, &local, crypto.as_ref(), before.0)?;
        let second = local.of_second();
        let second =
            second.map(|local| stream(&Slot::Second, &local, second_crypto.as_ref(), before.1));
        let second = second.transpose()?;
        self.negotiated = Some(media);
        self.negotiated_second = second;
        self.agree(local);
        Ok(media)
    }

    /// The place of one of our streams among the media descriptions.
    fn place(&self, own: &Slot) -> usize {
        self.slots.iter().position(|slot| slot == own).unwrap_or(0)
    }

    /// The `a=crypto` line of our offer of a stream: one that was protected stays protected.
    fn offered_crypto(
        &self,
        local: &LocalMedia,
        before: Option<&NegotiatedMedia>,
    ) -> Option<Crypto> {
        let is_protected = before.is_some_and(|media| media.srtp.is_some());
        let master = match local.security {
            MediaSecurity::Clear => None,
            MediaSecurity::AsOffered(master) => is_protected.then_some(master),
            MediaSecurity::Required(master) => Some(master),
        };
        let suite = OFFERED_SUITE;
        master.map(|master| Crypto { tag: OFFERED_TAG, key: SrtpKey { suite, master } })
    }

    /// Completes the exchange: our last description is agreed.
    fn agree(&mut self, local: LocalMedia) {
        let cryptos = self.cryptos;
        self.agreed = self.sent.clone().map(|body| Said { body, local, cryptos });
    }

    fn negotiate_answer(
        &self,
        answer: &SessionDescription,
        chosen: &Chosen<'_>,
        local: &LocalMedia,
        before: Option<NegotiatedMedia>,
    ) -> NegotiatedMedia {
        let events = chosen.event_payload_type.filter(|_| local.recording.is_none());
        // Our offer has our payload types, unless it repeats an answer, which has the peer's.
        let before = before.filter(|media| self.is_repeated && media.codec == chosen.codec);
        let own_events = Some(self.event_payload_type);
        let own_events = before.map_or(own_events, |media| media.event_payload_type_receive);
        let own = chosen.codec.static_payload_type();
        // Only what was asked for can be granted (RFC 5761 §5.1.1).
        let rtcp_mux = self.rtcp_mux && chosen.media.has("rtcp-mux");
        NegotiatedMedia {
            remote_rtp: chosen.remote_rtp,
            remote_rtcp: if rtcp_mux { chosen.remote_rtp } else { chosen.remote_rtcp },
            rtcp_mux,
            codec: chosen.codec,
            payload_type_send: chosen.payload_type,
            payload_type_receive: before.map_or(own, |media| media.payload_type_receive),
            event_payload_type_send: events,
            event_payload_type_receive: events.and(own_events),
            direction: choose::direction(answer, chosen, local.direction),
            ptime_ms: choose::ptime_ms(answer, chosen.media),
            srtp: srtp_keys(chosen, local),
        }
    }

    /// Puts `v=` and `o=` before a body; the version rises when the body is not the one sent last
    /// (RFC 3264 §8).
    fn describe(&mut self, address: IpAddr, body: Arc<[u8]>, cryptos: Cryptos) -> Vec<u8> {
        if self.sent.as_ref().is_some_and(|sent| *sent != body) {
            self.version = self.version.saturating_add(1);
        }
        let mut out = write::head(self.session_id, self.version, address);
        out.extend_from_slice(&body);
        (self.sent, self.cryptos) = (Some(body), cryptos);
        out
    }
}

impl std::fmt::Debug for MediaSession {
    /// Hides the descriptions, which hold keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaSession")
            .field("version", &self.version)
            .field("negotiated", &self.negotiated)
            .finish_non_exhaustive()
    }
}

/// The media of our answer to this offer. Payload types are those of the offer, both ways.
fn negotiate_offer(
    offer: &SessionDescription,
    chosen: &Chosen<'_>,
    local: &LocalMedia,
) -> NegotiatedMedia {
    let rtcp_mux = chosen.media.has("rtcp-mux");
    let events = chosen.event_payload_type.filter(|_| local.recording.is_none());
    NegotiatedMedia {
        remote_rtp: chosen.remote_rtp,
        remote_rtcp: if rtcp_mux { chosen.remote_rtp } else { chosen.remote_rtcp },
        rtcp_mux,
        codec: chosen.codec,
        payload_type_send: chosen.payload_type,
        payload_type_receive: chosen.payload_type,
        event_payload_type_send: events,
        event_payload_type_receive: events,
        direction: choose::direction(offer, chosen, local.direction),
        ptime_ms: choose::ptime_ms(offer, chosen.media),
        srtp: srtp_keys(chosen, local),
    }
}

/// Our `a=crypto` line that answers the peer's.
fn answered_crypto(media: &NegotiatedMedia, chosen: &Chosen<'_>) -> Option<Crypto> {
    let (keys, theirs) = media.srtp.zip(chosen.crypto)?;
    Some(Crypto { tag: theirs.tag, key: keys.send })
}

/// The peer's key of the chosen line, and ours with the same suite.
fn srtp_keys(chosen: &Chosen<'_>, local: &LocalMedia) -> Option<SrtpKeys> {
    let receive = chosen.crypto?.key;
    let master = local.security.master()?;
    Some(SrtpKeys { send: SrtpKey { suite: receive.suite, master }, receive })
}

/// The only suite in our offers, which every SRTP peer supports (RFC 4568 §6.2), and its tag.
const OFFERED_SUITE: SrtpSuite = SrtpSuite::AesCm128HmacSha1Tag80;
const OFFERED_TAG: u32 = 1;

/// Payload type of telephone events in first offers (dynamic, RFC 3551 §3).
const EVENT_PAYLOAD_TYPE: u8 = 101;
const GLARE: SdpRefusal = SdpRefusal {
    rule: "sdp_glare",
    status: 491,
    code: None,
    sentence: "our offer is not answered yet",
};
const NO_OFFER: SdpRefusal = SdpRefusal::syntax("sdp_no_offer", "an answer came without an offer");
const FEWER_MEDIA: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_fewer_media",
    "a new offer has fewer media descriptions than the session (RFC 3264 section 8)",
);

#[cfg(test)]
mod recording_tests;
#[cfg(test)]
mod security_tests;
#[cfg(test)]
mod tests;
