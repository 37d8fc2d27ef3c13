//! The callers: one SIP endpoint, and a UDP socket for the audio of each call. Shell.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use plane::rtp;
use shared::{Codec, FRAME_SAMPLES, NegotiatedMedia};
use sip::{Command, SessionId, UaEvent};

use super::bot::Bot;
use crate::calls::caller::{self, Plan};
use crate::endpoint::{Endpoint, LONGEST_WAIT, Trouble};

/// The endpoint of all callers.
pub(super) struct Line {
    endpoint: Endpoint,
    events: Vec<UaEvent>,
    plan: Plan,
    calls: u64,
}

impl Line {
    pub fn open(plan: Plan) -> Result<Self, Trouble> {
        Ok(Self { endpoint: Endpoint::open()?, events: Vec::new(), plan, calls: 0 })
    }

    /// Places one call and waits until the application has its `setup`, so that calls and connections have one order.
    pub fn call(&mut self, bot: &mut Bot) -> Result<Caller, Trouble> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        self.plan.media_port = socket.local_addr()?.port();
        self.calls += 1;
        let session = SessionId(self.calls);
        let invite = Box::new(caller::invite(&self.plan, &self.endpoint)?);
        self.endpoint.command(Command::Invite { session, invite }, &mut self.events);
        let end = Instant::now() + self.plan.patience;
        let mut media: Option<NegotiatedMedia> = None;
        let mut is_open = false;
        while media.is_none() || !is_open {
            self.endpoint.turn(Instant::now() + Duration::from_millis(1), &mut self.events)?;
            media = self.answered(session)?.or(media);
            is_open |= bot.accept()?;
            if Instant::now() > end {
                return Err(format!("call {session:?} is not up in time").into());
            }
        }
        let media = media.ok_or("no media")?;
        if media.codec != Codec::Pcmu {
            return Err("the gateway chose another codec than mu-law".into());
        }
        Ok(Caller {
            socket,
            to: media.remote_rtp.ok_or("the gateway takes no audio")?,
            event: media.event_payload_type_send.ok_or("the gateway takes no keys")?,
            frame: 0,
            saying: Saying::Nothing,
        })
    }

    /// Lets timers run.
    pub fn turn(&mut self) -> Result<(), Trouble> {
        self.endpoint.turn(Instant::now(), &mut self.events)?;
        self.answered(SessionId(0)).map(drop)
    }

    /// Hangs every call up.
    pub fn hang_up(&mut self) -> Result<(), Trouble> {
        for call in 1..=self.calls {
            let command = Command::Bye { session: SessionId(call), headers: Vec::new() };
            self.endpoint.command(command, &mut self.events);
        }
        let end = Instant::now() + HANG_UP_MAX;
        while self.endpoint.meters().sessions > 0 && Instant::now() < end {
            self.endpoint.turn(Instant::now() + LONGEST_WAIT, &mut self.events)?;
        }
        Ok(())
    }

    /// The answer to a call, if it came.
    fn answered(&mut self, of: SessionId) -> Result<Option<NegotiatedMedia>, Trouble> {
        let mut answer = None;
        for event in std::mem::take(&mut self.events) {
            match event {
                UaEvent::Answered { session, media, .. } if session == of => answer = Some(media),
                UaEvent::Ended { cause, .. } => {
                    return Err(format!("a call ended: {cause:?}").into());
                }
                UaEvent::Rejected { status, reason, .. } => {
                    return Err(format!("a call was rejected: {status} {reason}").into());
                }
                UaEvent::Refused { refusal, .. } => {
                    return Err(refusal.sentence.to_string().into());
                }
                // No other event ends one of our calls or wants an answer.
                _ => {}
            }
        }
        Ok(answer)
    }
}

/// The audio of one call.
pub(super) struct Caller {
    pub socket: UdpSocket,
    to: SocketAddr,
    /// Payload type of keys (RFC 4733).
    event: u8,
    /// Packets so far.
    frame: u32,
    saying: Saying,
}

#[derive(Clone, Copy, Debug)]
enum Saying {
    Nothing,
    /// The packets of it that were sent, and its timestamp.
    Key(u16, u32),
    /// Frames of it that are left.
    Voice(u32),
}

impl Caller {
    /// Presses a key from the next packet on.
    pub const fn press(&mut self) {
        self.saying = Saying::Key(0, (self.frame + 1) * FRAME_SAMPLES as u32);
    }

    /// Speaks from the next packet on.
    pub const fn speak(&mut self) {
        self.saying = Saying::Voice(VOICE_FRAMES);
    }

    /// Sends the packet of the next 20 ms.
    pub fn say(&mut self) -> io::Result<()> {
        self.frame += 1;
        let timestamp = self.frame * FRAME_SAMPLES as u32;
        match self.saying {
            Saying::Nothing => self.send(0, timestamp, &[0xFF; FRAME_SAMPLES]),
            Saying::Voice(left) => {
                self.saying = if left > 1 { Saying::Voice(left - 1) } else { Saying::Nothing };
                self.send(0, timestamp, &voice())
            }
            Saying::Key(sent, begin) => {
                self.saying = if sent + 1 < KEY_PACKETS {
                    Saying::Key(sent + 1, begin)
                } else {
                    Saying::Nothing
                };
                let is_end = sent + KEY_END_PACKETS >= KEY_PACKETS;
                let samples = (sent + 1).min(KEY_PACKETS - KEY_END_PACKETS) * FRAME_SAMPLES as u16;
                let [high, low] = samples.to_be_bytes();
                self.send(self.event, begin, &[1, u8::from(is_end) << 7 | 10, high, low])
            }
        }
    }

    /// Hears what has come; whether a packet of it was loud.
    pub fn hear(&self) -> io::Result<bool> {
        let mut bytes = [0; 2_048];
        let mut is_loud = false;
        loop {
            match self.socket.recv(&mut bytes) {
                Ok(len) => {
                    let payload = bytes.get(rtp::HEADER_BYTES..len).unwrap_or_default();
                    // Codes of mu-law below this have more than a sixteenth of the full amplitude.
                    let loud = payload.iter().filter(|code| *code & 0x7F < LOUD_CODE).count();
                    is_loud |= len == rtp::HEADER_BYTES + FRAME_SAMPLES && loud > LOUD_CODES;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(is_loud),
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&self, payload_type: u8, timestamp: u32, payload: &[u8]) -> io::Result<()> {
        let mut packet = [0; rtp::HEADER_BYTES + FRAME_SAMPLES];
        if let Some(head) = packet.first_chunk_mut() {
            rtp::write_header(head, false, payload_type, self.frame as u16, timestamp, 7);
        }
        let end = rtp::HEADER_BYTES + payload.len();
        packet[rtp::HEADER_BYTES..end].copy_from_slice(payload);
        match self.socket.send_to(&packet[..end], self.to) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A loud tone of 500 Hz.
fn voice() -> [u8; FRAME_SAMPLES] {
    std::array::from_fn(|at| if at % 16 < 8 { 0xA0 } else { 0x20 })
}

/// Packets of a key: 60 ms, the last of them three times.
const KEY_PACKETS: u16 = 6;
const KEY_END_PACKETS: u16 = 3;
/// Frames of a word that interrupts: 200 ms.
const VOICE_FRAMES: u32 = 10;
/// A packet is loud with more than this many such codes.
const LOUD_CODE: u8 = 0x38;
const LOUD_CODES: usize = 4;
const HANG_UP_MAX: Duration = Duration::from_secs(5);
