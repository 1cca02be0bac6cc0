//! The key file of a service account.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

/// Where keys ask for tokens when their file does not say.
const USUAL_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// Why a key file cannot be used. A person must download another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the JSON of a key file, or fields are missing.
    #[error(
        "not the key file of a service account: it needs client_email, private_key and, if given, a valid token_uri"
    )]
    NotAKeyFile,
    /// A key for something else, such as a person's credentials.
    #[error("the key file is not that of a service account")]
    OtherType,
    /// The private key is damaged, or no RSA key of at least 2048 bits.
    #[error("the private key is not an rsa key in pkcs 8")]
    BadPrivateKey,
}

/// A service account and its private key.
pub struct ServiceAccountKey {
    email: String,
    key_id: Option<String>,
    token_uri: Url,
    pair: RsaKeyPair,
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: Option<String>,
    client_email: String,
    private_key_id: Option<String>,
    private_key: String,
    token_uri: Option<String>,
}

impl ServiceAccountKey {
    /// Reads the JSON of a key file. Line breaks of the key may be real ones or `\n` as two characters, as they become in
    /// environment variables.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(json: &SecretString) -> Result<Self, KeyError> {
        let file: KeyFile = serde_json::from_str(json.expose_secret()).map_err(|_| KeyError::NotAKeyFile)?;
        if file.kind.is_some_and(|kind| kind != "service_account") {
            return Err(KeyError::OtherType);
        }
        let token_uri = file.token_uri.as_deref().unwrap_or(USUAL_TOKEN_URI);
        let token_uri = Url::parse(token_uri).map_err(|_| KeyError::NotAKeyFile)?;
        if file.client_email.is_empty() {
            return Err(KeyError::NotAKeyFile);
        }
        let pair = pair(&file.private_key).ok_or(KeyError::BadPrivateKey)?;
        Ok(Self { email: file.client_email, key_id: file.private_key_id, token_uri, pair })
    }

    /// Who it is.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Where it asks for tokens.
    #[must_use]
    pub fn token_uri(&self) -> &Url {
        &self.token_uri
    }

    /// Asks at another place; for a proxy, a test or a simulator.
    #[must_use]
    pub fn with_token_uri(mut self, token_uri: Url) -> Self {
        self.token_uri = token_uri;
        self
    }

    /// Claims as a JSON web token, signed with RS256 (RFC 7518, section 3.3). `None` when signing fails.
    pub(super) fn sign(&self, claims: &Value) -> Option<SecretString> {
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if let Some(key_id) = &self.key_id {
            header["kid"] = Value::String(key_id.clone());
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut token = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token.into())
    }
}

fn pair(pem: &str) -> Option<RsaKeyPair> {
    let pem = pem.replace("\\n", "\n");
    let (_, rest) = pem.split_once(PEM_BEGIN)?;
    let (encoded, _) = rest.split_once(PEM_END)?;
    let encoded: String = encoded.split_whitespace().collect();
    RsaKeyPair::from_pkcs8(&STANDARD.decode(encoded).ok()?).ok()
}

impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ServiceAccountKey");
        shown.field("email", &self.email).field("token_uri", &self.token_uri.as_str()).finish_non_exhaustive()
    }
}
