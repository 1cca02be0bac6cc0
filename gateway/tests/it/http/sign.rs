//! What senders do before they send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub(super) fn hmac_sha256(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// GitHub's way.
pub(super) fn hex(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(hmac_sha256(secret.as_bytes(), &[body])))
}

/// A Standard Webhooks signature; `secret` without `whsec_`.
pub(super) fn standard(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> String {
    let secret = STANDARD.decode(secret).unwrap();
    let content = format!("{id}.{timestamp}.");
    format!("v1,{}", STANDARD.encode(hmac_sha256(&secret, &[content.as_bytes(), body])))
}
