//! JSON Web Tokens with RS256 and nothing else (RFC 7515, RFC 7519).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::RSA_PKCS1_2048_8192_SHA256;
use serde_json::{Value, json};

use super::Key;

/// A token taken apart; its signature is not checked yet.
pub(super) struct Parts {
    pub(super) header: Value,
    pub(super) claims: Value,
    signed: String,
    signature: Vec<u8>,
}

impl Parts {
    /// Takes a token apart; none when it is not one.
    pub(super) fn read(token: &str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        Some(Self {
            header: json(header)?,
            claims: json(claims)?,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// True when the token says RS256 and this key signed it.
    pub(super) fn is_signed_by(&self, key: &Key) -> bool {
        let verified =
            key.rsa.components().verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature);
        self.header["alg"] == "RS256" && verified.is_ok()
    }
}

/// A signed token.
pub(super) fn sign(key: &Key, claims: &Value) -> String {
    let header = json!({"alg": "RS256", "kid": key.id, "typ": "JWT"});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.rsa.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
