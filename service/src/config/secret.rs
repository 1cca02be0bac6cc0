//! Secrets by reference: where they are kept, and reading them when they are needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use secrecy::{ExposeSecret, SecretString};

use super::environment::Environment;

/// Where a secret is kept: `"env:NAME"`, `"file:path"`, or the secret itself.
///
/// Resolved each time it is needed, so that a replaced file counts without a restart. `Debug` shows the place, never a
/// secret.
#[derive(Debug, Clone)]
pub enum SecretRef {
    /// A variable of the environment or of the `.env` file.
    Environment(String),
    /// A file that holds nothing else; a line break at its end does not count.
    File(PathBuf),
    /// The secret stood in the configuration.
    Literal(SecretString),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set, or empty.
    #[error("{name} is not set in {looked_in}")]
    NotSet {
        /// Name of the variable.
        name: String,
        /// Where it was looked for.
        looked_in: String,
    },
    /// The file cannot be read.
    #[error("cannot read the secret file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The file holds nothing.
    #[error("the secret file {} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl SecretRef {
    /// Reads a reference as it stands in the configuration; files are looked for from `base`.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Self, &'static str> {
        if let Some(name) = text.strip_prefix("env:") {
            let name = name.trim();
            let named = !name.is_empty() && !name.contains(['=', '\0']);
            return if named { Ok(Self::Environment(name.to_owned())) } else { Err("`env:` names no variable") };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return if path.is_empty() { Err("`file:` names no file") } else { Ok(Self::File(base.join(path))) };
        }
        if text.is_empty() { Err("is empty") } else { Ok(Self::Literal(SecretString::from(text))) }
    }

    /// The secret as it is now.
    ///
    /// # Errors
    /// [`SecretError`]: a person must set the variable or write the file.
    pub fn resolve(&self, environment: &Environment) -> Result<SecretString, SecretError> {
        match self {
            Self::Environment(name) => environment
                .get(name)
                .map(SecretString::from)
                .ok_or_else(|| SecretError::NotSet { name: name.clone(), looked_in: environment.looked_in() }),
            Self::File(path) => read(path),
            Self::Literal(secret) => Ok(secret.clone()),
        }
    }
}

fn read(path: &Path) -> Result<SecretString, SecretError> {
    let text = fs::read_to_string(path).map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(SecretError::Empty { path: path.to_owned() });
    }
    Ok(SecretString::from(secret))
}
