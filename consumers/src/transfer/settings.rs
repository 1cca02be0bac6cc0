//! The transfers of the configuration, as this crate needs them.

use std::collections::BTreeMap;
use std::time::Duration;

use providers::error::Error as Refusal;
use providers::zoho::crm::ApiName;
pub use service::config::CheckWhen;
use service::config::Config;

use crate::Error;

/// One `[transfers.NAME]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// NAME.
    pub name: String,
    /// The organisation that owns the CRM account, and so the transfer.
    pub organization: String,
    /// Account whose CRM holds the records.
    pub crm: String,
    /// Account that is copied from.
    pub source: String,
    /// Account that is copied to.
    pub destination: String,
    /// CRM module API name.
    pub module: ApiName,
    /// API name of the checkbox.
    pub checkbox_field: ApiName,
    /// API name of the field that names the folder.
    pub folder_field: ApiName,
    /// The only team folder that is searched.
    pub source_team_folder_id: String,
    /// Where copies go.
    pub destination_folder_id: String,
    /// When the checkbox is set.
    pub check_when: CheckWhen,
    /// Files copied at a time.
    pub concurrency: u32,
    /// Failed attempts after which an effect is given up.
    pub max_attempts: i64,
    /// Pause after the first failed attempt; doubled after each further one, up to a minute.
    pub retry_base: Duration,
}

/// All transfers by name.
#[derive(Debug, Clone, Default)]
pub struct Transfers(pub BTreeMap<String, Settings>);

/// A setting of a transfer that cannot be what it should be.
#[derive(Debug, thiserror::Error)]
#[error("transfers.{transfer}.{key}: {source}; use the API name that the CRM shows under Developer Hub, APIs & SDKs")]
pub struct BadSetting {
    transfer: String,
    key: &'static str,
    source: Box<Refusal>,
}

impl Transfers {
    /// The transfers of a configuration.
    ///
    /// # Errors
    /// [`BadSetting`] names the transfer and the key.
    pub fn of(config: &Config) -> Result<Self, BadSetting> {
        let mut transfers = BTreeMap::new();
        for (name, transfer) in &config.transfers {
            let api_name = |key: &'static str, text: &str| {
                text.parse::<ApiName>().map_err(|source| BadSetting {
                    transfer: name.clone(),
                    key,
                    source: Box::new(source),
                })
            };
            let settings = Settings {
                name: name.clone(),
                organization: config
                    .account(&transfer.crm)
                    .map_or_else(|_| String::new(), |one| one.organization.clone()),
                crm: transfer.crm.clone(),
                source: transfer.source.clone(),
                destination: transfer.destination.clone(),
                module: api_name("module", &transfer.module)?,
                checkbox_field: api_name("checkbox_field", &transfer.checkbox_field)?,
                folder_field: api_name("folder_field", &transfer.folder_field)?,
                source_team_folder_id: transfer.source_team_folder_id.clone(),
                destination_folder_id: transfer.destination_folder_id.clone(),
                check_when: transfer.check_when,
                concurrency: transfer.concurrency,
                max_attempts: i64::from(transfer.max_attempts),
                retry_base: transfer.retry_base,
            };
            transfers.insert(name.clone(), settings);
        }
        Ok(Transfers(transfers))
    }

    /// The transfer of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchTransfer`]: a stored effect may belong to a transfer that was taken out of the configuration.
    pub fn get(&self, name: &str) -> Result<&Settings, Error> {
        self.0.get(name).ok_or_else(|| Error::NoSuchTransfer(name.to_owned()))
    }

    /// The transfers that are driven by records of a CRM module.
    pub fn driven_by<'a>(&'a self, account: &'a str, module: &'a str) -> impl Iterator<Item = &'a Settings> {
        self.0.values().filter(move |one| one.crm == account && one.module.as_str() == module)
    }
}
