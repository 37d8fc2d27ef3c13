//! `cargo run -p tidy -- measure | cycles`: what the tree looks like, in figures.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(tidy::source::ROOT);
    match std::env::args().nth(1).as_deref() {
        Some("measure") => print!("{}", tidy::measure::table(root)),
        Some("cycles") => print!("{}", tidy::cycles::report(root)),
        _ => {
            eprintln!("usage: cargo run -p tidy -- measure | cycles");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
