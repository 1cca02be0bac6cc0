//! Logs to the terminal and to a file per day, metrics to be read over HTTP.
//!
//! Started once in `main`. Data goes to stdout, so logs go to stderr. A log that cannot be written, because the terminal
//! is gone or the disk is full, never stops the work.

use std::io;
use std::path::{Path, PathBuf};

use metrics_exporter_prometheus::PrometheusHandle;
use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{Format, Log};

mod fields;
mod panics;
mod recorder;
mod terminal;

pub use terminal::{Around, TerminalMode};

/// Lines that may wait for the file. Beyond it lines are dropped, because a slow disk must not stop the work.
const WAITING_LINES: usize = 64 * 1024;

/// Why logs or metrics cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The setting `log.level` cannot be understood.
    #[error("log.level {level:?} is no level")]
    Level {
        /// The setting.
        level: String,
        /// What the parser says.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The directory for log files cannot be made, or nothing can be written there.
    #[error("cannot write log files in {}", directory.display())]
    Directory {
        /// The setting `log.directory`.
        directory: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Logs or metrics of this process were started before: a bug.
    #[error("logs and metrics are started already")]
    AlreadyStarted,
}

/// Keeps logs and metrics going. When it is dropped, lines that wait for the file are written.
#[derive(Debug)]
#[must_use = "log lines are lost when it is dropped at once"]
pub struct Guard {
    metrics: PrometheusHandle,
    _upkeep: recorder::Upkeep,
    _file: Option<WorkerGuard>,
}

impl Guard {
    /// The metrics; `render()` gives the text that Prometheus reads.
    #[must_use]
    pub fn metrics(&self) -> PrometheusHandle {
        self.metrics.clone()
    }
}

/// Starts logs and metrics for the whole process. A panic becomes a line of the log.
///
/// # Errors
/// [`Error`]; a person must correct the settings.
pub fn start(settings: &Log, terminal: TerminalMode) -> Result<Guard, Error> {
    let filter = EnvFilter::try_new(format!("actix_server=warn,actix_http::h1::dispatcher=off,{}", settings.level))
        .map_err(|source| Error::Level { level: settings.level.clone(), source })?;
    let (file, flushed) = settings.directory.as_deref().map(daily_file).transpose()?.unzip();
    let color = terminal.color;
    tracing_subscriber::registry()
        .with(filter)
        .with(lines(settings.format, terminal, color))
        .with(file.map(|file| lines(settings.format, file, false)))
        .try_init()
        .map_err(|_| Error::AlreadyStarted)?;
    panics::log();
    let (metrics, upkeep) = recorder::install().map_err(|_| Error::AlreadyStarted)?;
    Ok(Guard { metrics, _upkeep: upkeep, _file: flushed })
}

/// `gateledger.YYYY-MM-DD.log` in the directory, which is made if needed.
fn daily_file(directory: &Path) -> Result<(NonBlocking, WorkerGuard), Error> {
    let refused = |source| Error::Directory { directory: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(refused)?;
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("gateledger")
        .filename_suffix("log")
        .build(directory)
        .map_err(|error| refused(io::Error::other(error)))?;
    Ok(NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).thread_name("log-file").finish(appender))
}

/// One destination of lines.
fn lines<S, W>(format: Format, writer: W, color: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    match format {
        Format::Text if color => fmt::layer().with_writer(writer).log_internal_errors(false).boxed(),
        Format::Text => {
            let layer = fmt::layer().with_writer(writer).fmt_fields(fields::Plain::default());
            layer.with_ansi(false).log_internal_errors(false).boxed()
        }
        Format::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
            layer.with_writer(writer).log_internal_errors(false).boxed()
        }
    }
}
