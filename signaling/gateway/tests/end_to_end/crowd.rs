//! Many bridged calls whose parties all talk: SIPp signals, and one thread moves the audio of everybody.
//!
//! Each party has a socket of its own, so that none loses packets while another is read. It begins to talk when it first
//! hears the gateway. A packet says who speaks and how many packets that was, so that losses, exchanged parties and
//! changed bytes are seen at the other end.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::sipp::{self, Running, Sipp};
use crate::wait::Pace;

/// Calls that are up, and their audio. All of it ends when dropped.
pub struct Crowd {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    _calls: [Running; 2],
    application: Application,
}

struct Shared {
    now: Mutex<Now>,
    ticked: Condvar,
}

#[derive(Default)]
struct Now {
    is_over: bool,
    /// Packet times that have passed.
    ticks: u32,
    /// Packet times for which all parties said nothing, because this process had no CPU.
    missed: u32,
    /// Packets that each party has sent, and what it has heard.
    parties: Vec<(u32, Ear)>,
}

/// What one party has heard of the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ear {
    /// The other party.
    speaker: Option<u16>,
    packets: u32,
    /// Number that the speaker gave to the newest packet.
    newest: u32,
    /// RTP sequence number of the newest packet less the speaker's number: it stays while one map relays.
    shift: u16,
    ssrc: u32,
    /// Packets of a third party, with other bytes than were sent, or sent twice.
    wrong: u32,
}

/// All ears at one moment.
pub struct Moment {
    missed: u32,
    parties: Vec<(u32, Ear)>,
}

impl Crowd {
    /// Places `calls` calls, which a `<Dial>` bridges. Returns while they are set up.
    pub fn start(gateway: &Gateway, calls: u16) -> Self {
        Self::start_with(gateway, calls, "")
    }

    /// The same with attributes of the `<Dial>`. Requests to other paths than `/voice` get an empty document.
    pub fn start_with(gateway: &Gateway, calls: u16, attributes: &'static str) -> Self {
        let port = sipp::free_port();
        let application = Application::start(move |asked| match asked.path.as_str() {
            "/voice" => Answer::twiml(&format!(
                "<Dial {attributes}><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>"
            )),
            _ => Answer::twiml(""),
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        let parties: Vec<Party> = (0..2 * calls).map(Party::new).collect();
        let (callers, callees) = parties.split_at(usize::from(calls));
        let ports = |parties: &[Party]| parties.iter().map(Party::port).collect::<Vec<_>>();
        let callee = Sipp::new(&on_own_ports(&sipp::callee("", "0 101")));
        let callee = callee.values(&ports(callees)).with(&format!("-p {port} -m {calls}")).spawn();
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(39_000);
        let caller = Sipp::caller(&on_own_ports(&scenario), 0).values(&ports(callers));
        let words = format!("-m {calls} -l {calls} -r {RATE} {}", gateway.sip_udp);
        let caller = caller.with(&words).spawn();
        let shared = Arc::new(Shared { now: Mutex::default(), ticked: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = Some(std::thread::spawn(move || talk(parties, &theirs)));
        Self { shared, thread, _calls: [callee, caller], application }
    }

    /// The application of the calls.
    pub fn application(&self) -> &Application {
        &self.application
    }

    /// Lets this many packet times pass.
    pub fn pass(&self, ticks: u32) -> Moment {
        let now = self.shared.now.lock().expect("not poisoned");
        let until = now.ticks + ticks;
        let waited = self.shared.ticked.wait_timeout_while(now, PATIENCE, |now| now.ticks < until);
        let (now, waited) = waited.expect("not poisoned");
        assert!(!waited.timed_out(), "the parties have stopped");
        Moment { missed: now.missed, parties: now.parties.clone() }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if let Ok(mut now) = self.shared.now.lock() {
            now.is_over = true;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Moment {
    /// Asserts that everybody heard its party since `before`, of whom at most `lost_max` packets are missing, unchanged
    /// and under numbers that continue: a number more for each packet of silence that the gateway sent in place of a
    /// party that had no CPU to speak. Answers how many packets were lost by all.
    #[track_caller]
    pub fn expect_audio_since(&self, before: &Self, lost_max: u32) -> u32 {
        let mut lost_by_all = 0;
        let missed = self.missed - before.missed;
        for (number, ((_, ear), (_, old))) in self.parties.iter().zip(&before.parties).enumerate() {
            let speaker = ear.speaker.expect("everybody has heard somebody");
            let sent = self.parties[usize::from(speaker)].0;
            assert_eq!(old.speaker, Some(speaker), "party {number} hears somebody else");
            assert!(ear.newest > old.newest, "party {number}: {ear:?} after {old:?}");
            assert!(sent - ear.newest <= IN_FLIGHT_MAX, "party {number}: {ear:?} of {sent}");
            let filled = ear.shift.wrapping_sub(old.shift);
            assert!(
                u32::from(filled) <= missed,
                "party {number}: one stream, {filled} of {missed}"
            );
            assert_eq!(ear.ssrc, old.ssrc, "party {number}: one stream");
            assert_eq!(ear.wrong, old.wrong, "party {number}");
            let lost = (ear.newest - old.newest) - (ear.packets - old.packets);
            assert!(lost <= lost_max, "party {number} has lost {lost} packets: {ear:?}, {old:?}");
            lost_by_all += lost;
        }
        lost_by_all
    }

    /// Packets that all have heard.
    pub fn heard(&self) -> u64 {
        self.parties.iter().map(|(_, ear)| u64::from(ear.packets)).sum()
    }
}

/// Calls a second: what a debug build on two cores sets up beside other tests.
const RATE: u32 = 40;
/// A round that comes later than this may have let the gateway fill in: its 200 ms, less what a round takes.
const SILENT_MS: u128 = 140;
const PATIENCE: Duration = Duration::from_secs(20);
/// Packets between a sender and its party when a moment is taken: those of the last round.
const IN_FLIGHT_MAX: u32 = 2;

/// The scenario with a media port for each call, from [`Sipp::values`].
fn on_own_ports(scenario: &str) -> String {
    scenario.replace("[media]", "[field0]")
}

fn talk(mut parties: Vec<Party>, shared: &Shared) {
    let mut pace = Pace::every_ms(20);
    let mut round = Instant::now();
    loop {
        // The gateway sends silence once a party has said nothing for 200 ms, whoever held it up.
        let late_ms = round.elapsed().as_millis();
        round = Instant::now();
        let missed =
            if late_ms < SILENT_MS { 0 } else { u32::try_from(late_ms / 20).unwrap_or(u32::MAX) };
        for party in &mut parties {
            party.hear();
            party.speak();
        }
        let mut now = shared.now.lock().expect("not poisoned");
        if now.is_over {
            return;
        }
        now.ticks += 1;
        now.missed += missed;
        now.parties = parties.iter().map(|party| (party.sent, party.ear)).collect();
        drop(now);
        shared.ticked.notify_all();
        pace.tick();
    }
}

struct Party {
    number: u16,
    socket: UdpSocket,
    gateway: Option<SocketAddr>,
    sent: u32,
    ear: Ear,
}

/// First bytes of what a party says; silence has others.
const MARK: [u8; 2] = [0x33, 0x55];

impl Party {
    fn new(number: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("a socket of ours");
        Self { number, socket, gateway: None, sent: 0, ear: Ear::default() }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    fn hear(&mut self) {
        let mut bytes = [0; 2_048];
        while let Ok((length, from)) = self.socket.recv_from(&mut bytes) {
            self.gateway = Some(from);
            if let Some(heard) = Said::read(&bytes[..length]) {
                self.ear.take(&heard);
            }
        }
    }

    fn speak(&mut self) {
        let Some(to) = self.gateway else { return };
        self.sent += 1;
        let mut bytes = vec![0x80, 0];
        bytes.extend_from_slice(&(self.sent as u16).to_be_bytes());
        bytes.extend_from_slice(&(self.sent * 160).to_be_bytes());
        bytes.extend_from_slice(&u32::from(self.number).to_be_bytes());
        bytes.extend_from_slice(&payload(self.number, self.sent));
        // A socket's buffer takes seconds of audio; nobody answers while the gateway is gone.
        self.socket.send_to(&bytes, to).expect("sent");
    }
}

fn payload(speaker: u16, packet: u32) -> [u8; 160] {
    let mut payload = [packet as u8; 160];
    payload[..2].copy_from_slice(&MARK);
    payload[2..4].copy_from_slice(&speaker.to_be_bytes());
    payload[4..8].copy_from_slice(&packet.to_be_bytes());
    payload
}

/// One packet of a party, as the other one gets it.
struct Said {
    speaker: u16,
    packet: u32,
    sequence: u16,
    ssrc: u32,
    is_unchanged: bool,
}

impl Said {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, said) = bytes.split_at_checked(12)?;
        let [_, _, high, low, _, _, _, _, ssrc @ ..] = head else { return None };
        let [_, _, a, b, packet @ ..] = said.first_chunk::<8>()?;
        let (speaker, packet) = (u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*packet));
        said.starts_with(&MARK).then_some(Self {
            speaker,
            packet,
            sequence: u16::from_be_bytes([*high, *low]),
            ssrc: u32::from_be_bytes(ssrc.try_into().ok()?),
            is_unchanged: head[..2] == [0x80, 0] && said == payload(speaker, packet),
        })
    }
}

impl Ear {
    fn take(&mut self, said: &Said) {
        let speaker = *self.speaker.get_or_insert(said.speaker);
        let is_new = said.packet > self.newest;
        self.wrong += u32::from(!is_new || speaker != said.speaker || !said.is_unchanged);
        self.packets += 1;
        self.newest = self.newest.max(said.packet);
        self.shift = said.sequence.wrapping_sub(said.packet as u16);
        self.ssrc = said.ssrc;
    }
}
