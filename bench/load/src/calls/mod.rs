//! Calls a second through digest, signed webhook and TwiML: the release gateway on loopback, an
//! application in this process, callers at rising rates. Shell.

pub(crate) mod application;
pub(crate) mod caller;
pub(crate) mod gateway;
pub(crate) mod memory;
mod plot;
pub(crate) mod rest;
pub(crate) mod samples;
mod sink;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::endpoint::Trouble;
use crate::report::{Section, whole};
use crate::schedstat::{self, Thread};
use application::Application;
use caller::{Outcome, Plan};
use gateway::Gateway;
use rest::Login;
use shared::Transport;
use sink::MediaSink;

pub(crate) use gateway::build;
pub(crate) use memory::kernel_bytes;

/// Results of the call bench.
pub(crate) struct Measured {
    pub sections: Vec<Section>,
    /// The gateway did not start, or calls failed at the lowest rate.
    pub is_broken: bool,
}

/// What the application says to the callers of a domain.
#[derive(Clone, Copy, Debug)]
struct Story {
    domain: &'static str,
    /// Path of its document.
    document: &'static str,
    transport: Transport,
    login: Login,
    title: &'static str,
    first_rate: u32,
    /// Whether the short form (`--quick`) includes it.
    quick: bool,
}

/// Documents of the application by path.
fn documents() -> Vec<(String, String)> {
    let pairs = [("/hangup", "<Hangup/>"), ("/say", "<Say>Hello, and goodbye.</Say>")];
    pairs.map(|(path, verbs)| (path.to_owned(), verbs.to_owned())).to_vec()
}

const STORIES: &[Story] = &[
    Story {
        domain: "hangup",
        document: "/hangup",
        transport: Transport::Udp,
        login: Login::Digest,
        title: "Calls a second: UDP, digest, signed webhook, <Hangup>",
        first_rate: 50,
        quick: true,
    },
    Story {
        domain: "say",
        document: "/say",
        transport: Transport::Udp,
        login: Login::Digest,
        title: "Calls a second: UDP, digest, signed webhook, <Say>",
        first_rate: 25,
        quick: true,
    },
    Story {
        domain: "listed",
        document: "/hangup",
        transport: Transport::Udp,
        login: Login::Address,
        title: "Calls a second: UDP, IP list, signed webhook, <Hangup>",
        first_rate: 50,
        quick: false,
    },
    Story {
        domain: "tcp",
        document: "/hangup",
        transport: Transport::Tcp,
        login: Login::Digest,
        title: "Calls a second: TCP (one connection), digest, signed webhook, <Hangup>",
        first_rate: 50,
        quick: false,
    },
    Story {
        domain: "tcp-listed",
        document: "/hangup",
        transport: Transport::Tcp,
        login: Login::Address,
        title: "Calls a second: TCP (one connection), IP list, signed webhook, <Hangup>",
        first_rate: 50,
        quick: false,
    },
    Story {
        domain: "tls",
        document: "/hangup",
        transport: Transport::Tls,
        login: Login::Digest,
        title: "Calls a second: TLS (one connection), digest, signed webhook, <Hangup>",
        first_rate: 50,
        quick: false,
    },
    Story {
        domain: "tls-listed",
        document: "/hangup",
        transport: Transport::Tls,
        login: Login::Address,
        title: "Calls a second: TLS (one connection), IP list, signed webhook, <Hangup>",
        first_rate: 50,
        quick: false,
    },
];

/// Measures a gateway binary, or reports why it is missing.
pub(crate) fn measure(
    binary: Result<PathBuf, Trouble>,
    quick: bool,
    deadline: Instant,
    plots: &Path,
) -> Measured {
    match binary.and_then(|binary| try_measure(&binary, quick, deadline, plots)) {
        Ok(measured) => measured,
        Err(error) => {
            let mut section = Section::new("Calls a second", &[]);
            section.note(format!("FAILED: {error}."));
            Measured { sections: vec![section], is_broken: true }
        }
    }
}

fn try_measure(
    binary: &Path,
    quick: bool,
    deadline: Instant,
    plots: &Path,
) -> Result<Measured, Trouble> {
    let application = Application::start(documents())?;
    let gateway = Gateway::start(binary, Ipv4Addr::LOCALHOST, "")?;
    let sink = MediaSink::open()?;
    let mut sections = Vec::new();
    let mut is_broken = false;
    let mut curves = Vec::new();
    for story in STORIES.iter().filter(|story| story.quick || !quick) {
        eprintln!("load: {}", story.title);
        let url = application.url(story.document);
        rest::make_domain(&gateway, story.domain, &url, story.login)?;
        let bench =
            Bench { story, gateway: &gateway, application: &application, sink: &sink, quick };
        let (section, steps, is_sound) = bench.climb(deadline)?;
        sections.push(section);
        curves.push((story.title, steps));
        is_broken |= !is_sound;
    }
    sections.push(plot::draw(&curves, plots));
    Ok(Measured { sections, is_broken })
}

struct Bench<'a> {
    story: &'a Story,
    gateway: &'a Gateway,
    application: &'a Application,
    sink: &'a MediaSink,
    quick: bool,
}

/// Results at one rate.
struct Step {
    rate: u32,
    outcome: Outcome,
    signaling_ns: u64,
    process_ns: u64,
    asked: u64,
    received: u64,
    dropped: u64,
}

impl Step {
    /// Every call was answered and then ended by the gateway, no message was retransmitted, and the
    /// callers kept their rate.
    fn is_clean(&self) -> bool {
        let outcome = &self.outcome;
        outcome.completed == outcome.started
            && outcome.retransmissions == 0
            && outcome.offered_rate() > f64::from(self.rate) * RATE_KEPT
    }

    /// Calls were set up so quickly that the gateway cannot have had a queue.
    fn is_brisk(&self) -> bool {
        self.outcome.setup_us.value_at_quantile(0.99) < 100_000
    }
}

/// Part of the intended rate that the callers must reach.
const RATE_KEPT: f64 = 0.97;
const RATE_MAX: u32 = 12_800;
/// Halvings of the gap between the last clean rate and the first that is not.
const REFINEMENTS: u32 = 3;

impl Bench<'_> {
    /// Raises the rate until calls fail, then closes in. The steps as a table, and whether the
    /// first calls of all were clean.
    fn climb(&self, deadline: Instant) -> Result<(Section, Vec<Step>, bool), Trouble> {
        // From here on a successful digest vouches for the callers' source, and everything that is
        // made at first use (voice, connections) exists.
        let first = self.step(10, 10)?;
        let mut steps = Vec::new();
        let (mut clean, mut failed) = (0, None);
        let (factor, refinements) = if self.quick { (4, 0) } else { (2, REFINEMENTS) };
        let mut rate = self.story.first_rate;
        while failed.is_none() && rate <= RATE_MAX && Instant::now() < deadline {
            let step = self.best_of_two(rate)?;
            if step.is_clean() {
                clean = rate
            } else {
                failed = Some(rate)
            }
            rate *= factor;
            steps.push(step);
        }
        for _ in 0..refinements {
            let Some(upper) = failed.filter(|_| clean > 0 && Instant::now() < deadline) else {
                break;
            };
            let step = self.best_of_two(clean.midpoint(upper))?;
            if step.is_clean() {
                clean = step.rate
            } else {
                failed = Some(step.rate)
            }
            steps.push(step);
        }
        steps.sort_by_key(|step| step.rate);
        let is_sound = first.outcome.failures.is_empty() && first.outcome.started > 0;
        Ok((self.section(&first, &steps), steps, is_sound))
    }

    /// A rate gets a second try, so that a neighbour's moment does not end the climb; in the short
    /// form it may.
    fn best_of_two(&self, rate: u32) -> Result<Step, Trouble> {
        let seconds = if self.quick { 1 } else { 3 };
        let step = self.step(rate, rate * seconds)?;
        if step.is_clean() || self.quick {
            return Ok(step);
        }
        // Calls left over from an excessive rate must not count against the next rate.
        std::thread::sleep(SETTLE);
        let again = self.step(rate, rate * seconds)?;
        if !again.is_clean() {
            std::thread::sleep(SETTLE);
        }
        Ok(again)
    }

    fn step(&self, rate: u32, calls: u32) -> Result<Step, Trouble> {
        let plan = Plan {
            rate,
            calls,
            domain: format!("{}.sip.sidetone.test", self.story.domain),
            gateway: self.gateway.sip_by(self.story.transport),
            authorities: self.gateway.authorities(),
            transport: self.story.transport,
            login: self.story.login,
            media_port: self.sink.port,
            patience: PATIENCE,
        };
        let threads = self.gateway.threads()?;
        let signaling: Vec<Thread> =
            threads.iter().filter(|thread| thread.name == "signaling").cloned().collect();
        let before = (schedstat::cpu_ns(&signaling), schedstat::cpu_ns(&threads));
        drop(threads);
        let (asked, received) = (self.application.asked(), self.sink.received());
        let dropped = self.sink.dropped();
        let outcome = caller::place(&plan)?;
        let step = Step {
            rate,
            signaling_ns: schedstat::cpu_ns(&signaling).saturating_sub(before.0),
            // Threads started in between count from their start.
            process_ns: schedstat::cpu_ns(&self.gateway.threads()?).saturating_sub(before.1),
            asked: self.application.asked() - asked,
            received: self.sink.received() - received,
            dropped: self.sink.dropped() - dropped,
            outcome,
        };
        eprintln!("load:   {rate} calls/s: {} of {calls} completed", step.outcome.completed);
        Ok(step)
    }

    fn section(&self, first: &Step, steps: &[Step]) -> Section {
        let mut section = Section::new(self.story.title, COLUMNS);
        steps.iter().for_each(|step| section.row(cells(step)));
        let highest = |is_fine: fn(&Step) -> bool| steps.iter().rev().find(|step| is_fine(step));
        match highest(Step::is_clean) {
            Some(best) => section.note(highest_note("without failure", best)),
            None if steps.is_empty() => section.note("NOT MEASURED: the bench's time ran out."),
            None => section.note(format!("NO RATE WITHOUT FAILURE. {}", failures(first))),
        }
        if let Some(best) = highest(|step| step.is_clean() && step.is_brisk()) {
            section.note(highest_note("without failure and with a set-up p99 below 100 ms", best));
        }
        for step in steps.iter().filter(|step| !step.outcome.failures.is_empty()) {
            section.note(format!("At {} calls/s: {}.", step.rate, failures(step)));
        }
        section.note(format!(
            "Gateway: the release build unless `--gateway` names another one, all defaults, media {}, its own process; callers, application and \
             gateway share all CPUs of the machine. Without failure: every call came up and was ended \
             by the gateway, no message was retransmitted, the callers kept their rate.",
            self.gateway.media
        ));
        section.note(
            "The default media.ports hold 5,000 calls at once; past that the gateway answers 503.",
        );
        section.note(
            "Set-up is from the first INVITE to the 200: 407, INVITE with digest, signed webhook, TwiML, \
             answer. Callers are one sans-IO user agent on one socket or connection. CPU is that of the gateway's \
             process; the voice works in a process of its own and is not in it.",
        );
        section
    }
}

const COLUMNS: &[&str] = &[
    "calls/s",
    "calls",
    "at once, most",
    "failed",
    "retransmitted",
    "set-up p50 ms",
    "p99 ms",
    "max ms",
    "signaling us/call",
    "whole gateway us/call",
    "webhooks/call",
    "RTP received/call",
    "RTP dropped by callers/call",
];

const PATIENCE: Duration = Duration::from_secs(8);
const SETTLE: Duration = Duration::from_secs(2);

fn cells(step: &Step) -> Vec<String> {
    let outcome = &step.outcome;
    let calls = f64::from(outcome.started.max(1));
    let a_call = |nanos: u64| whole(Some(nanos as f64 / calls / 1_000.0));
    vec![
        step.rate.to_string(),
        outcome.started.to_string(),
        outcome.live_max.to_string(),
        outcome.failures.values().sum::<u32>().to_string(),
        outcome.retransmissions.to_string(),
        milliseconds(outcome, 0.50),
        milliseconds(outcome, 0.99),
        milliseconds(outcome, 1.0),
        a_call(step.signaling_ns),
        a_call(step.process_ns),
        format!("{:.2}", step.asked as f64 / calls),
        format!("{:.1}", step.received as f64 / calls),
        format!("{:.1}", step.dropped as f64 / calls),
    ]
}

fn highest_note(condition: &str, step: &Step) -> String {
    let (p50, p99) = (milliseconds(&step.outcome, 0.50), milliseconds(&step.outcome, 0.99));
    format!(
        "Highest rate {condition}: **{} calls/s**, set-up p50 {p50} ms, p99 {p99} ms.",
        step.rate
    )
}

fn milliseconds(outcome: &Outcome, quantile: f64) -> String {
    format!("{:.1}", outcome.setup_us.value_at_quantile(quantile) as f64 / 1_000.0)
}

fn failures(step: &Step) -> String {
    let list: Vec<String> =
        step.outcome.failures.iter().map(|(what, count)| format!("{count} x {what}")).collect();
    list.join(", ")
}
