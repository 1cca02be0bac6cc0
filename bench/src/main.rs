//! Measurements of whole paths, as ratios within one run: what is measured and its yardstick share machine, minute and load.
//!
//! `cargo run --release -p bench` builds the binary it measures, runs everything and prints a table; `--json` prints one
//! object. Single parts: `accept`, `latency`, `transfer`, `rebuild`, `start`.

mod accept;
mod hmac_only;
mod latency;
mod load;
mod process;
mod rebuild;
mod report;
mod start;
mod transfer;
mod world;

use clap::{Parser, ValueEnum};

use crate::report::Report;

/// Measures whole paths of gateledger.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure [default: everything]
    parts: Vec<Part>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Rounds of each measurement; the median is reported with the spread
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Internal: serve HMAC verification only, on this port
    #[arg(long, hide = true)]
    serve_hmac_only: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable accept against verification only
    Accept,
    /// Webhook accepted until the first effect starts
    Latency,
    /// Transfers against a bare download-to-upload loop
    Transfer,
    /// Rebuilding a projection
    Rebuild,
    /// Start-up time and idle memory
    Start,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(port) = arguments.serve_hmac_only {
        return hmac_only::serve(port);
    }
    let binary = process::build()?;
    let wanted = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    let mut report = Report::new();
    if wanted(Part::Start) {
        start::measure(&binary, arguments.rounds, &mut report)?;
    }
    if wanted(Part::Accept) {
        accept::measure(&binary, arguments.rounds, &mut report)?;
    }
    if wanted(Part::Latency) {
        latency::measure(&binary, &mut report)?;
    }
    if wanted(Part::Transfer) {
        transfer::measure(&binary, arguments.rounds, &mut report)?;
    }
    if wanted(Part::Rebuild) {
        rebuild::measure(arguments.rounds, &mut report)?;
    }
    report.print(arguments.json)
}
