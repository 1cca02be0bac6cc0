//! The id of a message, in one spelling.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::error::Error;

/// Longest accepted id, in bytes.
const LONGEST_BYTES: usize = 200;

/// The id of a message inside its chat. Cliq writes the same id as `1768471500000_4028`, `1768471500000 4028` or
/// `1768471500000%204028`, depending on the call; here it is always the first. Equal ids are equal messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// Parses an id in any of its spellings, percent-encoded once or twice.
    ///
    /// # Errors
    /// [`Error::Rejected`] with code `bad_message_id`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let normal = decoded(&decoded(text)).replace(' ', "_");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if normal.is_empty() || !normal.bytes().all(is_plain) || normal.len() > LONGEST_BYTES {
            let message = format!("{:?} is no message id", text.chars().take(LONGEST_BYTES).collect::<String>());
            return Err(Error::refused_input("bad_message_id", "message id", message));
        }
        Ok(Self(normal))
    }

    /// The id with an underscore.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The milliseconds since 1970 that the id begins with.
    #[must_use]
    pub fn milliseconds(&self) -> Option<i64> {
        let digits = self.0.split('_').next()?;
        digits.parse().ok().filter(|milliseconds| *milliseconds > 0)
    }

    /// As it stands in a path before encoding: with a space, which becomes the documented `%20`.
    pub(super) fn in_path(&self) -> String {
        self.0.replace('_', " ")
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl FromStr for MessageId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_is_the_same_id() {
        let spellings = ["1768471500000_40288830613", "1768471500000 40288830613", "1768471500000%2040288830613"];
        for spelling in spellings.into_iter().chain(["1768471500000%252040288830613", " 1768471500000_40288830613 "]) {
            let id: MessageId = spelling.parse().unwrap();
            assert_eq!(id.as_str(), "1768471500000_40288830613");
            assert_eq!(id.milliseconds(), Some(1_768_471_500_000));
            assert_eq!(id.in_path(), "1768471500000 40288830613");
        }
    }

    #[test]
    fn nothing_that_could_change_a_path_becomes_an_id() {
        for bad in ["", " ", "..", "a/b", "1%2F2", "1%252F2", "1?x", "ü"] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad}");
        }
        assert_eq!("abc".parse::<MessageId>().unwrap().milliseconds(), None);
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(milliseconds in 1_i64.., sequence in any::<u64>()) {
            let id: MessageId = format!("{milliseconds}%20{sequence}").parse().unwrap();
            prop_assert_eq!(id.as_str().parse::<MessageId>().unwrap(), id);
        }
    }
}
