//! Names and ids that go into queries and paths; parsed once, so that nothing can be smuggled in through them.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Longest accepted name or id, in bytes.
const LONGEST_BYTES: usize = 100;

/// API name of a module or field: letters, digits and underscores, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiName(String);

/// Id of a CRM record: digits at Zoho. Kept as text, because it does not fit a floating-point number; letters, `-` and `_`
/// pass as well, since nothing depends on its being a number and none of them means anything in a query or a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(String);

impl ApiName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`Error::Rejected`] with code `bad_api_name`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let begins_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !begins_well || !is_name || text.len() > LONGEST_BYTES {
            let message = format!("{text:?} is not made of letters, digits and underscores, beginning with a letter");
            return Err(Error::refused_input("bad_api_name", "api name", message));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for ApiName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl RecordId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`Error::Rejected`] with code `bad_record_id`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || !text.bytes().all(is_plain) || text.len() > LONGEST_BYTES {
            let message = format!("{text:?} is not made of letters, digits, dashes and underscores");
            return Err(Error::refused_input("bad_record_id", "record id", message));
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RecordId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_names_becomes_a_name() {
        for good in ["Deals", "Docs_Moved", "CustomModule12", "a"] {
            assert!(good.parse::<ApiName>().is_ok_and(|name| name.as_str() == good));
        }
        for bad in ["", "_x", "1x", "A B", "A'", "Deals where (id > '0')", "../users", "Übung", "a.b"] {
            assert!(bad.parse::<ApiName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_with_a_meaning_in_queries_or_paths_becomes_a_record_id() {
        assert!("5200000000123456".parse::<RecordId>().is_ok());
        for bad in ["", "5 2", "'", "a/b", "..", "(5)", "٣", "5,6"] {
            assert!(bad.parse::<RecordId>().is_err());
        }
    }
}
