//! Phones over TLS that all reconnect after a restart, while others send OPTIONS over UDP. Shell.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::DOMAIN;
use super::phones::Fleet;
use super::probe::Probe;
use crate::calls::gateway::Gateway;
use crate::calls::rest::{create, make_users};
use crate::calls::samples::Samples;
use crate::endpoint::Trouble;
use crate::report::{Section, whole};
use crate::schedstat;

/// Number of phones, and the forms of return to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub phones: usize,
    /// All forms of return, or only the hardest one.
    pub is_full: bool,
}

/// Measures and writes the section; `true` where a promise is broken.
pub(crate) fn measure(binary: &Path, effort: Effort) -> (Section, bool) {
    let title = format!("Restart: {} TLS phones come back", whole(Some(effort.phones as f64)));
    let mut section = Section::new(&title, COLUMNS);
    let is_broken = match run(binary, effort, &mut section) {
        Ok(is_broken) => is_broken,
        Err(trouble) => {
            section.note(format!("FAILED: {trouble}"));
            true
        }
    };
    (section, is_broken)
}

/// One form of return.
struct Form {
    name: &'static str,
    /// Source addresses that the phones share.
    addresses: usize,
    spread: Duration,
}

fn forms(effort: Effort) -> Vec<Form> {
    let at_once = Form {
        name: "all at once, an address each",
        addresses: effort.phones,
        spread: Duration::ZERO,
    };
    if !effort.is_full {
        return vec![at_once];
    }
    let offices = Form {
        name: "all at once, a hundred behind each address",
        addresses: effort.phones.div_ceil(100),
        spread: Duration::ZERO,
    };
    let patient = Form {
        name: "over 30 s, an address each",
        addresses: effort.phones,
        spread: Duration::from_secs(30),
    };
    vec![at_once, offices, patient]
}

fn run(binary: &Path, effort: Effort, section: &mut Section) -> Result<bool, Trouble> {
    let mut gateway = Gateway::start(binary, Ipv4Addr::LOCALHOST, "ports = \"20000-20399\"\n")?;
    let settings = [("DomainName", DOMAIN), ("SipRegistration", "true")];
    let domain = create(&gateway, "SIP/Domains.json", &settings)?;
    make_users(&gateway, &domain, effort.phones)?;
    let mut is_broken = false;
    for form in forms(effort) {
        eprintln!("load:   {} phones: {}", effort.phones, form.name);
        let mut fleet = Fleet::new(effort.phones, form.addresses, &gateway.authorities())?;
        fleet.come(gateway.sip_tls, FIRST_SPREAD, PATIENCE)?;
        let stopped = Instant::now();
        gateway = gateway.restart(binary)?;
        let down = stopped.elapsed();
        let row = come_back(&gateway, &mut fleet, &form)?;
        is_broken |= !row.is_whole;
        section.row(row.cells(&form, down));
    }
    notes(section);
    Ok(is_broken)
}

/// Results of one form of return.
struct Row {
    all: Duration,
    half: Duration,
    fleet: super::phones::Tally,
    probe: super::probe::Tally,
    transport_ms: u64,
    signaling_ms: u64,
    is_whole: bool,
}

fn come_back(gateway: &Gateway, fleet: &mut Fleet, form: &Form) -> Result<Row, Trouble> {
    let threads = gateway.threads()?;
    let of = |name: &str| {
        let named: Vec<_> = threads.iter().filter(|thread| thread.name == name).cloned().collect();
        schedstat::cpu_ns(&named)
    };
    let before = (of("transport"), of("signaling"));
    let probe = Probe::start(gateway.sip)?;
    let came = fleet.come(gateway.sip_tls, form.spread, PATIENCE)?;
    let bindings = Samples::of(gateway)?.sum("registrar_bindings");
    Ok(Row {
        all: came.all,
        half: came.half,
        is_whole: bindings == fleet.len() as u64 && came.tally.registered == fleet.len(),
        fleet: came.tally,
        probe: probe.finish()?,
        transport_ms: of("transport").saturating_sub(before.0) / 1_000_000,
        signaling_ms: of("signaling").saturating_sub(before.1) / 1_000_000,
    })
}

impl Row {
    fn cells(&self, form: &Form, down: Duration) -> Vec<String> {
        let seconds = |duration: Duration| format!("{:.1}", duration.as_secs_f64());
        let ms = |quantile: f64| format!("{:.1}", self.probe.quantile_ms(quantile));
        vec![
            form.name.to_owned(),
            self.fleet.registered.to_string(),
            seconds(self.half),
            seconds(self.all),
            self.fleet.tries_failed.to_string(),
            format!("{} / {}", self.fleet.full, self.fleet.resumed),
            format!("{} of {}", self.probe.answered(), self.probe.asked),
            ms(0.5),
            ms(0.99),
            ms(1.0),
            format!("{} / {}", self.transport_ms, self.signaling_ms),
            seconds(down),
        ]
    }
}

fn notes(section: &mut Section) {
    section.note(
        "Times count from the ready line of the new process; phones try from then on, a failed try again \
         after 1 to 3 s (hotels and phones after a power cut are like this; RFC 5626 §4.5 asks for 30 to 60 s). \
         A phone checks the gateway's certificate and name, then REGISTER, 401, REGISTER with digest, 200 after the row was synced. \
         It offers the ticket of its last connection.",
    );
    section.note(
        "OPTIONS: while phones came back, 40 a second over UDP from each of four addresses that nothing vouches for; one without an answer within \
         2 s counts as 2 s. Phones, prober and gateway share all CPUs of the machine.",
    );
}

const COLUMNS: &[&str] = &[
    "phones come back",
    "registered",
    "half of them s",
    "all s",
    "tries failed",
    "handshakes full / resumed",
    "OPTIONS answered",
    "p50 ms",
    "p99 ms",
    "max ms",
    "CPU ms transport / signaling",
    "restart s",
];

const FIRST_SPREAD: Duration = Duration::from_secs(5);
/// Longest wait for a return; the rows state how many phones were back.
const PATIENCE: Duration = Duration::from_secs(90);
