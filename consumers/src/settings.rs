//! What the consumers go by: the transfers, the receivers, the organisations of Books and the endpoints of the configuration.

use service::config::Config;

use crate::contact_update::settings::Organizations;
use crate::ingest::settings::Ingests;
use crate::notify::settings::{Endpoints, UnknownType};
use crate::transfer::settings::{BadSetting as BadTransfer, Transfers};

/// The settings of all consumers. Without secrets.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The transfers.
    pub transfers: Transfers,
    /// The receivers of messages.
    pub ingests: Ingests,
    /// The organisations of Books.
    pub organizations: Organizations,
    /// The endpoints that are told what happens.
    pub endpoints: Endpoints,
}

/// A setting that cannot be what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadSetting {
    /// Of a transfer.
    #[error(transparent)]
    Transfer(#[from] BadTransfer),
    /// Of an endpoint.
    #[error(transparent)]
    Notify(#[from] UnknownType),
}

impl Settings {
    /// The settings of a configuration.
    ///
    /// # Errors
    /// [`BadSetting`] names the section and the key.
    pub fn of(config: &Config) -> Result<Self, BadSetting> {
        Ok(Settings {
            transfers: Transfers::of(config)?,
            ingests: Ingests::of(config),
            organizations: Organizations::of(config),
            endpoints: Endpoints::of(config)?,
        })
    }
}
