//! Where the vault's keys come from: the settings, or a key file of our own.

use std::path::PathBuf;

use secrecy::SecretString;
use service::config::{Config, Environment, SecretRef};

use super::key::{self, Key};
use super::{VaultError, key_file};

/// Where keys are looked for, the place of the current one first.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    current: Place,
    previous: Vec<SecretRef>,
    environment: Option<Environment>,
}

/// Where the current key stands.
#[derive(Debug, Clone)]
enum Place {
    Setting(SecretRef),
    OwnFile(PathBuf),
}

impl Source {
    /// The places that the settings name.
    ///
    /// # Errors
    /// [`VaultError::NoSharedKey`].
    pub(crate) fn of(config: &Config) -> Result<Self, VaultError> {
        let current = match (&config.vault.key, &config.vault.key_file) {
            (Some(key), _) => Place::Setting(key.clone()),
            (None, Some(path)) => Place::OwnFile(path.clone()),
            (None, None) => return Err(VaultError::NoSharedKey),
        };
        let previous = config.vault.previous_keys.clone();
        Ok(Self { current, previous, environment: Some(config.environment.clone()) })
    }

    #[cfg(test)]
    pub(super) fn own_file(path: &std::path::Path) -> Self {
        Self { current: Place::OwnFile(path.to_owned()), previous: Vec::new(), environment: None }
    }

    /// All keys, the current one first, each once. Our own file is created with a new random key when it is absent and
    /// `may_create`.
    ///
    /// # Errors
    /// All of [`VaultError`].
    pub(super) fn read(&self, may_create: bool) -> Result<Vec<Key>, VaultError> {
        let mut keys = match &self.current {
            Place::Setting(setting) => self.resolve(setting, "vault.key")?,
            Place::OwnFile(path) => {
                let text = match key_file::read(path)? {
                    Some(text) => text,
                    None if may_create => key_file::create(path, &key::generate()?)?,
                    None => return Err(VaultError::absent(path)),
                };
                key::parse_all(&text, &path.display().to_string())?
            }
        };
        for setting in &self.previous {
            keys.extend(self.resolve(setting, "vault.previous_keys")?);
        }
        let mut known: Vec<Key> = Vec::with_capacity(keys.len());
        for key in keys {
            if known.iter().all(|one| one.id() != key.id()) {
                known.push(key);
            }
        }
        Ok(known)
    }

    /// Whether another program can change the keys while this one runs.
    pub(super) fn may_change(&self) -> bool {
        let is_file = |setting: &SecretRef| matches!(setting, SecretRef::File(_));
        match &self.current {
            Place::OwnFile(_) => true,
            Place::Setting(setting) => is_file(setting) || self.previous.iter().any(is_file),
        }
    }

    /// Whether the settings list keys that a person has replaced.
    pub(super) fn has_listed_previous_keys(&self) -> bool {
        !self.previous.is_empty()
    }

    /// The file that holds the current key, where it stands in one.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        match &self.current {
            Place::OwnFile(path) | Place::Setting(SecretRef::File(path)) => Some(path),
            Place::Setting(_) => None,
        }
    }

    /// Where the current key stands, in words for a person.
    pub(super) fn words(&self) -> String {
        match &self.current {
            Place::OwnFile(path) => path.display().to_string(),
            Place::Setting(setting) => words(setting, "vault.key"),
        }
    }

    /// Where the other keys stand, in words for a person.
    pub(super) fn previous_words(&self) -> Vec<String> {
        let mut all: Vec<String> = self.previous.iter().map(|setting| words(setting, "vault.previous_keys")).collect();
        all.extend(self.file().map(|path| format!("the lines after the first of {}", path.display())));
        all
    }

    fn resolve(&self, setting: &SecretRef, name: &'static str) -> Result<Vec<Key>, VaultError> {
        let text: SecretString = match (setting, &self.environment) {
            (setting, Some(environment)) => setting
                .resolve(environment)
                .map_err(|source| VaultError::NoKey { setting: name, source: Box::new(source) })?,
            (SecretRef::Literal(text), None) => text.clone(),
            (_, None) => return Err(VaultError::NoSharedKey),
        };
        key::parse_all(&text, &words(setting, name))
    }
}

fn words(setting: &SecretRef, name: &str) -> String {
    match setting {
        SecretRef::Environment(variable) => format!("the variable {variable}"),
        SecretRef::File(path) => path.display().to_string(),
        SecretRef::Literal(_) => format!("the setting `{name}`"),
    }
}
