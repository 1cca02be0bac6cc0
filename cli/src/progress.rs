//! Live progress on a terminal; silence elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use event_log::Log;
use event_log::sql;
use indicatif::{ProgressBar, ProgressStyle};
use service::telemetry::Around;
use tokio_util::sync::CancellationToken;

use crate::output::bytes;

/// How often the bar is brought up to date.
const EVERY: Duration = Duration::from_millis(200);

/// The bar: hidden when standard error is no terminal, or `quiet` is set.
#[must_use]
pub fn bar(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = "{spinner} [{elapsed}] {bar:30} {pos}/{len} files  {msg}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Lets log lines pass without tearing the bar.
#[must_use]
pub fn around(bar: &ProgressBar) -> Around {
    let bar = bar.clone();
    Arc::new(move |write| bar.suspend(write))
}

/// Keeps the bar up to date until `stop`.
pub async fn show(log: Log, bar: ProgressBar, stop: CancellationToken) {
    if bar.is_hidden() {
        return;
    }
    bar.enable_steady_tick(EVERY);
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let Ok(state) = look(&log).await else { continue };
        bar.set_length(state.files);
        bar.set_position(state.done);
        bar.set_message(format!(
            "{} of {}{}{}",
            bytes(state.bytes_done),
            bytes(state.bytes),
            if state.failed > 0 { format!("  {} failed", state.failed) } else { String::new() },
            if state.unknown > 0 { format!("  {} being settled", state.unknown) } else { String::new() },
        ));
    }
    bar.finish_and_clear();
}

#[derive(Debug, Default)]
struct State {
    files: u64,
    done: u64,
    failed: u64,
    unknown: u64,
    bytes: u64,
    bytes_done: u64,
}

async fn look(log: &Log) -> anyhow::Result<State> {
    let rows = sql::query(
        "SELECT status, count(*) AS files, CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes FROM effects \
         WHERE kind = 'file.copy' GROUP BY status",
    )
    .fetch_all(log.database().readers())
    .await?;
    let mut state = State::default();
    for row in rows {
        let status: String = row.try_get("status")?;
        let files = row.try_get::<i64, _>("files")?.cast_unsigned();
        let length = row.try_get::<i64, _>("bytes")?.cast_unsigned();
        state.files += files;
        state.bytes += length;
        match status.as_str() {
            "succeeded" => {
                state.done += files;
                state.bytes_done += length;
            }
            "failed" => {
                state.done += files;
                state.failed += files;
            }
            "unknown" => state.unknown += files,
            _ => {}
        }
    }
    Ok(state)
}
