//! Chooses media description, codec, address, direction and packet time from a description.
//! Sans-IO.

use std::net::{IpAddr, SocketAddr};

use shared::{Code, Codec, Direction};

use super::{LocalMedia, MediaSecurity, MediaTargets};
use crate::sdp::{
    Connection, Crypto, FormatKind, MediaDescription, SdpRefusal, SessionDescription,
};

/// The audio stream chosen from the peer's description.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen<'a> {
    pub(super) index: usize,
    pub(super) media: &'a MediaDescription,
    pub(super) codec: Codec,
    /// The peer's number for the codec.
    pub(super) payload_type: u8,
    /// The peer's number for telephone events.
    pub(super) event_payload_type: Option<u8>,
    /// `None`: the unspecified address, a hold by RFC 2543.
    pub(super) remote_rtp: Option<SocketAddr>,
    pub(super) remote_rtcp: Option<SocketAddr>,
    /// The peer's key, where the stream is protected.
    pub(super) crypto: Option<Crypto>,
}

impl Chosen<'_> {
    pub(super) fn has_feedback(&self) -> bool {
        has_feedback(self.media)
    }
}

/// The first audio stream of an offer that can be served; without one, the refusal of the stream
/// that came closest.
pub(super) fn from_offer<'a>(
    offer: &'a SessionDescription,
    local: &LocalMedia,
) -> Result<Chosen<'a>, SdpRefusal> {
    let mut refusal = NO_AUDIO;
    for (index, media) in offer.media.iter().enumerate() {
        let crypto = |media: &MediaDescription| media.cryptos().next();
        match choose(offer, index, media, local, crypto) {
            Ok(chosen) => return Ok(chosen),
            Err(other) => refusal = further(refusal, other),
        }
    }
    Err(refusal)
}

/// The stream of an offer at the place that ours has had.
pub(super) fn in_place<'a>(
    offer: &'a SessionDescription,
    index: usize,
    local: &LocalMedia,
) -> Result<Chosen<'a>, SdpRefusal> {
    let media = offer.media.get(index).ok_or(NO_AUDIO)?;
    choose(offer, index, media, local, |media| media.cryptos().next())
}

/// The stream of an answer at our place in the offer.
pub(super) fn from_answer<'a>(
    answer: &'a SessionDescription,
    index: usize,
    local: &LocalMedia,
    offered: Option<&Crypto>,
) -> Result<Chosen<'a>, SdpRefusal> {
    let media = answer.media.get(index).ok_or(SHORT_ANSWER)?;
    if offered.is_none() && is_protected(&media.protocol) {
        return Err(SRTP_UNASKED);
    }
    // The line that is taken, with its suite (RFC 4568 §5.1.3).
    let is_taken = |crypto: &Crypto| {
        offered.is_some_and(|ours| ours.tag == crypto.tag && ours.key.suite == crypto.key.suite)
    };
    choose(answer, index, media, local, |media| media.cryptos().find(is_taken))
}

/// Our direction: what both sides allow, and never sending to an unspecified address.
pub(super) fn direction(
    sdp: &SessionDescription,
    chosen: &Chosen<'_>,
    ours: Direction,
) -> Direction {
    let theirs = sdp.direction(chosen.media).reversed();
    let sends = ours.sends() && theirs.sends() && chosen.remote_rtp.is_some();
    Direction::from_parts(sends, ours.receives() && theirs.receives())
}

/// Packet time we send with: the peer's `ptime` when it is a multiple of 10 from 10 to 60, else 20,
/// and never more than its `maxptime`.
pub(super) fn ptime_ms(sdp: &SessionDescription, media: &MediaDescription) -> u8 {
    let milliseconds =
        |name| sdp.attribute(media, name).and_then(|value| value.parse::<u32>().ok());
    let wanted = milliseconds("ptime").filter(|ptime| ptime % 10 == 0 && (10..=60).contains(ptime));
    // A `maxptime` of 0 would allow no packet at all, so it counts as absent.
    let most = milliseconds("maxptime").filter(|most| *most > 0);
    let most = most.map_or(60, |most| (most / 10 * 10).clamp(10, 60));
    u8::try_from(wanted.unwrap_or(20).min(most)).unwrap_or(20)
}

fn choose<'a>(
    sdp: &'a SessionDescription,
    index: usize,
    media: &'a MediaDescription,
    local: &LocalMedia,
    take_crypto: impl Fn(&MediaDescription) -> Option<Crypto>,
) -> Result<Chosen<'a>, SdpRefusal> {
    if !media.is_audio() || media.port == 0 {
        return Err(NO_AUDIO);
    }
    let crypto = check_security(media, &local.security, take_crypto)?;
    let (payload_type, codec) = first_codec(media, local).ok_or(NO_CODEC)?;
    let remote_rtp = remote_rtp(sdp, media, local)?;
    Ok(Chosen {
        index,
        media,
        codec,
        payload_type,
        event_payload_type: media.event_payload_type(),
        remote_rtp,
        remote_rtcp: remote_rtp.and_then(|rtp| remote_rtcp(media, rtp, &local.targets)),
        crypto,
    })
}

/// Checks that the stream is protected as our side requires, and returns the peer's key.
fn check_security(
    media: &MediaDescription,
    security: &MediaSecurity,
    take_crypto: impl Fn(&MediaDescription) -> Option<Crypto>,
) -> Result<Option<Crypto>, SdpRefusal> {
    let is_clear = media.protocol.eq_ignore_ascii_case("RTP/AVP") || has_feedback(media);
    let is_srtp = media.protocol.eq_ignore_ascii_case("RTP/SAVP");
    match security {
        MediaSecurity::Clear | MediaSecurity::AsOffered(_) if is_clear => Ok(None),
        MediaSecurity::Clear if is_protected(&media.protocol) => Err(SRTP),
        MediaSecurity::AsOffered(_) | MediaSecurity::Required(_) if is_srtp => {
            take_crypto(media).ok_or(NO_CRYPTO).map(Some)
        }
        MediaSecurity::Required(_) if is_clear => Err(SRTP_REQUIRED),
        MediaSecurity::AsOffered(_) | MediaSecurity::Required(_)
            if is_protected(&media.protocol) =>
        {
            Err(SRTP_PROFILE)
        }
        MediaSecurity::Clear | MediaSecurity::AsOffered(_) | MediaSecurity::Required(_) => {
            Err(PROTOCOL)
        }
    }
}

/// RTP with RTCP feedback (RFC 4585). A side that sends no feedback conforms to it as well.
fn has_feedback(media: &MediaDescription) -> bool {
    media.protocol.eq_ignore_ascii_case("RTP/AVPF")
}

/// Any profile of SRTP, with DTLS and feedback or without.
fn is_protected(protocol: &str) -> bool {
    protocol.to_ascii_uppercase().contains("SAVP")
}

fn first_codec(media: &MediaDescription, local: &LocalMedia) -> Option<(u8, Codec)> {
    media.payload_types().find_map(|format| match format.kind {
        FormatKind::Audio(codec) if local.codecs.contains(&codec) => {
            Some((format.payload_type, codec))
        }
        FormatKind::Audio(_) | FormatKind::TelephoneEvent | FormatKind::Unknown => None,
    })
}

/// Where the peer receives RTP; `None` for the unspecified address, which means hold (RFC 3264
/// §8.4).
fn remote_rtp(
    sdp: &SessionDescription,
    media: &MediaDescription,
    local: &LocalMedia,
) -> Result<Option<SocketAddr>, SdpRefusal> {
    let address = match sdp.connection(media, local.address).ok_or(NO_ADDRESS)? {
        Connection::Address(address) => *address,
        Connection::Name(_) => return Err(HOST_NAME),
    };
    if address.is_unspecified() {
        return Ok(None);
    }
    let target = SocketAddr::new(address, media.port);
    local.targets.check(target)?;
    if address.is_ipv4() == local.address.is_ipv4() { Ok(Some(target)) } else { Err(FAMILY) }
}

/// `a=rtcp:port [IN IP4 address]` (RFC 3605), else the port after RTP's. An address of another
/// family, or one that media may not go to, is ignored.
fn remote_rtcp(
    media: &MediaDescription,
    rtp: SocketAddr,
    targets: &MediaTargets,
) -> Option<SocketAddr> {
    let may_go_to = |target: &SocketAddr| targets.check(*target).is_ok();
    let next = rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
    named_rtcp(media, rtp).filter(may_go_to).or(next.filter(may_go_to))
}

fn named_rtcp(media: &MediaDescription, rtp: SocketAddr) -> Option<SocketAddr> {
    let named = media.attributes.iter().find(|attribute| attribute.name == "rtcp")?;
    let mut parts = named.value.as_deref()?.split_ascii_whitespace();
    let port = parts.next()?.parse().ok()?;
    let address = parts.nth(2).and_then(|address| address.parse::<IpAddr>().ok());
    let address = address
        .map(|address| address.to_canonical())
        .filter(|address| address.is_ipv4() == rtp.is_ipv4() && !address.is_unspecified());
    Some(SocketAddr::new(address.unwrap_or(rtp.ip()), port))
}

/// The refusal of the stream that came closer to being served.
fn further(a: SdpRefusal, b: SdpRefusal) -> SdpRefusal {
    const ORDER: [SdpRefusal; 7] =
        [NO_AUDIO, PROTOCOL, SRTP, SRTP_PROFILE, SRTP_REQUIRED, NO_CRYPTO, NO_CODEC];
    let rank = |refusal| ORDER.iter().position(|one| *one == refusal).unwrap_or(ORDER.len());
    if rank(b) > rank(a) { b } else { a }
}

const NO_AUDIO: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_no_audio", "the SDP has no audio stream that is wanted");
const PROTOCOL: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_protocol",
    "the audio stream is neither RTP/AVP nor RTP/AVPF, the only protocols served here",
);
const SRTP: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_srtp", "only SRTP is offered, and it is not switched on here")
        .with_code(Code::SRTP_NOT_ACCEPTED);
const SRTP_REQUIRED: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_srtp_required",
    "the audio stream is in the clear, and only SRTP (RTP/SAVP with a=crypto) is taken here",
)
.with_code(Code::SRTP_REQUIRED);
const SRTP_PROFILE: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_srtp_profile",
    "of SRTP only RTP/SAVP with keys in a=crypto lines is served, not RTP/SAVPF and not DTLS",
)
.with_code(Code::SRTP_NOT_ACCEPTED);
const NO_CRYPTO: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_no_crypto",
    "no a=crypto line can be served: AES_CM_128_HMAC_SHA1_80 and _32 are, with one inline key and \
     without key identifiers and parameters that take protection away",
)
.with_code(Code::SRTP_NOT_ACCEPTED);
const SRTP_UNASKED: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_srtp_unasked", "the answer says SRTP and none was offered")
        .with_code(Code::SRTP_NOT_ACCEPTED);
const NO_CODEC: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_no_codec", "the audio stream has no codec in common with us");
const NO_ADDRESS: SdpRefusal =
    SdpRefusal::syntax("sdp_no_connection", "the SDP has no c= line for the audio stream");
const HOST_NAME: SdpRefusal =
    SdpRefusal::not_acceptable("sdp_host_name", "the c= line has a host name, not an address");
const FAMILY: SdpRefusal = SdpRefusal::not_acceptable(
    "sdp_address_family",
    "the c= line is of another IP version than our media address",
);
const SHORT_ANSWER: SdpRefusal = SdpRefusal::syntax(
    "sdp_short_answer",
    "the answer has fewer media descriptions than the offer",
);
