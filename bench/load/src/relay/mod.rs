//! Conversations by text: how soon a caller hears an answer, and how soon an interruption silences it. Shell.
//!
//! The release gateway runs as a process of its own with all defaults. Callers and the application's WebSocket server
//! run here, on one thread that sleeps until a socket is ready. Each relay has a turn in every period: the application
//! says two sentences, the caller interrupts them by a key or by voice.

mod bot;
mod callers;
mod turn;
mod voice;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use shared::{SplitMix, Transport};

use self::bot::Bot;
use self::callers::{Caller, Line};
use self::turn::{Act, By, Kind, Times, Turns};
use self::voice::{Piper, Voice};
use crate::calls::application::Application;
use crate::calls::caller::Plan;
use crate::calls::gateway::Gateway;
use crate::calls::rest::{Login, make_domain};
use crate::calls::samples::Samples;
use crate::endpoint::Trouble;
use crate::machine_time::Moment;
use crate::report::Section;
use crate::schedstat;

/// Relays at once, for how long, with one voice.
#[derive(Clone, Copy, Debug)]
struct Load {
    voice: Voice,
    relays: usize,
    /// From one text of a relay to the next.
    period: Duration,
    time: Duration,
}

/// Measures relays, with `only` those runs that have this number of them; whether a text or an interruption was lost.
pub(crate) fn measure(binary: &Path, is_quick: bool, only: Option<usize>) -> (Vec<Section>, bool) {
    let mut tables = Tables::new();
    let piper = Piper::find();
    let is_wanted = |load: &&Load| only.is_none_or(|only| only == load.relays);
    for load in LOADS.iter().filter(is_wanted) {
        let Load { voice, relays, .. } = load;
        eprintln!("load: relays, {}: {relays} at once", voice.name());
        let time = if is_quick { load.time / 5 } else { load.time };
        let load = Load { time, ..*load };
        let measured = run(binary, load, &piper).map_err(|error| error.to_string());
        tables.take(load, measured);
    }
    tables.sections()
}

const fn load(voice: Voice, relays: usize, period_ms: u64, seconds: u64) -> Load {
    let (period, time) = (Duration::from_millis(period_ms), Duration::from_secs(seconds));
    Load { voice, relays, period, time }
}

/// A conversation has an answer in five seconds. The last run with Pico asks for more than two workers can say.
const LOADS: &[Load] = &[
    load(Voice::Pico, 1, 1_300, 50),
    load(Voice::Pico, 10, 2_000, 25),
    load(Voice::Pico, 50, 5_000, 25),
    load(Voice::Pico, 100, 5_000, 30),
    load(Voice::Pico, 100, 2_000, 20),
    load(Voice::PiperCommand, 1, 2_500, 35),
    load(Voice::PiperHttp, 1, 2_500, 35),
];

/// What one run has shown.
struct Measured {
    times: Times,
    /// The first text of the gateway, for which the voice starts.
    cold: Duration,
    gateway_cpu: f64,
    voice_cpu: f64,
    machine_cpu: f64,
    /// Texts that an engine spoke, and seconds for them, queue included.
    texts: u64,
    text_ms: f64,
}

fn run(binary: &Path, load: Load, piper: &Result<Piper, Trouble>) -> Result<Measured, Trouble> {
    let piper = || piper.as_ref().map_err(ToString::to_string);
    let (_service, speech) = match load.voice {
        Voice::Pico => (None, String::new()),
        Voice::PiperCommand => (None, piper()?.as_program()),
        Voice::PiperHttp => {
            let (service, settings) = piper()?.as_service()?;
            (Some(service), settings)
        }
    };
    let settings = format!("ports = \"20000-20599\"\n[streams]\nplaintext = true\n{speech}");
    let gateway = Gateway::start(binary, Ipv4Addr::LOCALHOST, &settings)?;
    let mut bench = Bench::start(&gateway, load)?;
    let cold = bench.warm_up()?;
    let before = Reading::of(&gateway)?;
    bench.talk_for(load.time)?;
    let after = Reading::of(&gateway)?;
    bench.line.hang_up()?;
    let Bench { times, .. } = bench;
    Ok(after.since(&before, times, cold))
}

struct Bench {
    line: Line,
    callers: Vec<Caller>,
    bot: Bot,
    turns: Vec<Turns>,
    times: Times,
    ready: OwnedFd,
    random: SplitMix,
    period: Duration,
    _application: Application,
}

impl Bench {
    fn start(gateway: &Gateway, load: Load) -> Result<Self, Trouble> {
        let mut bot = Bot::start()?;
        let verbs = format!(
            "<Connect><ConversationRelay url=\"ws://{}/\" dtmfDetection=\"true\"/></Connect>",
            bot.address()?
        );
        let application = Application::start(vec![("/voice".to_owned(), verbs)])?;
        make_domain(gateway, "relay", &application.url("/voice"), Login::Address)?;
        let mut line = Line::open(Plan {
            rate: 1,
            calls: 1,
            domain: "relay.sip.sidetone.test".to_owned(),
            gateway: gateway.sip,
            transport: Transport::Udp,
            authorities: PathBuf::new(),
            login: Login::Address,
            media_port: 0,
            patience: Duration::from_secs(10),
        })?;
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut callers = Vec::new();
        for index in 0..load.relays {
            let caller = line.call(&mut bot)?;
            let event = EventData::new_u64(index as u64);
            epoll::add(&ready, &caller.socket, event, EventFlags::IN)?;
            let event = EventData::new_u64(index as u64 | SOCKET_OF_BOT);
            let socket = bot.socket(index).ok_or("a call has no connection")?;
            epoll::add(&ready, socket, event, EventFlags::IN)?;
            callers.push(caller);
        }
        let (turns, times) = (Vec::new(), Times::default());
        let random = SplitMix::new(7);
        let period = load.period;
        Ok(Self {
            line,
            callers,
            bot,
            turns,
            times,
            ready,
            random,
            period,
            _application: application,
        })
    }

    /// Has the voice start and the known sentences said; the time of the first of all texts.
    fn warm_up(&mut self) -> Result<Duration, Trouble> {
        let now = Instant::now();
        self.turns = vec![Turns::new(WARM, now, 0)];
        let end = now + Duration::from_secs(30);
        while self.times.stop.len() + (self.times.in_a_pause as usize) < 2 {
            self.talk_while(Duration::from_millis(200))?;
            if Instant::now() > end || !self.times.lost.is_empty() {
                return Err(format!("the first text was not said: {:?}", self.times.lost).into());
            }
        }
        let (_, cold) = *self.times.first.first().ok_or("no text was said")?;
        self.times = Times::default();
        Ok(cold)
    }

    /// Every relay has its turns, the first ones spread over a period.
    fn talk_for(&mut self, time: Duration) -> Result<(), Trouble> {
        let now = Instant::now();
        for index in 0..self.callers.len() {
            let first = self.random.below(self.period.as_micros() as u64);
            let first = now + Duration::from_micros(first);
            let turns = Turns::new(KINDS, first, index);
            match self.turns.get_mut(index) {
                Some(old) => *old = turns,
                None => self.turns.push(turns),
            }
        }
        self.talk_while(time)
    }

    fn talk_while(&mut self, time: Duration) -> Result<(), Trouble> {
        let start = Instant::now();
        let frames = (time.as_millis() / 20) as u32;
        // A step is shorter than a frame of a core, so that texts fall on all parts of one.
        let steps = (self.callers.len() as u32).max(STEPS_LEAST);
        for frame in 0..frames {
            for step in 0..steps {
                self.serve_until(start + FRAME * frame + FRAME * step / steps)?;
                self.take_turns()?;
                if let Some(caller) = self.callers.get_mut(step as usize) {
                    caller.say()?;
                }
            }
            self.line.turn()?;
        }
        Ok(())
    }

    /// The next step of each conversation that has one now.
    fn take_turns(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        for (index, turns) in self.turns.iter_mut().enumerate() {
            // What a turn leaves of the period is rest.
            let spread = self.period.saturating_sub(TURN).as_micros() as u64 * 2;
            let rest = Duration::from_micros(self.random.below(spread));
            let Some(caller) = self.callers.get_mut(index) else { continue };
            match turns.turn(now, rest, &mut self.times) {
                Some(Act::Say(kind)) => turns.said(kind, self.bot.say(index, kind)?),
                Some(Act::Interrupt(By::Key)) => caller.press(),
                Some(Act::Interrupt(By::Voice)) => caller.speak(),
                None => {}
            }
        }
        Ok(())
    }

    /// Takes what comes until that moment.
    fn serve_until(&mut self, due: Instant) -> Result<(), Trouble> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            let wait = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
            let mut events = Vec::with_capacity(64);
            match epoll::wait(&self.ready, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let at = Instant::now();
            for event in &events {
                self.take(event.data.u64(), at)?;
            }
            if events.is_empty() && at >= due {
                return Ok(());
            }
        }
    }

    fn take(&mut self, data: u64, at: Instant) -> Result<(), Trouble> {
        let index = (data & !SOCKET_OF_BOT) as usize;
        if data & SOCKET_OF_BOT == 0 {
            let is_loud = self.callers.get(index).map_or(Ok(false), Caller::hear)?;
            if let Some(turns) = self.turns.get_mut(index).filter(|_| is_loud) {
                turns.heard(at, &mut self.times);
            }
            return Ok(());
        }
        self.bot.hear(index)?;
        for (index, at) in self.bot.interrupts.drain(..) {
            if let Some(turns) = self.turns.get_mut(index) {
                turns.interrupted(at);
            }
        }
        Ok(())
    }
}

/// The gateway and the machine at one moment.
struct Reading {
    at: Instant,
    machine: Moment,
    gateway_ns: u64,
    voice_ns: u64,
    texts: u64,
    text_s: f64,
}

impl Reading {
    fn of(gateway: &Gateway) -> Result<Self, Trouble> {
        let samples = Samples::of(gateway)?;
        Ok(Self {
            at: Instant::now(),
            machine: Moment::now()?,
            gateway_ns: schedstat::cpu_ns(&gateway.threads()?),
            voice_ns: schedstat::cpu_ns(&gateway.workers()?),
            texts: samples.sum("signaling_speech_text_seconds_count"),
            text_s: samples.value("signaling_speech_text_seconds_sum"),
        })
    }

    fn since(&self, before: &Self, times: Times, cold: Duration) -> Measured {
        let elapsed = self.at.duration_since(before.at).as_nanos() as f64;
        let share = |ns: u64| ns as f64 * 100.0 / elapsed;
        let texts = self.texts - before.texts;
        Measured {
            times,
            cold,
            gateway_cpu: share(self.gateway_ns.saturating_sub(before.gateway_ns)),
            voice_cpu: share(self.voice_ns.saturating_sub(before.voice_ns)),
            machine_cpu: share(self.machine.busy_ns_since(&before.machine)),
            texts,
            text_ms: (self.text_s - before.text_s) * 1e3 / (texts.max(1) as f64),
        }
    }
}

/// The three tables of the part.
struct Tables {
    first: Section,
    stop: Section,
    load: Section,
    is_broken: bool,
}

impl Tables {
    fn new() -> Self {
        let of = |title, columns: &[&str]| Section::new(title, columns);
        let first = ["voice", "relays", "text", "count", "p50 ms", "p99 ms", "most ms"];
        let stop = ["voice", "relays", "interruption", "count", "p50 ms", "p99 ms", "most ms"];
        let load = [
            "voice",
            "relays",
            "texts a second",
            "the gateway's first text, ms",
            "spoken by the voice",
            "ms each, queue included",
            "gateway, % of a CPU",
            "voice, % of a CPU",
            "machine, % of a CPU",
        ];
        Self {
            first: of("Relays: from a text to the first audio", &first),
            stop: of("Relays: from an interruption to silence", &stop),
            load: of("Relays: load", &load),
            is_broken: false,
        }
    }

    fn take(&mut self, load: Load, measured: Result<Measured, String>) {
        let head = [load.voice.name().to_owned(), load.relays.to_string()];
        let mut measured = match measured {
            Ok(measured) => measured,
            Err(sentence) => {
                // Without Piper the rest is still whole.
                self.is_broken |= load.voice == Voice::Pico;
                let [voice, relays] = head;
                return self
                    .load
                    .note(format!("NOT MEASURED: {voice}, {relays} relays: {sentence}."));
            }
        };
        let row = |section: &mut Section, name: &str, mut times: Vec<Duration>| {
            section.row(head.iter().cloned().chain([name.to_owned()]).chain(figures(&mut times)));
        };
        for (kind, name) in NAMES {
            let first = measured.times.first.iter();
            let times = first.filter(|(of, _)| of == kind).map(|(_, time)| *time).collect();
            row(&mut self.first, name, times);
        }
        for (by, name, whole) in BY {
            let of = |times: &[(By, Duration)]| -> Vec<Duration> {
                times.iter().filter(|(of, _)| of == by).map(|(_, time)| *time).collect()
            };
            row(&mut self.stop, name, of(&measured.times.stop));
            row(&mut self.stop, whole, of(&measured.times.whole));
        }
        let seconds = load.time.as_secs_f64();
        let tail = [
            format!("{:.1}", measured.times.first.len() as f64 / seconds),
            ms(measured.cold),
            measured.texts.to_string(),
            format!("{:.1}", measured.text_ms),
            format!("{:.0}", measured.gateway_cpu),
            format!("{:.0}", measured.voice_cpu),
            format!("{:.0}", measured.machine_cpu),
        ];
        self.load.row(head.into_iter().chain(tail));
        let lost = std::mem::take(&mut measured.times.lost);
        if let Some(first) = lost.first() {
            self.is_broken |= load.voice == Voice::Pico;
            self.load.note(format!("LOST: {} times, first: {first}.", lost.len()));
        }
    }

    fn sections(mut self) -> (Vec<Section>, bool) {
        self.first.note(
            "From the message with the end of the first sentence to the first loud packet at the caller. Known: said before, so in the \
             cache. New: first sentence of 4 s, long: of 15 s. Aims: 150 ms with Pico, 300 ms with Piper.",
        );
        self.stop.note(
            "From the message `interrupt` at the application to the last loud packet at the caller (aim: 40 ms), and from the \
             caller's first packet of the key or of the voice. A voice interrupts after 80 ms. Interruptions in a pause of the \
             voice are left out.",
        );
        (vec![self.first, self.stop, self.load], self.is_broken)
    }
}

/// Count, p50, p99 and most.
fn figures(times: &mut [Duration]) -> [String; 4] {
    times.sort();
    let at = |permille: usize| {
        let time = times.get(times.len().saturating_sub(1) * permille / 1_000);
        time.map_or_else(String::new, |time| ms(*time))
    };
    [times.len().to_string(), at(500), at(990), at(1_000)]
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

const NAMES: &[(Kind, &str)] = &[
    (Kind::KnownWhole, "known, one message"),
    (Kind::KnownTokens, "known, a word a message"),
    (Kind::NewWhole, "new, one message"),
    (Kind::NewTokens, "new, a word a message"),
    (Kind::LongTokens, "new and long, a word a message"),
];
const BY: &[(By, &str, &str)] = &[
    (By::Key, "key: from `interrupt`", "key: from its first packet"),
    (By::Voice, "voice: from `interrupt`", "voice: from its first packet"),
];
const WARM: &[Kind] = &[Kind::KnownWhole, Kind::KnownTokens];
const KINDS: &[Kind] =
    &[Kind::KnownWhole, Kind::NewWhole, Kind::NewTokens, Kind::LongTokens, Kind::KnownTokens];
const FRAME: Duration = Duration::from_millis(20);
/// Steps of a frame, at least.
const STEPS_LEAST: u32 = 20;
/// From a text to the silence behind its interruption, about.
const TURN: Duration = Duration::from_millis(1_250);
/// In the data of a poll: the socket of the application, not that of the caller.
const SOCKET_OF_BOT: u64 = 1 << 32;
