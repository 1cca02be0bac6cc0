//! `[log]`: what the program tells about its own work.

use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

use super::section::Section;
use super::value::Misfit;

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Key `level`: `error`, `warn`, `info`, `debug` or `trace`, or several with targets, such as
    /// `info,providers=debug`. Default `info`. `debug` writes a line for each item, which slows busy systems.
    pub level: String,
    /// Key `format`: `text` or `json`. Default `text`.
    pub format: Format,
    /// Key `directory`: also write a file per day (UTC), `gateledger.YYYY-MM-DD.log`, in this directory. Default: none,
    /// except for the `transfer` command, which writes to `logs`. Files are never deleted.
    pub directory: Option<PathBuf>,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Log {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let level = section.read("level", "a level in quotes", |leaf| {
            let level = leaf.raw.text()?.trim();
            match level.parse::<EnvFilter>() {
                Ok(_) if !level.is_empty() => Ok(level.to_owned()),
                _ => Err(Misfit::Rule(
                    "is no level; write error, warn, info, debug or trace, or for instance info,providers=debug"
                        .to_owned(),
                )),
            }
        });
        let log = Self {
            level: level.unwrap_or_else(|| "info".to_owned()),
            format: section.choice("format", &[("text", Format::Text), ("json", Format::Json)]).unwrap_or(Format::Text),
            directory: section.path("directory"),
        };
        section.finish();
        log
    }
}
