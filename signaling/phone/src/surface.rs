//! Inputs, commands, effects and events of a phone. Sans-IO.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use plane::SocketId;
use shared::{Codec, Header, LegQuality, Prompt};
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
    /// `true`: offers and accepts SRTP only; `false`: never SRTP.
    pub srtp: bool,
    /// Whether the phone answers incoming calls without a command.
    pub answers: bool,
    /// Unix milliseconds at `Instant::ZERO`, for RTCP.
    pub unix_ms_at_zero: i64,
}

/// An input of a phone.
#[derive(Debug)]
pub enum Input<'a> {
    /// Input of its SIP transport.
    Sip(sip::Input<'a>),
    /// A datagram at its media ports.
    Media {
        /// RTP or RTCP: [`SocketId::rtp`]`(0)` or [`SocketId::rtcp`]`(0)`.
        socket: SocketId,
        /// The address that it came from.
        source: SocketAddr,
        /// The packet; it may be rewritten.
        packet: &'a mut [u8],
    },
    /// A command of its user.
    Command(Command),
}

/// A command of the phone's user.
#[derive(Clone, Debug)]
pub enum Command {
    /// Place a call. Ignored while there is a call.
    Call {
        /// The URI to call.
        target: Uri,
        /// Destinations, first to last.
        destinations: Vec<Destination>,
        /// Additional headers of the INVITE.
        headers: Vec<Header>,
    },
    /// Register, and refresh at half of what the registrar grants, until [`Command::Unregister`].
    /// Ignored while there is a registration.
    Register {
        /// The address of record; its host is the registrar. Anything but a SIP URI is refused with
        /// 400.
        address: Uri,
        /// Destinations, first to last.
        destinations: Vec<Destination>,
        /// Requested lifetime in seconds. After a 423 the phone asks once for the registrar's
        /// minimum.
        expires_s: u32,
    },
    /// Remove the registration.
    Unregister,
    /// Answer the call that rings here.
    Answer,
    /// Refuse the call that rings here.
    Refuse {
        /// The status to refuse with, 300 to 699.
        status: u16,
    },
    /// End the call, in any state.
    HangUp,
    /// Put the other party on hold (`true`), or resume.
    Hold(bool),
    /// Speak: play a prompt once.
    Play(Arc<Prompt>),
    /// Press keys: `0-9 A-D * #`, `w` and `W` for pauses.
    Press(Arc<str>),
}

/// An effect of a phone.
#[derive(Debug)]
pub enum Effect {
    /// For its SIP transport: a message to send, or a connection to close. Never an event.
    Sip(sip::Effect),
    /// A datagram from its media ports.
    Media {
        /// RTP or RTCP.
        socket: SocketId,
        /// The address to send it to.
        to: SocketAddr,
        /// RTP or RTCP, complete.
        packet: Vec<u8>,
    },
    /// An event for its user.
    Event(Event),
}

/// An event for the user of a phone.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An incoming call.
    Incoming {
        /// Headers of the INVITE beyond those that SIP itself needs.
        headers: Vec<Header>,
    },
    /// The other side rings, or sent another provisional response.
    Progress {
        /// 180, 183, …
        status: u16,
    },
    /// The call is up, with media.
    Up {
        /// The negotiated codec.
        codec: Codec,
        /// Headers of the 2xx; empty where the phone answered.
        headers: Vec<Header>,
    },
    /// The call was refused.
    Refused {
        /// Final SIP status.
        status: u16,
        /// The reason phrase of the response.
        reason: String,
    },
    /// The call is over.
    Ended {
        /// Whether the other side ended it.
        by_peer: bool,
        /// Headers of its BYE.
        headers: Vec<Header>,
    },
    /// The registration succeeded: reported the first time and after each refresh.
    Registered {
        /// Granted lifetime in seconds.
        expires_s: u32,
        /// All bindings of the address of record.
        contacts: Vec<String>,
    },
    /// The registrar refused, or did not respond before the binding expired. The registration is
    /// over.
    RegisterRefused {
        /// Final SIP status; 408 for silence, 503 for no way to send.
        status: u16,
        /// The reason phrase of the response.
        reason: String,
    },
    /// The registration was removed, as requested.
    Unregistered,
    /// 20 ms of audio from the other party; lost packets are silence.
    Heard {
        /// The codec of the frame.
        codec: Codec,
        /// 160 samples, one byte each.
        frame: [u8; shared::FRAME_SAMPLES],
    },
    /// The other party pressed a key.
    Key(char),
    /// A prompt or a key sequence was played to its end.
    Spoken,
    /// Media figures, at the end of a call.
    Quality(LegQuality),
    /// A SIP message was sent or received: one line.
    Trace(String),
}
