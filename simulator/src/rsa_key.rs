//! RSA keys of simulated signers: made when they are needed, never stored. Signing is ring's.

use std::fmt;

use ring::rsa::PublicKeyComponents;
use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{RsaPrivateKey, rand_core::OsRng};

/// Size of every key in bits.
const BITS: usize = 2048;

/// The system gave no randomness, or the key does not encode.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an RSA key")]
pub(crate) struct CannotGenerate(#[source] Box<dyn std::error::Error + Send + Sync>);

/// A key pair that signs with RSA-SHA256 (PKCS#1 v1.5).
pub(crate) struct RsaKey {
    pair: RsaKeyPair,
    public_pem: String,
    private_pem: String,
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RsaKey").field("public_pem", &self.public_pem).finish_non_exhaustive()
    }
}

impl RsaKey {
    /// Makes a key; takes up to seconds.
    pub(crate) fn generate() -> Result<Self, CannotGenerate> {
        Self::try_generate().map_err(CannotGenerate)
    }

    fn try_generate() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let private = RsaPrivateKey::new(&mut OsRng, BITS)?;
        let public_pem = private.to_public_key().to_public_key_pem(LineEnding::LF)?;
        let pair =
            RsaKeyPair::from_pkcs8(private.to_pkcs8_der()?.as_bytes()).map_err(|rejected| rejected.to_string())?;
        let private_pem = private.to_pkcs8_pem(LineEnding::LF)?.to_string();
        Ok(Self { pair, public_pem, private_pem })
    }

    /// The public key as SPKI in PEM.
    pub(crate) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// The private key as PKCS#8 in PEM, for somebody who signs on the other side.
    pub(crate) fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// Modulus and exponent, big-endian.
    pub(crate) fn components(&self) -> PublicKeyComponents<Vec<u8>> {
        self.pair.public_key().into()
    }

    /// The signature over these bytes.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_key().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature);
        // It fails only for a buffer of the wrong length.
        signed.map(|()| signature).unwrap_or_default()
    }
}
