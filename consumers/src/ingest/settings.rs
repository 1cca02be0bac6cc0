//! The receivers of the configuration, as this crate needs them.

use std::collections::BTreeMap;
use std::time::Duration;

use service::config::Config;

use crate::Error;

/// One `[ingest.NAME]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// NAME.
    pub name: String,
    /// Lines of a batch at most.
    pub batch_lines: usize,
    /// Length of a batch at most, in bytes.
    pub batch_bytes: usize,
    /// Failed attempts after which a batch is given up.
    pub max_attempts: i64,
    /// Pause after the first failed attempt; doubled after each further one, up to a minute.
    pub retry_base: Duration,
    /// Batches under way at a time.
    pub concurrency: u32,
}

/// All receivers, and whose messages they get.
#[derive(Debug, Clone, Default)]
pub struct Ingests {
    by_name: BTreeMap<String, Settings>,
    by_account: BTreeMap<String, String>,
}

impl Ingests {
    /// The receivers of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let settings = config.ingests.values().map(|one| {
            let settings = Settings {
                name: one.name.clone(),
                batch_lines: one.batch_lines,
                batch_bytes: one.batch_bytes,
                max_attempts: i64::from(one.max_attempts),
                retry_base: one.retry_base,
                concurrency: one.concurrency,
            };
            (one.name.clone(), settings)
        });
        let accounts = config.accounts.values();
        Ingests {
            by_name: settings.collect(),
            by_account: accounts.filter_map(|one| Some((one.name.clone(), one.cliq.ingest.clone()?))).collect(),
        }
    }

    /// The receiver of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchIngest`]: a stored effect may belong to a receiver that was taken out of the configuration.
    pub fn get(&self, name: &str) -> Result<&Settings, Error> {
        self.by_name.get(name).ok_or_else(|| Error::NoSuchIngest(name.to_owned()))
    }

    /// Who gets the messages of an account.
    #[must_use]
    pub fn of_account(&self, account: &str) -> Option<&Settings> {
        self.by_account.get(account).and_then(|name| self.by_name.get(name))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Settings> {
        self.by_name.values()
    }
}

impl Settings {
    /// The receiver as an account of the ledger. No account of the configuration has such a name.
    #[must_use]
    pub fn account(&self) -> String {
        format!("ingest:{}", self.name)
    }
}
