//! `load bench`: runs the parts in order and writes the report. Shell.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::endpoint::Trouble;
use crate::machine::Machine;
use crate::media::Site;
use crate::report::Section;
use crate::{
    BenchArguments, Part, calls, dsp, functions, media, messages, registrar, relay, rooms, streams,
    transactions,
};

/// Runs the bench. Fails only where a promise is broken (a byte changed, packets unaccounted for, a
/// call that did not come up at the lowest rate) or the report cannot be written; no number fails it.
pub(crate) fn run(arguments: &BenchArguments) -> ExitCode {
    let machine = Machine::read();
    // Before the clock starts: how long a build takes says nothing about the gateway.
    let parts = [
        Part::Calls,
        Part::Functions,
        Part::Media,
        Part::Veth,
        Part::Memory,
        Part::Registrar,
        Part::Relay,
    ];
    let needs_gateway = parts.iter().any(|part| wants(arguments, *part));
    let gateway: Result<PathBuf, Trouble> = match &arguments.gateway {
        _ if !needs_gateway => Err("not asked for".into()),
        Some(file) => Ok(file.clone()),
        None => calls::build(),
    };
    let start = Instant::now();
    let results = measure(arguments, gateway, start + TIME_MAX);
    let mut text = heading(&machine, &results, arguments.quick, start.elapsed());
    for section in &results.sections {
        let _ = write!(text, "{section}");
    }
    print!("{text}");
    if let Err(error) = write_file(&arguments.report, &text) {
        eprintln!("load: cannot write {}: {error}", arguments.report.display());
        return ExitCode::FAILURE;
    }
    eprintln!("load: written to {}", arguments.report.display());
    if results.is_broken {
        eprintln!("load: FAILED: see the report");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// No round begins later after the bench's start.
const TIME_MAX: Duration = Duration::from_secs(2_400);

#[derive(Default)]
struct Results {
    sections: Vec<Section>,
    /// Its version, or why it is missing; `None` where this run did not look for it.
    rtpengine: Option<Result<String, String>>,
    is_broken: bool,
}

fn wants(arguments: &BenchArguments, part: Part) -> bool {
    arguments.only.is_empty() || arguments.only.contains(&part)
}

fn measure(
    arguments: &BenchArguments,
    gateway: Result<PathBuf, Trouble>,
    deadline: Instant,
) -> Results {
    let quick = arguments.quick;
    let plots = arguments.report.with_file_name("plots");
    let mut results = Results::default();
    if wants(arguments, Part::Sip) {
        eprintln!("load: SIP messages and transactions");
        let (rounds, round) = if quick { (5, 100) } else { (9, 300) };
        let round = Duration::from_millis(round);
        results.sections.push(messages::measure(rounds, round));
        results.sections.push(transactions::measure(rounds, round));
    }
    if wants(arguments, Part::Dsp) {
        eprintln!("load: samples");
        let (rounds, round) = if quick { (3, 50) } else { (9, 200) };
        let round = Duration::from_millis(round);
        let effort = dsp::Effort { rounds, round, may_install: !arguments.no_install };
        results.sections.extend(dsp::measure(effort));
    }
    if wants(arguments, Part::Rooms) {
        eprintln!("load: rooms");
        let (rounds, burst) = if quick { (3, 500) } else { (9, 1_000) };
        let effort = rooms::Effort { rounds, burst: Duration::from_millis(burst) };
        let (sections, is_broken) = rooms::measure(effort);
        results.sections.extend(sections);
        results.is_broken |= is_broken;
    }
    if wants(arguments, Part::Streams) {
        eprintln!("load: media streams");
        let (section, is_broken) = streams::measure(quick);
        results.sections.push(section);
        results.is_broken |= is_broken;
    }
    if wants(arguments, Part::Frames) {
        let (sections, is_broken) = media::below(if quick { 3 } else { 9 });
        results.sections.extend(sections);
        results.is_broken |= is_broken;
    }
    if wants(arguments, Part::Relay)
        && let Ok(binary) = &gateway
    {
        eprintln!("load: relays");
        let (sections, is_broken) = relay::measure(binary, quick, arguments.relays);
        results.sections.extend(sections);
        results.is_broken |= is_broken;
    }
    measure_media(arguments, &gateway, deadline, &mut results);
    if wants(arguments, Part::Registrar)
        && let Ok(binary) = &gateway
    {
        eprintln!("load: registrations");
        let (users, seconds) = if quick { (1_000, 5) } else { (10_000, 20) };
        let effort = registrar::Effort { users, rate: 1_000, seconds };
        let (section, is_broken) = registrar::measure(binary, effort);
        results.sections.push(section);
        results.is_broken |= is_broken;
        let phones = arguments.phones.map_or(if quick { 500 } else { 10_000 }, usize::from);
        let effort = registrar::returning::Effort { phones, is_full: !quick };
        eprintln!("load: {phones} TLS phones come back after a restart");
        let (section, is_broken) = registrar::returning::measure(binary, effort);
        results.sections.push(section);
        results.is_broken |= is_broken;
    }
    if wants(arguments, Part::Functions)
        && let Ok(binary) = &gateway
    {
        eprintln!("load: hosted functions");
        let (services, requests) = if quick { (5, 500) } else { (12, 5_000) };
        let (section, is_broken) =
            functions::measure(binary, functions::Effort { services, requests });
        results.sections.push(section);
        results.is_broken |= is_broken;
    }
    if wants(arguments, Part::Memory)
        && let Ok(binary) = &gateway
    {
        let measured = calls::memory::measure(binary, quick, deadline, &plots);
        results.sections.extend(measured.sections);
        results.is_broken |= measured.is_broken;
    }
    if wants(arguments, Part::Calls) {
        let measured = calls::measure(gateway, quick, deadline, &plots);
        results.sections.extend(measured.sections);
        results.is_broken |= measured.is_broken;
    }
    results
}

fn measure_media(
    arguments: &BenchArguments,
    gateway: &Result<PathBuf, Trouble>,
    deadline: Instant,
    results: &mut Results,
) {
    let parts = [Part::Media, Part::Veth];
    if !parts.iter().any(|part| wants(arguments, *part)) {
        return;
    }
    let quick = arguments.quick;
    let effort = media::Effort {
        rounds: if quick { 2 } else { 5 },
        burst: Duration::from_millis(if quick { 300 } else { 650 }),
        quick,
        streams: arguments.streams,
        deadline,
        plots: arguments.report.with_file_name("plots"),
    };
    let peer = media::find_peer(!arguments.no_install);
    if wants(arguments, Part::Media) {
        // First, because sockets that this process opens and closes later show in the kernel's memory.
        results.sections.push(media::memory_of_a_call());
    }
    for part in parts.into_iter().filter(|part| wants(arguments, *part)) {
        let site = if part == Part::Media { Ok(Site::Loopback) } else { Site::veth() };
        let binary = gateway.as_ref().map(PathBuf::as_path);
        let measured =
            site.and_then(|site| site.run(|| media::measure(&site, binary, &peer, &effort)));
        match measured {
            Ok(measured) => {
                results.sections.extend(measured.sections);
                results.is_broken |= measured.is_broken;
            }
            Err(trouble) => {
                let mut section = Section::new("Media on veth", &[]);
                section.note(format!("NOT MEASURED: {trouble}."));
                results.sections.push(section);
            }
        }
    }
    results.rtpengine = Some(peer);
}

fn heading(machine: &Machine, results: &Results, quick: bool, took: Duration) -> String {
    let mut text = String::from("# Sidetone bench\n\n");
    let _ = writeln!(
        text,
        "* Machine: {}, {} CPUs, Linux {}; mitigations: {}.",
        machine.cpu, machine.cpus, machine.kernel, machine.mitigations
    );
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(text, "* Versions: sidetone {version}, {}, ", machine.rustc);
    let _ = match &results.rtpengine {
        Some(Ok(version)) => writeln!(text, "rtpengine {version} (userspace, no kernel module)."),
        Some(Err(reason)) => writeln!(text, "no rtpengine ({reason})."),
        None => writeln!(text, "rtpengine not asked for."),
    };
    let form = if quick { "short form (--quick): numbers vary more" } else { "full form" };
    let _ = writeln!(
        text,
        "* {form}, {} s; load average {} before it began{}.\n",
        took.as_secs(),
        machine.load_before,
        if is_shared(machine) { ": THE MACHINE WAS SHARED with other work" } else { "" }
    );
    text
}

fn is_shared(machine: &Machine) -> bool {
    machine.load_before.parse::<f64>().is_ok_and(|load| load > 0.5)
}

fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
