//! The transfers of the configuration, as this crate needs them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Error;

/// When a record's checkbox is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckWhen {
    /// At least one file was transferred.
    Any,
    /// All files were transferred, at least one.
    All,
}

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
    pub module: String,
    /// API name of the checkbox.
    pub checkbox_field: String,
    /// API name of the field that names the folder.
    pub folder_field: String,
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

impl Transfers {
    /// The transfer of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchTransfer`]: a stored effect may belong to a transfer that was taken out of the configuration.
    pub fn get(&self, name: &str) -> Result<&Settings, Error> {
        self.0.get(name).ok_or_else(|| Error::NoSuchTransfer(name.to_owned()))
    }

    /// The transfers that are driven by records of a CRM module.
    pub fn driven_by<'a>(&'a self, account: &'a str, module: &'a str) -> impl Iterator<Item = &'a Settings> {
        self.0.values().filter(move |one| one.crm == account && one.module == module)
    }
}
