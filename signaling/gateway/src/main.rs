//! The binary `sidetone`: reads the command line and does what it says.
#![deny(unsafe_code)]

use clap::Parser as _;

/// Kept off the packet path, which allocates nothing; everywhere else it is simply quicker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    gateway::commands::run(gateway::cli::Cli::parse())
}
