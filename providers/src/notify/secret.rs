//! Secrets that notifications are signed with, and the signatures.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{self, HMAC_SHA256};
use secrecy::{ExposeSecret as _, SecretString};

/// Before the base64 of a symmetric secret (specification, "Signature scheme").
const PREFIX: &str = "whsec_";
/// Length of a secret in bytes (specification, "Signature scheme").
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that the receiver knows too.
#[derive(Clone)]
pub struct SigningSecret(hmac::Key);

/// Why a text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSecret {
    /// It does not say what it is.
    #[error("it does not begin with whsec_")]
    NoPrefix,
    /// What follows is no base64.
    #[error("what follows whsec_ is not base64")]
    NotBase64,
    /// Too short to be safe, or longer than the specification allows.
    #[error("it holds {bytes} bytes; 24 to 64 are needed")]
    Length {
        /// How long it is.
        bytes: usize,
    },
}

impl SigningSecret {
    /// Parses `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`InvalidSecret`]; it tells nothing of the secret.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidSecret> {
        let encoded = text.expose_secret().trim().strip_prefix(PREFIX).ok_or(InvalidSecret::NoPrefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret::NotBase64)?;
        if !LENGTHS.contains(&bytes.len()) {
            return Err(InvalidSecret::Length { bytes: bytes.len() });
        }
        Ok(Self(hmac::Key::new(HMAC_SHA256, &bytes)))
    }

    /// The signature of one request, as it stands in the header.
    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningSecret")
    }
}

/// One signature for each secret, with spaces between.
pub(super) fn sign_all(secrets: &[SigningSecret], id: &str, timestamp: &str, body: &[u8]) -> String {
    secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn secret(text: &str) -> Result<SigningSecret, InvalidSecret> {
        SigningSecret::parse(&text.into())
    }

    /// The vector in the test suite of the specification's own Rust library: this id, time, body and secret.
    #[test]
    fn published_vector_is_reproduced() {
        let signed =
            secret(SECRET).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs_newest_first() {
        let secrets = [secret(OTHER).unwrap(), secret(SECRET).unwrap()];
        let all = sign_all(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        let signatures: Vec<&str> = all.split(' ').collect();
        assert_eq!(signatures.len(), 2);
        assert_eq!(signatures[1], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(signatures[0], signatures[1]);
    }

    #[test]
    fn what_is_no_secret_is_refused_without_showing_it() {
        let refused = |text: &str| secret(text).unwrap_err();
        assert_eq!(refused("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), InvalidSecret::NoPrefix);
        assert_eq!(refused("whsec_!!"), InvalidSecret::NotBase64);
        assert_eq!(refused("whsec_AAAA"), InvalidSecret::Length { bytes: 3 });
        assert_eq!(refused(&format!("whsec_{}", STANDARD.encode([7_u8; 65]))), InvalidSecret::Length { bytes: 65 });
        assert!(!format!("{:?}", secret(SECRET).unwrap()).contains("MfKQ"));
    }
}
