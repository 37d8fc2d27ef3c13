//! `sim`: plays seeds from the command line: `--seeds 20000`, or `--seed 17` to see one played.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    if let Some(seed) = value("--seed") {
        sim::replay(seed).iter().for_each(|line| println!("{line}"));
        return ExitCode::SUCCESS;
    }
    let Some(total) = value("--seeds") else {
        eprintln!("sim plays simulated calls: --seeds COUNT plays 0..COUNT, --seed N shows one");
        return ExitCode::from(2);
    };
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
