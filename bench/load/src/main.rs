//! The `load` program: measures Sidetone and its peers, side by side, and writes a table. Shell.
#![forbid(unsafe_code)]

mod bench;
mod calls;
mod chart;
mod dsp;
mod endpoint;
mod functions;
mod leg;
mod machine;
mod machine_time;
mod media;
mod messages;
mod namespace;
mod registrar;
mod relay;
mod report;
mod rooms;
mod rounds;
mod schedstat;
mod scheduling;
mod streams;
mod transactions;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures Sidetone and its peers on this machine.
#[derive(Debug, Parser)]
#[command(name = "load", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every bench and write the table to standard output and to a file
    Bench(BenchArguments),
    /// The application's end of streams, for the bench's own use
    #[command(hide = true)]
    StreamServer,
    /// Memory of streams in a fresh process, for the bench's own use
    #[command(hide = true)]
    StreamMemory {
        /// Calls at the first reading
        first: u16,
        /// Calls at the second
        last: u16,
    },
}

/// `load bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    /// The short form: fewer and shorter rounds, about three minutes once everything is built
    #[arg(long)]
    quick: bool,
    /// Run only this part; may be given more than once
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// File of the table, besides standard output
    #[arg(long, value_name = "FILE", default_value = "target/bench/report.md")]
    report: PathBuf,
    /// TLS phones that reconnect after a restart [default: 10000; 500 in the short form]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=19_000))]
    phones: Option<u16>,
    /// Of the media scenarios, run only those with this number of streams
    #[arg(long, value_name = "COUNT")]
    streams: Option<usize>,
    /// Of the relays, run only those with this number at once
    #[arg(long, value_name = "COUNT")]
    relays: Option<usize>,
    /// Do not install rtpengine where it is missing
    #[arg(long)]
    no_install: bool,
    /// Measure this gateway instead of building one
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// SIP messages and transactions.
    Sip,
    /// Samples: the DTMF detector beside spandsp's, G.711 beside a copy.
    Dsp,
    /// Rooms: mixing, members on loopback, added delay.
    Rooms,
    /// Media streams over TLS: CPU a call, delays, memory.
    Streams,
    /// Relayed and transcoded packets on loopback.
    Media,
    /// The same on a veth pair between two network namespaces.
    Veth,
    /// The fast path on frames at the XDP hook, and its memory.
    Frames,
    /// Calls a second through the gateway.
    Calls,
    /// Memory a call.
    Memory,
    /// Hosted functions: time of a cold and of a warm one.
    Functions,
    /// Conversations by text: time to the first audio, and to silence after an interruption.
    Relay,
    /// Registrations: time to answer and memory.
    Registrar,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::StreamServer => helped(streams::serve()),
        Command::StreamMemory { first, last } => helped(streams::print_memory(first, last)),
    }
}

/// The end of a process that helps a bench.
fn helped(done: Result<(), endpoint::Trouble>) -> ExitCode {
    let Err(trouble) = done else { return ExitCode::SUCCESS };
    eprintln!("load: streams: {trouble}");
    ExitCode::FAILURE
}
