//! An access token as the text that is sealed.

use chrono::{DateTime, Utc};
use providers::zoho::token::AccessToken;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::rows::TokenRow;
use crate::vault::{Unsealable, Vault, VaultError};

/// What is kept of an access token. Has no `Debug`, because it is readable.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    secret: String,
    expires_at: DateTime<Utc>,
    api_domain: Option<String>,
    /// Fingerprint of the refresh token it was had for.
    pub(crate) grant: Option<String>,
}

impl Kept {
    pub(crate) fn new(token: &AccessToken, grant: Option<String>) -> Self {
        Self {
            secret: token.secret.expose_secret().to_owned(),
            expires_at: token.expires_at,
            api_domain: token.api_domain.clone(),
            grant,
        }
    }

    pub(crate) fn into_token(self) -> AccessToken {
        AccessToken {
            secret: SecretString::from(self.secret),
            expires_at: self.expires_at,
            api_domain: self.api_domain,
            scopes: None,
        }
    }

    pub(crate) fn seal(&self, vault: &Vault, account: &str) -> Result<TokenRow, VaultError> {
        let text = serde_json::to_vec(self).expect("strings and times serialise to JSON");
        Ok(TokenRow { sealed: vault.seal(account, &text)?, expires_at: self.expires_at })
    }

    pub(crate) fn open(vault: &Vault, account: &str, row: &TokenRow) -> Result<Self, Unsealable> {
        let text = vault.open(account, &row.sealed)?;
        serde_json::from_slice(&text).map_err(|_| Unsealable::Damaged)
    }
}
