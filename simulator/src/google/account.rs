//! A service account and the key file that its clients read (google.md section 1.1).

use serde_json::{Value, json};

use super::Key;
use crate::random::hash_text;
use crate::rsa_key::CannotGenerate;

/// A service account.
#[derive(Debug)]
pub(crate) struct ServiceAccount {
    pub(crate) email: String,
    /// 21 digits.
    pub(super) unique_id: String,
    pub(super) key: Key,
}

impl ServiceAccount {
    /// Makes an account with a key; takes up to seconds.
    pub(super) fn generate(email: &str) -> Result<Self, CannotGenerate> {
        Ok(Self { email: email.to_owned(), unique_id: unique_id(email), key: Key::generate()? })
    }

    /// The key file; `base` is the address of the simulator.
    pub(crate) fn key_file(&self, base: &str) -> Value {
        json!({
            "type": "service_account",
            "project_id": self.email.split_once('@').and_then(|(_, host)| host.split('.').next()).unwrap_or_default(),
            "private_key_id": self.key.id,
            "private_key": self.key.rsa.private_pem(),
            "client_email": self.email,
            "client_id": self.unique_id,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri(base),
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": format!("https://www.googleapis.com/robot/v1/metadata/x509/{}", self.email),
            "universe_domain": "googleapis.com",
        })
    }
}

/// Address of the token endpoint.
pub(super) fn token_uri(base: &str) -> String {
    format!("{base}/google/token")
}

/// 21 digits that always belong to this e-mail.
pub(super) fn unique_id(email: &str) -> String {
    format!("1{:020}", hash_text(email))
}
