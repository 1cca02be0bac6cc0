//! Names that cannot be wrong inside: streams (`<category>-<id>`) and event types (`<noun>.<past verb>`).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The ordered events of one thing, named `<category>-<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(String);

/// A name that breaks the rules of its kind.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{name:?} is not a valid {kind}: {reason}")]
pub struct InvalidName {
    name: String,
    kind: &'static str,
    reason: &'static str,
}

impl StreamName {
    /// Longest name in bytes; it travels as a Kafka key and stands in every row.
    pub const MAX_BYTES: usize = 512;

    /// Joins a category and an id. The category is ours (letters, digits, `_`), the id may come from a provider.
    ///
    /// A name that would be too long ends in `~` and the SHA-256 of the whole: different ids stay different streams.
    ///
    /// # Panics
    /// When the category is not a plain word: categories are constants of this program.
    #[must_use]
    pub fn new(category: &str, id: impl fmt::Display) -> Self {
        assert!(is_word(category), "stream category {category:?} must be letters, digits and underscores");
        let name = format!("{category}-{id}");
        if name.len() <= Self::MAX_BYTES {
            return StreamName(name);
        }
        let digest: String = Sha256::digest(&name).iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = name.floor_char_boundary(Self::MAX_BYTES - digest.len() - 1);
        StreamName(format!("{}~{digest}", &name[..kept]))
    }

    /// Reads a name that was written before.
    ///
    /// # Errors
    /// When it has no category, or is too long.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        let invalid = |reason| InvalidName { name: name.to_owned(), kind: "stream name", reason };
        let Some((category, id)) = name.split_once('-') else {
            return Err(invalid("it must look like <category>-<id>"));
        };
        if !is_word(category) || id.is_empty() {
            return Err(invalid("it must look like <category>-<id>"));
        }
        if name.len() > Self::MAX_BYTES {
            return Err(invalid("it is longer than 512 bytes"));
        }
        Ok(StreamName(name.to_owned()))
    }

    pub(crate) fn trusted(name: String) -> Self {
        StreamName(name)
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `-`.
    #[must_use]
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or("", |(category, _)| category)
    }

    /// What stands after the first `-`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, id)| id)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StreamName {
    type Error = InvalidName;
    fn try_from(name: String) -> Result<Self, InvalidName> {
        StreamName::parse(&name)
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> String {
        name.0
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Permanent wire name of what happened, `<noun>.<past verb>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(Cow<'static, str>);

impl EventType {
    /// A type that this program writes.
    ///
    /// # Panics
    /// At compile time of the constant, when the name has no dot.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        let mut at = 0;
        let mut dots = 0;
        while at < bytes.len() {
            if bytes[at] == b'.' {
                dots += 1;
            }
            at += 1;
        }
        assert!(dots == 1, "an event type is <noun>.<past verb>");
        EventType(Cow::Borrowed(name))
    }

    pub(crate) fn trusted(name: String) -> Self {
        EventType(Cow::Owned(name))
    }

    /// The wire name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_name_splits_at_the_first_dash() {
        let name = StreamName::new("crm_record", "org-a-Contacts-52");
        assert_eq!((name.category(), name.id()), ("crm_record", "org-a-Contacts-52"));
        assert_eq!(StreamName::parse(name.as_str()).expect("valid"), name);
    }

    #[test]
    fn stream_name_without_category_is_refused() {
        for bad in ["", "-1", "nodash", "a b-1", "x-"] {
            assert!(StreamName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn overlong_stream_names_are_cut_at_a_character_and_stay_different() {
        let one = StreamName::new("file", format!("{}1", "ü".repeat(600)));
        let other = StreamName::new("file", format!("{}2", "ü".repeat(600)));
        assert!(one.as_str().len() <= StreamName::MAX_BYTES);
        assert_ne!(one, other);
        assert_eq!(StreamName::parse(one.as_str()).expect("valid"), one);
    }
}
