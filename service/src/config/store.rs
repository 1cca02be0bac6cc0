//! `[store]`: where the event log and everything beside it is kept.

use std::path::{Path, PathBuf};

use super::section::Section;
use super::value::Misfit;

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Key `url`: the database, `sqlite:<path>`. Default `sqlite:gateledger.db`; a relative path starts at the working
    /// directory, and here it is already complete. The folder must exist; on a full disk nothing is accepted.
    pub url: String,
    /// The path of the database file.
    pub path: PathBuf,
}

const DEFAULT: &str = "gateledger.db";

impl Store {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let base = section.base().to_owned();
        let path = section.read("url", "\"sqlite:<path>\"", |leaf| path_of(leaf.raw.text()?.trim(), &base));
        let path = path.unwrap_or_else(|| base.join(DEFAULT));
        section.finish();
        Self { url: format!("sqlite:{}", path.display()), path }
    }
}

/// A database address may hold a password, so that it is never part of a message.
fn path_of(url: &str, base: &Path) -> Result<PathBuf, Misfit> {
    let refused = |what: String| Err(Misfit::Rule(what));
    let Some((scheme, rest)) = url.split_once(':') else {
        return refused("has no scheme; write sqlite:<path>, such as sqlite:gateledger.db".to_owned());
    };
    if !scheme.eq_ignore_ascii_case("sqlite") {
        let plain = scheme.chars().all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one));
        let named = if plain { format!(" `{scheme}`") } else { String::new() };
        return refused(format!("has the unsupported scheme{named}; this version supports sqlite:<path>"));
    }
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path == ":memory:" {
        return refused("names no file; write sqlite:<path>, such as sqlite:gateledger.db".to_owned());
    }
    Ok(base.join(path))
}
