//! What goes into a phone and what comes out. Sans-IO.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use plane::SocketId;
use shared::{Codec, LegQuality, Prompt};
use sip::{Destination, Uri};

/// Settings of a phone.
#[derive(Clone, Debug)]
pub struct PhoneConfig {
    /// User part of its From and Contact; also the digest user.
    pub user: String,
    /// Digest password; empty: challenges are not answered.
    pub password: String,
    /// Host of its From.
    pub host: String,
    /// Address of its media, as SDP shows it.
    pub media_address: IpAddr,
    /// Its RTP port; RTCP is on the next one.
    pub media_port: u16,
    /// Codecs it offers and takes, best first.
    pub codecs: Vec<Codec>,
    /// SRTP and nothing else, offered and taken; else none.
    pub srtp: bool,
    /// Whether an incoming call is answered by itself.
    pub answers: bool,
    /// Unix milliseconds at `Instant::ZERO`, for RTCP.
    pub unix_ms_at_zero: i64,
}

/// Into a phone.
#[derive(Debug)]
pub enum Input<'a> {
    /// From its SIP transport.
    Sip(sip::Input<'a>),
    /// A datagram at its media ports.
    Media {
        /// RTP or RTCP: [`SocketId::rtp`]`(0)` or [`SocketId::rtcp`]`(0)`.
        socket: SocketId,
        /// From where.
        source: SocketAddr,
        /// The packet; it may be rewritten.
        packet: &'a mut [u8],
    },
    /// What its user wants.
    Command(Command),
}

/// What the phone's user wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Call somebody. Ignored while there is a call.
    Call {
        /// Whom.
        target: Uri,
        /// Where to send it.
        destinations: Vec<Destination>,
        /// More headers of the INVITE.
        headers: Vec<(String, Vec<u8>)>,
    },
    /// Register, and refresh at half of what the registrar grants, until [`Command::Unregister`].
    /// Ignored while there is a registration.
    Register {
        /// The address whose calls are to come here; its host is the registrar. Not a SIP URI:
        /// refused with 400.
        address: Uri,
        /// Where to send it.
        destinations: Vec<Destination>,
        /// How long to ask for, seconds. Where that is too brief (423), the registrar's least is
        /// asked for, once.
        expires_s: u32,
    },
    /// Take the registration back.
    Unregister,
    /// Answer the call that rings here.
    Answer,
    /// Refuse the call that rings here.
    Refuse {
        /// SIP status.
        status: u16,
    },
    /// End the call, in any state.
    HangUp,
    /// Put the other party on hold, or take it back.
    Hold(bool),
    /// Speak: play a prompt once.
    Play(Arc<Prompt>),
    /// Press keys: `0-9 A-D * #`, `w` and `W` for pauses.
    Press(Arc<str>),
}

/// Out of a phone.
#[derive(Debug)]
pub enum Effect {
    /// For its SIP transport: a send, or a connection to close. Never an event.
    Sip(sip::Effect),
    /// A datagram from its media ports.
    Media {
        /// RTP or RTCP.
        socket: SocketId,
        /// Where to.
        to: SocketAddr,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Something its user sees or hears.
    Event(Event),
}

/// What the user of a phone sees and hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody calls.
    Incoming {
        /// Headers of the INVITE beyond those that SIP itself needs.
        headers: Vec<(String, String)>,
    },
    /// The other side rings, or says something else that is provisional.
    Progress {
        /// 180, 183, …
        status: u16,
    },
    /// The call is up, with media.
    Up {
        /// In which codec.
        codec: Codec,
        /// Headers of the answer, where we called.
        headers: Vec<(String, String)>,
    },
    /// The call was refused.
    Refused {
        /// Final SIP status.
        status: u16,
        /// Its phrase.
        reason: String,
    },
    /// The call is over.
    Ended {
        /// Whether the other side ended it.
        by_peer: bool,
        /// Headers of its BYE.
        headers: Vec<(String, String)>,
    },
    /// Calls to the address come here: the first time and after each refresh.
    Registered {
        /// How long the registrar granted, seconds.
        expires_s: u32,
        /// All the bindings that it has for the address.
        contacts: Vec<String>,
    },
    /// The registrar refused, or did not answer while the binding stood. The registration is over.
    RegisterRefused {
        /// Final SIP status; 408 for silence, 503 for no way to send.
        status: u16,
        /// Its phrase.
        reason: String,
    },
    /// The registrar has forgotten us, as asked.
    Unregistered,
    /// 20 ms of what the other party says, as it came (loss is filled with silence).
    Heard {
        /// Its codec.
        codec: Codec,
        /// 160 samples, one byte each.
        frame: [u8; shared::media::FRAME_SAMPLES],
    },
    /// The other party pressed a key.
    Key(char),
    /// What was played or pressed is over.
    Spoken,
    /// Media figures, at the end of a call.
    Quality(LegQuality),
    /// A SIP message went by: one line.
    Trace(String),
}
