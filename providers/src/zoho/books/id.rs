//! Ids of Books: numbers of 15 and more digits, kept as text.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::zoho::lenient;

/// Longest accepted id, in bytes.
const LONGEST_BYTES: usize = 100;

/// The id of an organisation, a user or a contact. Digits at Zoho; letters, `-` and `_` pass as well, since none of them
/// means anything in a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// Parses an id.
    ///
    /// # Errors
    /// [`Error::Rejected`] with code `bad_id`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || !text.bytes().all(is_plain) || text.len() > LONGEST_BYTES {
            let message = format!("{text:?} is not made of letters, digits, dashes and underscores");
            return Err(Error::refused_input("bad_id", "id", message));
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A field that holds an id as text or number; `None` where it is absent or blank.
    pub(super) fn of(fields: &Map<String, Value>, name: &str) -> Option<Self> {
        let text = fields.get(name).and_then(lenient::as_text)?;
        Self::parse(text.trim()).ok()
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_change_a_path_becomes_an_id() {
        assert!("460000000026049".parse::<Id>().is_ok());
        for bad in ["", " ", "a/b", "..", "1,2", "1?x"] {
            assert!(bad.parse::<Id>().is_err(), "{bad}");
        }
    }
}
