//! The grant of one account: given by a person and kept in the database, or standing in the settings.
//!
//! A grant that a person gave counts before the setting, because it was given on purpose and later. One that the
//! provider refuses yields to the setting, if there is one: so both ways of renewing a lost grant work, whichever was
//! used first.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use event_log::Log;
use secrecy::{ExposeSecret, SecretString};
use service::config::{Environment, SecretRef};

use crate::vault::{Sealed, Vault, VaultError};

pub(crate) mod rows;

use rows::GrantRow;

/// Where the refresh token of one account is found, now and after a person replaced it.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) account: Arc<str>,
    /// The setting `refresh_token`.
    pub(crate) setting: Option<SecretRef>,
    pub(crate) environment: Environment,
    pub(crate) log: Log,
    pub(crate) vault: Arc<Vault>,
}

/// Where a refresh token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A person gave it, at this time.
    Given(DateTime<Utc>),
    /// It stands in the settings.
    Setting,
}

/// A refresh token.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) token: SecretString,
    pub(crate) place: Place,
}

impl Grant {
    /// The refresh token to use now; a file is read anew. `Err` says in words for a person, without secrets, where it was
    /// looked for in vain.
    ///
    /// # Errors
    /// Database failures.
    pub(crate) async fn find(&self) -> Result<Result<Found, String>, event_log::Error> {
        let given = rows::load(self.log.database().readers(), &self.account).await?;
        let Some(row) = given else { return Ok(self.set()) };
        if row.refused_at.is_some()
            && let Ok(found) = self.set()
        {
            return Ok(Ok(found));
        }
        Ok(self.open(&row).or_else(|unreadable| self.set().map_err(|_| unreadable)))
    }

    /// Every refresh token that the account has; one that cannot be opened is told of and left out.
    ///
    /// # Errors
    /// Database failures.
    pub(crate) async fn find_all(&self) -> Result<Vec<Found>, event_log::Error> {
        let given = rows::load(self.log.database().readers(), &self.account).await?;
        let mut found: Vec<Found> = Vec::new();
        match given.map(|row| self.open(&row)) {
            Some(Ok(given)) => found.push(given),
            Some(Err(error)) => tracing::warn!(account.id = %self.account, error, "a grant cannot be used"),
            None => {}
        }
        let setting = self.set().ok();
        let is_new = |one: &Found| found.iter().all(|other| other.token.expose_secret() != one.token.expose_secret());
        if let Some(setting) = setting.filter(is_new) {
            found.push(setting);
        }
        Ok(found)
    }

    /// The one in the settings.
    fn set(&self) -> Result<Found, String> {
        let Some(place) = &self.setting else {
            return Err("nobody has connected the account, and no refresh token is configured".to_owned());
        };
        let token = place.resolve(&self.environment).map_err(|error| format!("no refresh token: {error}"))?;
        Ok(Found { token, place: Place::Setting })
    }

    fn open(&self, row: &GrantRow) -> Result<Found, String> {
        let opened = self.vault.open(&owner(&self.account), &row.sealed);
        let text = opened.map_err(|error| format!("the grant that a person gave cannot be opened: {error}"))?;
        let token = String::from_utf8(text).map_err(|_| "the grant that a person gave is damaged".to_owned())?;
        Ok(Found { token: token.into(), place: Place::Given(row.granted_at) })
    }
}

/// Encrypts a refresh token for its row.
///
/// # Errors
/// [`VaultError::NoRandom`].
pub(crate) fn seal(vault: &Vault, account: &str, token: &SecretString) -> Result<Sealed, VaultError> {
    vault.seal(&owner(account), token.expose_secret().as_bytes())
}

/// The name that is authenticated with the row, so that no access token can take its place.
pub(crate) fn owner(account: &str) -> String {
    format!("grant:{account}")
}
