//! Settings of a mapping: what may be asked for, and what is refused.

use catalogue::channel::Settings;
use chrono::{DateTime, Utc};
use service::config::{Schedule, timezone};

use crate::Error;

/// What is to be different; everything that is absent stays, or is the default of a new mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Cron pattern of five fields, or six with seconds first; `Some(None)` for the account's own schedule. Default: the
    /// account's own.
    pub schedule: Option<Option<String>>,
    /// IANA name of the zone of the schedule and of the lines' times. Default UTC.
    pub timezone: Option<String>,
    /// Messages before this time are not fetched; `Some(None)` for all that the provider shows. Default: all.
    pub since: Option<Option<DateTime<Utc>>>,
    /// Whether threads of the channel are fetched as well. Default true.
    pub threads: Option<bool>,
}

impl Change {
    /// The settings of a new mapping.
    pub(super) fn of_new(&self, now: DateTime<Utc>) -> Result<Settings, Error> {
        let default = Settings { schedule: None, timezone: "UTC".to_owned(), since: None, threads: true };
        self.applied_to(&default, now)
    }

    /// The settings with the change; refused when a setting cannot be used.
    pub(super) fn applied_to(&self, settings: &Settings, now: DateTime<Utc>) -> Result<Settings, Error> {
        let changed = Settings {
            schedule: self.schedule.clone().unwrap_or_else(|| settings.schedule.clone()),
            timezone: self.timezone.clone().unwrap_or_else(|| settings.timezone.clone()),
            since: self.since.unwrap_or(settings.since),
            threads: self.threads.unwrap_or(settings.threads),
        };
        let zone = timezone(&changed.timezone).map_err(|error| Error::invalid("timezone", error.to_string()))?;
        if let Some(pattern) = &changed.schedule {
            let refused = |reason: String| Error::invalid("schedule", reason);
            let schedule = Schedule::cron(pattern, zone).map_err(|error| refused(error.to_string()))?;
            if schedule.next_after(now).is_none() {
                return Err(refused(
                    "never comes: no date fits the pattern; correct it, or leave it out for the account's own"
                        .to_owned(),
                ));
            }
        }
        Ok(changed)
    }
}
