//! Encrypts what must not lie readable in the database: ChaCha20-Poly1305 under one key that is kept outside of it.
//!
//! A sealed text is `nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes)`. The account's name is authenticated with it, so a
//! row copied to another account does not open. The key's id stands beside each row; it tells which key is needed and
//! nothing about the key itself.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

mod key_file;

/// Length of the key in bytes.
const KEY_BYTES: usize = 32;

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, INDIFFERENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, INDIFFERENT);
const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Why the vault cannot be opened. A person must correct the key or where it lies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The key is not 32 bytes in base64. The key itself is not shown.
    #[error(
        "the vault key in {place} {problem}; it must be 32 random bytes in base64, as `head -c 32 /dev/urandom | base64` makes them"
    )]
    BadKey {
        /// Where the key was read from.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The setting names a key that cannot be had.
    #[error("`vault.key` cannot be used")]
    NoKey {
        /// Where it was looked for in vain.
        source: Box<service::config::SecretError>,
    },
    /// A shared database without a key that all processes have.
    #[error(
        "no vault key is set, and all processes on one PostgreSQL database need the same; set GATELEDGER_KEY to 32 random \
         bytes in base64, as `head -c 32 /dev/urandom | base64` makes them"
    )]
    NoSharedKey,
    /// Other users of the machine can read the key file.
    #[error("the vault key file {path} may be read by others (mode {mode:03o}); run `chmod 600` on it")]
    ReadableByOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is absent and the folder it belongs in does not exist.
    #[error(
        "the vault key file {path} cannot be created: its folder does not exist; create the folder or set vault.key_file"
    )]
    NoFolder {
        /// The key file.
        path: PathBuf,
    },
    /// The key file cannot be read or written.
    #[error("the vault key file {path} cannot be {action}")]
    File {
        /// The key file.
        path: PathBuf,
        /// `read` or `created`.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandom,
}

/// A sealed text does not open: another key, another account, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsealable {
    /// The row names another key than ours.
    #[error("it was sealed with another vault key")]
    OtherKey,
    /// The key fits by its id, but the bytes do not authenticate.
    #[error("its bytes were changed or belong to another account")]
    Damaged,
}

/// Seals and opens texts; holds the key.
pub(crate) struct Vault {
    key: LessSafeKey,
    fingerprints: hmac::Key,
    key_id: String,
    random: SystemRandom,
}

/// Something sealed, as its row holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Which key opens it.
    pub(crate) key_id: String,
    /// Nonce, ciphertext and tag.
    pub(crate) ciphertext: Vec<u8>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Vault").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault under a key from the settings.
    ///
    /// # Errors
    /// [`VaultError::BadKey`].
    pub(crate) fn with_key(encoded: &SecretString, place: &str) -> Result<Self, VaultError> {
        let encoded = encoded.expose_secret().trim();
        let bad = |problem: String| VaultError::BadKey { place: place.to_owned(), problem };
        if encoded.is_empty() {
            return Err(bad("is empty".to_owned()));
        }
        let bytes = STANDARD
            .decode(encoded)
            .or_else(|_| URL_SAFE.decode(encoded))
            .map_err(|_| bad("is not base64".to_owned()))?;
        let length = bytes.len();
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| bad(format!("has {length} bytes")))?;
        Ok(Self::of_bytes(&bytes))
    }

    /// A vault under the key in a file, which is created with a new random key when it is absent.
    ///
    /// # Errors
    /// All of [`VaultError`].
    pub(crate) fn with_key_file(path: &Path) -> Result<Self, VaultError> {
        let encoded = match key_file::read(path)? {
            Some(encoded) => encoded,
            None => {
                let mut bytes = [0_u8; KEY_BYTES];
                SystemRandom::new().fill(&mut bytes).map_err(|_| VaultError::NoRandom)?;
                key_file::create(path, &SecretString::from(STANDARD.encode(bytes)))?
            }
        };
        Self::with_key(&encoded, &path.display().to_string())
    }

    fn of_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).expect("a key of 32 bytes fits the algorithm");
        let derived = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let key_id = hmac::sign(&derived, b"gateledger vault key id");
        let fingerprints = hmac::sign(&derived, b"gateledger vault fingerprints");
        Self {
            key: LessSafeKey::new(key),
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, fingerprints.as_ref()),
            key_id: hex::encode(&key_id.as_ref()[..8]),
            random: SystemRandom::new(),
        }
    }

    /// Which key this vault holds; safe to show.
    #[cfg(test)]
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Encrypts `plain` for one account. The nonce is random: 96 bits suffice for the few seals of one key.
    ///
    /// # Errors
    /// [`VaultError::NoRandom`].
    pub(crate) fn seal(&self, account: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| VaultError::NoRandom)?;
        let mut ciphertext = nonce.to_vec();
        let mut sealed = plain.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(account.as_bytes()), &mut sealed)
            .expect("a token is far below the longest text the algorithm takes");
        ciphertext.append(&mut sealed);
        Ok(Sealed { key_id: self.key_id.clone(), ciphertext })
    }

    /// Decrypts what was sealed for the same account with the same key.
    ///
    /// # Errors
    /// [`Unsealable`].
    pub(crate) fn open(&self, account: &str, sealed: &Sealed) -> Result<Vec<u8>, Unsealable> {
        if sealed.key_id != self.key_id {
            return Err(Unsealable::OtherKey);
        }
        let (nonce, ciphertext) = sealed.ciphertext.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable::Damaged)?;
        let mut ciphertext = ciphertext.to_vec();
        let plain = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(account.as_bytes()), &mut ciphertext)
            .map_err(|_| Unsealable::Damaged)?;
        Ok(plain.to_vec())
    }

    /// A short mark by which the same secret is recognised again and from which it cannot be found.
    pub(crate) fn fingerprint(&self, secret: &SecretString) -> String {
        hex::encode(&hmac::sign(&self.fingerprints, secret.expose_secret().as_bytes()).as_ref()[..16])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vault(byte: u8) -> Vault {
        Vault::of_bytes(&[byte; KEY_BYTES])
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_again(account in ".{0,40}", plain in proptest::collection::vec(any::<u8>(), 0..600)) {
            let vault = vault(1);
            let sealed = vault.seal(&account, &plain).unwrap();
            prop_assert_eq!(vault.open(&account, &sealed).unwrap(), plain);
        }

        #[test]
        fn any_changed_bit_fails(at in 0_usize..60, bit in 0_u8..8) {
            let vault = vault(1);
            let mut sealed = vault.seal("org-a", &[7; 32]).unwrap();
            prop_assume!(at < sealed.ciphertext.len());
            sealed.ciphertext[at] ^= 1 << bit;
            prop_assert_eq!(vault.open("org-a", &sealed), Err(Unsealable::Damaged));
        }
    }

    #[test]
    fn a_row_moved_to_another_account_or_key_does_not_open() {
        let sealed = vault(1).seal("org-a", b"token").unwrap();
        assert_eq!(vault(1).open("org-b", &sealed), Err(Unsealable::Damaged));
        assert_eq!(vault(2).open("org-a", &sealed), Err(Unsealable::OtherKey));
        let cut = Sealed { ciphertext: sealed.ciphertext[..5].to_vec(), ..sealed };
        assert_eq!(vault(1).open("org-a", &cut), Err(Unsealable::Damaged));
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same_way_twice() {
        let vault = vault(1);
        assert_ne!(vault.seal("a", b"x").unwrap(), vault.seal("a", b"x").unwrap());
    }

    #[test]
    fn keys_are_taken_in_both_alphabets_with_or_without_padding() {
        let bytes = [0xfb_u8; KEY_BYTES];
        let padded = STANDARD.encode(bytes);
        for text in [padded.clone(), format!(" {padded}\n"), padded.replace('=', ""), URL_SAFE.encode(bytes)] {
            assert_eq!(Vault::with_key(&text.into(), "here").unwrap().key_id(), Vault::of_bytes(&bytes).key_id());
        }
    }

    #[test]
    fn a_bad_key_is_refused_without_being_shown() {
        for (key, problem) in [("", "is empty"), ("not/base64!", "is not base64"), ("cGxhbnRlZA==", "has 7 bytes")] {
            let error = Vault::with_key(&key.to_owned().into(), "GATELEDGER_KEY").unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(problem) && text.contains("GATELEDGER_KEY"), "{text}");
            assert!(key.is_empty() || !text.contains(key), "{text}");
        }
    }

    #[test]
    fn debug_shows_the_key_id_alone() {
        let vault = Vault::of_bytes(&[0x41; KEY_BYTES]);
        assert_eq!(format!("{vault:?}"), format!("Vault {{ key_id: {:?}, .. }}", vault.key_id()));
    }
}
