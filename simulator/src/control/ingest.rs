//! What the analysis service received, and Google's accounts and keys.

use serde_json::Value;

use super::{Control, Error};
use crate::google::DEFAULT_ACCOUNT;
use crate::ingest::received::IngestState;

impl Control {
    /// Everything the analysis service has.
    #[must_use]
    pub fn ingest(&self) -> IngestState {
        self.shared.world().ingest.state()
    }

    /// Lets the analysis service forget everything, keys included.
    pub fn clear_ingest(&self) {
        self.shared.world().ingest.clear();
    }

    /// The key file of the default service account, whose `token_uri` is the simulator's. Makes the key on the first
    /// call, which takes up to seconds: not for a thread that must not block.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the system gives no randomness.
    pub fn service_account(&self) -> Result<Value, Error> {
        self.service_account_named(DEFAULT_ACCOUNT)
    }

    /// The key file of the service account with this e-mail; an account that is not there is made. Blocks like
    /// [`Control::service_account`].
    ///
    /// # Errors
    /// [`Error::Invalid`] when the system gives no randomness.
    pub fn service_account_named(&self, email: &str) -> Result<Value, Error> {
        let account = self.shared.google.account(email).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(account.key_file(&self.shared.base))
    }

    /// Deletes a service account: its assertions are refused from now on.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is none with this e-mail.
    pub fn delete_service_account(&self, email: &str) -> Result<(), Error> {
        match self.shared.google.forget_account(email) {
            true => Ok(()),
            false => Err(Error::Unknown { what: "service account", name: email.to_owned() }),
        }
    }

    /// Google signs with a new key from now on; the old ones stay published. Blocks like
    /// [`Control::service_account`].
    ///
    /// # Errors
    /// [`Error::Invalid`] when the system gives no randomness.
    pub fn rotate_google_keys(&self) -> Result<(), Error> {
        self.shared.google.rotate().map_err(|error| Error::Invalid(error.to_string()))
    }
}
