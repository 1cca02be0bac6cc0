//! What the consumers go by: the transfers, the receivers and the organisations of Books of the configuration.

use service::config::Config;

use crate::contact_update::settings::Organizations;
use crate::ingest::settings::Ingests;
use crate::transfer::settings::{BadSetting, Transfers};

/// The settings of all consumers. Without secrets.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The transfers.
    pub transfers: Transfers,
    /// The receivers of messages.
    pub ingests: Ingests,
    /// The organisations of Books.
    pub organizations: Organizations,
}

impl Settings {
    /// The settings of a configuration.
    ///
    /// # Errors
    /// [`BadSetting`] names the transfer and the key.
    pub fn of(config: &Config) -> Result<Self, BadSetting> {
        Ok(Settings {
            transfers: Transfers::of(config)?,
            ingests: Ingests::of(config),
            organizations: Organizations::of(config),
        })
    }
}
