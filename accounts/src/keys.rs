//! Keys of the vault for people: new ones.

use std::path::Path;

use secrecy::SecretString;

use crate::VaultError;
use crate::vault::{self, key_file};

/// A new random key in base64, as `GATELEDGER_KEY` takes it.
///
/// # Errors
/// [`VaultError::NoRandom`].
pub fn generate() -> Result<SecretString, VaultError> {
    vault::generate()
}

/// Writes a key to a file that only its owner may read.
///
/// # Errors
/// [`VaultError::Exists`]: a file that is there is never overwritten. [`VaultError::NoFolder`], [`VaultError::File`].
pub fn write(path: &Path, key: &SecretString) -> Result<(), VaultError> {
    key_file::create_new(path, key)
}
