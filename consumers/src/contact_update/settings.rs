//! The organisations of Books whose contacts may get another owner.

use std::collections::BTreeMap;

use service::config::Config;
use service::config::account::Books;

use crate::Error;

/// The organisations of Books of the configuration, by their accounts.
#[derive(Debug, Clone, Default)]
pub struct Organizations(BTreeMap<String, Books>);

impl Organizations {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let accounts = config.accounts.values();
        Organizations(accounts.filter_map(|one| Some((one.name.clone(), one.books.clone()?))).collect())
    }

    /// The one of an account.
    ///
    /// # Errors
    /// [`Error::NoSuchBooks`]: a stored effect may belong to an account whose Books was taken out of the configuration.
    pub fn get(&self, account: &str) -> Result<&Books, Error> {
        self.0.get(account).ok_or_else(|| Error::NoSuchBooks(account.to_owned()))
    }

    /// The accounts whose contacts get the owners that the ERP wants.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, books)| books.write_owners).map(|(account, _)| account.as_str())
    }

    /// The accounts whose Books is only read.
    pub fn read_only(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, books)| !books.write_owners).map(|(account, _)| account.as_str())
    }
}
