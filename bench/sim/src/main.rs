//! `sim` on the command line: plays many seeds of a simulation, shows one, or fuzzes a reader.

use std::process::ExitCode;

use sim::fuzz::{self, TARGETS, Target};

fn main() -> ExitCode {
    let arguments = Arguments(std::env::args().skip(1).collect());
    if let Some(name) = arguments.text("--fuzz") {
        let seed = arguments.number("--seed").unwrap_or(0);
        return fuzz(name, seed, arguments.number("--inputs").unwrap_or(INPUTS));
    }
    if arguments.has("--dialogs") {
        return many(&arguments, "--dialogs", "dialogs", sim::dialogs::run);
    }
    if arguments.has("--whole") {
        if let Some(seed) = arguments.number("--seed") {
            sim::whole::replay(seed).iter().for_each(|line| println!("{line}"));
        }
        return many(&arguments, "--whole", "whole gateways", sim::whole::run);
    }
    if arguments.has("--planes") {
        return many(&arguments, "--planes", "media cores", sim::planes::run);
    }
    if arguments.has("--rooms") {
        return many(&arguments, "--rooms", "rooms", sim::planes::rooms::run);
    }
    if let Some(seed) = arguments.number("--seed") {
        sim::replay(seed).iter().for_each(|line| println!("{line}"));
        return ExitCode::SUCCESS;
    }
    match arguments.number("--seeds") {
        Some(total) => play(total),
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

struct Arguments(Vec<String>);

impl Arguments {
    fn text(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|argument| argument == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|argument| argument == name)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

fn play(total: u64) -> ExitCode {
    let mut failed = 0;
    for seed in 0..total {
        let report = sim::run(seed);
        if !report.wrong.is_empty() {
            failed += 1;
            println!("seed {seed} ({}): {}", report.story, report.wrong.join("; "));
        }
        if seed % 1_000 == 999 {
            eprintln!("{} of {total} seeds played, {failed} failed", seed + 1);
        }
    }
    println!("{total} seeds played, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays one seed or many of a simulation that a model checks.
fn many(arguments: &Arguments, flag: &str, what: &str, run: fn(u64) -> Vec<String>) -> ExitCode {
    let seeds = match arguments.number("--seed") {
        Some(seed) => seed..seed + 1,
        None => 0..arguments.number(flag).unwrap_or(1_000),
    };
    let (total, mut failed) = (seeds.end - seeds.start, 0);
    for seed in seeds {
        let wrong = run(seed);
        failed += u32::from(!wrong.is_empty());
        wrong.iter().for_each(|line| println!("seed {seed}: {line}"));
    }
    println!("{total} seeds of {what} played, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays one fuzz target, or `all`.
fn fuzz(name: &str, seed: u64, inputs: u64) -> ExitCode {
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| name == "all" || target.name == name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("unknown target {name}; known targets: all, {}", names.join(", "));
        return ExitCode::from(2);
    }
    let mut failed = false;
    for target in chosen {
        match fuzz::play(target, seed, inputs) {
            Ok(()) => {
                println!("{}: {inputs} inputs from seed {seed}, no broken promise", target.name)
            }
            Err(failure) => {
                failed = true;
                println!("{}: {}\n  {}", failure.target, failure.input, failure.bytes);
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

const INPUTS: u64 = 100_000;

const USAGE: &str = "sim plays simulated calls and feeds hostile bytes:
  --seeds COUNT | --seed N                  plays calls of seeds 0..COUNT, or shows the call of seed N
  --planes COUNT | --planes --seed N        compares media cores with their reference, one core and three
  --rooms COUNT | --rooms --seed N          compares who hears whom in a room with its roles, one core and three
  --dialogs COUNT | --dialogs --seed N      compares dialogs of two user agents with their model
  --whole COUNT | --whole --seed N          compares a whole gateway in trouble with its model
  --fuzz TARGET|all [--seed N] [--inputs M] feeds M mutated inputs to readers, from seed N on";
