//! A parsed signing secret and the MACs made with it.

use ::hmac::{Hmac, KeyInit as _};
use service::config::account::Algorithm;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

/// Longest MAC of all algorithms in bytes.
pub(super) const LONGEST_MAC_BYTES: usize = 64;

/// A signing secret, hashed into the state that every MAC starts from.
#[derive(Clone)]
pub(super) enum Key {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What the MAC of a request must be.
pub(super) struct ExpectedMac {
    bytes: [u8; LONGEST_MAC_BYTES],
    length: usize,
}

impl Key {
    pub(super) fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        const ANY_LENGTH: &str = "hmac takes keys of any length";
        match algorithm {
            Algorithm::Sha1 => Key::Sha1(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
            Algorithm::Sha256 => Key::Sha256(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
            Algorithm::Sha512 => Key::Sha512(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
        }
    }

    /// The MAC of the concatenated `parts`.
    pub(super) fn mac<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> ExpectedMac {
        fn finish<M: ::hmac::Mac + Clone>(mac: &M, parts: &mut dyn Iterator<Item = &[u8]>) -> ExpectedMac {
            let mut mac = mac.clone();
            for part in parts {
                mac.update(part);
            }
            let result = mac.finalize().into_bytes();
            let mut bytes = [0; LONGEST_MAC_BYTES];
            bytes[..result.len()].copy_from_slice(&result);
            ExpectedMac { bytes, length: result.len() }
        }
        let parts = &mut parts.into_iter();
        match self {
            Key::Sha1(mac) => finish(mac, parts),
            Key::Sha256(mac) => finish(mac, parts),
            Key::Sha512(mac) => finish(mac, parts),
        }
    }
}

impl ExpectedMac {
    /// Whether `candidate` is this MAC, in a time that depends on its length alone.
    pub(super) fn matches(&self, candidate: &[u8]) -> Choice {
        self.as_bytes().ct_eq(candidate)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
