//! The variables of the process and of the `.env` file, as one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ConfigError;
use super::origin::Origin;

/// All variables by name; those of the process win over those of the `.env` file. An empty variable counts as absent,
/// because process managers cannot always leave one out. Values never show in `Debug`.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
    dotenv: Arc<Path>,
    dotenv_found: bool,
}

#[derive(Clone)]
struct Variable {
    value: String,
    origin: Origin,
}

impl Environment {
    /// Joins the process environment with a `.env` file, which may be absent.
    pub(super) fn read(process: BTreeMap<String, String>, dotenv: PathBuf) -> Result<Self, ConfigError> {
        let dotenv: Arc<Path> = dotenv.into();
        let mut variables = BTreeMap::new();
        let text = read_if_present(&dotenv)?;
        for (name, value) in parse_dotenv(text.as_deref().unwrap_or_default(), &dotenv)? {
            let origin = Origin::Dotenv { variable: name.clone(), path: dotenv.clone() };
            // As in the shell, the last of several lines counts.
            variables.insert(name, Variable { value, origin });
        }
        for (name, value) in process {
            if !value.is_empty() {
                let origin = Origin::Environment(name.clone());
                variables.insert(name, Variable { value, origin });
            }
        }
        variables.retain(|_, variable| !variable.value.is_empty());
        Ok(Self { variables, dotenv, dotenv_found: text.is_some() })
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str())
    }

    /// Where variables are looked for, in words.
    #[must_use]
    pub fn looked_in(&self) -> String {
        let absent = if self.dotenv_found { "" } else { ", which does not exist" };
        format!("the environment or {}{absent}", self.dotenv.display())
    }

    /// Name, value and origin of every variable, in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str, &Origin)> {
        self.variables.iter().map(|(name, variable)| (name.as_str(), variable.value.as_str(), &variable.origin))
    }

    /// Where the value of a variable came from.
    pub(super) fn origin(&self, name: &str) -> Option<&Origin> {
        self.variables.get(name).map(|variable| &variable.origin)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("variables", &self.variables.len())
            .field("dotenv", &self.dotenv)
            .finish_non_exhaustive()
    }
}

/// The text of a file, or `None` when there is no such file.
pub(super) fn read_if_present(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::FileUnreadable { path: path.to_owned(), source }),
    }
}

fn parse_dotenv(text: &str, path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    dotenvy::from_read_iter(text.as_bytes())
        .map(|line| {
            line.map_err(|error| match error {
                dotenvy::Error::Io(source) => ConfigError::FileUnreadable { path: path.to_owned(), source },
                dotenvy::Error::LineParse(offending, _) => ConfigError::Syntax {
                    path: path.to_owned(),
                    line: line_of(text, text.find(offending.trim()).unwrap_or(0)),
                    message: "expected NAME=value, with quotes around a value that holds spaces".to_owned(),
                },
                _ => ConfigError::Syntax {
                    path: path.to_owned(),
                    line: 1,
                    message: "expected NAME=value lines".to_owned(),
                },
            })
        })
        .collect()
}

/// The line, counted from 1, that holds a byte of the text.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes().iter().take(byte).filter(|one| **one == b'\n').count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_assignment_is_named_by_number_and_not_shown() {
        let error = parse_dotenv("A=1\n\nsecret hunter2\n", Path::new(".env")).unwrap_err();
        assert_eq!(error.to_string(), ".env:3: expected NAME=value, with quotes around a value that holds spaces");
    }

    #[test]
    fn export_quotes_and_comments_are_understood() {
        let read = parse_dotenv("# note\nexport A=1\nB='two words' # why\nC=\"x\"\r\n", Path::new(".env")).unwrap();
        let expected = [("A", "1"), ("B", "two words"), ("C", "x")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
