//! `[vault]`: the key under which tokens are encrypted.

use std::path::PathBuf;

use super::secret::SecretRef;
use super::section::Section;
use super::{Environment, Store};

/// Variable that holds the key when `[vault] key` says nothing.
const VARIABLE: &str = "GATELEDGER_KEY";

/// Variable that holds older keys when `[vault] previous_keys` says nothing.
const PREVIOUS_VARIABLE: &str = "GATELEDGER_KEY_PREVIOUS";

/// `[vault]`.
#[derive(Debug, Clone)]
pub struct Vault {
    /// Key `key`: the encryption key, best as `"env:NAME"` or `"file:path"`. Default: the variable `GATELEDGER_KEY` if it
    /// is set. Without any, the key is kept in `key_file`. With another key, stored tokens cannot be read.
    pub key: Option<SecretRef>,
    /// Key `previous_keys`: other keys that open what they sealed, while `keys rotate` replaces one by another; nothing is
    /// sealed with them. Default: the variable `GATELEDGER_KEY_PREVIOUS` if it is set, with commas between several.
    pub previous_keys: Vec<SecretRef>,
    /// Key `key_file`: where a key is made and kept when none is given; after `keys rotate` the one before stands in its
    /// second line. Default: beside the SQLite file, with its name and the ending `.key`. Whoever has this file and the
    /// database has the tokens. On PostgreSQL there is no default, since all processes need the same key.
    pub key_file: Option<PathBuf>,
}

impl Vault {
    pub(super) fn read(mut section: Section<'_>, store: &Store, environment: &Environment) -> Self {
        let variable = |name: &str| environment.get(name).map(|_| SecretRef::Environment(name.to_owned()));
        let vault = Self {
            key: section.secret("key").or_else(|| variable(VARIABLE)),
            previous_keys: section
                .secrets("previous_keys")
                .unwrap_or_else(|| variable(PREVIOUS_VARIABLE).into_iter().collect()),
            key_file: section.path("key_file").or_else(|| Some(store.database.file()?.with_extension("key"))),
        };
        section.finish();
        vault
    }
}
