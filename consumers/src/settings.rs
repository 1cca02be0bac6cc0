//! What the consumers go by: the transfers and the receivers of the configuration.

use service::config::Config;

use crate::ingest::settings::Ingests;
use crate::transfer::settings::{BadSetting, Transfers};

/// The settings of all consumers. Without secrets.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The transfers.
    pub transfers: Transfers,
    /// The receivers of messages.
    pub ingests: Ingests,
}

impl Settings {
    /// The settings of a configuration.
    ///
    /// # Errors
    /// [`BadSetting`] names the transfer and the key.
    pub fn of(config: &Config) -> Result<Self, BadSetting> {
        Ok(Settings { transfers: Transfers::of(config)?, ingests: Ingests::of(config) })
    }
}
