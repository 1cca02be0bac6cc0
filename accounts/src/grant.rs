//! The grant of one account as the settings refer to it.

use secrecy::SecretString;
use service::config::{Environment, SecretRef};

/// Where the refresh token of one account is found, now and after a person replaced it.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) refresh_token: Option<SecretRef>,
    pub(crate) environment: Environment,
}

impl Grant {
    /// The refresh token as it is now; a file is read anew.
    ///
    /// # Errors
    /// In words for a person, without secrets: where it was looked for in vain.
    pub(crate) fn refresh_token(&self) -> Result<SecretString, String> {
        let Some(place) = &self.refresh_token else { return Err("no refresh token is configured".to_owned()) };
        place.resolve(&self.environment).map_err(|error| format!("no refresh token: {error}"))
    }
}
