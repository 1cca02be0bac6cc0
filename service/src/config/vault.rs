//! `[vault]`: the key under which tokens are encrypted.

use std::path::PathBuf;

use super::secret::SecretRef;
use super::section::Section;
use super::{Environment, Store};

/// Variable that holds the key when `[vault] key` says nothing.
const VARIABLE: &str = "GATELEDGER_KEY";

/// `[vault]`.
#[derive(Debug, Clone)]
pub struct Vault {
    /// Key `key`: the encryption key, best as `"env:NAME"` or `"file:path"`. Default: the variable `GATELEDGER_KEY` if it
    /// is set. Without any, the key is kept in `key_file`. With another key, stored tokens cannot be read.
    pub key: Option<SecretRef>,
    /// Key `key_file`: where a key is made and kept when none is given. Default: beside the SQLite file, with its name and
    /// the ending `.key`. Whoever has this file and the database has the tokens. On PostgreSQL there is no default, since
    /// all processes need the same key.
    pub key_file: Option<PathBuf>,
}

impl Vault {
    pub(super) fn read(mut section: Section<'_>, store: &Store, environment: &Environment) -> Self {
        let from_variable = || environment.get(VARIABLE).map(|_| SecretRef::Environment(VARIABLE.to_owned()));
        let vault = Self {
            key: section.secret("key").or_else(from_variable),
            key_file: section.path("key_file").or_else(|| Some(store.database.file()?.with_extension("key"))),
        };
        section.finish();
        vault
    }
}
