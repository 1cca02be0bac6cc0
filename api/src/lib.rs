#![doc = include_str!("../README.md")]

mod audit;
mod caller;
pub mod endpoint;
pub mod endpoints;
mod input;
pub mod oauth;
mod openapi;
pub mod page;
mod pipeline;
pub mod problem;
pub mod reference;
mod role;
mod scan;
pub mod tds;
pub mod token;
pub mod v1;

use std::sync::Arc;

use accounts::Accounts;
use actix_web::web::{self, Data};
use consumers::Settings;
use event_log::Log;
use event_log::sql::Pool;
use gateway::intake::settings::Settings as IntakeSettings;
use service::clock::SharedClock;
use service::config::Config;

pub use caller::Caller;
pub use endpoint::{Call, Endpoint, Nothing, Reply};
pub use openapi::document;
pub use problem::Problem;
pub use role::{Role, UnknownRole};

use endpoints::Table;
use token::Authenticator;

/// What every endpoint works with. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    authenticator: Authenticator,
    table: Table,
}

/// The parts of the program that the API shows and steers.
#[derive(Debug, Clone)]
pub struct Parts {
    /// All settings.
    pub config: Arc<Config>,
    /// The log.
    pub log: Log,
    /// Provider accounts.
    pub accounts: Accounts,
    /// What the consumers go by.
    pub settings: Settings,
    /// The time.
    pub clock: SharedClock,
}

/// Why the API cannot be opened. A person must correct the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Tokens cannot be checked with the settings.
    #[error(transparent)]
    Token(#[from] token::Error),
}

impl Api {
    /// Reads the settings of `[auth]`; asks nothing of anybody.
    ///
    /// # Errors
    /// [`Error::Token`].
    pub fn open(parts: Parts) -> Result<Self, Error> {
        let authenticator = Authenticator::open(&parts.config, parts.clock.clone())?;
        Ok(Api { inner: Arc::new(Inner { parts, authenticator, table: Table::new(endpoints::all()) }) })
    }

    /// All settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.parts.config
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.inner.parts.log
    }

    /// Connections for reading.
    #[must_use]
    pub fn readers(&self) -> &Pool {
        self.inner.parts.log.database().readers()
    }

    /// Provider accounts.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.inner.parts.accounts
    }

    /// What the consumers go by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.parts.settings
    }

    /// The time.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.inner.parts.clock
    }

    /// What of the configuration polls and registrations follow from.
    ///
    /// # Errors
    /// [`Problem::internal`] when the configuration cannot be used; then the program would not have started.
    pub fn intake(&self) -> Result<IntakeSettings, Problem> {
        IntakeSettings::from_config(self.config()).map_err(Problem::internal)
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.inner.authenticator
    }

    pub(crate) fn table(&self) -> &Table {
        &self.inner.table
    }

    /// Adds every endpoint to an application.
    pub fn configure(&self, app: &mut web::ServiceConfig) {
        app.app_data(Data::new(self.clone()));
        pipeline::configure(self, app);
    }
}
