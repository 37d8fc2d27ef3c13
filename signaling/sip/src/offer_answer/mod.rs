//! Offer and answer for our one audio stream (RFC 3264). Sans-IO: descriptions in, descriptions and
//! [`NegotiatedMedia`] out.

mod choose;
mod write;

use std::net::IpAddr;

use shared::{Codec, Direction, NegotiatedMedia, SrtpKey, SrtpKeys, SrtpMaster, SrtpSuite};
use smallvec::SmallVec;

use crate::sdp::{self, Crypto, SdpRefusal, SessionDescription};
use choose::Chosen;
use write::Slot;

/// What our side has for the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// The address that goes into `c=` and `o=`.
    pub address: IpAddr,
    /// The RTP port; RTCP is on the next one unless multiplexed.
    pub port: u16,
    /// What we would like: an answer never goes further than the offer allows.
    pub direction: Direction,
    /// What we speak, best first. An offer of ours names them in this order; of an offer to us the
    /// first of the offer that is among these is taken.
    pub codecs: SmallVec<[Codec; 2]>,
    /// Whether the stream is protected.
    pub security: MediaSecurity,
}

/// How a stream of ours may be protected (contract sip-interface.md §10). The key is ours, for what
/// we send; it stays the same over all offers and answers of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaSecurity {
    /// In the clear, `RTP/AVP`; SRTP is refused.
    Clear,
    /// As the peer offers it; in the clear in first offers of ours.
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
    /// The description sent last, all but its version.
    sent: Option<Vec<u8>>,
    /// One for each media description there ever was; one of them is our stream.
    slots: Vec<Slot>,
    /// Payload type of telephone events in descriptions of ours.
    event_payload_type: u8,
    /// Whether the peer multiplexes RTCP; asked for in offers of ours once it has asked.
    rtcp_mux: bool,
    /// What we offered and wait to be answered.
    offered: Option<LocalMedia>,
    /// The last exchange that came to its end.
    negotiated: Option<NegotiatedMedia>,
}

impl MediaSession {
    /// A session of which nothing was said yet. `session_id` is random.
    pub fn new(session_id: u32) -> Self {
        Self {
            session_id,
            version: u64::from(session_id),
            sent: None,
            slots: vec![Slot::Ours],
            event_payload_type: EVENT_PAYLOAD_TYPE,
            rtcp_mux: false,
            offered: None,
            negotiated: None,
        }
    }

    /// What the last whole exchange came to; an offer that fails leaves it as it is.
    pub const fn negotiated(&self) -> Option<&NegotiatedMedia> {
        self.negotiated.as_ref()
    }

    /// Whether an offer of ours waits for its answer. An offer from the peer is then 491.
    pub const fn has_offered(&self) -> bool {
        self.offered.is_some()
    }

    /// An offer: the first one, a new one, or the same again as a refresh (then with the same
    /// version).
    pub fn offer(&mut self, local: &LocalMedia) -> Vec<u8> {
        let own = write::Own {
            event_payload_type: self.event_payload_type,
            rtcp_mux: self.rtcp_mux,
            crypto: self.offered_crypto(local),
        };
        let body = write::offer(&self.slots, local, &own);
        self.offered = Some(local.clone());
        self.describe(local.address, body)
    }

    /// The offer was refused: what was agreed before stays (RFC 3261 §14.1).
    pub fn withdraw_offer(&mut self) {
        self.offered = None;
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// 400 for what cannot be read, 488 for what cannot be served; nothing changes then. 491 while an
    /// offer of ours waits (RFC 3261 §14.2).
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
        let chosen = choose::from_offer(&offer, local)?;
        let media = negotiate_offer(&offer, &chosen, local);
        self.slots = offer.media.iter().map(Slot::refused).collect();
        if let Some(slot) = self.slots.get_mut(chosen.index) {
            *slot = Slot::Ours;
        }
        // A number of the peer's that is dynamic cannot meet one of our static ones in an offer.
        let events = media.event_payload_type_receive.filter(|number| *number >= DYNAMIC_FROM);
        self.event_payload_type = events.unwrap_or(EVENT_PAYLOAD_TYPE);
        self.rtcp_mux = media.rtcp_mux;
        let crypto = media.srtp.zip(chosen.crypto);
        let crypto = crypto.map(|(keys, theirs)| Crypto { tag: theirs.tag, key: keys.send });
        let body = write::answer(&self.slots, local, &media, crypto, &offer.time);
        self.negotiated = Some(media);
        Ok((self.describe(local.address, body), media))
    }

    /// Takes the answer to our offer.
    ///
    /// # Errors
    /// 400 for what cannot be read or answers no offer, 488 for an answer that refuses the stream or
    /// takes nothing that we speak. The offer counts as withdrawn then.
    pub fn accept_answer(&mut self, answer: &[u8]) -> Result<NegotiatedMedia, SdpRefusal> {
        let local = self.offered.take().ok_or(NO_OFFER)?;
        let answer = sdp::parse(answer)?;
        let index = self.slots.iter().position(Slot::is_ours).unwrap_or(0);
        let offered = self.offered_crypto(&local);
        let chosen = choose::from_answer(&answer, index, &local, offered.as_ref())?;
        let media = self.negotiate_answer(&answer, &chosen, &local);
        self.negotiated = Some(media);
        Ok(media)
    }

    /// The one line of an offer of ours: a session that is protected stays so.
    fn offered_crypto(&self, local: &LocalMedia) -> Option<Crypto> {
        let is_protected = self.negotiated.is_some_and(|media| media.srtp.is_some());
        let master = match local.security {
            MediaSecurity::Clear => None,
            MediaSecurity::AsOffered(master) => is_protected.then_some(master),
            MediaSecurity::Required(master) => Some(master),
        };
        let suite = OFFERED_SUITE;
        master.map(|master| Crypto { tag: OFFERED_TAG, key: SrtpKey { suite, master } })
    }

    fn negotiate_answer(
        &self,
        answer: &SessionDescription,
        chosen: &Chosen<'_>,
        local: &LocalMedia,
    ) -> NegotiatedMedia {
        let events = chosen.event_payload_type;
        // Only what was asked for can be granted (RFC 5761 §5.1.1).
        let rtcp_mux = self.rtcp_mux && chosen.media.has("rtcp-mux");
        NegotiatedMedia {
            remote_rtp: chosen.remote_rtp,
            remote_rtcp: if rtcp_mux { chosen.remote_rtp } else { chosen.remote_rtcp },
            rtcp_mux,
            codec: chosen.codec,
            payload_type_send: chosen.payload_type,
            payload_type_receive: chosen.codec.static_payload_type(),
            event_payload_type_send: events,
            event_payload_type_receive: events.map(|_| self.event_payload_type),
            direction: choose::direction(answer, chosen, local.direction),
            ptime_ms: choose::ptime_ms(answer, chosen.media),
            srtp: srtp_keys(chosen, local),
        }
    }

    /// Puts `v=` and `o=` before a body; the version rises when the body is not the one sent last
    /// (RFC 3264 §8).
    fn describe(&mut self, address: IpAddr, body: Vec<u8>) -> Vec<u8> {
        if self.sent.as_ref().is_some_and(|sent| *sent != body) {
            self.version = self.version.saturating_add(1);
        }
        let mut out = write::head(self.session_id, self.version, address);
        out.extend_from_slice(&body);
        self.sent = Some(body);
        out
    }
}

impl std::fmt::Debug for MediaSession {
    /// Not what was sent: descriptions hold keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaSession")
            .field("version", &self.version)
            .field("negotiated", &self.negotiated)
            .finish_non_exhaustive()
    }
}

/// What an answer to this offer says, from our side. Payload types are those of the offer, both ways.
fn negotiate_offer(
    offer: &SessionDescription,
    chosen: &Chosen<'_>,
    local: &LocalMedia,
) -> NegotiatedMedia {
    let rtcp_mux = chosen.media.has("rtcp-mux");
    NegotiatedMedia {
        remote_rtp: chosen.remote_rtp,
        remote_rtcp: if rtcp_mux { chosen.remote_rtp } else { chosen.remote_rtcp },
        rtcp_mux,
        codec: chosen.codec,
        payload_type_send: chosen.payload_type,
        payload_type_receive: chosen.payload_type,
        event_payload_type_send: chosen.event_payload_type,
        event_payload_type_receive: chosen.event_payload_type,
        direction: choose::direction(offer, chosen, local.direction),
        ptime_ms: choose::ptime_ms(offer, chosen.media),
        srtp: srtp_keys(chosen, local),
    }
}

/// The peer's key of the line that was chosen, and ours with the same suite.
fn srtp_keys(chosen: &Chosen<'_>, local: &LocalMedia) -> Option<SrtpKeys> {
    let receive = chosen.crypto?.key;
    let master = local.security.master()?;
    Some(SrtpKeys { send: SrtpKey { suite: receive.suite, master }, receive })
}

/// The only suite in offers of ours, and its tag (contract sip-interface.md §10).
const OFFERED_SUITE: SrtpSuite = SrtpSuite::AesCm128HmacSha1Tag80;
const OFFERED_TAG: u32 = 1;

/// Payload type of telephone events in first offers (contract sip-interface.md §13).
const EVENT_PAYLOAD_TYPE: u8 = 101;
/// Where dynamic payload types begin (RFC 3551 §3).
const DYNAMIC_FROM: u8 = 96;
const GLARE: SdpRefusal = SdpRefusal {
    rule: "sdp_glare",
    status: 491,
    code: None,
    sentence: "an offer of ours is not answered yet",
};
const NO_OFFER: SdpRefusal =
    SdpRefusal::syntax("sdp_no_offer", "an answer came and nothing was offered");
const FEWER_MEDIA: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_fewer_media",
    "a new offer has fewer media descriptions than the session (RFC 3264 section 8)",
);

#[cfg(test)]
mod security_tests;
#[cfg(test)]
mod tests;
