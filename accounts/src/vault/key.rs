//! One key of the vault: seals, opens, and leaves marks by which a secret is recognised again.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

use super::{Sealed, Unsealable, VaultError};

/// Length of the key in bytes.
const KEY_BYTES: usize = 32;

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, INDIFFERENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, INDIFFERENT);
const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A key with what is derived from it. Has no `Debug`, because it is one.
pub(super) struct Key {
    aead: LessSafeKey,
    fingerprints: hmac::Key,
    id: String,
}

/// A new random key in base64.
///
/// # Errors
/// [`VaultError::NoRandom`].
pub(crate) fn generate() -> Result<SecretString, VaultError> {
    let mut bytes = [0_u8; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| VaultError::NoRandom)?;
    Ok(SecretString::from(STANDARD.encode(bytes)))
}

/// Reads one or several keys, with white space or commas between.
///
/// # Errors
/// [`VaultError::BadKey`], also when there is none.
pub(super) fn parse_all(text: &SecretString, place: &str) -> Result<Vec<Key>, VaultError> {
    let bad = |problem: String| VaultError::BadKey { place: place.to_owned(), problem };
    let words = text.expose_secret().split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let keys = words.map(|word| Key::parse(word).map_err(bad)).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(bad("is empty".to_owned()));
    }
    Ok(keys)
}

impl Key {
    /// The key, or in words what is wrong with it.
    fn parse(encoded: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(encoded).or_else(|_| URL_SAFE.decode(encoded));
        let bytes = bytes.map_err(|_| "is not base64".to_owned())?;
        let length = bytes.len();
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| format!("has {length} bytes"))?;
        Ok(Self::of_bytes(&bytes))
    }

    pub(super) fn of_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).expect("a key of 32 bytes fits the algorithm");
        let derived = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let id = hmac::sign(&derived, b"gateledger vault key id");
        let fingerprints = hmac::sign(&derived, b"gateledger vault fingerprints");
        Self {
            aead: LessSafeKey::new(key),
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, fingerprints.as_ref()),
            id: hex::encode(&id.as_ref()[..8]),
        }
    }

    /// Tells the key from others and nothing about it; safe to show.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Encrypts `plain` for one owner. The nonce is random: 96 bits suffice for the few seals of one key.
    pub(super) fn seal(&self, random: &SystemRandom, owner: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        let mut nonce = [0_u8; NONCE_LEN];
        random.fill(&mut nonce).map_err(|_| VaultError::NoRandom)?;
        let mut ciphertext = nonce.to_vec();
        let mut sealed = plain.to_vec();
        self.aead
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner.as_bytes()), &mut sealed)
            .expect("a token is far below the longest text the algorithm takes");
        ciphertext.append(&mut sealed);
        Ok(Sealed { key_id: self.id.clone(), ciphertext })
    }

    /// Decrypts what this key sealed for the same owner.
    pub(super) fn open(&self, owner: &str, sealed: &Sealed) -> Result<Vec<u8>, Unsealable> {
        let (nonce, ciphertext) = sealed.ciphertext.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable::Damaged)?;
        let mut ciphertext = ciphertext.to_vec();
        let plain = self
            .aead
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(owner.as_bytes()), &mut ciphertext)
            .map_err(|_| Unsealable::Damaged)?;
        Ok(plain.to_vec())
    }

    pub(super) fn fingerprint(&self, secret: &SecretString) -> String {
        hex::encode(&hmac::sign(&self.fingerprints, secret.expose_secret().as_bytes()).as_ref()[..16])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        parse_all(&text.to_owned().into(), "here").unwrap().iter().map(|key| key.id().to_owned()).collect()
    }

    #[test]
    fn keys_are_taken_in_both_alphabets_with_or_without_padding() {
        let bytes = [0xfb_u8; KEY_BYTES];
        let padded = STANDARD.encode(bytes);
        for text in [padded.clone(), format!(" {padded}\n"), padded.replace('=', ""), URL_SAFE.encode(bytes)] {
            assert_eq!(ids(&text), [Key::of_bytes(&bytes).id()]);
        }
    }

    #[test]
    fn several_keys_keep_their_order() {
        let (one, other) = (STANDARD.encode([1; KEY_BYTES]), STANDARD.encode([2; KEY_BYTES]));
        let expected = [Key::of_bytes(&[1; KEY_BYTES]).id().to_owned(), Key::of_bytes(&[2; KEY_BYTES]).id().to_owned()];
        assert_eq!(ids(&format!("{one}\n{other}\n")), expected);
        assert_eq!(ids(&format!("{one},{other}")), expected);
    }

    #[test]
    fn a_bad_key_is_refused_without_being_shown() {
        for (key, problem) in [("", "is empty"), ("not/base64!", "is not base64"), ("cGxhbnRlZA==", "has 7 bytes")] {
            let error = parse_all(&key.to_owned().into(), "GATELEDGER_KEY").err().unwrap();
            let text = format!("{error} {error:?}");
            assert!(text.contains(problem) && text.contains("GATELEDGER_KEY"), "{text}");
            assert!(key.is_empty() || !text.contains(key), "{text}");
        }
    }

    #[test]
    fn a_generated_key_is_a_key_and_another_each_time() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(ids(one.expose_secret()), ids(other.expose_secret()));
    }
}
