//! `[store]`: where the event log and everything beside it is kept.

use std::path::{Path, PathBuf};

use super::Environment;
use super::secret::{ExposeSecret, SecretRef, SecretString};
use super::section::Section;
use super::value::Misfit;

/// `[store]`.
#[derive(Debug, Clone)]
pub struct Store {
    /// Key `url`: the database, `sqlite:<path>` or `postgres://user:password@host:5432/database`, also as `"env:NAME"` or
    /// `"file:path"`. Default `sqlite:gateledger.db`; a relative path starts at the working directory, and here it is
    /// already complete. The folder must exist; on a full disk nothing is accepted.
    pub database: DatabaseUrl,
    /// Key `owner_url`: PostgreSQL only, the same database as the role that owns the tables. `migrate` uses it, and gives
    /// the role of `url` what the program needs and no more; nobody else needs to have it, so it is read only then.
    /// Absent: the role of `url` owns them.
    pub owner_url: Option<SecretRef>,
}

/// The address of a database. May hold a password, so that it is never part of a message.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// The path of a SQLite file.
    Sqlite(PathBuf),
    /// `postgres://…`.
    Postgres(SecretString),
}

const DEFAULT: &str = "gateledger.db";
const EXPECTED: &str =
    "write sqlite:<path>, such as sqlite:gateledger.db, or postgres://user:password@host:5432/database";

impl Store {
    pub(super) fn read(mut section: Section<'_>, environment: &Environment) -> Self {
        let base = section.base().to_owned();
        let database = read_url(&mut section, "url", environment).unwrap_or(DatabaseUrl::Sqlite(base.join(DEFAULT)));
        let owner_url = section.secret("owner_url");
        section.finish();
        Self { database, owner_url }
    }

    /// The address for the role that owns the tables, if it is another than the program's own.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn owner(&self, environment: &Environment) -> Result<Option<DatabaseUrl>, String> {
        let Some(reference) = &self.owner_url else { return Ok(None) };
        let wrong = |what: String| format!("`store.owner_url` {what}");
        let url = resolve(reference, environment, Path::new("")).map_err(wrong)?;
        if !(url.is_shared() && self.database.is_shared()) {
            return Err(wrong("has a meaning only where it and `store.url` are addresses of PostgreSQL".to_owned()));
        }
        Ok(Some(url))
    }
}

impl DatabaseUrl {
    /// The address of `text`; relative paths start at `base`.
    ///
    /// # Errors
    /// What is wrong, in words that complete "the key …" and do not hold the address.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(format!("has no scheme; {EXPECTED}"));
        };
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        if is("postgres") || is("postgresql") {
            return Ok(Self::Postgres(SecretString::from(format!("postgres:{rest}"))));
        }
        if !is("sqlite") {
            let plain = scheme.chars().all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one));
            let named = if plain { format!(" `{scheme}`") } else { String::new() };
            return Err(format!("has the unsupported scheme{named}; {EXPECTED}"));
        }
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path == ":memory:" {
            return Err("names no file; write sqlite:<path>, such as sqlite:gateledger.db".to_owned());
        }
        Ok(Self::Sqlite(base.join(path)))
    }

    /// The address as the log opens it. Holds the password, if there is one.
    #[must_use]
    pub fn exposed(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => url.expose_secret().to_owned(),
        }
    }

    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// Whether several processes, also on other machines, may use it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

fn read_url(section: &mut Section<'_>, key: &'static str, environment: &Environment) -> Option<DatabaseUrl> {
    let base = section.base().to_owned();
    section.read(key, "an address, in quotes", |leaf| {
        let reference = SecretRef::parse(leaf.raw.text()?.trim(), &base).map_err(|why| Misfit::Rule(why.to_owned()))?;
        resolve(&reference, environment, &base).map_err(Misfit::Rule)
    })
}

fn resolve(reference: &SecretRef, environment: &Environment, base: &Path) -> Result<DatabaseUrl, String> {
    let text = reference.resolve(environment);
    let text = text.map_err(|error| format!("cannot be used: {}", super::with_cause(&error)))?;
    DatabaseUrl::parse(text.expose_secret().trim(), base)
}
