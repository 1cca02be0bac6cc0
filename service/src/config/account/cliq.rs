//! `[accounts.NAME.cliq]`: when the account's channels are read, and where their messages go.

use crate::config::nearest;
use crate::config::schedule::Schedule;
use crate::config::section::Section;
use crate::config::value::Misfit;

/// `[accounts.NAME.cliq]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cliq {
    /// Key `ingest`: the receiver of the messages, one of `[ingest.NAME]`. Without it messages are recorded and go nowhere.
    pub ingest: Option<String>,
    /// Keys `schedule` (cron) and `timezone`, or `interval_seconds`: when channels are read whose mapping has no schedule of
    /// its own. Default: every 86,400 seconds. The provider allows few calls, which all channels share.
    pub schedule: Schedule,
}

/// Pause between syncs: a day.
const DEFAULT_INTERVAL_SECONDS: u64 = 86_400;

impl Cliq {
    /// `ingests` are the names of the receivers.
    pub(super) fn read(mut section: Section<'_>, ingests: &[&str]) -> Self {
        let cliq = Self {
            ingest: section.read("ingest", "the name of a receiver, in quotes", |leaf| {
                let name = leaf.raw.text()?.trim();
                if ingests.contains(&name) {
                    return Ok(name.to_owned());
                }
                let hint = nearest::hint(name, ingests.iter().copied());
                Err(Misfit::Rule(format!("names `[ingest.{name}]`, which is not configured{hint}")))
            }),
            schedule: Schedule::read(&mut section, DEFAULT_INTERVAL_SECONDS),
        };
        section.finish();
        cliq
    }
}

impl Default for Cliq {
    fn default() -> Self {
        Self { ingest: None, schedule: Schedule::Every(std::time::Duration::from_secs(DEFAULT_INTERVAL_SECONDS)) }
    }
}
