//! Memory of a call, in the gateway's process and in the kernel, while the number of calls grows: bridged
//! calls, and calls by each transport and login. Shell.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use shared::{Codec, Transport};

use super::Measured;
use super::application::Application;
use super::caller::{self, Plan};
use super::gateway::Gateway;
use super::rest::{self, Login};
use crate::chart::{self, Axes, Line};
use crate::endpoint::Trouble;
use crate::media::{Place, Product, Setup, Tiers, parties_socket};
use crate::report::{Section, whole};

/// Bridged calls at once, first to last.
const STEPS: &[usize] = &[100, 500, 1_000, 1_500, 2_000];
const STEPS_QUICK: &[usize] = &[100, 500];

/// Measures bridged calls, then held calls by transport and login.
pub(crate) fn measure(binary: &Path, quick: bool, deadline: Instant, plots: &Path) -> Measured {
    eprintln!("load: memory a bridged call");
    let bridged = measure_bridged(binary, quick).map_err(|trouble| {
        let mut section = Section::new("Memory of bridged calls", &[]);
        section.note(format!("FAILED: {trouble}."));
        section
    });
    let is_bridged_broken = bridged.is_err();
    eprintln!("load: memory a call by transport");
    let (held, is_held_broken) = measure_held(binary, quick, deadline, plots);
    Measured {
        sections: vec![bridged.unwrap_or_else(|section| section), held],
        is_broken: is_bridged_broken || is_held_broken,
    }
}

/// Brings calls up by SIP (digest, webhook, `<Dial>`) step by step and reads the memory after each step.
///
/// # Errors
/// The gateway does not start, or a call does not come up.
fn measure_bridged(binary: &Path, quick: bool) -> Result<Section, Trouble> {
    let mut section = Section::new("Memory of bridged calls", COLUMNS);
    let kernel_before = kernel_bytes();
    let place = Place { address: Ipv4Addr::LOCALHOST, cpu: None };
    let mut product = Product::start(binary, Tiers::DEFAULT, place)?;
    let socket = parties_socket(Ipv4Addr::LOCALHOST)?;
    let idle = Reading { resident: product.resident_bytes()?, kernel: kernel_bytes() };
    let mut last = (0, idle);
    for &calls in if quick { STEPS_QUICK } else { STEPS } {
        let setup = Setup {
            streams: (calls - last.0) * 2,
            codecs: [Codec::Pcmu; 2],
            is_secured: false,
            parties: socket.local_addr()?,
            relay: Ipv4Addr::LOCALHOST.into(),
            cpu: 0,
        };
        product.bring_up(&setup)?;
        let now = Reading { resident: product.resident_bytes()?, kernel: kernel_bytes() };
        section.row(cells(calls, last, now, idle));
        eprintln!("load:   {calls} calls up");
        last = (calls, now);
    }
    product.hang_up()?;
    let after = Reading { resident: product.resident_bytes()?, kernel: kernel_bytes() };
    section.note(format!(
        "Idle, all media ports open: {} KiB resident; the kernel grew by {} KiB when it started. After the last \
         call: {} KiB resident, kernel {} KiB.",
        whole(Some(kib(idle.resident))),
        whole(Some(kib(idle.kernel) - kib(kernel_before))),
        whole(Some(kib(after.resident))),
        whole(Some(kib(after.kernel) - kib(idle.kernel))),
    ));
    section.note(
        "A bridged call is two calls of the gateway: two dialogs, two records with their timelines, two legs. \
         Kernel: Slab and socket buffers of the whole machine, so neighbours show in it.",
    );
    Ok(section)
}

/// Held calls at once. The last number is bounded by the legs of one media core and by 20,000 open files.
const HELD: &[u32] = &[100, 500, 1_000, 2_000, 4_000, 8_000];
const HELD_QUICK: &[u32] = &[100, 400];
const HELD_RATE: u32 = 400;
const HELD_PATIENCE: Duration = Duration::from_secs(20);
/// 8,150 legs.
const HELD_PORTS: &str = "ports = \"10000-26299\"\n";

/// Transports and logins to measure.
const WAYS: [(&str, Transport, Login); 6] = [
    ("UDP, digest", Transport::Udp, Login::Digest),
    ("UDP, IP list", Transport::Udp, Login::Address),
    ("TCP, digest", Transport::Tcp, Login::Digest),
    ("TCP, IP list", Transport::Tcp, Login::Address),
    ("TLS, digest", Transport::Tls, Login::Digest),
    ("TLS, IP list", Transport::Tls, Login::Address),
];

/// Holds calls by each transport and login, each on a gateway started for it, and reads the memory.
fn measure_held(binary: &Path, quick: bool, deadline: Instant, plots: &Path) -> (Section, bool) {
    let mut section = Section::new("Memory of a call by transport", HELD_COLUMNS);
    let mut curves = Vec::new();
    let mut is_broken = false;
    for (name, transport, login) in WAYS.into_iter().filter(|way| !quick || way.0 == "UDP, digest")
    {
        if Instant::now() > deadline {
            section.note(format!("{name}: NOT MEASURED: the bench's time ran out."));
            continue;
        }
        eprintln!("load:   held calls: {name}");
        let mut points = Vec::new();
        if let Err(trouble) = hold(binary, quick, (transport, login), &mut points) {
            section.note(format!("{name}: FAILED: {trouble}."));
            is_broken = true;
        }
        for point in &points {
            section.row(held_cells(name, point));
        }
        curves.push(Line {
            name: name.to_owned(),
            points: points.iter().map(|point| (point.calls, point.kib_a_call())).collect(),
        });
    }
    section.note(
        "Calls are answered and on hold (a=inactive), with signed webhook, record, timeline, dialog and leg; all callers of a \
         row share one socket or connection. From idle: growth of the process since it was ready, divided by the calls. \
         The kernel's Slab is that of the whole machine, media sockets are there from the start.",
    );
    let axes = Axes {
        title: "Memory a call",
        x: "calls at once",
        y: "KiB a call, from idle",
        logarithmic: false,
        x_names: &[],
    };
    let file = plots.join("calls-memory.svg");
    match chart::draw(&axes, &curves, &file) {
        Ok(()) => section.note(format!("{}", file.display())),
        Err(error) => section.note(format!("calls-memory.svg: NOT DRAWN: {error}.")),
    }
    (section, is_broken)
}

/// Memory with a number of calls up.
struct Held {
    calls: f64,
    idle: Reading,
    now: Reading,
}

impl Held {
    fn kib_a_call(&self) -> f64 {
        (kib(self.now.resident) - kib(self.idle.resident)) / self.calls
    }
}

fn hold(
    binary: &Path,
    quick: bool,
    (transport, login): (Transport, Login),
    points: &mut Vec<Held>,
) -> Result<(), Trouble> {
    let document = ("/hold".to_owned(), "<Gather timeout=\"600\"/>".to_owned());
    let application = Application::start(vec![document])?;
    let gateway = Gateway::start(binary, Ipv4Addr::LOCALHOST, HELD_PORTS)?;
    rest::make_domain(&gateway, "held", &application.url("/hold"), login)?;
    // The gateway refuses media on ports that belong to other services (below 1024), so callers name one of their own.
    let media = parties_socket(Ipv4Addr::LOCALHOST)?;
    let plan = Plan {
        rate: HELD_RATE,
        calls: 0,
        domain: "held.sip.sidetone.test".to_owned(),
        gateway: gateway.sip_by(transport),
        authorities: gateway.authorities(),
        transport,
        login,
        media_port: media.local_addr()?.port(),
        patience: HELD_PATIENCE,
    };
    let mut callers = caller::Held::open(&plan)?;
    let read = || -> Result<Reading, Trouble> {
        Ok(Reading { resident: gateway.resident_bytes()?, kernel: kernel_bytes() })
    };
    let idle = read()?;
    let mut up = 0;
    for &calls in if quick { HELD_QUICK } else { HELD } {
        callers.bring_up(calls - up)?;
        up = calls;
        points.push(Held { calls: f64::from(calls), idle, now: read()? });
    }
    Ok(())
}

fn held_cells(name: &str, point: &Held) -> Vec<String> {
    let kernel = (kib(point.now.kernel) - kib(point.idle.kernel)) / point.calls;
    vec![
        name.to_owned(),
        whole(Some(point.calls)),
        format!("{:.1}", kib(point.now.resident) / 1_024.0),
        format!("{:.1}", point.kib_a_call()),
        format!("{kernel:.1}"),
    ]
}

const HELD_COLUMNS: &[&str] = &[
    "calls by",
    "calls at once",
    "resident MiB",
    "KiB a call, from idle",
    "kernel KiB a call, from idle",
];

const COLUMNS: &[&str] = &[
    "bridged calls",
    "resident MiB",
    "KiB a call, from the step before",
    "KiB a call, from idle",
    "kernel KiB a call, from idle",
];

#[derive(Clone, Copy, Debug)]
struct Reading {
    resident: u64,
    kernel: u64,
}

fn cells(calls: usize, before: (usize, Reading), now: Reading, idle: Reading) -> Vec<String> {
    let added = (calls - before.0) as f64;
    let of_step = (kib(now.resident) - kib(before.1.resident)) / added;
    let of_all = (kib(now.resident) - kib(idle.resident)) / calls as f64;
    let of_kernel = (kib(now.kernel) - kib(idle.kernel)) / calls as f64;
    vec![
        calls.to_string(),
        format!("{:.1}", kib(now.resident) / 1_024.0),
        format!("{of_step:.1}"),
        format!("{of_all:.1}"),
        format!("{of_kernel:.1}"),
    ]
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1_024.0
}

/// Slab of the whole machine; 0 where it cannot be read.
pub(crate) fn kernel_bytes() -> u64 {
    let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = table.lines().find_map(|line| line.strip_prefix("Slab:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
