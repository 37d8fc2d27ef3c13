//! `cargo run -p tidy -- measure | cycles | clippy | bpf`: the tree in figures, and the files that follow from a table.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(tidy::source::ROOT);
    match std::env::args().nth(1).as_deref() {
        Some("measure") => print!("{}", tidy::measure::table(root)),
        Some("clippy") => {
            if let Err(error) = tidy::clippy::write(&tidy::workspace::Workspace::read()) {
                eprintln!("a clippy.toml cannot be written: {error}");
                return ExitCode::FAILURE;
            }
        }
        Some("bpf") => {
            if let Err(error) = tidy::bpf::write(root) {
                eprintln!("{} (apt-get install {}): {error}", tidy::bpf::CLANG, tidy::bpf::CLANG);
                return ExitCode::FAILURE;
            }
        }
        Some("cycles") => print!("{}", tidy::cycles::report(root)),
        _ => {
            eprintln!("usage: cargo run -p tidy -- measure | cycles | clippy | bpf");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
