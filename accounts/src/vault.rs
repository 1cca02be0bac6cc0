//! Encrypts what must not lie readable in the database: ChaCha20-Poly1305 under a key that is kept outside of it.
//!
//! A sealed text is `nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes)`. Its owner's name is authenticated with it, so a
//! row copied to another account does not open. The key's id stands beside each row; it tells which key is needed and
//! nothing about the key itself.
//!
//! There is one current key, which seals, and any number of others, which open what they sealed. Keys in files are read
//! anew before anything is sealed and when a row names a key that is not known, so that a running process follows a
//! rotation.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ring::rand::SystemRandom;
use secrecy::SecretString;

mod key;
pub(crate) mod key_file;
mod source;

pub(crate) use key::generate;
pub(crate) use source::Source;

use key::Key;

/// Why the vault cannot be opened. A person must correct the key or where it lies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The key is not 32 bytes in base64. The key itself is not shown.
    #[error(
        "the vault key in {place} {problem}; it must be 32 random bytes in base64, as `gateledger keys generate` makes them"
    )]
    BadKey {
        /// Where the key was read from.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The setting names a key that cannot be had.
    #[error("`{setting}` cannot be used")]
    NoKey {
        /// The setting.
        setting: &'static str,
        /// Where it was looked for in vain.
        source: Box<service::config::SecretError>,
    },
    /// A shared database without a key that all processes have.
    #[error(
        "no vault key is set, and all processes on one PostgreSQL database need the same; set GATELEDGER_KEY to what \
         `gateledger keys generate` prints"
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
    /// There is such a file already, and it stays as it is.
    #[error("{path} exists and is not overwritten; what its key sealed could not be opened any more")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The key file cannot be read or written.
    #[error("the vault key file {path} cannot be {action}")]
    File {
        /// The key file.
        path: PathBuf,
        /// `read`, `created` or `replaced`.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The current key stands where this program cannot replace it, and no key waits to take its place.
    #[error(
        "the vault key stands in {place}, which this program cannot change; make a new one with `gateledger keys \
         generate`, put it there, set GATELEDGER_KEY_PREVIOUS to the present one, restart all processes and run this again"
    )]
    KeyElsewhere {
        /// Where it stands.
        place: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandom,
}

impl VaultError {
    fn absent(path: &Path) -> Self {
        Self::File { path: path.to_owned(), action: "read", source: std::io::ErrorKind::NotFound.into() }
    }
}

/// A sealed text does not open: another key, another owner, or changed bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsealable {
    /// The row names a key that is none of ours.
    #[error("it was sealed with another vault key ({0})")]
    OtherKey(String),
    /// The key fits by its id, but the bytes do not authenticate.
    #[error("its bytes were changed or belong to another account")]
    Damaged,
}

/// Seals and opens texts; holds the keys.
pub(crate) struct Vault {
    source: Source,
    /// The current key, then the others.
    keys: RwLock<Arc<Vec<Key>>>,
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
        formatter.debug_struct("Vault").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault with the keys of a source. Our own key file is created when it is absent.
    ///
    /// # Errors
    /// All of [`VaultError`] but those of rotations.
    pub(crate) fn open_at(source: Source) -> Result<Self, VaultError> {
        let keys = source.read(true)?;
        Ok(Self { source, keys: RwLock::new(Arc::new(keys)), random: SystemRandom::new() })
    }

    /// Which key seals; safe to show.
    pub(crate) fn key_id(&self) -> String {
        self.keys()[0].id().to_owned()
    }

    /// Which other keys can open what they sealed.
    pub(crate) fn other_key_ids(&self) -> Vec<String> {
        self.keys()[1..].iter().map(|key| key.id().to_owned()).collect()
    }

    /// Whether the settings list keys that a person has replaced.
    pub(crate) fn has_listed_previous_keys(&self) -> bool {
        self.source.has_listed_previous_keys()
    }

    /// Where the other keys stand, in words for a person.
    pub(crate) fn previous_words(&self) -> Vec<String> {
        self.source.previous_words()
    }

    /// Encrypts `plain` for one owner with the current key.
    ///
    /// # Errors
    /// [`VaultError::NoRandom`].
    pub(crate) fn seal(&self, owner: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        self.look_again();
        self.keys()[0].seal(&self.random, owner, plain)
    }

    /// Decrypts what was sealed for the same owner with one of the keys.
    ///
    /// # Errors
    /// [`Unsealable`].
    pub(crate) fn open(&self, owner: &str, sealed: &Sealed) -> Result<Vec<u8>, Unsealable> {
        let known = |keys: &[Key]| keys.iter().position(|key| key.id() == sealed.key_id);
        let mut keys = self.keys();
        if known(&keys).is_none() {
            self.look_again();
            keys = self.keys();
        }
        let at = known(&keys).ok_or_else(|| Unsealable::OtherKey(sealed.key_id.clone()))?;
        keys[at].open(owner, sealed)
    }

    /// A short mark by which the same secret is recognised again and from which it cannot be found.
    pub(crate) fn fingerprint(&self, secret: &SecretString) -> String {
        self.keys()[0].fingerprint(secret)
    }

    /// Whether one of the keys left this mark for the secret.
    pub(crate) fn is_fingerprint(&self, mark: &str, secret: &SecretString) -> bool {
        self.keys().iter().any(|key| key.fingerprint(secret) == mark)
    }

    /// Puts a new random key in the place of the current one, which from then on only opens; keys before it go.
    ///
    /// # Errors
    /// [`VaultError::KeyElsewhere`], [`VaultError::File`], [`VaultError::NoRandom`].
    pub(crate) fn replace_key(&self) -> Result<(), VaultError> {
        let elsewhere = || VaultError::KeyElsewhere { place: self.source.words() };
        let path = self.source.file().ok_or_else(elsewhere)?;
        key_file::push(path, &generate()?)?;
        let keys = self.source.read(false)?;
        self.take(keys);
        Ok(())
    }

    /// Reads the keys again where they may have been replaced. Keys that cannot be read now stay as they are.
    fn look_again(&self) {
        if !self.source.may_change() {
            return;
        }
        match self.source.read(false) {
            Ok(keys) => self.take(keys),
            Err(error) => tracing::warn!(%error, "the vault keys cannot be read again; those read before are used"),
        }
    }

    fn take(&self, keys: Vec<Key>) {
        let known = self.keys();
        if known.len() == keys.len() && known.iter().zip(&keys).all(|(one, other)| one.id() == other.id()) {
            return;
        }
        tracing::info!(key.id = keys[0].id(), "the vault has other keys now");
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn keys(&self) -> Arc<Vec<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vault(bytes: &[u8]) -> Vault {
        let keys = bytes.iter().map(|byte| Key::of_bytes(&[*byte; 32])).collect();
        let source = Source::own_file(Path::new("/nowhere/absent.key"));
        Vault { source, keys: RwLock::new(Arc::new(keys)), random: SystemRandom::new() }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_again(account in ".{0,40}", plain in proptest::collection::vec(any::<u8>(), 0..600)) {
            let vault = vault(&[1]);
            let sealed = vault.seal(&account, &plain).unwrap();
            prop_assert_eq!(vault.open(&account, &sealed).unwrap(), plain);
        }

        #[test]
        fn any_changed_bit_fails(at in 0_usize..60, bit in 0_u8..8) {
            let vault = vault(&[1]);
            let mut sealed = vault.seal("org-a", &[7; 32]).unwrap();
            prop_assume!(at < sealed.ciphertext.len());
            sealed.ciphertext[at] ^= 1 << bit;
            prop_assert_eq!(vault.open("org-a", &sealed), Err(Unsealable::Damaged));
        }
    }

    #[test]
    fn a_row_moved_to_another_account_or_key_does_not_open() {
        let sealed = vault(&[1]).seal("org-a", b"token").unwrap();
        assert_eq!(vault(&[1]).open("org-b", &sealed), Err(Unsealable::Damaged));
        assert_eq!(vault(&[2]).open("org-a", &sealed), Err(Unsealable::OtherKey(vault(&[1]).key_id())));
        let cut = Sealed { ciphertext: sealed.ciphertext[..5].to_vec(), ..sealed };
        assert_eq!(vault(&[1]).open("org-a", &cut), Err(Unsealable::Damaged));
    }

    #[test]
    fn a_previous_key_opens_and_recognises_and_the_current_one_seals() {
        let (old, both) = (vault(&[1]), vault(&[2, 1]));
        let secret = SecretString::from("1000.r");
        assert_eq!(both.open("org-a", &old.seal("org-a", b"token").unwrap()).unwrap(), b"token");
        assert!(both.is_fingerprint(&old.fingerprint(&secret), &secret));
        assert_eq!(both.seal("org-a", b"token").unwrap().key_id, vault(&[2]).key_id());
        assert_eq!(both.other_key_ids(), [old.key_id()]);
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same_way_twice() {
        let vault = vault(&[1]);
        assert_ne!(vault.seal("a", b"x").unwrap(), vault.seal("a", b"x").unwrap());
    }

    #[test]
    fn debug_shows_the_key_id_alone() {
        let vault = vault(&[0x41]);
        assert_eq!(format!("{vault:?}"), format!("Vault {{ key_id: {:?}, .. }}", vault.key_id()));
    }
}
