//! Measurements of whole paths, as ratios within one run: what is measured and its yardstick share machine, minute and load.
//!
//! `cargo run --release -p bench` builds the binary it measures, runs everything and prints a table; `--json` prints one
//! object. Single parts: `accept`, `latency`, `messages`, `customers`, `lists`, `transfer`, `rebuild`, `start`, ….

mod accept;
mod customers;
mod fleet;
mod history;
mod hmac_only;
mod latency;
mod lists;
mod load;
mod messages;
mod process;
mod rebuild;
mod report;
mod scaling;
mod simulated;
mod start;
mod store;
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
    /// With `grown`: how many events are there
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    events: Vec<u64>,
    /// Internal: serve HMAC verification only, on this port
    #[arg(long, hide = true)]
    serve_hmac_only: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable accept against verification only
    Accept,
    /// Durable accept with many events already there against an empty log; long, so only where it is asked for
    Grown,
    /// 500 customers and 25 users of Books into the ERP's tables
    Customers,
    /// Webhook accepted until the first effect starts
    Latency,
    /// Lists of the API under load with a million rows behind them
    Lists,
    /// 1,000 messages of six channels into an analysis service
    Messages,
    /// Events that the relay publishes to Kafka
    Relay,
    /// Effects each second with more and more consumer processes and a slow destination
    Scaling,
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
    let mut stores = store::Stores::new()?;
    if wanted(Part::Start) {
        start::measure(&binary, arguments.rounds, &mut report)?;
    }
    if wanted(Part::Accept) {
        accept::measure(&binary, arguments.rounds, &mut stores, &mut report)?;
    }
    if arguments.parts.contains(&Part::Grown) {
        accept::measure_grown(&binary, arguments.rounds, &arguments.events, &mut stores, &mut report)?;
    }
    if wanted(Part::Latency) {
        latency::measure(&binary, &mut stores, &mut report)?;
    }
    if wanted(Part::Messages) {
        messages::measure(&binary, arguments.rounds, &mut stores, &mut report)?;
    }
    if wanted(Part::Customers) {
        customers::measure(&binary, arguments.rounds, &mut stores, &mut report)?;
    }
    if wanted(Part::Lists) {
        lists::measure(&binary, &mut stores, &mut report)?;
    }
    if wanted(Part::Relay) {
        scaling::measure_relay(&binary, arguments.rounds, &mut stores, &mut report)?;
    }
    if wanted(Part::Scaling) {
        scaling::measure_consumers(&binary, &mut stores, &mut report)?;
    }
    if wanted(Part::Transfer) {
        transfer::measure(&binary, arguments.rounds, &mut report)?;
    }
    if wanted(Part::Rebuild) {
        rebuild::measure(arguments.rounds, &mut stores, &mut report)?;
    }
    report.print(arguments.json)
}
