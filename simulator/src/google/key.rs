//! An RSA key with the id that tokens and the published keys name it by.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::rsa_key::{CannotGenerate, RsaKey};

/// A key of Google or of a service account.
#[derive(Debug)]
pub(crate) struct Key {
    /// 40 hexadecimal digits.
    pub(crate) id: String,
    pub(super) rsa: RsaKey,
}

impl Key {
    /// Makes a key; takes up to seconds.
    pub(super) fn generate() -> Result<Self, CannotGenerate> {
        let rsa = RsaKey::generate()?;
        let digest = Sha256::digest(rsa.public_pem().as_bytes());
        Ok(Self { id: hex::encode(&digest[..20]), rsa })
    }

    /// The public key as RFC 7517 writes it.
    pub(super) fn jwk(&self) -> Value {
        let components = self.rsa.components();
        json!({
            "kid": self.id, "kty": "RSA", "alg": "RS256", "use": "sig",
            "n": URL_SAFE_NO_PAD.encode(components.n), "e": URL_SAFE_NO_PAD.encode(components.e),
        })
    }
}
